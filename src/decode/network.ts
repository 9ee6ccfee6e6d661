import { Counter } from '../metrics/counters.js';
import { type DecodeContext, invalid } from './context.js';
import { DecodeEvent } from './events.js';
import { IpProto, type Packet } from './packet.js';
import { decodeTcp, decodeTransport, decodeUdp } from './transport.js';

/**
 * IPv4, RFC 791:
 *
 *   0        1     2              4              6               8     9       10         12    16    20
 *   | 4 |IHL | TOS | total length | id           | R DF MF off/8 | TTL | proto | checksum | src | dst | options
 */
export function decodeIpv4(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 20) return invalid(p, DecodeEvent.Ipv4PktTooSmall);
  const first = m[at];
  if (first >> 4 !== 4) return invalid(p, DecodeEvent.Ipv4WrongIpVersion);
  const headerLen = (first & 15) << 2;
  if (headerLen < 20) return invalid(p, DecodeEvent.Ipv4HlenTooSmall);
  let length = (m[at + 2] << 8) | m[at + 3];
  if (length < headerLen) return invalid(p, DecodeEvent.Ipv4IplenSmallerThanHlen);
  if (length > end - at) {
    const fragment = (((m[at + 6] << 8) | m[at + 7]) & 0x3fff) !== 0;
    if (fragment || length > end - at + p.cut) return invalid(p, DecodeEvent.Ipv4TruncPkt);
    length = end - at;
  }
  if (headerLen > 20 && !walkOptions(p, m, at + 20, at + headerLen)) return false;

  p.ipVersion = 4;
  p.ipOff = at;
  p.ipHeaderLen = headerLen;
  p.ipLen = length;
  p.tos = m[at + 1];
  p.ipId = (m[at + 4] << 8) | m[at + 5];
  p.ttl = m[at + 8];
  const proto = m[at + 9];
  p.proto = proto;
  const src = p.src;
  const dst = p.dst;
  src[0] = (m[at + 12] << 24) | (m[at + 13] << 16) | (m[at + 14] << 8) | m[at + 15];
  dst[0] = (m[at + 16] << 24) | (m[at + 17] << 16) | (m[at + 18] << 8) | m[at + 19];
  src[1] = 0;
  src[2] = 0;
  src[3] = 0;
  dst[1] = 0;
  dst[2] = 0;
  dst[3] = 0;
  ctx.counters[Counter.Ipv4]++;

  const payload = at + headerLen;
  const ipEnd = at + length;
  p.payloadOff = payload;
  p.payloadLen = ipEnd - payload;

  const fragment = (m[at + 6] << 8) | m[at + 7];
  if ((fragment & 0x3fff) !== 0) {
    p.isFragment = 1;
    p.fragOffset = (fragment & 0x1fff) << 3;
    p.fragMore = (fragment >> 13) & 1;
    ctx.counters[Counter.Fragments]++;
    return true;
  }
  if (proto === IpProto.Tcp) return decodeTcp(ctx, p, m, payload, ipEnd);
  if (proto === IpProto.Udp) return decodeUdp(ctx, p, m, payload, ipEnd);
  if (proto === IpProto.IcmpV6) return invalid(p, DecodeEvent.Ipv4Icmpv6);
  return decodeTransport(ctx, p, m, proto, payload, ipEnd);
}

/** IPv4 option types (IANA ip-parameters). */
const enum Ipv4Option {
  EndOfList = 0,
  Nop = 1,
  RecordRoute = 7,
  QuickStart = 25,
  Timestamp = 68,
  Security = 130,
  LooseSourceRoute = 131,
  ExtendedSecurity = 133,
  Cipso = 134,
  StreamId = 136,
  StrictSourceRoute = 137,
  RouterAlert = 148,
}

/**
 * Checks the options in m[at, end). False: one is such that hosts refuse the packet, and so it is not inspected. An option
 * that hosts only find odd is named and no more (Linux takes any length of a security option, say): else that
 * option would carry everything behind it past the rules.
 */
function walkOptions(p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (((end - at) & 7) !== 0) p.addEvent(DecodeEvent.Ipv4OptPadRequired);
  let seen = 0;
  while (at < end) {
    const type = m[at];
    if (type === Ipv4Option.EndOfList) break;
    if (type === Ipv4Option.Nop) {
      at++;
      continue;
    }
    if (end - at < 2) {
      p.addEvent(DecodeEvent.Ipv4OptEolRequired);
      break;
    }
    const length = m[at + 1];
    if (length < 2 || length > end - at) return invalid(p, DecodeEvent.Ipv4OptInvalidLen);
    let bit = 0;
    switch (type) {
      case Ipv4Option.RecordRoute:
      case Ipv4Option.LooseSourceRoute:
      case Ipv4Option.StrictSourceRoute:
        bit = type === Ipv4Option.RecordRoute ? 1 : type === Ipv4Option.LooseSourceRoute ? 2 : 4;
        if (length < 3) invalid(p, DecodeEvent.Ipv4OptInvalidLen);
        // The pointer counts from 1 and steps by one address; one past the end means full.
        else if (m[at + 2] < 4) invalid(p, DecodeEvent.Ipv4OptMalformed);
        else if (((length - 3) & 3) !== 0 || (m[at + 2] & 3) !== 0 || m[at + 2] > length + 1) p.addEvent(DecodeEvent.Ipv4OptMalformed);
        break;
      case Ipv4Option.Timestamp:
        bit = 8;
        if (length < 4) invalid(p, DecodeEvent.Ipv4OptInvalidLen);
        else if (m[at + 2] < 5) invalid(p, DecodeEvent.Ipv4OptMalformed);
        else if (m[at + 2] > length + 1 || timestampFlagUnknown(m[at + 3] & 15)) p.addEvent(DecodeEvent.Ipv4OptMalformed);
        break;
      case Ipv4Option.QuickStart:
        bit = 16;
        if (length !== 8) p.addEvent(DecodeEvent.Ipv4OptInvalidLen);
        break;
      case Ipv4Option.Security:
        bit = 32;
        if (length !== 11) p.addEvent(DecodeEvent.Ipv4OptInvalidLen);
        break;
      case Ipv4Option.StreamId:
        bit = 64;
        if (length !== 4) p.addEvent(DecodeEvent.Ipv4OptInvalidLen);
        break;
      case Ipv4Option.RouterAlert:
        bit = 128;
        if (length !== 4) p.addEvent(DecodeEvent.Ipv4OptInvalidLen);
        break;
      case Ipv4Option.Cipso:
        bit = 256;
        if (length < 8) p.addEvent(DecodeEvent.Ipv4OptInvalidLen);
        break;
      case Ipv4Option.ExtendedSecurity:
        bit = 512;
        if (length < 3) p.addEvent(DecodeEvent.Ipv4OptInvalidLen);
        break;
      default:
        p.addEvent(DecodeEvent.Ipv4OptUnknown);
    }
    if ((seen & bit) !== 0) p.addEvent(DecodeEvent.Ipv4OptDuplicate);
    seen |= bit;
    at += length;
  }
  return p.invalid === 0;
}

function timestampFlagUnknown(flag: number): boolean {
  return flag !== 0 && flag !== 1 && flag !== 3;
}
