import { isSpace } from './bytes.js';
import { isHttp } from './head-scan.js';

/** A blank, or a NUL that is followed by a blank or stands for one: not one inside a word. */
export function isGap(mem: Uint8Array, at: number, end: number): boolean {
  if (isSpace(mem[at])) return true;
  return mem[at] === 0 && at + 1 < end && mem[at + 1] !== 46 && mem[at + 1] !== 48;
}

/** Where the last word begins of mem[start, end). */
export function lastWord(mem: Uint8Array, start: number, end: number): number {
  let last = end;
  while (last > start && !isSpace(mem[last - 1])) last--;
  return last;
}

/** 9, 10, 11 for HTTP/0.9, 1.0, 1.1; more for a later one; -1: not a version. */
export function versionOf(mem: Uint8Array, at: number, end: number): number {
  if (!isHttp(mem, at, end)) return -1;
  let p = at + 4;
  while (p < end && (isSpace(mem[p]) || mem[p] === 47)) p++;
  if (p + 2 >= end || mem[p + 1] !== 46) return -1;
  const major = mem[p] - 48;
  const minor = mem[p + 2] - 48;
  if (major < 0 || major > 9 || minor < 0 || minor > 9 || p + 3 < end) return -1;
  return major * 10 + minor;
}
