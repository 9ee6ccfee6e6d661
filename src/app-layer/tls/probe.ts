import { Likeness } from '../protocol.js';

const ALERT = 21;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
const MOST_CONTENT = 16384 + 2048;
const MOST_EMPTY = 8;
/** Version and random, the least of a hello. */
const LEAST_HELLO = 34;

/**
 * A record that begins with a hello, of whatever version it says (RFC 8446, 5.1: nobody is to look at that), an alert, or a
 * hello of SSL 2 whose lengths fit together. `empty`: records without content before.
 */
export function probeTls(direction: number, mem: Uint8Array, off: number, len: number, empty = 0): Likeness {
  if (len === 0) return Likeness.More;
  const first = mem[off];
  if ((first & 0x80) !== 0) return probeSslv2(direction, mem, off, len);
  if (first !== HANDSHAKE && first !== ALERT) return Likeness.No;
  if (len > 1 && mem[off + 1] !== 3) return Likeness.No;
  if (len < 5) return Likeness.More;
  const length = (mem[off + 3] << 8) | mem[off + 4];
  if (first === ALERT) {
    if (length !== 2 || mem[off + 2] > 4) return Likeness.No;
    if (len < 6) return Likeness.More;
    return mem[off + 5] === 1 || mem[off + 5] === 2 ? Likeness.Yes : Likeness.No;
  }
  if (length > MOST_CONTENT) return Likeness.No;
  // OpenSSL skips up to 32 empty records: so many begin nothing else.
  if (length === 0) return empty === MOST_EMPTY ? Likeness.Yes : probeTls(direction, mem, off + 5, len - 5, empty + 1);
  if (len < 6) return Likeness.More;
  const type = mem[off + 5];
  // A server may first ask for a hello (RFC 5246, 7.4.1.1).
  if (direction === 0 ? type !== CLIENT_HELLO : type !== SERVER_HELLO && type !== 0) return Likeness.No;
  if (mem[off + 2] <= 4 || length < 4) return Likeness.Yes;
  if (len < 9) return Likeness.More;
  return mem[off + 6] === 0 && ((mem[off + 7] << 8) | mem[off + 8]) >= LEAST_HELLO ? Likeness.Yes : Likeness.No;
}

function probeSslv2(direction: number, mem: Uint8Array, off: number, len: number): Likeness {
  const needed = direction === 0 ? 11 : 13;
  if (len > 2 && mem[off + 2] !== (direction === 0 ? 1 : 4)) return Likeness.No;
  if (len < needed) return Likeness.More;
  const length = ((mem[off] & 0x7f) << 8) | mem[off + 1];
  const at = direction === 0 ? off + 3 : off + 5;
  const version = (mem[at] << 8) | mem[at + 1];
  if (version !== 2 && (direction === 1 || version < 0x0300 || version > 0x0304)) return Likeness.No;
  const a = (mem[at + 2] << 8) | mem[at + 3];
  const b = (mem[at + 4] << 8) | mem[at + 5];
  const c = (mem[at + 6] << 8) | mem[at + 7];
  if (direction === 1) return length === 11 + a + b + c && b % 3 === 0 ? Likeness.Yes : Likeness.No;
  // Cipher specs of three bytes, session id, challenge.
  return a > 0 && a % 3 === 0 && (b === 0 || b === 16) && c >= 16 && c <= 32 && length === 9 + a + b + c ? Likeness.Yes : Likeness.No;
}
