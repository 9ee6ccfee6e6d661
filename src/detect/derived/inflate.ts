/**
 * Inflate (RFC 1951) in the wrappers of gzip (RFC 1952) and zlib (RFC 1950), into a place of given size: what does not fit
 * is left out, what is damaged ends it, and what came before stays. One object a thread; nothing is allocated per call.
 *
 * Why not node:zlib: its output limit throws the output away with the rest, and each call allocates a stream.
 */
import { DISTANCE_BASE, DISTANCE_EXTRA, LENGTH_BASE, LENGTH_EXTRA, ORDER } from '../../app-layer/deflate-tables.js';

const MAX_BITS = 15;
/** Codes of one alphabet: how many of each length, and the symbols in order of their codes. */
class Huffman {
  readonly count = new Uint16Array(MAX_BITS + 1);
  readonly symbols: Uint16Array;
  private readonly next = new Uint16Array(MAX_BITS + 1);

  constructor(size: number) {
    this.symbols = new Uint16Array(size);
  }

  /** False when the lengths ask for more codes than there are. */
  build(lengths: Uint8Array, from: number, n: number): boolean {
    const { count, next, symbols } = this;
    count.fill(0);
    for (let i = 0; i < n; i++) count[lengths[from + i]]++;
    let left = 1;
    for (let bits = 1; bits <= MAX_BITS; bits++) {
      left = (left << 1) - count[bits];
      if (left < 0) return false;
    }
    next[1] = 0;
    for (let bits = 1; bits < MAX_BITS; bits++) next[bits + 1] = next[bits] + count[bits];
    for (let i = 0; i < n; i++) if (lengths[from + i] !== 0) symbols[next[lengths[from + i]]++] = i;
    return true;
  }
}

export class Inflater {
  private mem: Uint8Array = EMPTY;
  private at = 0;
  private end = 0;
  private bits = 0;
  private bitCount = 0;
  private bad = false;

  private out: Uint8Array = EMPTY;
  private start = 0;
  private to = 0;
  private limit = 0;

  private readonly lengths = new Uint8Array(320);
  private readonly literals = new Huffman(288);
  private readonly distances = new Huffman(32);

  /** Bytes written to out[to, to + room); -1: not even the wrapper's head is right. Input and output must not overlap. */
  run(format: 'gzip' | 'zlib', mem: Uint8Array, off: number, len: number, out: Uint8Array, to: number, room: number): number {
    this.mem = mem;
    this.at = off;
    this.end = off + len;
    this.bits = 0;
    this.bitCount = 0;
    this.bad = false;
    this.out = out;
    this.start = to;
    this.to = to;
    this.limit = to + room;
    if (!(format === 'gzip' ? this.gzipHead() : this.zlibHead())) return -1;
    while (!this.bad && this.to < this.limit && this.block());
    return this.to - to;
  }

  private gzipHead(): boolean {
    const { mem, at, end } = this;
    if (end - at < 10 || mem[at] !== 0x1f || mem[at + 1] !== 0x8b || mem[at + 2] !== 8) return false;
    const flags = mem[at + 3];
    let p = at + 10;
    if ((flags & 0x04) !== 0) {
      if (end - p < 2) return false;
      p += 2 + (mem[p] | (mem[p + 1] << 8));
    }
    // Name and comment end in a 0 each.
    for (let field = 0x08; field <= 0x10; field <<= 1) {
      if ((flags & field) === 0) continue;
      while (p < end && mem[p] !== 0) p++;
      p++;
    }
    if ((flags & 0x02) !== 0) p += 2;
    this.at = p;
    return p <= end;
  }

  private zlibHead(): boolean {
    const { mem, at, end } = this;
    if (end - at < 2 || (mem[at] & 0x0f) !== 8 || mem[at] >> 4 > 7) return false;
    if (((mem[at] << 8) | mem[at + 1]) % 31 !== 0 || (mem[at + 1] & 0x20) !== 0) return false;
    this.at = at + 2;
    return true;
  }

  /** One block; false after the last. */
  private block(): boolean {
    const last = this.take(1);
    const type = this.take(2);
    if (this.bad) return false;
    if (type === 0) this.stored();
    else if (type === 1) {
      this.lengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288).fill(5, 288, 318);
      this.literals.build(this.lengths, 0, 288);
      this.distances.build(this.lengths, 288, 30);
      this.codes();
    } else if (type === 2 && this.dynamic()) this.codes();
    else this.bad = true;
    return last === 0;
  }

  private take(n: number): number {
    while (this.bitCount < n) {
      if (this.at >= this.end) {
        this.bad = true;
        return 0;
      }
      this.bits |= this.mem[this.at++] << this.bitCount;
      this.bitCount += 8;
    }
    const value = this.bits & ((1 << n) - 1);
    this.bits >>>= n;
    this.bitCount -= n;
    return value;
  }

  private symbol(h: Huffman): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let bits = 1; bits <= MAX_BITS; bits++) {
      code |= this.take(1);
      if (this.bad) return -1;
      const count = h.count[bits];
      if (code - count < first) return h.symbols[index + (code - first)];
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    this.bad = true;
    return -1;
  }

  private stored(): void {
    this.bits = 0;
    this.bitCount = 0;
    const { mem, at, end } = this;
    if (end - at < 4 || (mem[at] ^ mem[at + 2]) !== 0xff || (mem[at + 1] ^ mem[at + 3]) !== 0xff) {
      this.bad = true;
      return;
    }
    const n = Math.min(mem[at] | (mem[at + 1] << 8), end - at - 4, this.limit - this.to);
    for (let i = 0; i < n; i++) this.out[this.to++] = mem[at + 4 + i];
    this.at = at + 4 + n;
  }

  private dynamic(): boolean {
    const literals = this.take(5) + 257;
    const distances = this.take(5) + 1;
    const codes = this.take(4) + 4;
    if (this.bad || literals > 286 || distances > 30) return false;
    const { lengths } = this;
    lengths.fill(0, 0, 19);
    for (let i = 0; i < codes; i++) lengths[ORDER[i]] = this.take(3);
    if (this.bad || !this.literals.build(lengths, 0, 19)) return false;
    let i = 0;
    while (i < literals + distances) {
      const symbol = this.symbol(this.literals);
      if (symbol < 0) return false;
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) return false;
      const value = symbol === 16 ? lengths[i - 1] : 0;
      const repeat = symbol === 16 ? 3 + this.take(2) : symbol === 17 ? 3 + this.take(3) : 11 + this.take(7);
      if (this.bad || i + repeat > literals + distances) return false;
      lengths.fill(value, i, i + repeat);
      i += repeat;
    }
    return lengths[256] !== 0 && this.literals.build(lengths, 0, literals) && this.distances.build(lengths, literals, distances);
  }

  private codes(): void {
    const { out } = this;
    while (this.to < this.limit) {
      const symbol = this.symbol(this.literals);
      if (symbol < 0 || symbol === 256) return;
      if (symbol < 256) {
        out[this.to++] = symbol;
        continue;
      }
      if (symbol > 285) {
        this.bad = true;
        return;
      }
      let n = LENGTH_BASE[symbol - 257] + this.take(LENGTH_EXTRA[symbol - 257]);
      const code = this.symbol(this.distances);
      if (code < 0 || code > 29) {
        this.bad = true;
        return;
      }
      const distance = DISTANCE_BASE[code] + this.take(DISTANCE_EXTRA[code]);
      if (this.bad || distance > this.to - this.start) {
        this.bad = true;
        return;
      }
      for (n = Math.min(n, this.limit - this.to); n > 0; n--, this.to++) out[this.to] = out[this.to - distance];
    }
  }
}

const EMPTY = new Uint8Array(0);
