/**
 * The tables of deflate (RFC 1951, 3.2.5 and 3.2.7): base and extra bits of lengths (from symbol 257 on) and distances, and the order
 * in which the lengths of the code length codes come.
 */
export const ORDER = Uint8Array.of(16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15);
export const LENGTH_EXTRA = new Uint8Array(29);
export const LENGTH_BASE = new Uint16Array(29);
export const DISTANCE_EXTRA = new Uint8Array(30);
export const DISTANCE_BASE = new Uint16Array(30);
for (let i = 0, base = 3; i < 28; i++) {
  LENGTH_EXTRA[i] = i < 4 ? 0 : (i - 4) >> 2;
  LENGTH_BASE[i] = base;
  base += 1 << LENGTH_EXTRA[i];
}
LENGTH_BASE[28] = 258;
for (let i = 0, base = 1; i < 30; i++) {
  DISTANCE_EXTRA[i] = i < 2 ? 0 : (i - 2) >> 1;
  DISTANCE_BASE[i] = base;
  base += 1 << DISTANCE_EXTRA[i];
}
