import { Worker } from 'node:worker_threads';
import { Expectations, expectedEntries } from '../app-layer/ftp-data/expectations.js';
import { MAX_BATCH } from '../capture/frames.js';
import type { SourcePlan } from '../capture/plan.js';
import { AddressTable } from '../detect/state/address-table.js';
import { SluiceError } from '../errors.js';
import { native } from '../native.js';
import { Control, controlBytes } from '../ring/arena.js';
import { RING_WINDOW } from '../ring/packet-ring.js';
import type { FusedThreadData } from '../workers/fused.js';
import { RuleOutbox } from '../workers/rule-inbox.js';
import { childProcess, endWith, giveUp, giveUpRights, tell } from './child-process.js';
import { type Begin, Fd, type Init, rulesFd, type ToChild } from './messages.js';
import { names, openError } from './open-error.js';
import { ProcessRules } from './process-rules.js';

/**
 * The capture process: threads load side by side and open their sockets one after the other, so that socket i is member i of
 * every fanout group, lets all begin together, and ends when all have drained.
 */
const rules = new ProcessRules();
const outbox = new RuleOutbox((ruleGeneration, refusal) => {
  rules.settled(refusal);
  tell({ type: 'reloaded', ruleGeneration, refusal });
});
let running: Running | undefined;

/** Threads of the process, from the first message on: the second lets them open their sockets. */
interface Running {
  init: Init;
  fused: boolean;
  control: Int32Array;
  /** CaptureThreadData.turn */
  turn: Int32Array;
  threads: Worker[];
  opening: Promise<void>[];
  left: number;
}

/** Threads that only capture begin to load here; those that detect, too, need the rules first. */
function prepare(init: Init): void {
  const fused = init.config.runmode === 'workers';
  process.title = fused ? 'sluice: capture + detect' : 'sluice: capture';
  running = {
    init,
    fused,
    control: new Int32Array(native.mapFd(Fd.Control, controlBytes(init.layout.captureThreads))),
    turn: new Int32Array(new SharedArrayBuffer(4)).fill(-1),
    threads: [],
    opening: [],
    left: init.plan.threads.length,
  };
  if (!fused) makeThreads(running, new Uint8Array(0), 0);
}

function makeThreads(run: Running, image: Uint8Array, ruleGeneration: number): void {
  const { init, fused, turn } = run;
  const script = new URL(fused ? '../workers/fused.js' : '../capture/dispatch.js', import.meta.url);
  const addressState = AddressTable.create(fused ? init.config.thresholdEntries : 0, init.plan.threads.length > 1);
  const expectations = Expectations.create(fused ? expectedEntries(init.config.appLayer?.ftp?.memcap) : 0, init.plan.threads.length > 1);
  const affinity = init.config.threading;
  for (let thread = 0; thread < init.plan.threads.length; thread++) {
    const { port, orders } = outbox.add();
    const data: FusedThreadData = {
      config: init.config,
      plan: init.plan,
      layout: init.layout,
      thread,
      controlFd: Fd.Control,
      countersFd: Fd.Counters,
      arenaFd: Fd.Arena,
      eventFd: Fd.Events + thread,
      cpu: affinity.setCpuAffinity && affinity.captureCpus.length > 0 ? affinity.captureCpus[thread % affinity.captureCpus.length] : -1,
      confined: fused && init.become !== undefined,
      // In run mode workers every packet is decided before the next batch is taken.
      window: fused ? MAX_BATCH : init.layout.workers * RING_WINDOW + MAX_BATCH,
      turn,
      image,
      addressState,
      expectations,
      datasets: rules.datasets,
      ruleGeneration,
      checksumValidation: init.checksumValidation,
      port,
      orders,
    };
    const worker = new Worker(script, { workerData: data, transferList: [port], name: init.plan.threads[thread].name });
    const open = opened(
      worker,
      init.plan.threads[thread].sources.map((s) => init.plan.sources[s]),
    );
    // Heard when it is this thread's turn.
    open.catch(() => {});
    run.threads.push(worker);
    run.opening.push(open);
  }
}

async function begin({ rules: image, ruleGeneration }: Begin): Promise<void> {
  if (running === undefined) return;
  const { init, fused, control, turn, threads, opening } = running;
  if (fused) makeThreads(running, rules.take(rulesFd(init.layout), image), ruleGeneration);
  const forwarding: Promise<void>[] = [];
  for (let thread = 0; thread < threads.length; thread++) {
    Atomics.store(turn, 0, thread);
    Atomics.notify(turn, 0);
    await opening[thread];
    const worker = threads[thread];
    forwarding.push(new Promise((resolve) => worker.once('message', () => resolve())));
    worker.on('error', giveUp);
    worker.on('exit', () => {
      if (running !== undefined && --running.left === 0) endWith(rules.dump());
    });
  }
  // In run mode `workers` hostile bytes are parsed here: not as root. Open packet sockets need no right.
  if (fused && init.become !== undefined) giveUpRights('capture + detection', init.become);
  Atomics.store(control, Control.Start, 1);
  for (let i = 0; i < threads.length; i++) native.futexWake(control, Control.Start);
  // Not before: what a thread finds when it begins is discarded.
  await Promise.all(forwarding);
  tell({ type: 'ready' });
}

/** Resolves when the thread's sockets are open. */
function opened(worker: Worker, sources: SourcePlan[]): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', (error) => reject(openError(error as NodeJS.ErrnoException, sources)));
    worker.once('exit', () =>
      reject(new SluiceError('SLUICE_SYSTEM', `capture thread of ${names(sources)} ended before its sockets were open`)),
    );
  });
}

function order(message: ToChild): void | Promise<void> {
  switch (message.type) {
    case 'init':
      return prepare(message);
    case 'begin':
      return begin(message);
    case 'rules':
      if (running === undefined) return;
      outbox.rules({
        image: rules.take(rulesFd(running.init.layout), message.rules),
        datasets: rules.datasets,
        generation: message.ruleGeneration,
      });
      return;
    case 'end':
      stop();
  }
}

/** Without a supervisor nobody could stop or restart us: drain and end. */
function stop(): void {
  if (running === undefined || Atomics.load(running.turn, 0) < 0) process.exit(0);
  const { control, threads } = running;
  Atomics.store(control, Control.Stop, 1);
  for (let i = 0; i < threads.length; i++) native.eventfdSignal(Fd.Events + i);
}

childProcess('sluice: capture', order, stop);
