import { Bench } from 'tinybench';

/** What is timed: `run` does `packets` of them. */
export interface Measured {
  run: () => void;
  /** Default BATCH. */
  packets?: number;
  /** Before every run, outside the time measured. */
  before?: () => void;
}

/** `make` prepares a case, right before it is measured and only when it is wanted. */
export type Add = (name: string, make: () => Measured | (() => void)) => void;

export interface Group {
  name: string;
  /** Names the cases; `after` takes functions that give memory back when the group is done. */
  cases: (add: Add, after: (end: () => void) => void) => void;
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
/** A case with `before` spends most of its wall time outside the measured part. */
const PREPARED_MS = 30;

/** Measures the cases of a group that `wanted` lets through, one after the other, in this thread. */
export function measure(group: Group, wanted: (name: string) => boolean): Row[] {
  const rows: Row[] = [];
  const ends: (() => void)[] = [];
  const add: Add = (name, make) => {
    if (!wanted(`${group.name}: ${name}`)) return;
    const made = make();
    rows.push({ group: group.name, name, ...time(name, typeof made === 'function' ? { run: made } : made) });
  };
  try {
    group.cases(add, (end) => ends.push(end));
  } finally {
    for (const end of ends) end();
  }
  return rows;
}

/** "group: case" of every case, without preparing any. */
export function caseNames(group: Group): string[] {
  const names: string[] = [];
  group.cases(
    (name) => names.push(`${group.name}: ${name}`),
    () => {},
  );
  return names;
}

function time(name: string, { run, packets = BATCH, before }: Measured): Omit<Row, 'group' | 'name'> {
  // One Bench per case: tinybench's samples of earlier cases are garbage by then.
  const bench = new Bench({
    throws: true,
    warmupTime: before ? PREPARED_MS : WARM_MS,
    time: before ? PREPARED_MS : TIME_MS,
    subtractTimerOverhead: true,
  });
  bench.add(name, run, { async: false, beforeEach: before });
  const [task] = bench.runSync();
  const { result } = task;
  if (!('latency' in result)) throw new Error(`micro: '${name}' was not measured (${result.state})`);
  const { p50, mad, samplesCount } = result.latency;
  const ns = (p50 * 1e6) / packets;
  return { ns, packetsPerSecond: 1e9 / ns, deviation: (100 * mad) / p50, samples: samplesCount };
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
