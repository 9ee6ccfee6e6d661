/** Comparisons of rules as source text. */
import type { NumberTest } from '../../rules/packet-option.js';
import { num } from '../codegen.js';

/** `value` is an expression without side effects that gives an integer of 0 or more (int32 or a double). */
export function numberTest(value: string, t: NumberTest): string {
  const a = num(t.a);
  switch (t.op) {
    case '=':
      return `${value} === ${a}`;
    case '!=':
      return `${value} !== ${a}`;
    case '<':
      return `${value} < ${a}`;
    case '>':
      return `${value} > ${a}`;
    case '<=':
      return `${value} <= ${a}`;
    case '>=':
      return `${value} >= ${a}`;
    case '<>':
      return `${value} > ${a} && ${value} < ${num(t.b)}`;
    case '!<>':
      return `${value} <= ${a} || ${value} >= ${num(t.b)}`;
    case '&=':
      return `(${value} & ${num(t.a | 0)}) === ${num(t.b | 0)}`;
    case '&!=':
      return `(${value} & ${num(t.a | 0)}) !== ${num(t.b | 0)}`;
  }
}
