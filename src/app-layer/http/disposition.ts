import { ascii, find, isSpace } from './bytes.js';

const FILENAME = ascii('filename');

/** Where the value of `filename=` stands in a Content-Disposition, in quotes or not: [from, to), after find() said that it is there. */
export class FileName {
  from = 0;
  to = 0;

  /** False: there is none, or it is empty. */
  find(bytes: Uint8Array, at: number, end: number): boolean {
    let p = at;
    // The word may stand elsewhere, too: `name="filename"; filename="x"`.
    do {
      p = find(bytes, p, end - p, FILENAME);
      if (p < 0) return false;
      p += FILENAME.length;
      while (p < end && (isSpace(bytes[p]) || bytes[p] === 42)) p++;
    } while (p < end && bytes[p] !== 61);
    if (p >= end) return false;
    p++;
    while (p < end && isSpace(bytes[p])) p++;
    const quote = p < end && (bytes[p] === 34 || bytes[p] === 39) ? bytes[p++] : 59;
    this.from = p;
    while (p < end && bytes[p] !== quote) p++;
    this.to = p;
    return this.to > this.from;
  }
}
