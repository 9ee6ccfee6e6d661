import type { AddressRange, AddressSet, PortSet } from '../rules/rule.js';
import type { AddressRanges } from '../rules/state-option.js';
import { flipped } from './intervals.js';

/**
 * One address list, ready to match: sorted, disjoint ranges, found by binary search.
 *
 *   v4  Int32Array  first0 last0 first1 last1 ...            (sign bit flipped: signed order = unsigned order)
 *   v6  Int32Array  first0[4] last0[4] first1[4] last1[4] ...
 */
export class AddressMatcher {
  private readonly v4: Int32Array;
  private readonly v6: Int32Array;

  /** A list of a rule, or words in the layout above (src/rules/reputation.ts makes such). */
  constructor(set: AddressSet | AddressRanges) {
    this.v4 = 'v4' in set ? set.v4 : flat(set.ranges.filter((r) => r.family === 4));
    this.v6 = 'v6' in set ? set.v6 : flat(set.ranges.filter((r) => r.family === 6));
  }

  /** `address`: words as in Packet.src. */
  has(address: Int32Array, ipVersion: number): boolean {
    return ipVersion === 4 ? this.has4(address[0]) : ipVersion === 6 && this.has6(address);
  }

  private has4(word: number): boolean {
    const ranges = this.v4;
    const a = word ^ FLIP;
    let low = 0;
    let high = ranges.length >> 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ranges[2 * middle + 1] < a) low = middle + 1;
      else high = middle;
    }
    return 2 * low < ranges.length && ranges[2 * low] <= a;
  }

  private has6(address: Int32Array): boolean {
    const ranges = this.v6;
    let low = 0;
    let high = ranges.length >> 3;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare6(ranges, 8 * middle + 4, address) < 0) low = middle + 1;
      else high = middle;
    }
    return 8 * low < ranges.length && compare6(ranges, 8 * low, address) <= 0;
  }
}

const FLIP = 0x80000000 | 0;

/** Sign of range word group - address. */
function compare6(ranges: Int32Array, at: number, address: Int32Array): number {
  for (let w = 0; w < 4; w++) {
    const a = address[w] ^ FLIP;
    const r = ranges[at + w];
    if (r !== a) return r < a ? -1 : 1;
  }
  return 0;
}

function flat(ranges: AddressRange[]): Int32Array {
  const sorted = [...ranges].sort((a, b) => Buffer.compare(a.first, b.first));
  const words = sorted.flatMap((r) => [...flipped(r.first), ...flipped(r.last)]);
  return Int32Array.from(words);
}

/** Rules share sets, and are asked by the thousand. */
const keys = new WeakMap<AddressSet, string>();

/** The same list has the same key. */
export function addressKey(set: AddressSet): string {
  if (set.any) return 'any';
  let key = keys.get(set);
  if (key === undefined) {
    key = keyOf(set);
    keys.set(set, key);
  }
  return key;
}

function keyOf(set: AddressSet): string {
  return set.ranges.map((r) => `${Buffer.from(r.first).toString('hex')}-${Buffer.from(r.last).toString('hex')}`).join();
}

export function portKey(set: PortSet): string {
  return set.any ? 'any' : set.ranges.map((r) => r.join('-')).join();
}

/** Fraction of all addresses a list covers, judged by the first 32 bits: an estimate to choose an index by. */
export function addressShare(set: AddressSet): number {
  if (set.any) return 1;
  let share = 0;
  for (const { first, last } of set.ranges) {
    const a = Buffer.from(first).readUInt32BE(0);
    const b = Buffer.from(last).readUInt32BE(0);
    share += (b - a + 1) / 2 ** 32;
  }
  return Math.min(1, share);
}

export function portShare(set: PortSet): number {
  if (set.any) return 1;
  let ports = 0;
  for (const [first, last] of set.ranges) ports += last - first + 1;
  return ports / 65536;
}
