import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseFlags, validateFlags } from '../../src/cli/flags.js';
import { DEFAULT_RULE_PROFILE } from '../../src/config/profiling.js';
import { Packet } from '../../src/decode/packet.js';
import { type RuleCost, RuleCosts } from '../../src/detect/rule-costs.js';
import { Inspection } from '../../src/detect/search.js';
import { costJson, costTable, sortCosts, writeRuleProfile } from '../../src/output/rule-profile.js';

const cost = (sid: number, fields: Partial<RuleCost> = {}): RuleCost => ({
  sid,
  gid: 1,
  rev: 1,
  checks: 1,
  matches: 0,
  ticks: 0,
  maxTicks: 0,
  matchTicks: 0,
  ...fields,
});

test('a watched matcher says what it said before, and is counted', () => {
  const costs = new RuleCosts();
  let answer = 0;
  const watched = costs.watch(0, { sid: 7, gid: 1, rev: 2 }, () => answer);
  costs.watch(1, { sid: 8, gid: 1, rev: 1 }, () => 0);
  const p = new Packet();
  const x = new Inspection();
  assert.equal(watched(p, x), 0);
  answer = 1;
  assert.equal(watched(p, x), 1);
  assert.equal(watched(p, x), 1);
  const [only, ...others] = costs.costs();
  assert.equal(others.length, 0, 'a rule that was never checked is left out');
  assert.deepEqual([only.sid, only.gid, only.rev, only.checks, only.matches], [7, 1, 2, 3, 2]);
  assert.ok(only.ticks >= only.matchTicks && only.ticks >= only.maxTicks && only.maxTicks > 0);
});

test('sorted by what was asked for, equal ones by sid', () => {
  const list = [cost(3, { ticks: 10, checks: 10 }), cost(2, { ticks: 10, checks: 1 }), cost(1, { ticks: 20, checks: 4, matches: 1 })];
  const sids = (sort: typeof DEFAULT_RULE_PROFILE.sort) => sortCosts(list, sort).map((c) => c.sid);
  assert.deepEqual(sids('ticks'), [1, 2, 3]);
  assert.deepEqual(sids('avgticks'), [2, 1, 3]);
  assert.deepEqual(sids('checks'), [3, 1, 2]);
  assert.deepEqual(sids('matches'), [1, 2, 3]);
});

test('the table has the averages, and no more rules than its limit; the JSON has all', () => {
  const list = [cost(1, { checks: 4, matches: 1, ticks: 100, matchTicks: 40, maxTicks: 50 }), cost(2, { checks: 2, ticks: 100 })];
  const table = costTable(list, { ...DEFAULT_RULE_PROFILE, limit: 1 });
  assert.match(table, /1 of 2/);
  assert.match(table, /^1 +1 +1 +1 +100 +50\.00 +4 +1 +50 +25\.0 +40\.0 +20\.0$/m);
  const json = JSON.parse(costJson(list, DEFAULT_RULE_PROFILE, new Date(0)));
  assert.equal(json.rules.length, 2);
  assert.deepEqual(
    [json.timestamp, json.sort, json.rules[0].signature_id, json.rules[0].ticks_avg_nomatch, json.rules[0].percent],
    ['1970-01-01T00:00:00.000Z', 'ticks', 1, 20, 50],
  );
  assert.match(costTable([], DEFAULT_RULE_PROFILE), /0 of 0/);
});

test('one line a run is appended; a folder that is not there is an error with its mend', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-costs-'));
  try {
    writeRuleProfile([cost(1)], DEFAULT_RULE_PROFILE, folder);
    writeRuleProfile([cost(1)], DEFAULT_RULE_PROFILE, folder);
    assert.equal(readFileSync(join(folder, 'rule_perf.log'), 'utf8').trim().split('\n').length, 2);
    assert.throws(() => writeRuleProfile([], DEFAULT_RULE_PROFILE, join(folder, 'none')), { code: 'SLUICE_SYSTEM' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('--rule-profile is for captures', () => {
  assert.equal(parseFlags(['-r', 'a.pcap', '--rule-profile']).ruleProfile, true);
  assert.doesNotThrow(() => validateFlags(parseFlags(['-r', 'a.pcap', '--rule-profile'])));
  assert.throws(() => validateFlags(parseFlags(['-q', '0', '--rule-profile'])), /belongs to -r/);
});
