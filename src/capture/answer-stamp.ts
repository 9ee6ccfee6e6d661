import { checksum, get16, put16, sum16 } from './answer-bytes.js';

/**
 * Answers are known again by their identification (IPv4) or flow label (IPv6), which is a hash of what follows the IP
 * header. An answer that is routed passes the OUTPUT hook of this host. If that is queued too, the answer comes to us: it must
 * not be dropped as one more packet of the flow that was rejected.
 */

/** The loopback interface has this index in every network namespace. */
const LOOPBACK = 1;

/** Stamps the complete answer out[at, at + length), whose transport is final, and makes the IPv4 header's checksum. */
export function stamp(out: Uint8Array, at: number, length: number): void {
  if (out[at] >> 4 === 6) {
    put16(out, at + 2, hash(out, at + 40, at + length));
    return;
  }
  put16(out, at + 4, hash(out, at + 20, at + length));
  put16(out, at + 10, 0);
  put16(out, at + 10, checksum(sum16(out, at, 20, 0)));
}

/**
 * True when the IP packet m[at, end) that netfilter shows is an answer of ours: made on this host (`inDevice` 0, or loopback), nothing
 * but a bare RST or a destination unreachable, and stamped. From outside that cannot be forged.
 */
export function isOwnAnswer(m: Uint8Array, at: number, end: number, inDevice: number): boolean {
  if (inDevice > LOOPBACK || at < 0 || end > m.length || end - at < 40) return false;
  if (m[at] === 0x45) {
    if (get16(m, at + 2) !== end - at || get16(m, at + 6) !== 0x4000 || !isAnswer(m, at + 20, end, m[at + 9], 1, 3)) return false;
    return get16(m, at + 4) === hash(m, at + 20, end);
  }
  if (m[at] !== 0x60 || m[at + 1] !== 0 || 40 + get16(m, at + 4) !== end - at || !isAnswer(m, at + 40, end, m[at + 6], 58, 1)) return false;
  return get16(m, at + 2) === hash(m, at + 40, end);
}

/** TCP: nothing but a RST, with or without ACK. Else ICMP's destination unreachable. */
function isAnswer(m: Uint8Array, t: number, end: number, proto: number, icmp: number, type: number): boolean {
  if (proto === 6) return end - t === 20 && m[t + 12] === 0x50 && (m[t + 13] & ~0x10) === 4;
  return proto === icmp && end - t > 8 && m[t] === type;
}

/** FNV-1a, folded to 16 bits; never 0, which the kernel would replace by an identification of its own. */
function hash(m: Uint8Array, at: number, end: number): number {
  let h = 0x811c9dc5 | 0;
  for (let i = at; i < end; i++) h = Math.imul(h ^ m[i], 0x01000193);
  return ((h >>> 16) ^ h) & 0xffff || 1;
}
