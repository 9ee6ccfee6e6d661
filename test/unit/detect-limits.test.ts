import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emitMatcher } from '../../src/detect/matcher.js';
import { Counter } from '../../src/metrics/counters.js';
import type { Rule } from '../../src/rules/rule.js';
import { Bench, packet, rules } from '../support/detect.js';

test('a catastrophic expression ends on its limit, is counted, and does not match', () => {
  const bench = new Bench(
    rules('alert udp any any -> any any (pcre:"/^(a+)+$/"; sid:1;)', 'drop udp any any -> any any (content:"!"; sid:2;)'),
  );
  assert.equal(bench.sids(packet({ payload: `${'a'.repeat(1000)}!` })), '2');
  assert.equal(bench.counters[Counter.PcreMatchLimit], 1);
});

test('neither does its negation', () => {
  const bench = new Bench(rules('alert udp any any -> any any (pcre:!"/^(a+)+$/"; sid:1;)'));
  assert.equal(bench.sids(packet({ payload: `${'a'.repeat(1000)}!` })), '');
  assert.equal(bench.sids(packet({ payload: 'b' })), '1');
});

test('endless retries end on the inspection budget, which is counted; other rules still match', () => {
  const bench = new Bench(
    rules(
      'alert udp any any -> any any (pcre:"/a/"; content:"a"; distance:0; content:"b"; within:1; sid:1;)',
      'alert udp any any -> any any (content:"aaaa"; sid:2;)',
    ),
  );
  assert.equal(bench.sids(packet({ payload: 'a'.repeat(1400) })), '2');
  assert.equal(bench.counters[Counter.InspectionLimit], 1);
});

test('chains of contents cost in proportion to the payload, not to its powers', () => {
  const bench = new Bench(
    rules(
      'alert udp any any -> any any (content:"a"; content:"a"; within:100; content:"a"; within:100; content:"a"; within:100; content:"b"; within:1; sid:1;)',
    ),
  );
  assert.equal(bench.sids(packet({ payload: `${'a'.repeat(700)}cb` })), '');
  assert.equal(bench.sids(packet({ payload: `${'a'.repeat(600)}b` })), '1');
  assert.equal(bench.counters[Counter.InspectionLimit], 0);
});

test('a rule that cannot be compiled never matches and is named', () => {
  const [good, broken] = rules(
    'alert udp any any -> any any (content:"x"; sid:1;)',
    'alert udp any any -> any any (content:"x"; pcre:"/x/"; sid:2;)',
  );
  const pcre = broken.payload[1];
  assert.equal(pcre.kind, 'pcre');
  const bench = new Bench([good, { ...broken, payload: [broken.payload[0], { ...pcre, pattern: 'x(' } as typeof pcre] }]);
  for (let i = 0; i < 2; i++) assert.equal(bench.sids(packet({ payload: 'x' })), '1');
  assert.deepEqual(
    bench.detector.broken.map((b) => b.index),
    [1],
  );
  assert.match(bench.detector.broken[0].reason, /offset 2: missing closing parenthesis/);
});

test('nothing of a rule but numbers becomes code', () => {
  const evil = '"]);globalThis.owned=1;//`$` + globalThis.owned';
  const [rule] = rules('alert udp 10.0.0.0/8 any -> any [1:5,80] (msg:"m"; content:"abc"; dsize:>2; sid:1;)');
  const dsize = { kind: 'dsize', test: { op: '>', a: evil as unknown as number, b: 0 } } as const;
  assert.throws(() => emitMatcher({ ...rule, header: [dsize] }, new Map(), () => 0), /not an integer|is not set before/);
  const [content] = rule.payload;
  const hostile: Rule = {
    ...rule,
    msg: evil,
    text: evil,
    file: evil,
    classtype: evil,
    payload: [{ ...content, offset: evil as unknown as number } as typeof content],
  };
  assert.throws(() => emitMatcher(hostile, new Map(), () => 0), /not an integer|is not set before/);
  const text = emitMatcher(
    { ...hostile, payload: [{ ...content, pattern: Buffer.from(evil) } as typeof content] },
    new Map(),
    () => 0,
  ).source();
  assert.doesNotMatch(text, /owned|"|`/);
});
