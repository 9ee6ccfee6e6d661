import fc from 'fast-check';
import type { ContentOption, PcreOption } from '../../src/rules/byte-option.js';

/** Few letters, so that patterns overlap, repeat and nearly match. */
const LETTERS = 'abAB\0';
export const text = (max: number) =>
  fc.array(fc.constantFrom(...LETTERS), { minLength: 1, maxLength: max }).map((a) => Uint8Array.from(a, (c) => c.charCodeAt(0)));

export const content = fc
  .record({
    pattern: text(3),
    negated: fc.boolean().chain((b) => (b ? fc.boolean() : fc.constant(false))),
    nocase: fc.boolean(),
    place: fc.oneof(
      fc.constant({}),
      fc.record({ offset: fc.integer({ min: 0, max: 6 }) }),
      fc.record({ depth: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ offset: fc.integer({ min: 0, max: 4 }), depth: fc.integer({ min: 1, max: 6 }) }),
      { weight: 4, arbitrary: fc.record({ distance: fc.integer({ min: -4, max: 4 }) }) },
      { weight: 4, arbitrary: fc.record({ within: fc.integer({ min: 1, max: 6 }) }) },
      { weight: 4, arbitrary: fc.record({ distance: fc.integer({ min: -4, max: 4 }), within: fc.integer({ min: 1, max: 6 }) }) },
      fc.constant({ startswith: true }),
      fc.constant({ endswith: true }),
      fc.record({ distance: fc.integer({ min: -4, max: 4 }), endswith: fc.constant(true) }),
    ),
  })
  .map(
    ({ pattern, negated, nocase, place }): ContentOption => ({
      kind: 'content',
      pattern: nocase ? pattern.map((b) => (b >= 65 && b <= 90 ? b + 32 : b)) : pattern,
      negated,
      nocase,
      startswith: false,
      endswith: false,
      fastPattern: false,
      fastPatternOnly: false,
      rawbytes: false,
      ...place,
    }),
  );

/** Expressions that mean the same in PCRE and JavaScript. */
export const regex = fc
  .record({
    pattern: fc.constantFrom('a', 'ab', 'a+', 'a.?b', 'b+?a', '^a', '^.b', '[aA]b', '(?:ab|ba)', 'b$', 'a*'),
    negated: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    flags: fc.constantFrom('s', 'is'),
    relative: fc.boolean(),
  })
  .map((o): PcreOption => ({ kind: 'pcre', ...o }));
