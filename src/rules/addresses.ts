import ipaddr from 'ipaddr.js';
import { type ListKind, resolveList, type Span, same } from './list.js';
import type { AddressRange, AddressSet } from './rule.js';
import { RuleError } from './rule-error.js';
import { shorten, trim } from './text.js';

/**
 * IPv4 and IPv6 on one line of integers, with a gap so that they never touch:
 *
 *   0 ......... 2^32-1 | (gap) | 2^33 .................. 2^33 + 2^128 - 1
 *   IPv4 addresses               IPv6 addresses
 */
const V4_LAST = (1n << 32n) - 1n;
const V6_BASE = 1n << 33n;
const V6_LAST = V6_BASE + (1n << 128n) - 1n;
const UNIVERSE: readonly Span[] = [
  [0n, V4_LAST],
  [V6_BASE, V6_LAST],
];

const KIND: ListKind = { what: 'address', section: 'address-groups', universe: UNIVERSE, leaf };

const known = new WeakMap<object, Map<string, Span[]>>();
const resolved = new WeakMap<object, Map<string, AddressSet>>();

/** Longer lists are not remembered: they hardly ever come twice. */
const MEMO_LENGTH = 200;

/**
 * Address text of a rule header to a set. Rules that name the same text share one set: read-only.
 * Throws RuleError.
 */
export function parseAddresses(text: string, groups: Readonly<Record<string, string>>): AddressSet {
  let sets = resolved.get(groups);
  let variables = known.get(groups);
  if (sets === undefined || variables === undefined) {
    sets = new Map();
    variables = new Map();
    resolved.set(groups, sets);
    known.set(groups, variables);
  }
  let set = sets.get(text);
  if (set === undefined) {
    set = toSet(resolveList(KIND, text, groups, variables));
    if (text.length <= MEMO_LENGTH) sets.set(text, set);
  }
  return set;
}

function toSet(spans: readonly Span[]): AddressSet {
  if (same(spans, UNIVERSE)) return { any: true, ranges: [] };
  return { any: false, ranges: spans.map(toRange) };
}

function toRange([first, last]: Span): AddressRange {
  if (first < V6_BASE) return { family: 4, first: toBytes(first, 4), last: toBytes(last, 4) };
  return { family: 6, first: toBytes(first - V6_BASE, 16), last: toBytes(last - V6_BASE, 16) };
}

function toBytes(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let i = length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

function fromBytes(bytes: ArrayLike<number>): bigint {
  let value = 0n;
  for (let i = 0; i < bytes.length; i++) value = (value << 8n) | BigInt(bytes[i]);
  return value;
}

/** Position on the line; `bits` tells the family. */
function point(text: string, whole: string): { at: bigint; bits: 32 | 128 } {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return { at: fromBytes(ipaddr.IPv4.parse(text).octets), bits: 32 };
  if (!text.includes('%') && ipaddr.IPv6.isValid(text))
    return { at: V6_BASE + fromBytes(ipaddr.IPv6.parse(text).toByteArray()), bits: 128 };
  throw new RuleError(
    '',
    `"${shorten(whole)}" is no address: write a.b.c.d, an IPv6 address, a network with /bits, a range a-b or a $VARIABLE`,
  );
}

function leaf(text: string): Span {
  const dash = text.indexOf('-');
  if (dash >= 0) {
    const first = point(trim(text.slice(0, dash)), text);
    const last = point(trim(text.slice(dash + 1)), text);
    if (first.bits !== last.bits) throw new RuleError('', `address range ${shorten(text)} mixes IPv4 and IPv6`);
    if (first.at > last.at) throw new RuleError('', `address range ${shorten(text)} runs backwards`);
    return [first.at, last.at];
  }
  const slash = text.indexOf('/');
  if (slash < 0) {
    const { at } = point(text, text);
    return [at, at];
  }
  const { at, bits } = point(text.slice(0, slash), text);
  const prefix = prefixLength(text.slice(slash + 1), bits, text);
  const host = (1n << BigInt(bits - prefix)) - 1n;
  const base = bits === 32 ? 0n : V6_BASE;
  const first = ((at - base) & ~host) + base;
  return [first, first + host];
}

/** `/24`, or for IPv4 `/255.255.255.0`. */
function prefixLength(text: string, bits: 32 | 128, whole: string): number {
  if (/^\d{1,3}$/.test(text) && Number(text) <= bits) return Number(text);
  if (bits === 32 && ipaddr.IPv4.isValidFourPartDecimal(text)) {
    const length = ipaddr.IPv4.parse(text).prefixLengthFromSubnetMask();
    if (length !== null) return length;
  }
  throw new RuleError(
    '',
    `"${shorten(whole)}" is no network: what follows the / must be 0 to ${bits}${bits === 32 ? ' or a netmask' : ''}`,
  );
}

/** Canonical text; parseAddresses gives the same set back. */
export function printAddresses(set: AddressSet): string {
  if (set.any) return 'any';
  const parts = set.ranges.map(printRange);
  return parts.length === 1 ? parts[0] : `[${parts.join(',')}]`;
}

function printRange(range: AddressRange): string {
  const first = fromBytes(range.first);
  const size = fromBytes(range.last) - first + 1n;
  const text = ipaddr.fromByteArray([...range.first]).toString();
  if (size === 1n) return text;
  // A power of two, and aligned to it: a network.
  if ((size & (size - 1n)) === 0n && (first & (size - 1n)) === 0n) {
    return `${text}/${(range.family === 4 ? 32 : 128) - (size.toString(2).length - 1)}`;
  }
  return `${text}-${ipaddr.fromByteArray([...range.last]).toString()}`;
}
