import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CheckPlace, runChecks } from '../../conformance/checks.js';
import { findValue, type Json, matches, same, Unaskable } from '../../conformance/filter.js';
import { abilities, skipReason, unmet } from '../../conformance/requires.js';
import { judge, substitute } from '../../conformance/run-test.js';
import { onlyZero } from '../../conformance/test-case.js';
import { compareVersions, parseVersion, sameVersion } from '../../conformance/version.js';
import { versionLine } from '../../src/cli/version.js';

const EVENT = {
  event_type: 'alert',
  alert: { signature_id: 7, metadata: { tag: ['a', 'b', 'c'] }, action: 'allowed' },
  vlan: [10, 20],
  payload_printable: 'GET / HTTP',
  noalert: true,
} as const;
const event = EVENT as unknown as Json;
const own = { version: { major: 8, minor: 0, patch: 7 }, features: new Set(['NFQ']) };

test('a dotted name leads into objects, lists by index, and to lengths', () => {
  assert.equal(findValue('alert.signature_id', event), 7);
  assert.equal(findValue('alert.metadata.tag[1]', event), 'b');
  assert.equal(findValue('alert.metadata.tag.__len', event), 3);
  assert.equal(findValue('alert.signature_id.__len', event), -1);
  assert.equal(findValue('alert.metadata.tag[3]', event), undefined);
  assert.equal(findValue('alert.nothing.here', event), undefined);
  assert.equal(findValue('alert.action.length', event), undefined);
});

test('values are compared without conversion, but true is 1', () => {
  assert.ok(same([10, 20], [10, 20]));
  assert.ok(same({ a: [1] }, { a: [1] }));
  assert.ok(same(true, 1));
  assert.ok(!same('7', 7));
  assert.ok(!same([10], [10, 20]));
  assert.ok(!same({ a: 1 }, { b: 1 }));
  assert.ok(same(undefined, null));
});

test('a filter wants every line to fit', () => {
  const fits = (match: { [key: string]: Json }) => matches(match, event);
  assert.ok(fits({ event_type: 'alert', 'alert.signature_id': 7 }));
  assert.ok(!fits({ event_type: 'alert', 'alert.signature_id': 8 }));
  assert.ok(fits({ 'has-key': 'alert.action' }));
  assert.ok(!fits({ 'has-key': 'flow' }));
  assert.ok(fits({ 'not-has-key': 'flow' }));
  assert.ok(!fits({ 'not-has-key': 'vlan' }));
  assert.ok(fits({ 'vlan.__contains': 20, vlan: [10, 20] }));
  assert.ok(!fits({ 'vlan.__contains': 30 }));
  assert.ok(fits({ 'payload_printable.__startswith': 'GET', 'payload_printable.__endswith': 'HTTP', 'payload_printable.__find': ' / ' }));
  assert.ok(!fits({ 'payload_printable.__find': 'POST' }));
  assert.throws(() => fits({ 'missing.__find': 'x' }), Unaskable);
});

test('versions compare by their parts', () => {
  const version = (text: string) => parseVersion(text) ?? assert.fail(text);
  assert.deepEqual(parseVersion(versionLine()), { major: 8, minor: 0, patch: 7 });
  assert.deepEqual(parseVersion('This is Suricata version 8.0.7 RELEASE'), { major: 8, minor: 0, patch: 7 });
  assert.equal(parseVersion('Suricata'), undefined);
  assert.ok(compareVersions(version('8.0.7'), version('8')) > 0);
  assert.ok(compareVersions(version('7.0.12'), version('8')) < 0);
  assert.equal(compareVersions(version('8.0'), version('8')), 0);
  assert.ok(sameVersion(version('4.1.2'), version('4')));
  assert.ok(!sameVersion(version('4.1.2'), version('4.0')));
});

test('requirements: what is met, what is not, what nobody knows', () => {
  assert.equal(unmet(undefined, own), '');
  assert.equal(unmet({ 'min-version': '8', 'lt-version': '9', features: ['NFQ'], os: 'linux', pcap: 'false' }, own), '');
  assert.equal(unmet({ 'min-version': '8.0.8' }, own), 'requires at least version 8.0.8');
  assert.equal(unmet({ 'lt-version': '8.0' }, own), 'for versions below 8.0');
  assert.equal(unmet({ version: '7' }, own), 'only for version 7');
  assert.equal(unmet({ features: ['NFQ', 'HAVE_LUA'] }, own), 'requires feature HAVE_LUA');
  assert.equal(unmet({ files: ['/nowhere/at/all'] }, own), 'requires file /nowhere/at/all');
  assert.match(unmet({ lambda: 'suri_version.major > 3' }, own), /Python/);
  assert.match(unmet({ wish: 'x' }, own), /unknown requirement/);
  assert.equal(skipReason([{ feature: 'NFQ', msg: 'not here' }], own), 'not here');
  assert.equal(skipReason([{ feature: 'LUA' }], own), '');
  assert.equal(skipReason('true', own), 'skipped by default');
  assert.deepEqual(
    [...abilities('Suricata version 8.0.7', 'Features: A B\n  NFQueue support:  yes\n  Lua support: no').features],
    ['A', 'B', 'NFQueue'],
  );
});

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'conformance-test-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('checks of all kinds look at the output', () => {
  const stats = { event_type: 'stats', stats: { decoder: { pkts: 3 } } };
  writeFileSync(join(folder, 'eve.json'), `${JSON.stringify(EVENT)}\n${JSON.stringify(stats)}\n`);
  writeFileSync(join(folder, 'want.csv'), JSON.stringify(EVENT));
  const place: CheckPlace = { directory: folder, output: folder, env: { ...process.env }, abilities: own };
  const run = (checks: Json) =>
    runChecks(checks, checks as never, place).map(({ state, reason }) => (reason === '' ? state : `${state}: ${reason}`));
  assert.deepEqual(run([{ filter: { count: 1, match: { event_type: 'alert' } } }, { stats: { 'decoder.pkts': 3 } }]), ['passed', 'passed']);
  assert.deepEqual(run([{ filter: { count: 2, match: { event_type: 'alert' } } }]), [
    'failed: check 1: expected 2, got 1: {"event_type":"alert"}',
  ]);
  assert.deepEqual(run([{ stats: { 'decoder.pkts': 4 } }]), ['failed: check 1: stats.decoder.pkts: expected 4, got 3']);
  assert.deepEqual(run([{ filter: { count: 0, 'min-version': '9', match: {} } }]), ['skipped: check 1: requires at least version 9']);
  assert.deepEqual(run([{ shell: { args: 'wc -l < eve.json', expect: '2' } }, { shell: { args: 'false' } }]), [
    'passed',
    `failed: check 2: 'false' ended with 1`,
  ]);
  assert.match(run([{ 'file-compare': { filename: 'eve.json', expected: 'want.csv' } }])[0], /failed/);
  assert.match(run([{ filter: { count: 0, filename: 'none.json', match: {} } }])[0], /none.json does not exist/);
  assert.match(run([{ guess: {} }])[0], /unknown check/);
});

test('a test passes when a check did and none failed', () => {
  const check = (state: 'passed' | 'failed' | 'skipped') => ({ state, reason: state });
  assert.equal(judge([]).result, 'passed');
  assert.equal(judge([check('passed'), check('skipped')]).result, 'passed');
  assert.equal(judge([check('skipped')]).result, 'skipped');
  assert.deepEqual(judge([check('passed'), check('failed')]), { result: 'failed', reasons: ['failed'] });
});

test('command lines take names from the environment', () => {
  const braced = (name: string) => `$\{${name}}`;
  assert.equal(substitute(`${braced('A')}/x $A $$A`, { A: '1' }), '1/x 1 $A');
  assert.throws(() => substitute(braced('B'), {}), /B/);
});

test('a test that expects only zero counts is known for it', () => {
  assert.ok(onlyZero([{ filter: { count: 0, match: {} } }]));
  assert.ok(!onlyZero([{ filter: { count: 0, match: {} } }, { filter: { count: 1, match: {} } }]));
  assert.ok(!onlyZero([{ shell: { args: 'true' } }]));
  assert.ok(!onlyZero(undefined));
});
