import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AddressMatcher } from '../../src/detect/addresses.js';
import { ruleContext } from '../../src/rules/context.js';
import { finishRules } from '../../src/rules/finish.js';
import { loadRuleText } from '../../src/rules/loader.js';
import { Reputation } from '../../src/rules/reputation.js';
import type { IpRepOption } from '../../src/rules/state-option.js';
import { parseThresholdConfig } from '../../src/rules/threshold-config.js';

const GROUPS = { HOME_NET: '[10.0.0.0/8,192.168.0.0/16]' };
const parse = (text: string) => parseThresholdConfig(text, 'threshold.config', GROUPS);

test('entries of all kinds, comments, continued lines', () => {
  const { entries, problems } = parse(
    `# note\n\nthreshold gen_id 1, sig_id 2, type limit, \\\n  track by_src, count 3, seconds 4\nevent_filter gen_id 1,sig_id 2,type both,track by_flow,count 1,seconds 9\r\n` +
      'rate_filter gen_id 1, sig_id 5, track by_both, count 1, seconds 60, new_action reject, timeout 10\n' +
      'suppress gen_id 0, sig_id 0\nsuppress gen_id 1, sig_id 7, track by_either, ip [$HOME_NET,1.2.3.4]',
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    entries.map((e) => [e.line, e.kind, e.gid, e.sid]),
    [
      [3, 'threshold', 1, 2],
      [5, 'threshold', 1, 2],
      [6, 'rate_filter', 1, 5],
      [7, 'suppress', 0, 0],
      [8, 'suppress', 1, 7],
    ],
  );
  const last = entries[4];
  assert.ok(last.kind === 'suppress' && last.suppression.track === 'by_either');
  assert.equal(last.suppression.addresses.ranges.length, 3);
});

test('a bad line is a problem with its number and reason; the others hold', () => {
  const cases: [string, RegExp][] = [
    ['treshold gen_id 1, sig_id 2', /begins with threshold/],
    ['threshold gen_id 1, type limit, track by_src, count 1, seconds 1', /needs sig_id/],
    ['threshold gen_id 1, sig_id x, type limit, track by_src, count 1, seconds 1', /number from 0/],
    ['threshold gen_id 0, sig_id 5, type limit, track by_src, count 1, seconds 1', /gen_id 0 means/],
    ['threshold gen_id 1, sig_id 5, type backoff, track by_flow, count 1, multiplier 2', /limit, threshold or both/],
    ['threshold gen_id 1, sig_id 5, type limit, track by_src, count 1', /needs both count and seconds/],
    ['rate_filter gen_id 1, sig_id 5, track by_src, count 1, seconds 1, new_action log, timeout 1', /alert, drop, pass or reject/],
    ['rate_filter gen_id 1, sig_id 5, track by_src, count 1, seconds 1, new_action drop', /needs timeout/],
    ['suppress gen_id 1, sig_id 5, track by_src', /needs ip/],
    ['suppress gen_id 1, sig_id 5, track by_rule, ip 1.2.3.4', /by_src, by_dst or by_either/],
    ['suppress gen_id 1, sig_id 5, track by_src, ip $NOWHERE', /NOWHERE/],
    ['suppress gen_id 1, sig_id 5, sig_id 6', /twice/],
  ];
  const { entries, problems } = parse(`${cases.map(([line]) => line).join('\n')}\nsuppress gen_id 1, sig_id 5`);
  assert.equal(entries.length, 1);
  assert.deepEqual(
    problems.map((p) => p.line),
    cases.map((_, i) => i + 1),
  );
  for (const [i, [, reason]] of cases.entries()) assert.match(problems[i].reason, reason);
});

test('any text is entries and problems', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.constantFrom('suppress ', 'gen_id 1', ', ', 'sig_id 2', 'ip [', ']', '\\\n', '\n', 'track by_src', '!', '$HOME_NET'),
          fc.string({ maxLength: 5 }),
        ),
      ),
      (parts) => {
        const { entries, problems } = parse(parts.join(''));
        assert.ok(entries.length + problems.length <= parts.join('').split('\n').length);
      },
    ),
  );
});

test('one rule: replaces its threshold. All rules: those without one', () => {
  const context = ruleContext({ addressGroups: GROUPS });
  const set = loadRuleText(
    'alert ip any any -> any any (sid:1; threshold:type limit,track by_src,count 1,seconds 1;)\n' +
      'alert ip any any -> any any (sid:2; threshold:type limit,track by_src,count 1,seconds 1;)\n' +
      'alert ip any any -> any any (sid:3;)\nalert ip any any -> any any (sid:4; gid:2;)',
    'f',
    context,
  );
  const text =
    'threshold gen_id 1, sig_id 1, type both, track by_dst, count 7, seconds 7\nthreshold gen_id 1, sig_id 0, type threshold, track by_rule, count 9, seconds 9\n' +
    'suppress gen_id 1, sig_id 2\nsuppress gen_id 0, sig_id 0, track by_src, ip 1.1.1.1\nsuppress gen_id 1, sig_id 99';
  finishRules(set, { thresholds: { file: 't', text }, reputation: [], problems: [] }, context);
  assert.deepEqual(
    set.rules.map((r) => r.threshold?.count),
    [7, 1, 9, undefined],
  );
  assert.deepEqual(
    set.rules.map((r) => r.suppressions?.length),
    [1, 2, 1, 1],
  );
  assert.deepEqual(
    set.warnings?.map((w) => [w.file, w.line, w.reason]),
    [['t', 5, 'no rule has gid 1 and sid 99']],
  );
});

const CATEGORIES = { file: 'c', text: '1,bad,Bad\n# note\n2,good,Good\n' };
const option = (test: IpRepOption['test'], category = 'bad'): IpRepOption => ({ kind: 'iprep', side: 'any', category, test });

test('reputation: the narrowest network counts, an address before networks', () => {
  const reputation = new Reputation(CATEGORIES, [
    { file: 'l', text: '10.0.0.0/8,1,10\n10.1.0.0/16,1,50\n10.1.2.3,1,0\n10.1.2.4,2,99\n::1,1,60\nfd00::/8,1,20\n' },
  ]);
  assert.deepEqual(reputation.problems, []);
  const has = (o: IpRepOption, ...words: number[]) => {
    const address = Int32Array.from([...words, 0, 0, 0].slice(0, 4));
    return new AddressMatcher(reputation.addresses(o)).has(address, words.length === 4 ? 6 : 4);
  };
  const high = option({ op: '>', a: 30, b: 0 });
  assert.deepEqual(
    [0x0a000001, 0x0a010001, 0x0a010203, 0x0a010204, 0x0b000000].map((word) => has(high, word)),
    [false, true, false, true, false],
  );
  assert.equal(has(option({ op: '=', a: 0, b: 0 }), 0x0a010203), true);
  assert.equal(has(option('isset'), 0x0a010203), true);
  assert.equal(has(option('isset', 'good'), 0x0a010203), false);
  assert.equal(has(high, 0, 0, 0, 1), true);
  assert.equal(has(option('isset'), 0xfd001234, 0, 0, 5), true);
  assert.equal(has(high, 0xfd001234, 0, 0, 5), false);
});

test('reputation: bad lines and unknown categories', () => {
  const reputation = new Reputation(CATEGORIES, [
    { file: 'l', text: '10.0.0.0/33,1,1\n1.2.3,1,1\n1.2.3.4,61,1\n1.2.3.4,1,128\n1.2.3.4,1\n1.2.3.4,1,1' },
  ]);
  assert.deepEqual(
    reputation.problems.map((p) => p.line),
    [1, 2, 3, 4, 5],
  );
  const context = ruleContext();
  const set = loadRuleText(
    'alert ip any any -> any any (iprep:src,bad,>,1; sid:1;)\nalert ip any any -> any any (iprep:src,ugly,>,1; sid:2;)',
    'f',
    context,
  );
  finishRules(set, { categories: CATEGORIES, reputation: [], problems: [] }, context);
  assert.deepEqual(
    [set.rules.map((r) => r.sid), set.sources?.length, set.problems.map((p) => [p.sid, p.option])],
    [[1], 1, [[2, 'iprep']]],
  );
});

test('reputation agrees with looking up the narrowest entry', () => {
  const entry = fc.record({ word: fc.nat(255), prefix: fc.integer({ min: 24, max: 32 }), score: fc.nat(127) });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.nat(127), (entries, bound) => {
      const text = entries.map((e) => `10.0.0.${e.word}/${e.prefix},1,${e.score}`).join('\n');
      const reputation = new Reputation(CATEGORIES, [{ file: 'l', text }]);
      const matcher = new AddressMatcher(reputation.addresses(option({ op: '>=', a: bound, b: 0 })));
      for (let host = 0; host < 256; host++) {
        let best: (typeof entries)[number] | undefined;
        for (const e of entries) {
          const shift = 32 - e.prefix;
          if (host >> shift === e.word >> shift && (best === undefined || e.prefix >= best.prefix)) best = e;
        }
        const expected = best !== undefined && best.score >= bound;
        assert.equal(matcher.has(Int32Array.of(0x0a000000 | host, 0, 0, 0), 4), expected, `${text} at ${host}`);
      }
    }),
  );
});
