/**
 * What generated code calls to read and compare numbers, and to look into encoded data (byte_test and its like).
 * Positions are absolute in `mem`; the caller has checked that [at, at + n) lies within the buffer.
 *
 * Suricata computes with unsigned integers of 64 bits. Here a value is one of two things, known when the rule is compiled:
 *
 *   narrow   a double n with |n| < 2^53 that stands for n modulo 2^64: -3 is 2^64 - 3. Exact, and free.
 *   wide     a bigint 0 .. 2^64 - 1, where a value may not fit: fields of 7 and 8 bytes or of long text, and
 *            products and shifts of such size. None of ET Open's rules has any.
 */
import { AppProto } from '../app-layer/buffers.js';
import type { Packet } from '../decode/packet.js';
import { native } from '../native.js';
import type { Inspection } from './search.js';

/** How many bytes the number that `text` or `textWide` read last took. */
let taken = 0;
export function textTaken(): number {
  return taken;
}

function digitOf(b: number): number {
  if (b >= 48 && b <= 57) return b - 48;
  const lower = b | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : 99;
}

/** First digit of the number at `at`, and what stands before it; as strtoull reads: white space, sign, 0x. */
let negative = false;
let radix = 10;
function textStart(mem: Uint8Array, at: number, end: number, base: number): number {
  let i = at;
  while (i < end && (mem[i] === 32 || (mem[i] >= 9 && mem[i] <= 13))) i++;
  negative = i < end && mem[i] === 45;
  if (i < end && (mem[i] === 45 || mem[i] === 43)) i++;
  radix = base === 0 ? 10 : base;
  if ((base === 0 || base === 16) && i + 2 < end && mem[i] === 48 && (mem[i + 1] | 32) === 120 && digitOf(mem[i + 2]) < 16) {
    radix = 16;
    return i + 2;
  }
  if (base === 0 && i < end && mem[i] === 48) radix = 8;
  return i;
}

/** The number written at `at` in at most n bytes, negative behind a `-`; NaN if there is none. For n where no value reaches 2^53. */
export function text(mem: Uint8Array, at: number, n: number, base: number): number {
  const end = at + n;
  const first = textStart(mem, at, end, base);
  let value = 0;
  let i = first;
  while (i < end) {
    const digit = digitOf(mem[i]);
    if (digit >= radix) break;
    value = value * radix + digit;
    i++;
  }
  taken = i - at;
  if (i === first) return Number.NaN;
  return negative ? 0 - value : value;
}

const LIMIT = 1n << 64n;

/** The same for any n, modulo 2^64; -1n if there is no number or one above 64 bits. */
export function textWide(mem: Uint8Array, at: number, n: number, base: number): bigint {
  const end = at + n;
  const first = textStart(mem, at, end, base);
  const by = BigInt(radix);
  let value = 0n;
  let i = first;
  while (i < end) {
    const digit = digitOf(mem[i]);
    if (digit >= radix) break;
    value = value * by + BigInt(digit);
    if (value >= LIMIT) return -1n;
    i++;
  }
  taken = i - at;
  if (i === first) return -1n;
  return negative ? BigInt.asUintN(64, -value) : value;
}

/** n bytes, 0 to 8. */
export function wide(mem: Uint8Array, at: number, n: number, little: boolean): bigint {
  let high = 0;
  let low = 0;
  for (let i = 0; i < n; i++) {
    high = ((high << 8) | (low >>> 24)) >>> 0;
    low = ((low << 8) | mem[little ? at + n - 1 - i : at + i]) >>> 0;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Arithmetic modulo 2^64. The divisor is not 0. */
export function wideMath(op: string, a: bigint, b: bigint): bigint {
  switch (op) {
    case '+':
      return BigInt.asUintN(64, a + b);
    case '-':
      return BigInt.asUintN(64, a - b);
    case '*':
      return BigInt.asUintN(64, a * b);
    case '/':
      return a / b;
    case '<<':
      return b > 63n ? 0n : BigInt.asUintN(64, a << b);
    default:
      return b > 63n ? 0n : a >> b;
  }
}

const COUNTS = new Int32Array(256);

/** Shannon entropy of mem[at, end), bits per byte; -1 when there are no bytes. */
export function entropy(x: Inspection, mem: Uint8Array, at: number, end: number): number {
  const n = end - at;
  if (n <= 0 || x.budget < 0) return -1;
  x.budget -= 1 + (n >> 9);
  COUNTS.fill(0);
  for (let i = at; i < end; i++) COUNTS[mem[i]]++;
  let bits = 0;
  for (let b = 0; b < 256; b++) {
    const c = COUNTS[b];
    if (c > 0) bits -= (c / n) * Math.log2(c / n);
  }
  return bits < 0 ? 0 : bits;
}

/** A SUNRPC call (RFC 5531: xid, 0, 2, program, version, procedure) in a datagram or behind a record mark; -1 takes any. */
export function rpcCall(p: Packet, mem: Uint8Array, at: number, end: number, program: number, version: number, procedure: number): boolean {
  const o = p.proto === 6 ? at + 4 : at;
  if (o + 24 > end) return false;
  if (word(mem, o + 4) !== 0 || word(mem, o + 8) !== 2 || word(mem, o + 12) !== program) return false;
  return (version < 0 || word(mem, o + 16) === version) && (procedure < 0 || word(mem, o + 20) === procedure);
}

function word(mem: Uint8Array, at: number): number {
  return ((mem[at] << 24) | (mem[at + 1] << 16) | (mem[at + 2] << 8) | mem[at + 3]) >>> 0;
}

/** A line `PORT h1,h2,h3,h4,p1,p2` whose address is not the packet's source (RFC 959 4.1.2). */
export function ftpBounce(p: Packet, mem: Uint8Array, at: number, end: number): boolean {
  if (p.direction !== 0 || p.ipVersion !== 4 || p.appProto !== AppProto.Ftp) return false;
  for (let i = at; i + 5 < end; i++) {
    if (i > at && mem[i - 1] !== 10) continue;
    // "PORT" in either case
    if ((mem[i] | 32) !== 112 || (mem[i + 1] | 32) !== 111 || (mem[i + 2] | 32) !== 114 || (mem[i + 3] | 32) !== 116 || mem[i + 4] !== 32)
      continue;
    let k = i + 5;
    while (k < end && mem[k] === 32) k++;
    let address = 0;
    let parts = 0;
    while (parts < 4) {
      const first = k;
      let part = 0;
      while (k < end && k < first + 3 && mem[k] >= 48 && mem[k] <= 57) part = part * 10 + mem[k++] - 48;
      if (k === first || part > 255 || k >= end || mem[k] !== 44) break;
      address = (address << 8) | part;
      parts++;
      k++;
    }
    if (parts === 4 && address !== p.src[0]) return true;
  }
  return false;
}

/** Objects looked at (Suricata: asn1-max-frames). */
const MAX_OBJECTS = 256;

/**
 * Walks the BER objects (X.690 8.1) in mem[at, end), into constructed ones too: true when a length is above `oversize`
 * (-1: not asked), a bit string leaves out more bits than it has, or a decimal real is longer than 256 bytes.
 */
export function asn1(
  x: Inspection,
  mem: Uint8Array,
  at: number,
  end: number,
  oversize: number,
  bitstring: boolean,
  real: boolean,
): boolean {
  if (x.budget < 0) return false;
  x.budget--;
  let i = at;
  for (let count = 0; i < end && count < MAX_OBJECTS; count++) {
    const tag = mem[i++];
    if ((tag & 31) === 31) {
      while (i < end && (mem[i] & 128) !== 0) i++;
      i++;
    }
    if (i >= end) return false;
    let length = mem[i++];
    const indefinite = length === 128;
    if (indefinite) length = 0;
    else if (length > 128) {
      let n = length & 127;
      if (n > 8 || i + n > end) return false;
      for (length = 0; n > 0; n--) length = length * 256 + mem[i++];
    }
    if (oversize >= 0 && length > oversize) return true;
    if (length > 0 && i < end) {
      if (bitstring && tag === 3 && mem[i] > length * 8) return true;
      if (real && tag === 9 && (mem[i] & 0xc0) === 0 && length > 256) return true;
    }
    if ((tag & 32) === 0) i += length;
  }
  return false;
}

/** Most bytes base64 is decoded from, as in Suricata. */
export const MAX_BASE64 = 65535;

/** Where decoded bytes go: one of a worker, made when first needed, valid until the next decoding. */
export class Decoded {
  readonly mem: Uint8Array;
  readonly region: number;
  constructor() {
    const buffer = new ArrayBuffer(Math.ceil(MAX_BASE64 / 4) * 3);
    this.mem = new Uint8Array(buffer);
    this.region = native.region(buffer);
  }
}

const SEXTETS = new Uint8Array(256).fill(64);
for (let i = 0; i < 64; i++) SEXTETS['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.charCodeAt(i)] = i;

/** Decodes mem[at, end) up to the first byte outside the alphabet (RFC 4648 3.3) into x.decoded: how many bytes came out. */
export function decode64(x: Inspection, mem: Uint8Array, at: number, end: number): number {
  if (at >= end || x.budget < 0) return 0;
  if (x.decoded === null) x.decoded = new Decoded();
  const out = x.decoded.mem;
  const stop = end - at > MAX_BASE64 ? at + MAX_BASE64 : end;
  let length = 0;
  let bits = 0;
  let have = 0;
  let i = at;
  for (; i < stop; i++) {
    const sextet = SEXTETS[mem[i]];
    if (sextet === 64) break;
    bits = ((bits << 6) | sextet) & 0xffff;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[length++] = bits >> have;
    }
  }
  x.budget -= 2 + ((i - at) >> 8);
  return x.budget < 0 ? 0 : length;
}
