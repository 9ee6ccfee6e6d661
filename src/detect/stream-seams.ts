/**
 * Whether a literal may lie across the border of two segments, without a scan:
 *
 *      ... a b c | d e f ...        a literal of four bytes or more that lies across it
 *            ╰─────╯                with two on either side at least: some four bytes of it
 *              ╰─────╯              with one before it: its first four
 *          ╰─────╯                  with one behind it: its last four
 *
 * Fours are bits of one table by hash, letters in lower case; shorter literals stand there by the two bytes at the border. It may say
 * yes where none is (then the addon looks), never no where one is.
 */
import type { Literal } from './literal.js';
import { LOWER } from './search.js';

/** Bytes on either side that the answer needs. */
export const SEAM_BYTES = 3;

const enum Kind {
  Any = 0x51ed270b,
  First = 0x2545f491,
  Last = 0x6c8e9cf5,
  Pair = 0x3c6ef372,
}

/** Bits per entry, as a shift, and the size of a table in bits, as shifts. */
const SPARSE = 5;
const LEAST = 10;
const MOST = 20;

/** The table of some literals; its length is a power of two. */
export function seamTable(literals: readonly Literal[]): Uint32Array {
  const keys = new Set<number>();
  for (const { bytes } of literals) {
    const at = (i: number) => LOWER[bytes[i]];
    const four = (i: number) => (at(i) << 24) | (at(i + 1) << 16) | (at(i + 2) << 8) | at(i + 3);
    const { length } = bytes;
    if (length < 4) {
      for (let i = 0; i + 1 < length; i++) keys.add(hash((at(i) << 8) | at(i + 1), Kind.Pair));
      continue;
    }
    for (let i = 0; i + 3 < length; i++) keys.add(hash(four(i), Kind.Any));
    keys.add(hash(four(0), Kind.First));
    keys.add(hash(four(length - 4), Kind.Last));
  }
  let shift = LEAST;
  while (shift < MOST && 1 << shift < keys.size << SPARSE) shift++;
  const table = new Uint32Array((1 << shift) >> 5);
  for (const key of keys) set(table, key);
  return table;
}

/** Whether a literal may lie across the border between the bytes a, b, c (the lowest of `before`) and d, e, f (of `behind`). */
export function mayCross(table: Uint32Array, before: number, behind: number): boolean {
  const a = LOWER[(before >> 16) & 255];
  const b = LOWER[(before >> 8) & 255];
  const c = LOWER[before & 255];
  const d = LOWER[(behind >> 16) & 255];
  const e = LOWER[(behind >> 8) & 255];
  const f = LOWER[behind & 255];
  const middle = (b << 24) | (c << 16) | (d << 8);
  return (
    has(table, hash(middle | e, Kind.Any)) ||
    has(table, hash((c << 24) | (d << 16) | (e << 8) | f, Kind.First)) ||
    has(table, hash((a << 24) | (middle >>> 8), Kind.Last)) ||
    has(table, hash((c << 8) | d, Kind.Pair))
  );
}

function hash(bytes: number, kind: Kind): number {
  const h = Math.imul(bytes ^ kind, 0x9e3779b1);
  return Math.imul(h ^ (h >>> 15), 0x85ebca6b) >>> 7;
}

function has(table: Uint32Array, key: number): boolean {
  return (table[(key >>> 5) & (table.length - 1)] & (1 << (key & 31))) !== 0;
}

function set(table: Uint32Array, key: number): void {
  table[(key >>> 5) & (table.length - 1)] |= 1 << (key & 31);
}
