import { Counter } from '../metrics/counters.js';
import { type DecodeContext, invalid, note } from './context.js';
import { DecodeEvent } from './events.js';
import { decodeIpv6 } from './ipv6.js';
import { EtherType, LinkType } from './link-types.js';
import { decodeIpv4 } from './network.js';
import type { Packet } from './packet.js';
import { setTunnel } from './tunnel.js';

const MAX_VLANS = 3;
const MAX_MPLS_LABELS = 64;
/** Tags of all kinds in front of one EtherType. */
const MAX_TAGS = 8;

/** Decodes m[at, end) as link type `p.linkType`. */
export function decodeLink(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  switch (p.linkType) {
    case LinkType.Ethernet:
      if (end - at < 14) return invalid(p, DecodeEvent.EthernetPktTooSmall);
      p.ethOff = at;
      // The common case, before the general one.
      if (m[at + 12] === 0x08 && m[at + 13] === 0x00) {
        p.etherType = EtherType.Ipv4;
        return decodeIpv4(ctx, p, m, at + 14, end);
      }
      return decodeEtherType(ctx, p, m, (m[at + 12] << 8) | m[at + 13], at + 14, end);
    case LinkType.RawBsd:
    case LinkType.RawOpenBsd:
    case LinkType.Raw:
      return decodeRaw(ctx, p, m, at, end);
    case LinkType.Ipv4:
      return decodeIpv4(ctx, p, m, at, end);
    case LinkType.Ipv6:
      return decodeIpv6(ctx, p, m, at, end);
    case LinkType.Null:
    case LinkType.Loop:
      return decodeNull(ctx, p, m, at, end);
    case LinkType.LinuxSll:
      if (end - at < 16) return invalid(p, DecodeEvent.SllPktTooSmall);
      return decodeEtherType(ctx, p, m, (m[at + 14] << 8) | m[at + 15], at + 16, end);
    case LinkType.LinuxSll2:
      if (end - at < 20) return invalid(p, DecodeEvent.Sll2PktTooSmall);
      return decodeEtherType(ctx, p, m, (m[at] << 8) | m[at + 1], at + 20, end);
    case LinkType.Ppp:
      return decodePpp(ctx, p, m, at, end);
    default:
      if (p.linkType >= LinkType.EtherTypeBase) return decodeEtherType(ctx, p, m, p.linkType & 0xffff, at, end);
      return invalid(p, DecodeEvent.LinkUnsupportedType);
  }
}

/** What follows `type` at `at`: tags first, in a loop, then the rest. */
export function decodeEtherType(ctx: DecodeContext, p: Packet, m: Uint8Array, type: number, at: number, end: number): boolean {
  let depth = 0;
  for (let tags = 0; isTag(type); tags++) {
    if (tags === MAX_TAGS) return invalid(p, DecodeEvent.TooManyLayers);
    switch (type) {
      case EtherType.VnTag:
        //  0                       4
        //  | D P dst VIF, L src VIF | EtherType     |     IEEE 802.1Qbh / Cisco VN-tag
        if (end - at < 6) return invalid(p, DecodeEvent.VntagHeaderTooSmall);
        at += 4;
        break;
      case EtherType.FabricPath:
        // Cisco DCE: FTAG and TTL, then a whole Ethernet header.
        if (end - at < 2 + 14) return invalid(p, DecodeEvent.DcePktTooSmall);
        at += 2 + 12;
        break;
      case EtherType.ProviderBackbone:
        // IEEE 802.1ah: I-TAG, then a whole Ethernet header.
        if (end - at < 4 + 14) return invalid(p, DecodeEvent.Ieee8021ahHeaderTooSmall);
        at += 4 + 12;
        break;
      default: {
        //  0               2               4
        //  | PCP DEI VLAN  | EtherType     |     IEEE 802.1Q, after the TPID
        if (end - at < 4) return invalid(p, DecodeEvent.VlanHeaderTooSmall);
        const id = ((m[at] & 0x0f) << 8) | m[at + 1];
        // A priority tag says nothing of a VLAN: Linux takes off any number of them, and packets are the same with and without.
        if (depth > 0 && (id === 0 || (depth === 1 && p.vlan0 === 0))) {
          if (id === 0) tags--;
          else p.vlan0 = id;
          at += 2;
          break;
        }
        if (depth === MAX_VLANS) return invalid(p, DecodeEvent.VlanTooManyLayers);
        if (depth === 0) {
          p.vlan0 = id;
          p.vlan1 = 0;
          p.vlan2 = 0;
          ctx.counters[Counter.Vlan]++;
        } else if (depth === 1) p.vlan1 = id;
        else p.vlan2 = id;
        p.vlanDepth = ++depth;
        at += 2;
      }
    }
    type = (m[at] << 8) | m[at + 1];
    at += 2;
  }
  p.etherType = type;
  switch (type) {
    case EtherType.Ipv4:
      return decodeIpv4(ctx, p, m, at, end);
    case EtherType.Ipv6:
      return decodeIpv6(ctx, p, m, at, end);
    case EtherType.MplsUnicast:
    case EtherType.MplsMulticast:
      return decodeMpls(ctx, p, m, at, end);
    case EtherType.PppoeSession:
      return decodePppoeSession(ctx, p, m, at, end);
    case EtherType.PppoeDiscovery:
      if (end - at < 6) return invalid(p, DecodeEvent.PppoePktTooSmall);
      return true;
    case EtherType.TransparentEthernet:
      return setTunnel(p, at, end, LinkType.Ethernet);
    case EtherType.Arp:
      return true;
    default:
      // 802.3 lengths are LLC: no IP, and nothing wrong.
      if (type >= EtherType.First) p.addEvent(depth > 0 ? DecodeEvent.VlanUnknownType : DecodeEvent.EthernetUnknownEthertype);
  }
  return true;
}

function isTag(type: number): boolean {
  switch (type) {
    case EtherType.Vlan:
    case EtherType.QinQ:
    case EtherType.VlanOld:
    case EtherType.VnTag:
    case EtherType.FabricPath:
    case EtherType.ProviderBackbone:
      return true;
    default:
      return false;
  }
}

function decodeRaw(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 1) return invalid(p, DecodeEvent.Ipv4PktTooSmall);
  const version = m[at] >> 4;
  if (version === 4) return decodeIpv4(ctx, p, m, at, end);
  if (version === 6) return decodeIpv6(ctx, p, m, at, end);
  return invalid(p, DecodeEvent.IprawInvalidIpVersion);
}

/** BSD loopback: a 4-byte address family, in the capturing host's byte order (NULL) or the network's (LOOP). */
function decodeNull(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 4) return invalid(p, DecodeEvent.LtnullPktTooSmall);
  const big = (m[at] << 24) | (m[at + 1] << 16) | (m[at + 2] << 8) | m[at + 3];
  // Families are small: whichever order gives a small number is the right one.
  const family = big > 0 && big < 0x10000 ? big : m[at] | (m[at + 1] << 8) | (m[at + 2] << 16) | (m[at + 3] << 24);
  switch (family) {
    case 2: // AF_INET
      return decodeIpv4(ctx, p, m, at + 4, end);
    case 10: // AF_INET6 of Linux, NetBSD 24, FreeBSD 28, Darwin 30
    case 24:
    case 28:
    case 30:
      return decodeIpv6(ctx, p, m, at + 4, end);
    default:
      return invalid(p, DecodeEvent.LtnullUnsupportedType);
  }
}

/** RFC 1661, with or without RFC 1662's address and control bytes, protocol field compressed or not. */
function decodePpp(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at >= 2 && m[at] === 0xff && m[at + 1] === 0x03) at += 2;
  if (end - at < 2) return invalid(p, DecodeEvent.PppPktTooSmall);
  const compressed = m[at] & 1;
  const protocol = compressed ? m[at] : (m[at] << 8) | m[at + 1];
  at += compressed ? 1 : 2;
  switch (protocol) {
    case 0x21:
      if (end - at < 20) return invalid(p, DecodeEvent.PppIp4PktTooSmall);
      return decodeIpv4(ctx, p, m, at, end);
    case 0x57:
      if (end - at < 40) return invalid(p, DecodeEvent.PppIp6PktTooSmall);
      return decodeIpv6(ctx, p, m, at, end);
    case 0x281: // MPLS unicast, multicast (RFC 3032)
    case 0x283:
      return decodeMpls(ctx, p, m, at, end);
    default:
      // A valid number has an even first and an odd second byte: link and network control protocols, compressed headers.
      return note(p, (protocol & 0x101) === 1 ? DecodeEvent.PppUnsupProto : DecodeEvent.PppWrongType);
  }
}

/**
 * RFC 2516:  0        1      2          4        6
 *            | 1 | 1  | code | session  | length | PPP ...
 */
function decodePppoeSession(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  if (end - at < 6) return invalid(p, DecodeEvent.PppoePktTooSmall);
  if (m[at + 1] !== 0) return invalid(p, DecodeEvent.PppoeWrongCode);
  const length = (m[at + 4] << 8) | m[at + 5];
  if (length > end - at - 6) return invalid(p, DecodeEvent.PppoePktTooSmall);
  // Suricata does not cut at `length` either: the IP length says where the packet ends.
  return decodePpp(ctx, p, m, at + 6, end);
}

/**
 * RFC 3032:  | label 20 | TC 3 | S 1 | TTL 8 |  repeated until S
 * The payload's type is not written down: label 0 and 2 say it, else the first nibble does (RFC 4928).
 */
function decodeMpls(ctx: DecodeContext, p: Packet, m: Uint8Array, at: number, end: number): boolean {
  let label = 0;
  let bottom = 0;
  for (let i = 0; i < MAX_MPLS_LABELS && bottom === 0; i++) {
    if (end - at < 4) return invalid(p, DecodeEvent.MplsHeaderTooSmall);
    label = (m[at] << 12) | (m[at + 1] << 4) | (m[at + 2] >> 4);
    bottom = m[at + 2] & 1;
    at += 4;
  }
  if (bottom === 0) return invalid(p, DecodeEvent.TooManyLayers);
  if (label === 0) return decodeIpv4(ctx, p, m, at, end);
  if (label === 2) return decodeIpv6(ctx, p, m, at, end);
  if (label === 1) return invalid(p, DecodeEvent.MplsBadLabelRouterAlert);
  if (label === 3) return invalid(p, DecodeEvent.MplsBadLabelImplicitNull);
  // 7: entropy label indicator (RFC 6790), 13: GAL (RFC 5586), 14: OAM alert (RFC 3429).
  if (label < 16 && label !== 7 && label !== 13 && label !== 14) return invalid(p, DecodeEvent.MplsBadLabelReserved);
  if (end - at < 1) return invalid(p, DecodeEvent.MplsPktTooSmall);
  switch (m[at] >> 4) {
    case 4:
      return decodeIpv4(ctx, p, m, at, end);
    case 6:
      return decodeIpv6(ctx, p, m, at, end);
    case 0: // pseudo-wire control word (RFC 4385), then Ethernet
      if (end - at < 4 + 14) return invalid(p, DecodeEvent.MplsPktTooSmall);
      return setTunnel(p, at + 4, end, LinkType.Ethernet);
    default:
      p.addEvent(DecodeEvent.MplsUnknownPayloadType);
  }
  return true;
}
