import { type Codes, slow } from './huffman.js';
import { W } from './inflate-layout.js';

/** The input of the stream at hand, bit by bit; bits that were taken from it and not used are among the stream's words. */
export class BitInput {
  /** The stream's words (W). */
  readonly w = new Int32Array(16);
  input: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;

  /** n bits, at most 16; -1: not there. */
  take(n: number): number {
    const { w } = this;
    let bits = w[W.Bits];
    let count = w[W.BitCount];
    while (count < n) {
      if (this.at >= this.end) return -1;
      bits |= this.input[this.at++] << count;
      count += 8;
    }
    w[W.Bits] = bits >>> n;
    w[W.BitCount] = count - n;
    return bits & ((1 << n) - 1);
  }

  /** -1: more input is needed; -2: no such code. */
  symbol(codes: Codes): number {
    const { w } = this;
    while (w[W.BitCount] < 15 && this.at < this.end) {
      w[W.Bits] |= this.input[this.at++] << w[W.BitCount];
      w[W.BitCount] += 8;
    }
    const entry = codes.fast[w[W.Bits] & codes.mask];
    const found = entry !== 0 ? entry : slow(codes, w[W.Bits]);
    if (found === 0) return w[W.BitCount] < 15 ? -1 : -2;
    const n = found & 15;
    if (n > w[W.BitCount]) return -1;
    w[W.Bits] >>>= n;
    w[W.BitCount] -= n;
    return found >> 4;
  }

  /** Whole bytes among the bits go back to the input, where they came from. */
  giveBack(): void {
    const { w } = this;
    this.at -= w[W.BitCount] >> 3;
    w[W.BitCount] &= 7;
    w[W.Bits] &= (1 << w[W.BitCount]) - 1;
  }
}
