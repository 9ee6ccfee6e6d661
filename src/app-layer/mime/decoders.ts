import { M } from './layout.js';

/** Decoders of bodies that come in pieces: what is between two pieces lies in the message's words. */

/** By byte: value of a Base64 digit, 64 for `=`, 65 for white space, 66 for what does not belong there. */
const DIGITS = new Uint8Array(256).fill(66);
for (let i = 0; i < 64; i++) DIGITS['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.charCodeAt(i)] = i;
DIGITS[0x3d] = 64;
for (const c of ' \t\r\n') DIGITS[c.charCodeAt(0)] = 65;
const PAD = 64;
const SPACE = 65;

/** The last piece held what does not belong there. */
export const decoded = { bad: false };

/**
 * Decodes from[off, off + len) to `to` at `at`, where 3 bytes for 4 digits and 3 more have room. Returns the end of what was written.
 * What is no digit is left out; padding ends a group, and the next digit begins another.
 */
export function base64(words: Int32Array, c: number, from: Uint8Array, off: number, len: number, to: Uint8Array, at: number): number {
  let bits = words[c + M.Bits];
  let count = words[c + M.BitCount];
  decoded.bad = false;
  let out = at;
  const end = off + len;
  for (let i = off; i < end; i++) {
    if (count === 0) {
      // Whole groups of digits.
      while (i + 3 < end) {
        const a = DIGITS[from[i]];
        const b = DIGITS[from[i + 1]];
        const c2 = DIGITS[from[i + 2]];
        const d = DIGITS[from[i + 3]];
        if ((a | b | c2 | d) >= 64) break;
        to[out] = (a << 2) | (b >> 4);
        to[out + 1] = (b << 4) | (c2 >> 2);
        to[out + 2] = (c2 << 6) | d;
        out += 3;
        i += 4;
      }
      if (i >= end) break;
    }
    const digit = DIGITS[from[i]];
    if (digit < 64) {
      bits = (bits << 6) | digit;
      if (++count === 4) {
        to[out] = bits >> 16;
        to[out + 1] = bits >> 8;
        to[out + 2] = bits;
        out += 3;
        bits = 0;
        count = 0;
      }
    } else if (digit === PAD) {
      if (count > 1) {
        to[out++] = bits >> (6 * count - 8);
        if (count === 3) to[out++] = bits >> 2;
      }
      bits = 0;
      count = 0;
    } else if (digit !== SPACE) decoded.bad = true;
  }
  words[c + M.Bits] = bits;
  words[c + M.BitCount] = count;
  return out;
}

/** The body has ended: digits without padding are written. */
export function base64End(words: Int32Array, c: number, to: Uint8Array, at: number): number {
  const bits = words[c + M.Bits];
  const count = words[c + M.BitCount];
  let out = at;
  if (count > 1) {
    to[out++] = bits >> (6 * count - 8);
    if (count === 3) to[out++] = bits >> 2;
  }
  words[c + M.Bits] = 0;
  words[c + M.BitCount] = 0;
  return out;
}

/** M.Qp: nothing pending, `=` seen, or the digit after it + HIGH. */
const EQUALS = 1;
const HIGH = 0x100;
const EQUALS_SIGN = 0x3d;

/** Quoted-printable of a piece of a line without its end (RFC 2045, 6.7). `to` has room for 2 bytes more than len. */
export function quotedPrintable(
  words: Int32Array,
  c: number,
  from: Uint8Array,
  off: number,
  len: number,
  to: Uint8Array,
  at: number,
): number {
  let state = words[c + M.Qp];
  decoded.bad = false;
  let out = at;
  const end = off + len;
  for (let i = off; i < end; i++) {
    const byte = from[i];
    if (state === 0) {
      if (byte === EQUALS_SIGN) state = EQUALS;
      else to[out++] = byte;
      continue;
    }
    if (state === EQUALS) {
      if (hex(byte) >= 0) {
        state = HIGH | byte;
        continue;
      }
      state = 0;
      // White space that was added behind a soft line break.
      if (byte === 0x20 || byte === 0x09) {
        state = EQUALS;
        continue;
      }
      decoded.bad = true;
      to[out++] = EQUALS_SIGN;
      i--;
      continue;
    }
    const high = state & 0xff;
    state = 0;
    const low = hex(byte);
    if (low >= 0) to[out++] = (hex(high) << 4) | low;
    else {
      decoded.bad = true;
      to[out++] = EQUALS_SIGN;
      to[out++] = high;
      i--;
    }
  }
  words[c + M.Qp] = state;
  return out;
}

/** The line has ended. True: its end is part of the body, there was no soft line break. */
export function quotedPrintableEnd(words: Int32Array, c: number): boolean {
  const state = words[c + M.Qp];
  words[c + M.Qp] = 0;
  return state !== EQUALS;
}

function hex(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
