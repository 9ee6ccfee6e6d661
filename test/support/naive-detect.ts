import type { ByteOption, ContentOption, NumberField, Operand, PcreOption } from '../../src/rules/byte-option.js';
import { numberPasses } from '../../src/rules/numbers.js';
import type { Rule } from '../../src/rules/rule.js';

/**
 * The payload tests of a rule, read off the user guide ("Payload Keywords") as plainly as possible: tests in
 * the order written, every position of every content tried, exhaustive recursion. The oracle of the
 * property tests; slow on purpose. Regular expressions are JavaScript's own.
 */
export function naivePayload(tests: ByteOption[], payload: Uint8Array): boolean {
  return payload.length > 0 && naivePositions(tests, payload) !== null;
}

/** The same of a rule on application layer buffers: each it names must be there, if only empty. */
export function naiveTransaction(rule: Rule, payload: Uint8Array, buffers: Record<string, Uint8Array | undefined>): boolean {
  const holds = rule.buffers.every(({ buffer, tests }) => {
    const bytes = buffers[buffer];
    const [first] = tests;
    if (first?.kind !== 'absent') return bytes !== undefined && naivePositions(tests, bytes) !== null;
    return bytes === undefined || (first.orElse && naivePositions(tests.slice(1), bytes) !== null);
  });
  return holds && (rule.payload.length === 0 || naivePayload(rule.payload, payload));
}

/** Values of byte_extract and byte_math so far, as unsigned integers of 64 bits. */
type Values = Readonly<Record<string, bigint>>;

/** Where each test matches in the first assignment that satisfies all (earliest positions first; -1 for tests without), or null. */
export function naivePositions(tests: ByteOption[], bytes: Uint8Array): number[] | null {
  return from(tests, 0, 0, bytes, {});
}

/** One way in which a test holds: the place behind it, and the variables then. */
interface Way {
  end: number;
  values?: Values;
}

/** Do tests[i..] hold when the last positive match ended at `previous`? */
function from(tests: ByteOption[], i: number, previous: number, payload: Uint8Array, values: Values): number[] | null {
  if (i === tests.length) return [];
  const t = tests[i];
  for (const way of waysOf(t, previous, payload, values)) {
    const rest = from(tests, i + 1, way.end, payload, way.values ?? values);
    if (rest === null) continue;
    const at = t.kind === 'content' && !t.negated ? way.end - t.pattern.length : t.kind === 'pcre' && !t.negated ? way.end : -1;
    return [at, ...rest];
  }
  return null;
}

function waysOf(t: ByteOption, previous: number, payload: Uint8Array, values: Values): Way[] {
  const holds = (condition: boolean): Way[] => (condition ? [{ end: previous }] : []);
  const value = (operand: Operand): bigint => (typeof operand === 'number' || /^\d/.test(operand) ? BigInt(operand) : values[operand]);
  switch (t.kind) {
    case 'content':
    case 'pcre': {
      const ends = t.kind === 'pcre' ? regexEnds(t, previous, payload) : contentEnds(t, previous, payload, value);
      if (t.negated) return holds(ends.length === 0);
      return t.kind === 'content' && t.fastPatternOnly ? holds(ends.length > 0) : ends.map((end) => ({ end }));
    }
    case 'isdataat': {
      const at = value(t.at) + BigInt(t.relative ? previous : 0);
      return holds((t.relative ? at <= BigInt(payload.length) : at < BigInt(payload.length)) !== t.negated);
    }
    case 'byte_test': {
      const read = number(t.field, previous, payload, value);
      if (read === null) return [];
      const a = masked(t.field, read.value);
      const b = value(t.value);
      const results = { '<': a < b, '>': a > b, '=': a === b, '<=': a <= b, '>=': a >= b, '&': (a & b) !== 0n, '^': a !== b };
      return holds(results[t.op] !== t.negated);
    }
    case 'byte_jump': {
      const read = number(t.field, previous, payload, value);
      if (read === null) return [];
      let by = masked(t.field, read.value) * BigInt(t.multiplier);
      if (t.align) by += (4n - (by % 4n)) % 4n;
      const base = t.from === 'beginning' ? 0 : t.from === 'end' ? payload.length : read.end;
      const target = BigInt(base) + BigInt.asIntN(64, by + BigInt(t.postOffset));
      if (target >= BigInt(payload.length)) return [];
      return [{ end: target < 0n ? 0 : Number(target) }];
    }
    case 'byte_extract': {
      const read = number(t.field, previous, payload, value);
      if (read === null) return [];
      let stored = BigInt.asUintN(64, masked(t.field, read.value) * BigInt(t.multiplier));
      if (t.align !== 0) stored += (BigInt(t.align) - (stored % BigInt(t.align))) % BigInt(t.align);
      return [{ end: read.end, values: { ...values, [t.name]: BigInt.asUintN(64, stored) } }];
    }
    case 'byte_math': {
      const read = number(t.field, previous, payload, value);
      if (read === null) return [];
      const stored = math(t.op, read.value, value(t.value));
      return stored === null ? [] : [{ end: read.end, values: { ...values, [t.name]: masked(t.field, stored) } }];
    }
    case 'bsize':
      return holds(numberPasses(t.test, payload.length));
    case 'base64_decode': {
      const start = (t.relative ? previous : 0) + t.offset;
      const part = payload.subarray(start, t.bytes === 0 ? undefined : start + t.bytes);
      const text = /^[A-Za-z0-9+/]*/.exec(Buffer.from(part).toString('latin1'))![0];
      const decoded = Buffer.from(text.length % 4 === 1 ? text.slice(0, -1) : text, 'base64');
      return holds(decoded.length > 0 && from(t.tests, 0, 0, decoded, values) !== null);
    }
    default:
      throw new Error(`the naive interpreter does not know ${t.kind}`);
  }
}

/** The number of a field and the place behind it; null when it is not there. */
function number(
  field: NumberField,
  previous: number,
  payload: Uint8Array,
  value: (operand: Operand) => bigint,
): { value: bigint; end: number } | null {
  const at = (field.relative ? previous : 0) + Number(BigInt.asIntN(32, value(field.offset)));
  const n = Number(value(field.bytes));
  if (at < 0 || n > (field.base === undefined ? 8 : 23) || at + n > payload.length || (field.relative && at >= payload.length)) return null;
  const bytes = payload.subarray(at, at + n);
  if (field.base === undefined) {
    const big = field.endian === 'little' ? bytes.toReversed() : bytes;
    return { value: BigInt(`0x0${Buffer.from(big).toString('hex')}`), end: at + n };
  }
  const grammar = {
    0: /^[ \t-\r]*([+-]?)(?:(0x[0-9a-f]+)|(0[0-7]*)|([1-9]\d*))/i,
    8: /^[ \t-\r]*([+-]?)()([0-7]+)()/,
    10: /^[ \t-\r]*([+-]?)()()(\d+)/,
    16: /^[ \t-\r]*([+-]?)((?:0x)?[0-9a-f]+)()()/i,
  }[field.base];
  const match = grammar.exec(Buffer.from(bytes).toString('latin1'));
  if (match === null) return null;
  const [whole, sign, hex, octal, decimal] = match;
  const read = hex ? BigInt(`0x${hex.replace(/^0x/i, '')}`) : octal ? BigInt(`0o${octal}`) : BigInt(decimal);
  if (read >= 1n << 64n) return null;
  return { value: BigInt.asUintN(64, sign === '-' ? -read : read), end: at + whole.length };
}

function masked(field: NumberField, value: bigint): bigint {
  if (field.bitmask === undefined) return value;
  let mask = BigInt(field.bitmask);
  let result = value & mask;
  for (; (mask & 1n) === 0n; mask >>= 1n) result >>= 1n;
  return result;
}

function math(op: string, a: bigint, b: bigint): bigint | null {
  if (op === '/') return b === 0n ? null : a / b;
  if (op === '<<') return b > 63n ? 0n : BigInt.asUintN(64, a << b);
  if (op === '>>') return b > 63n ? 0n : a >> b;
  return BigInt.asUintN(64, op === '+' ? a + b : op === '-' ? a - b : a * b);
}

/** All places where a content may end. */
function contentEnds(t: ContentOption, previous: number, payload: Uint8Array, value: (operand: Operand) => bigint): number[] {
  const ends: number[] = [];
  const relative = t.distance !== undefined || t.within !== undefined;
  const unsigned = (operand: Operand | undefined): number => Number(BigInt.asUintN(32, value(operand ?? 0)));
  const distance = Number(BigInt.asIntN(32, value(t.distance ?? 0)));
  for (let at = 0; at + t.pattern.length <= payload.length; at++) {
    const end = at + t.pattern.length;
    if (!t.pattern.every((b, k) => b === (t.nocase ? lower(payload[at + k]) : payload[at + k]))) continue;
    if (relative) {
      if (at < previous + distance) continue;
      if (t.within !== undefined && end > previous + distance + unsigned(t.within)) continue;
    }
    if (t.offset !== undefined && at < unsigned(t.offset)) continue;
    if (t.depth !== undefined && end > unsigned(t.offset) + unsigned(t.depth)) continue;
    if (t.startswith && at !== 0) continue;
    if (t.endswith && end !== payload.length) continue;
    ends.push(end);
  }
  return ends;
}

function lower(b: number): number {
  return b >= 65 && b <= 90 ? b + 32 : b;
}

/** Ends of the leftmost match from each start, as PCRE reports them. */
function regexEnds(t: PcreOption, previous: number, payload: Uint8Array): number[] {
  const base = t.relative ? previous : 0;
  const text = Buffer.from(payload.subarray(base)).toString('latin1');
  const expression = new RegExp(t.pattern, `g${t.flags.replace(/[^ims]/g, '')}`);
  const ends: number[] = [];
  for (let start = 0; start <= text.length; start++) {
    expression.lastIndex = start;
    const m = expression.exec(text);
    if (m === null) break;
    ends.push(base + m.index + m[0].length);
    start = m.index;
  }
  return ends;
}
