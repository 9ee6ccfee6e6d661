import { loadDataset } from '../detect/state/dataset-file.js';
import { DatasetTable } from '../detect/state/dataset-table.js';
import type { DatasetImage } from '../detect/state/process-datasets.js';
import { type DatasetSpec, datasetNames } from '../rules/datasets.js';
import type { RuleSet } from '../rules/rule.js';

/** Reads the sets of a rule set; rules whose set cannot be had are refused. */
export function fillDatasets(set: RuleSet): DatasetImage[] {
  const images: DatasetImage[] = [];
  const missing = new Map<string, string>();
  for (const spec of set.datasets ?? []) {
    const image = openDataset(spec);
    if (typeof image === 'string') missing.set(spec.name, image);
    else images.push(image);
  }
  if (missing.size === 0) return images;
  const refused = new Set<number>();
  const named = new Set<string>();
  for (const [i, rule] of set.rules.entries()) {
    if (rule.inert !== undefined) continue;
    const name = datasetNames(rule).find((n) => missing.has(n));
    if (name === undefined) continue;
    refused.add(i);
    named.add(name);
    set.problems.push({ file: rule.file, line: rule.line, option: 'dataset', reason: missing.get(name) as string, sid: rule.sid });
  }
  // Of suricata.yaml, and used by no rule.
  for (const [name, reason] of missing) if (!named.has(name)) set.problems.push({ file: '', line: 0, option: 'dataset', reason, sid: 0 });
  set.rules = set.rules.filter((_, i) => !refused.has(i));
  if (set.sources !== undefined) set.sources = set.sources.filter((_, i) => !refused.has(i));
  set.datasets = images.map(({ spec }) => spec);
  return images;
}

/** A set with what its file holds now, or why it cannot be had. */
export function openDataset(spec: DatasetSpec): DatasetImage | string {
  const memory = loadDataset(spec);
  return typeof memory === 'string' ? memory : { spec, used: new DatasetTable(memory).used() };
}
