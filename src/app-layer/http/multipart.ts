/**
 * Bodies of requests that are several (RFC 2046, 5.1; RFC 7578): each part with a file name is a file of its own. Reads them as they
 * come, cut anywhere. What is remembered of a body lies in one piece of the heap:
 *
 *   | 8 words (M) | CR LF - - boundary | head of the part ...        |
 *   0             32                   256                       4096
 */
import type { Files } from '../files/files.js';
import { FileState } from '../files/files.js';
import type { AppHeap } from '../heap.js';
import { ascii, find, isSpace, lower } from './bytes.js';
import { FileName } from './disposition.js';
import { HttpEvent } from './events.js';

const PIECE = 4096;
const DELIMITER = 32;
const HEAD = 256;
/** CR LF - - before the boundary. */
const LONGEST_BOUNDARY = HEAD - DELIMITER - 4;

const enum M {
  Step = 0,
  /** Bytes of the last ones that may begin a delimiter: 1: a CR; how many of LF - - boundary. */
  Cr,
  Matched,
  /** Bytes of LF - - boundary. */
  Delimiter,
  /** 1: the LF that counts as matched belongs to what stands before the data. */
  LfBefore,
  HeadLen,
  /** File + 1; its bytes so far, 1: some. */
  File,
  HasData,
}

const enum Step {
  /** Within a part, or before the first one. */
  Data = 0,
  /** Behind a delimiter: nothing or one `-` so far. */
  Behind,
  Dash,
  /** To the end of the line; what follows is a head, or nothing more. */
  Line,
  LastLine,
  Head,
  End,
}

const MULTIPART = ascii('multipart/');
const BOUNDARY = ascii('boundary');
const DISPOSITION = ascii('content-disposition');

/** Told what is odd about the transaction. */
export interface MultipartSink {
  event(tx: number, event: HttpEvent): void;
}

/** Whether a Content-Type says that the body is several. */
export function isMultipart(bytes: Uint8Array, at: number, len: number): boolean {
  if (len < MULTIPART.length) return false;
  for (let i = 0; i < MULTIPART.length; i++) if (lower(bytes[at + i]) !== MULTIPART[i]) return false;
  return true;
}

export class Multipart {
  private readonly words: Int32Array;
  private readonly name = new FileName();

  constructor(
    private readonly heap: AppHeap,
    private readonly files: Files,
    private readonly sink: MultipartSink,
  ) {
    this.words = new Int32Array(heap.bytes.buffer);
  }

  /** A body with this Content-Type begins. Its piece + 1; 0: it names no boundary, or there is no room. */
  begin(mem: Uint8Array, at: number, len: number): number {
    const end = at + len;
    let p = find(mem, at, len, BOUNDARY);
    if (p < 0) return 0;
    p += BOUNDARY.length;
    while (p < end && isSpace(mem[p])) p++;
    if (p >= end || mem[p] !== 61) return 0;
    p++;
    while (p < end && isSpace(mem[p])) p++;
    const isQuoted = p < end && mem[p] === 34;
    if (isQuoted) p++;
    let stop = p;
    while (stop < end && (isQuoted ? mem[stop] !== 34 : mem[stop] !== 59 && mem[stop] !== 44 && !isSpace(mem[stop]))) stop++;
    const n = stop - p;
    if (n === 0 || n > LONGEST_BOUNDARY) return 0;
    const piece = this.heap.take(PIECE);
    if (piece < 0) return 0;
    const { bytes } = this.heap;
    bytes.fill(0, piece, piece + DELIMITER);
    bytes[piece + DELIMITER] = 13;
    bytes[piece + DELIMITER + 1] = 10;
    bytes[piece + DELIMITER + 2] = 45;
    bytes[piece + DELIMITER + 3] = 45;
    for (let i = 0; i < n; i++) bytes[piece + DELIMITER + 4 + i] = mem[p + i];
    const at4 = piece >> 2;
    this.words[at4 + M.Delimiter] = 3 + n;
    // The first delimiter may stand at the very beginning.
    this.words[at4 + M.Matched] = 1;
    this.words[at4 + M.LfBefore] = 1;
    return piece + 1;
  }

  /** The body's next bytes. */
  data(piece: number, tx: number, mem: Uint8Array, region: number, off: number, len: number): void {
    const { words } = this;
    const m = piece >> 2;
    const end = off + len;
    let at = off;
    while (at < end) {
      switch (words[m + M.Step]) {
        case Step.Data:
          at = this.content(piece, tx, mem, region, at, end);
          break;
        case Step.Behind:
        case Step.Dash:
          if (mem[at] === 45) {
            words[m + M.Step] = words[m + M.Step] === Step.Behind ? Step.Dash : Step.LastLine;
            at++;
          } else words[m + M.Step] = Step.Line;
          break;
        case Step.Line:
        case Step.LastLine:
          while (at < end && mem[at] !== 10) at++;
          if (at === end) return;
          at++;
          words[m + M.HeadLen] = 0;
          words[m + M.Step] = words[m + M.Step] === Step.Line ? Step.Head : Step.End;
          break;
        case Step.Head:
          at = this.head(piece, tx, mem, at, end);
          break;
        default:
          return;
      }
    }
  }

  /** Bytes are missing: what follows is within the part, as far as anybody knows. */
  gap(piece: number, length: number): void {
    const { words } = this;
    const m = piece >> 2;
    this.files.gap(words[m + M.File] - 1, length);
    words[m + M.Cr] = 0;
    words[m + M.Matched] = 0;
    words[m + M.LfBefore] = 0;
    if (words[m + M.Step] !== Step.LastLine && words[m + M.Step] !== Step.End) words[m + M.Step] = Step.Data;
  }

  /** More comes than is inspected. */
  cut(piece: number): void {
    this.files.close(this.words[(piece >> 2) + M.File] - 1, FileState.Truncated);
  }

  /** The body has ended; `whole`: as it said it would. */
  finish(piece: number, tx: number, whole: boolean): void {
    const { words } = this;
    const m = piece >> 2;
    const step = words[m + M.Step];
    // A delimiter may be the very end.
    const isEnd = step === Step.LastLine || step === Step.End || words[m + M.Matched] === words[m + M.Delimiter];
    if (whole && !isEnd) this.sink.event(tx, HttpEvent.MultipartGeneric);
    if (!isEnd && words[m + M.File] !== 0) this.held(piece, words[m + M.Cr], words[m + M.Matched]);
    this.endPart(m, tx, isEnd);
    this.heap.give(piece, PIECE);
  }

  /** A part's bytes, up to the next delimiter: CR LF or LF, two dashes, the boundary. */
  private content(piece: number, tx: number, mem: Uint8Array, region: number, off: number, end: number): number {
    const { words } = this;
    const { bytes } = this.heap;
    const m = piece >> 2;
    const delimiter = piece + DELIMITER + 1;
    const whole = words[m + M.Delimiter];
    let cr = words[m + M.Cr];
    let matched = words[m + M.Matched];
    // What was held back when these bytes came is still undecided; where of these bytes a delimiter may begin.
    let carried = cr + matched > 0;
    let heldAt = off;
    let at = off;
    while (at < end) {
      const c = mem[at];
      if (cr + matched === 0) {
        if (c === 13 || c === 10) {
          heldAt = at;
          if (c === 13) cr = 1;
          else matched = 1;
        }
        at++;
      } else if (matched < whole && c === bytes[delimiter + matched]) {
        matched++;
        at++;
      } else if (matched === whole && (isSpace(c) || c === 45)) {
        if (!carried) this.give(m, mem, region, off, heldAt);
        this.endPart(m, tx, true);
        words[m + M.Cr] = 0;
        words[m + M.Matched] = 0;
        words[m + M.Step] = Step.Behind;
        return at;
      } else {
        // It was none. This byte may begin the next.
        if (carried) this.held(piece, words[m + M.Cr], words[m + M.Matched]);
        carried = false;
        words[m + M.LfBefore] = 0;
        cr = 0;
        matched = 0;
      }
    }
    if (!carried) this.give(m, mem, region, off, cr + matched > 0 ? heldAt : end);
    words[m + M.Cr] = cr;
    words[m + M.Matched] = matched;
    return end;
  }

  /** Gives on what was held back and is no delimiter. */
  private held(piece: number, cr: number, matched: number): void {
    const m = piece >> 2;
    const skip = this.words[m + M.LfBefore];
    const from = piece + DELIMITER + (cr === 1 ? 0 : 1);
    this.give(m, this.heap.bytes, -1, from + skip, from + cr + matched);
    this.words[m + M.LfBefore] = 0;
  }

  private give(m: number, mem: Uint8Array, region: number, from: number, to: number): void {
    const file = this.words[m + M.File] - 1;
    if (to <= from || file < 0) return;
    this.words[m + M.HasData] = 1;
    this.files.data(file, mem, region, from, to - from);
  }

  private endPart(m: number, tx: number, whole: boolean): void {
    const { words } = this;
    if (words[m + M.File] !== 0) {
      this.files.close(words[m + M.File] - 1, whole ? FileState.Closed : FileState.Truncated);
      if (words[m + M.HasData] === 0) this.sink.event(tx, HttpEvent.MultipartNoFiledata);
    }
    words[m + M.File] = 0;
    words[m + M.HasData] = 0;
  }

  /** Gathers the lines of a part's head; an empty one ends it. */
  private head(piece: number, tx: number, mem: Uint8Array, off: number, end: number): number {
    const { words } = this;
    const { bytes } = this.heap;
    const m = piece >> 2;
    let n = words[m + M.HeadLen];
    for (let at = off; at < end; at++) {
      const c = mem[at];
      // What is too long is left out, but for the ends of lines.
      if (HEAD + n >= PIECE - 2) {
        if (c !== 10) continue;
        this.sink.event(tx, HttpEvent.MultipartInvalidHeader);
        n = PIECE - HEAD - 3;
      }
      const base = piece + HEAD;
      bytes[base + n++] = c;
      if (c !== 10) continue;
      const isEmpty = n === 1 || bytes[base + n - 2] === 10 || (bytes[base + n - 2] === 13 && (n === 2 || bytes[base + n - 3] === 10));
      if (!isEmpty) continue;
      this.part(tx, m, base, base + n);
      words[m + M.Step] = Step.Data;
      // A delimiter may follow at once: the end of this line counts.
      words[m + M.Cr] = 0;
      words[m + M.Matched] = 1;
      words[m + M.LfBefore] = 1;
      return at + 1;
    }
    words[m + M.HeadLen] = n;
    return end;
  }

  /** The head of a part in bytes[at, end). */
  private part(tx: number, m: number, at: number, end: number): void {
    const { bytes } = this.heap;
    for (let line = at; line < end; ) {
      let stop = line;
      // A line that begins with a blank goes on with the one before.
      do {
        while (stop < end && bytes[stop] !== 10) stop++;
        stop++;
      } while (stop < end && (bytes[stop] === 32 || bytes[stop] === 9));
      let colon = line;
      while (colon < stop && bytes[colon] !== 58) colon++;
      if (colon < stop) this.field(tx, m, line, colon, stop < end ? stop : end);
      else if (bytes[line] !== 10 && bytes[line] !== 13) this.sink.event(tx, HttpEvent.MultipartInvalidHeader);
      line = stop;
    }
  }

  private field(tx: number, m: number, at: number, colon: number, end: number): void {
    const { bytes } = this.heap;
    if (find(bytes, at, colon - at, DISPOSITION) < 0 || !this.name.find(bytes, colon + 1, end) || this.words[m + M.File] !== 0) return;
    let { to } = this.name;
    while (to > this.name.from && isSpace(bytes[to - 1])) to--;
    this.words[m + M.File] = this.files.open(tx, 0, bytes, this.name.from, to - this.name.from) + 1;
  }
}
