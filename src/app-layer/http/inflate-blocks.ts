import { ORDER } from '../deflate-tables.js';
import { Codes, FAST_DISTANCES, FAST_LENGTHS, FAST_LITERALS, FIXED_DISTANCES, FIXED_LITERALS } from './huffman.js';
import type { BitInput } from './inflate-bits.js';
import { LENGTHS_AT, Phase, W } from './inflate-layout.js';

/** What a block with codes of its own costs beside its bytes, in bytes written. */
const BLOCK_WORK = 768;
/** W.Tables of a block with the codes that stand in the RFC. */
const FIXED = -1;

/** Heads of blocks (RFC 1951, 3.2.3), and the tables of codes that they bring. */
export class BlockHeads {
  private readonly ownLiterals = new Codes(FAST_LITERALS);
  private readonly ownDistances = new Codes(FAST_DISTANCES);
  private readonly lengthCodes = new Codes(FAST_LENGTHS);
  /** Of the block at hand. */
  literals = this.ownLiterals;
  distances = this.ownDistances;
  /** In bytes written; set to 0 by the owner. */
  work = 0;
  private readonly lengths = new Uint8Array(320);
  /** Whose tables are built. */
  private tables = 0;
  private built = 0;

  constructor(private readonly bits: BitInput) {}

  /** A block's head. Without enough input nothing is used up. */
  read(place: Uint8Array, base: number): boolean {
    const { bits: from } = this;
    const { w, at } = from;
    const bits = w[W.Bits];
    const bitCount = w[W.BitCount];
    const last = from.take(1);
    const type = from.take(2);
    let done = false;
    let bad = type === 3;
    if (type === 0) {
      w[W.Bits] >>>= w[W.BitCount] & 7;
      w[W.BitCount] &= ~7;
      const n = from.take(16);
      const check = from.take(16);
      done = check >= 0;
      bad = done && (n ^ check) !== 0xffff;
      w[W.Left] = n;
      if (done) from.giveBack();
    } else if (type === 1) {
      done = true;
    } else if (type === 2) {
      const read = this.dynamic();
      done = read > 0;
      bad = read < 0;
    }
    if (bad || !done) {
      from.at = at;
      w[W.Bits] = bits;
      w[W.BitCount] = bitCount;
      if (bad) w[W.Phase] = Phase.Bad;
      return false;
    }
    w[W.Last] = last;
    w[W.Phase] = type === 0 ? Phase.Stored : Phase.Codes;
    if (type === 1) {
      w[W.Tables] = FIXED;
      this.useFixed();
    } else if (type === 2) {
      const { lengths } = this;
      const to = base + LENGTHS_AT;
      const n = w[W.Literals] + w[W.Distances];
      for (let i = 0; i < n; i++) place[to + i] = lengths[i];
      if (!this.build()) w[W.Phase] = Phase.Bad;
    }
    return w[W.Phase] !== Phase.Bad;
  }

  private useFixed(): void {
    this.literals = FIXED_LITERALS;
    this.distances = FIXED_DISTANCES;
  }

  private useOwn(): void {
    this.literals = this.ownLiterals;
    this.distances = this.ownDistances;
  }

  private build(): boolean {
    const { w } = this.bits;
    this.built = (this.built + 1) & 0x7fffffff;
    this.tables = this.built;
    w[W.Tables] = this.built;
    this.useOwn();
    const literals = w[W.Literals];
    return this.literals.build(this.lengths, 0, literals) && this.distances.build(this.lengths, literals, w[W.Distances]);
  }

  /** The tables of the stream's block, which were built when its head was read, are needed again. */
  resume(place: Uint8Array, base: number): void {
    const { lengths } = this;
    const { w } = this.bits;
    if (w[W.Tables] === FIXED) {
      this.useFixed();
      return;
    }
    if (this.tables === w[W.Tables]) {
      this.useOwn();
      return;
    }
    const from = base + LENGTHS_AT;
    const n = w[W.Literals] + w[W.Distances];
    for (let i = 0; i < n; i++) lengths[i] = place[from + i];
    this.build();
  }

  /** 1: read; 0: more input is needed; -1: damaged. */
  private dynamic(): number {
    const { bits, lengths } = this;
    const { w } = bits;
    const literals = bits.take(5) + 257;
    const distances = bits.take(5) + 1;
    const n = bits.take(4) + 4;
    if (n < 4) return 0;
    if (literals > 286 || distances > 30) return -1;
    lengths.fill(0, 0, 19);
    for (let i = 0; i < n; i++) {
      const length = bits.take(3);
      if (length < 0) return 0;
      lengths[ORDER[i]] = length;
    }
    this.work += BLOCK_WORK;
    if (!this.lengthCodes.build(lengths, 0, 19)) return -1;
    let i = 0;
    while (i < literals + distances) {
      const symbol = bits.symbol(this.lengthCodes);
      if (symbol < 0) return symbol === -1 ? 0 : -1;
      if (symbol < 16) {
        lengths[i++] = symbol;
        continue;
      }
      if (symbol > 18 || (symbol === 16 && i === 0)) return -1;
      const extra = bits.take(symbol === 16 ? 2 : symbol === 17 ? 3 : 7);
      if (extra < 0) return 0;
      const repeat = extra + (symbol === 18 ? 11 : 3);
      if (i + repeat > literals + distances) return -1;
      const value = symbol === 16 ? lengths[i - 1] : 0;
      for (let k = 0; k < repeat; k++) lengths[i++] = value;
    }
    if (lengths[256] === 0) return -1;
    w[W.Literals] = literals;
    w[W.Distances] = distances;
    return 1;
  }
}
