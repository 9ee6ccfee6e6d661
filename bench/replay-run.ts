import { readFileSync } from 'node:fs';
import type { Config } from '../src/config/config.js';
import { Decoder } from '../src/decode/decoder.js';
import { FlowTable } from '../src/flow/flow-table.js';
import { BLOCK_FLOATS } from '../src/metrics/counters.js';
import { native } from '../src/native.js';
import { EventRing } from '../src/ring/event-ring.js';
import type { Rule } from '../src/rules/rule.js';
import { Engine } from '../src/workers/engine.js';
import type { Tape } from './replay-capture.js';

/**
 * What of the packet's way is run. A stage's cost is the difference between two of these, so that no clock is read per packet:
 * the sum is exact, the parts are not (what one stage leaves in the caches another finds).
 */
export type Variant = 'load' | 'decode' | 'flow' | 'no-rules' | 'scan' | 'rules' | 'events';
export const VARIANTS: readonly Variant[] = ['load', 'decode', 'flow', 'no-rules', 'scan', 'rules', 'events'];

export interface RunOptions {
  variant: Variant;
  laps: number;
  /** Laps before the clock starts: matchers are compiled, code is optimised. */
  warm: number;
  checksums: boolean;
}

export interface RunResult {
  packets: number;
  wireBytes: number;
  /** Nanoseconds of each lap: by the clock, and of those the thread spent on a CPU. */
  lapNs: number[];
  cpuNs: number[];
  counters: number[];
  /** In one lap more, not timed. */
  literalHits: number;
  scannedBytes: number;
  matchers: number;
  buildMs: number;
}

const EVENT_RING = 1 << 22;

/** Runs laps of the tape in this thread. */
export function run(tape: Tape, config: Config, rules: Rule[], options: RunOptions): RunResult {
  const began = performance.now();
  const counters = new Float64Array(BLOCK_FLOATS);
  const subject =
    options.variant === 'load' || options.variant === 'decode' || options.variant === 'flow'
      ? parts(config, counters, options)
      : engine(config, rules, counters, options);
  const buildMs = performance.now() - began;
  const lapNs: number[] = [];
  const cpuNs: number[] = [];
  let zero = counters.slice();
  for (let lap = -options.warm; lap < options.laps; lap++) {
    if (lap === 0) zero = counters.slice();
    const from = process.hrtime.bigint();
    const cpuFrom = onCpu();
    subject.lap(tape);
    if (lap < 0) continue;
    cpuNs.push(onCpu() - cpuFrom);
    lapNs.push(Number(process.hrtime.bigint() - from));
  }
  const result: RunResult = {
    packets: tape.order.length,
    wireBytes: 0,
    lapNs,
    cpuNs,
    counters: Array.from(counters, (v, i) => (v - zero[i]) / options.laps),
    literalHits: 0,
    scannedBytes: 0,
    matchers: subject.matchers(),
    buildMs,
  };
  if (options.variant === 'rules') {
    const { matchScan } = native;
    native.matchScan = (database, region, offset, length, out) => {
      const n = matchScan(database, region, offset, length, out);
      if (n > 0) result.literalHits += n;
      result.scannedBytes += length;
      return n;
    };
    subject.lap(tape);
    native.matchScan = matchScan;
  }
  subject.close();
  return result;
}

/** Nanoseconds this thread has run: what others on the machine take does not count. */
function onCpu(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ', 1)[0]);
}

interface Subject {
  lap(tape: Tape): void;
  matchers(): number;
  close(): void;
}

function engine(config: Config, rules: Rule[], counters: Float64Array, options: RunOptions): Subject {
  const outputs = structuredClone(config.outputs);
  // All that the configuration's own logs say; they are read off the ring at once, and made JSON by nobody.
  if (options.variant === 'events') outputs.fast.enabled = outputs.eve.enabled = true;
  const events = new EventRing(new ArrayBuffer(EventRing.bytesFor(EVENT_RING)), EVENT_RING);
  const it = new Engine({
    config: { ...config, outputs },
    thread: 0,
    rules: options.variant === 'no-rules' ? [] : rules,
    ruleGeneration: 0,
    checksumValidation: options.checksums,
    counters,
    events,
  });
  const { detector } = it as unknown as { detector: { evaluate: unknown; matchers: unknown[] } };
  if (options.variant === 'scan') detector.evaluate = () => 0;
  return {
    lap: (tape) => {
      const p = it.packet;
      it.tick(tape.rewind() - 1);
      while (it.catchUp()) while (events.peek() >= 0) events.release();
      const { order } = tape;
      for (let i = 0; i < order.length; i++) {
        tape.load(p, order[i]);
        it.inspect();
        while (events.peek() >= 0) events.release();
      }
    },
    matchers: () => detector.matchers.filter((m) => m !== null).length,
    close: () => it.close(),
  };
}

/** The first stages alone. */
function parts(config: Config, counters: Float64Array, options: RunOptions): Subject {
  const { vxlanPorts, teredo, teredoPorts } = config;
  const decoder = new Decoder({ vxlanPorts, teredo, teredoPorts, checksumValidation: options.checksums }, counters);
  const flows = new FlowTable(config.flow, counters, { flowEnded: () => {} }, { thread: 0 });
  const p = new Engine({
    config,
    thread: 0,
    rules: [],
    ruleGeneration: 0,
    checksumValidation: false,
    counters: new Float64Array(BLOCK_FLOATS),
    events: new EventRing(new ArrayBuffer(EventRing.bytesFor(1024)), 1024),
  }).packet;
  const { variant } = options;
  return {
    lap: (tape) => {
      let second = tape.rewind() - 1;
      while (variant === 'flow' && flows.tick(second, 256));
      const { order } = tape;
      for (let i = 0; i < order.length; i++) {
        tape.load(p, order[i]);
        if (variant === 'load') continue;
        p.tunnelDepth = p.defragged = 0;
        decoder.decode(p);
        if (variant === 'decode') continue;
        if (p.tsSec !== second) {
          second = p.tsSec;
          flows.tick(second, 256);
        }
        if (p.ipVersion !== 0 && p.invalid === 0 && p.isFragment === 0) flows.lookup(p);
      }
    },
    matchers: () => 0,
    close: () => flows.endAll(),
  };
}
