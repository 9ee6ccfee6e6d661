/**
 * Transforms in place (user guide, "Transformations"): each takes mem[off, off + n) and leaves its result at `off`, for the
 * caller has room for what it makes; it returns the new length. None reads beyond n.
 */
import type { Base64Mode } from '../../rules/transform.js';

/** As C's isspace: blank, \t \n \v \f \r. */
function isSpace(b: number): boolean {
  return b === 0x20 || (b >= 0x09 && b <= 0x0d);
}

export function dotPrefix(mem: Uint8Array, off: number, n: number): number {
  if (n === 0) return 0;
  mem.copyWithin(off + 1, off, off + n);
  mem[off] = 0x2e;
  return n + 1;
}

export function toLower(mem: Uint8Array, off: number, n: number): number {
  for (let i = off; i < off + n; i++) if (mem[i] >= 0x41 && mem[i] <= 0x5a) mem[i] |= 0x20;
  return n;
}

export function toUpper(mem: Uint8Array, off: number, n: number): number {
  for (let i = off; i < off + n; i++) if (mem[i] >= 0x61 && mem[i] <= 0x7a) mem[i] &= 0xdf;
  return n;
}

export function stripWhitespace(mem: Uint8Array, off: number, n: number): number {
  let to = off;
  for (let i = off; i < off + n; i++) if (!isSpace(mem[i])) mem[to++] = mem[i];
  return to - off;
}

export function compressWhitespace(mem: Uint8Array, off: number, n: number): number {
  let to = off;
  let space = false;
  for (let i = off; i < off + n; i++) {
    if (!isSpace(mem[i])) {
      mem[to++] = mem[i];
      space = false;
    } else if (!space) {
      mem[to++] = 0x20;
      space = true;
    }
  }
  return to - off;
}

function hex(b: number): number {
  if (b >= 0x30 && b <= 0x39) return b - 0x30;
  const lower = b | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** `%41` and `+`; a % without two hex digits stays. */
export function urlDecode(mem: Uint8Array, off: number, n: number): number {
  const end = off + n;
  let to = off;
  for (let i = off; i < end; i++) {
    const b = mem[i];
    if (b === 0x25 && i + 2 < end && hex(mem[i + 1]) >= 0 && hex(mem[i + 2]) >= 0) {
      mem[to++] = (hex(mem[i + 1]) << 4) | hex(mem[i + 2]);
      i += 2;
    } else mem[to++] = b === 0x2b ? 0x20 : b;
  }
  return to - off;
}

export function xor(mem: Uint8Array, off: number, n: number, key: Uint8Array): number {
  for (let i = 0, k = 0; i < n; i++) {
    mem[off + i] ^= key[k];
    k = k + 1 === key.length ? 0 : k + 1;
  }
  return n;
}

/** Names of `Name: value` lines in lower case. */
export function headerLowercase(mem: Uint8Array, off: number, n: number): number {
  let name = true;
  for (let i = off; i < off + n; i++) {
    const b = mem[i];
    if (b === 0x0a) name = true;
    else if (b === 0x3a) name = false;
    else if (name && b >= 0x41 && b <= 0x5a) mem[i] = b | 0x20;
  }
  return n;
}

/** Without the lines that begin with a colon (HTTP/2's `:path`). */
export function stripPseudoHeaders(mem: Uint8Array, off: number, n: number): number {
  let to = off;
  let first = true;
  let drop = false;
  for (let i = off; i < off + n; i++) {
    const b = mem[i];
    if (first) drop = b === 0x3a;
    first = b === 0x0a;
    if (!drop) mem[to++] = b;
  }
  return to - off;
}

function base64Digit(b: number): number {
  if (b >= 0x41 && b <= 0x5a) return b - 0x41;
  if (b >= 0x61 && b <= 0x7a) return b - 0x61 + 26;
  if (b >= 0x30 && b <= 0x39) return b - 0x30 + 52;
  return b === 0x2b ? 62 : b === 0x2f ? 63 : -1;
}

/**
 * RFC 4648 decoding of `bytes` (0: all) from `skip` on. `strict`: all of it must be right, padding included; `rfc4648`: up to the first
 * byte that is no digit; `rfc2045`: such bytes are passed over, up to the padding. What cannot be decoded stays as it is.
 */
export function fromBase64(mem: Uint8Array, off: number, n: number, bytes: number, skip: number, mode: Base64Mode): number {
  if (skip >= n) return n;
  const from = off + skip;
  const end = bytes === 0 ? off + n : Math.min(off + n, from + bytes);
  if (mode === 'strict' && !isStrict(mem, from, end)) return n;
  let to = off;
  let word = 0;
  let digits = 0;
  for (let i = from; i < end; i++) {
    const digit = base64Digit(mem[i]);
    if (digit < 0) {
      if (mode === 'rfc2045' && mem[i] !== 0x3d) continue;
      break;
    }
    word = (word << 6) | digit;
    if (++digits === 4) {
      // Three bytes for four that were read: `to` never passes `i`.
      mem[to++] = word >> 16;
      mem[to++] = word >> 8;
      mem[to++] = word;
      word = 0;
      digits = 0;
    }
  }
  if (digits === 2) mem[to++] = word >> 4;
  if (digits === 3) {
    mem[to++] = word >> 10;
    mem[to++] = word >> 2;
  }
  return to === off ? n : to - off;
}

function isStrict(mem: Uint8Array, from: number, end: number): boolean {
  if ((end - from) % 4 !== 0) return false;
  let last = end;
  while (last > from && end - last < 2 && mem[last - 1] === 0x3d) last--;
  for (let i = from; i < last; i++) if (base64Digit(mem[i]) < 0) return false;
  return true;
}

/** Up to `to`, NaN: to the end; negative ones count from there. What is out of bounds is empty. */
export function subslice(mem: Uint8Array, off: number, n: number, from: number, to: number): number {
  const first = from < 0 ? n + from : from;
  const end = Number.isNaN(to) ? n : to < 0 ? n + to : to;
  if (first < 0 || first > n || end > n || end <= first) return 0;
  mem.copyWithin(off, off + first, off + end);
  return end - first;
}

/** Second labels under which many countries' registries hand out names. */
const SHARED = new Set(['ac', 'co', 'com', 'edu', 'gob', 'gov', 'gouv', 'go', 'mil', 'ne', 'net', 'nom', 'or', 'org', 'sch']);

/** Where the name's public suffix begins, relative to off: its last label, or two as in co.uk. -1: the name has no dot. */
function suffixAt(mem: Uint8Array, off: number, n: number): number {
  let last = n - 1;
  while (last >= 0 && mem[off + last] !== 0x2e) last--;
  if (last < 0) return -1;
  let second = last - 1;
  while (second >= 0 && mem[off + second] !== 0x2e) second--;
  if (n - last - 1 !== 2 || last - second > 5) return last + 1;
  let label = '';
  for (let i = second + 1; i < last; i++) label += String.fromCharCode(mem[off + i] | 0x20);
  return second >= 0 && SHARED.has(label) ? second + 1 : last + 1;
}

/** The public suffix, as far as it can be told without a list of them all. */
export function tld(mem: Uint8Array, off: number, n: number): number {
  const at = suffixAt(mem, off, n);
  if (at < 0) return n;
  mem.copyWithin(off, off + at, off + n);
  return n - at;
}

/** The label before the public suffix and the suffix: what its owner registered. */
export function domain(mem: Uint8Array, off: number, n: number): number {
  let at = suffixAt(mem, off, n) - 1;
  if (at <= 0) return n;
  while (at > 0 && mem[off + at - 1] !== 0x2e) at--;
  mem.copyWithin(off, off + at, off + n);
  return n - at;
}
