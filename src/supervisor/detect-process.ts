import { Piscina } from 'piscina';
import { Expectations, expectedEntries } from '../app-layer/ftp-data/expectations.js';
import { AddressTable } from '../detect/state/address-table.js';
import type { DetectTask } from '../workers/detect-task.js';
import { RuleOutbox } from '../workers/rule-inbox.js';
import { childProcess, endWith, giveUp, giveUpRights, tell } from './child-process.js';
import { type Begin, Fd, type Init, rulesFd, type ToChild } from './messages.js';
import { ProcessRules } from './process-rules.js';

/**
 * The detection process: hostile bytes are parsed here and nowhere else. It holds no socket, and once
 * its workers stand it gives up every right.
 */
const rules = new ProcessRules();
const outbox = new RuleOutbox((ruleGeneration, refusal) => {
  rules.settled(refusal);
  tell({ type: 'reloaded', ruleGeneration, refusal });
});

let warm: { init: Init; pool: Piscina<DetectTask | undefined, void> } | undefined;

/** Threads start and load what they need; the rules come later. */
function prepare(init: Init): void {
  const count = init.layout.workers;
  const pool = new Piscina<DetectTask | undefined, void>({
    filename: new URL('../workers/detect-task.js', import.meta.url).href,
    minThreads: count,
    maxThreads: count,
    concurrentTasksPerWorker: 1,
    atomics: 'disabled',
  });
  warm = { init, pool };
  for (let worker = 0; worker < count; worker++) pool.run(undefined).catch(giveUp);
}

async function begin({ rules: loaded, ruleGeneration }: Begin): Promise<void> {
  if (warm === undefined) return;
  const { init, pool } = warm;
  const count = init.layout.workers;
  const image = rules.take(rulesFd(init.layout), loaded);
  const addressState = AddressTable.create(init.config.thresholdEntries, count > 1);
  const expectations = Expectations.create(expectedEntries(init.config.appLayer?.ftp?.memcap), count > 1);
  const affinity = init.config.threading;
  const lives: Promise<void>[] = [];
  const ready: Promise<void>[] = [];
  for (let worker = 0; worker < count; worker++) {
    const { port, orders, ours } = outbox.add();
    ready.push(new Promise((resolve) => ours.once('message', () => resolve())));
    const task: DetectTask = {
      config: init.config,
      image,
      addressState,
      expectations,
      datasets: rules.datasets,
      ruleGeneration,
      checksumValidation: init.checksumValidation,
      layout: init.layout,
      worker,
      countersFd: Fd.Counters,
      arenaFd: Fd.Arena,
      eventFds: Array.from({ length: init.layout.captureThreads }, (_, i) => Fd.Events + i),
      cpu: affinity.setCpuAffinity && affinity.workerCpus.length > 0 ? affinity.workerCpus[worker % affinity.workerCpus.length] : -1,
      port,
      orders,
    };
    lives.push(pool.run(task, { transferList: [port] }));
  }
  const ended = Promise.all(lives);
  // A worker that fails takes the process with it: the supervisor starts a whole new one.
  ended.then(() => endWith(rules.dump()), giveUp);
  await Promise.race([Promise.all(ready), ended]);
  if (init.become !== undefined) giveUpRights('detection', init.become);
  tell({ type: 'ready' });
}

function order(message: ToChild): void | Promise<void> {
  switch (message.type) {
    case 'init':
      return prepare(message);
    case 'begin':
      return begin(message);
    case 'rules':
      if (warm === undefined) return;
      outbox.rules({
        image: rules.take(rulesFd(warm.init.layout), message.rules),
        datasets: rules.datasets,
        generation: message.ruleGeneration,
      });
      return;
    case 'end':
      outbox.end();
  }
}

childProcess('sluice: detect', order, () => process.exit(0));
