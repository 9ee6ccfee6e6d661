import { Counter } from '../metrics/counters.js';
import { type DecodeContext, invalid, note, PortUse } from './context.js';
import { DecodeEvent } from './events.js';
import { IpProto, type Packet } from './packet.js';
import { decodeGre, decodeIpInIp, findTeredo, findVxlan } from './tunnel.js';

/**
 * Decodes m[at, end), the payload of the IP header just published, as protocol `proto`. The caller has set
 * `proto` and the payload to the whole IP payload: that is what stays when the transport is unknown or malformed.
 */
export function decodeTransport(ctx: DecodeContext, p: Packet, m: Uint8Array, proto: number, at: number, end: number): boolean {
  switch (proto) {
    case IpProto.Tcp:
      return decodeTcp(ctx, p, m, at, end);
    case IpProto.Udp:
      return decodeUdp(ctx, p, m, at, end);
    case IpProto.Icmp:
      return decodeIcmpV4(ctx, p, m, at, end);
    case IpProto.IcmpV6:
      return decodeIcmpV6(ctx, p, m, at, end);
    case IpProto.Sctp:
      return decodeSctp(ctx, p, m, at, end);
    case IpProto.Gre:
      return decodeGre(p, m, at, end);
    case IpProto.IpIp:
    case IpProto.Ipv6:
      return decodeIpInIp(p, m, proto, at, end);
    case IpProto.Esp:
      // SPI and sequence number (RFC 4303).
      if (end - at < 8) return invalid(p, DecodeEvent.EspPktTooSmall);
      return true;
  }
  return true;
}

/**
 * TCP, RFC 9293:
 *
 *   0     2     4     8     12       13      14       16         18       20
 *   | src | dst | seq | ack | off |  | flags | window | checksum | urgent | options
 */
export function decodeTcp(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 20) return invalid(p, DecodeEvent.TcpPktTooSmall);
  const headerLen = (m[at + 12] >> 4) << 2;
  // The names as Suricata uses them.
  if (headerLen < 20) return invalid(p, DecodeEvent.TcpInvalidOptlen);
  if (headerLen > end - at) return invalid(p, DecodeEvent.TcpHlenTooSmall);

  p.transportOff = at;
  p.srcPort = (m[at] << 8) | m[at + 1];
  p.dstPort = (m[at + 2] << 8) | m[at + 3];
  p.tcpSeq = (m[at + 4] << 24) | (m[at + 5] << 16) | (m[at + 6] << 8) | m[at + 7];
  p.tcpAck = (m[at + 8] << 24) | (m[at + 9] << 16) | (m[at + 10] << 8) | m[at + 11];
  p.tcpFlags = m[at + 13];
  p.tcpWindow = (m[at + 14] << 8) | m[at + 15];
  p.tcpHeaderLen = headerLen;
  p.payloadOff = at + headerLen;
  p.payloadLen = end - at - headerLen;
  ctx.counters[Counter.Tcp]++;
  // NOP NOP timestamp(10): nearly every segment in the middle of a connection.
  if (headerLen > 20 && !(headerLen === 32 && m[at + 20] === 1 && m[at + 21] === 1 && m[at + 22] === 8 && m[at + 23] === 10))
    walkTcpOptions(p, m, at + 20, at + headerLen);
  return true;
}

/** TCP option kinds (IANA tcp-parameters). */
const enum TcpOption {
  EndOfList = 0,
  Nop = 1,
  Mss = 2,
  WindowScale = 3,
  SackPermitted = 4,
  Sack = 5,
  Timestamp = 8,
}

function walkTcpOptions(p: Packet, m: Uint8Array, at: number, end: number): boolean {
  let seen = 0;
  while (at < end) {
    const kind = m[at];
    if (kind === TcpOption.EndOfList) return true;
    if (kind === TcpOption.Nop) {
      at++;
      continue;
    }
    if (end - at < 2) return note(p, DecodeEvent.TcpOptInvalidLen);
    const length = m[at + 1];
    if (length < 2 || length > end - at) return note(p, DecodeEvent.TcpOptInvalidLen);
    let wrong = false;
    switch (kind) {
      case TcpOption.Mss:
        wrong = length !== 4;
        break;
      case TcpOption.WindowScale:
        wrong = length !== 3;
        break;
      case TcpOption.SackPermitted:
        wrong = length !== 2;
        break;
      case TcpOption.Sack:
        wrong = length < 10 || length > 34 || ((length - 2) & 7) !== 0;
        break;
      case TcpOption.Timestamp:
        wrong = length !== 10;
        break;
    }
    if (wrong) p.addEvent(DecodeEvent.TcpOptInvalidLen);
    if (kind <= TcpOption.Timestamp) {
      if ((seen & (1 << kind)) !== 0) p.addEvent(DecodeEvent.TcpOptDuplicate);
      seen |= 1 << kind;
    }
    at += length;
  }
  return true;
}

/**
 * UDP, RFC 768. Bytes between the UDP length and the end of the IP packet are not payload, as hosts see it. Length 0 in
 * IPv6 means "to the end" (RFC 2675), and hosts take it in packets of any size.
 */
export function decodeUdp(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8) return invalid(p, DecodeEvent.UdpPktTooSmall);
  let length = (m[at + 4] << 8) | m[at + 5];
  if (length < 8) {
    if (length !== 0 || p.ipVersion !== 6) return invalid(p, DecodeEvent.UdpHlenTooSmall);
    p.addEvent(DecodeEvent.UdpHlenTooSmall);
    length = end - at;
  }
  if (length > end - at) {
    if (length > end - at + p.cut) return invalid(p, DecodeEvent.UdpPktTooSmall);
    length = end - at;
  }

  const srcPort = (m[at] << 8) | m[at + 1];
  const dstPort = (m[at + 2] << 8) | m[at + 3];
  p.transportOff = at;
  p.srcPort = srcPort;
  p.dstPort = dstPort;
  p.payloadOff = at + 8;
  p.payloadLen = length - 8;
  ctx.counters[Counter.Udp]++;
  const use = ctx.portUse(dstPort) | (ctx.portUse(srcPort) & PortUse.Teredo);
  if (use !== 0) {
    if ((use & PortUse.Vxlan) !== 0) findVxlan(p, m, at + 8, at + length);
    else findTeredo(p, m, at + 8, at + length);
  }
  return true;
}

/** SCTP common header, RFC 9260: ports, verification tag, CRC32c (not validated). */
function decodeSctp(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 12) return invalid(p, DecodeEvent.SctpPktTooSmall);
  p.transportOff = at;
  p.srcPort = (m[at] << 8) | m[at + 1];
  p.dstPort = (m[at + 2] << 8) | m[at + 3];
  p.payloadOff = at + 12;
  p.payloadLen = end - at - 12;
  ctx.counters[Counter.Sctp]++;
  return true;
}

function publishIcmp(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  p.transportOff = at;
  p.icmpType = m[at];
  p.icmpCode = m[at + 1];
  p.srcPort = m[at];
  p.dstPort = m[at + 1];
  p.payloadOff = at + 8;
  p.payloadLen = end - at - 8;
  ctx.counters[Counter.Icmp]++;
  return true;
}

/** Highest code per ICMPv4 type 0..18; -1 = unknown type (IANA icmp-parameters). */
const ICMP4_CODES = Int8Array.of(0, -1, -1, 15, 0, 3, -1, -1, 0, 16, 0, 1, 2, 0, 0, 0, 0, 0, 0);

/** ICMP, RFC 792: type, code, checksum, 4 bytes by type, then data. */
function decodeIcmpV4(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8) return invalid(p, DecodeEvent.Icmpv4PktTooSmall);
  publishIcmp(ctx, p, m, at, end);
  const type = m[at];
  const top = type < ICMP4_CODES.length ? ICMP4_CODES[type] : -1;
  if (top < 0) p.addEvent(DecodeEvent.Icmpv4UnknownType);
  else if (m[at + 1] > top) p.addEvent(DecodeEvent.Icmpv4UnknownCode);
  // Errors quote the packet they are about.
  if (type === 3 || type === 4 || type === 5 || type === 11 || type === 12) {
    if (end - at < 8 + 20) {
      if (end - at > 8) p.addEvent(DecodeEvent.Icmpv4Ipv4TruncPkt);
    } else if (m[at + 8] >> 4 !== 4) p.addEvent(DecodeEvent.Icmpv4Ipv4UnknownVer);
  }
  return true;
}

/** ICMPv6, RFC 4443. */
function decodeIcmpV6(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8) return invalid(p, DecodeEvent.Icmpv6PktTooSmall);
  publishIcmp(ctx, p, m, at, end);
  const type = m[at];
  const code = m[at + 1];
  if (type >= 1 && type <= 4) {
    // Highest codes: 1 unreachable 8, 2 too big 0, 3 time exceeded 1, 4 parameter problem 10 (IANA icmpv6-parameters).
    if (code > (type === 1 ? 8 : type === 2 ? 0 : type === 3 ? 1 : 10)) p.addEvent(DecodeEvent.Icmpv6UnknownCode);
    if (end - at < 8 + 40) p.addEvent(DecodeEvent.Icmpv6Ipv6TruncPkt);
    else if (m[at + 8] >> 4 !== 6) p.addEvent(DecodeEvent.Icmpv6Ipv6UnknownVersion);
  } else if ((type >= 130 && type <= 132) || type === 143) {
    // Multicast listener discovery never leaves the link (RFC 3810).
    if (p.ttl !== 1) p.addEvent(DecodeEvent.Icmpv6MldMessageWithInvalidHl);
    if (code !== 0) p.addEvent(DecodeEvent.Icmpv6UnknownCode);
  } else if (type === 128 || type === 129 || (type >= 133 && type <= 137)) {
    if (code !== 0) p.addEvent(DecodeEvent.Icmpv6UnknownCode);
  } else if (type === 100 || type === 101 || type === 200 || type === 201) p.addEvent(DecodeEvent.Icmpv6ExperimentationType);
  else if (type === 0 || type === 127 || type === 255) p.addEvent(DecodeEvent.Icmpv6UnknownType);
  else if ((type >= 5 && type < 127) || type > 161) p.addEvent(DecodeEvent.Icmpv6UnassignedType);
  return true;
}
