import { isSpace } from './bytes.js';

/** Most lines of one head that are looked at one by one. */
export const MOST_LINES = 1100;

/** What scan says beside an offset. */
export const enum Scan {
  /** More bytes are needed. */
  More = -1,
  /** The first line of an answer is none: what was seen is a body without a head (HTTP/0.9). */
  NoHead = -2,
}

/**
 * Finds where a head ends, with the line ends that clients and servers take:
 *
 *   request     LF ends a line
 *   response    CR LF, LF, LF CR, or CR before anything but CR and LF: browsers differ, so the widest
 *
 * An empty line ends the head; so does one of a single blank and LF, unless LF follows. It goes on where it stopped, so each byte
 * is looked at once however the stream is cut.
 */
export class HeadScan {
  /** Next byte to look at, begin of the current line, lines so far; whether the last ended in LF CR. To be kept from call to call. */
  pos = 0;
  lineAt = 0;
  lines = 0;
  lfcr = 0;
  /** A request line without a protocol is known to be followed by headers. */
  goesOn = false;
  /** Begin and end (with its line end) of each line, the first MOST_LINES of them. */
  readonly starts = new Int32Array(MOST_LINES);
  readonly ends = new Int32Array(MOST_LINES);
  /** End of the last line that belongs to the head, before the empty one. */
  contentEnd = 0;

  begin(at: number): void {
    this.pos = at;
    this.lineAt = at;
    this.lines = 0;
    this.lfcr = 0;
  }

  /** The head ends with what there is of it. */
  cut(end: number): void {
    if (end > this.lineAt) this.line(this.lineAt, end);
    this.ended(end, end);
  }

  /** Bytes of the longest line. */
  longest(): number {
    const count = this.lines < MOST_LINES ? this.lines : MOST_LINES;
    let longest = 0;
    for (let i = 0; i < count; i++) if (this.ends[i] - this.starts[i] > longest) longest = this.ends[i] - this.starts[i];
    return longest;
  }

  /** A request: offset behind the head, or Scan.More. */
  request(mem: Uint8Array, end: number, final: boolean): number {
    let pos = this.pos;
    let lineAt = this.lineAt;
    while (pos < end) {
      if (mem[pos++] !== 10) continue;
      const n = pos - lineAt;
      if (this.lines === 0 && mem[lineAt] <= 32 && isBlank(mem, lineAt, pos)) {
        lineAt = pos;
        continue;
      }
      if (n === 1 || (n === 2 && mem[lineAt] === 13)) return this.ended(lineAt, pos);
      if (n === 2 && (mem[lineAt] === 32 || mem[lineAt] === 9) && this.lines > 0) {
        if (pos === end && !final) {
          pos--;
          break;
        }
        if (pos === end || mem[pos] !== 10) return this.ended(lineAt, pos);
      }
      this.line(lineAt, pos);
      lineAt = pos;
      if (this.lines === 1 && !this.goesOn && isOld(mem, this.starts[0], pos)) {
        this.contentEnd = pos;
        this.pos = pos;
        this.lineAt = pos;
        return pos;
      }
    }
    this.pos = pos;
    this.lineAt = lineAt;
    return Scan.More;
  }

  /** A response. */
  response(mem: Uint8Array, end: number, final: boolean): number {
    let pos = this.pos;
    while (pos < end) {
      const c = mem[pos];
      if (c !== 10 && c !== 13) {
        pos++;
        continue;
      }
      let stop = pos + 1;
      let lfcr = 0;
      if (c === 13) {
        if (stop === end && !final) break;
        if (stop < end) {
          if (mem[stop] === 13) {
            pos++;
            continue;
          }
          if (mem[stop] === 10) stop++;
        }
      } else if (pos !== this.lineAt) {
        if (stop === end && !final) break;
        if (stop < end && mem[stop] === 13) {
          stop++;
          lfcr = 1;
        }
      }
      const lineAt = this.lineAt;
      const n = stop - lineAt;
      if (this.lines === 0) {
        const first = this.firstLine(mem, lineAt, stop, end, final);
        if (first === Scan.NoHead) return Scan.NoHead;
        if (first === Scan.More) break;
        if (first === 1) this.line(lineAt, stop);
      } else if (n === 1 || (n === 2 && mem[lineAt] === 13 && mem[lineAt + 1] === 10)) {
        // Behind LF CR, some end the head with CR LF twice.
        if (this.lfcr !== 0 && n === 2) {
          if (!final && (stop === end || (mem[stop] === 13 && stop + 1 === end))) break;
          if (stop + 1 < end && mem[stop] === 13 && mem[stop + 1] === 10) stop += 2;
        }
        return this.ended(lineAt, stop);
      } else if (n === 2 && (mem[lineAt] === 32 || mem[lineAt] === 9) && mem[lineAt + 1] === 10) {
        if (stop === end && !final) break;
        if (stop === end || mem[stop] !== 10) return this.ended(lineAt, stop);
        this.line(lineAt, stop);
      } else this.line(lineAt, stop);
      this.lineAt = stop;
      this.lfcr = lfcr;
      pos = stop;
    }
    this.pos = pos;
    return Scan.More;
  }

  /** 1: a status line; 0: to be left out. */
  private firstLine(mem: Uint8Array, at: number, stop: number, end: number, final: boolean): number {
    const p = firstWord(mem, at, stop);
    if (p === stop) return 0;
    if (isHttp(mem, p, stop)) return 1;
    if (stop === end) return final ? Scan.NoHead : Scan.More;
    return (mem[stop] | 32) === 104 ? 0 : Scan.NoHead;
  }

  private line(at: number, stop: number): void {
    if (this.lines < MOST_LINES) {
      this.starts[this.lines] = at;
      this.ends[this.lines] = stop;
    }
    this.lines++;
  }

  private ended(contentEnd: number, at: number): number {
    this.contentEnd = contentEnd;
    this.pos = at;
    this.lineAt = at;
    return at;
  }
}

/** Bytes of any kind that browsers skip before a status line. */
const MOST_JUNK = 4;

/** Where a status line's version begins: behind white space and NUL, and a few bytes of anything. */
export function firstWord(mem: Uint8Array, at: number, end: number): number {
  let p = at;
  while (p < end && (isSpace(mem[p]) || mem[p] === 0)) p++;
  for (let k = 0; k <= MOST_JUNK; k++) if (isHttp(mem, p + k, end) && (k === 0 || mem[p + k + 4] === SLASH)) return p + k;
  return p;
}

const SLASH = 0x2f;

/** `HTTP`, in either case. */
export function isHttp(mem: Uint8Array, at: number, end: number): boolean {
  return end - at >= 4 && (mem[at] | 32) === 104 && (mem[at + 1] | 32) === 116 && (mem[at + 2] | 32) === 116 && (mem[at + 3] | 32) === 112;
}

function isBlank(mem: Uint8Array, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (!isSpace(mem[i])) return false;
  return true;
}

/** A request line of at most two words: nothing follows it (HTTP/0.9). */
function isOld(mem: Uint8Array, at: number, end: number): boolean {
  let p = at;
  while (p < end && isSpace(mem[p])) p++;
  while (p < end && !isSpace(mem[p])) p++;
  while (p < end && isSpace(mem[p])) p++;
  // The second word is the last one, too: from the end the way is short when it is not.
  let last = end;
  while (last > p && isSpace(mem[last - 1])) last--;
  while (last > p && !isSpace(mem[last - 1])) last--;
  return last === p;
}
