import { Piscina } from 'piscina';
import { AddressTable } from '../detect/state/address-table.js';
import type { DetectTask } from '../workers/detect-task.js';
import { RuleOutbox } from '../workers/rule-inbox.js';
import { childProcess, giveUp, giveUpRights, tell } from './child-process.js';
import { Fd, type Init, type ToChild } from './messages.js';
import { ProcessRules } from './process-rules.js';

/**
 * The detection process: hostile bytes are parsed here and nowhere else. It holds no socket, and once
 * its workers stand it gives up every right.
 */
const rules = new ProcessRules();
const outbox = new RuleOutbox((ruleGeneration) => {
  rules.settled();
  tell({ type: 'reloaded', ruleGeneration });
});

async function start(init: Init): Promise<void> {
  const count = init.layout.workers;
  const pool = new Piscina<DetectTask, void>({
    filename: new URL('../workers/detect-task.js', import.meta.url).href,
    minThreads: count,
    maxThreads: count,
    concurrentTasksPerWorker: 1,
    atomics: 'disabled',
  });
  const image = rules.take(init.rules);
  const addressState = AddressTable.create(init.config.thresholdEntries, count > 1);
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
      ruleGeneration: init.ruleGeneration,
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
  ended.then(() => process.exit(0), giveUp);
  await Promise.race([Promise.all(ready), ended]);
  if (init.become !== undefined) giveUpRights('detection', init.become);
  tell({ type: 'ready' });
}

function order(message: ToChild): void | Promise<void> {
  switch (message.type) {
    case 'init':
      return start(message);
    case 'rules':
      outbox.rules({ image: rules.take(message.rules), generation: message.ruleGeneration });
      return;
    case 'end':
      outbox.end();
  }
}

childProcess('sluice: detect', order, () => process.exit(0));
