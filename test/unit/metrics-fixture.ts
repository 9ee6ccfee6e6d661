import { BLOCK_BYTES } from '../../src/metrics/counters.js';
import type { MetricsSources } from '../../src/metrics/registry.js';
import { CounterBlocks } from '../../src/metrics/snapshot.js';

/** A capture thread, two workers, then threads of a netfilter queue and of a log group, over plain memory. */
export function blocks(): CounterBlocks {
  return new CounterBlocks(new ArrayBuffer(5 * BLOCK_BYTES), [
    { name: 'C#01', kind: 'capture', interface: 'eth0' },
    { name: 'W#01', kind: 'detect' },
    { name: 'W#02', kind: 'detect' },
    { name: 'C#02', kind: 'capture', interface: 'NFQ#0' },
    { name: 'C#03', kind: 'capture', interface: 'NFLOG#2' },
  ]);
}

export function sources(over: Partial<MetricsSources> = {}): MetricsSources {
  return {
    blocks: blocks(),
    version: '0.1.0',
    runmode: 'autofp',
    startMs: 1_700_000_000_000,
    processes: () => [
      { name: 'capture', up: true, restarts: 0, pid: 10 },
      { name: 'detection', up: true, restarts: 2, pid: 11 },
    ],
    rules: () => ({ loaded: 7, failed: 1 }),
    lostLines: () => ({ 'eve.json': 3 }),
    invalidRecords: () => 4,
    up: () => true,
    queueLimit: 4096,
    ...over,
  };
}
