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
  parameter.length = 0;
  let found = false;
  let at = off;
  while (at < end && mem[at] !== SEMICOLON) at++;
  for (let n = 0; at < end && n < MOST_PARAMETERS; n++) {
    at++;
    while (at < end && isSpace(mem[at])) at++;
    const begin = at;
    while (at < end && mem[at] !== EQUALS && mem[at] !== SEMICOLON) at++;
    if (at >= end || mem[at] === SEMICOLON) continue;
    let nameEnd = at;
    while (nameEnd > begin && isSpace(mem[nameEnd - 1])) nameEnd--;
    at++;
    while (at < end && isSpace(mem[at])) at++;
    const from = at;
    at = valueEnd(mem, at, end);
    if (!isNamed(mem, begin, nameEnd, name)) continue;
    const tail = nameEnd - begin - name.length;
    if (tail === 0) {
      parameter.length = 0;
      append(mem, from, at, false);
      return true;
    }
    if (mem[begin + name.length] !== STAR) continue;
    const isEncoded = mem[nameEnd - 1] === STAR;
    // The first piece says the character set and the language.
    append(mem, isEncoded && !found ? behindTicks(mem, from, at) : from, at, isEncoded);
    found = true;
  }
  return found;
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
