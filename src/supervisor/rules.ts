import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Log } from '../cli/log.js';
import type { Config } from '../config/config.js';
import { SluiceError } from '../errors.js';
import { native } from '../native.js';
import { finishRules, readAside } from '../rules/finish.js';
import { loadRules } from '../rules/loader.js';
import type { Rule, RuleProblem } from '../rules/rule.js';
import { loadProgress } from './progress.js';
import { DEFAULT_CACHE, RuleCache } from './rule-cache.js';
import { checkedContext, type PlainContext, plainContext } from './rule-context.js';
import { contentsDigest, readRuleBytes } from './rule-files.js';
import { buildImage, cachedImage, imageKey, type LoadReport, openImage, type Phases, type RuleImage } from './rule-image.js';
import type { LoadMessage, LoadTask } from './rule-load-task.js';
import { EMPTY_REPORT } from './rule-stats.js';

/** Rules in force: the image for who detects, names for who writes logs, the report for who asks. */
export interface LoadedRules {
  image: RuleImage;
  /** Parsed when looked at. */
  rules: Rule[];
  report: LoadReport;
  phases: Phases;
  /** The image came out of the cache. */
  cached: boolean;
  /** Files of the cache that were refused on the way. */
  cacheBad: number;
}

/** Rule files together below this are loaded here and now: a thread would take longer to begin. Bytes. */
const SMALL = 256 * 1024;
/** Lines said about rules that do not load; the rest is summed up, or said with -v. */
const MOST_LINES = 20;
const MOST_REASONS = 15;

export interface LoadOptions {
  /** Every problem gets its line, and the progress bar is left out. */
  verbose: boolean;
  /** Where the whole list of problems goes when it is cut short; '' nowhere. */
  reportFolder: string;
}

/** No rules at all: nothing is read and nothing compiled. */
export function noRules(): LoadedRules {
  const image = buildImage({ rules: [], problems: [], files: [] }, checkedContext(EMPTY_CONTEXT), undefined, 1, undefined, {});
  return { image, rules: [], report: EMPTY_REPORT, phases: {}, cached: false, cacheBad: 0 };
}

const EMPTY_CONTEXT: PlainContext = {
  addressGroups: {},
  portGroups: {},
  classifications: new Map(),
  references: new Map(),
  matchLimit: 1,
  depthLimit: 1,
};

/** Loads the rules the configuration names and says what became of them. Throws SLUICE_RULE when Vectorscan refuses. */
export async function loadRuleSet(config: Config, files: string[], log: Log, options: LoadOptions): Promise<LoadedRules> {
  const { context, problems } = plainContext(config);
  for (const problem of problems) log.warn(problemLine(problem));
  const loaded = await loadImage(config, files, context, log, options);
  say(loaded, files, log, options);
  return loaded;
}

async function loadImage(config: Config, files: string[], context: PlainContext, log: Log, options: LoadOptions): Promise<LoadedRules> {
  const phases: Phases = {};
  const aside = readAside(config);
  const began = performance.now();
  const contents = readRuleBytes(files);
  phases.read = performance.now() - began;
  const bytes = contents.reduce((sum, file) => sum + file.bytes.length, 0);
  if (bytes < SMALL) {
    const from = performance.now();
    const set = loadRules(files, checkedContext(context));
    finishRules(set, aside, context);
    phases.parse = performance.now() - from;
    return opened(
      compiling(() => buildImage(set, context, config.actionOrder, 1, undefined, phases)),
      phases,
      false,
    );
  }
  const cache = openCache(config.sluice.cache, log);
  let key = '';
  let digest = '';
  if (cache !== undefined) {
    const from = performance.now();
    digest = contentsDigest(contents);
    key = imageKey(digest, [files, context, config.actionOrder, aside, [...context.classifications], [...context.references]]);
    phases.hash = performance.now() - from;
    const image = cachedImage(cache, key);
    phases.cache = performance.now() - from - phases.hash;
    for (const problem of cache.problems) log.warn(`rule cache: ${problem}`);
    if (image !== undefined) return { ...opened(image, phases, true), cacheBad: cache.bad };
  }
  const { image, cacheBad } = await loadInThread(
    { files, context, aside, actionOrder: config.actionOrder, cache: cache?.folder ?? '', key, digest },
    phases,
    log,
    options.verbose,
  );
  return { ...opened(image, phases, false), cacheBad: cacheBad + (cache?.bad ?? 0) };
}

function openCache(folder: string, log: Log): RuleCache | undefined {
  if (folder === '') return undefined;
  const cache = RuleCache.open(folder === 'auto' ? DEFAULT_CACHE : folder, native.matchVersion());
  if (cache instanceof RuleCache) return cache;
  const text = `rule cache not used: ${cache}; every start compiles all rules`;
  if (folder === 'auto') log.info(text);
  else log.warn(`${text}. Give sluice.cache a folder that only the user Sluice starts as can write`);
  return undefined;
}

function opened(image: RuleImage, phases: Phases, cached: boolean): LoadedRules {
  const from = performance.now();
  const { rules, report } = openImage(image.bytes);
  phases.open = performance.now() - from;
  return { image, rules, report, phases, cached, cacheBad: 0 };
}

function compiling<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw refused(error as Error);
  }
}

const refused = (error: Error) => new SluiceError('SLUICE_RULE', `the rules cannot be compiled: ${error.message}`);

function loadInThread(task: LoadTask, phases: Phases, log: Log, verbose: boolean): Promise<{ image: RuleImage; cacheBad: number }> {
  const progress = loadProgress('Loading rules', verbose);
  const worker = new Worker(new URL('./rule-load-task.js', import.meta.url), {
    workerData: task,
    name: 'rules',
    // Most of what is made here lives to the end: collecting it early and often would take half of the time.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  return new Promise<{ image: RuleImage; cacheBad: number }>((resolve, reject) => {
    let image: RuleImage | undefined;
    let cacheBad = 0;
    worker.on('message', (message: LoadMessage) => {
      if (message.type === 'progress') {
        progress.show(message.done);
        return;
      }
      image = message.image;
      cacheBad = message.cacheBad;
      Object.assign(phases, message.phases);
      for (const problem of message.cacheProblems) log.warn(`rule cache: ${problem}`);
    });
    worker.once('error', (error) => reject(refused(error)));
    // Not before: its memory goes with it.
    worker.once('exit', () => {
      if (image === undefined) reject(refused(new Error('the loading thread ended early')));
      else resolve({ image, cacheBad });
    });
  }).finally(() => progress.end());
}

function say({ report, phases, cached }: LoadedRules, files: string[], log: Log, options: LoadOptions): void {
  const { problems, warnings } = report;
  for (const warning of cut(warnings, options.verbose)) log.warn(problemLine(warning));
  if (warnings.length > MOST_LINES && !options.verbose) log.warn(`and ${warnings.length - MOST_LINES} more such lines; -v shows all`);
  for (const problem of cut(problems, options.verbose)) log.error(problemLine(problem));
  if (problems.length > MOST_LINES && !options.verbose) {
    log.error(`and ${problems.length - MOST_LINES} more; by reason: ${byReason(problems)}`);
    const path = writeReport(report, options.reportFolder);
    log.error(path === '' ? 'all of them with -v' : `all of them in ${path}, or with -v`);
  }
  for (const skipped of report.skippedRules) log.debug(problemLine(skipped));
  const inert =
    report.inert === 0
      ? ''
      : `, ${report.inert} of them inert until there is a parser (${Object.entries(report.inertBy)
          .sort((a, b) => b[1] - a[1])
          .map(([name, n]) => `${name} ${n}`)
          .join(', ')})`;
  const skipped = report.skipped === 0 ? '' : `, ${report.skipped} rules skipped`;
  log.info(
    `${report.files.length} rule files processed. ${report.loaded} rules successfully loaded${inert}, ${problems.length} rules failed${skipped}`,
  );
  log.debug(
    `rules ${cached ? 'from the cache' : 'compiled'}: ${Object.entries(phases)
      .map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`)
      .join(', ')}`,
  );
  if (files.length === 0) log.warn('no rule files: nothing will be detected; name some with rule-files, -s or -S');
}

const cut = (list: RuleProblem[], all: boolean): RuleProblem[] => (all ? list : list.slice(0, MOST_LINES));

/** `reason (count), ...`, what stands in quotes or is a number left out, the most frequent first. */
function byReason(problems: RuleProblem[]): string {
  const counts = new Map<string, number>();
  for (const { option, reason } of problems) {
    const kind = `${option === '' ? '' : `${option}: `}${reason.replace(/"[^"]*"/g, '"..."').replace(/\d+/g, 'N')}`.slice(0, 90);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const rest = sorted.slice(MOST_REASONS).reduce((sum, [, n]) => sum + n, 0);
  return sorted
    .slice(0, MOST_REASONS)
    .map(([kind, n]) => `${kind} (${n})`)
    .concat(rest > 0 ? [`others (${rest})`] : [])
    .join('; ');
}

/** rule-problems.log beside the other logs; '' when it cannot be written. */
function writeReport(report: LoadReport, folder: string): string {
  if (folder === '') return '';
  const path = join(folder, 'rule-problems.log');
  const lines = [...report.problems, ...report.warnings, ...report.skippedRules].map((p) => `${problemLine(p)}\n`);
  try {
    // Not through a link that whoever else may write to the folder has put there.
    const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o644);
    try {
      writeFileSync(fd, lines.join(''));
    } finally {
      closeSync(fd);
    }
    return path;
  } catch {
    return '';
  }
}

/** `file:line: option: reason`, with the parts that are known. */
export function problemLine(problem: RuleProblem): string {
  const where = problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file;
  const sid = problem.sid > 0 ? ` (sid ${problem.sid})` : '';
  return `SLUICE_RULE: ${where}: ${problem.option === '' ? '' : `${problem.option}: `}${problem.reason}${sid}`;
}
