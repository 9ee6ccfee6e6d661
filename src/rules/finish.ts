import { readFileSync } from 'node:fs';
import { openMagic } from '../app-layer/files/magic.js';
import type { RuleContext } from './context.js';
import { DatasetRegistry, DEFAULT_DATASETS } from './datasets.js';
import { fileDigests, wantsMagic } from './file-values.js';
import { Reputation } from './reputation.js';
import type { HeaderOption, RuleProblem, RuleSet } from './rule.js';
import { RuleError } from './rule-error.js';
import type { IpRepOption } from './state-option.js';
import { applyThresholds, parseThresholdConfig } from './threshold-config.js';

interface TextFile {
  file: string;
  text: string;
}

/** Files beside the rules that change what rules mean. Plain data; part of what a rule set is made from. */
export interface RuleAside {
  thresholds?: TextFile;
  categories?: TextFile;
  reputation: TextFile[];
  /** Files that cannot be read. */
  problems: RuleProblem[];
}

export interface AsideFiles {
  /** '' = none. */
  thresholdFile: string;
  reputationCategoriesFile: string;
  reputationFiles: string[];
}

export const NO_ASIDE: RuleAside = { reputation: [], problems: [] };

/** Reads what the configuration names; nothing here throws. */
export function readAside(files: AsideFiles): RuleAside {
  const aside: RuleAside = { reputation: [], problems: [] };
  const read = (file: string): TextFile | undefined => {
    if (file === '') return undefined;
    try {
      return { file, text: readFileSync(file, 'latin1') };
    } catch (error) {
      aside.problems.push({ file, line: 0, option: '', reason: `cannot be read: ${(error as Error).message}`, sid: 0 });
      return undefined;
    }
  };
  aside.thresholds = read(files.thresholdFile);
  aside.categories = read(files.reputationCategoriesFile);
  for (const name of files.reputationFiles) {
    const list = read(name);
    if (list !== undefined) aside.reputation.push(list);
  }
  return aside;
}

/** Applies IP reputation and threshold.config to rules just loaded; what is wrong becomes problems and warnings of the set. */
export function finishRules(set: RuleSet, aside: RuleAside, context: RuleContext): void {
  set.problems.push(...aside.problems);
  applyReputation(set, aside);
  applyDatasets(set, context);
  applyFiles(set, context);
  if (aside.thresholds !== undefined) {
    const { file, text } = aside.thresholds;
    const { entries, problems } = parseThresholdConfig(text, file, context.addressGroups);
    set.problems.push(...problems);
    set.warnings = [...(set.warnings ?? []), ...applyThresholds(set.rules, entries, file)];
  }
}

/** Which sets there are; what is in them is read by whoever makes the image. */
function applyDatasets(set: RuleSet, context: RuleContext): void {
  const registry = new DatasetRegistry(context.datasets ?? DEFAULT_DATASETS);
  const refused = new Set<number>();
  for (const [i, rule] of set.rules.entries()) {
    // It looks nothing up, and nothing is written for it.
    if (rule.inert !== undefined) continue;
    try {
      registry.rule(rule);
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      refused.add(i);
      set.problems.push({ file: rule.file, line: rule.line, option: error.option, reason: error.reason, sid: rule.sid });
    }
  }
  if (registry.specs.size > 0) set.datasets = [...registry.specs.values()];
  leaveOut(set, refused);
}

/** Lists of digests; rules that need libmagic where there is none are refused. */
function applyFiles(set: RuleSet, context: RuleContext): void {
  const refused = new Set<number>();
  const storing = set.rules.filter(({ inert, header }) => inert === undefined && header.some(isFilestore));
  if (storing.length > 0 && context.fileStore !== true) {
    const { file, line, sid } = storing[0];
    const reason = `files are stored where outputs has file-store, enabled: without it ${storing.length} rules with it alert, and nothing else`;
    set.warnings = [...(set.warnings ?? []), { file, line, option: 'filestore', reason, sid }];
  }
  for (const [i, rule] of set.rules.entries()) {
    if (rule.inert !== undefined) continue;
    try {
      if (wantsMagic(rule)) needMagic();
      const digests = fileDigests(rule, context.rulePath);
      if (digests.length > 0) rule.fileDigests = digests;
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      refused.add(i);
      set.problems.push({ file: rule.file, line: rule.line, option: error.option, reason: error.reason, sid: rule.sid });
    }
  }
  leaveOut(set, refused);
}

const isFilestore = (o: HeaderOption): boolean => o.kind === 'app' && o.keyword === 'filestore';

function needMagic(): void {
  try {
    openMagic('it');
  } catch (error) {
    throw new RuleError('file.magic', (error as Error).message);
  }
}

function leaveOut(set: RuleSet, refused: ReadonlySet<number>): void {
  if (refused.size === 0) return;
  set.rules = set.rules.filter((_, i) => !refused.has(i));
  if (set.sources !== undefined) set.sources = set.sources.filter((_, i) => !refused.has(i));
}

function applyReputation(set: RuleSet, aside: RuleAside): void {
  const reputation = new Reputation(aside.categories, aside.reputation);
  set.problems.push(...reputation.problems);
  const refused = new Set<number>();
  for (const [i, rule] of set.rules.entries()) {
    const options = rule.header.filter((o): o is IpRepOption => o.kind === 'iprep');
    if (options.length === 0) continue;
    try {
      rule.reputation = options.map((option) => reputation.addresses(option));
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      refused.add(i);
      set.problems.push({ file: rule.file, line: rule.line, option: error.option, reason: error.reason, sid: rule.sid });
    }
  }
  leaveOut(set, refused);
}
