import type { ByteOption, ContentOption, Operand } from '../byte-option.js';
import { RuleError } from '../rule-error.js';

/**
 * What the tests of one buffer must satisfy together: the combinations Suricata documents as impossible or
 * refuses at load. `room` is the most bytes the buffer can have, `limit` the option that says so. Throws RuleError.
 */
export function checkTests(tests: readonly ByteOption[], room: number, limit = 'dsize'): void {
  if (tests.some((t) => t.kind === 'absent')) checkAbsent(tests);
  for (const t of tests) {
    if (t.kind !== 'bsize') continue;
    const most =
      t.test.op === '=' || t.test.op === '<=' ? t.test.a : t.test.op === '<' ? t.test.a - 1 : t.test.op === '<>' ? t.test.b - 1 : room;
    if (most < room) {
      room = most;
      limit = 'bsize';
    }
  }
  for (let i = 0; i < tests.length; i++) {
    const option = tests[i];
    const previous = i > 0 ? tests[i - 1] : undefined;
    if (option.kind === 'pcre') {
      if (!option.relative) continue;
      if (previous === undefined)
        throw new RuleError('pcre', 'flag R is relative to the match before it in the same buffer, and there is none');
      if (previous.kind === 'content' && previous.fastPatternOnly) throw relativeToFastPatternOnly('pcre');
    } else if (option.kind === 'content') {
      checkContent(option, room, limit);
      const relative = option.distance !== undefined ? 'distance' : option.within !== undefined ? 'within' : '';
      if (relative !== '' && previous?.kind === 'content' && previous.fastPatternOnly) throw relativeToFastPatternOnly(relative);
      if (option.nocase) lowerCase(option.pattern);
    } else if (option.kind === 'base64_decode') {
      if (option.tests.length === 0) {
        throw new RuleError('base64_decode', 'decodes for base64_data, and nothing looks there: write base64_data and a content behind it');
      }
      checkTests(option.tests, Number.POSITIVE_INFINITY);
    }
  }
}

function checkAbsent(tests: readonly ByteOption[]): void {
  const [first] = tests;
  if (first.kind !== 'absent' || tests.filter((t) => t.kind === 'absent').length > 1) {
    throw new RuleError('absent', 'must stand once, right behind its buffer');
  }
  if (first.orElse && tests.length === 1) throw new RuleError('absent', 'or_else needs other tests of the buffer behind it');
  if (!first.orElse && tests.length > 1) {
    throw new RuleError('absent', 'and other tests of the same buffer cannot both hold: write absent:or_else');
  }
  if (tests.some((t) => t.kind === 'content' && t.fastPattern)) {
    throw new RuleError('absent', 'cannot be combined with fast_pattern: there may be nothing to find');
  }
}

function relativeToFastPatternOnly(option: string): RuleError {
  return new RuleError(option, 'cannot be relative to a content with fast_pattern:only');
}

function checkContent(option: ContentOption, room: number, limit: string): void {
  const { offset, depth, distance, within, negated } = option;
  const length = option.pattern.length;
  const absolute = depth !== undefined ? 'depth' : offset !== undefined ? 'offset' : '';
  const relative = distance !== undefined ? 'distance' : within !== undefined ? 'within' : '';
  if (absolute !== '' && relative !== '') {
    throw new RuleError(
      relative,
      `is relative to the match before, ${absolute} to the start of the payload: one content takes only one kind`,
    );
  }
  if (option.startswith && (absolute !== '' || relative !== '')) {
    throw new RuleError('startswith', `cannot be combined with ${absolute || relative} for one content`);
  }
  if (number(depth, length) < length) throw new RuleError('depth', `${depth} is smaller than the ${length} bytes of its content`);
  if (number(within, length) < length) throw new RuleError('within', `${within} is smaller than the ${length} bytes of its content`);
  const placed = absolute || relative || (option.startswith ? 'startswith' : '');
  if (option.fastPatternOnly && (negated || placed !== '')) {
    throw new RuleError('fast_pattern', `only cannot be used with ${negated ? 'a negated content' : placed}`);
  }
  if (option.fastPattern && negated && placed !== '') {
    throw new RuleError('fast_pattern', `cannot be used with a negated content that has ${placed}`);
  }
  if (!negated && number(offset, 0) + length > room) {
    const what = limit === 'dsize' ? 'payload' : 'buffer';
    const needed = number(offset, 0) + length;
    throw new RuleError(limit, `the ${what} can have at most ${room} bytes, and a content needs ${needed}: the rule can never match`);
  }
}

/** Variables are not known here. */
function number(operand: Operand | undefined, otherwise: number): number {
  return typeof operand === 'number' ? operand : otherwise;
}

function lowerCase(bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] >= 0x41 && bytes[i] <= 0x5a) bytes[i] |= 0x20;
  }
}
