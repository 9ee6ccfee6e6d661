import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AppProto } from '../../src/app-layer/buffers.js';
import { IpProto } from '../../src/decode/packet.js';
import { PACKET_BUDGET, RULE_BUDGET } from '../../src/detect/detector.js';
import { literalOf, PAYLOAD } from '../../src/detect/literal.js';
import { emitMatcher } from '../../src/detect/matcher.js';
import { FlowFlag } from '../../src/flow/codes.js';
import { Counter } from '../../src/metrics/counters.js';
import type { Rule } from '../../src/rules/rule.js';
import { Bench, buffers, type PacketSpec, packet, rules } from '../support/detect.js';
import { naivePayload, naiveTransaction } from '../support/naive-detect.js';
import { content, regex, text } from '../support/tests-arbitrary.js';

/** A packet of an FTP flow, to the server. */
const ftp = (spec: PacketSpec = {}) =>
  packet({ proto: IpProto.Tcp, appProto: AppProto.Ftp, flow: 0, established: 1, dport: 21, payload: 'USER anonymous\r\n', ...spec });
const command = (name: string | undefined, data?: string) => buffers({ 'ftp.command': name, 'ftp.command_data': data });

const SEED =
  'reject ftp any any -> any 21 (flow:to_server,established; ftp.command ;content:"USER"; ftp.command_data; content:"anonymous";nocase;)';

describe('rules on buffers', () => {
  /** [options, command, data, matches]; the payload is "USER anonymous". */
  const cases: [options: string, command: string | undefined, data: string | undefined, matches: boolean][] = [
    ['ftp.command; content:"USER";', 'USER', 'x', true],
    ['ftp.command; content:"USER";', 'USERS', 'x', true],
    ['ftp.command; content:"USER"; startswith; endswith;', 'USERS', 'x', false],
    ['ftp.command; content:"USER";', 'PASS', 'USER', false],
    ['ftp.command; content:"user";', 'USER', 'x', false],
    ['ftp.command; content:"user"; nocase;', 'USER', 'x', true],
    ['ftp.command; content:"USER"; ftp.command_data; content:"anonymous"; nocase;', 'USER', 'AnonyMous', true],
    ['ftp.command; content:"USER"; ftp.command_data; content:"anonymous"; nocase;', 'USER', 'bob', false],
    ['ftp.command; content:"USER"; ftp.command_data; content:"anonymous"; nocase;', 'PASS', 'anonymous', false],
    ['ftp.command; content:"USER"; ftp.command_data; content:"anonymous";', 'USER', undefined, false],
    // negated: the buffer must be there, if only empty
    ['ftp.command_data; content:!"anonymous";', 'USER', 'bob', true],
    ['ftp.command_data; content:!"anonymous";', 'USER', '', true],
    ['ftp.command_data; content:!"anonymous";', 'USER', 'anonymous', false],
    ['ftp.command_data; content:!"anonymous";', 'QUIT', undefined, false],
    // relative ones stay within their buffer, and count from it
    ['ftp.command; content:"US"; ftp.command_data; content:"b"; within:1;', 'USER', 'bob', true],
    ['ftp.command; content:"US"; ftp.command_data; content:"o"; within:1;', 'USER', 'bob', false],
    ['ftp.command_data; content:"b"; content:"b"; distance:1; within:1;', 'USER', 'bob', true],
    ['ftp.command; content:"US"; ftp.command_data; content:"bob"; ftp.command; content:"ER"; within:2;', 'USER', 'bob', true],
    ['ftp.command; content:"US"; ftp.command_data; content:"bob"; ftp.command; content:"R"; within:1;', 'USER', 'bob', false],
    // the bytes round a buffer (A before, a behind) are not part of it
    ['ftp.command_data; content:"boba";', 'USER', 'bob', false],
    ['ftp.command_data; content:"Abob";', 'USER', 'bob', false],
    // regular expressions
    ['ftp.command; pcre:"/^(USER|PASS)$/";', 'USER', 'x', true],
    ['ftp.command; pcre:"/^(USER|PASS)$/";', 'LIST', 'x', false],
    ['ftp.command_data; pcre:!"/[0-9]/";', 'USER', 'bob', true],
    ['ftp.command_data; pcre:"/^$/";', 'USER', '', true],
    ['ftp.command_data; content:"bo"; pcre:"/^b$/R";', 'USER', 'bob', true],
    // the payload beside them
    ['ftp.command; content:"USER"; pkt_data; content:"ous|0d 0a|";', 'USER', 'x', true],
    ['ftp.command; content:"USER"; pkt_data; content:"root";', 'USER', 'root', false],
    ['ftp.command; content:!"PASS"; pkt_data; content:"anonymous";', 'USER', 'x', true],
    ['ftp.command; content:!"USER"; pkt_data; content:"anonymous";', 'USER', 'x', false],
    ['ftp.command; content:"USER"; pkt_data; content:"anonymous"; fast_pattern;', 'USER', 'x', true],
    ['ftp.command; content:"USER"; pkt_data; content:"absent"; fast_pattern;', 'USER', 'x', false],
    ['ftp.command; content:"USER"; pkt_data; content:!"root";', 'USER', 'x', true],
  ];
  for (const [options, name, data, expected] of cases) {
    it(`${options} ${expected ? 'matches' : 'does not match'} ${name} ${data}`, () => {
      const bench = new Bench(rules(`alert ftp any any -> any any (${options})`, `alert tcp any any -> any any (${options})`));
      assert.equal(bench.transaction(ftp(), command(name, data)), expected ? '1 2' : '');
      assert.equal(bench.sids(ftp()), '', 'never as a packet');
      assert.deepEqual(bench.detector.broken, []);
      bench.detector.close();
    });
  }

  it('the rule of the seed', () => {
    const bench = new Bench(rules(SEED));
    assert.equal(bench.transaction(ftp(), command('USER', 'anonymous')), '1');
    assert.equal(bench.transaction(ftp({ dport: 2121 }), command('USER', 'anonymous')), '');
    assert.equal(bench.transaction(ftp({ established: 0 }), command('USER', 'anonymous')), '');
    assert.equal(bench.transaction(ftp({ direction: 1 }), command('USER', 'anonymous')), '');
    assert.equal(bench.transaction(ftp({ appProto: AppProto.Unknown }), command('USER', 'anonymous')), '');
    assert.equal(bench.transaction(ftp({ appProto: AppProto.Failed }), command('USER', 'anonymous')), '');
  });

  it('a code that is no protocol finds nothing', () => {
    const bench = new Bench(rules(SEED));
    for (const appProto of [-1, AppProto.Count, 255, 0x7fffffff])
      assert.equal(bench.transaction(ftp({ appProto }), command('USER', 'anonymous')), '');
  });

  it('rules on packets are never matched on a transaction, and the flow is not marked', () => {
    const bench = new Bench(
      rules(
        'alert tcp any any -> any any (content:"USER";)',
        'alert tcp any any -> any 21 (flags:0;)',
        'alert ip any any -> any any ()',
        SEED,
      ),
    );
    assert.equal(bench.transaction(ftp(), command('USER', 'anonymous')), '4');
    assert.equal(bench.flows.flags[0] & FlowFlag.IpOnlyTs, 0);
    assert.equal(bench.sids(ftp()), '1 2 3');
  });

  it('matches come in action order, a pass rule stands alone, thresholds count', () => {
    const on = (action: string, more = '') => `${action} ftp any any -> any any (ftp.command; content:"USER"; ${more})`;
    const bench = new Bench(
      rules(
        on('alert'),
        on('rejectboth'),
        on('drop'),
        on('alert', 'priority:1; noalert;'),
        on('alert', 'threshold:type threshold, track by_src, count 2, seconds 60;'),
      ),
    );
    assert.equal(bench.transaction(ftp(), command('USER')), '3 2 ~4 1');
    assert.equal(bench.transaction(ftp(), command('USER')), '3 2 ~4 1 5');
    const passing = new Bench(rules(on('alert'), `pass ftp any any -> any any (ftp.command_data; content:"bob";)`));
    assert.equal(passing.transaction(ftp(), command('USER', 'bob')), '2');
    assert.equal(passing.transaction(ftp(), command('USER', 'eve')), '1');
  });

  it('many rules on one command are told apart by port, without evaluating each', () => {
    const many = Array.from({ length: 500 }, (_, i) => `alert ftp any any -> any ${i + 1} (ftp.command; content:"USER"; sid:${i + 1};)`);
    const bench = new Bench(rules(...many));
    assert.equal(bench.transaction(ftp({ dport: 21 }), command('USER')), '21');
    assert.equal(bench.counters[Counter.RulesEvaluated], 1);
    assert.equal(bench.transaction(ftp({ dport: 21 }), command('PASS')), '');
    assert.equal(bench.counters[Counter.RulesEvaluated], 1);
  });
});

describe('a header of an application protocol', () => {
  it('without buffers matches packets of such flows, each of them', () => {
    const bench = new Bench(rules('alert ftp any any -> any any (msg:"x";)', 'alert ftp any any -> any any (content:"anon";)'));
    for (let i = 0; i < 2; i++) assert.equal(bench.sids(ftp()), '1 2');
    assert.equal(bench.sids(ftp({ direction: 1, payload: '220 hi' })), '1');
    assert.equal(bench.sids(ftp({ appProto: AppProto.Unknown })), '');
    assert.equal(bench.transaction(ftp(), command('USER')), '');
  });
});

describe('the literal of a rule', () => {
  const literal = (options: string) => {
    const found = literalOf(rules(`alert ftp any any -> any any (${options})`)[0]);
    return found === null ? null : [Buffer.from(found.bytes).toString(), found.buffer];
  };
  const cases: [options: string, expected: [string, number] | null][] = [
    ['ftp.command; content:"USER";', ['USER', 0]],
    ['ftp.command; content:"USER"; ftp.command_data; content:"anonymous";', ['anonymous', 1]],
    ['ftp.command; content:"USER"; fast_pattern; ftp.command_data; content:"anonymous";', ['USER', 0]],
    ['content:"a long payload"; ftp.command; content:"USER";', ['USER', 0]],
    ['content:"a long payload"; fast_pattern:2,4; ftp.command; content:"USER";', ['long', PAYLOAD]],
    ['content:"payload"; ftp.command; content:!"USER";', ['payload', PAYLOAD]],
    ['ftp.command; content:!"USER";', null],
    ['ftp.command; pcre:"/USER/";', null],
  ];
  for (const [options, expected] of cases) it(options, () => assert.deepEqual(literal(options), expected));
});

describe('budgets', () => {
  const endless = 'alert ftp any any -> any any (ftp.command_data; pcre:"/a/"; content:"a"; distance:0; content:"b"; within:1;)';

  it('a transaction that needs endless retries ends on the budget, which is counted; other rules still match', () => {
    const bench = new Bench(rules(endless, 'alert ftp any any -> any any (ftp.command_data; content:"aaaa";)'));
    assert.equal(bench.transaction(ftp(), command('USER', 'a'.repeat(1400))), '2');
    assert.equal(bench.counters[Counter.InspectionLimit], 1);
  });

  it('all rules of a transaction share one budget; the next transaction has its own, so none is hidden by others', () => {
    const costly = Array.from({ length: 2 * (PACKET_BUDGET / RULE_BUDGET) }, () => endless);
    const bench = new Bench(rules(...costly, 'alert ftp any any -> any any (ftp.command; content:"USER"; sid:99;)'));
    const all = costly.length + 1;
    assert.equal(bench.transaction(ftp(), command('USER', 'a'.repeat(1400))), '');
    assert.equal(bench.counters[Counter.InspectionLimit], all);
    assert.equal(bench.transaction(ftp(), command('USER', 'x')), '99');
    assert.equal(bench.counters[Counter.InspectionLimit], all);
  });
});

describe('generated code', () => {
  it('holds nothing of a rule but numbers', () => {
    const [rule] = rules(SEED);
    const evil = '"]);globalThis.owned=1;//`';
    const [first] = rule.buffers[0].tests;
    const hostile: Rule = {
      ...rule,
      msg: evil,
      text: evil,
      buffers: [{ buffer: 'ftp.command', transforms: [], tests: [{ ...first, pattern: Buffer.from(evil) } as typeof first] }],
    };
    assert.doesNotMatch(emitMatcher(hostile, new Map(), () => 0).source(), /owned|"|`/);
    assert.throws(
      () => emitMatcher({ ...hostile, buffers: [{ buffer: evil, transforms: [], tests: [] }] }, new Map(), () => 0),
      /no buffer is called/,
    );
    assert.throws(() => emitMatcher({ ...rule, appProto: evil }, new Map(), () => 0), /no application protocol/);
  });
});

describe('the naive interpreter agrees', () => {
  const [TEMPLATE] = rules('alert ftp any any -> any any (ftp.command; content:"x"; sid:1;)');
  const NAMES = ['ftp.command', 'ftp.command_data'];
  const list = (least: number) =>
    fc.array(fc.oneof({ weight: 3, arbitrary: content }, { weight: 1, arbitrary: regex }), { minLength: least, maxLength: 3 });
  const onBuffers = fc
    .tuple(
      fc.subarray(NAMES, { minLength: 1 }),
      list(1),
      list(1),
      fc.oneof({ weight: 2, arbitrary: fc.constant<Rule['payload']>([]) }, list(0)),
    )
    .map(
      ([names, a, b, payload]): Rule => ({
        ...TEMPLATE,
        payload,
        buffers: names.map((buffer, i) => ({ buffer, transforms: [], tests: [a, b][i] })),
      }),
    );
  const onPackets = list(1).map((payload): Rule => ({ ...TEMPLATE, payload, buffers: [] }));
  const maybe = fc.oneof(
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
    { weight: 8, arbitrary: text(16) },
  );
  const samples = fc.array(fc.record({ payload: text(16), 'ftp.command': maybe, 'ftp.command_data': maybe }), {
    minLength: 1,
    maxLength: 5,
  });

  it('on one rule and random transactions (property)', () => {
    fc.assert(
      fc.property(onBuffers, samples, (rule, all) => {
        const bench = new Bench([rule]);
        for (const { payload, ...named } of all) {
          const p = ftp({ payload });
          assert.equal(bench.transaction(p, buffers(named)), naiveTransaction(rule, payload, named) ? '1' : '');
          assert.equal(bench.sids(p), '');
        }
        assert.deepEqual(bench.detector.broken, []);
        bench.detector.close();
      }),
      { numRuns: 2000, seed: 20261125 },
    );
  });

  it('on many rules of both kinds, each found only where it belongs (property)', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(onBuffers, onPackets), { minLength: 10, maxLength: 50 }), samples, (set, all) => {
        const bench = new Bench(set.map((rule, i) => ({ ...rule, sid: i + 1 })));
        for (const { payload, ...named } of all) {
          const p = ftp({ payload });
          const transaction = set.flatMap((rule, i) => (rule.buffers.length > 0 && naiveTransaction(rule, payload, named) ? [i + 1] : []));
          const plain = set.flatMap((rule, i) => (rule.buffers.length === 0 && naivePayload(rule.payload, payload) ? [i + 1] : []));
          assert.equal(bench.transaction(p, buffers(named)), transaction.join(' '));
          assert.equal(bench.sids(p), plain.join(' '));
        }
        bench.detector.close();
      }),
      { numRuns: 150, seed: 20261126 },
    );
  });
});
