import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AddressCache, compileMatcher } from '../../src/detect/matcher.js';
import { Inspection } from '../../src/detect/search.js';
import { native } from '../../src/native.js';
import type { Rule } from '../../src/rules/rule.js';
import { Bench, packet, rules } from '../support/detect.js';
import { naivePayload } from '../support/naive-detect.js';
import { content, regex, text } from '../support/tests-arbitrary.js';

const [TEMPLATE] = rules('alert udp any any -> any any (sid:1;)');
const withPayload = (payload: Rule['payload']): Rule => ({ ...TEMPLATE, payload });
const payloads = fc.array(text(24), { minLength: 1, maxLength: 5 });

/** PCRE2's $ also matches before a final newline; there is none among the letters. */
function agree(tests: Rule['payload'], samples: Uint8Array[]): void {
  const bench = new Bench([withPayload(tests)]);
  for (const payload of samples) {
    const found = bench.detector.inspect(packet({ payload }), bench.flows) === 1;
    assert.deepEqual(bench.detector.broken, []);
    assert.equal(found, naivePayload(tests, payload), `payload ${JSON.stringify(Buffer.from(payload).toString('latin1'))}`);
  }
  bench.detector.close();
}

test('contents: prefilter and compiled matcher agree with the naive interpreter', () => {
  fc.assert(fc.property(fc.array(content, { minLength: 1, maxLength: 5 }), payloads, agree), { numRuns: 3000, seed: 20261121 });
});

test('contents and regular expressions: they agree too', () => {
  fc.assert(fc.property(fc.array(fc.oneof(content, regex), { minLength: 1, maxLength: 4 }), payloads, agree), {
    numRuns: 2000,
    seed: 20261122,
  });
});

test('the matcher alone agrees as well, so the prefilter hides no difference', () => {
  const addresses: AddressCache = new Map();
  const x = new Inspection();
  fc.assert(
    fc.property(fc.array(content, { minLength: 1, maxLength: 5 }), payloads, (tests, samples) => {
      const matcher = compileMatcher(withPayload(tests), addresses, () => -1);
      for (const payload of samples) {
        x.budget = 1_000_000;
        assert.equal(matcher(packet({ payload }), x) === 1, naivePayload(tests, payload));
      }
    }),
    { numRuns: 1500, seed: 20261123 },
  );
});

test('many rules at once: each is found exactly when it alone would be', () => {
  fc.assert(
    fc.property(fc.array(fc.array(content, { minLength: 1, maxLength: 3 }), { minLength: 10, maxLength: 60 }), payloads, (all, samples) => {
      const bench = new Bench(all.map((payload, i) => ({ ...withPayload(payload), sid: i + 1 })));
      for (const payload of samples) {
        const expected = all.flatMap((tests, i) => (naivePayload(tests, payload) ? [i + 1] : []));
        assert.equal(bench.sids(packet({ payload })), expected.join(' '));
      }
      bench.detector.close();
    }),
    { numRuns: 150, seed: 20261124 },
  );
});

test('the addon reports exactly the literals that occur', () => {
  const out = new Uint32Array(64);
  fc.assert(
    fc.property(fc.array(fc.tuple(text(4), fc.boolean()), { minLength: 1, maxLength: 40 }), payloads, (literals, samples) => {
      const lower = (bytes: Uint8Array) => bytes.map((b) => (b >= 65 && b <= 90 ? b + 32 : b));
      const handle = native.matchCompile(
        literals.map(([bytes]) => bytes),
        Uint8Array.from(literals, ([, nocase]) => (nocase ? 1 : 0)),
        Uint32Array.from(literals, (_, i) => 1000 + i),
      );
      for (const payload of samples) {
        const p = packet({ payload });
        const n = native.matchScan(handle, p.region, p.payloadOff, p.payloadLen, out);
        const expected = literals.flatMap(([bytes, nocase], i) =>
          Buffer.from(nocase ? lower(payload) : payload).includes(Buffer.from(nocase ? lower(bytes) : bytes)) ? [1000 + i] : [],
        );
        assert.deepEqual(
          [...out.subarray(0, n)].sort((a, b) => a - b),
          expected,
        );
      }
      native.matchFree(handle);
    }),
    { numRuns: 300, seed: 20261125 },
  );
});
