/**
 * Header fields that decode leaves where they are, read when a rule asks. -1: the packet has none. Each length is checked
 * before the read; decode has checked that the headers themselves lie within the packet.
 */
import { IpProto, type Packet } from '../../decode/packet.js';

/** Value of a TCP option of one (window scale) or two bytes (MSS); the first of its kind, as receivers take it. */
function tcpOption(p: Packet, kind: number, length: number): number {
  if (p.proto !== IpProto.Tcp || p.transportOff < 0) return -1;
  const m = p.mem;
  const end = p.transportOff + p.tcpHeaderLen;
  let at = p.transportOff + 20;
  while (at < end) {
    const k = m[at];
    if (k === 0) return -1;
    if (k === 1) {
      at++;
      continue;
    }
    if (end - at < 2) return -1;
    const l = m[at + 1];
    if (l < 2 || l > end - at) return -1;
    if (k === kind && l === length) return l === 3 ? m[at + 2] : (m[at + 2] << 8) | m[at + 3];
    at += l;
  }
  return -1;
}

/** RFC 9293, 3.7.1. */
export function tcpMss(p: Packet): number {
  return tcpOption(p, 2, 4);
}

/** RFC 7323, 2.2. */
export function tcpWindowScale(p: Packet): number {
  return tcpOption(p, 3, 3);
}

/** Types with an identifier and a sequence number: echo, timestamp, information, address mask (RFC 792, 950). */
function isQuery(p: Packet): boolean {
  if (p.transportOff < 0) return false;
  const type = p.icmpType;
  if (p.proto === IpProto.IcmpV6) return type === 128 || type === 129;
  return p.proto === IpProto.Icmp && (type === 0 || type === 8 || (type >= 13 && type <= 18));
}

/** Identifier of an ICMP query; decode has seen 8 bytes of header. */
export function icmpId(p: Packet): number {
  const at = p.transportOff + 4;
  return isQuery(p) ? (p.mem[at] << 8) | p.mem[at + 1] : -1;
}

/** Sequence number of an ICMP query. */
export function icmpSeq(p: Packet): number {
  const at = p.transportOff + 6;
  return isQuery(p) ? (p.mem[at] << 8) | p.mem[at + 1] : -1;
}

/** MTU of a "packet too big" (RFC 4443, 3.2), 32 bits unsigned. */
export function icmpV6Mtu(p: Packet): number {
  if (p.proto !== IpProto.IcmpV6 || p.icmpType !== 2 || p.transportOff < 0) return -1;
  const m = p.mem;
  const at = p.transportOff + 4;
  return ((m[at] << 24) | (m[at + 1] << 16) | (m[at + 2] << 8) | m[at + 3]) >>> 0;
}

const IGMP = 2;

/** First byte of an IGMP message, which has 8 at least (RFC 3376, 4). */
export function igmpType(p: Packet): number {
  const at = p.ipOff + p.ipHeaderLen;
  return p.ipVersion === 4 && p.proto === IGMP && p.isFragment === 0 && p.ipOff + p.ipLen - at >= 8 ? p.mem[at] : -1;
}

const ARP = 0x0806;

/** Opcode of an ARP message behind an Ethernet header and its VLAN tags (RFC 826). */
export function arpOpcode(p: Packet): number {
  if (p.ethOff < 0 || p.etherType !== ARP) return -1;
  const m = p.mem;
  // Tags of other kinds are longer: the type must stand where the tags that were counted end.
  const at = p.ethOff + 12 + 4 * p.vlanDepth;
  if (at + 10 > p.off + p.capLen || ((m[at] << 8) | m[at + 1]) !== ARP) return -1;
  return (m[at + 8] << 8) | m[at + 9];
}

/** Whether the IPv4 header has the option of this type; -1: any. Decode has checked the lengths of valid headers. */
export function hasIpOption(p: Packet, type: number): boolean {
  if (p.ipVersion !== 4 || p.ipHeaderLen <= 20) return false;
  const m = p.mem;
  const end = p.ipOff + ((m[p.ipOff] & 15) << 2);
  let at = p.ipOff + 20;
  while (at < end) {
    const t = m[at];
    if (t === type || type < 0) return true;
    if (t === 0) return false;
    if (t === 1) {
      at++;
      continue;
    }
    if (end - at < 2 || m[at + 1] < 2) return false;
    at += m[at + 1];
  }
  return false;
}

/** VLAN id of a layer, 0 the outermost, -1 the innermost. */
export function vlanId(p: Packet, layer: number): number {
  const index = layer < 0 ? p.vlanDepth + layer : layer;
  if (index < 0 || index >= p.vlanDepth) return -1;
  return index === 0 ? p.vlan0 : index === 1 ? p.vlan1 : p.vlan2;
}
