import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AddressCache, compileMatcher } from '../../src/detect/matcher.js';
import { Inspection } from '../../src/detect/search.js';
import type { ByteOption } from '../../src/rules/byte-option.js';
import type { Rule } from '../../src/rules/rule.js';
import { Bench, packet, rules } from '../support/detect.js';
import { naivePayload } from '../support/naive-detect.js';
import { byteTests, numbersText } from '../support/tests-arbitrary.js';

const [TEMPLATE] = rules('alert udp any any -> any any (sid:1;)');
const withPayload = (payload: ByteOption[]): Rule => ({ ...TEMPLATE, payload });
const payloads = fc.array(numbersText, { minLength: 1, maxLength: 8 });

test('tests on numbers: the compiled rule agrees with the naive interpreter', () => {
  let matched = 0;
  const agree = (tests: ByteOption[], samples: Uint8Array[]) => {
    const bench = new Bench([withPayload(tests)]);
    for (const payload of samples) {
      const found = bench.detector.inspect(packet({ payload }), bench.flows) === 1;
      assert.deepEqual(bench.detector.broken, []);
      if (found) matched++;
      assert.equal(found, naivePayload(tests, payload), `payload ${Buffer.from(payload).toString('latin1')}`);
    }
    bench.detector.close();
  };
  fc.assert(fc.property(byteTests(6), payloads, agree), { numRuns: 6000, seed: 20261121 });
  assert.ok(matched > 3000, `${matched} of the samples match: too few to tell`);
});

test('base64_data: the same on what is decoded', () => {
  const addresses: AddressCache = new Map();
  const x = new Inspection();
  const data = fc.record({
    tests: byteTests(3),
    payload: numbersText,
    bytes: fc.constantFrom(0, 0, 3, 8),
    offset: fc.nat(4),
    relative: fc.boolean(),
  });
  const noRegex = (tests: ByteOption[]) => !tests.some((t) => t.kind === 'pcre');
  let matched = 0;
  fc.assert(
    fc.property(byteTests(1).filter(noRegex), data, fc.nat(4), (before, { tests, payload, ...rest }, junk) => {
      fc.pre(noRegex(tests));
      const named = new Set(before.flatMap((t) => (t.kind === 'byte_extract' || t.kind === 'byte_math' ? [t.name] : [])));
      fc.pre(!tests.some((t) => (t.kind === 'byte_extract' || t.kind === 'byte_math') && named.has(t.name)));
      const option: ByteOption = { kind: 'base64_decode', ...rest, tests };
      const text = Buffer.from(`${'a'.repeat(junk)}${Buffer.from(payload).toString('base64')}`, 'latin1');
      const all: ByteOption[] = [...before, option];
      const matcher = compileMatcher(withPayload(all), addresses, () => -1);
      x.budget = 1_000_000;
      const found = matcher(packet({ payload: text }), x) === 1;
      if (found) matched++;
      assert.equal(found, naivePayload(all, text));
    }),
    { numRuns: 3000, seed: 20261122 },
  );
  assert.ok(matched > 50, `${matched} match`);
});
