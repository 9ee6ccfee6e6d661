import { message, name, question } from '../support/dns.js';
import * as t from '../support/tls-bytes.js';
import { MOST_PACKET } from './mutate.js';

export const text = (s: string) => new Uint8Array(Buffer.from(s, 'latin1'));
export function filled(unit: Uint8Array | string, length = MOST_PACKET): Uint8Array {
  const bytes = typeof unit === 'string' ? text(unit) : unit;
  const all = new Uint8Array(Math.floor(length / bytes.length) * bytes.length);
  for (let at = 0; at < all.length; at += bytes.length) all.set(bytes, at);
  return all;
}
export const joined = (...parts: (Uint8Array | string)[]) =>
  new Uint8Array(Buffer.concat(parts.map((p) => (typeof p === 'string' ? text(p) : p))));
/** A message whose names are as long as they may be, through as many pointers as they may have. */
export function dnsPointers(): Uint8Array {
  const long = name(`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(50)}`);
  const pointer = new Uint8Array([0xc0, 12, 0, 1, 0, 1]);
  const count = Math.floor((MOST_PACKET - 12 - long.length - 4) / pointer.length);
  return joined(message({ counts: [count + 1, 0, 0, 0] }), long, new Uint8Array([0, 1, 0, 1]), filled(pointer, count * pointer.length));
}
export function dnsRecords(one: Uint8Array): Uint8Array {
  const head = joined(
    message({ flags: 0x8180, counts: [1, 0xffff, 0, 0] }),
    question(`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.x`),
  );
  return joined(head, filled(one, MOST_PACKET - head.length));
}

export function pseudo(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 97 + ((state >>> 24) % 20);
  });
}
export function differentHeaders(): Uint8Array {
  return text(`GET / HTTP/1.1\n${Array.from({ length: 1000 }, (_, i) => `x${i}:${i}\n`).join('')}\n`);
}
export function longHello(extension: Uint8Array): Uint8Array {
  return filled(t.record(22, t.clientHello({ extensions: [filled(extension, 15_800)] })));
}
export function longCertificate(one: Uint8Array): Uint8Array {
  return filled(t.record(22, t.certificates(t.certificate({ names: [filled(one, 15_000)] }))));
}
export function keyExchange(): Uint8Array {
  const lists = t.bytes(...Array.from({ length: 10 }, () => t.bytes(t.sized(4, 'a,b,c'))));
  const body = t.bytes(20, new Uint8Array(16), lists, new Uint8Array(5));
  return t.bytes(t.sized(4, t.bytes(4), body, new Uint8Array(4)));
}
/** Each name is a label and a pointer to the one before. */
export function dnsChain(): Uint8Array {
  const parts: Uint8Array[] = [new Uint8Array([1, 97, 0, 0, 1, 0, 1])];
  let at = 12;
  let next = at + 7;
  for (; next < 16_300; next += 8) {
    parts.push(new Uint8Array([1, 97, 0xc0 | (at >> 8), at & 255, 0, 1, 0, 1]));
    at = next;
  }
  return joined(
    message({ counts: [parts.length + 6000, 0, 0, 0] }),
    ...parts,
    filled(new Uint8Array([0xc0 | (at >> 8), at & 255, 0, 1, 0, 1]), 48_000),
  );
}

/** Bits of deflate: values with the lowest bit first, codes with the highest. */
class Bits {
  readonly bytes: number[] = [];
  private count = 0;

  value(value: number, n: number): this {
    for (let i = 0; i < n; i++, this.count++) {
      if ((this.count & 7) === 0) this.bytes.push(0);
      this.bytes[this.bytes.length - 1] |= ((value >> i) & 1) << (this.count & 7);
    }
    return this;
  }
  code(code: number, n: number): this {
    for (let i = n - 1; i >= 0; i--) this.value(code >> i, 1);
    return this;
  }
}

/** The head of a block whose code lengths are written with 4 bits each (RFC 1951, 3.2.7). */
function blockHead(bits: Bits, lengths: readonly number[]): void {
  bits.value(0, 1).value(2, 2).value(0, 5).value(0, 5).value(15, 4);
  // 16 codes of 4 bits, for 0 to 15.
  for (const symbol of [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]) bits.value(symbol < 16 ? 4 : 0, 3);
  for (const length of lengths) bits.code(length, 4);
}

/** Blocks of nothing, each with codes of its own, as short as they can be. */
export function deflateBlocks(): Uint8Array {
  const bits = new Bits();
  while (bits.bytes.length < 65_000) {
    bits.value(0, 1).value(2, 2).value(0, 5).value(0, 5).value(14, 4);
    for (const symbol of [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1])
      bits.value(symbol === 18 || symbol === 1 ? 1 : 0, 3);
    // 138 and 118 zeros, then the end of the block and one distance.
    bits.code(1, 1).value(127, 7).code(1, 1).value(107, 7).code(0, 1).code(0, 1).code(0, 1);
  }
  return Uint8Array.from(bits.bytes);
}

/** Literals whose codes have 15 bits. */
export function longCodes(): Uint8Array {
  const bits = new Bits();
  const lengths = Array.from({ length: 258 }, (_, i) => (i < 14 ? i + 1 : i === 20 || i === 256 ? 15 : i === 257 ? 1 : 0));
  blockHead(bits, lengths);
  while (bits.bytes.length < 65_000) bits.code(0x7ffe, 15);
  return Uint8Array.from(bits.bytes);
}
