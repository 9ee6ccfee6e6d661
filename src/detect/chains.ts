/**
 * How the tests of one buffer hang together: chains, and the window of positions each test has. What becomes of
 * them is in buffer.ts, whose head shows the code; the windows are source text in its names: `o` and `end` are the
 * buffer's first byte and the one behind its last.
 */
import type { ByteOption, ContentOption, Operand, PcreOption } from '../rules/byte-option.js';
import { low32, operand, signed32, type Variables } from './byte-tests.js';
import { num } from './codegen.js';

export type Test = ByteOption;

export function isRelative(t: Test): boolean {
  switch (t.kind) {
    case 'content':
      return t.distance !== undefined || t.within !== undefined;
    case 'pcre':
    case 'isdataat':
    case 'base64_decode':
    case 'asn1':
      return t.relative;
    case 'byte_test':
    case 'byte_jump':
    case 'byte_extract':
    case 'byte_math':
      return t.field.relative;
    default:
      return false;
  }
}

/** Relative tests behind it count from where it ended. */
export function moves(t: Test): boolean {
  switch (t.kind) {
    case 'content':
      // fast_pattern:only is not part of the order: it must occur, and moves nothing.
      return !t.negated && !t.fastPatternOnly;
    case 'pcre':
      return !t.negated;
    default:
      return t.kind === 'byte_jump' || t.kind === 'byte_extract' || t.kind === 'byte_math';
  }
}

/** The test changes a dataset. */
export function changesDataset(t: Test): boolean {
  return t.kind === 'dataset' && (t.op === 'set' || t.op === 'unset');
}

/** The variable that a test sets. */
export function defined(t: Test): string | undefined {
  return t.kind === 'byte_extract' || t.kind === 'byte_math' ? t.name : undefined;
}

function operandsOf(t: Test): (Operand | undefined)[] {
  switch (t.kind) {
    case 'content':
      return [t.offset, t.depth, t.distance, t.within];
    case 'isdataat':
      return [t.at];
    case 'byte_test':
    case 'byte_math':
      return [t.value, t.field.bytes, t.field.offset];
    case 'byte_jump':
    case 'byte_extract':
      return [t.field.bytes, t.field.offset];
    case 'base64_decode':
      return t.tests.flatMap(operandsOf);
    default:
      return [];
  }
}

/** The variables that a test looks at. A string of digits is a number. */
export function variablesOf(t: Test): string[] {
  const names = operandsOf(t).filter((o): o is string => typeof o === 'string' && !/^\d/.test(o));
  if (t.kind !== 'base64_decode' || names.length === 0) return names;
  const own = t.tests.map(defined);
  return names.filter((name) => !own.includes(name));
}

export interface Chain {
  /** In the order of the list. Relative ones at the head are relative to the start of the buffer. */
  tests: Test[];
  cost: number;
}

/** Splits the tests into independent chains, cheapest first. */
export function chainsOf(tests: Test[]): Chain[] {
  let chains: Chain[] = [];
  let current: Chain | null = null;
  for (const t of tests) {
    let chain: Chain | null = isRelative(t) ? current : null;
    const names = variablesOf(t);
    if (names.length > 0) {
      // With those that set its variables: another choice of positions there gives another value here.
      const setters = chains.filter((c) => c !== chain && c.tests.some((other) => names.includes(defined(other) ?? '')));
      if (chain === null && setters.length > 0) chain = setters.shift()!;
      if (chain !== null && setters.length > 0) {
        const all: Test[] = [chain, ...setters].flatMap((c) => c.tests);
        chain.tests = all.sort((a, b) => tests.indexOf(a) - tests.indexOf(b));
        if (current !== null && setters.includes(current)) current = chain;
        chains = chains.filter((c) => !setters.includes(c));
      }
    }
    if (chain === null) {
      chain = { tests: [], cost: 0 };
      chains.push(chain);
    }
    chain.tests.push(t);
    if (moves(t)) current = chain;
  }
  for (const chain of chains) for (const t of chain.tests) chain.cost += costOf(t);
  return chains.sort((a, b) => a.cost - b.cost);
}

function costOf(t: Test): number {
  switch (t.kind) {
    case 'content':
      return single(t) ? 1 : 10;
    case 'pcre':
      return 1000;
    case 'bsize':
      return 0;
    case 'base64_decode':
    case 'entropy':
      return 2000;
    case 'asn1':
    case 'ftpbounce':
      return 100;
    case 'datarep':
      return 300;
    case 'dataset':
      // What changes a set does so when all else of the buffer holds.
      return changesDataset(t) ? Number.MAX_SAFE_INTEGER : 300;
    default:
      return 1;
  }
}

/** Bytes a buffer needs at least for the tests to hold. */
export function minimumLength(tests: readonly Test[]): number {
  let length = 0;
  for (const t of tests) length = Math.max(length, needed(t));
  return length;
}

/** The last place, from the beginning of the buffer, where a content that must stand near it can begin; Infinity: none must. */
export function lastStart(tests: readonly Test[]): number {
  let last = Number.POSITIVE_INFINITY;
  for (const t of tests) {
    if (t.kind === 'pcre' && isAnchored(t)) last = 0;
    if (t.kind !== 'content' || t.negated || isRelative(t)) continue;
    if (t.startswith) last = 0;
    else if (typeof t.depth === 'number' && typeof (t.offset ?? 0) === 'number')
      last = Math.min(last, ((t.offset ?? 0) as number) + t.depth - t.pattern.length);
  }
  return Math.max(last, 0);
}

/** It matches at the beginning of the buffer only. */
function isAnchored(t: PcreOption): boolean {
  return (
    !t.negated && !t.relative && (t.flags.includes('A') || (t.pattern.startsWith('^') && !t.flags.includes('m') && !hasBranches(t.pattern)))
  );
}

function hasBranches(pattern: string): boolean {
  return pattern.includes('|');
}

function needed(t: Test): number {
  switch (t.kind) {
    case 'content':
      return t.negated ? 0 : t.pattern.length + (isRelative(t) || typeof t.offset === 'string' ? 0 : (t.offset ?? 0));
    case 'isdataat':
      return t.negated || t.relative || typeof t.at === 'string' ? 0 : t.at + 1;
    case 'byte_test':
    case 'byte_jump':
    case 'byte_extract':
    case 'byte_math':
      return t.field.relative || typeof t.field.offset === 'string' || typeof t.field.bytes === 'string'
        ? 0
        : Math.max(0, t.field.offset + t.field.bytes);
    case 'dataset':
    case 'datarep':
      return 1;
    case 'bsize':
      return t.test.op === '=' || t.test.op === '>=' ? t.test.a : t.test.op === '>' || t.test.op === '<>' ? t.test.a + 1 : 0;
    default:
      return 0;
  }
}

/** Condition on a buffer's length, -1 of one that is not there, without which the tests cannot hold. `base`: bytes of it before those. */
export function presence(tests: readonly Test[], length: string, base?: string): string {
  const first = tests[0];
  const least = minimumLength(tests);
  const there =
    base === undefined || least === 0 ? `${length} >= ${num(least)}` : `(${length} >= 0 && ${length} + ${base} >= ${num(least)})`;
  if (first?.kind !== 'absent') return there;
  return first.orElse ? `${length} < 0 || ${there}` : `${length} < 0`;
}

export interface Window {
  /** First and last position where the pattern may begin. */
  from: string;
  to: string;
  /** The one position worth looking at, when there is only one. */
  only: string;
}

/** The pattern can stand in one place only, given the end of the test before. */
export function single(t: ContentOption): boolean {
  if (t.endswith || t.startswith) return true;
  return isRelative(t) ? t.within === t.pattern.length : t.depth === t.pattern.length;
}

/** The window ends where the buffer does: what is not found from one position is not found from a later one. */
export function unbounded(t: ContentOption): boolean {
  return isRelative(t) && t.within === undefined && t.depth === undefined && !t.startswith && !t.endswith;
}

/**
 * User guide, "Payload Keywords": offset and depth count from the start of the buffer (depth from offset),
 * distance from the end of the match before, within from there plus distance; a start before the buffer is
 * the buffer's start. Variables count with their low 32 bits, a distance as a signed number, as in Suricata. `origin`: where the buffer
 * begins, before `o` when its first bytes are not shown any more.
 */
export function window(t: ContentOption, base: string, variables: Variables, origin = 'o'): Window {
  const m = t.pattern.length;
  const low = ['o'];
  const high = ['end'];
  let only = '';
  const distance = new Sum(base).plus(t.distance ?? 0, variables, signed32);
  if (isRelative(t)) {
    const start = distance.text(true);
    low.push(start);
    only = start;
    if (t.within !== undefined) high.push(distance.plus(t.within, variables, low32).text(false));
  }
  const offset = new Sum(origin).plus(t.offset ?? 0, variables, low32);
  if (t.offset !== undefined && t.offset !== 0) low.push(offset.text(false));
  if (t.depth !== undefined) {
    if (!isRelative(t)) only = offset.text(false);
    high.push(offset.plus(t.depth, variables, low32).text(false));
  }
  if (t.startswith) {
    high.push(`${origin} + ${num(m)}`);
    only = origin;
  }
  if (t.endswith) only = `end - ${num(m)}`;
  const least = high.length === 1 ? high[0] : `Math.min(${high.join(', ')})`;
  return {
    from: low.length === 1 ? low[0] : `Math.max(${low.join(', ')})`,
    to: `${least} - ${num(m)}`,
    only,
  };
}

/** A position, plus a number, plus variables, as source text. */
class Sum {
  private constant = 0;
  private readonly terms: string[] = [];

  constructor(private readonly base: string) {}

  plus(by: Operand, variables: Variables, cast: typeof low32): this {
    if (typeof by === 'number') this.constant += by;
    else this.terms.push(cast(operand(variables, by)));
    return this;
  }

  /** `short`: without a constant of 0. */
  text(short: boolean): string {
    const zero = this.constant === 0 && (short || this.terms.length > 0);
    return [this.base, ...(zero ? [] : [num(this.constant)]), ...this.terms].join(' + ');
  }
}
