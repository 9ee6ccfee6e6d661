/**
 * Whether one of a few literals may occur in a short buffer, found out without a call of the addon, which costs
 * more than the search. It may say yes for a buffer that has none (then the addon looks), never no for one that has.
 *
 *   window of the literal's length     | first | ........ | last |
 *                                        looked at second   looked at first; moves on by Horspool's shift
 *
 * At most one step per byte and literal, whatever the bytes: nobody can make it slow.
 */
import { LOWER, shiftTable } from './search.js';

/** More literals than this are the addon's. */
const FEW = 2;
/** Windows to look at in an ordinary buffer (one per literal length) up to which this is the faster way. */
const WINDOWS = 16;

interface Literal {
  bytes: Uint8Array;
  nocase: boolean;
}

export class FewLiterals {
  /** Bytes of the longest buffer worth searching here. */
  readonly maxLength: number;
  // Per literal: length, first and last byte in lower and in upper case (the same when case matters), shifts.
  private readonly length: Int32Array;
  private readonly first: Uint8Array;
  private readonly firstUpper: Uint8Array;
  private readonly last: Uint8Array;
  private readonly lastUpper: Uint8Array;
  private readonly shift: Uint8Array[];

  /** Null when there are too many of them. */
  static of(literals: Literal[]): FewLiterals | null {
    return literals.length > 0 && literals.length <= FEW && literals.every((l) => l.bytes.length > 0) ? new FewLiterals(literals) : null;
  }

  private constructor(literals: Literal[]) {
    const patterns = literals.map((l) => (l.nocase ? l.bytes.map((b) => LOWER[b]) : l.bytes));
    const upper = (b: number, i: number) => (literals[i].nocase && b >= 97 && b <= 122 ? b - 32 : b);
    this.length = Int32Array.from(patterns, (p) => p.length);
    this.first = Uint8Array.from(patterns, (p) => p[0]);
    this.last = Uint8Array.from(patterns, (p) => p[p.length - 1]);
    this.firstUpper = this.first.map(upper);
    this.lastUpper = this.last.map(upper);
    this.shift = patterns.map((p, i) => shiftTable(p, literals[i].nocase));
    this.maxLength = Math.floor((WINDOWS * Math.min(...this.length)) / literals.length);
  }

  /** False: none of them is in mem[from, end). */
  mayOccur(mem: Uint8Array, from: number, end: number): boolean {
    for (let l = 0; l < this.length.length; l++) {
      const back = this.length[l] - 1;
      const first = this.first[l];
      const firstUpper = this.firstUpper[l];
      const last = this.last[l];
      const lastUpper = this.lastUpper[l];
      const shift = this.shift[l];
      let i = from + back;
      while (i < end) {
        const b = mem[i];
        if (b === last || b === lastUpper) {
          const a = mem[i - back];
          if (a === first || a === firstUpper) return true;
        }
        i += shift[b];
      }
    }
    return false;
  }
}
