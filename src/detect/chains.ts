/**
 * How the tests of one buffer hang together: chains, and the window of positions each test has. What becomes of
 * them is in buffer.ts, whose head shows the code; the windows are source text in its names: `o` and `end` are the
 * buffer's first byte and the one behind its last.
 */
import type { ContentOption, PcreOption } from '../rules/byte-option.js';
import { num } from './codegen.js';

export type Test = ContentOption | PcreOption;

export function isRelative(t: Test): boolean {
  return t.kind === 'pcre' ? t.relative : t.distance !== undefined || t.within !== undefined;
}

export interface Chain {
  /** Relative ones at the head are relative to the start of the buffer. */
  tests: Test[];
  cost: number;
}

/** Splits the tests into independent chains, cheapest first. */
export function chainsOf(tests: Test[]): Chain[] {
  const chains: Chain[] = [];
  let current: Test[] | null = null;
  const alone = (t: Test) => chains.push({ tests: [t], cost: 0 });
  for (const t of tests) {
    // fast_pattern:only is not part of the order: it must occur, and moves nothing.
    const apart = t.negated || (t.kind === 'content' && t.fastPatternOnly);
    if (!isRelative(t) && apart) alone(t);
    else if (isRelative(t) && current !== null) current.push(t);
    else if (t.negated) alone(t);
    else {
      current = [t];
      chains.push({ tests: current, cost: 0 });
    }
  }
  for (const chain of chains) {
    for (const t of chain.tests) chain.cost += t.kind === 'pcre' ? 1000 : single(t) ? 1 : 10;
  }
  return chains.sort((a, b) => a.cost - b.cost);
}

/** Bytes a buffer needs at least for the tests to hold. */
export function minimumLength(tests: readonly Test[]): number {
  let length = 0;
  for (const t of tests) {
    if (t.kind === 'content' && !t.negated) length = Math.max(length, t.pattern.length + (isRelative(t) ? 0 : (t.offset ?? 0)));
  }
  return length;
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
 * the buffer's start.
 */
export function window(t: ContentOption, base: string): Window {
  const m = t.pattern.length;
  const low = ['o'];
  const high = ['end'];
  let only = '';
  if (isRelative(t)) {
    const distance = t.distance ?? 0;
    const start = distance === 0 ? base : `${base} + ${num(distance)}`;
    low.push(start);
    only = start;
    if (t.within !== undefined) high.push(`${base} + ${num(distance + t.within)}`);
  }
  if (t.offset !== undefined && t.offset !== 0) low.push(`o + ${num(t.offset)}`);
  if (t.depth !== undefined) {
    high.push(`o + ${num((t.offset ?? 0) + t.depth)}`);
    if (!isRelative(t)) only = `o + ${num(t.offset ?? 0)}`;
  }
  if (t.startswith) {
    high.push(`o + ${num(m)}`);
    only = 'o';
  }
  if (t.endswith) only = `end - ${num(m)}`;
  const least = high.length === 1 ? high[0] : `Math.min(${high.join(', ')})`;
  return {
    from: low.length === 1 ? low[0] : `Math.max(${low.join(', ')})`,
    to: `${least} - ${num(m)}`,
    only,
  };
}
