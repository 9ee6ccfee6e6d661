import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe, latencyQuantile, parseSample } from '../../src/lab/samples.js';

const text = (packets: number, drops: number, latency: number[]) => `# HELP sluice_capture_packets_total Packets.
# TYPE sluice_capture_packets_total counter
sluice_capture_packets_total{thread="C0",interface="eth0"} ${packets}
sluice_capture_packets_total{thread="C0",interface="eth1"} ${packets * 2}
sluice_capture_bytes_total{thread="C0",interface="eth0"} ${packets * 1000}
sluice_kernel_drops_total{thread="C0",interface="eth0"} 2
sluice_send_errors_total{thread="C0",interface="eth0",kind="busy"} 3
sluice_drops_total{thread="W0",reason="rules"} ${drops}
sluice_drops_total{thread="W1",reason="rules"} 1
sluice_drops_total{thread="W0",reason="threshold detection_filter"} 0
sluice_verdict_latency_seconds_bucket{le="0.00001"} ${latency[0]}
sluice_verdict_latency_seconds_bucket{le="0.0001"} ${latency[1]}
sluice_verdict_latency_seconds_bucket{le="+Inf"} ${latency[2]}
sluice_verdict_latency_seconds_sum 1e-3
`;

test('a scrape is summed over threads, drops are kept by reason', () => {
  const s = parseSample(text(10, 4, [5, 9, 10]), 0);
  assert.deepEqual([s.packets, s.bytes, s.lost], [30, 10000, 5]);
  assert.deepEqual([...s.drops], [['rules', 5]]);
});

test('a quantile counts only what came since the scrape before', () => {
  const before = parseSample(text(0, 0, [0, 100, 100]), 0);
  const now = parseSample(text(0, 0, [60, 198, 200]), 1000);
  assert.equal(latencyQuantile(before, now, 0.5), 0.00001);
  assert.equal(latencyQuantile(before, now, 0.9), 0.0001);
  assert.equal(latencyQuantile(before, now, 0.99), Number.POSITIVE_INFINITY);
  assert.ok(Number.isNaN(latencyQuantile(now, now, 0.5)), 'no packet, no latency');
});

test('the live line gives rates between two scrapes', () => {
  const before = parseSample(text(0, 0, [0, 0, 0]), 0);
  const now = parseSample(text(1_000_000, 6, [10, 10, 10]), 2000);
  assert.equal(describe(before, now), '1500.0 kpackets/s  4.00 Gbit/s  drops: rules 7  lost: 5  verdict p50/p99 10/10 µs');
  assert.match(describe(undefined, before), /^0\.0 kpackets\/s {2}0\.00 Gbit\/s .* -\/- µs$/);
});
