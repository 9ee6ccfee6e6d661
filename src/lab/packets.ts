import { createRequire } from 'node:module';
import type ipaddrModule from 'ipaddr.js';

/**
 * Builds packets for tests, the offline demo and benches. Not for the packet path: it allocates freely.
 *
 * Layers nest by passing one as the payload of the next, innermost first:
 *
 *   ethernet({}, ipv4({ src, dst, proto: PROTO.tcp }, tcp({ src, dst, srcPort, dstPort }, payload)))
 *
 * Every function returns a fresh Uint8Array. Lengths and checksums are right unless overridden;
 * an override goes into the header as it is, so that malformed packets can be built too.
 */

const ipaddr = createRequire(import.meta.url)('ipaddr.js') as typeof ipaddrModule;

export type Bytes = Uint8Array;

/** IANA protocol numbers, EtherTypes and IPv6 header numbers by name. */
export const PROTO = {
  hopByHop: 0,
  icmp: 1,
  ipip: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  routing: 43,
  fragment: 44,
  gre: 47,
  esp: 50,
  ah: 51,
  icmp6: 58,
  noNext: 59,
  destOpts: 60,
  sctp: 132,
} as const;
export const ETHERTYPE = {
  ipv4: 0x0800,
  arp: 0x0806,
  teb: 0x6558,
  vlan: 0x8100,
  ipv6: 0x86dd,
  mpls: 0x8847,
  pppoeDiscovery: 0x8863,
  pppoe: 0x8864,
  qinq: 0x88a8,
} as const;
export const TCP = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;

// ---- bytes ----

export function concat(...parts: Bytes[]): Bytes {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Latin-1 text (or bytes, unchanged) as bytes. */
export function bytes(text: string | Bytes = ''): Bytes {
  return typeof text === 'string' ? Uint8Array.from(text, (c) => c.charCodeAt(0)) : text;
}

/** `'de ad be:ef'` as bytes. */
export function hex(text: string): Bytes {
  const digits = text.replace(/[^0-9a-fA-F]/g, '');
  return Uint8Array.from({ length: digits.length >> 1 }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16));
}

/** The 4 or 16 bytes of an address. */
export function address(text: string): Bytes {
  return Uint8Array.from(ipaddr.parse(text).toByteArray());
}

export function mac(text: string): Bytes {
  return hex(text);
}

function put16(to: Bytes, at: number, value: number): void {
  to[at] = value >>> 8;
  to[at + 1] = value;
}

function put32(to: Bytes, at: number, value: number): void {
  put16(to, at, value >>> 16);
  put16(to, at + 2, value & 0xffff);
}

function get16(from: Bytes, at: number): number {
  return (from[at] << 8) | from[at + 1];
}

// ---- checksums ----

/** RFC 1071: the unfolded sum of 16-bit words of `data`; an odd last byte counts as its word's high half. */
export function onesSum(data: Bytes, initial = 0): number {
  let sum = initial;
  for (let i = 0; i < data.length; i++) sum += i & 1 ? data[i] : data[i] << 8;
  return sum;
}

/** RFC 1071: folds and complements. */
export function checksumOf(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/** Sum of the pseudo-header of RFC 9293 / RFC 8200 8.1; `length` bytes of transport header and data. */
export function pseudoHeaderSum(src: string, dst: string, proto: number, length: number): number {
  const head = new Uint8Array(8);
  put32(head, 0, length);
  head[7] = proto;
  return onesSum(head, onesSum(address(dst), onesSum(address(src))));
}

function transportChecksum(src: string, dst: string, proto: number, segment: Bytes): number {
  return checksumOf(onesSum(segment, pseudoHeaderSum(src, dst, proto, segment.length)));
}

// ---- link ----

export interface VlanTag {
  /** Default 0x8100. */
  tpid?: number;
  id: number;
  pcp?: number;
}

export interface EthernetFields {
  src?: string;
  dst?: string;
  /** Outermost first. */
  vlans?: VlanTag[];
  /** Default: by the version nibble of the payload. */
  etherType?: number;
}

export function ethernet(fields: EthernetFields, payload: Bytes): Bytes {
  const etherType = fields.etherType ?? (payload[0] >> 4 === 6 ? ETHERTYPE.ipv6 : ETHERTYPE.ipv4);
  const vlans = fields.vlans ?? [];
  const head = new Uint8Array(14 + 4 * vlans.length);
  head.set(mac(fields.dst ?? '02:00:00:00:00:02'), 0);
  head.set(mac(fields.src ?? '02:00:00:00:00:01'), 6);
  let at = 12;
  for (const tag of vlans) {
    put16(head, at, tag.tpid ?? ETHERTYPE.vlan);
    put16(head, at + 2, ((tag.pcp ?? 0) << 13) | tag.id);
    at += 4;
  }
  put16(head, at, etherType);
  return concat(head, payload);
}

/** Ethernet's padding to 60 bytes, filled with `fill`. */
export function padFrame(frame: Bytes, length = 60, fill = 0): Bytes {
  if (frame.length >= length) return frame;
  return concat(frame, new Uint8Array(length - frame.length).fill(fill));
}

/** ARP request body. */
export function arp(senderIp: string, targetIp: string): Bytes {
  return concat(hex('0001 0800 06 04 0001'), mac('02:00:00:00:00:01'), address(senderIp), new Uint8Array(6), address(targetIp));
}

/** RFC 3032 label stack, outermost first. */
export function mpls(labels: { label: number; ttl?: number }[], payload: Bytes): Bytes {
  const head = new Uint8Array(4 * labels.length);
  labels.forEach(({ label, ttl }, i) => {
    put32(head, i * 4, (label << 12) | (i === labels.length - 1 ? 0x100 : 0) | (ttl ?? 64));
  });
  return concat(head, payload);
}

/** RFC 2516 session data: PPPoE + PPP protocol (default by the version nibble). */
export function pppoe(fields: { sessionId?: number; pppProto?: number; code?: number; length?: number }, payload: Bytes): Bytes {
  const head = new Uint8Array(8);
  head[0] = 0x11;
  head[1] = fields.code ?? 0;
  put16(head, 2, fields.sessionId ?? 1);
  put16(head, 4, fields.length ?? payload.length + 2);
  put16(head, 6, fields.pppProto ?? (payload[0] >> 4 === 6 ? 0x57 : 0x21));
  return concat(head, payload);
}

// ---- network ----

export interface Ipv4Fields {
  src: string;
  dst: string;
  proto: number;
  ttl?: number;
  id?: number;
  mf?: boolean;
  df?: boolean;
  /** Bytes, a multiple of 8. */
  fragOffset?: number;
  /** Padded with end-of-list to a multiple of 4. */
  options?: Bytes;
  tos?: number;
  totalLength?: number;
  headerLength?: number;
  version?: number;
  checksum?: number;
}

export function ipv4(fields: Ipv4Fields, payload: Bytes): Bytes {
  const options = fields.options ?? new Uint8Array(0);
  const headerLength = 20 + ((options.length + 3) & ~3);
  const head = new Uint8Array(headerLength);
  head[0] = ((fields.version ?? 4) << 4) | ((fields.headerLength ?? headerLength) >> 2);
  head[1] = fields.tos ?? 0;
  put16(head, 2, fields.totalLength ?? headerLength + payload.length);
  put16(head, 4, fields.id ?? 1);
  put16(head, 6, (fields.df ? 0x4000 : 0) | (fields.mf ? 0x2000 : 0) | ((fields.fragOffset ?? 0) >> 3));
  head[8] = fields.ttl ?? 64;
  head[9] = fields.proto;
  head.set(address(fields.src), 12);
  head.set(address(fields.dst), 16);
  head.set(options, 20);
  put16(head, 10, fields.checksum ?? checksumOf(onesSum(head)));
  return concat(head, payload);
}

/** One IPv6 extension header: `body` is everything after next header (and length, where there is one). */
export interface ExtHeader {
  /** Header number: 0, 43, 44, 51, 60. */
  type: number;
  /** For 0, 43, 60: padded with PadN to a multiple of 8 less 2; for 44: the 7 bytes after next header; for 51: a multiple of 4 less 2. */
  body: Bytes;
  /** Overrides the length byte. */
  length?: number;
}

export interface Ipv6Fields {
  src: string;
  dst: string;
  /** Of the last header: the transport. */
  nextHeader: number;
  hopLimit?: number;
  trafficClass?: number;
  flowLabel?: number;
  extHeaders?: ExtHeader[];
  payloadLength?: number;
  version?: number;
}

function extHeader(ext: ExtHeader, next: number): Bytes {
  if (ext.type === PROTO.fragment) return concat(Uint8Array.of(next), ext.body);
  if (ext.type === PROTO.ah) {
    const whole = concat(Uint8Array.of(next, 0), ext.body);
    whole[1] = ext.length ?? whole.length / 4 - 2;
    return whole;
  }
  const pad = (8 - ((ext.body.length + 2) & 7)) & 7;
  const padding = new Uint8Array(pad);
  if (pad > 1) {
    padding[0] = 1;
    padding[1] = pad - 2;
  }
  const whole = concat(Uint8Array.of(next, 0), ext.body, padding);
  whole[1] = ext.length ?? whole.length / 8 - 1;
  return whole;
}

/** The 7 bytes that follow the next-header byte of a fragment header; `offset` in bytes. */
export function fragmentBody(id: number, offset: number, more: boolean): Bytes {
  const body = new Uint8Array(7);
  put16(body, 1, (offset & 0xfff8) | (more ? 1 : 0));
  put32(body, 3, id);
  return body;
}

export function ipv6(fields: Ipv6Fields, payload: Bytes): Bytes {
  const exts = fields.extHeaders ?? [];
  const chain = exts.map((ext, i) => extHeader(ext, exts[i + 1]?.type ?? fields.nextHeader));
  const body = concat(...chain, payload);
  const head = new Uint8Array(40);
  put32(head, 0, ((fields.version ?? 6) << 28) | ((fields.trafficClass ?? 0) << 20) | (fields.flowLabel ?? 0));
  put16(head, 4, fields.payloadLength ?? body.length);
  head[6] = exts[0]?.type ?? fields.nextHeader;
  head[7] = fields.hopLimit ?? 64;
  head.set(address(fields.src), 8);
  head.set(address(fields.dst), 24);
  return concat(head, body);
}

// ---- transport ----

export interface TcpFields {
  /** Addresses of the IP header, for the checksum. */
  src: string;
  dst: string;
  srcPort: number;
  dstPort: number;
  seq?: number;
  ack?: number;
  /** Bits of TCP; default ACK. */
  flags?: number;
  window?: number;
  urgent?: number;
  /** Padded with end-of-list to a multiple of 4. */
  options?: Bytes;
  headerLength?: number;
  checksum?: number;
}

export function tcp(fields: TcpFields, payload: Bytes = new Uint8Array(0)): Bytes {
  const options = fields.options ?? new Uint8Array(0);
  const headerLength = 20 + ((options.length + 3) & ~3);
  const segment = concat(new Uint8Array(headerLength), payload);
  put16(segment, 0, fields.srcPort);
  put16(segment, 2, fields.dstPort);
  put32(segment, 4, fields.seq ?? 0);
  put32(segment, 8, fields.ack ?? 0);
  segment[12] = ((fields.headerLength ?? headerLength) >> 2) << 4;
  segment[13] = fields.flags ?? TCP.ack;
  put16(segment, 14, fields.window ?? 65535);
  put16(segment, 18, fields.urgent ?? 0);
  segment.set(options, 20);
  put16(segment, 16, fields.checksum ?? transportChecksum(fields.src, fields.dst, PROTO.tcp, segment));
  return segment;
}

export interface UdpFields {
  src: string;
  dst: string;
  srcPort: number;
  dstPort: number;
  length?: number;
  checksum?: number;
}

export function udp(fields: UdpFields, payload: Bytes = new Uint8Array(0)): Bytes {
  const segment = concat(new Uint8Array(8), payload);
  put16(segment, 0, fields.srcPort);
  put16(segment, 2, fields.dstPort);
  put16(segment, 4, fields.length ?? segment.length);
  // RFC 768: a computed zero is sent as all ones; zero means "no checksum".
  put16(segment, 6, fields.checksum ?? (transportChecksum(fields.src, fields.dst, PROTO.udp, segment) || 0xffff));
  return segment;
}

export interface IcmpFields {
  type: number;
  code?: number;
  /** The four bytes after the checksum (identifier and sequence, MTU, ...). */
  rest?: number;
  checksum?: number;
}

export function icmp4(fields: IcmpFields, payload: Bytes = new Uint8Array(0)): Bytes {
  const message = concat(Uint8Array.of(fields.type, fields.code ?? 0, 0, 0, 0, 0, 0, 0), payload);
  put32(message, 4, fields.rest ?? 0);
  put16(message, 2, fields.checksum ?? checksumOf(onesSum(message)));
  return message;
}

export function icmp6(fields: IcmpFields & { src: string; dst: string }, payload: Bytes = new Uint8Array(0)): Bytes {
  const message = concat(Uint8Array.of(fields.type, fields.code ?? 0, 0, 0, 0, 0, 0, 0), payload);
  put32(message, 4, fields.rest ?? 0);
  put16(message, 2, fields.checksum ?? transportChecksum(fields.src, fields.dst, PROTO.icmp6, message));
  return message;
}

/** SCTP common header (RFC 9260) with a zero checksum. */
export function sctp(fields: { srcPort: number; dstPort: number; tag?: number }, chunks: Bytes = new Uint8Array(0)): Bytes {
  const head = new Uint8Array(12);
  put16(head, 0, fields.srcPort);
  put16(head, 2, fields.dstPort);
  put32(head, 4, fields.tag ?? 0);
  return concat(head, chunks);
}

// ---- tunnels ----

export interface GreFields {
  /** EtherType of the payload; default by its version nibble. 0x6558 = transparent Ethernet bridging. */
  proto?: number;
  /** Version 1 (RFC 2637, PPTP): the key field is payload length + call id. */
  version?: number;
  checksum?: number;
  key?: number;
  sequence?: number;
  ack?: number;
}

export function gre(fields: GreFields, payload: Bytes): Bytes {
  const version = fields.version ?? 0;
  const proto = fields.proto ?? (version === 1 ? 0x880b : payload[0] >> 4 === 6 ? ETHERTYPE.ipv6 : ETHERTYPE.ipv4);
  const key = fields.key ?? (version === 1 ? payload.length << 16 : undefined);
  const words: number[] = [];
  let flags = version;
  if (fields.checksum !== undefined) {
    flags |= 0x8000;
    words.push(fields.checksum << 16);
  }
  if (key !== undefined) {
    flags |= 0x2000;
    words.push(key);
  }
  if (fields.sequence !== undefined) {
    flags |= 0x1000;
    words.push(fields.sequence);
  }
  if (fields.ack !== undefined) {
    flags |= 0x80;
    words.push(fields.ack);
  }
  const head = new Uint8Array(4 + 4 * words.length);
  put16(head, 0, flags);
  put16(head, 2, proto);
  words.forEach((word, i) => {
    put32(head, 4 + 4 * i, word);
  });
  return concat(head, payload);
}

/** RFC 7348 header; `frame` is an Ethernet frame. Carry it in udp({dstPort: 4789}). */
export function vxlan(vni: number, frame: Bytes): Bytes {
  const head = new Uint8Array(8);
  head[0] = 0x08;
  put32(head, 4, vni << 8);
  return concat(head, frame);
}

/** RFC 4380: an IPv6 packet, optionally after authentication and origin indications. Carry it in udp({dstPort: 3544}). */
export function teredo(packet: Bytes, indications: { authentication?: boolean; origin?: boolean } = {}): Bytes {
  const auth = indications.authentication ? hex('0001 00 00 0000000000000000 00') : new Uint8Array(0);
  const origin = indications.origin ? hex('0000 1234 80fffffe') : new Uint8Array(0);
  return concat(auth, origin, packet);
}

// ---- fragments ----

/**
 * Splits an IPv4 packet (no link header) into fragments. `cuts` are payload offsets in bytes, multiples
 * of 8, ascending, exclusive of 0 and the end. Options are repeated in every fragment.
 */
export function fragmentIpv4(packet: Bytes, cuts: number[]): Bytes[] {
  const headerLength = (packet[0] & 15) * 4;
  const payload = packet.subarray(headerLength, get16(packet, 2));
  const edges = [0, ...cuts, payload.length];
  return edges.slice(0, -1).map((from, i) => {
    const last = i === edges.length - 2;
    const out = concat(packet.subarray(0, headerLength), payload.subarray(from, edges[i + 1]));
    put16(out, 2, out.length);
    put16(out, 6, (last ? 0 : 0x2000) | (from >> 3));
    put16(out, 10, 0);
    put16(out, 10, checksumOf(onesSum(out.subarray(0, headerLength))));
    return out;
  });
}

/**
 * Splits an IPv6 packet (no link header). `unfragmentable` bytes of extension headers stay before the
 * fragment header (their last next-header byte sits at `lastNextAt`, default the IPv6 header's).
 */
export function fragmentIpv6(packet: Bytes, cuts: number[], id = 1, unfragmentable = 0, lastNextAt = 6): Bytes[] {
  const headerLength = 40 + unfragmentable;
  const payload = packet.subarray(headerLength);
  const edges = [0, ...cuts, payload.length];
  const next = packet[lastNextAt];
  return edges.slice(0, -1).map((from, i) => {
    const last = i === edges.length - 2;
    const head = packet.slice(0, headerLength);
    head[lastNextAt] = PROTO.fragment;
    const out = concat(head, Uint8Array.of(next), fragmentBody(id, from, !last), payload.subarray(from, edges[i + 1]));
    put16(out, 4, out.length - 40);
    return out;
  });
}

/** Every `size` bytes (rounded down to a multiple of 8): cuts for the two functions above. */
export function evenCuts(payloadLength: number, size: number): number[] {
  const step = Math.max(8, size & ~7);
  const cuts: number[] = [];
  for (let at = step; at < payloadLength; at += step) cuts.push(at);
  return cuts;
}
