import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ruleContext } from '../../src/rules/context.js';
import { loadRuleText } from '../../src/rules/loader.js';
import { parseRule } from '../../src/rules/parser.js';
import { printRule } from '../../src/rules/print.js';
import { RuleSkipped } from '../../src/rules/requires.js';
import { RuleError } from '../../src/rules/rule-error.js';

const context = ruleContext();
const rule = (options: string) => parseRule(`alert ip any any -> any any (${options} sid:1;)`, { file: 'f', line: 1 }, context);
const refused = (options: string, option: string, reason: RegExp) =>
  assert.throws(
    () => rule(options),
    (error: unknown) => {
      assert.ok(error instanceof RuleError, `${options}: ${String(error)}`);
      assert.equal(error.option, option, options);
      assert.match(error.reason, reason, options);
      return true;
    },
  );

test('flowbits: tests go to the header, changes to the effects', () => {
  assert.deepEqual(rule('flowbits:isset, a|b ;').header, [{ kind: 'flowbits', op: 'isset', names: ['a', 'b'] }]);
  assert.deepEqual(rule('flowbits:isnotset,a;').header, [{ kind: 'flowbits', op: 'isnotset', names: ['a'] }]);
  assert.deepEqual(rule('flowbits:set,ET.x; flowbits:unset, y; flowbits:toggle,z;').effects, [
    { kind: 'flowbits', op: 'set', name: 'ET.x' },
    { kind: 'flowbits', op: 'unset', name: 'y' },
    { kind: 'flowbits', op: 'toggle', name: 'z' },
  ]);
  assert.equal(rule('flowbits:noalert;').noalert, true);
  refused('flowbits:noalert,a;', 'flowbits', /takes no name/);
  refused('flowbits:set;', 'flowbits', /needs a name/);
  refused('flowbits:set,;', 'flowbits', /needs a name/);
  refused('flowbits:set,a b;', 'flowbits', /no spaces/);
  refused('flowbits:set,a|b;', 'flowbits', /one name/);
  refused('flowbits:isset,a|;', 'flowbits', /needs a name/);
  refused('flowbits:clear,a;', 'flowbits', /takes set, unset/);
});

test('flowint: comparisons, changes, values that are names', () => {
  assert.deepEqual(rule('flowint: n , >= , 10;').header, [{ kind: 'flowint', op: '>=', name: 'n', value: 10 }]);
  assert.deepEqual(rule('flowint:n,==,max;').header, [{ kind: 'flowint', op: '==', name: 'n', value: 'max' }]);
  assert.deepEqual(rule('flowint:n,isnotset; flowint:n,notset; flowint:n,isset;').header, [
    { kind: 'flowint', op: 'notset', name: 'n' },
    { kind: 'flowint', op: 'notset', name: 'n' },
    { kind: 'flowint', op: 'isset', name: 'n' },
  ]);
  assert.deepEqual(rule('flowint: tcp.count, +, 1;').effects, [{ kind: 'flowint', op: '+', name: 'tcp.count', value: 1 }]);
  refused('flowint:n;', 'flowint', /takes name,operator/);
  refused('flowint:1n,+,1;', 'flowint', /begins with a letter/);
  refused('flowint:n,+;', 'flowint', /needs a number/);
  refused('flowint:n,isset,1;', 'flowint', /takes no value/);
  refused('flowint:n,+,4294967296;', 'flowint', /out of range/);
  refused('flowint:n,+,-1;', 'flowint', /number from 0/);
  refused('flowint:n,=>,1;', 'flowint', /takes \+ - =/);
});

test('xbits and hostbits: whose bit, and for how long', () => {
  assert.deepEqual(rule('xbits:set, b, track ip_pair, expire 60;').effects, [
    { kind: 'xbits', op: 'set', name: 'b', track: 'ip_pair', expire: 60 },
  ]);
  assert.deepEqual(rule('xbits:set,b,track ip_src;').effects, [{ kind: 'xbits', op: 'set', name: 'b', track: 'ip_src', expire: 30 }]);
  // ET Open has tests with an expiry: it has no meaning there.
  assert.deepEqual(rule('xbits:isset,b,track ip_dst,expire 10;').header, [{ kind: 'xbits', op: 'isset', name: 'b', track: 'ip_dst' }]);
  assert.deepEqual(rule('hostbits:toggle,b,dst;').effects, [{ kind: 'hostbits', op: 'toggle', name: 'b', track: 'ip_dst', expire: 300 }]);
  assert.deepEqual(rule('hostbits:isset,b;').header, [{ kind: 'hostbits', op: 'isset', name: 'b', track: 'ip_src' }]);
  assert.deepEqual(rule('hostbits:isnotset,b,both;').header, [{ kind: 'hostbits', op: 'isnotset', name: 'b', track: 'both' }]);
  assert.equal(rule('xbits:noalert;').noalert, true);
  assert.equal(rule('hostbits:noalert;').noalert, true);
  assert.match(rule('xbits:isset,b,track tx;').inert ?? '', /transactions/);
  refused('xbits:set,b;', 'xbits', /needs track/);
  refused('xbits:set,b,track ip;', 'xbits', /needs track/);
  refused('xbits:set,b,expire 5,track ip_src;', 'xbits', /takes cmd,name,track/);
  refused('xbits:set,b,track ip_src,expire 0;', 'xbits', /out of range/);
  refused('xbits:set,,track ip_src;', 'xbits', /needs a name/);
  refused('hostbits:set,b,here;', 'hostbits', /src, dst or both/);
  refused('hostbits:set;', 'hostbits', /needs a name/);
});

test('thresholds: the four types, detection_filter, each with its fields', () => {
  assert.deepEqual(rule('threshold: type both,track by_flow,seconds 5,count 2;').threshold, {
    kind: 'threshold',
    type: 'both',
    track: 'by_flow',
    count: 2,
    seconds: 5,
  });
  assert.deepEqual(rule('threshold:type backoff, track by_flow, count 1, multiplier 10;').threshold, {
    kind: 'threshold',
    type: 'backoff',
    track: 'by_flow',
    count: 1,
    seconds: 0,
    multiplier: 10,
  });
  assert.equal(rule('detection_filter:track by_src,count 15,seconds 2;').threshold?.type, 'detection_filter');
  refused('threshold:type backoff, track by_src, count 1, multiplier 10;', 'threshold', /by_flow alone/);
  refused('threshold:type backoff, track by_flow, count 1, seconds 10;', 'threshold', /no field "seconds"/);
  refused('threshold:type limit, track by_src, count 1, multiplier 10;', 'threshold', /multiplier goes with/);
  refused('threshold:type limit, track by_src, count 1;', 'threshold', /needs both count and seconds/);
  refused('threshold:type limit, track by_src, count 0, seconds 1;', 'threshold', /out of range/);
  refused('threshold:type often, track by_src, count 1, seconds 1;', 'threshold', /type must be/);
  refused('detection_filter:type limit, track by_src, count 1, seconds 1;', 'detection_filter', /no field "type"/);
  refused(
    'threshold:type limit,track by_src,count 1,seconds 1; detection_filter:track by_src,count 1,seconds 1;',
    'detection_filter',
    /beside/,
  );
});

test('tag, iprep, target, alert and noalert', () => {
  assert.deepEqual(rule('tag:session;').effects, [{ kind: 'tag', scope: 'session', count: 256, metric: 'packets', side: 'dst' }]);
  assert.deepEqual(rule('tag:host,100,packets,src;').effects, [{ kind: 'tag', scope: 'host', count: 100, metric: 'packets', side: 'src' }]);
  refused('tag:flow;', 'tag', /session or host/);
  refused('tag:session,5;', 'tag', /takes scope/);
  refused('tag:session,5,minutes;', 'tag', /packets, bytes or seconds/);
  assert.deepEqual(rule('iprep:any,CnC,>,30;').header, [{ kind: 'iprep', side: 'any', category: 'CnC', test: { op: '>', a: 30, b: 0 } }]);
  assert.deepEqual(rule('iprep:dst,CnC,isnotset;').header, [{ kind: 'iprep', side: 'dst', category: 'CnC', test: 'isnotset' }]);
  refused('iprep:any,CnC,>;', 'iprep', /and a score/);
  refused('iprep:any,CnC,>,128;', 'iprep', /out of range/);
  refused('iprep:all,CnC,>,1;', 'iprep', /any, src, dst or both/);
  refused('iprep:any,CnC,<,0;', 'iprep', /never match/);
  assert.equal(rule('target:dest_ip;').target, 'dest_ip');
  refused('target:src;', 'target', /src_ip or dest_ip/);
  assert.equal(rule('noalert; alert;').noalert, false);
  assert.equal(rule('alert;').alert, true);
  assert.equal(rule('alert; noalert;').alert, undefined);
});

test('requires: speaks before keywords nobody knows, and leaves a rule out without a problem', () => {
  const skipped = (options: string) => assert.throws(() => rule(options), RuleSkipped, options);
  assert.equal(rule('requires: version >= 7.0.3 < 9, keyword flowbits;').sid, 1);
  assert.equal(rule('requires: version >= 9 | >= 8.0.3 < 8.1;').sid, 1);
  skipped('requires: version >= 8.0.8;');
  skipped('requires: version < 8;');
  skipped('nothing.knows.this; requires: keyword nothing.knows.this;');
  skipped('requires: feature lua;');
  skipped('requires: foo bar;');
  refused('requires: version >= 7, version < 9;', 'requires', /once/);
  refused('requires: version 8;', 'requires', /comparisons/);
  refused('requires: version;', 'requires', /takes feature/);
  const set = loadRuleText(
    'alert ip any any -> any any (requires: version >= 99; sid:1;)\nalert ip any any -> any any (sid:2;)',
    'f',
    context,
  );
  assert.deepEqual([set.rules.length, set.problems.length, set.skipped], [1, 0, 1]);
});

test('what is printed is read as the same rule', () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.]{0,20}$/);
  const option = fc.oneof(
    fc
      .tuple(fc.constantFrom('isset', 'isnotset'), fc.array(name, { minLength: 1, maxLength: 3 }))
      .map(([op, n]) => `flowbits:${op},${n.join('|')}`),
    fc.tuple(fc.constantFrom('set', 'unset', 'toggle'), name).map(([op, n]) => `flowbits:${op},${n}`),
    fc
      .tuple(name, fc.constantFrom('+', '-', '=', '<', '<=', '>', '>=', '==', '!='), fc.oneof(fc.nat(0xffffffff).map(String), name))
      .map((parts) => `flowint:${parts.join(',')}`),
    fc
      .tuple(
        fc.constantFrom('set', 'isset', 'unset', 'isnotset', 'toggle'),
        name,
        fc.constantFrom('ip_src', 'ip_dst', 'ip_pair'),
        fc.integer({ min: 1, max: 99999 }),
      )
      .map(([op, n, track, expire]) => `xbits:${op},${n},track ${track},expire ${expire}`),
    fc.tuple(fc.constantFrom('set', 'isset'), name, fc.constantFrom('src', 'dst', 'both')).map((parts) => `hostbits:${parts.join(',')}`),
    fc.constantFrom('tag:session', 'tag:host,3,seconds,src', 'iprep:both,x,!=,5', 'iprep:src,x,isset', 'alert', 'noalert'),
  );
  const once = fc.constantFrom(
    '',
    'target:src_ip; ',
    'threshold:type backoff,track by_flow,count 3,multiplier 2; ',
    'detection_filter:track by_both,count 3,seconds 9; ',
  );
  fc.assert(
    fc.property(fc.array(option, { maxLength: 6 }), once, (options, last) => {
      const first = rule(`${options.map((o) => `${o}; `).join('')}${last}`);
      const again = parseRule(printRule(first), { file: 'f', line: 1 }, context);
      assert.deepEqual({ ...again, text: '' }, { ...first, text: '' });
    }),
  );
});

test('hostile values: RuleError or a rule, nothing else', () => {
  const keyword = fc.constantFrom(
    'flowbits',
    'flowint',
    'xbits',
    'hostbits',
    'tag',
    'iprep',
    'threshold',
    'detection_filter',
    'requires',
    'config',
    'target',
  );
  const bit = fc.oneof(
    fc.constantFrom(
      ',',
      '|',
      ' ',
      'set',
      'isset',
      'track ',
      'ip_src',
      'expire ',
      '>=',
      '1',
      '99999999999999999999',
      'type limit',
      'version ',
      '<',
      '__proto__',
    ),
    fc.string({ maxLength: 4 }).map((s) => s.replace(/[;\\"()\0]/g, '')),
  );
  fc.assert(
    fc.property(keyword, fc.array(bit, { maxLength: 12 }), (name, bits) => {
      try {
        rule(`${name}:${bits.join('')};`);
      } catch (error) {
        assert.ok(error instanceof RuleError, String(error));
        assert.ok(!error.reason.includes('\n') || bits.join('').includes('\n'));
      }
    }),
    { numRuns: 500 },
  );
});
