import type { ByteOption, ContentOption } from '../byte-option.js';
import type { RuleContext } from '../context.js';
import type { Rule } from '../rule.js';
import { RuleError } from '../rule-error.js';

/** What the handlers of a rule's options share: the rule as far as it is read. */
export interface RuleState {
  rule: Rule;
  context: RuleContext;
  /** The sticky buffer that content and pcre go to now; '' = the packet's payload. */
  buffer: string;
  /** The content that modifiers apply to; undefined before the first of the buffer. */
  content: ContentOption | undefined;
  /** Keywords seen so far. */
  seen: Set<string>;
  /** priority was written in the rule. */
  explicitPriority: boolean;
}

/**
 * One keyword. To add one: write a handler in a file of this folder and enter it in that file's table.
 * The parser has already checked the value's presence and taken `!` and quotes off as told here.
 */
export interface OptionSpec {
  value: 'none' | 'required' | 'optional';
  /** The value must (`yes`) or may (`maybe`) stand in double quotes; without this they belong to the value. */
  quoted?: 'yes' | 'maybe';
  /** `!` may precede the value. */
  negatable?: boolean;
  /** The keyword may stand once in a rule. */
  once?: boolean;
  /** `name` is the keyword as written (it may have an alias). Throws RuleError. */
  apply(state: RuleState, value: string, negated: boolean, name: string): void;
}

export type OptionTable = Record<string, OptionSpec>;

/** The tests of the buffer that is set now. */
export function currentTests({ rule, buffer }: RuleState): ByteOption[] {
  return buffer === '' ? rule.payload : rule.buffers.find((b) => b.buffer === buffer)!.tests;
}

/** Every test of the rule on bytes, the payload's first. */
export function allTests(rule: Rule): ByteOption[] {
  return rule.buffers.length === 0 ? rule.payload : [rule.payload, ...rule.buffers.map((b) => b.tests)].flat();
}

/** The content a modifier stands behind. */
export function contentBefore(state: RuleState, name: string): ContentOption {
  if (state.content === undefined)
    throw new RuleError(name, 'modifies the content before it, and there is none: write it behind a content');
  return state.content;
}
