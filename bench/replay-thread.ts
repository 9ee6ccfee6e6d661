import { parentPort, workerData } from 'node:worker_threads';
import { type CaptureData, Tape } from './replay-capture.js';
import { benchConfig, loadedRules, payloadRules } from './replay-rules.js';
import { type RunOptions, run } from './replay-run.js';

/** What a thread of the replay is told. */
export interface ThreadTask {
  capture: CaptureData;
  /** Packets for this thread; absent: all. */
  order?: Int32Array;
  configFile: string;
  ruleFiles: string[];
  /** Rewritten so that all of them run (payloadRules). */
  asPayload: boolean;
  /** Only the first so many, taken evenly over the set; 0: all. */
  take: number;
  options: RunOptions;
  /** Threads that start together: count up, and wait for all. */
  gate: SharedArrayBuffer;
  threads: number;
}

export function perform(task: ThreadTask) {
  const config = benchConfig(task.configFile);
  let rules = task.asPayload ? payloadRules(task.ruleFiles, config) : loadedRules(task.ruleFiles, config);
  if (task.take > 0 && task.take < rules.length) {
    const step = rules.length / task.take;
    rules = Array.from({ length: task.take }, (_, i) => rules[Math.floor(i * step)]);
  }
  const tape = new Tape(task.capture, task.order);
  const gate = new Int32Array(task.gate);
  Atomics.add(gate, 0, 1);
  Atomics.notify(gate, 0);
  for (let here = Atomics.load(gate, 0); here < task.threads; here = Atomics.load(gate, 0)) Atomics.wait(gate, 0, here);
  const result = run(tape, config, rules, task.options);
  return { ...result, rules: rules.length, inert: rules.filter((r) => r.inert !== undefined).length };
}

export type ThreadResult = ReturnType<typeof perform>;

if (parentPort !== null) parentPort.postMessage(perform(workerData as ThreadTask));
