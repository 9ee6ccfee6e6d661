import type { Transactions } from '../transactions.js';
import { ALSO, LONGEST_BOUNDARY, M, MimeEvent, MOST_DEPTH, PartBit } from './layout.js';
import { findParameter, findPieces, findPlain, isSpace, parameter, parameterBytes, uncommented } from './parameters.js';

const DASH = 0x2d;
const SP = 0x20;
const HT = 0x09;
const CR = 0x0d;
/** Boundaries of one header that are looked at, as they stand there. */
const MOST_BOUNDARIES = 3;
const BOUNDARY = Uint8Array.from('boundary', (c) => c.charCodeAt(0));

/** Boundaries of multiparts: a level each, from the outermost in. */
export class Boundaries {
  /** What match has found is the last one of its multipart. */
  isLast = false;
  private readonly bytes: Uint8Array;

  constructor(
    private readonly txs: Transactions,
    private readonly words: Int32Array,
    private readonly event: (tx: number, event: MimeEvent) => void,
  ) {
    this.bytes = txs.heap.bytes;
  }

  /**
   * Readers do not agree which boundary counts where there are several, or one that is odd: each opens a level of its own, and whatever
   * of them stands in the body divides it. Where there is none the first line that looks like one is it.
   */
  multipart(tx: number, c: number, from: number, end: number, bare: number): void {
    const { bytes, words } = this;
    const depth = words[c + M.Depth];
    for (let which = 0; which < MOST_BOUNDARIES && findPlain(bytes, from, end, BOUNDARY, which); which++) this.open(tx, c, depth);
    if (findPieces(bytes, from, end, BOUNDARY)) this.open(tx, c, depth);
    if (bare > 0 && findParameter(uncommented, 0, bare, BOUNDARY)) this.open(tx, c, depth);
    if (words[c + M.Depth] > depth) return;
    this.event(tx, MimeEvent.MalformedMsg);
    this.level(tx, c, depth, 0);
  }

  /** The parameter found last, and its first word by itself. */
  private open(tx: number, c: number, depth: number): void {
    let n = parameter.length;
    if (n > LONGEST_BOUNDARY) {
      this.event(tx, MimeEvent.BoundaryTooLong);
      n = LONGEST_BOUNDARY;
    }
    while (n > 0 && isSpace(parameterBytes[n - 1])) n--;
    if (n === 0) return;
    this.level(tx, c, depth, n);
    let word = 0;
    while (word < n && !isSpace(parameterBytes[word])) word++;
    if (word > 0 && word < n) this.level(tx, c, depth, word);
  }

  /** A level whose boundary are the first `n` bytes of the parameter found last, if none above `depth` has it. */
  private level(tx: number, c: number, depth: number, n: number): void {
    const { words, txs, bytes } = this;
    for (let level = depth; level < words[c + M.Depth]; level++) {
      const at = words[c + M.Boundaries + 2 * level];
      let same = (words[c + M.Boundaries + 2 * level + 1] & ~ALSO) === n ? 0 : -1;
      while (same >= 0 && same < n && bytes[at + same] === parameterBytes[same]) same++;
      if (same === n) return;
    }
    // Too deep: the innermost is divided all the same.
    if (words[c + M.Depth] >= MOST_DEPTH) this.event(tx, MimeEvent.MalformedMsg);
    const level = Math.min(words[c + M.Depth], MOST_DEPTH - 1);
    // Each level has one place, for all multiparts that are opened there.
    let at = words[c + M.Boundaries + 2 * level];
    if (at === 0) at = txs.reserve(tx, LONGEST_BOUNDARY);
    if (at < 0) {
      this.event(tx, MimeEvent.MalformedMsg);
      return;
    }
    for (let i = 0; i < n; i++) bytes[at + i] = parameterBytes[i];
    words[c + M.Boundaries + 2 * level] = at;
    words[c + M.Boundaries + 2 * level + 1] = (words[c + M.Part] & PartBit.Divided) !== 0 ? n | ALSO : n;
    words[c + M.Depth] = level + 1;
    words[c + M.Part] |= PartBit.Divided;
  }

  /** The level whose boundary the line is; -1: none. */
  match(c: number, mem: Uint8Array, off: number, len: number): number {
    const { words, bytes } = this;
    if (len < 3 || mem[off + 1] !== DASH) return -1;
    for (let level = words[c + M.Depth] - 1; level >= 0; level--) {
      const at = words[c + M.Boundaries + 2 * level];
      let n = words[c + M.Boundaries + 2 * level + 1] & ~ALSO;
      if (n === 0) n = this.guess(c, level, mem, off, len);
      if (n === 0 || len < 2 + n) continue;
      let same = 0;
      while (same < n && mem[off + 2 + same] === bytes[at + same]) same++;
      if (same < n) continue;
      const end = off + len;
      let rest = off + 2 + n;
      this.isLast = rest + 1 < end && mem[rest] === DASH && mem[rest + 1] === DASH;
      // One that is too long is compared as far as it is kept.
      if (this.isLast || n === LONGEST_BOUNDARY) return level;
      while (rest < end && (mem[rest] === SP || mem[rest] === HT || mem[rest] === CR)) rest++;
      if (rest === end) return level;
    }
    return -1;
  }

  /** What was open within the level is no more; those of the same multipart are: some readers go on behind the last one, or divide by another. */
  leave(c: number, level: number): void {
    const { words } = this;
    const depth = words[c + M.Depth];
    words[c + M.Depth] = level + 1;
    while (words[c + M.Depth] < depth && (words[c + M.Boundaries + 2 * words[c + M.Depth] + 1] & ALSO) !== 0) words[c + M.Depth]++;
  }

  /** The multipart has not said its boundary: what this line says is it, of which more will come. */
  private guess(c: number, level: number, mem: Uint8Array, off: number, len: number): number {
    const { words, bytes } = this;
    let n = Math.min(len - 2, LONGEST_BOUNDARY - 1);
    while (n > 0 && (mem[off + 1 + n] === SP || mem[off + 1 + n] === HT || mem[off + 1 + n] === CR)) n--;
    const at = words[c + M.Boundaries + 2 * level];
    for (let i = 0; i < n; i++) bytes[at + i] = mem[off + 2 + i];
    words[c + M.Boundaries + 2 * level + 1] |= n;
    return n;
  }
}
