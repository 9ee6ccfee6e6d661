import { availableParallelism } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { native } from '../native.js';
import { type ParsedBlock, splitBlocks } from '../rules/blocks.js';
import { finishRules, type RuleAside } from '../rules/finish.js';
import { RuleMerger, readRuleFiles } from '../rules/loader.js';
import { RuleCache } from './rule-cache.js';
import type { PlainContext } from './rule-context.js';
import { contentsDigest, readRuleBytes } from './rule-files.js';
import { buildImage, type Phases, type RuleImage, storeImage } from './rule-image.js';
import type { ParseTask } from './rule-parse-task.js';

/**
 * Loads a large rule set in a thread of its own: its hundred megabytes of rule objects end with it, and the supervisor
 * goes on moving events to the logs meanwhile.
 */
export interface LoadTask {
  files: string[];
  context: PlainContext;
  /** threshold.config and IP reputation. */
  aside: RuleAside;
  actionOrder: string[];
  /** Folder of the cache, '' none; and the image's key there. */
  cache: string;
  key: string;
  /** contentsDigest of the files the key was made from. */
  digest: string;
}

export type LoadMessage =
  | { type: 'progress'; done: number }
  | { type: 'loaded'; image: RuleImage; phases: Phases; cacheProblems: string[]; cacheBad: number };

async function load(task: LoadTask): Promise<void> {
  const phases: Phases = {};
  let from = performance.now();
  const lap = (name: string) => {
    const now = performance.now();
    phases[name] = now - from;
    from = now;
  };
  const { context } = task;
  const merger = new RuleMerger(context);
  const threads = availableParallelism();
  const pool = new Piscina<ParseTask, ParsedBlock>({
    filename: new URL('./rule-parse-task.js', import.meta.url).href,
    workerData: context,
    minThreads: threads,
    maxThreads: threads,
    resourceLimits: { maxYoungGenerationSizeMb: 32 },
    atomics: 'disabled',
  });
  const files = readRuleFiles(task.files, merger).map(({ file, text }) => ({ file, blocks: splitBlocks(text) }));
  lap('read');
  const total = files.reduce((sum, { blocks }) => sum + blocks.length, 0);
  let done = 0;
  const parsed = files.map(({ file, blocks }) =>
    Promise.all(
      blocks.map(async (text) => {
        const block = await pool.run({ text, file });
        tell({ type: 'progress', done: ++done / (total + 1) });
        return block;
      }),
    ),
  );
  for (let i = 0; i < files.length; i++) merger.file(files[i].file, await parsed[i]);
  const set = merger.done();
  await pool.destroy();
  finishRules(set, task.aside, context);
  lap('parse');
  const cache = task.cache === '' ? undefined : RuleCache.open(task.cache, native.matchVersion());
  const usable = cache instanceof RuleCache ? cache : undefined;
  const image = buildImage(set, context, task.actionOrder, threads, usable, phases);
  from = performance.now();
  // Files that were written to meanwhile are not those the key names.
  // Lists of digests are no part of the key either.
  const isWhole = !set.rules.some(({ fileDigests }) => fileDigests !== undefined);
  if (usable !== undefined && isWhole && task.key !== '' && contentsDigest(readRuleBytes(task.files)) === task.digest)
    storeImage(usable, task.key, image);
  lap('store');
  tell({ type: 'progress', done: 1 });
  tell({ type: 'loaded', image, phases, cacheProblems: usable?.problems ?? [], cacheBad: usable?.bad ?? 0 });
}

const tell = (message: LoadMessage) => parentPort?.postMessage(message);

await load(workerData as LoadTask);
