import { Mark } from './stream-marks.js';
import { mayCross, SEAM_BYTES } from './stream-seams.js';

/** Longer stretches are cut: numbers are compared by the sign of their difference. */
const LONG = 1 << 30;
/** Of a tail: how many bytes it has, above three bytes. */
const COUNT_SHIFT = 24;

/**
 * What a listener has scanned as packets, and will not scan again when it is delivered: by direction of a flow the stretch of numbers
 * [from, to) such that each literal that ends in it was found when its packet came.
 *
 *   | packet ......... | packet ........ | packet .. |       what packets bring in order, each behind all that is held
 *        from          ╰ no literal may lie across   to      (mayCross): else it begins behind that border anew
 *
 * What comes otherwise (before what is held, differently again, cut by the depth) ends the stretch: it is scanned when it is delivered.
 */
export class StreamArrivals {
  /** `marks`: Mark.Words words for each line. Mark.Tail: last bytes of the stretch, and how many; 0: there is no stretch. */
  constructor(private readonly marks: Int32Array) {}

  /**
   * Bytes mem[off, off + len) from number `seq` on are scanned now. `isStart`: they are the stream's first. `reach`: how far a literal
   * reaches beyond a border.
   */
  add(line: number, seq: number, mem: Uint8Array, off: number, len: number, isStart: boolean, seams: Uint32Array, reach: number): void {
    const { marks } = this;
    const at = line * Mark.Words;
    const end = (seq + len) | 0;
    const before = marks[at + Mark.To] === seq ? marks[at + Mark.Tail] : 0;
    const behind = len < SEAM_BYTES ? 0 : (mem[off] << 16) | (mem[off + 1] << 8) | mem[off + 2];
    if (isStart) marks[at + Mark.From] = seq;
    else if (before >> COUNT_SHIFT < SEAM_BYTES || len < SEAM_BYTES || mayCross(seams, before, behind))
      marks[at + Mark.From] = reach < len ? (seq + reach) | 0 : end;
    else if (((end - marks[at + Mark.From]) | 0) > LONG) marks[at + Mark.From] = seq;
    marks[at + Mark.To] = end;
    const count = (before >> COUNT_SHIFT) + len;
    let last = before & 0xffffff;
    for (let i = len < SEAM_BYTES ? 0 : len - SEAM_BYTES; i < len; i++) last = ((last << 8) | mem[off + i]) & 0xffffff;
    marks[at + Mark.Tail] = last | ((count < SEAM_BYTES ? count : SEAM_BYTES) << COUNT_SHIFT);
  }

  /** Of bytes [begin, end) of the stream: how many, from the first on, literals may end in that were not found. */
  unknown(line: number, begin: number, end: number): number {
    const len = (end - begin) | 0;
    const { marks } = this;
    const at = line * Mark.Words;
    if (marks[at + Mark.Tail] === 0 || ((marks[at + Mark.To] - end) | 0) < 0) return len;
    const before = (marks[at + Mark.From] - begin) | 0;
    return before <= 0 ? 0 : before < len ? before : len;
  }

  /** What is not delivered yet is scanned when it is. */
  forget(line: number): void {
    this.marks[line * Mark.Words + Mark.Tail] = 0;
  }
}
