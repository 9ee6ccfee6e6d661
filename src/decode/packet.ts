import type { Mode } from '../ring/verdict.js';

/**
 * The one packet under inspection: a mutable view that decode fills, then flow, stream and detect read.
 *
 * A thread owns one instance and reuses it for every packet, so nothing is allocated per packet.
 * Every number is an int32 (addresses, sequence numbers and nanoseconds included: `>>> 0` before
 * printing): V8 keeps int32 fields unboxed, a uint32 above 2^31 would allocate.
 *
 * Offsets are absolute positions in `mem`; -1 where the layer is absent.
 */
export class Packet {
  /** The memory that holds the bytes, and the addon's number for it (see src/native.ts). */
  mem: Uint8Array = EMPTY;
  region = -1;
  /** First byte of the outermost header, bytes captured from there, bytes on the wire. */
  off = 0;
  capLen = 0;
  wireLen = 0;
  /** pcap link type (LINKTYPE_*); 1 = Ethernet. */
  linkType = 1;
  tsSec = 0;
  tsNsec = 0;
  /** Index of the interface, queue or file the packet came from (see config `sources`). */
  source = 0;
  mode: Mode = 0;
  /** 1: the transport checksum is not to be validated: left to the hardware by the sender, or verified by the kernel. */
  csumNotReady = 0;
  /** 1: the transport checksum holds the pseudo-header only, and is completed when the packet is sent: leave it. */
  csumPartial = 0;
  /** 1: netfilter rules chose this packet (queue, log group): its flow may be seen in one direction only. */
  selective = 0;
  /** 1: came from one interface of a pair, and goes out on the other: who sends from which side is known. */
  bridged = 0;
  /** Bytes that netfilter's copy range left out (`sluice.nfq.copy-range`, NFLOG `max-size`): their absence is not the sender's doing. */
  cut = 0;
  /** 1-based number of the packet in a capture file; 0 for live traffic. */
  pcapCount = 0;

  // Link layer
  ethOff = -1;
  /** Host order: the type that follows all tags. */
  etherType = 0;
  vlanDepth = 0;
  /** VLAN ids (12 bits), outermost first. */
  vlan0 = 0;
  vlan1 = 0;
  vlan2 = 0;

  // Network layer
  /** 0 (not IP), 4 or 6. */
  ipVersion = 0;
  ipOff = -1;
  /** Bytes from ipOff to the transport header, extension headers included. */
  ipHeaderLen = 0;
  /** Bytes of the IP packet, header included; never beyond the captured bytes. */
  ipLen = 0;
  ttl = 0;
  tos = 0;
  ipId = 0;
  /** 1: this is a fragment; only the first has a transport header, and none is inspected as a whole. */
  isFragment = 0;
  /** Payload offset of the fragment in bytes, and 1 when more follow. */
  fragOffset = 0;
  fragMore = 0;
  /** IPv6 fragment: position of the fragment header; -1 otherwise. `ipId` then holds its 32-bit identification. */
  fragHeaderOff = -1;
  /** 1: the packet was put together from fragments; `mem` is the reassembly buffer (2: not decoded yet). */
  defragged = 0;
  /** Of a reassembled datagram: the link header of the fragment that completed it, and its link type. Length 0: none. */
  readonly linkHeader = new Uint8Array(MAX_LINK_HEADER);
  linkHeaderLen = 0;
  linkHeaderType = 0;
  /** Addresses as four big-endian 32-bit words; IPv4 in word 0, the rest 0. */
  readonly src = new Int32Array(4);
  readonly dst = new Int32Array(4);

  // Transport layer
  /** IP protocol number of the transport header (6, 17, 1, 58, 132, 47, ...). */
  proto = 0;
  transportOff = -1;
  /** ICMP: type and code stand in for the ports in the flow key. */
  srcPort = 0;
  dstPort = 0;
  tcpFlags = 0;
  tcpSeq = 0;
  tcpAck = 0;
  tcpWindow = 0;
  tcpHeaderLen = 0;
  icmpType = -1;
  icmpCode = -1;
  /** Transport payload. For IP without a known transport: the IP payload. */
  payloadOff = 0;
  payloadLen = 0;

  // A packet inside this one (GRE, IP-in-IP, VXLAN, Teredo): where, and as what link type.
  tunnelOff = -1;
  tunnelLen = 0;
  tunnelLinkType = 0;
  /** Depth of encapsulation: 0 for the outermost. */
  tunnelDepth = 0;

  // Decode events of this packet (codes of src/decode/events.ts)
  readonly events = new Uint16Array(MAX_EVENTS);
  eventCount = 0;
  /** 1: a header is malformed and an event names it; the layers behind it may be missing (ipVersion 0, transportOff -1). */
  invalid = 0;
  /** 1: a checksum was validated and is wrong (an event names it). */
  csumInvalid = 0;
  /** 1 or 3: decode was not to validate checksums, those who ask may (3: the IPv6 destination is not the last one). 0: it has, or nobody may. */
  csumUnseen = 0;

  // Flow (set by FlowTable.lookup)
  /** Slot in the flow table; -1 without a flow. */
  flow = -1;
  /** 0 to server, 1 to client. */
  direction = 0;
  /** 1: first packet of its flow. */
  flowNew = 0;
  /** 1: the flow is established as `flow:established` understands it. */
  established = 0;
  /** AppProto of the flow (src/app-layer/buffers.ts); 0 without a flow, or not known yet. Set by the engine. */
  appProto = 0;

  // Stream events of this packet (codes of src/stream/events.ts), set by TcpTracker.update
  readonly streamEvents = new Uint8Array(MAX_STREAM_EVENTS);
  streamEventCount = 0;

  /** Bits of ProtoEvent (src/app-layer/proto-events.ts): what the packet showed of its flow's protocol. Set by the engine. */
  protoEvents = 0;
  /** 1: the first packet of its direction since the direction's protocol is known, or known to be none of ours. Set by the engine. */
  protoFound = 0;
  /** 1: its payload is known to be encrypted, and rules look for no content in it. */
  opaque = 0;

  /** Whether a decode event was recorded. */
  hasEvent(code: number): boolean {
    for (let i = 0; i < this.eventCount; i++) if (this.events[i] === code) return true;
    return false;
  }

  hasStreamEvent(code: number): boolean {
    for (let i = 0; i < this.streamEventCount; i++) if (this.streamEvents[i] === code) return true;
    return false;
  }

  addStreamEvent(code: number): void {
    if (this.streamEventCount < MAX_STREAM_EVENTS) this.streamEvents[this.streamEventCount++] = code;
  }

  addEvent(code: number): void {
    if (this.eventCount < MAX_EVENTS) this.events[this.eventCount++] = code;
  }
}

/** Longest link header that is kept of fragments. */
export const MAX_LINK_HEADER = 64;
export const MAX_EVENTS = 16;
export const MAX_STREAM_EVENTS = 8;
const EMPTY = new Uint8Array(0);

/** Protocol numbers used all over (IANA). */
export const enum IpProto {
  Icmp = 1,
  IpIp = 4,
  Tcp = 6,
  Udp = 17,
  Ipv6 = 41,
  Gre = 47,
  Esp = 50,
  Ah = 51,
  IcmpV6 = 58,
  Sctp = 132,
}

/** TCP header flags (RFC 9293). */
export const enum TcpFlag {
  Fin = 0x01,
  Syn = 0x02,
  Rst = 0x04,
  Psh = 0x08,
  Ack = 0x10,
  Urg = 0x20,
  Ece = 0x40,
  Cwr = 0x80,
}
