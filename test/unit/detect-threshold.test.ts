import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Key } from '../../src/flow/flow-table.js';
import { Counter } from '../../src/metrics/counters.js';
import { Bench, type PacketSpec, packet, rules } from '../support/detect.js';

function bench(threshold: string, entries = 1024): Bench {
  return new Bench(rules(`drop udp any any -> any any (content:"x"; threshold:${threshold}; sid:1;)`), { thresholdEntries: entries });
}

/** Outcomes of packets: A alert, s silent, - no match. */
function run(b: Bench, ...specs: PacketSpec[]): string {
  return specs
    .map((spec) => {
      const sids = b.sids(packet({ payload: 'x', ...spec }));
      return sids === '' ? '-' : sids === '1' ? 'A' : 's';
    })
    .join('');
}
const at = (...seconds: number[]): PacketSpec[] => seconds.map((sec) => ({ sec: 1000 + sec }));

test('limit: the first count alert, later ones act silently, until the time is over', () => {
  const b = bench('type limit, track by_src, count 2, seconds 10');
  assert.equal(run(b, ...at(0, 1, 2, 10, 11, 12, 13)), 'AAssAAs');
  assert.equal(b.counters[Counter.AlertsSuppressed], 3);
});

test('threshold: every count-th within the time matches, the others not at all', () => {
  const b = bench('type threshold, track by_src, count 3, seconds 10');
  assert.equal(run(b, ...at(0, 1, 2, 3, 4, 5)), '--A--A');
  assert.equal(run(b, ...at(100, 101, 111, 112, 113)), '----A');
});

test('both: one alert at the count, nothing before, silent after', () => {
  const b = bench('type both, track by_src, count 2, seconds 10');
  assert.equal(run(b, ...at(0, 1, 2, 3, 11, 12, 13)), '-Ass-As');
});

test('a count of one alerts at once', () => {
  assert.equal(run(bench('type threshold, track by_src, count 1, seconds 10'), ...at(0, 1, 20)), 'AAA');
  assert.equal(run(bench('type both, track by_src, count 1, seconds 10'), ...at(0, 1, 20)), 'AsA');
});

test('the time counts to the nanosecond', () => {
  const b = bench('type limit, track by_src, count 1, seconds 1');
  assert.equal(run(b, { sec: 5, nsec: 500 }, { sec: 6, nsec: 500 }, { sec: 6, nsec: 501 }), 'AsA');
});

const A: PacketSpec = { src: '10.0.0.1', dst: '192.0.2.1' };
const B: PacketSpec = { src: '10.0.0.2', dst: '192.0.2.1' };
const C: PacketSpec = { src: '10.0.0.1', dst: '192.0.2.2' };
const BACK: PacketSpec = { src: '192.0.2.1', dst: '10.0.0.1' };
const TRACKS: [string, PacketSpec[], string][] = [
  ['by_src', [A, B, C, BACK], 'AAsA'],
  ['by_dst', [A, B, C, BACK], 'AsAA'],
  ['by_both', [A, B, C, BACK], 'AAAs'],
  ['by_rule', [A, B, C, BACK], 'Asss'],
  [
    'by_src',
    [
      { src: 'fd00::1', dst: 'fd00::9' },
      { src: 'fd00::2', dst: 'fd00::9' },
      { src: 'fd00::1', dst: 'fd00::8' },
    ],
    'AAs',
  ],
  ['by_flow', [{ flow: 0 }, { flow: 1 }, { flow: 0 }, {}, {}], 'AAsAs'],
];
for (const [track, specs, expected] of TRACKS) {
  test(`${track} tracks ${specs.map((s) => s.flow ?? s.src).join(' ')}`, () => {
    assert.equal(run(bench(`type limit, track ${track}, count 1, seconds 60`), ...specs), expected);
  });
}

test('by_flow: a slot that holds another flow by now starts anew', () => {
  const b = bench('type limit, track by_flow, count 1, seconds 60');
  assert.equal(run(b, { flow: 2 }, { flow: 2 }), 'As');
  b.flows.key[2 * Key.Words + Key.IdLow] = 99;
  assert.equal(run(b, { flow: 2 }), 'A');
});

test('a full table stays within its bound, gives up the oldest and counts it', () => {
  const b = bench('type limit, track by_src, count 1, seconds 1000', 8);
  const from = (i: number): PacketSpec => ({ src: `10.0.0.${i}`, sec: 1000 + i });
  const first = Array.from({ length: 9 }, (_, i) => from(i));
  assert.equal(run(b, ...first), 'AAAAAAAAA');
  assert.equal(b.counters[Counter.ThresholdEvicted], 1);
  // The newest eight are still known; the oldest was given up and alerts again.
  assert.equal(run(b, ...first.slice(1)), 'ssssssss');
  assert.equal(run(b, from(0)), 'A');
});

test('an entry whose time is over is taken before a live one', () => {
  const b = bench('type limit, track by_src, count 1, seconds 5', 8);
  for (let i = 0; i < 8; i++) assert.equal(run(b, { src: `10.0.0.${i}`, sec: 1000 + i }), 'A');
  assert.equal(run(b, { src: '10.0.1.1', sec: 1007 }), 'A');
  assert.equal(b.counters[Counter.ThresholdEvicted], 0);
});
