/**
 * The tests of a rule on one buffer as generated code. The packet's payload is a buffer like any other.
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
 * that failed once fails for ever (`t1`), and windows only move right: a chain costs O(buffer) per test.
 * A test whose window reaches to the end of the buffer ends the rule when it fails. After a regular
 * expression windows may move left; there the budget of search.ts bounds the retries.
 *
 * byte_test, isdataat and the like are conditions in the nest (byte-tests.ts); byte_jump, byte_extract and byte_math give it a
 * new position and are retried with the tests before them. Behind such a position windows may move anywhere, and with
 * a variable the same position may fail once and hold later: there, too, the budget bounds the retries.
 *
 * base64_decode calls a function made of the tests of base64_data, on what was decoded:
 *
 *   const d2 = k7(x, mem, e1, Math.min(end, e1 + 64));
 *   if (d2 > 0 && k8(p, x, d2) === 1) { ... }
 *
 * A content with `replace` has a variable of the function, q0, q1, ...: where a chain succeeds, the positions
 * of that assignment are stored there, and recorded when the whole rule has matched (matcher.ts).
 */
import type { Base64Option, ByteExtractOption, ByteMathOption, ContentOption, PcreOption } from '../rules/byte-option.js';
import { comparison, extracted, jump, moved, operand, result, type Value, type Variables, withNumber } from './byte-tests.js';
import { decode64, MAX_BASE64 } from './byte-values.js';
import { chainsOf, defined, isRelative, lastStart, moves, presence, single, type Test, unbounded, variablesOf, window } from './chains.js';
import { Code, num } from './codegen.js';
import { condition } from './conditions.js';
import { search, stands } from './contents.js';
import { regex, regexStart } from './search.js';

/** Where a buffer lies, as source text. */
export interface BufferSource {
  mem: string;
  region: string;
  off: string;
  len: string;
  /** How many bytes came before `off`, which are not shown any more; absent: none ever. */
  base?: string;
}

/** What the tests of a rule share. */
export interface EmitContext {
  code: Code;
  /** Gives a handle. */
  compileRegex: (t: PcreOption) => number;
  /** Contents whose position is wanted, and the variable for it; declared by the caller. */
  positions: Map<Test, string>;
  /** Variables set so far; the code of a name that `setterNames` gave is declared by the caller. */
  variables: Variables;
  names: Map<Test, string>;
  /** Name of the buffer the tests are on. */
  buffer: string;
  /** Where it begins: `o`, or `z`, which may lie before what is shown. Set by emitBuffer. */
  origin?: 'o' | 'z';
}

/** A JavaScript variable for each test that sets one of the rule's. */
export function setterNames(tests: readonly Test[], prefix: string): Map<Test, string> {
  return new Map(tests.filter((t) => defined(t) !== undefined).map((t, i) => [t, `${prefix}${num(i)}`]));
}

/**
 * Emits code that returns 0 from the rule's function unless all tests hold. Declares mem, o and end; where the first bytes may be gone,
 * z: the buffer's beginning, from which positions count. What stood before o is not judged: a test that needs it fails.
 */
export function emitBuffer(context: EmitContext, source: BufferSource, tests: Test[]): void {
  context.code.line(`const mem = ${source.mem}, o = ${source.off}, end = o + ${source.len};`);
  const origin = source.base === undefined ? 'o' : 'z';
  if (source.base !== undefined) context.code.line(`const z = o - ${source.base};`);
  const last = lastStart(tests);
  if (source.base !== undefined && last < Number.POSITIVE_INFINITY) context.code.line(`if (${source.base} > ${num(last)}) return 0;`);
  const chains = chainsOf(tests);
  for (let c = 0; c < chains.length; c++) new ChainEmitter({ ...context, origin }, source.region, chains[c].tests, c).emit();
}

class ChainEmitter {
  private readonly code: Code;
  /** Some test of the chain depends on more than its position. */
  private readonly variable: boolean;
  private readonly origin: 'o' | 'z';

  constructor(
    private readonly context: EmitContext,
    private readonly region: string,
    private readonly tests: Test[],
    private readonly chain: number,
  ) {
    this.code = context.code;
    this.origin = context.origin ?? 'o';
    this.variable = tests.some((t) => variablesOf(t).length > 0);
  }

  emit(): void {
    const { code, tests, chain } = this;
    if (tests.length === 1 && this.alone(tests[0])) return;
    code.open(`chain${num(chain)}: {`);
    for (let k = 1; k < tests.length; k++) if (this.tracked(k)) code.line(`let t${num(k)} = o;`);
    this.level(0, this.origin);
    // Success is a break out of the chain.
    code.line('return 0;');
    code.close();
  }

  /** Nothing but contents gives positions before test k: its windows only move right. */
  private monotone(k: number): boolean {
    for (let i = 0; i < k; i++) if (this.tests[i].kind !== 'content' && moves(this.tests[i])) return false;
    return !this.variable;
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
    const { code, tests } = this;
    if (k === tests.length) {
      this.success();
      return;
    }
    const t = tests[k];
    if (t.kind === 'content' || t.kind === 'pcre') {
      if (t.negated) {
        code.open(`if (${this.absent(t, base)}) {`);
        this.level(k + 1, base);
        code.close();
      } else if (t.kind === 'pcre') this.regexLevel(k, t, base);
      else this.contentLevel(k, t, base);
    } else this.byteLevel(k, t, base);
  }

  /** The tests that have one position at most. */
  private byteLevel(k: number, t: Exclude<Test, ContentOption | PcreOption>, base: string): void {
    const { code, context } = this;
    const { variables } = context;
    const n = num(k);
    switch (t.kind) {
      case 'byte_test':
        withNumber(code, t.field, t.field.relative ? base : this.origin, n, variables, (v) => {
          code.open(`if (${comparison(t, v, variables)}) {`);
          this.level(k + 1, base);
          code.close();
        });
        return;
      case 'byte_jump': {
        const body = (v: Value, after: string) => {
          code.line(`const e${n} = ${jump(t, v, after)};`);
          code.open(`if (e${n} < end) {`);
          this.level(k + 1, `e${n}`);
          code.close();
        };
        withNumber(code, t.field, t.field.relative ? base : this.origin, n, variables, body, false, true);
        return;
      }
      case 'byte_extract':
        withNumber(code, t.field, t.field.relative ? base : this.origin, n, variables, (v, after) => {
          this.set(t, extracted(t, v));
          code.line(`const e${n} = ${after};`);
          this.level(k + 1, `e${n}`);
        });
        return;
      case 'byte_math': {
        const body = (v: Value, after: string) => {
          const { value, condition } = result(code, t, v, n, variables);
          code.open(condition === '' ? '{' : `if (${condition}) {`);
          this.set(t, value);
          code.line(`const e${n} = ${after};`);
          this.level(k + 1, `e${n}`);
          code.close();
        };
        withNumber(code, t.field, t.field.relative ? base : this.origin, n, variables, body, true);
        return;
      }
      case 'base64_decode':
        code.line(`const d${n} = ${this.decoded(t, base)};`);
        code.open(`if (d${n} > 0 && ${this.dataMatcher(t)}(${['p', 'x', `d${n}`, ...this.passed(t)].join(', ')}) === 1) {`);
        this.level(k + 1, base);
        code.close();
        return;
      default: {
        const needed = condition(code, variables, t, base, this.context.buffer, this.origin);
        if (needed === '') this.level(k + 1, base);
        else {
          code.open(`if (${needed}) {`);
          this.level(k + 1, base);
          code.close();
        }
      }
    }
  }

  /** Stores a variable of the rule. */
  private set(t: ByteExtractOption | ByteMathOption, value: Value): void {
    const name = this.context.names.get(t)!;
    this.code.line(`${name} = ${value.code};`);
    this.context.variables.set(t.name, { ...value, code: name });
  }

  /** How many bytes were decoded. */
  private decoded(t: Base64Option, base: string): string {
    const at = moved(t.relative ? base : this.origin, t.offset, this.context.variables);
    const call = `${this.code.constant(decode64)}(x, mem, ${at}, Math.min(end, ${at} + ${num(t.bytes === 0 ? MAX_BASE64 : t.bytes)}))`;
    return this.origin === 'o' ? call : `(${at} >= o ? ${call} : 0)`;
  }

  /** Variables that the tests of base64_data look at and do not set: they are handed over. */
  private passed(t: Base64Option): string[] {
    return [...new Set(variablesOf(t).map((name) => operand(this.context.variables, name).code))];
  }

  /** The tests of base64_data as a function of the decoded length and `passed`. */
  private dataMatcher(t: Base64Option): string {
    const { context } = this;
    const code = new Code();
    const names = setterNames(t.tests, 'w');
    if (names.size > 0) code.line(`let ${[...names.values()].map((name) => `${name} = 0`).join(', ')};`);
    code.line(`if (!(${presence(t.tests, 'd')})) return 0;`);
    const source = { mem: 'x.decoded.mem', region: 'x.decoded.region', off: '0', len: 'd' };
    const inner: EmitContext = { ...context, code, positions: new Map(), variables: new Map(context.variables), names };
    emitBuffer(inner, source, t.tests);
    code.line('return 1;');
    return this.code.constant(code.build(['p', 'x', 'd', ...this.passed(t)], 0));
  }

  /** Some position of this chain is wanted. */
  private keeps(): boolean {
    return this.tests.some((t) => this.context.positions.has(t));
  }

  /** All tests of the chain hold: keeps the positions wanted and leaves it. */
  private success(): void {
    for (let k = 0; k < this.tests.length; k++) this.keep(this.tests[k], `s${num(k)}`);
    this.code.line(`break chain${num(this.chain)};`);
  }

  private keep(t: Test, at: string): void {
    const name = this.context.positions.get(t);
    if (name !== undefined) this.code.line(`${name} = ${at};`);
  }

  private contentLevel(k: number, t: ContentOption, base: string): void {
    const { code, tests, chain } = this;
    const n = num(k);
    const length = num(t.pattern.length);
    const w = window(t, base, this.context.variables, this.origin);
    if (single(t)) {
      code.line(`const s${n} = ${w.only};`);
      code.open(`if (${stands(code, t, `s${n}`, w)}) {`);
      code.line(`const e${n} = s${n} + ${length};`);
      this.level(k + 1, `e${n}`);
      code.close();
      return;
    }
    // Not found up to the end of the buffer: no other choice of the tests before can help.
    const final = k === 0 || (unbounded(t) && this.monotone(k));
    if (k === tests.length - 1) {
      if (this.keeps()) {
        code.line(`const s${n} = ${search(code, t, w.from, w.to)};`);
        code.open(`if (s${n} >= 0) {`);
        this.success();
        code.close();
      } else code.line(`if (${search(code, t, w.from, w.to)} >= 0) break chain${num(chain)};`);
      if (final) code.line('return 0;');
      return;
    }
    const tracked = this.tracked(k);
    code.line(`let s${n} = ${tracked ? `Math.max(${w.from}, t${n})` : w.from};`);
    code.line(`const u${n} = ${w.to};`);
    code.open(`l${n}: for (;;) {`);
    code.line(`s${n} = ${search(code, t, `s${n}`, `u${n}`)};`);
    code.line(`if (s${n} < 0) ${final ? 'return 0;' : `break l${n};`}`);
    code.line(`const e${n} = s${n} + ${length};`);
    this.level(k + 1, `e${n}`);
    code.line(`s${n} = s${n} + 1 | 0;`);
    if (tracked) code.line(`t${n} = s${n};`);
    code.close();
    if (tracked) code.line(`if (t${n} <= u${n}) t${n} = u${n} + 1;`);
  }

  private regexLevel(k: number, t: PcreOption, base: string): void {
    const { code, tests } = this;
    const n = num(k);
    const b = t.relative && base !== 'z' ? base : 'o';
    if (k === tests.length - 1) {
      code.open(`if (${this.run(t, b, '0')} >= 0) {`);
      this.success();
      code.close();
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

  /** A chain of one test as a plain condition; false when it needs more. */
  private alone(t: Test): boolean {
    const { code } = this;
    const at = `only${num(this.chain)}`;
    if (t.kind !== 'content' && t.kind !== 'pcre') {
      if (t.kind === 'base64_decode' || t.kind.startsWith('byte_')) return false;
      const needed = condition(code, this.context.variables, t, this.origin, this.context.buffer, this.origin);
      if (needed !== '') code.line(`if (!(${needed})) return 0;`);
    } else if (t.negated) code.line(`if (!(${this.absent(t, this.origin)})) return 0;`);
    else if (t.kind === 'pcre') code.line(`if (${this.run(t, 'o', '0')} < 0) return 0;`);
    else {
      const w = window(t, this.origin, this.context.variables, this.origin);
      if (single(t)) {
        code.line(`const ${at} = ${w.only};`);
        code.line(`if (!(${stands(code, t, at, w)})) return 0;`);
        this.keep(t, at);
      } else if (this.keeps()) {
        code.line(`const ${at} = ${search(code, t, w.from, w.to)};`);
        code.line(`if (${at} < 0) return 0;`);
        this.keep(t, at);
      } else code.line(`if (${search(code, t, w.from, w.to)} < 0) return 0;`);
    }
    return true;
  }

  private run(t: PcreOption, base: string, start: string): string {
    const { code } = this;
    return `${code.constant(regex)}(x, ${num(this.context.compileRegex(t))}, ${this.region}, ${base}, end - ${base}, ${start})`;
  }

  /** Condition: the negated test's pattern is not there. */
  private absent(t: ContentOption | PcreOption, base: string): string {
    // -2, a limit, decides nothing: the rule does not match.
    if (t.kind === 'pcre') return `${this.run(t, t.relative && base !== 'z' ? base : 'o', '0')} === -1`;
    const w = window(t, base, this.context.variables, this.origin);
    const isNear = this.origin === 'z' && !isRelative(t) && (t.startswith || t.depth !== undefined);
    // Whether it stands where nothing is shown nobody knows.
    const known = isNear ? `${moved('z', t.offset ?? 0, this.context.variables)} >= o && ` : '';
    if (single(t)) return `${known}!(${stands(this.code, t, `(${w.only})`, w)})`;
    return `${known}${search(this.code, t, w.from, w.to)} < 0`;
  }
}
