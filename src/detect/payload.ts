/**
 * The payload tests of one rule as generated code.
 *
 * Contents and regular expressions form chains: an absolute one begins a chain, each relative one
 * (distance, within, R) continues it. The rule matches when every chain has some assignment of positions, so
 * chains are independent of each other and run cheapest first. Absolute negated tests stand alone.
 *
 * Within a chain, when a later test fails the earlier ones are retried from their next occurrence (as
 * Suricata does by recursion). Here that is a nest of loops, one per positive test. For
 *
 *   content:"ab"; content:"cd"; distance:1; within:8; content:!"x"; distance:0; within:4; content:"ef"; distance:0;
 *
 *   chain0: {
 *     let t1 = o;                                               // "cd" before here has failed
 *     let s0 = o;
 *     const u0 = end - 2;
 *     l0: for (;;) {
 *       s0 = find(x, mem, s0, u0, k0, k1);                      // "ab"
 *       if (s0 < 0) return 0;
 *       const e0 = s0 + 2;
 *       let s1 = Math.max(o, e0 + 1, t1);                       // "cd"
 *       const u1 = Math.min(end, e0 + 9) - 2;
 *       l1: for (;;) {
 *         s1 = find(x, mem, s1, u1, k2, k3);
 *         if (s1 < 0) break l1;
 *         const e1 = s1 + 2;
 *         if (find("x" in e1 .. e1 + 4) < 0) {                  // negated: no loop, no new position
 *           if (find("ef" in e1 .. end) >= 0) break chain0;     // last: no loop either
 *           return 0;                                           // nor from any later position
 *         }
 *         s1 = s1 + 1 | 0;
 *         t1 = s1;
 *       }
 *       if (t1 <= u1) t1 = u1 + 1;
 *       s0 = s0 + 1 | 0;
 *     }
 *   }
 *
 * What keeps this linear: a test's window depends only on where the test before it ended, so a position
 * that failed once fails for ever (`t1`), and windows only move right: a chain costs O(payload) per test.
 * A test whose window reaches to the end of the payload ends the rule when it fails. After a regular
 * expression windows may move left; there the budget of search.ts bounds the retries.
 */
import type { ContentOption, PcreOption, Rule } from '../rules/rule.js';
import { type Code, num } from './codegen.js';
import { equals, equalsNocase, find, findNocase, regex, regexStart, shiftTable } from './search.js';

type Test = ContentOption | PcreOption;

export function isRelative(t: Test): boolean {
  return t.kind === 'pcre' ? t.relative : t.distance !== undefined || t.within !== undefined;
}

interface Chain {
  /** Relative ones at the head are relative to the start of the payload. */
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

/** Bytes a payload needs at least for the rule to match. */
export function minimumLength(rule: Rule): number {
  let length = rule.payload.length > 0 ? 1 : 0;
  for (const t of rule.payload) {
    if (t.kind === 'content' && !t.negated) length = Math.max(length, t.pattern.length + (isRelative(t) ? 0 : (t.offset ?? 0)));
  }
  return length;
}

/** Emits code that returns 0 from the rule's function unless all payload tests hold. `compileRegex` gives a handle. */
export function emitPayload(code: Code, rule: Rule, compileRegex: (t: PcreOption) => number): void {
  code.line('const mem = p.mem, o = p.payloadOff, end = o + p.payloadLen;');
  const chains = chainsOf(rule.payload);
  for (let c = 0; c < chains.length; c++) new ChainEmitter(code, chains[c].tests, c, compileRegex).emit();
  code.line('if (x.budget < 0) return 0;');
}

class ChainEmitter {
  constructor(
    private readonly code: Code,
    private readonly tests: Test[],
    private readonly chain: number,
    private readonly compileRegex: (t: PcreOption) => number,
  ) {}

  emit(): void {
    const { code, tests, chain } = this;
    if (tests.length === 1) {
      this.alone(tests[0]);
      return;
    }
    code.open(`chain${num(chain)}: {`);
    for (let k = 1; k < tests.length; k++) if (this.tracked(k)) code.line(`let t${num(k)} = o;`);
    this.level(0, 'o');
    // Success is a break out of the chain.
    code.line('return 0;');
    code.close();
  }

  /** No regular expression stands before test k: its windows only move right. */
  private monotone(k: number): boolean {
    for (let i = 0; i < k; i++) if (this.tests[i].kind === 'pcre' && !this.tests[i].negated) return false;
    return true;
  }

  /** Test k keeps its first untried position from one window to the next. */
  private tracked(k: number): boolean {
    const t = this.tests[k];
    return k > 0 && k < this.tests.length - 1 && t.kind === 'content' && !t.negated && !single(t) && !unbounded(t) && this.monotone(k);
  }

  /**
   * Test k and all after it; `base` is the end of the positive test before. The emitted code breaks out of
   * the chain when they hold and falls through (or returns 0) when not.
   */
  private level(k: number, base: string): void {
    const { code, tests, chain } = this;
    if (k === tests.length) {
      code.line(`break chain${num(chain)};`);
      return;
    }
    const t = tests[k];
    if (t.negated) {
      code.open(`if (${this.absent(t, base)}) {`);
      this.level(k + 1, base);
      code.close();
    } else if (t.kind === 'pcre') this.regexLevel(k, t, base);
    else this.contentLevel(k, t, base);
  }

  private contentLevel(k: number, t: ContentOption, base: string): void {
    const { code, tests, chain } = this;
    const n = num(k);
    const length = num(t.pattern.length);
    const w = window(t, base);
    if (single(t)) {
      code.line(`const s${n} = ${w.only};`);
      code.open(`if (${this.stands(t, `s${n}`, w)}) {`);
      code.line(`const e${n} = s${n} + ${length};`);
      this.level(k + 1, `e${n}`);
      code.close();
      return;
    }
    // Not found up to the end of the payload: no other choice of the tests before can help.
    const final = k === 0 || (unbounded(t) && this.monotone(k));
    if (k === tests.length - 1) {
      code.line(`if (${this.search(t, w.from, w.to)} >= 0) break chain${num(chain)};`);
      if (final) code.line('return 0;');
      return;
    }
    const tracked = this.tracked(k);
    code.line(`let s${n} = ${tracked ? `Math.max(${w.from}, t${n})` : w.from};`);
    code.line(`const u${n} = ${w.to};`);
    code.open(`l${n}: for (;;) {`);
    code.line(`s${n} = ${this.search(t, `s${n}`, `u${n}`)};`);
    code.line(`if (s${n} < 0) ${final ? 'return 0;' : `break l${n};`}`);
    code.line(`const e${n} = s${n} + ${length};`);
    this.level(k + 1, `e${n}`);
    code.line(`s${n} = s${n} + 1 | 0;`);
    if (tracked) code.line(`t${n} = s${n};`);
    code.close();
    if (tracked) code.line(`if (t${n} <= u${n}) t${n} = u${n} + 1;`);
  }

  private regexLevel(k: number, t: PcreOption, base: string): void {
    const { code, tests, chain } = this;
    const n = num(k);
    const b = t.relative ? base : 'o';
    if (k === tests.length - 1) {
      code.line(`if (${this.run(t, b, '0')} >= 0) break chain${num(chain)};`);
      return;
    }
    code.line(`let s${n} = 0;`);
    code.open(`while (s${n} <= end - ${b}) {`);
    code.line(`const m${n} = ${this.run(t, b, `s${n}`)};`);
    code.line(`if (m${n} < 0) break;`);
    // Next from behind this match's start; \K may have moved that, so never back.
    code.line(`s${n} = Math.max(s${n}, ${code.constant(regexStart)}()) + 1;`);
    code.line(`const e${n} = ${b} + m${n};`);
    this.level(k + 1, `e${n}`);
    code.close();
  }

  /** A chain of one test: a plain condition. */
  private alone(t: Test): void {
    const { code } = this;
    const at = `only${num(this.chain)}`;
    if (t.negated) code.line(`if (!(${this.absent(t, 'o')})) return 0;`);
    else if (t.kind === 'pcre') code.line(`if (${this.run(t, 'o', '0')} < 0) return 0;`);
    else {
      const w = window(t, 'o');
      if (single(t)) {
        code.line(`const ${at} = ${w.only};`);
        code.line(`if (!(${this.stands(t, at, w)})) return 0;`);
      } else code.line(`if (${this.search(t, w.from, w.to)} < 0) return 0;`);
    }
  }

  private run(t: PcreOption, base: string, start: string): string {
    const { code } = this;
    return `${code.constant(regex)}(x, ${num(this.compileRegex(t))}, p.region, ${base}, end - ${base}, ${start})`;
  }

  /** Condition: the negated test's pattern is not there. */
  private absent(t: Test, base: string): string {
    // -2, a limit, decides nothing: the rule does not match.
    if (t.kind === 'pcre') return `${this.run(t, t.relative ? base : 'o', '0')} === -1`;
    const w = window(t, base);
    if (single(t)) return `!(${this.stands(t, `(${w.only})`, w)})`;
    return `${this.search(t, w.from, w.to)} < 0`;
  }

  private search(t: ContentOption, from: string, to: string): string {
    const { code } = this;
    const shift = shiftTable(t.pattern, t.nocase);
    return `${code.constant(t.nocase ? findNocase : find)}(x, mem, ${from}, ${to}, ${code.constant(t.pattern)}, ${code.constant(shift)})`;
  }

  /** Condition: the pattern stands at `at`, which lies in the window. */
  private stands(t: ContentOption, at: string, w: Window): string {
    const { code } = this;
    const conditions = [`${at} >= ${w.from}`, `${at} <= ${w.to}`];
    const bytes = t.pattern;
    if (bytes.length <= 8) {
      for (let i = 0; i < bytes.length; i++) {
        const b = bytes[i];
        const read = `mem[${at} + ${num(i)}]`;
        conditions.push(t.nocase && b >= 97 && b <= 122 ? `(${read} | 32) === ${num(b)}` : `${read} === ${num(b)}`);
      }
    } else conditions.push(`${code.constant(t.nocase ? equalsNocase : equals)}(mem, ${at}, ${code.constant(bytes)})`);
    return conditions.join(' && ');
  }
}

interface Window {
  /** First and last position where the pattern may begin. */
  from: string;
  to: string;
  /** The one position worth looking at, when there is only one. */
  only: string;
}

/** The pattern can stand in one place only, given the end of the test before. */
function single(t: ContentOption): boolean {
  if (t.endswith || t.startswith) return true;
  return isRelative(t) ? t.within === t.pattern.length : t.depth === t.pattern.length;
}

/** The window ends where the payload does: what is not found from one position is not found from a later one. */
function unbounded(t: ContentOption): boolean {
  return isRelative(t) && t.within === undefined && t.depth === undefined && !t.startswith && !t.endswith;
}

/**
 * User guide, "Payload Keywords": offset and depth count from the start of the payload (depth from offset),
 * distance from the end of the match before, within from there plus distance; a start before the payload is
 * the payload's start.
 */
function window(t: ContentOption, base: string): Window {
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
