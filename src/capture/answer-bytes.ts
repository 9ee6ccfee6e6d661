/** Big-endian words and the Internet checksum, for packets of some hundred bytes. Callers have checked the lengths. */

/** RFC 1071, for some hundred bytes: the unfolded sum stays far below 2^31. */
export function sum16(b: Uint8Array, at: number, length: number, initial: number): number {
  let sum = initial;
  let i = 0;
  for (; i + 2 <= length; i += 2) sum += (b[at + i] << 8) | b[at + i + 1];
  return i < length ? sum + (b[at + i] << 8) : sum;
}

export function checksum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return ~(once + (once >>> 16)) & 0xffff;
}

export function get16(m: Uint8Array, at: number): number {
  return (m[at] << 8) | m[at + 1];
}

export function get32(m: Uint8Array, at: number): number {
  return (m[at] << 24) | (m[at + 1] << 16) | (m[at + 2] << 8) | m[at + 3];
}

export function put16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 8;
  out[at + 1] = value;
}

export function put32(out: Uint8Array, at: number, value: number): void {
  put16(out, at, value >>> 16);
  put16(out, at + 2, value);
}
