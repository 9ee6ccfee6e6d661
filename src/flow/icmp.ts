import { IpProto, type Packet } from '../decode/packet.js';

/**
 * What ICMP means to the flow key. Queries and their answers share a flow: type and answering type stand in for
 * the ports, so that the exchanged tuple of one is the other's. Other messages are flows of one direction.
 * ICMPv4 errors belong to the flow they tell of. Source: RFC 792, RFC 950, RFC 1256, RFC 4443, RFC 4861, RFC 6275.
 */
const V4_PAIRS = [0, 8, 9, 10, 13, 14, 15, 16, 17, 18];
const V6_PAIRS = [128, 129, 130, 131, 133, 134, 135, 136, 139, 140, 144, 145, 146, 147];

function counterparts(pairs: number[]): Int16Array {
  const table = new Int16Array(256).fill(-1);
  for (let i = 0; i < pairs.length; i += 2) {
    table[pairs[i]] = pairs[i + 1];
    table[pairs[i + 1]] = pairs[i];
  }
  return table;
}
const COUNTERPART_V4 = counterparts(V4_PAIRS);
const COUNTERPART_V6 = counterparts(V6_PAIRS);

/** The key's port pair, source in the high half: type << 8 against type << 8, or type << 8 | code against 0. */
export function icmpPorts(proto: number, type: number, code: number): number {
  const counterpart = (proto === IpProto.Icmp ? COUNTERPART_V4 : COUNTERPART_V6)[type & 0xff];
  if (counterpart < 0) return ((type & 0xff) << 24) | ((code & 0xff) << 16);
  return ((type & 0xff) << 24) | (counterpart << 8);
}

/** Destination unreachable, source quench, redirect, time exceeded, parameter problem (RFC 792). */
export function isIcmpV4Error(type: number): boolean {
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
}

/**
 * The TCP or UDP packet that an ICMPv4 "destination unreachable" quotes. Returns the absolute offset of its IPv4
 * header when addresses, protocol and ports are all within the captured bytes, or -1.
 */
export function embeddedIpv4(p: Packet): number {
  if (p.icmpType !== 3 || p.transportOff < 0) return -1;
  const mem = p.mem;
  const at = p.transportOff + 8;
  let end = p.ipOff + p.ipLen;
  if (end > mem.length) end = mem.length;
  if (at + 20 > end || mem[at] >> 4 !== 4) return -1;
  const headerLen = (mem[at] & 15) << 2;
  const proto = mem[at + 9];
  if (headerLen < 20 || (proto !== IpProto.Tcp && proto !== IpProto.Udp) || at + headerLen + 4 > end) return -1;
  // A later fragment has no ports (RFC 791).
  if ((((mem[at + 6] << 8) | mem[at + 7]) & 0x1fff) !== 0) return -1;
  return at;
}
