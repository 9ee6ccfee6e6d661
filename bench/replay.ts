import { Worker } from 'node:worker_threads';
import { Decoder } from '../src/decode/decoder.js';
import { Packet } from '../src/decode/packet.js';
import { BLOCK_FLOATS, Counter } from '../src/metrics/counters.js';
import { type CaptureData, readCapture, Tape, unpacked } from './replay-capture.js';
import { benchConfig } from './replay-rules.js';
import { VARIANTS, type Variant } from './replay-run.js';
import { perform, type ThreadResult, type ThreadTask } from './replay-thread.js';

export interface ReplayOptions {
  capture: string;
  config: string;
  rules: string[];
  /** 0: in this thread. */
  workers: number;
  laps: number;
  warm: number;
  checksums: boolean;
  asPayload: boolean;
  take: number;
  /** One variant only: what a profiler is to see. */
  variant: Variant | '';
  curve: boolean;
}

export interface ReplayRow {
  name: string;
  rules: number;
  inert: number;
  packetsPerSecond: number;
  gbitPerSecond: number;
  nsPerPacket: number;
  /** Nanoseconds of CPU per packet by stage; empty unless measured. */
  stages: Record<string, number>;
  rulesEvaluated: number;
  scans: number;
  hitsPerScan: number;
  bytesPerScan: number;
  matchers: number;
  alerts: number;
  buildMs: number;
  /** Nanoseconds of CPU per packet, and what that allows on a CPU of its own. */
  cpuNsPerPacket: number;
  cpuPacketsPerSecond: number;
  /** Slowest lap against the fastest. */
  spread: number;
}

/**
 * A capture held in memory through the whole engine, outputs off. One thread, or N threads with an engine each and the packets split
 * between them by flow before the clock starts: what a capture thread and the rings cost is not in it (see `inline` for that).
 */
export async function replay(options: ReplayOptions, say: (line: string) => void): Promise<ReplayRow[]> {
  const file = unpacked(options.capture);
  let capture: CaptureData;
  try {
    capture = readCapture(file.path);
  } finally {
    file.remove();
  }
  say(`${capture.count} packets, ${capture.wireBytes} bytes, ${capture.seconds} s; ${options.laps} laps after ${options.warm}`);
  const task = (variant: Variant, take: number): ThreadTask => ({
    capture,
    configFile: options.config,
    ruleFiles: options.rules,
    asPayload: options.asPayload,
    take,
    options: { variant, laps: options.laps, warm: options.warm, checksums: options.checksums },
    gate: new SharedArrayBuffer(4),
    threads: 1,
  });
  if (options.curve) {
    const rows: ReplayRow[] = [];
    for (const take of [1000, 5000, 25_000]) {
      const result = await inThread(task('rules', take));
      rows.push(row(`${result.rules} rules`, capture, [result], {}));
      say(line(rows.at(-1)!));
    }
    return rows;
  }
  if (options.workers > 0) {
    const orders = split(capture, options.workers, options.config);
    const one = task('rules', options.take);
    const results = await Promise.all(orders.map((order) => inThread({ ...one, order, threads: orders.length })));
    return [row(`${options.workers} threads, split by flow`, capture, results, {})];
  }
  if (options.variant !== '') {
    const result = perform(task(options.variant, options.take));
    return [row(`${options.variant}, this thread`, capture, [result], {})];
  }
  const ns: Partial<Record<Variant, number>> = {};
  let full: ThreadResult | undefined;
  for (const variant of VARIANTS) {
    const result = await inThread(task(variant, options.take));
    ns[variant] = median(result.cpuNs) / capture.count;
    say(`  ${variant.padEnd(9)} ${ns[variant]!.toFixed(0).padStart(6)} ns`);
    if (variant === 'rules') full = result;
  }
  const stages: Record<string, number> = {
    load: ns.load!,
    decode: ns.decode! - ns.load!,
    flow: ns.flow! - ns.decode!,
    'defrag, stream, app-layer': ns['no-rules']! - ns.flow!,
    'prefilter, header indexes': ns.scan! - ns['no-rules']!,
    evaluate: ns.rules! - ns.scan!,
    'events of the EVE log (off above)': ns.events! - ns.rules!,
  };
  return [row('single thread', capture, [full!], stages)];
}

/** In a thread of its own: what one run leaves behind (hidden classes, optimised code) does not reach the next. */
function inThread(task: ThreadTask): Promise<ThreadResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./replay-thread.js', import.meta.url), { workerData: task });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** Packets by thread: both directions of a flow, and all fragments between two addresses, meet in one. */
function split(capture: CaptureData, threads: number, configFile: string): Int32Array[] {
  const { vxlanPorts, teredo, teredoPorts } = benchConfig(configFile);
  const decoder = new Decoder({ vxlanPorts, teredo, teredoPorts, checksumValidation: false }, new Float64Array(BLOCK_FLOATS));
  const tape = new Tape(capture);
  const p = new Packet();
  const orders: number[][] = Array.from({ length: threads }, () => []);
  for (let i = 0; i < capture.count; i++) {
    tape.load(p, i);
    p.tunnelDepth = p.defragged = 0;
    decoder.decode(p);
    let hash = 0;
    if (p.ipVersion !== 0) {
      for (let w = 0; w < 4; w++) hash ^= p.src[w] ^ p.dst[w];
      hash = Math.imul(hash, 0x9e3779b1);
    }
    orders[(hash >>> 16) % threads].push(i);
  }
  return orders.map((order) => Int32Array.from(order));
}

function row(name: string, capture: CaptureData, results: ThreadResult[], stages: Record<string, number>): ReplayRow {
  // Threads run side by side: the slowest one's median lap is the lap.
  const lap = Math.max(...results.map((r) => median(r.lapNs)));
  const sum = (counter: Counter) => results.reduce((total, r) => total + r.counters[counter], 0);
  const scans = sum(Counter.PrefilterScans);
  const total = (of: (r: ThreadResult) => number) => results.reduce((s, r) => s + of(r), 0);
  return {
    name,
    rules: results[0].rules,
    inert: results[0].inert,
    packetsPerSecond: (capture.count * 1e9) / lap,
    gbitPerSecond: (capture.wireBytes * 8) / lap,
    nsPerPacket: lap / capture.count,
    stages,
    rulesEvaluated: sum(Counter.RulesEvaluated) / capture.count,
    scans: scans / capture.count,
    hitsPerScan: scans > 0 ? total((r) => r.literalHits) / scans : 0,
    bytesPerScan: scans > 0 ? total((r) => r.scannedBytes) / scans : 0,
    matchers: Math.max(...results.map((r) => r.matchers)),
    alerts: sum(Counter.Alerts),
    buildMs: Math.max(...results.map((r) => r.buildMs)),
    cpuNsPerPacket: total((r) => median(r.cpuNs)) / capture.count,
    cpuPacketsPerSecond: (capture.count * 1e9) / Math.max(...results.map((r) => median(r.cpuNs))),
    spread: Math.max(...results.map((r) => Math.max(...r.lapNs) / Math.min(...r.lapNs))),
  };
}

export function printReplay(rows: ReplayRow[]): void {
  for (const r of rows) {
    process.stdout.write(`${line(r)}\n`);
    for (const [stage, ns] of Object.entries(r.stages)) process.stdout.write(`    ${stage.padEnd(34)} ${ns.toFixed(0).padStart(6)} ns\n`);
  }
}

function line(r: ReplayRow): string {
  return [
    `${r.name}: ${(r.packetsPerSecond / 1e3).toFixed(0)} kpps, ${r.gbitPerSecond.toFixed(2)} Gbit/s, ${r.nsPerPacket.toFixed(0)} ns/packet (laps within ${((r.spread - 1) * 100).toFixed(0)} %)`,
    `  CPU: ${r.cpuNsPerPacket.toFixed(0)} ns/packet, ${(r.cpuPacketsPerSecond / 1e3).toFixed(0)} kpps undisturbed`,
    `  ${r.rules} rules (${r.inert} inert), built in ${r.buildMs.toFixed(0)} ms, ${r.matchers} matchers compiled`,
    `  per packet: ${r.rulesEvaluated.toFixed(2)} rules evaluated, ${r.scans.toFixed(3)} scans of ${r.bytesPerScan.toFixed(0)} B with ${r.hitsPerScan.toFixed(2)} literals hit; ${r.alerts.toFixed(0)} alerts a lap`,
  ].join('\n');
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
