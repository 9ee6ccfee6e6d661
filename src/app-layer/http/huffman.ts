/** Bits of a code that are looked up at once, by alphabet. */
export const FAST_LITERALS = 10;
export const FAST_DISTANCES = 8;
export const FAST_LENGTHS = 7;
/** By the next bits as they come: the same with the first one highest. */
const REVERSED = new Uint16Array(1 << FAST_LITERALS);
for (let i = 0; i < REVERSED.length; i++) for (let b = 0; b < FAST_LITERALS; b++) REVERSED[i] |= ((i >> b) & 1) << (FAST_LITERALS - 1 - b);

/** Codes of one alphabet. fast: by the next `bits` bits, symbol << 4 | bits; 0: longer than that. */
export class Codes {
  readonly fast: Uint16Array;
  readonly mask: number;
  readonly count = new Uint16Array(16);
  readonly symbols = new Uint16Array(320);
  /** Of the codes longer than `bits`: the first one, and its place in `symbols`. */
  first = 0;
  index = 0;
  private readonly next = new Uint16Array(17);
  private readonly code = new Uint16Array(17);

  constructor(readonly bits: number) {
    this.fast = new Uint16Array(1 << bits);
    this.mask = (1 << bits) - 1;
  }

  /** False when the lengths ask for more codes than there are. */
  build(lengths: Uint8Array, from: number, n: number): boolean {
    const { count, next, code, symbols, fast } = this;
    const most = this.bits;
    count.fill(0);
    for (let i = 0; i < n; i++) count[lengths[from + i]]++;
    count[0] = 0;
    let left = 1;
    for (let bits = 1; bits < 16; bits++) {
      left = (left << 1) - count[bits];
      if (left < 0) return false;
    }
    next[1] = 0;
    code[1] = 0;
    for (let bits = 1; bits < 16; bits++) {
      next[bits + 1] = next[bits] + count[bits];
      code[bits + 1] = (code[bits] + count[bits]) << 1;
    }
    this.first = code[most + 1];
    this.index = next[most + 1];
    fast.fill(0);
    for (let i = 0; i < n; i++) {
      const bits = lengths[from + i];
      if (bits === 0) continue;
      symbols[next[bits]++] = i;
      const value = code[bits]++;
      if (bits > most) continue;
      const entry = (i << 4) | bits;
      const step = 1 << bits;
      for (let at = REVERSED[value] >> (FAST_LITERALS - bits); at <= this.mask; at += step) fast[at] = entry;
    }
    return true;
  }
}

/** The codes of blocks that bring none (RFC 1951, 3.2.6). */
const FIXED_LENGTHS = new Uint8Array(320).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288).fill(5, 288, 318);
export const FIXED_LITERALS = new Codes(FAST_LITERALS);
export const FIXED_DISTANCES = new Codes(FAST_DISTANCES);
FIXED_LITERALS.build(FIXED_LENGTHS, 0, 288);
FIXED_DISTANCES.build(FIXED_LENGTHS, 288, 30);

/** symbol << 4 | bits of a code that is too long for `fast`, 0: none. */
export function slow(codes: Codes, bits: number): number {
  let code = (REVERSED[bits & codes.mask] >> (FAST_LITERALS - codes.bits)) << 1;
  let { first, index } = codes;
  for (let n = codes.bits + 1; n < 16; n++) {
    code |= (bits >>> (n - 1)) & 1;
    const count = codes.count[n];
    if (code - count < first) return (codes.symbols[index + (code - first)] << 4) | n;
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  return 0;
}
