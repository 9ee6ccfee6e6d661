import type { NumberTest } from './packet-option.js';
import { RuleError } from './rule-error.js';
import { shorten } from './text.js';

const NUMBER = '(0x[0-9a-f]+|\\d+(?:[kmg]i?b)?)';
const SINGLE = new RegExp(`^(!=|!|<=|>=|<|>|=)?\\s*${NUMBER}$`, 'i');
const RANGE = new RegExp(`^(!)?\\s*${NUMBER}\\s*(?:<>|-)\\s*${NUMBER}$`, 'i');
const MASK = new RegExp(`^&\\s*${NUMBER}\\s*(!?=)\\s*${NUMBER}$`, 'i');
const UNITS: Record<string, number> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
/** Bit operations are on 32 bits. */
const MAX_MASK = 0xffffffff;

export const UINT16_MAX = 0xffff;
export const UINT32_MAX = 0xffffffff;
/** Suricata's 64-bit numbers, as far as a double is exact. */
export const UINT64_MAX = Number.MAX_SAFE_INTEGER;

/**
 * A comparison as the user guide's "Integer Keywords" has it: `5 =5 !5 !=5 <5 <=5 >5 >=5 1<>5 1-5 !1-5 &0xc0=0x80 &0xc0!=0`,
 * ranges exclusive on both sides, numbers in decimal, hexadecimal or with a unit (`2kb`). Tests that can never match, or always
 * do, are refused as in Suricata.
 */
export function parseNumberTest(option: string, text: string, max: number): NumberTest {
  const single = SINGLE.exec(text);
  if (single !== null) {
    const a = number(option, single[2], max);
    const sign = single[1] ?? '=';
    const op = sign === '!' ? '!=' : (sign as NumberTest['op']);
    if ((op === '<' && a === 0) || (op === '>' && a === max)) throw new RuleError(option, `${text} can never match`);
    if ((op === '>=' && a === 0) || (op === '<=' && a === max)) throw new RuleError(option, `${text} always matches`);
    return { op, a, b: 0 };
  }
  const range = RANGE.exec(text);
  if (range !== null) {
    const a = number(option, range[2], max);
    const b = number(option, range[3], max);
    if (a + 1 >= b)
      throw new RuleError(option, `range ${text} is empty: bounds are exclusive, the second must exceed the first by 2 or more`);
    return { op: range[1] === undefined ? '<>' : '!<>', a, b };
  }
  const mask = MASK.exec(text);
  if (mask !== null) {
    const a = number(option, mask[1], Math.min(max, MAX_MASK));
    const b = number(option, mask[3], Math.min(max, MAX_MASK));
    if ((b & ~a) !== 0) throw new RuleError(option, `${shorten(text)} compares bits outside its mask: write a value within ${mask[1]}`);
    if (a === 0) throw new RuleError(option, `${shorten(text)} has an empty mask: name a bit at least`);
    return { op: mask[2] === '=' ? '&=' : '&!=', a, b };
  }
  throw new RuleError(
    option,
    `takes a number, a comparison (<5, >=5, !5), a range (1<>5, !1-5) or a mask (&0xc0=0x80), got "${shorten(text)}"`,
  );
}

function number(option: string, text: string, max: number): number {
  const unit = /^\d+([kmg])i?b$/i.exec(text);
  const value = unit === null ? Number(text) : Number.parseInt(text, 10) * UNITS[unit[1].toLowerCase()];
  if (!(value <= max)) throw new RuleError(option, `${shorten(text)} is out of range, 0 to ${max} are allowed`);
  return value;
}

/** Canonical text; parseNumberTest gives the same test back. */
export function printNumberTest(test: NumberTest): string {
  switch (test.op) {
    case '=':
      return String(test.a);
    case '!=':
      return `!${test.a}`;
    case '<>':
      return `${test.a}<>${test.b}`;
    case '!<>':
      return `!${test.a}<>${test.b}`;
    case '&=':
    case '&!=':
      return `&0x${test.a.toString(16)}${test.op.slice(1)}0x${test.b.toString(16)}`;
    default:
      return `${test.op}${test.a}`;
  }
}

/** Whether a value passes. Generated code has its own form of this (src/detect/tests/number.ts). */
export function numberPasses(test: NumberTest, v: number): boolean {
  switch (test.op) {
    case '=':
      return v === test.a;
    case '!=':
      return v !== test.a;
    case '<':
      return v < test.a;
    case '>':
      return v > test.a;
    case '<=':
      return v <= test.a;
    case '>=':
      return v >= test.a;
    case '<>':
      return v > test.a && v < test.b;
    case '!<>':
      return v <= test.a || v >= test.b;
    case '&=':
      return ((v & test.a) ^ test.b) === 0;
    case '&!=':
      return ((v & test.a) ^ test.b) !== 0;
  }
}
