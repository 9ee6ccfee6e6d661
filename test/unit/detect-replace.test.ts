import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AppProto } from '../../src/app-layer/buffers.js';
import type { Packet } from '../../src/decode/packet.js';
import { MAX_REPLACEMENTS } from '../../src/detect/replacements.js';
import { Counter } from '../../src/metrics/counters.js';
import type { Rule } from '../../src/rules/rule.js';
import { Bench, buffers, packet, rules } from '../support/detect.js';
import { naivePayload, naivePositions } from '../support/naive-detect.js';
import { content, regex, text } from '../support/tests-arbitrary.js';

const payloadOf = (p: Packet) => Buffer.from(p.mem.subarray(p.payloadOff, p.payloadOff + p.payloadLen)).toString('latin1');

/** The payload after one packet was inspected and rewritten. */
function rewritten(payload: string, ...texts: string[]): string {
  const bench = new Bench(
    rules(...texts.map((options) => (options.includes('->') ? options : `alert udp any any -> any any (${options})`))),
  );
  const p = packet({ payload });
  bench.sids(p);
  const asked = bench.detector.replacements;
  assert.equal(bench.detector.rewrite(p), asked);
  assert.equal(bench.detector.replacements, 0);
  assert.deepEqual(bench.detector.broken, []);
  bench.detector.close();
  return payloadOf(p);
}

describe('replace', () => {
  /** [options, payload, payload afterwards] */
  const cases: [options: string, before: string, after: string][] = [
    ['content:"big"; replace:"pig";', 'this is a big test, big', 'this is a pig test, big'],
    ['content:"BiG"; nocase; replace:"Pig";', 'a bIg test', 'a Pig test'],
    ['content:"th"; offset:4; replace:"TH";', 'that this', 'that THis'],
    ['content:"is"; endswith; replace:"IS";', 'this is', 'this IS'],
    ['content:"th"; startswith; replace:"TH";', 'that this', 'THat this'],
    ['content:"th"; replace:"TH"; content:"patter"; replace:"matter";', 'the patterns', 'THe matterns'],
    ['content:"th"; replace:"TH"; content:"nutella";', 'the patterns', 'the patterns'],
    ['content:"nutella"; replace:"commode"; content:"the";', 'the patterns', 'the patterns'],
    ['content:"th"; replace:"TH"; content:!"patter";', 'the patterns', 'the patterns'],
    ['content:"x|00|y"; replace:"|ff|o|fe|";', 'ax\0yb', 'a\xffo\xfeb'],
    // chains with retries: the positions of the assignment that held
    ['content:"a"; replace:"A"; content:"b"; within:1; replace:"B";', 'axabab', 'axABab'],
    ['content:"a"; replace:"A"; content:"b"; distance:1; within:1;', 'aabxaxb', 'Aabxaxb'],
    ['content:"a"; content:"b"; within:1; content:"c"; within:1; replace:"C";', 'abxabdabc', 'abxabdabC'],
    ['content:"a"; replace:"A"; content:"b"; within:1; content:"c"; within:1;', 'abxabdabc', 'abxabdAbc'],
    ['content:"a"; replace:"A"; content:!"b"; within:1; content:"z"; distance:0;', 'abacz', 'abAcz'],
    ['content:"a"; replace:"A"; pcre:"/^b+c/R";', 'abd abbc', 'abd Abbc'],
    ['pcre:"/a./"; content:"c"; within:1; replace:"C";', 'axxabc', 'axxabC'],
    ['content:"evil"; fast_pattern:only; replace:"good"; content:"x";', 'x evil', 'x good'],
    // overlapping: what is written first in the rule wins
    ['content:"abc"; replace:"ABC"; content:"cd"; replace:"xy";', 'abcd', 'ABCy'],
    ['content:"cd"; replace:"xy"; content:"abc"; replace:"ABC";', 'abcd', 'ABxy'],
  ];
  for (const [options, before, after] of cases)
    it(`${options} on ${JSON.stringify(before)}`, () => assert.equal(rewritten(before, options), after));

  it('of several rules each has its replacement, a later one over an earlier one', () => {
    assert.equal(
      rewritten('abcdef', 'content:"ab"; replace:"AB";', 'content:"ef"; replace:"EF";', 'content:"bc"; replace:"xy";'),
      'AxydEF',
    );
  });

  it('a pass rule stands alone here too', () => {
    assert.equal(rewritten('abc', 'content:"a"; replace:"x";', 'pass udp any any -> any any (content:"c"; replace:"C";)'), 'abC');
  });

  it('a match that a threshold holds back replaces nothing; one without an alert does', () => {
    const threshold = (type: string) => `content:"a"; replace:"x"; threshold:type ${type}, track by_src, count 2, seconds 60;`;
    const bench = new Bench(rules(`alert udp any any -> any any (${threshold('threshold')})`));
    for (const expected of [0, 1, 0, 1]) {
      bench.sids(packet({ payload: 'a' }));
      assert.equal(bench.detector.replacements, expected);
    }
    const limited = new Bench(rules(`alert udp any any -> any any (${threshold('limit')})`));
    for (const found of ['1', '1', '~1']) {
      assert.equal(limited.sids(packet({ payload: 'a' })), found);
      assert.equal(limited.detector.replacements, 1);
    }
  });

  it('what is not carried out is forgotten with the next packet, whether or not anything matches it', () => {
    const bench = new Bench(rules('alert udp any any -> any any (content:"a"; replace:"x";)'));
    for (const payload of ['b', '']) {
      bench.sids(packet({ payload: 'a' }));
      assert.equal(bench.detector.replacements, 1);
      const p = packet({ payload });
      assert.equal(bench.sids(p), '');
      assert.equal(bench.detector.replacements, 0);
      assert.equal(bench.detector.rewrite(p), 0);
    }
    bench.sids(packet({ payload: 'a' }));
    const p = packet({ payload: 'b', appProto: AppProto.Ftp });
    assert.equal(bench.transaction(p, buffers({ 'ftp.command': 'USER' })), '');
    assert.equal(bench.detector.replacements, 0);
  });

  it(`more than ${MAX_REPLACEMENTS} on a packet are not carried out, and counted`, () => {
    const bench = new Bench(
      rules(
        ...Array.from(
          { length: MAX_REPLACEMENTS + 3 },
          (_, i) => `alert udp any any -> any any (content:"a"; offset:${i}; depth:1; replace:"x";)`,
        ),
      ),
    );
    const p = packet({ payload: 'a'.repeat(100) });
    bench.sids(p);
    assert.equal(bench.detector.replacements, MAX_REPLACEMENTS);
    assert.equal(bench.counters[Counter.InspectionLimit], 3);
    assert.equal(bench.detector.rewrite(p), MAX_REPLACEMENTS);
    assert.equal(payloadOf(p), 'x'.repeat(MAX_REPLACEMENTS) + 'a'.repeat(100 - MAX_REPLACEMENTS));
  });

  it('nothing is written outside the payload, whatever became of the packet', () => {
    const bench = new Bench(rules('alert udp any any -> any any (content:"bcd"; replace:"xyz";)'));
    for (const [from, to] of [
      [0, 3],
      [2, 5],
      [5, 5],
    ]) {
      const p = packet({ payload: 'abcde' });
      assert.equal(bench.sids(p), '1');
      const off = p.payloadOff;
      p.payloadOff = off + from;
      p.payloadLen = to - from;
      assert.equal(bench.detector.rewrite(p), 0);
      assert.equal(Buffer.from(p.mem.subarray(off, off + 5)).toString(), 'abcde');
    }
    const p = packet({ payload: 'abcde' });
    bench.sids(p);
    p.mem = p.mem.slice(0, p.payloadOff + 3);
    assert.equal(bench.detector.rewrite(p), 0);
  });
});

describe('the naive interpreter agrees', () => {
  const [TEMPLATE] = rules('alert udp any any -> any any (sid:1;)');
  const replaceable = fc.tuple(content, fc.nat(4), fc.integer({ min: 0x30, max: 0x39 })).map(([t, wanted, digit]) => {
    if (wanted > 0 && !t.negated) t.replace = new Uint8Array(t.pattern.length).fill(digit);
    return t;
  });
  const tests = fc.array(fc.oneof({ weight: 5, arbitrary: replaceable }, { weight: 1, arbitrary: regex }), { minLength: 1, maxLength: 5 });

  it('on what the payload is afterwards (property)', () => {
    let replacedSome = 0;
    fc.assert(
      fc.property(tests, fc.array(text(24), { minLength: 1, maxLength: 5 }), (payload, samples) => {
        const rule: Rule = { ...TEMPLATE, payload };
        const bench = new Bench([rule]);
        for (const sample of samples) {
          const expected = Uint8Array.from(sample);
          const positions = naivePayload(payload, sample) ? naivePositions(payload, sample)! : [];
          for (let i = positions.length - 1; i >= 0; i--) {
            const t = payload[i];
            if (t.kind === 'content' && t.replace !== undefined) expected.set(t.replace, positions[i]);
          }
          const p = packet({ payload: sample });
          const before = Buffer.from(p.mem.subarray(0, 64 + sample.length)).toString('latin1');
          bench.sids(p);
          replacedSome += bench.detector.rewrite(p) > 1 ? 1 : 0;
          assert.equal(payloadOf(p), Buffer.from(expected).toString('latin1'));
          const after = Buffer.from(p.mem.subarray(0, 64 + sample.length)).toString('latin1');
          assert.equal(after.slice(0, p.payloadOff), before.slice(0, p.payloadOff));
          assert.equal(after.slice(p.payloadOff + sample.length), before.slice(p.payloadOff + sample.length));
        }
        assert.deepEqual(bench.detector.broken, []);
        bench.detector.close();
      }),
      { numRuns: 3000, seed: 20261127 },
    );
    assert.ok(replacedSome > 40, `${replacedSome} payloads had several contents replaced`);
  });
});
