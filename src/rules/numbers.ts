import type { NumberTest } from './packet-option.js';
import { RuleError } from './rule-error.js';
import { shorten } from './text.js';

const NUMBER = '(0x[0-9a-f]+|\\d+(?:[kmg]i?b)?)';
const SINGLE = new RegExp(`^(!=|!|<=|>=|<|>|=)?\\s*${NUMBER}$`, 'i');
const RANGE = new RegExp(`^${NUMBER}\\s*(?:<>|-)\\s*${NUMBER}$`, 'i');
const UNITS: Record<string, number> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/**
 * A comparison as the user guide's "Integer Keywords" has it: `5 =5 !5 !=5 <5 <=5 >5 >=5 1<>5 1-5`,
 * ranges exclusive on both sides. Tests that can never match, or always do, are refused as in Suricata.
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
    const a = number(option, range[1], max);
    const b = number(option, range[2], max);
    if (a + 1 >= b)
      throw new RuleError(option, `range ${text} is empty: bounds are exclusive, the second must exceed the first by 2 or more`);
    return { op: '<>', a, b };
  }
  if (/^!.+(<>|-)/.test(text) || text.startsWith('&')) throw new RuleError(option, 'negated ranges and bit masks are not supported yet');
  throw new RuleError(option, `takes a number, a comparison (<5, >=5, !5) or a range (1<>5), got "${shorten(text)}"`);
}

function number(option: string, text: string, max: number): number {
  const unit = /^\d+([kmg])i?b$/i.exec(text);
  const value = unit === null ? Number(text) : Number.parseInt(text, 10) * UNITS[unit[1].toLowerCase()];
  if (!(value <= max)) throw new RuleError(option, `${shorten(text)} is out of range, 0 to ${max} are allowed`);
  return value;
}

/** Canonical text; parseNumberTest gives the same test back. */
export function printNumberTest(test: NumberTest): string {
  if (test.op === '<>') return `${test.a}<>${test.b}`;
  return `${test.op === '=' ? '' : test.op === '!=' ? '!' : test.op}${test.a}`;
}
