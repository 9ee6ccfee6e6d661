/**
 * Sticky buffers that are parts of the packet: header bytes, addresses, and the payload where a transform makes another buffer
 * of it (user guide, "Header Keywords", "IP Addresses Match"). Lengths are bytes; -1: the packet has no such part.
 */
import { IpProto, type Packet } from '../../decode/packet.js';

export interface PacketBuffer {
  /** Position in p.mem. */
  off(p: Packet): number;
  len(p: Packet): number;
}

/** Bytes of the IP packet from the transport header on. */
function behindIp(p: Packet): number {
  return p.transportOff < 0 ? -1 : p.ipOff + p.ipLen - p.transportOff;
}

const transport = (p: Packet): number => p.transportOff;

function tcpLen(p: Packet): number {
  return p.proto === IpProto.Tcp && p.transportOff >= 0 ? p.tcpHeaderLen : -1;
}

function udpLen(p: Packet): number {
  return p.proto === IpProto.Udp && p.transportOff >= 0 ? 8 : -1;
}

/** RFC 792, RFC 950, RFC 1256: the fixed part of each message; 8 bytes save for timestamps, address masks and router advertisements. */
function icmpLen(p: Packet): number {
  if (p.proto !== IpProto.Icmp || p.transportOff < 0) return -1;
  const length = p.icmpType === 13 || p.icmpType === 14 ? 20 : p.icmpType === 17 || p.icmpType === 18 ? 12 : p.icmpType === 9 ? 16 : 8;
  return Math.min(length, behindIp(p));
}

function icmp6Len(p: Packet): number {
  return p.proto === IpProto.IcmpV6 && p.transportOff >= 0 ? Math.min(8, behindIp(p)) : -1;
}

function ip4Len(p: Packet): number {
  return p.ipVersion === 4 && p.ipOff >= 0 ? p.ipHeaderLen : -1;
}

/** Extension headers included. */
function ip6Len(p: Packet): number {
  return p.ipVersion === 6 && p.ipOff >= 0 ? p.ipHeaderLen : -1;
}

/** IANA protocol number. */
const IGMP = 2;

function igmpLen(p: Packet): number {
  return p.proto === IGMP && p.ipVersion === 4 && p.isFragment === 0 ? p.ipLen - p.ipHeaderLen : -1;
}

function etherLen(p: Packet): number {
  return p.ethOff >= 0 ? 14 : -1;
}

function addressLen(p: Packet): number {
  return p.ipOff < 0 ? -1 : p.ipVersion === 4 ? 4 : p.ipVersion === 6 ? 16 : -1;
}

function payloadLen(p: Packet): number {
  return p.payloadLen > 0 && p.opaque === 0 ? p.payloadLen : -1;
}

const PACKET_BUFFERS: Readonly<Record<string, PacketBuffer>> = {
  'ipv4.hdr': { off: (p) => p.ipOff, len: ip4Len },
  'ipv6.hdr': { off: (p) => p.ipOff, len: ip6Len },
  'tcp.hdr': { off: transport, len: tcpLen },
  'udp.hdr': { off: transport, len: udpLen },
  'icmpv4.hdr': { off: transport, len: icmpLen },
  'icmpv6.hdr': { off: transport, len: icmp6Len },
  'igmp.hdr': { off: (p) => p.ipOff + p.ipHeaderLen, len: igmpLen },
  'ether.hdr': { off: (p) => p.ethOff, len: etherLen },
  'ip.src': { off: (p) => p.ipOff + (p.ipVersion === 4 ? 12 : 8), len: addressLen },
  'ip.dst': { off: (p) => p.ipOff + (p.ipVersion === 4 ? 16 : 24), len: addressLen },
  pkt_data: { off: (p) => p.payloadOff, len: payloadLen },
};

/** Throws for a name that is no part of a packet. */
export function packetBuffer(name: string): PacketBuffer {
  if (!Object.hasOwn(PACKET_BUFFERS, name)) throw new Error(`${name} is no part of a packet`);
  return PACKET_BUFFERS[name];
}
