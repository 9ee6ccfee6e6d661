import { Bench } from 'tinybench';

/** One function under measurement: `run` does `packets` of them. */
export interface Case {
  name: string;
  packets: number;
  run: () => void;
  /** Before every run, outside the time measured. */
  prepare?: () => void;
}

/** Cases that share what they are prepared with; built only when one of them is wanted. */
export interface Group {
  name: string;
  /** Called with `add` for each case; may return what takes the preparation down again. */
  build: (add: (name: string, run: () => void, options?: CaseOptions) => void) => undefined | (() => void);
}

export interface CaseOptions {
  packets?: number;
  prepare?: () => void;
}

export interface Row {
  group: string;
  name: string;
  /** Median over the samples, per packet. */
  ns: number;
  packetsPerSecond: number;
  /** Median absolute deviation of a sample, percent of the median. */
  deviation: number;
  samples: number;
}

/** Packets per sample: enough to hide the two clock readings around it (30 to 60 ns). */
export const BATCH = 256;
const WARM_MS = 150;
const TIME_MS = 300;
/** A case with `prepare` spends most of its wall time outside the measured part. */
const PREPARED_MS = 30;

/** Runs the cases of a group that `wanted` lets through, one after the other, in this thread. */
export function measure(group: Group, wanted: (name: string) => boolean): Row[] {
  const cases: Case[] = [];
  const end = group.build((name, run, options = {}) => {
    cases.push({ name, run, packets: options.packets ?? BATCH, prepare: options.prepare });
  });
  const rows: Row[] = [];
  for (const one of cases) {
    if (!wanted(`${group.name}: ${one.name}`)) continue;
    // One Bench per case: a later case cannot be optimised with what an earlier one left in tinybench's own call sites.
    const bench = new Bench({
      throws: true,
      warmupTime: one.prepare ? PREPARED_MS : WARM_MS,
      time: one.prepare ? PREPARED_MS : TIME_MS,
      subtractTimerOverhead: true,
    });
    bench.add(one.name, one.run, { async: false, beforeEach: one.prepare });
    const [task] = bench.runSync();
    const result = task.result;
    if (!('latency' in result)) throw new Error(`micro: '${one.name}' was not measured (${result.state})`);
    const { p50, mad, samplesCount } = result.latency;
    const ns = (p50 * 1e6) / one.packets;
    rows.push({ group: group.name, name: one.name, ns, packetsPerSecond: 1e9 / ns, deviation: (100 * mad) / p50, samples: samplesCount });
  }
  end?.();
  return rows;
}

export function printRows(rows: Row[]): void {
  const lines = [
    ['', 'ns', 'packets/s', '±'],
    ...rows.map((row) => [`${row.group}: ${row.name}`, nanoseconds(row.ns), rate(row.packetsPerSecond), `${row.deviation.toFixed(1)} %`]),
  ];
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  for (const line of lines)
    process.stdout.write(`${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('   ')}\n`);
  process.stdout.write('\n');
}

function nanoseconds(ns: number): string {
  return ns < 100 ? ns.toFixed(1) : ns.toFixed(0);
}

function rate(perSecond: number): string {
  return perSecond >= 1e6 ? `${(perSecond / 1e6).toFixed(1)} M` : `${(perSecond / 1e3).toFixed(0)} k`;
}
