import type { ByteOption, ContentOption } from '../byte-option.js';
import type { RuleContext } from '../context.js';
import type { BufferTests, Rule } from '../rule.js';
import { RuleError } from '../rule-error.js';
import type { Transform } from '../transform.js';

/** What the handlers of a rule's options share: the rule as far as it is read. */
export interface RuleState {
  rule: Rule;
  context: RuleContext;
  /** The sticky buffer that content and pcre go to now; '' = the packet's payload. */
  buffer: string;
  /** Its tests; undefined for the payload. Takes transforms as long as it has none. */
  entry: BufferTests | undefined;
  /** The content that modifiers apply to; undefined before the first of the buffer. */
  content: ContentOption | undefined;
  /** The test on bytes that was written last, wherever it went: what relative ones behind older options are relative to. */
  last?: ByteOption;
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
export function currentTests({ rule, entry }: RuleState): ByteOption[] {
  return entry === undefined ? rule.payload : entry.tests;
}

/** The tests of a buffer that an older option names behind a test (`http_uri`, pcre's U): the payload stays set. */
export function legacyTests({ rule }: RuleState, buffer: string): ByteOption[] {
  let entry = rule.buffers.find((b) => b.buffer === buffer && b.transforms.length === 0 && b.way === undefined);
  if (entry === undefined) {
    entry = { buffer, transforms: [], tests: [] };
    rule.buffers.push(entry);
  }
  return entry.tests;
}

/** Puts a transform on the buffer that was named last, for the tests behind it. */
export function addTransform(state: RuleState, transform: Transform): void {
  if (state.buffer === 'base64_data') throw new RuleError(transform.name, 'cannot transform base64_data: name a sticky buffer before it');
  if (state.entry === undefined && state.seen.has('pkt_data') && state.content === undefined) {
    // The payload as a buffer of its own.
    state.buffer = 'pkt_data';
    state.entry = { buffer: 'pkt_data', transforms: [], tests: [] };
    state.rule.buffers.push(state.entry);
  }
  if (state.entry === undefined) throw new RuleError(transform.name, 'transforms a sticky buffer: name one before it');
  if (state.entry.tests.length > 0) {
    if (state.entry.transforms.length > 0) {
      throw new RuleError(transform.name, `must stand right behind ${state.buffer}, before its first test: name the buffer again`);
    }
    // What stands before it looks at the buffer as it is (Suricata).
    state.entry = { buffer: state.entry.buffer, transforms: [], tests: [] };
    state.rule.buffers.push(state.entry);
  }
  state.entry.transforms.push(transform);
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
