import fc from 'fast-check';
import type {
  ByteJumpOption,
  ByteMathOption,
  ByteOption,
  ByteTestOption,
  ContentOption,
  NumberField,
  Operand,
  PcreOption,
} from '../../src/rules/byte-option.js';
import type { NumberTest } from '../../src/rules/packet-option.js';

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

/** Names that tests may set, in this order. */
const NAMES = ['va', 'vb', 'vc'];

const small = fc.oneof({ weight: 4, arbitrary: fc.nat(8) }, fc.integer({ min: -4, max: -1 }));
const masks = fc.option(fc.constantFrom(0x0f, 0xf8, 0x60, 0xffff0000, 0xfffffffe), { nil: undefined });

/** A number or one of the variables that are set. */
const operand = (numbers: fc.Arbitrary<number>, set: string[]): fc.Arbitrary<Operand> =>
  set.length === 0 ? numbers : fc.oneof({ weight: 3, arbitrary: numbers }, fc.constantFrom(...set));

const field = (set: string[]): fc.Arbitrary<NumberField> =>
  fc
    .record({
      base: fc.oneof({ weight: 8, arbitrary: fc.constant(undefined) }, fc.constantFrom<0 | 8 | 10 | 16>(0, 8, 10, 16)),
      bytes: operand(fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, fc.integer({ min: 0, max: 8 }), fc.constant(17)), set),
      offset: operand(small, set),
      relative: fc.boolean(),
      endian: fc.constantFrom<'big' | 'little'>('big', 'little'),
      bitmask: masks,
    })
    .map(({ base, bitmask, ...rest }) => ({
      ...rest,
      bytes: base === undefined && rest.bytes === 17 ? 8 : rest.bytes,
      ...(base === undefined ? {} : { base }),
      ...(bitmask === undefined ? {} : { bitmask }),
    }));

/** byte_extract and byte_math always name the base. */
const named = (fields: fc.Arbitrary<NumberField>) => fields.map((f): NumberField => (f.base === 0 ? { ...f, base: 10 } : f));

const values = fc.oneof(
  fc.integer({ min: 0, max: 130 }),
  fc.integer({ min: 0, max: 70000 }),
  fc.constantFrom(0, 48, 97, 2 ** 32 - 1, 2 ** 53 - 1),
);
const large = fc.constantFrom('9007199254740993', '18446744073709551615', '18446744073709551613');

/** A test on bytes that may look at the variables `set`; one that sets a variable sets `name`. */
function byteTest(set: string[], name: string): fc.Arbitrary<ByteOption> {
  const amount = operand(fc.integer({ min: 0, max: 9 }), set);
  return fc.oneof(
    fc.record({
      kind: fc.constant('isdataat' as const),
      negated: fc.boolean(),
      at: amount,
      relative: fc.boolean(),
      rawbytes: fc.constant(false),
    }),
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('byte_test' as const),
        negated: fc.boolean(),
        op: fc.constantFrom<ByteTestOption['op']>('<', '>', '=', '<=', '>=', '&', '^'),
        value: fc.oneof({ weight: 6, arbitrary: operand(values, set) }, large),
        field: field(set),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('byte_jump' as const),
        field: field(set),
        multiplier: fc.constantFrom(1, 1, 2, 65535),
        align: fc.boolean(),
        from: fc.constantFrom<ByteJumpOption['from']>('here', 'here', 'beginning', 'end'),
        postOffset: fc.constantFrom(0, -97, -96, -96, -66, -3, -13),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('byte_extract' as const),
        name: fc.constant(name),
        field: named(field([])),
        multiplier: fc.constantFrom(1, 1, 2, 65535),
        align: fc.constantFrom<0 | 2 | 4>(0, 0, 2, 4),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('byte_math' as const),
        name: fc.constant(name),
        field: named(field(set)),
        op: fc.constantFrom<ByteMathOption['op']>('+', '-', '*', '/', '<<', '>>'),
        value: operand(fc.constantFrom(0, 1, 2, 3, 50, 95, 97, 2 ** 32 - 1), set),
      }),
    },
    fc
      .tuple(
        fc.constantFrom<NumberTest['op']>('=', '!=', '<', '>', '<=', '>=', '<>', '!<>'),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 14, max: 60 }),
      )
      .map(([op, a, b]): ByteOption => ({ kind: 'bsize', test: { op, a, b: op.includes('<>') ? b : 0 } })),
    placedContent(set),
    regex,
  );
}

/** A content whose modifiers may be variables. */
function placedContent(set: string[]): fc.Arbitrary<ContentOption> {
  if (set.length === 0) return content;
  const amount = operand(fc.integer({ min: 3, max: 8 }), set);
  return fc
    .record({
      text: content,
      place: fc.oneof(
        fc.record({ offset: amount }),
        fc.record({ depth: amount }),
        fc.record({ offset: amount, depth: amount }),
        fc.record({ distance: amount }),
        fc.record({ within: amount }),
        fc.record({ distance: operand(fc.integer({ min: -4, max: 4 }), set), within: amount }),
      ),
    })
    .map(({ text: { offset, depth, distance, within, ...rest }, place }) => ({ ...rest, startswith: false, endswith: false, ...place }));
}

/** Lists of tests in which each variable is set before it is looked at. */
export const byteTests = (most: number): fc.Arbitrary<ByteOption[]> =>
  fc
    .tuple(byteTest([], NAMES[0]), byteTest([], NAMES[0]))
    .chain(([first, second]) => grow(first.kind === 'byte_extract' || first.kind === 'byte_math' ? [first] : [first, second], most));

function grow(tests: ByteOption[], most: number): fc.Arbitrary<ByteOption[]> {
  // A second of the same name would be refused by the parser.
  const set = tests.flatMap((t) => (t.kind === 'byte_extract' || t.kind === 'byte_math' ? [t.name] : []));
  const unique = tests.filter(
    (t) =>
      !(
        (t.kind === 'byte_extract' || t.kind === 'byte_math') &&
        set.indexOf(t.name) !== tests.filter((o) => o.kind === 'byte_extract' || o.kind === 'byte_math').indexOf(t)
      ),
  );
  if (unique.length >= most || set.length >= NAMES.length) return fc.constant(unique);
  return fc.oneof(fc.constant(unique), {
    weight: 3,
    arbitrary: byteTest(set, NAMES[set.length]).chain((next) => grow([...unique, next], most)),
  });
}

/** Bytes that read as numbers now and then. */
export const numbersText = fc
  .array(fc.constantFrom(...'aab0127-x \0\x01\x02\x03\x04\xff'), { minLength: 1, maxLength: 60, size: 'max' })
  .map((a) => Uint8Array.from(a, (c) => c.charCodeAt(0)));
