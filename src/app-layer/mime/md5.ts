/** MD5 (RFC 1321) of bytes that come in pieces: the state lies in words, 4 of state, bytes so far, 16 of the block. */
export const MD5_WORDS = 21;
const COUNT = 4;
const BLOCK = 5;

const SHIFTS = Uint8Array.of(7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21);
const SINES = Int32Array.from({ length: 64 }, (_, i) => (Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0) as number);

export function md5Begin(words: Int32Array, at: number): void {
  words[at] = 0x67452301;
  words[at + 1] = 0xefcdab89 | 0;
  words[at + 2] = 0x98badcfe | 0;
  words[at + 3] = 0x10325476;
  words.fill(0, at + COUNT, at + MD5_WORDS);
}

export function md5Update(words: Int32Array, at: number, from: Uint8Array, off: number, len: number): void {
  let n = words[at + COUNT];
  for (let i = 0; i < len; i++) {
    const place = n & 63;
    const word = at + BLOCK + (place >> 2);
    words[word] = (place & 3) === 0 ? from[off + i] : words[word] | (from[off + i] << (8 * (place & 3)));
    n = (n + 1) | 0;
    if (place === 63) block(words, at);
  }
  words[at + COUNT] = n;
}

const ONE_BYTE = new Uint8Array(1);

/** Writes the 16 bytes; the state is used up. */
export function md5End(words: Int32Array, at: number, to: Uint8Array, off: number): void {
  const n = words[at + COUNT];
  ONE_BYTE[0] = 0x80;
  md5Update(words, at, ONE_BYTE, 0, 1);
  ONE_BYTE[0] = 0;
  while ((words[at + COUNT] & 63) !== 56) md5Update(words, at, ONE_BYTE, 0, 1);
  words[at + BLOCK + 14] = n << 3;
  words[at + BLOCK + 15] = n >>> 29;
  block(words, at);
  for (let i = 0; i < 16; i++) to[off + i] = words[at + (i >> 2)] >> (8 * (i & 3));
}

function block(words: Int32Array, at: number): void {
  let a = words[at];
  let b = words[at + 1];
  let c = words[at + 2];
  let d = words[at + 3];
  for (let i = 0; i < 64; i++) {
    let f: number;
    let g: number;
    if (i < 16) {
      f = (b & c) | (~b & d);
      g = i;
    } else if (i < 32) {
      f = (d & b) | (~d & c);
      g = (5 * i + 1) & 15;
    } else if (i < 48) {
      f = b ^ c ^ d;
      g = (3 * i + 5) & 15;
    } else {
      f = c ^ (b | ~d);
      g = (7 * i) & 15;
    }
    const sum = (a + f + SINES[i] + words[at + BLOCK + g]) | 0;
    const shift = SHIFTS[((i >> 4) << 2) | (i & 3)];
    a = d;
    d = c;
    c = b;
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
  }
  words[at] = (words[at] + a) | 0;
  words[at + 1] = (words[at + 1] + b) | 0;
  words[at + 2] = (words[at + 2] + c) | 0;
  words[at + 3] = (words[at + 3] + d) | 0;
}
