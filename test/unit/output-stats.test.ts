import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.TZ = 'UTC';

import { AppProto } from '../../src/app-layer/buffers.js';
import { BLOCK_FLOATS, Counter } from '../../src/metrics/counters.js';
import { EveStats, STAT_NAMES, type StatsSnapshot, statsTable } from '../../src/output/stats.js';
import { Reason } from '../../src/ring/verdict.js';

function snapshot(packets: number): StatsSnapshot {
  const capture = new Float64Array(BLOCK_FLOATS);
  const first = new Float64Array(BLOCK_FLOATS);
  const second = new Float64Array(BLOCK_FLOATS);
  capture[Counter.KernelPackets] = packets;
  capture[Counter.DropReason + Reason.FlowDropped] = 2;
  first[Counter.DetectPackets] = packets;
  first[Counter.DetectBytes] = packets * 100;
  first[Counter.MaxWireLen] = 1514;
  second[Counter.DetectPackets] = packets;
  second[Counter.MaxWireLen] = 60;
  return {
    timeMs: Date.UTC(2026, 5, 5, 7, 14, 37) + 123,
    uptime: 93_784,
    threads: [
      { name: 'C#01', counters: capture },
      { name: 'W#01', counters: first },
      { name: 'W#02', counters: second },
    ],
  };
}

test('stats.log: the table, totals only, zeros left out', () => {
  const line = '-'.repeat(84);
  const row = (name: string, value: number) => `${name.padEnd(45)} | Total                     | ${value}`;
  assert.deepEqual(statsTable(snapshot(5), { totals: true, threads: false, nullValues: false }).split('\n'), [
    line,
    'Date: 6/5/2026 -- 07:14:37 (uptime: 1d, 02h 03m 04s)',
    line,
    'Counter                                       | TM Name                   | Value',
    line,
    row('capture.kernel_packets', 5),
    row('decoder.pkts', 10),
    row('decoder.bytes', 500),
    row('decoder.avg_pkt_size', 50),
    row('decoder.max_pkt_size', 1514),
    row('ips.drop_reason.flow_drop', 2),
  ]);
});

test('stats.log: threads and null values', () => {
  const table = statsTable(snapshot(5), { totals: false, threads: true, nullValues: false });
  assert.match(table, /^decoder\.pkts +\| W#02 +\| 5$/m);
  const all = statsTable(snapshot(5), { totals: true, threads: false, nullValues: true }).split('\n');
  assert.equal(all.length, 5 + STAT_NAMES.length + 1);
  assert.ok(all.some((l) => /^capture\.kernel_drops +\| Total +\| 0$/.test(l)));
});

test('eve stats: nested by the dots, deltas since the record before, threads, rules', () => {
  const stats = new EveStats({ totals: true, threads: true, deltas: true });
  const first = JSON.parse(stats.line(snapshot(5)));
  assert.deepEqual([first.timestamp, first.event_type, first.stats.uptime], ['2026-06-05T07:14:37.123000+0000', 'stats', 93784]);
  assert.deepEqual([first.stats.decoder.pkts, first.stats.decoder.pkts_delta, first.stats.ips.drop_reason.flow_drop], [10, 10, 2]);
  const second = JSON.parse(stats.line({ ...snapshot(8), rules: { loaded: 3, failed: 1, skipped: 0, lastReload: 'x' } }));
  assert.deepEqual([second.stats.decoder.pkts, second.stats.decoder.pkts_delta], [16, 6]);
  assert.deepEqual([second.stats.threads['W#02'].decoder.pkts, second.stats.threads['W#02'].decoder.pkts_delta], [8, 3]);
  assert.deepEqual(second.stats.detect.engines, [{ id: 0, last_reload: 'x', rules_loaded: 3, rules_failed: 1, rules_skipped: 0 }]);
  assert.equal(typeof second.stats.detect.alert, 'number');
});

test("netfilter: the names, Suricata's where it has them", () => {
  const s = snapshot(0);
  const expected: [string, number][] = [
    ['nfq.depth', Counter.QueueDepth],
    ['nfq.queue_dropped', Counter.QueueDrops],
    ['nfq.user_dropped', Counter.QueueUserDrops],
    ['nfq.fail_open', Counter.FailOpen],
    ['nfq.verdict_messages', Counter.VerdictMessages],
    ['nfq.verdict_packets', Counter.BatchSizeSum],
    ['nfq.verdict_errors', Counter.VerdictErrors],
    ['nflog.lost', Counter.LogLost],
    ['netlink.overruns', Counter.Overruns],
    ['flow_bypassed.local_pkts', Counter.Bypassed],
    ['app_layer.flow.ftp', Counter.AppFlows + AppProto.Ftp],
    ['app_layer.tx.ftp', Counter.AppTxs + AppProto.Ftp],
    ['ips.accepted', Counter.VerdictPass],
    ['ips.blocked', Counter.VerdictDrop],
    ['ips.rejected', Counter.RejectsSent],
    ['ips.replaced', Counter.Rewritten],
    ['ips.reject_limited', Counter.RejectsLimited],
    ['ips.reject_failed', Counter.RejectsFailed],
  ];
  for (const [i, [, counter]] of expected.entries()) s.threads[0].counters[counter] = 100 + i;
  const table = statsTable(s, { totals: true, threads: false, nullValues: false });
  for (const [i, [name]] of expected.entries())
    assert.ok(table.includes(`${name.padEnd(45)} | Total                     | ${100 + i}`), name);
  const { stats } = JSON.parse(new EveStats({ totals: true, threads: false, deltas: false }).line(s));
  assert.deepEqual(
    [stats.app_layer.flow.ftp, stats.app_layer.tx.ftp, stats.app_layer.error.ftp.parser, stats.flow_bypassed],
    [110, 111, 0, { local_pkts: 109, local_bytes: 0 }],
  );
  assert.deepEqual([stats.ips.rejected, stats.ips.replaced, stats.nfq.depth], [114, 115, 100]);
});

test('no counter name is given twice', () => {
  const names = STAT_NAMES.map((s) => s.name);
  assert.equal(new Set(names).size, names.length);
});
