import { ANSWER_IP_MASK, ANSWER_IP_SHIFT, ANSWER_TRANSPORT_MASK, ANSWER_TRANSPORT_SHIFT, Side } from '../ring/verdict.js';
import { checksum, get16, get32, put16, put32, sum16 } from './answer-bytes.js';
import { stamp } from './answer-stamp.js';

/**
 * The answers of `reject`: TCP RST, ICMP and ICMPv6 destination unreachable, made from the frame that was rejected.
 *
 *   to the source                                      to the destination
 *   | IP dst->src | RST: the number it waits for  |    | IP src->dst | RST: the number it waits for       |
 *   | IP dst->src | ICMP | the packet, 64 B of it |    | IP src->dst | ICMP | IP dst->src | 8 B of a packet |
 *
 * Both come from the other end's address, as if that host had said it: a bridge has no address of its own, and
 * an ICMP error reaches a socket by the packet it quotes. For the destination that is one it could have sent itself.
 *
 * The frame is hostile, and so is the answer word (it comes from the detection process): whatever is read lies in
 * m[frame, end), whatever is written in out[at, at + returned). Nothing here allocates.
 */

/** Ethernet header and the tags that are followed. */
export const MAX_LINK_HEADER = 14 + 4 * 8;
/** Most of a packet that is quoted: an IPv4 header with all options, or an IPv6 header with usual extensions, and 64 bytes. */
const MAX_QUOTE = 256;
const QUOTED_PAYLOAD = 64;
/** Longest answer that buildAnswer writes. */
export const MAX_ANSWER = 40 + 8 + MAX_QUOTE;

/** IANA protocol numbers: those answered in a way of their own, and the IPv6 extension headers. */
const enum Proto {
  HopByHop = 0,
  Icmp = 1,
  Tcp = 6,
  Udp = 17,
  Routing = 43,
  Fragment = 44,
  Ah = 51,
  IcmpV6 = 58,
  DestOpts = 60,
  Sctp = 132,
  Mobility = 135,
  Hip = 139,
  Shim6 = 140,
}

const enum Flag {
  Fin = 1,
  Syn = 2,
  Rst = 4,
  Ack = 16,
}

/**
 * Writes the answer to one side as a complete IP packet to out[at ..] and returns its length; 0 when there must be none or
 * it does not fit. `end`: behind the last byte captured. `delivered` 1: the rejected packet reaches its destination (IDS).
 *
 * Never answered (RFC 1122 3.2.2, RFC 4443 2.4, RFC 9293 3.5.2): a RST, an ICMP error, neighbour discovery, a fragment but the
 * first, what comes from or goes to a group, everybody or nobody.
 */
export function buildAnswer(
  m: Uint8Array,
  frame: number,
  end: number,
  answer: number,
  side: Side.Source | Side.Destination,
  delivered: 0 | 1,
  out: Uint8Array,
  at: number,
): number {
  const ip = frame + ((answer >>> ANSWER_IP_SHIFT) & ANSWER_IP_MASK);
  const header = (answer >>> ANSWER_TRANSPORT_SHIFT) & ANSWER_TRANSPORT_MASK;
  const back = side === Side.Source;
  if (frame < 0 || at < 0 || end > m.length || end - ip < 20 || end - ip < header) return 0;
  if (m[ip] >> 4 === 4) {
    // RFC 791
    const length = get16(m, ip + 2);
    const fragment = get16(m, ip + 6);
    if (header < 20 || header !== (m[ip] & 15) << 2 || length < header || (fragment & 0x1fff) !== 0) return 0;
    if (!isHost4(m, ip + 12) || !isHost4(m, ip + 16)) return 0;
    const more = (fragment >> 13) & 1;
    const proto = m[ip + 9];
    if (proto === Proto.Tcp) return reset(m, ip, 0, header, length, end, more, back, delivered, out, at);
    if (proto === Proto.IcmpV6) return 0;
    return unreachable(m, ip, 0, header, length, end, proto, back, out, at);
  }
  // RFC 8200
  if (m[ip] >> 4 !== 6 || end - ip < 40) return 0;
  const length = 40 + get16(m, ip + 4);
  if (length < header || !isHost6(m, ip + 8) || !isHost6(m, ip + 24)) return 0;
  const chain = walkExtensions(m, ip, header);
  if (chain < 0) return 0;
  const proto = chain & 0xff;
  if (proto === Proto.Tcp) return reset(m, ip, 1, header, length, end, chain >> 8, back, delivered, out, at);
  if (proto === Proto.Icmp) return 0;
  return unreachable(m, ip, 1, header, length, end, proto, back, out, at);
}

/** Not "this network", not a group, not reserved, not everybody. A network's own broadcast address cannot be known here. */
function isHost4(m: Uint8Array, at: number): boolean {
  return m[at] !== 0 && m[at] < 224;
}

function isHost6(m: Uint8Array, at: number): boolean {
  if (m[at] === 0xff) return false;
  let any = 0;
  for (let i = 0; i < 16; i++) any |= m[at + i];
  return any !== 0;
}

/**
 * Protocol of the header that lies `header` bytes behind the IPv6 header's start, which all are captured, | 0x100 when more
 * fragments follow. -1: the chain does not lead there, or says that there must be no answer (a later fragment; a routing
 * header with segments left, so that the destination is another).
 */
function walkExtensions(m: Uint8Array, ip: number, header: number): number {
  let next = m[ip + 6];
  let more = 0;
  let at = 40;
  for (;;) {
    switch (next) {
      case Proto.HopByHop:
      case Proto.Routing:
      case Proto.Fragment:
      case Proto.Ah:
      case Proto.DestOpts:
      case Proto.Mobility:
      case Proto.Hip:
      case Proto.Shim6:
        break;
      default:
        return at === header ? next | (more << 8) : -1;
    }
    if (at + 8 > header) return -1;
    const h = ip + at;
    if (next === Proto.Fragment) {
      const field = get16(m, h + 2);
      if ((field & 0xfff8) !== 0) return -1;
      more |= field & 1;
      at += 8;
    } else if (next === Proto.Ah) at += (m[h + 1] + 2) << 2;
    else {
      if (next === Proto.Routing && m[h + 3] !== 0) return -1;
      at += (m[h + 1] + 1) << 3;
    }
    next = m[h];
  }
}

/**
 * RST (RFC 9293 3.5.2). RFC 5961 has the receiver take only the very number it waits for. The source waits for what it
 * acknowledged; without an ACK it is in SYN-SENT, where the ACK counts instead. The destination waits for this packet's
 * number, or the one behind it when it gets the packet. Lengths are the IP header's, super-packets included, however
 * little was captured; where they are those of a fragment and matter, there is no answer.
 */
function reset(
  m: Uint8Array,
  ip: number,
  v6: 0 | 1,
  header: number,
  length: number,
  end: number,
  more: number,
  back: boolean,
  delivered: 0 | 1,
  out: Uint8Array,
  at: number,
): number {
  const t = ip + header;
  const head = v6 === 1 ? 40 : 20;
  if (end - t < 20 || at + head + 20 > out.length) return 0;
  const payload = length - header - ((m[t + 12] >> 4) << 2);
  const flags = m[t + 13];
  const acks = (flags & Flag.Ack) !== 0;
  if (m[t + 12] >> 4 < 5 || payload < 0 || (flags & Flag.Rst) !== 0) return 0;
  if (more !== 0 && (back ? !acks : delivered === 1)) return 0;
  const behind = (get32(m, t + 4) + payload + (flags & Flag.Fin) + ((flags & Flag.Syn) >> 1)) | 0;
  let seq = 0;
  let ack = 0;
  let answer: number = Flag.Rst;
  if (!back) {
    seq = delivered === 1 ? behind : get32(m, t + 4);
    if (acks) {
      ack = get32(m, t + 8);
      answer = Flag.Rst | Flag.Ack;
    }
  } else if (acks) seq = get32(m, t + 8);
  else {
    ack = behind;
    answer = Flag.Rst | Flag.Ack;
  }
  putIp(m, ip, v6, back, Proto.Tcp, 20, out, at);
  const o = at + head;
  putPorts(m, t, back, out, o);
  put32(out, o + 4, seq);
  put32(out, o + 8, ack);
  out[o + 12] = 5 << 4;
  out[o + 13] = answer;
  put16(out, o + 14, 0);
  put32(out, o + 16, 0);
  put16(out, o + 16, transportChecksum(out, at, v6, Proto.Tcp, 20));
  stamp(out, at, head + 20);
  return head + 20;
}

/**
 * ICMP destination unreachable (RFC 792, RFC 4443 3.1): of the port for UDP, which hosts report as "connection refused", else
 * communication administratively prohibited.
 */
function unreachable(
  m: Uint8Array,
  ip: number,
  v6: 0 | 1,
  header: number,
  length: number,
  end: number,
  proto: number,
  back: boolean,
  out: Uint8Array,
  at: number,
): number {
  const t = ip + header;
  const head = v6 === 1 ? 40 : 20;
  const quote = at + head + 8;
  // 8 bytes of transport (RFC 792) are what a socket is found by; other protocols may have less for the source.
  const whole = length - header >= 8 && end - t >= 8;
  if (!whole && (!back || proto === Proto.Udp || proto === Proto.Icmp || proto === Proto.IcmpV6)) return 0;
  if (proto === Proto.Icmp && !(back ? isQuery4(m[t]) : m[t] === 0 || m[t] === 8)) return 0;
  if (proto === Proto.IcmpV6 && !(back ? isQuery6(m[t]) : m[t] === 128 || m[t] === 129)) return 0;
  let quoted = head + 8;
  if (back) {
    quoted = header + QUOTED_PAYLOAD;
    if (quoted > length) quoted = length;
    if (quoted > end - ip) quoted = end - ip;
    if (quoted > MAX_QUOTE) quoted = MAX_QUOTE;
  }
  if (quote + quoted > out.length) return 0;
  if (back) for (let i = 0; i < quoted; i++) out[quote + i] = m[ip + i];
  else putCounterpart(m, ip, v6, t, proto, out, quote);
  putIp(m, ip, v6, back, v6 === 1 ? Proto.IcmpV6 : Proto.Icmp, 8 + quoted, out, at);
  const o = at + head;
  put32(out, o, 0);
  put32(out, o + 4, 0);
  if (v6 === 1) {
    out[o] = 1;
    out[o + 1] = proto === Proto.Udp ? 4 : 1;
    put16(out, o + 2, transportChecksum(out, at, 1, Proto.IcmpV6, 8 + quoted));
  } else {
    out[o] = 3;
    out[o + 1] = proto === Proto.Udp ? 3 : 13;
    put16(out, o + 2, checksum(sum16(out, o, 8 + quoted, 0)));
  }
  stamp(out, at, head + 8 + quoted);
  return head + 8 + quoted;
}

/** Echo, timestamp, information and address mask, with their replies. All else is an error, or says how to reach whom. */
function isQuery4(type: number): boolean {
  return type === 0 || type === 8 || (type >= 13 && type <= 18);
}

/** No error (below 128), no neighbour or listener discovery (130 to 137, 143). */
function isQuery6(type: number): boolean {
  return type >= 128 && (type < 130 || type > 137) && type !== 143;
}

/**
 * The packet that the destination could have sent to get this one, to be quoted to it: an IP header without options and 8
 * bytes of transport. Of ICMP only echo comes here; what has no ports is quoted as it was.
 */
function putCounterpart(m: Uint8Array, ip: number, v6: 0 | 1, t: number, proto: number, out: Uint8Array, at: number): void {
  putIp(m, ip, v6, true, proto, 8, out, at);
  const o = at + (v6 === 1 ? 40 : 20);
  for (let i = 0; i < 8; i++) out[o + i] = m[t + i];
  switch (proto) {
    case Proto.Udp:
      putPorts(m, t, true, out, o);
      put16(out, o + 4, 8);
      put16(out, o + 6, 0);
      // RFC 768: zero would mean "none".
      put16(out, o + 6, transportChecksum(out, at, v6, Proto.Udp, 8) || 0xffff);
      break;
    case Proto.Sctp:
      putPorts(m, t, true, out, o);
      break;
    case Proto.Icmp:
      out[o] = m[t] ^ 8;
      put16(out, o + 2, 0);
      put16(out, o + 2, checksum(sum16(out, o, 8, 0)));
      break;
    case Proto.IcmpV6:
      out[o] = m[t] ^ 1;
      put16(out, o + 2, 0);
      put16(out, o + 2, transportChecksum(out, at, 1, Proto.IcmpV6, 8));
      break;
  }
}

/**
 * Copies the link header of m[frame, end), up to the IP header that `answer` names, to out[at ..], addresses exchanged when the
 * answer goes back. Returns its length; 0 when it is not Ethernet with nothing but VLAN tags before IP, goes to or comes
 * from a group address, or does not fit.
 */
export function wrapLink(m: Uint8Array, frame: number, end: number, answer: number, back: boolean, out: Uint8Array, at: number): number {
  const length = (answer >>> ANSWER_IP_SHIFT) & ANSWER_IP_MASK;
  if (frame < 0 || at < 0 || end > m.length || length < 14 || length > MAX_LINK_HEADER || length >= end - frame) return 0;
  if (at + length > out.length || ((m[frame] | m[frame + 6]) & 1) !== 0) return 0;
  let type = frame + 12;
  const last = frame + length - 2;
  while (type < last && isVlanTag(get16(m, type))) type += 4;
  if (type !== last || get16(m, last) !== (m[last + 2] >> 4 === 6 ? 0x86dd : 0x0800)) return 0;
  for (let i = 0; i < 6; i++) {
    out[at + i] = m[frame + (back ? 6 + i : i)];
    out[at + 6 + i] = m[frame + (back ? i : 6 + i)];
  }
  for (let i = 12; i < length; i++) out[at + i] = m[frame + i];
  return length;
}

/** 802.1Q, 802.1ad, and what came before that. */
function isVlanTag(type: number): boolean {
  return type === 0x8100 || type === 0x88a8 || type === 0x9100;
}

/** IP header for `length` bytes of transport; addresses of the one at m[ip], exchanged when `swap`. */
function putIp(m: Uint8Array, ip: number, v6: 0 | 1, swap: boolean, proto: number, length: number, out: Uint8Array, at: number): void {
  if (v6 === 1) {
    put32(out, at, 6 << 28);
    put16(out, at + 4, length);
    out[at + 6] = proto;
    out[at + 7] = 64;
    for (let i = 0; i < 16; i++) {
      out[at + 8 + i] = m[ip + (swap ? 24 : 8) + i];
      out[at + 24 + i] = m[ip + (swap ? 8 : 24) + i];
    }
    return;
  }
  put16(out, at, 0x4500);
  put16(out, at + 2, 20 + length);
  // DF: an atomic datagram, the identification is free (RFC 6864).
  put32(out, at + 4, 0x4000);
  out[at + 8] = 64;
  out[at + 9] = proto;
  put16(out, at + 10, 0);
  for (let i = 0; i < 4; i++) {
    out[at + 12 + i] = m[ip + (swap ? 16 : 12) + i];
    out[at + 16 + i] = m[ip + (swap ? 12 : 16) + i];
  }
  put16(out, at + 10, checksum(sum16(out, at, 20, 0)));
}

function putPorts(m: Uint8Array, t: number, swap: boolean, out: Uint8Array, at: number): void {
  put16(out, at, get16(m, swap ? t + 2 : t));
  put16(out, at + 2, get16(m, swap ? t : t + 2));
}

/** Checksum of `length` bytes behind the IP header at out[at], pseudo-header included; their checksum field is 0 as yet. */
function transportChecksum(out: Uint8Array, at: number, v6: 0 | 1, proto: number, length: number): number {
  const addresses = v6 === 1 ? sum16(out, at + 8, 32, 0) : sum16(out, at + 12, 8, 0);
  return checksum(sum16(out, at + (v6 === 1 ? 40 : 20), length, addresses + proto + length));
}
