import { BUFFERS } from '../../app-layer/buffers.js';
import type { BufferTests } from '../rule.js';
import { RuleError } from '../rule-error.js';
import type { OptionSpec, OptionTable, RuleState } from './option.js';

/**
 * Sticky buffers (user guide, "Rules Format", "Sticky buffers"): content, pcre and their modifiers go to the
 * buffer named last, until another is named or `pkt_data` returns to the payload. A buffer that comes again
 * goes on where it stopped: it is one list of tests. A buffer is added in app-layer/buffers.ts alone.
 */
export const BUFFER_OPTIONS: OptionTable = {
  ...Object.fromEntries(BUFFERS.map(({ name }): [string, OptionSpec] => [name, { value: 'none', apply: (state) => enter(state, name) }])),
  pkt_data: { value: 'none', apply: (state) => enter(state, '') },
};

function enter(state: RuleState, buffer: string): void {
  const { rule } = state;
  if (state.buffer !== buffer && state.buffer !== '') checkUsed(state);
  state.buffer = buffer;
  state.content = undefined;
  if (buffer !== '' && !rule.buffers.some((b) => b.buffer === buffer)) rule.buffers.push({ buffer, transforms: [], tests: [] });
}

/** The buffer that is left now has a test; throws RuleError. */
export function checkUsed({ rule, buffer }: RuleState): void {
  if (rule.buffers.some((b) => b.buffer === buffer && b.tests.length === 0)) {
    throw new RuleError(buffer, 'is set but nothing looks at it: write a content or pcre behind it');
  }
}

/** Canonical text: the sticky buffer and its transforms. */
export function printBuffer({ buffer, transforms }: BufferTests): string[] {
  return [buffer, ...transforms.map(({ name, value }) => (value === '' ? name : `${name}:${value}`))];
}
