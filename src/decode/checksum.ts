import { Counter } from '../metrics/counters.js';
import type { DecodeContext } from './context.js';
import { DecodeEvent } from './events.js';
import { IpProto, type Packet } from './packet.js';

/** Buffers seen lately: a worker reads from a few rings and one reassembly buffer. */
const CACHED_VIEWS = 8;
const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Int32Array(0);

/**
 * Sums for the Internet checksum (RFC 1071), four bytes a step over an Int32Array of the same memory.
 * The sum does not depend on byte order, so little-endian words are added and the result swapped once.
 */
export class InternetChecksum {
  private readonly mems: Uint8Array[] = [];
  private readonly views: Int32Array[] = [];
  private evict = 0;
  // The buffer of the last call, its words, and where it begins in them.
  private mem: Uint8Array = NO_BYTES;
  private words: Int32Array = NO_WORDS;
  private base = 0;

  /** Folded, big-endian ones' complement sum (0..0xffff) of m[at, at + length). length < 128 KiB. */
  sum(m: Uint8Array, at: number, length: number): number {
    if (m !== this.mem) this.use(m);
    const words = this.words;
    const base = this.base;
    let i = (base + at) | 0;
    const end = (i + length) | 0;
    let low = 0;
    let odd = 0;
    const swapped = (i & 1) !== 0 && i < end;
    if (swapped) {
      // From an odd address the 16-bit words of the data straddle those of the memory: sum swapped, swap back.
      odd = m[i - base];
      i++;
    }
    if ((i & 2) !== 0 && i + 2 <= end) {
      low = m[i - base] | (m[i - base + 1] << 8);
      i += 2;
    }
    if ((i & 3) === 0) {
      // Whole words and their upper halves are summed; the lower halves are the difference, exact modulo 2^32.
      const wordEnd = end >> 2;
      let w = i >> 2;
      let whole = 0;
      let high = 0;
      for (; w + 4 <= wordEnd; w += 4) {
        const a = words[w];
        const b = words[w + 1];
        const c = words[w + 2];
        const d = words[w + 3];
        whole = (whole + a + b + c + d) | 0;
        high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0;
      }
      for (; w < wordEnd; w++) {
        const a = words[w];
        whole = (whole + a) | 0;
        high = (high + (a >>> 16)) | 0;
      }
      low += fold((whole - (high << 16)) | 0) + fold(high);
      i = w << 2;
    }
    if (i + 2 <= end) {
      low += m[i - base] | (m[i - base + 1] << 8);
      i += 2;
    }
    if (i < end) low += m[i - base];
    const sum = fold(low);
    return swap(swapped ? fold(swap(sum) + odd) : sum);
  }

  private use(m: Uint8Array): void {
    this.mem = m;
    this.words = this.wordsOf(m);
    this.base = m.byteOffset;
  }

  private wordsOf(m: Uint8Array): Int32Array {
    const { mems, views } = this;
    for (let i = 0; i < mems.length; i++) if (mems[i] === m) return views[i];
    const view = new Int32Array(m.buffer, 0, m.buffer.byteLength >> 2);
    const slot = mems.length < CACHED_VIEWS ? mems.length : this.evict++ % CACHED_VIEWS;
    mems[slot] = m;
    views[slot] = view;
    return view;
  }
}

function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** The same for an IPv4 header without options, the 20 bytes most headers are: upper and lower bytes apart. */
function plainHeader(m: Uint8Array, at: number): number {
  const upper = m[at] + m[at + 2] + m[at + 4] + m[at + 6] + m[at + 8] + m[at + 10] + m[at + 12] + m[at + 14] + m[at + 16] + m[at + 18];
  const lower = m[at + 1] + m[at + 3] + m[at + 5] + m[at + 7] + m[at + 9] + m[at + 11] + m[at + 13] + m[at + 15] + m[at + 17] + m[at + 19];
  return fold((upper << 8) + lower);
}

function swap(sum: number): number {
  return ((sum & 0xff) << 8) | (sum >>> 8);
}

/** Folded sum of the pseudo-header: addresses, protocol, transport length (RFC 9293 3.1, RFC 8200 8.1). */
function pseudoHeader(p: Packet, length: number): number {
  let sum = p.proto + length;
  const words = p.ipVersion === 4 ? 1 : 4;
  for (let i = 0; i < words; i++) {
    const s = p.src[i];
    const d = p.dst[i];
    sum += (s >>> 16) + (s & 0xffff) + (d >>> 16) + (d & 0xffff);
  }
  return fold(sum);
}

/**
 * Checks the IPv4 header's checksum and, unless it is a fragment, TCP's, UDP's or ICMP's. False: one is
 * wrong; an event names it and `csumInvalid` is set. Not for packets whose sender left the sum to hardware.
 */
export function checksumsValid(ctx: DecodeContext, checksum: InternetChecksum, p: Packet): boolean {
  const m = p.mem;
  if (p.ipVersion === 4) {
    // ipHeaderLen reaches up to the transport header: in IPv4, the whole header.
    const sum = p.ipHeaderLen === 20 ? plainHeader(m, p.ipOff) : checksum.sum(m, p.ipOff, p.ipHeaderLen);
    if (sum !== 0xffff) return wrong(p, DecodeEvent.Ipv4InvalidChecksum);
  }
  const at = p.transportOff;
  if (at < 0 || p.isFragment !== 0) return true;
  const length = p.ipOff + p.ipLen - at;
  const routed = p.ipVersion === 6 && ctx.routed !== 0;
  switch (p.proto) {
    case IpProto.Tcp:
      if (!routed && fold(pseudoHeader(p, length) + checksum.sum(m, at, length)) !== 0xffff) {
        ctx.counters[Counter.TcpInvalidChecksum]++;
        return wrong(p, DecodeEvent.TcpInvalidChecksum);
      }
      return true;
    case IpProto.Udp: {
      if ((m[at + 6] | m[at + 7]) === 0) {
        // No checksum: a choice in IPv4, in IPv6 only for tunnels (RFC 6935).
        return p.ipVersion === 4 || p.tunnelOff >= 0 ? true : wrong(p, DecodeEvent.UdpInvalidChecksum);
      }
      const udpLength = p.payloadLen + 8;
      if (!routed && fold(pseudoHeader(p, udpLength) + checksum.sum(m, at, udpLength)) !== 0xffff)
        return wrong(p, DecodeEvent.UdpInvalidChecksum);
      return true;
    }
    case IpProto.Icmp:
      return checksum.sum(m, at, length) === 0xffff ? true : wrong(p, DecodeEvent.Icmpv4InvalidChecksum);
    case IpProto.IcmpV6:
      if (!routed && fold(pseudoHeader(p, length) + checksum.sum(m, at, length)) !== 0xffff)
        return wrong(p, DecodeEvent.Icmpv6InvalidChecksum);
      return true;
    default:
      return true;
  }
}

function wrong(p: Packet, event: number): boolean {
  p.addEvent(event);
  p.csumInvalid = 1;
  return false;
}

/**
 * Computes the transport checksum of a packet whose payload was changed in place, and writes it. A UDP checksum of
 * zero stays where it means "none" (RFC 768; RFC 6935 for tunnels over IPv6). False: not TCP, UDP or ICMP.
 */
export function writeTransportChecksum(checksum: InternetChecksum, p: Packet): boolean {
  const m = p.mem;
  const at = p.transportOff;
  let length = p.ipOff + p.ipLen - at;
  let field = 0;
  switch (p.proto) {
    case IpProto.Tcp:
      field = at + 16;
      break;
    case IpProto.Udp:
      field = at + 6;
      length = p.payloadLen + 8;
      if ((m[field] | m[field + 1]) === 0 && (p.ipVersion === 4 || p.tunnelOff >= 0)) return true;
      break;
    case IpProto.Icmp:
    case IpProto.IcmpV6:
      field = at + 2;
      break;
    default:
      return false;
  }
  m[field] = 0;
  m[field + 1] = 0;
  let sum = checksum.sum(m, at, length);
  if (p.proto !== IpProto.Icmp) sum = fold(sum + pseudoHeader(p, length));
  let value = ~sum & 0xffff;
  if (value === 0 && p.proto === IpProto.Udp) value = 0xffff;
  m[field] = value >>> 8;
  m[field + 1] = value;
  return true;
}
