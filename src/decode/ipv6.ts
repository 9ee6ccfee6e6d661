import { Counter } from '../metrics/counters.js';
import { type DecodeContext, invalid, note } from './context.js';
import { DecodeEvent } from './events.js';
import { IpProto, type Packet } from './packet.js';
import { decodeTransport } from './transport.js';

/** Extension headers and their kin among the protocol numbers (IANA). */
const enum Next {
  HopByHop = 0,
  Routing = 43,
  Fragment = 44,
  Esp = 50,
  Ah = 51,
  None = 59,
  DestOpts = 60,
  Mobility = 135,
  Hip = 139,
  Shim6 = 140,
}

/**
 * IPv6, RFC 8200:
 *
 *   0                        4                6             7           8        24       40
 *   | 6 | class | flow label | payload length | next header | hop limit | src    | dst    | extension headers
 */
export function decodeIpv6(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 40) return invalid(p, DecodeEvent.Ipv6PktTooSmall);
  if (m[at] >> 4 !== 6) return invalid(p, DecodeEvent.Ipv6WrongIpVersion);
  let length = 40 + ((m[at + 4] << 8) | m[at + 5]);
  if (length > end - at) {
    if (m[at + 6] === Next.Fragment || length > end - at + p.cut) return invalid(p, DecodeEvent.Ipv6TruncPkt);
    length = end - at;
  }

  p.ipVersion = 6;
  p.ipOff = at;
  p.ipHeaderLen = 40;
  p.ipLen = length;
  p.tos = ((m[at] & 15) << 4) | (m[at + 1] >> 4);
  p.ttl = m[at + 7];
  p.ipId = 0;
  const src = p.src;
  const dst = p.dst;
  for (let i = 0, a = at + 8; i < 4; i++, a += 4) {
    src[i] = (m[a] << 24) | (m[a + 1] << 16) | (m[a + 2] << 8) | m[a + 3];
    dst[i] = (m[a + 16] << 24) | (m[a + 17] << 16) | (m[a + 18] << 8) | m[a + 19];
  }
  ctx.routed = 0;
  ctx.counters[Counter.Ipv6]++;

  const next = m[at + 6];
  const ipEnd = at + length;
  if (next === IpProto.Tcp || next === IpProto.Udp || next === IpProto.IcmpV6) {
    p.proto = next;
    p.payloadOff = at + 40;
    p.payloadLen = length - 40;
    return decodeTransport(ctx, p, m, next, at + 40, ipEnd);
  }
  return walkExtensions(ctx, p, m, next, at, at + 40, ipEnd);
}

/**
 * Follows the chain from `at`, where a header of type `next` begins, to the transport header or a fragment's data.
 * To the end, however long: hosts do too, and each header takes at least 8 bytes, so the packet's length bounds the work.
 */
function walkExtensions(ctx: DecodeContext, p: Packet, m: Uint8Array, next: number, ip: number, at: number, end: number): boolean {
  let seen = 0;
  for (let i = 0; ; i++) {
    p.proto = next;
    p.payloadOff = at;
    p.payloadLen = end - at;
    p.ipHeaderLen = at - ip;
    // Extension headers that lead to nothing.
    if (i > 0 && end - at < 2 && next !== Next.None) return invalid(p, DecodeEvent.Ipv6TruncExthdr);
    let length = 0;
    let bit = 0;
    let duplicate = 0;
    switch (next) {
      case Next.HopByHop:
        bit = 1;
        duplicate = DecodeEvent.Ipv6ExthdrDuplHh;
        break;
      case Next.Routing:
        bit = 2;
        duplicate = DecodeEvent.Ipv6ExthdrDuplRh;
        break;
      case Next.DestOpts:
        // Legal twice: before a routing header and before the transport (RFC 8200 4.1).
        bit = (seen & 4) !== 0 ? 8 : 4;
        duplicate = DecodeEvent.Ipv6ExthdrDuplDh;
        break;
      case Next.Ah:
        bit = 16;
        duplicate = DecodeEvent.Ipv6ExthdrDuplAh;
        break;
      case Next.Fragment:
        bit = 32;
        duplicate = DecodeEvent.Ipv6ExthdrDuplFh;
        break;
      case Next.Mobility:
      case Next.Hip:
      case Next.Shim6:
        break;
      case Next.None:
        if (end > at) p.addEvent(DecodeEvent.Ipv6DataAfterNoneHeader);
        return true;
      case IpProto.Icmp:
        return invalid(p, DecodeEvent.Ipv6Icmpv4);
      case IpProto.IpIp:
      case IpProto.Tcp:
      case IpProto.Udp:
      case IpProto.Ipv6:
      case IpProto.Gre:
      case IpProto.Esp:
      case IpProto.IcmpV6:
      case IpProto.Sctp:
        return decodeTransport(ctx, p, m, next, at, end);
      default:
        return note(p, DecodeEvent.Ipv6UnknownNextHeader);
    }
    // Every extension header is at least 8 bytes and a multiple of 8, AH a multiple of 4.
    if (end - at < 8) return invalid(p, DecodeEvent.Ipv6TruncExthdr);
    length = next === Next.Fragment ? 8 : next === Next.Ah ? (m[at + 1] + 2) << 2 : (m[at + 1] + 1) << 3;
    if (length > end - at) return invalid(p, DecodeEvent.Ipv6TruncExthdr);
    if ((seen & bit) !== 0) p.addEvent(duplicate);
    else if (next === Next.Fragment) {
      if (decodeFragment(ctx, p, m, ip, at, end)) return true;
    } else if (next === Next.Routing) decodeRouting(ctx, p, m, at);
    else if (next === Next.HopByHop || next === Next.DestOpts) walkOptions(p, m, next, at + 2, at + length);
    else if (next === Next.Ah && (m[at + 2] | m[at + 3]) !== 0) p.addEvent(DecodeEvent.Ipv6ExthdrAhResNotNull);
    seen |= bit;
    next = m[at];
    at += length;
  }
}

function decodeRouting(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number): boolean {
  if (m[at + 2] === 0) p.addEvent(DecodeEvent.Ipv6RhType0);
  if (m[at + 3] !== 0) ctx.routed = 1;
  return true;
}

/**
 *   0             1          2              4
 *   | next header | reserved | off/8 .. M   | identification |
 *
 * True when this is a real fragment: its data is published and nothing behind it is decoded.
 */
function decodeFragment(ctx: DecodeContext, p: Packet, m: Uint8Array, ip: number, at: number, end: number): boolean {
  if (m[at + 1] !== 0) p.addEvent(DecodeEvent.Ipv6FhNonZeroReservedField);
  const field = (m[at + 2] << 8) | m[at + 3];
  p.ipId = (m[at + 4] << 24) | (m[at + 5] << 16) | (m[at + 6] << 8) | m[at + 7];
  if ((field & 0xfff9) === 0) {
    p.addEvent(DecodeEvent.Ipv6ExthdrUselessFh); // atomic fragment (RFC 6946): a whole packet
    return false;
  }
  const data = at + 8;
  p.isFragment = 1;
  p.fragHeaderOff = at;
  p.fragOffset = field & 0xfff8;
  p.fragMore = field & 1;
  p.proto = m[at];
  p.ipHeaderLen = data - ip;
  p.payloadOff = data;
  p.payloadLen = end - data;
  ctx.counters[Counter.Fragments]++;
  if (p.fragMore !== 0 && ((end - data) & 7) !== 0) invalid(p, DecodeEvent.Ipv6FragInvalidLength);
  return true;
}

/** Options that decode knows; the rest are named unknown, as Suricata does. */
const enum Option {
  Pad1 = 0,
  PadN = 1,
  RouterAlert = 5,
  Jumbo = 0xc2,
  HomeAddress = 0xc9,
}

/** Checks the TLV options of a hop-by-hop or destination options header in m[at, end). */
function walkOptions(p: Packet, m: Uint8Array, header: number, at: number, end: number): boolean {
  const hop = header === Next.HopByHop;
  let others = 0;
  let unknown = 0;
  while (at < end) {
    const type = m[at];
    if (type === Option.Pad1) {
      at++;
      continue;
    }
    if (end - at < 2 || m[at + 1] > end - at - 2) return invalid(p, DecodeEvent.Ipv6ExthdrInvalidOptlen);
    const length = m[at + 1];
    if (type === Option.PadN) {
      if (length === 0) p.addEvent(DecodeEvent.Ipv6ZeroLenPadn);
    } else {
      others++;
      const wanted = hop ? (type === Option.RouterAlert ? 2 : type === Option.Jumbo ? 4 : -1) : type === Option.HomeAddress ? 16 : -1;
      if (wanted < 0) unknown = 1;
      else if (length !== wanted) return invalid(p, DecodeEvent.Ipv6ExthdrInvalidOptlen);
    }
    at += 2 + length;
  }
  if (unknown !== 0) p.addEvent(hop ? DecodeEvent.Ipv6HopoptsUnknownOpt : DecodeEvent.Ipv6DstoptsUnknownOpt);
  if (others === 0) p.addEvent(hop ? DecodeEvent.Ipv6HopoptsOnlyPadding : DecodeEvent.Ipv6DstoptsOnlyPadding);
  return true;
}
