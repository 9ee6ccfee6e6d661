import { parseNumberTest, printNumberTest } from '../numbers.js';
import type { NumberTest } from '../packet-option.js';
import { RuleError } from '../rule-error.js';
import type { IpRepOption } from '../state-option.js';
import { parseInteger, shorten, trim } from '../text.js';
import type { RuleState } from './option.js';

const OPERATORS = new Set(['<', '<=', '>', '>=', '=', '!=']);

/** `any|src|dst|both,category,operator,score` and `side,category,isset|isnotset` (user guide, "IP Reputation Keyword"). */
export function iprep({ rule }: RuleState, value: string): void {
  const [side, category, op, score, ...more] = value.split(',').map(trim);
  if (side !== 'any' && side !== 'src' && side !== 'dst' && side !== 'both')
    throw new RuleError('iprep', `side is any, src, dst or both, got "${shorten(side)}"`);
  if (category === undefined || category === '' || op === undefined || more.length > 0)
    throw new RuleError('iprep', `takes side,category,operator,score, got "${shorten(value)}"`);
  const option: IpRepOption = { kind: 'iprep', side, category, test: 'isset' };
  if (op === 'isset' || op === 'isnotset') {
    if (score !== undefined) throw new RuleError('iprep', `${op} takes no score`);
    option.test = op;
  } else {
    if (!OPERATORS.has(op) || score === undefined)
      throw new RuleError('iprep', `takes < <= > >= = != and a score, got "${shorten(value)}"`);
    // A test that always holds is of use here: it asks whether there is a score.
    const a = parseInteger('iprep', score, 0, 127);
    option.test = { op: op as NumberTest['op'], a, b: 0 };
    if (op === '<' && a === 0) parseNumberTest('iprep', '<0', 127);
  }
  rule.header.push(option);
}

/** Canonical text. */
export function printIpRep({ side, category, test }: IpRepOption): string {
  if (typeof test === 'string') return `iprep:${side},${category},${test}`;
  const text = printNumberTest(test);
  const op = /^\d/.test(text) ? '=' : test.op;
  return `iprep:${side},${category},${op},${test.a}`;
}
