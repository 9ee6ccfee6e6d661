/**
 * Byte searches of the compiled rules, and the budget that bounds them.
 *
 * Positions are absolute in `mem`. A pattern of a case-insensitive content is lower-cased beforehand.
 */
import { Buffers } from '../app-layer/buffers.js';
import type { Files } from '../app-layer/files/files.js';
import { native } from '../native.js';
import type { Decoded } from './byte-values.js';
import { DerivedBuffers } from './derived/derived.js';
import type { Flows } from './flows.js';
import { Replacements } from './replacements.js';
import type { StateStore } from './state/store.js';

/** Bytes of work that cost one step of the budget. */
const STEP_SHIFT = 10;
/** A regular expression costs as much as this many searches. */
const REGEX_STEPS = 8;

const NO_WORDS = new Int32Array(64);

/** What a compiled rule uses up, looks at beside the packet, and reports. */
export class Inspection {
  /** Steps left; below 0 every search fails and the rule does not match. */
  budget = 0;
  /** Regular expressions that ended on a limit. */
  regexLimits = 0;
  /** Of the transaction under inspection: only rules on buffers look. */
  buffers = new Buffers();
  /** 1: nothing more of that direction is to come for the transaction: what is absent stays so. */
  complete = 1;
  /** The transaction and the words of all (src/app-layer/transactions.ts). */
  tx = 0;
  txWords: Int32Array = NO_WORDS;
  /** The files that transactions carry. */
  files: Files | null = null;
  /** Event bits of the transaction (app-layer-event). */
  events0 = 0;
  events1 = 0;
  /** The packet's flow table, and what rules remember. */
  flows: Flows | null = null;
  store: StateStore | null = null;
  readonly replacements = new Replacements();
  /** What transforms make of buffers. */
  readonly derived = new DerivedBuffers();
  /** What base64_decode made. */
  decoded: Decoded | null = null;
}

/** ASCII lower case of every byte. */
export const LOWER = new Uint8Array(256);
for (let b = 0; b < 256; b++) LOWER[b] = b >= 65 && b <= 90 ? b + 32 : b;

/**
 * Horspool's shift per byte: how far a window whose last byte is b may move on. At most 255, so that
 * one table is 256 bytes.
 */
export function shiftTable(pattern: Uint8Array, nocase: boolean): Uint8Array {
  const m = pattern.length;
  const table = new Uint8Array(256).fill(Math.min(m, 255));
  for (let i = 0; i < m - 1; i++) {
    const shift = Math.min(m - 1 - i, 255);
    table[pattern[i]] = shift;
    if (nocase && pattern[i] >= 97 && pattern[i] <= 122) table[pattern[i] - 32] = shift;
  }
  return table;
}

/** First position in [from, last] where `pattern` begins, -1 if none. The caller keeps last + length within the buffer. */
export function find(x: Inspection, mem: Uint8Array, from: number, last: number, pattern: Uint8Array, shift: Uint8Array): number {
  if (from > last || x.budget < 0) return -1;
  const m1 = pattern.length - 1;
  const end = pattern[m1];
  let work = 0;
  let i = from;
  let found = -1;
  while (i <= last) {
    const b = mem[i + m1];
    if (b === end) {
      let k = 0;
      while (k < m1 && mem[i + k] === pattern[k]) k++;
      if (k === m1) {
        found = i;
        break;
      }
      work += k;
    }
    work++;
    i += shift[b];
  }
  x.budget -= 1 + (work >> STEP_SHIFT);
  return x.budget < 0 ? -1 : found;
}

/** The same, ASCII case-insensitive. */
export function findNocase(x: Inspection, mem: Uint8Array, from: number, last: number, pattern: Uint8Array, shift: Uint8Array): number {
  if (from > last || x.budget < 0) return -1;
  const m1 = pattern.length - 1;
  const end = pattern[m1];
  let work = 0;
  let i = from;
  let found = -1;
  while (i <= last) {
    const b = mem[i + m1];
    if (LOWER[b] === end) {
      let k = 0;
      while (k < m1 && LOWER[mem[i + k]] === pattern[k]) k++;
      if (k === m1) {
        found = i;
        break;
      }
      work += k;
    }
    work++;
    i += shift[b];
  }
  x.budget -= 1 + (work >> STEP_SHIFT);
  return x.budget < 0 ? -1 : found;
}

/** `pattern` stands at position `at`. */
export function equals(mem: Uint8Array, at: number, pattern: Uint8Array): boolean {
  for (let k = 0; k < pattern.length; k++) if (mem[at + k] !== pattern[k]) return false;
  return true;
}

export function equalsNocase(mem: Uint8Array, at: number, pattern: Uint8Array): boolean {
  for (let k = 0; k < pattern.length; k++) if (LOWER[mem[at + k]] !== pattern[k]) return false;
  return true;
}

/** Searches [base, base + length) from `start`, relative to base: end of the match relative to base, -1, or -2 for a limit. */
export function regex(x: Inspection, handle: number, region: number, base: number, length: number, start: number): number {
  if (x.budget < 0) return -2;
  x.budget -= REGEX_STEPS + (length >> STEP_SHIFT);
  if (x.budget < 0) return -2;
  const end = native.pcreMatch(handle, region, base, length, start);
  if (end === -2) x.regexLimits++;
  return end;
}

export function regexStart(): number {
  return native.pcreLastStart();
}
