/** White space as HTTP servers see it: space, tab, line feed, vertical tab, form feed, carriage return. */
export function isSpace(c: number): boolean {
  return c <= 32 && (c === 32 || (c >= 9 && c <= 13));
}

export function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

/** Value of a hexadecimal digit, or -1. */
export function hexValue(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** A letter in lower case, anything else as it is. */
export function lower(c: number): number {
  return c >= 65 && c <= 90 ? c | 32 : c;
}

/** Whether the bytes are `word` (lower case), in either case. */
export function equals(mem: Uint8Array, off: number, len: number, word: Uint8Array): boolean {
  if (len !== word.length) return false;
  for (let i = 0; i < len; i++) if (lower(mem[off + i]) !== word[i]) return false;
  return true;
}

/** Where `word` (lower case) begins for the first time, in either case, NUL bytes left out as some clients do; -1: nowhere. */
export function find(mem: Uint8Array, off: number, len: number, word: Uint8Array): number {
  const end = off + len;
  const first = word[0];
  for (let i = off; i < end; i++) {
    if (lower(mem[i]) !== first) continue;
    let k = 1;
    for (let j = i + 1; j < end && k < word.length; j++) {
      if (mem[j] === 0) continue;
      if (lower(mem[j]) !== word[k]) break;
      k++;
    }
    if (k === word.length) return i;
  }
  return -1;
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}
