/**
 * Numbers of byte_test, byte_jump, byte_extract and byte_math as source text. For
 *
 *   byte_test:2,>,1000,4,relative,little;      behind a content that ended at e0
 *
 *   const a1 = e0 + 4;
 *   if (a1 >= o && a1 + 2 <= end) {
 *     const n1 = mem[a1 + 1] << 8 | mem[a1];
 *     if (n1 > 1000) { ... }
 *   }
 *
 * Which values are narrow and which wide is told in byte-values.ts.
 */
import type { ByteExtractOption, ByteJumpOption, ByteMathOption, ByteTestOption, NumberField, Operand } from '../rules/byte-option.js';
import { text, textTaken, textWide, wide, wideMath } from './byte-values.js';
import { type Code, num } from './codegen.js';

/** A value as source text. */
export interface Value {
  /** A name or a literal. */
  code: string;
  wide: boolean;
  /** Of a narrow one: the largest magnitude it can have, and whether it can be below 0. */
  max: number;
  negative: boolean;
}

/** Variables of byte_extract and byte_math that are set where the code stands, by name. */
export type Variables = Map<string, Value>;

const SAFE = Number.MAX_SAFE_INTEGER;
const WORD = 0xffffffff;
/** Most bytes a number has. */
const MAX_BINARY = 8;
export const MAX_TEXT = 23;

export function operand(variables: Variables, value: Operand): Value {
  if (typeof value === 'number') return { code: num(value), wide: false, max: Math.abs(value), negative: value < 0 };
  if (/^\d+$/.test(value)) return { code: `${value}n`, wide: true, max: 0, negative: false };
  const variable = variables.get(value);
  if (variable === undefined) throw new Error(`the variable ${value} is not set before it is used`);
  return variable;
}

/** Low 32 bits as an unsigned number: what Suricata's casts leave of positions. */
export function low32(v: Value): string {
  if (v.wide) return `Number(${v.code} & ${WORD}n)`;
  return v.negative || v.max > WORD ? `(${v.code} >>> 0)` : v.code;
}

/** The same, signed. */
export function signed32(v: Value): string {
  if (v.wide) return `(Number(${v.code} & ${WORD}n) | 0)`;
  return v.negative || v.max > 0x7fffffff ? `(${v.code} | 0)` : v.code;
}

function widened(v: Value): string {
  if (v.wide) return v.code;
  return v.negative ? `BigInt.asUintN(64, BigInt(${v.code}))` : `BigInt(${v.code})`;
}

/** Condition: a < b, unsigned. */
function below(a: Value, b: Value): string {
  if (a.wide || b.wide) return `${widened(a)} < ${widened(b)}`;
  if (!a.negative && !b.negative) return `${a.code} < ${b.code}`;
  return `((${a.code} < 0) === (${b.code} < 0) ? ${a.code} < ${b.code} : ${b.code} < 0)`;
}

/** Condition of a byte_test. */
export function comparison(t: ByteTestOption, a: Value, variables: Variables): string {
  const b = operand(variables, t.value);
  const wider = a.wide || b.wide;
  const [left, right] = wider ? [widened(a), widened(b)] : [a.code, b.code];
  // With one of them within 32 bits the other's high bits do not count.
  const bits = !wider && ((!a.negative && a.max <= WORD) || (!b.negative && b.max <= WORD));
  const conditions = {
    '=': `${left} === ${right}`,
    '^': `${left} !== ${right}`,
    '<': below(a, b),
    '>': below(b, a),
    '<=': `!(${below(b, a)})`,
    '>=': `!(${below(a, b)})`,
    '&': bits ? `(${a.code} & ${b.code}) !== 0` : `(${widened(a)} & ${widened(b)}) !== 0n`,
  };
  return t.negated ? `!(${conditions[t.op]})` : conditions[t.op];
}

/** `base` plus an operand, a signed one. */
export function moved(base: string, by: Operand, variables: Variables): string {
  if (typeof by === 'number') return by === 0 ? base : `${base} + ${num(by)}`;
  return `${base} + ${signed32(operand(variables, by))}`;
}

/** Longest text of each base whose value is below 2^53; behind 0x, base 0 has two digits less. */
const TEXT_NARROW = { 0: 15, 8: 17, 10: 15, 16: 13 } as const;

/**
 * The block in which the number of `field` has been read, `body` in it: it gets the number and the position behind it.
 * `base` is where the offset counts from, `n` tells names apart. With `raw` the bitmask is left to the body; `jumps`: for byte_jump.
 */
export function withNumber(
  code: Code,
  field: NumberField,
  base: string,
  n: string,
  variables: Variables,
  body: (value: Value, after: string) => void,
  raw = false,
  jumps = false,
): void {
  const at = `a${n}`;
  const name = `n${n}`;
  code.line(`const ${at} = ${moved(base, field.offset, variables)};`);
  const conditions: string[] = [];
  // `z` may lie before what is shown.
  if (typeof field.offset !== 'number' || field.offset < 0 || base === 'z') conditions.push(`${at} >= o`);
  let bytes: string;
  if (typeof field.bytes === 'number') bytes = num(field.bytes);
  else {
    bytes = `c${n}`;
    const count = operand(variables, field.bytes);
    code.line(`const ${bytes} = ${count.wide ? `Number(${count.code})` : count.code};`);
    conditions.push(`${bytes} >= 0 && ${bytes} <= ${num(field.base === undefined ? MAX_BINARY : MAX_TEXT)}`);
  }
  conditions.push(`${at} + ${bytes} <= end`);
  // A relative one must have something before it, even when it takes no bytes; a jump need not (Suricata).
  if (field.relative && !jumps && (typeof field.bytes !== 'number' || field.bytes === 0)) conditions.push(`${at} < end`);
  code.open(`if (${conditions.join(' && ')}) {`);
  const done = (v: Value, after: string) => body(field.bitmask === undefined || raw ? v : masked(code, v, field.bitmask, n), after);
  const little = field.endian === 'little';
  if (field.base !== undefined) {
    const digits = typeof field.bytes === 'number' ? field.bytes : MAX_TEXT;
    const long = digits > TEXT_NARROW[field.base];
    const max = field.base === 0 ? Math.max(10 ** digits, 16 ** (digits - 2)) : field.base ** digits;
    code.line(`const ${name} = ${code.constant(long ? textWide : text)}(mem, ${at}, ${bytes}, ${num(field.base)});`);
    code.open(long ? `if (${name} >= 0n) {` : `if (${name} === ${name}) {`);
    code.line(`const x${n} = ${at} + ${code.constant(textTaken)}();`);
    done({ code: name, wide: long, max, negative: !long }, `x${n}`);
    code.close();
  } else if (typeof field.bytes === 'number' && field.bytes <= 6) {
    code.line(`const ${name} = ${binary(at, field.bytes, little)};`);
    done({ code: name, wide: false, max: 256 ** field.bytes - 1, negative: false }, `${at} + ${bytes}`);
  } else {
    code.line(`const ${name} = ${code.constant(wide)}(mem, ${at}, ${bytes}, ${little ? 'true' : 'false'});`);
    done({ code: name, wide: true, max: SAFE, negative: false }, `${at} + ${bytes}`);
  }
  code.close();
}

/** 0 to 6 bytes as an expression. */
function binary(at: string, bytes: number, little: boolean): string {
  const byte = (i: number) => `mem[${at}${i === 0 ? '' : ` + ${num(i)}`}]`;
  // i counts from the lowest byte.
  const of = (i: number) => byte(little ? i : bytes - 1 - i);
  const word = (from: number, to: number) => {
    const parts: string[] = [];
    for (let i = to - 1; i >= from; i--) parts.push(i === from ? of(i) : `${of(i)} << ${num((i - from) * 8)}`);
    return to - from === 4 ? `((${parts.join(' | ')}) >>> 0)` : `(${parts.join(' | ')})`;
  };
  if (bytes === 0) return '0';
  return bytes <= 4 ? word(0, bytes) : `${word(4, bytes)} * 4294967296 + ${word(0, 4)}`;
}

/** The bits of `mask`, shifted down by its trailing zeros. */
function masked(code: Code, v: Value, mask: number, n: string): Value {
  const zeros = 31 - Math.clz32(mask & -mask);
  const low = v.wide ? `Number(${v.code} & ${num(mask)}n)` : `((${v.code} & ${num(mask)}) >>> 0)`;
  code.line(`const b${n} = ${low} >>> ${num(zeros)};`);
  return { code: `b${n}`, wide: false, max: mask >>> zeros, negative: false };
}

/** Where a byte_jump leads, as an expression; before the buffer is its start. */
export function jump(t: ByteJumpOption, v: Value, after: string): string {
  const from = t.from === 'beginning' ? 'o' : t.from === 'end' ? 'end' : after;
  const by = scaled(v, t.multiplier, t.align ? 4 : 0);
  const distance = by.wide ? `Number(BigInt.asIntN(64, ${by.code}))` : by.code;
  return `Math.max(o, ${from} + ${distance}${t.postOffset === 0 ? '' : ` + ${num(t.postOffset)}`})`;
}

/** What byte_extract stores; the code is an expression. */
export function extracted(t: ByteExtractOption, v: Value): Value {
  return scaled(v, t.multiplier, t.align);
}

/** The value times a number, up to a multiple of `align`. */
function scaled(v: Value, multiplier: number, align: number): Value {
  if (multiplier === 1 && align === 0) return v;
  if (v.wide || v.max * multiplier + align > SAFE) {
    const times = multiplier === 1 ? widened(v) : `BigInt.asUintN(64, ${widened(v)} * ${num(multiplier)}n)`;
    const up = align === 0 ? times : `BigInt.asUintN(64, (${times} + ${num(align - 1)}n) / ${num(align)}n * ${num(align)}n)`;
    return { code: up, wide: true, max: SAFE, negative: false };
  }
  const times = multiplier === 1 ? v.code : `${v.code} * ${num(multiplier)}`;
  const up = align === 0 ? times : `Math.ceil(${times} / ${num(align)}) * ${num(align)}`;
  return { code: up, wide: false, max: v.max * multiplier + align, negative: v.negative };
}

/** What byte_math stores, an expression, and the condition without which it does not match ('' for none). */
export function result(code: Code, t: ByteMathOption, v: Value, n: string, variables: Variables): { value: Value; condition: string } {
  const by = operand(variables, t.value);
  const condition = t.op !== '/' ? '' : typeof t.value === 'number' && t.value > 0 ? '' : `${by.code} ${by.wide ? '!== 0n' : '!== 0'}`;
  let value = narrowResult(t.op, v, by);
  if (value === null) {
    value = {
      code: `${code.constant(wideMath)}(${code.constant(t.op)}, ${widened(v)}, ${widened(by)})`,
      wide: true,
      max: SAFE,
      negative: false,
    };
  }
  if (t.field.bitmask === undefined) return { value, condition };
  const name = `r${n}`;
  // The division by 0 that the condition forbids is not carried out.
  code.line(`const ${name} = ${condition === '' ? value.code : `${condition} ? ${value.code} : ${value.wide ? '0n' : '0'}`};`);
  return { value: masked(code, { ...value, code: name }, t.field.bitmask, n), condition };
}

/** The operation on doubles where it is exact, else null. */
function narrowResult(op: ByteMathOption['op'], a: Value, b: Value): Value | null {
  if (a.wide || b.wide) return null;
  const signed = a.negative || b.negative;
  let max = a.max + b.max;
  let negative = signed;
  let expression = `${a.code} + ${b.code}`;
  if (op === '-') {
    negative = true;
    expression = `${a.code} - ${b.code}`;
  } else if (op === '*') {
    max = a.max * b.max;
    expression = `${a.code} * ${b.code}`;
  } else if (op !== '+') {
    if (signed) return null;
    max = a.max;
    if (op === '/') expression = `Math.floor(${a.code} / ${b.code})`;
    else if (op === '>>') expression = `Math.floor(${a.code} / 2 ** ${b.code})`;
    else {
      max = a.max * 2 ** b.max;
      expression = `${a.code} * 2 ** ${b.code}`;
    }
  }
  return max <= SAFE ? { code: expression, wide: false, max, negative } : null;
}
