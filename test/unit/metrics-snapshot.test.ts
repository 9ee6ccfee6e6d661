import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BATCH_BOUNDS, BLOCK_BYTES, Counter, LATENCY_BUCKETS, latencyBucket, latencyBucketTop } from '../../src/metrics/counters.js';
import { batchCounts, CounterBlocks, cumulate, LATENCY_BOUNDS } from '../../src/metrics/snapshot.js';
import { blocks } from './metrics-fixture.js';

test('totals add up, a maximum stays a maximum', () => {
  const b = blocks();
  b.threads[1].counters[Counter.Alerts] = 3;
  b.threads[2].counters[Counter.Alerts] = 4;
  b.threads[1].counters[Counter.MaxWireLen] = 60;
  b.threads[2].counters[Counter.MaxWireLen] = 1514;
  assert.deepEqual([b.total(Counter.Alerts), b.total(Counter.MaxWireLen), b.total(Counter.Packets)], [7, 1514, 0]);
});

test('blocks lie one after the other, and a thread that comes back goes on counting', () => {
  const memory = new ArrayBuffer(2 * BLOCK_BYTES);
  const names = [
    { name: 'C#01', kind: 'capture' as const },
    { name: 'W#01', kind: 'detect' as const },
  ];
  new Float64Array(memory, BLOCK_BYTES)[Counter.Alerts] = 5;
  assert.equal(new CounterBlocks(memory, names).perThread()[1].counters[Counter.Alerts], 5);
  assert.throws(() => new CounterBlocks(new ArrayBuffer(BLOCK_BYTES), names), /2 threads need/);
});

test('perThread is a copy, and what is no count reads as 0', () => {
  const b = blocks();
  b.threads[0].counters.set([NaN, -1, Number.POSITIVE_INFINITY, 9]);
  const copy = b.perThread()[0];
  b.threads[0].counters[3] = 10;
  assert.deepEqual([...copy.counters.subarray(0, 4)], [0, 0, 0, 9]);
  assert.equal(copy.interface, 'eth0');
  assert.equal(b.total(0), 0);
});

test('a bucket holds its values, and no quantile is better than the truth or 13 % worse', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (ns) => {
      const bucket = latencyBucket(ns);
      assert.ok(bucket < LATENCY_BUCKETS && latencyBucketTop(bucket) >= ns && (bucket === 0 || latencyBucketTop(bucket - 1) < ns));
    }),
    { seed: 1 },
  );
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1000, max: 1e9 }), { minLength: 1, maxLength: 300 }), (values) => {
      const b = blocks();
      for (const [i, ns] of values.entries()) b.threads[i % 3].latency[latencyBucket(ns)]++;
      const sorted = [...values].sort((x, y) => x - y);
      const summary = b.latency();
      assert.equal(summary.count, values.length);
      for (const [got, q] of [
        [summary.p50, 0.5],
        [summary.p99, 0.99],
      ]) {
        const truth = sorted[Math.max(0, Math.ceil(q * values.length) - 1)];
        // hdr-histogram keeps two digits: 1 % more
        assert.ok(got * 1e9 >= truth * 0.99 && got * 1e9 <= truth * 1.15, `${q}: ${got * 1e9} for ${truth}`);
      }
      assert.ok(summary.sum * 1e9 >= sorted.reduce((x, y) => x + y, 0));
    }),
    { seed: 2 },
  );
});

test('latency since an earlier moment', () => {
  const b = blocks();
  b.threads[0].latency[latencyBucket(1e6)] = 1000;
  const before = b.latencyCounts();
  b.threads[0].latency[latencyBucket(2000)] += 10;
  const recent = b.latency(before);
  assert.equal(recent.count, 10);
  assert.ok(recent.p99 < 3e-6 && b.latency().p99 > 9e-4);
  assert.deepEqual([blocks().latency().count, blocks().latency().p99], [0, 0]);
});

test('the Prometheus buckets are cumulative and never count a verdict too early', () => {
  const counts = new Float64Array(LATENCY_BUCKETS);
  counts[latencyBucket(900)] = 1;
  counts[latencyBucket(1001)] = 2;
  counts[latencyBucket(400_000_000)] = 4;
  counts[latencyBucket(2_000_000_000)] = 8;
  const cumulative = cumulate(counts);
  assert.equal(cumulative.length, LATENCY_BOUNDS.length);
  assert.deepEqual([cumulative[0], cumulative[1], cumulative.at(-3), cumulative.at(-1)], [1, 3, 3, 7]);
  assert.ok(cumulative.every((n, i) => i === 0 || n >= cumulative[i - 1]));
});

test('batch sizes: cumulative, the last bucket only in the count', () => {
  const b = blocks();
  const c = b.threads[3].counters;
  assert.ok(Counter.BatchSizeSum < Counter.Count && BATCH_BOUNDS.length === Counter.BatchSizeEnd - Counter.BatchSize - 1);
  for (let i = 0; i < 10; i++) c[Counter.BatchSize + i] = 1 << i;
  c[Counter.BatchSizeSum] = 99_999;
  assert.deepEqual(batchCounts(c), { cumulative: [1, 3, 7, 15, 31, 63, 127, 255, 511], count: 1023, sum: 99_999 });
});

test('the snapshot for the stats writers', () => {
  const b = blocks();
  b.threads[2].counters[Counter.Alerts] = 4;
  const s = b.snapshot(Date.now() - 65_000);
  assert.ok(s.uptime >= 65 && s.uptime < 600);
  assert.deepEqual(
    s.threads.map((t) => [t.name, t.counters[Counter.Alerts]]),
    [
      ['C#01', 0],
      ['W#01', 0],
      ['W#02', 4],
      ['C#02', 0],
      ['C#03', 0],
    ],
  );
});
