/**
 * IP reputation: scores of addresses by category, and which addresses pass the test of a rule (user guide, "IP Reputation Format").
 *
 *   categories   id,short name,description           id 1 to 60
 *   list         address[/prefix],category id,score  score 0 to 127
 *
 * A single address's score goes before its networks', a narrow network's before a wide one's.
 */
import { isIP } from 'node:net';
import type { NumberTest } from './packet-option.js';
import type { RuleProblem } from './rule.js';
import { RuleError } from './rule-error.js';
import type { AddressRanges, IpRepOption } from './state-option.js';
import { parseInteger, shorten, trim } from './text.js';

const MAX_CATEGORY = 60;
const MAX_SCORE = 127;

/** first and last as whole numbers; on IPv6 the addresses themselves. */
interface Network {
  first: bigint;
  last: bigint;
  score: number;
}
type Family = 'v4' | 'v6';
const BITS = { v4: 32, v6: 128 } as const;

export class Reputation {
  readonly problems: RuleProblem[] = [];
  private readonly categories = new Map<string, number>();
  /** By category: networks of each family. */
  private readonly networks = new Map<number, Record<Family, Network[]>>();
  private readonly known = new Map<string, AddressRanges>();

  constructor(categories: { file: string; text: string } | undefined, lists: { file: string; text: string }[]) {
    if (categories !== undefined) this.read(categories, (fields) => this.category(fields));
    for (const list of lists) this.read(list, (fields) => this.entry(fields));
  }

  /** The addresses an option is about, shared by equal ones. Throws RuleError. */
  addresses({ category, test }: IpRepOption): AddressRanges {
    const id = this.categories.get(category);
    if (id === undefined)
      throw new RuleError('iprep', `unknown category "${shorten(category)}": name it in reputation-categories-file of the configuration`);
    const key = `${id} ${typeof test === 'string' ? 'isset' : `${test.op}${test.a}`}`;
    let found = this.known.get(key);
    if (found === undefined) {
      const networks = this.networks.get(id) ?? { v4: [], v6: [] };
      const passes = (score: number) => typeof test === 'string' || compares(score, test);
      found = { v4: words(flatten(networks.v4, passes), 1), v6: words(flatten(networks.v6, passes), 4) };
      this.known.set(key, found);
    }
    return found;
  }

  private read({ file, text }: { file: string; text: string }, take: (fields: string[]) => void): void {
    let line = 0;
    for (const raw of text.split('\n')) {
      line++;
      const row = trim(raw);
      if (row === '' || row[0] === '#') continue;
      try {
        take(row.split(',').map(trim));
      } catch (error) {
        if (!(error instanceof RuleError)) throw error;
        this.problems.push({ file, line, option: error.option, reason: error.reason, sid: 0 });
      }
    }
  }

  private category([id, name]: string[]): void {
    if (name === undefined || name === '') throw new RuleError('', 'takes id,short name,description');
    this.categories.set(name, parseInteger('category', id, 1, MAX_CATEGORY));
  }

  private entry(fields: string[]): void {
    if (fields.length !== 3) throw new RuleError('', 'takes address,category id,score');
    const network = parseNetwork(fields[0]);
    const category = parseInteger('category', fields[1], 1, MAX_CATEGORY);
    const score = parseInteger('score', fields[2], 0, MAX_SCORE);
    let of = this.networks.get(category);
    if (of === undefined) {
      of = { v4: [], v6: [] };
      this.networks.set(category, of);
    }
    of[network.family].push({ first: network.first, last: network.last, score });
  }
}

function compares(score: number, { op, a }: NumberTest): boolean {
  switch (op) {
    case '<':
      return score < a;
    case '<=':
      return score <= a;
    case '>':
      return score > a;
    case '>=':
      return score >= a;
    case '!=':
      return score !== a;
    default:
      return score === a;
  }
}

function parseNetwork(text: string): { family: Family; first: bigint; last: bigint } {
  const [address, prefix, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0 || address.includes('%')) throw new RuleError('', `"${shorten(text)}" is no address`);
  const family: Family = version === 4 ? 'v4' : 'v6';
  const bits = BITS[family];
  const length = prefix === undefined ? bits : parseInteger('prefix', prefix, 0, bits);
  const host = (1n << BigInt(bits - length)) - 1n;
  const value = version === 4 ? number(address.split('.'), 10, 8n) : number(expand(address), 16, 16n);
  return { family, first: value & ~host, last: value | host };
}

function number(parts: string[], radix: number, bits: bigint): bigint {
  return parts.reduce((sum, part) => (sum << bits) | BigInt(Number.parseInt(part, radix)), 0n);
}

/** The eight groups of an IPv6 address that isIP has approved. */
function expand(address: string): string[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number);
    return expand(`${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const [left, right] = address.split('::');
  const head = left === '' ? [] : left.split(':');
  if (right === undefined) return head;
  const tail = right === '' ? [] : right.split(':');
  return [...head, ...new Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
}

/**
 * Disjoint, sorted ranges of the addresses whose score passes. Networks nest or are apart, so a sweep with a stack of those
 * that are open has the narrowest on top; of the same network named twice the later line counts.
 */
function flatten(networks: Network[], passes: (score: number) => boolean): [bigint, bigint][] {
  const sorted = networks
    .map((network, order) => ({ ...network, order }))
    .sort((a, b) =>
      a.first !== b.first ? (a.first < b.first ? -1 : 1) : a.last !== b.last ? (a.last > b.last ? -1 : 1) : a.order - b.order,
    );
  const out: [bigint, bigint][] = [];
  const open: Network[] = [];
  let at = 0n;
  const emit = (to: bigint) => {
    // [at, to) belongs to the network on top.
    if (open.length > 0 && at < to && passes(open[open.length - 1].score)) {
      const before = out[out.length - 1];
      if (before !== undefined && before[1] + 1n === at) before[1] = to - 1n;
      else out.push([at, to - 1n]);
    }
    at = to;
  };
  const closeBefore = (position: bigint | undefined) => {
    while (open.length > 0 && (position === undefined || open[open.length - 1].last < position)) {
      emit(open[open.length - 1].last + 1n);
      open.pop();
    }
  };
  for (const network of sorted) {
    closeBefore(network.first);
    emit(network.first);
    open.push(network);
  }
  closeBefore(undefined);
  return out;
}

/** As AddressMatcher has them: the words of first and last, sign bits flipped. */
function words(ranges: [bigint, bigint][], count: number): Int32Array {
  const out = new Int32Array(ranges.length * 2 * count);
  let at = 0;
  for (const range of ranges)
    for (const address of range)
      for (let w = count - 1; w >= 0; w--) out[at++] = Number(BigInt.asIntN(32, address >> BigInt(32 * w))) ^ 0x80000000;
  return out;
}
