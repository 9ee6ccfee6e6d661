/**
 * Parameters of a header's value: `attachment; filename="a b.txt"` (RFC 2045, 5.1), split and encoded ones too:
 * `filename*0*=UTF-8''a%20; filename*1="b.txt"` (RFC 2231).
 */

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const STAR = 0x2a;
const PERCENT = 0x25;
const TICK = 0x27;
const OPEN = 0x28;
const CLOSE = 0x29;

/** Parameters of one header that are looked at. */
const MOST_PARAMETERS = 64;

/** What parameter() found: `length` bytes, of which only the first parameterBytes.length are there. */
export const parameterBytes = new Uint8Array(1024);
export const parameter = { length: 0 };

/** Bytes of the first word of a value, up to `;`, white space at its end left out. */
export function firstWord(mem: Uint8Array, off: number, end: number): number {
  let at = off;
  while (at < end && mem[at] !== SEMICOLON) at++;
  while (at > off && isSpace(mem[at - 1])) at--;
  return at;
}

/** Looks for a parameter, `name` in lower case. False: there is none. The plain form is taken before the one in pieces. */
export function findParameter(mem: Uint8Array, off: number, end: number, name: Uint8Array): boolean {
  return findPlain(mem, off, end, name, 0) || findPieces(mem, off, end, name);
}

/** Looks for a parameter that stands there as it is; `which`: 0 for the first of that name, and so on. */
export function findPlain(mem: Uint8Array, off: number, end: number, name: Uint8Array, which: number): boolean {
  parameter.length = 0;
  let left = which;
  let at = firstEnd(mem, off, end);
  for (let n = 0; at < end && n < MOST_PARAMETERS; n++) {
    at = readParameter(mem, at + 1, end);
    if (one.nameEnd - one.name !== name.length || !isNamed(mem, one.name, one.nameEnd, name) || left-- > 0) continue;
    append(mem, one.value, at, false);
    return true;
  }
  return false;
}

/** Puts the pieces of a parameter together, in the order of their numbers. */
export function findPieces(mem: Uint8Array, off: number, end: number, name: Uint8Array): boolean {
  parameter.length = 0;
  let number = 0;
  for (let isThere = true; isThere && number < MOST_PARAMETERS; ) {
    isThere = false;
    let at = firstEnd(mem, off, end);
    for (let n = 0; at < end && n < MOST_PARAMETERS; n++) {
      at = readParameter(mem, at + 1, end);
      if (!isNamed(mem, one.name, one.nameEnd, name) || pieceNumber(mem, one.name + name.length, one.nameEnd) !== number) continue;
      const isEncoded = mem[one.nameEnd - 1] === STAR;
      // The first piece says the character set and the language.
      append(mem, isEncoded && number === 0 ? behindTicks(mem, one.value, at) : one.value, at, isEncoded);
      number++;
      isThere = true;
    }
  }
  return number > 0;
}

/** What readParameter found. */
const one = { name: 0, nameEnd: 0, value: 0 };

/** The parameter behind a `;`. Returns where its value ends; without a value its name is empty. */
function readParameter(mem: Uint8Array, off: number, end: number): number {
  let at = off;
  while (at < end && isSpace(mem[at])) at++;
  one.name = one.nameEnd = at;
  while (at < end && mem[at] !== EQUALS && mem[at] !== SEMICOLON) at++;
  if (at >= end || mem[at] === SEMICOLON) return at;
  one.nameEnd = at;
  while (one.nameEnd > one.name && isSpace(mem[one.nameEnd - 1])) one.nameEnd--;
  at++;
  while (at < end && isSpace(mem[at])) at++;
  one.value = at;
  return valueEnd(mem, at, end);
}

/** The number of `*`, `*0`, `*12*` behind a name; -1: none of these. */
function pieceNumber(mem: Uint8Array, off: number, end: number): number {
  if (off >= end || mem[off] !== STAR) return -1;
  let number = 0;
  let at = off + 1;
  for (; at < end && mem[at] >= 0x30 && mem[at] <= 0x39 && number < MOST_PARAMETERS; at++) number = number * 10 + mem[at] - 0x30;
  return at === end || (at + 1 === end && mem[at] === STAR) ? number : -1;
}

function firstEnd(mem: Uint8Array, off: number, end: number): number {
  let at = off;
  while (at < end && mem[at] !== SEMICOLON) at++;
  return at;
}

/** Bytes of a value without its comments (RFC 5322, 3.2.2). */
export const uncommented = new Uint8Array(4096);

/** Fills `uncommented` with mem[off, end), as far as it goes. Returns how many bytes, 0: there are no comments. */
export function uncomment(mem: Uint8Array, off: number, end: number): number {
  let at = off;
  while (at < end && mem[at] !== OPEN) at++;
  if (at === end) return 0;
  let depth = 0;
  let isQuoted = false;
  let out = 0;
  for (at = off; at < end && out < uncommented.length; at++) {
    const byte = mem[at];
    if (byte === BACKSLASH && (isQuoted || depth > 0)) {
      if (depth === 0) uncommented[out++] = byte;
      if (++at < end && depth === 0 && out < uncommented.length) uncommented[out++] = mem[at];
      continue;
    }
    if (byte === QUOTE && depth === 0) isQuoted = !isQuoted;
    if (!isQuoted && byte === OPEN) depth++;
    if (depth === 0 && (out > 0 || !isSpace(byte))) uncommented[out++] = byte;
    if (!isQuoted && byte === CLOSE && depth > 0) depth--;
  }
  return out;
}

function valueEnd(mem: Uint8Array, off: number, end: number): number {
  let at = off;
  if (at < end && mem[at] === QUOTE) {
    for (at++; at < end && mem[at] !== QUOTE; at++) if (mem[at] === BACKSLASH) at++;
    if (at > end) at = end;
  }
  while (at < end && mem[at] !== SEMICOLON) at++;
  return at;
}

function behindTicks(mem: Uint8Array, off: number, end: number): number {
  let ticks = 0;
  for (let i = off; i < end; i++) if (mem[i] === TICK && ++ticks === 2) return i + 1;
  return off;
}

function append(mem: Uint8Array, off: number, to: number, isEncoded: boolean): void {
  let at = off;
  let end = to;
  while (end > at && isSpace(mem[end - 1])) end--;
  const isQuoted = at < end && mem[at] === QUOTE;
  if (isQuoted) at++;
  for (; at < end; at++) {
    let byte = mem[at];
    if (isQuoted && byte === QUOTE) return;
    if (isQuoted && byte === BACKSLASH && at + 1 < end) byte = mem[++at];
    else if (isEncoded && byte === PERCENT && at + 2 < end && hex(mem[at + 1]) >= 0 && hex(mem[at + 2]) >= 0) {
      byte = (hex(mem[at + 1]) << 4) | hex(mem[at + 2]);
      at += 2;
    }
    if (parameter.length < parameterBytes.length) parameterBytes[parameter.length] = byte;
    parameter.length++;
  }
}

/** The parameter begins with this name, in either case. */
function isNamed(mem: Uint8Array, off: number, end: number, name: Uint8Array): boolean {
  if (end - off < name.length) return false;
  for (let i = 0; i < name.length; i++) if (lower(mem[off + i]) !== name[i]) return false;
  return true;
}

export function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}

export function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function hex(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
