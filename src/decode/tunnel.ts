import { invalid } from './context.js';
import { DecodeEvent } from './events.js';
import { EtherType, LinkType } from './link-types.js';
import { IpProto, type Packet } from './packet.js';

/*
 * Packets inside packets. Nothing here descends: each function notes where the inner packet lies
 * (setTunnel), and Decoder.decodeInner goes there when the outer one has been inspected.
 */

/** Bytes m[at, end) hold a packet of `linkType`. */
export function setTunnel(p: Packet, at: number, end: number, linkType: number): boolean {
  p.tunnelOff = at;
  p.tunnelLen = end - at;
  p.tunnelLinkType = linkType;
  return true;
}

/** Most source route entries followed in a GRE header. */
const MAX_SOURCE_ROUTES = 16;

/**
 * GRE version 0 (RFC 2784, 2890, source routes of RFC 1701) and version 1 (RFC 2637, PPTP):
 *
 *   0                          2          4
 *   | C R K S s rec A flag ver | protocol | checksum+offset if C or R | key if K | sequence if S | ack if A (v1) |
 */
export function decodeGre(p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 4) return invalid(p, DecodeEvent.GrePktTooSmall);
  const high = m[at];
  const low = m[at + 1];
  const protocol = (m[at + 2] << 8) | m[at + 3];
  let body = at + 4;
  switch (low & 7) {
    case 0:
      if ((high & 0x07) !== 0) return invalid(p, DecodeEvent.GreVersion0Recur);
      if ((low & 0xf8) !== 0) return invalid(p, DecodeEvent.GreVersion0Flags);
      if ((high & 0xc0) !== 0) body += 4;
      if ((high & 0x20) !== 0) body += 4;
      if ((high & 0x10) !== 0) body += 4;
      if (body > end) return invalid(p, DecodeEvent.GreVersion0HdrTooBig);
      if ((high & 0x40) !== 0) {
        body = skipSourceRoutes(m, body, end);
        if (body < 0) return invalid(p, DecodeEvent.GreVersion0MalformedSreHdr);
      }
      break;
    case 1:
      if ((high & 0x80) !== 0) return invalid(p, DecodeEvent.GreVersion1Chksum);
      if ((high & 0x40) !== 0) return invalid(p, DecodeEvent.GreVersion1Route);
      if ((high & 0x08) !== 0) return invalid(p, DecodeEvent.GreVersion1Ssr);
      if ((high & 0x07) !== 0) return invalid(p, DecodeEvent.GreVersion1Recur);
      if ((low & 0x78) !== 0) return invalid(p, DecodeEvent.GreVersion1Flags);
      if (protocol !== EtherType.Ppp) return invalid(p, DecodeEvent.GreVersion1WrongProtocol);
      if ((high & 0x20) === 0) return invalid(p, DecodeEvent.GreVersion1NoKey);
      body += 4;
      if ((high & 0x10) !== 0) body += 4;
      if ((low & 0x80) !== 0) body += 4;
      if (body > end) return invalid(p, DecodeEvent.GreVersion1HdrTooBig);
      // No sequence number: an acknowledgement without data.
      if (body === end) return true;
      break;
    default:
      return invalid(p, DecodeEvent.GreWrongVersion);
  }
  switch (protocol) {
    case EtherType.Ipv4:
    case EtherType.Ipv6:
      return setTunnel(p, body, end, LinkType.Raw);
    case EtherType.TransparentEthernet:
      return setTunnel(p, body, end, LinkType.Ethernet);
    case EtherType.Ppp:
      return setTunnel(p, body, end, LinkType.Ppp);
    case EtherType.ErspanII:
      return findErspan(p, m, body, end, (high & 0x10) !== 0);
    case EtherType.Vlan:
    case EtherType.QinQ:
    case EtherType.MplsUnicast:
    case EtherType.MplsMulticast:
      return setTunnel(p, body, end, LinkType.EtherTypeBase | protocol);
  }
  return true;
}

/** RFC 1701: entries of family (2), offset (1), length (1) and data, ended by one of zeros. -1: malformed. */
function skipSourceRoutes(m: Uint8Array, at: number, end: number): number {
  for (let i = 0; i < MAX_SOURCE_ROUTES; i++) {
    if (end - at < 4) return -1;
    const family = (m[at] << 8) | m[at + 1];
    const length = m[at + 3];
    at += 4;
    if (family === 0 && length === 0) return at;
    if (length > end - at) return -1;
    at += length;
  }
  return -1;
}

/** ERSPAN type I has no header of its own (GRE without sequence), type II one of 8 bytes, version 1. */
function findErspan(p: Packet, m: Uint8Array, at: number, end: number, sequence: boolean): boolean {
  if (!sequence) return setTunnel(p, at, end, LinkType.Ethernet);
  if (end - at < 8) return invalid(p, DecodeEvent.ErspanHeaderTooSmall);
  if (m[at] >> 4 !== 1) return invalid(p, DecodeEvent.ErspanUnsupportedVersion);
  return setTunnel(p, at + 8, end, LinkType.Ethernet);
}

/** RFC 2003, 2473, 4213: IPv4 or IPv6 directly in IPv4 or IPv6. */
export function decodeIpInIp(p: Packet, m: Uint8Array, proto: number, at: number, end: number): boolean {
  const inner4 = proto === IpProto.IpIp;
  if (p.ipVersion === 6) {
    if (end - at < (inner4 ? 20 : 40)) return invalid(p, inner4 ? DecodeEvent.Ipv6Ipv4InIpv6TooSmall : DecodeEvent.Ipv6Ipv6InIpv6TooSmall);
    if (m[at] >> 4 !== (inner4 ? 4 : 6))
      return invalid(p, inner4 ? DecodeEvent.Ipv6Ipv4InIpv6WrongVersion : DecodeEvent.Ipv6Ipv6InIpv6WrongVersion);
  }
  // In IPv4 there are no events of this kind: the inner decode names what is wrong.
  return setTunnel(p, at, end, inner4 ? LinkType.Ipv4 : LinkType.Ipv6);
}

/**
 * VXLAN, RFC 7348:  | flags (0x08: VNI valid) | reserved 24 | VNI 24 | reserved 8 | Ethernet frame
 * Anything else on the port is plain UDP.
 */
export function findVxlan(p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8 + 14 || (m[at] & 0x08) === 0) return true;
  return setTunnel(p, at + 8, end, LinkType.Ethernet);
}

/**
 * Teredo, RFC 4380: an IPv6 packet in UDP, after an optional authentication indication
 * (0x0001, id length, auth length, both, nonce 8, confirmation 1) and an optional origin indication
 * (0x0000, port 2, address 4). There is no magic number: the IPv6 header must fit exactly.
 */
export function findTeredo(p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 40) return true;
  if (m[at] === 0 && m[at + 1] === 1) {
    at += 4 + m[at + 2] + m[at + 3] + 9;
    if (end - at < 40) return true;
  }
  if (m[at] === 0 && m[at + 1] === 0) at += 8;
  if (end - at < 40 || m[at] >> 4 !== 6) return true;
  if (40 + ((m[at + 4] << 8) | m[at + 5]) !== end - at) return true;
  return setTunnel(p, at, end, LinkType.Ipv6);
}
