/**
 * A loaded rule set as it travels: made once, in a thread of its own when it is large, then read by the supervisor (names for
 * the logs) and by every detecting thread, none of which holds all rules as objects.
 *
 *   files ─ parse (Piscina, all cores) ─ merge ─ prepareRules ─ compile databases (native threads) ─► RuleImage
 *   RuleImage   bytes      ImageContents packed: rule texts, indexes, literals, report       shared memory
 *               databases  Vectorscan's, by key: needed until the process has opened them
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../config/paths.js';
import { compileSets, type DatabaseBytes } from '../detect/databases.js';
import { pack, unpack } from '../detect/pack.js';
import { PREPARED_CLASSES, type Prepared, prepareRules } from '../detect/prepare.js';
import type { DatasetImage } from '../detect/state/process-datasets.js';
import { native } from '../native.js';
import type { RuleContext } from '../rules/context.js';
import type { DatasetSpec } from '../rules/datasets.js';
import type { Rule, RuleProblem, RuleSet } from '../rules/rule.js';
import { lazyRules, type RuleTable, ruleTable } from '../rules/rule-table.js';
import type { RuleCache } from './rule-cache.js';
import { fillDatasets, openDataset } from './rule-datasets.js';

export interface RuleImage {
  bytes: Uint8Array;
  databases: DatabaseBytes[];
  /** What the rules look values up in. */
  datasets?: DatasetImage[];
}

/** What became of the rules in the files. */
export interface LoadReport {
  files: string[];
  loaded: number;
  /** Of the loaded: those that cannot match yet, and by what they lack. */
  inert: number;
  inertBy: Record<string, number>;
  skipped: number;
  problems: RuleProblem[];
  warnings: RuleProblem[];
  /** Left out by `requires`. */
  skippedRules: RuleProblem[];
}

interface ImageContents {
  table: RuleTable;
  prepared: Prepared;
  report: LoadReport;
  /** Sets of the rules: their contents are read from their files each time. */
  datasets: DatasetSpec[];
}

/** An image opened by one thread. */
export interface OpenImage {
  rules: Rule[];
  prepared: Prepared;
  report: LoadReport;
}

/** Milliseconds by phase. */
export type Phases = Record<string, number>;

/** Makes the image of a parsed rule set; `threads` for the databases. */
export function buildImage(
  set: RuleSet,
  context: RuleContext,
  actionOrder: readonly string[] | undefined,
  threads: number,
  cache: RuleCache | undefined,
  phases: Phases,
): RuleImage {
  let from = performance.now();
  const lap = (name: string) => {
    const now = performance.now();
    phases[name] = now - from;
    from = now;
  };
  const datasets = fillDatasets(set);
  const prepared = prepareRules(set.rules, actionOrder);
  lap('plan');
  const databases = compileSets(native, prepared.sets, threads, cache);
  lap('compile');
  const contents: ImageContents = { table: ruleTable(set, context), prepared, report: reportOf(set), datasets: set.datasets ?? [] };
  const packed = pack(contents, PREPARED_CLASSES);
  const bytes = new Uint8Array(new SharedArrayBuffer(packed.length));
  bytes.set(packed);
  lap('pack');
  return { bytes, databases, datasets };
}

/** What this thread needs of it. Cheap: rules are parsed again when they are looked at. */
export function openImage(bytes: Uint8Array): OpenImage {
  const { table, prepared, report } = unpack<ImageContents>(bytes, PREPARED_CLASSES);
  return { rules: lazyRules(table), prepared, report };
}

export function reportOf(set: RuleSet): LoadReport {
  const inertBy: Record<string, number> = Object.create(null);
  let inert = 0;
  for (const rule of set.rules) {
    if (rule.inert === undefined) continue;
    inert++;
    inertBy[rule.inert] = (inertBy[rule.inert] ?? 0) + 1;
  }
  return {
    files: set.files,
    loaded: set.rules.length,
    inert,
    inertBy: { ...inertBy },
    skipped: set.skipped ?? 0,
    problems: set.problems,
    warnings: set.warnings ?? [],
    skippedRules: set.skippedRules ?? [],
  };
}

/** An image out of the cache whole: its own file and every database it names. Undefined when a part is missing. */
export function cachedImage(cache: RuleCache, key: string): RuleImage | undefined {
  const bytes = cache.readFile(imageFile(key));
  if (bytes === undefined) return undefined;
  try {
    const { prepared, datasets: specs } = unpack<ImageContents>(bytes, PREPARED_CLASSES);
    const { sets } = prepared;
    const datasets: DatasetImage[] = [];
    for (const spec of specs) {
      const dataset = openDataset(spec);
      // Made anew, the image is without the rules that need it.
      if (typeof dataset === 'string') return undefined;
      datasets.push(dataset);
    }
    const databases: DatabaseBytes[] = [];
    for (const { key: set } of sets) {
      const database = cache.read(set);
      if (database === undefined) return undefined;
      databases.push({ key: set, bytes: database });
    }
    return { bytes, databases, datasets };
  } catch (error) {
    cache.problems.push(`${imageFile(key)}: ${(error as Error).message}`);
    return undefined;
  }
}

export function storeImage(cache: RuleCache, key: string, image: RuleImage): void {
  // Its file may be there the next time, and no rule file has changed.
  if (openImage(image.bytes).report.problems.some((p) => p.option === 'dataset')) return;
  cache.writeFile(imageFile(key), image.bytes);
  cache.tidy();
}

const imageFile = (key: string): string => `rules-${key}.bin`;

/** Names everything an image is made from: contents of files (contentsDigest), what rules refer to, and the programs that make it. */
export function imageKey(contents: string, settings: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify([contents, settings, process.version, native.matchVersion(), build()]))
    .digest('hex');
}

/** The program's own files: a developer's build has the same version for months. */
function build(): unknown[] {
  const own: unknown[] = [JSON.parse(fs.readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')).version];
  for (const folder of ['rules', 'detect', 'app-layer', 'supervisor']) {
    const at = new URL(`../${folder}/`, import.meta.url);
    for (const name of fs.readdirSync(at, { recursive: true, encoding: 'utf8' }).sort()) {
      if (!name.endsWith('.js')) continue;
      const { size, mtimeMs } = fs.statSync(new URL(name, at));
      own.push(folder, name, size, mtimeMs);
    }
  }
  return own;
}

/**
 * The process's databases of an image, so that its threads find them (matchOpen by key). Call before the threads get the
 * image, and `close` when they have let go of it.
 */
export function holdDatabases(image: RuleImage): { close(): void } {
  const { sets } = unpack<ImageContents>(image.bytes, PREPARED_CLASSES).prepared;
  const ids = new Map(sets.map((set) => [set.key, set.lengths.length]));
  const handles: number[] = [];
  for (const { key, bytes } of image.databases) {
    try {
      handles.push(native.matchOpen(key, bytes, ids.get(key) ?? 0));
    } catch {
      // A thread that needs it compiles it from the literals.
    }
  }
  return {
    close() {
      for (const handle of handles) native.matchFree(handle);
      handles.length = 0;
    },
  };
}
