import { createRequire } from 'node:module';
import type * as hdr from 'hdr-histogram-js';
import { BATCH_BOUNDS, BLOCK_BYTES, BLOCK_FLOATS, Counter, LATENCY_BUCKETS, latencyBucketTop } from './counters.js';

/** Who keeps a counter block: `capture` threads forward, `detect` threads decode and decide. */
export interface ThreadName {
  /** Name in stats and labels, e.g. `C#01`, `W#01`. */
  name: string;
  kind: 'capture' | 'detect';
  /** What a capture thread captures from, for the `interface` label, e.g. `eth0-eth1`, `NFQ#0`, `NFLOG#2`. */
  interface?: string;
}

export interface ThreadCounters extends ThreadName {
  /** Live: one float64 per Counter, in shared memory. */
  counters: Float64Array;
  /** Live: one float64 per latency bucket. */
  latency: Float64Array;
}

/** Verdict latency of all threads since the start. */
export interface LatencySummary {
  /** Values in nanoseconds; empty: totalCount 0. */
  histogram: hdr.Histogram;
  count: number;
  /** Seconds, each verdict taken at its bucket's top: at most 12.5 % too much. */
  sum: number;
  p50: number;
  p99: number;
  /** Seconds, as p50 and p99. */
  max: number;
}

/** Loaded when it is first asked for: it takes longer to import than all of our own metrics. */
let histograms: typeof hdr | undefined;

/** Counters that are a maximum, not a sum. */
const MAXIMA = new Set<number>([Counter.MaxWireLen, Counter.MemcapPressure, Counter.MemcapPressureMax]);
const BUCKET_TOPS = Array.from({ length: LATENCY_BUCKETS }, (_, i) => latencyBucketTop(i));
/** No latency above this is told apart: 2^31 ns, the largest latencyBucket() takes. */
const MAX_NS = 2 ** 31;

/**
 * The supervisor's view of the counter blocks (layout: counters.ts). Reads shared memory that other processes
 * write, hostile ones perhaps: a value that is no count reads as 0.
 */
export class CounterBlocks {
  readonly threads: readonly ThreadCounters[];
  private readonly startMs = Date.now();

  /** `names[i]` is who writes block i. */
  constructor(buffer: ArrayBufferLike, names: readonly ThreadName[]) {
    if (buffer.byteLength < names.length * BLOCK_BYTES)
      throw new RangeError(`counter blocks: ${names.length} threads need ${names.length * BLOCK_BYTES} bytes, got ${buffer.byteLength}`);
    this.threads = names.map((name, i) => {
      const block = new Float64Array(buffer, i * BLOCK_BYTES, BLOCK_FLOATS);
      return { ...name, counters: block.subarray(0, Counter.Count), latency: block.subarray(Counter.Count) };
    });
  }

  /** One counter over all threads: the sum, or the maximum of a maximum. */
  total(counter: Counter | number): number {
    let total = 0;
    for (const thread of this.threads) {
      const value = count(thread.counters[counter]);
      total = MAXIMA.has(counter) ? Math.max(total, value) : total + value;
    }
    return total;
  }

  /** A copy of each thread's counters, as they are now. */
  perThread(): { name: string; kind: ThreadName['kind']; interface: string; counters: Float64Array }[] {
    return this.threads.map((t) => ({ name: t.name, kind: t.kind, interface: t.interface ?? '', counters: t.counters.map(count) }));
  }

  /** Input of the stats writers (StatsSnapshot of src/output). `startMs`: when the engine started. */
  snapshot(startMs = this.startMs): { timeMs: number; uptime: number; threads: { name: string; counters: Float64Array }[] } {
    const timeMs = Date.now();
    return { timeMs, uptime: Math.max(0, Math.trunc((timeMs - startMs) / 1000)), threads: this.perThread() };
  }

  /** Verdicts per latency bucket, over all threads. */
  latencyCounts(): Float64Array {
    const counts = new Float64Array(LATENCY_BUCKETS);
    for (const thread of this.threads) for (let i = 0; i < LATENCY_BUCKETS; i++) counts[i] += count(thread.latency[i]);
    return counts;
  }

  /** Of what `latencyCounts` returned, less `since`: an earlier result, for "in the last minute". */
  latency(since?: Float64Array): LatencySummary {
    const counts = this.latencyCounts();
    histograms ??= createRequire(import.meta.url)('hdr-histogram-js') as typeof hdr;
    const histogram = histograms.build({ lowestDiscernibleValue: 1, highestTrackableValue: MAX_NS, numberOfSignificantValueDigits: 2 });
    let total = 0;
    let sum = 0;
    for (let i = 0; i < LATENCY_BUCKETS; i++) {
      const n = Math.max(0, counts[i] - (since?.[i] ?? 0));
      if (n === 0) continue;
      const top = Math.min(BUCKET_TOPS[i], MAX_NS);
      histogram.recordValueWithCount(top, n);
      total += n;
      sum += n * top;
    }
    const at = (percentile: number) => (total === 0 ? 0 : histogram.getValueAtPercentile(percentile) / 1e9);
    return { histogram, count: total, sum: sum / 1e9, p50: at(50), p99: at(99), max: total === 0 ? 0 : histogram.maxValue / 1e9 };
  }
}

function count(value: number): number {
  return Number.isFinite(value) && value > 0 ? value : 0;
}

/** Upper bounds of the Prometheus histogram, seconds: 1 µs to 1 s. */
export const LATENCY_BOUNDS: readonly number[] = [
  1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1,
];

/**
 * Cumulative counts for LATENCY_BOUNDS. A bucket counts where its top does, so a quantile read from
 * this is never too good.
 */
export function cumulate(counts: Float64Array): number[] {
  const result: number[] = [];
  let bucket = 0;
  let total = 0;
  for (const bound of LATENCY_BOUNDS) {
    while (bucket < LATENCY_BUCKETS && BUCKET_TOPS[bucket] <= bound * 1e9 * (1 + 1e-9)) total += counts[bucket++];
    result.push(total);
  }
  return result;
}

/** Verdict messages of one thread by packets answered: cumulative for BATCH_BOUNDS, all, and packets. */
export function batchCounts(counters: Float64Array): { cumulative: number[]; count: number; sum: number } {
  const cumulative: number[] = [];
  let messages = 0;
  for (let i = 0; i < BATCH_BOUNDS.length; i++) {
    messages += counters[Counter.BatchSize + i];
    cumulative.push(messages);
  }
  return { cumulative, count: messages + counters[Counter.BatchSizeEnd - 1], sum: counters[Counter.BatchSizeSum] };
}
