/**
 * Which datasets a rule set has: those of suricata.yaml and those that its rules define, one after the other in the order of loading.
 * What a rule may name: user guide, "Datasets", "File Locations" and "Security".
 */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import type { ByteOption, DatarepOption, DatasetOption, DatasetUse } from './byte-option.js';
import type { Rule } from './rule.js';
import { RuleError } from './rule-error.js';

/** suricata.yaml `datasets`, plain data. */
export interface DatasetsConfig {
  /** Where state and save files lie. Absolute. */
  dataDir: string;
  defaults: { memcap: number; hashsize: number };
  /** Most buckets of one set and of all together, 0: no limit. */
  singleHashsize: number;
  totalHashsizes: number;
  /** rules.allow-write, rules.allow-absolute-filenames. */
  allowWrite: boolean;
  allowAbsolute: boolean;
  /** Sets defined there; paths absolute, '' none. */
  sets: DatasetSpec[];
}

export type DatasetTypeName = NonNullable<DatasetUse['type']>;

/** A set: what it holds, where it comes from and goes to. */
export interface DatasetSpec {
  /** Lower case: names are the same in any. */
  name: string;
  type: DatasetTypeName;
  /** Absolute paths, '' none. */
  load: string;
  save: string;
  memcap: number;
  hashsize: number;
  /** It lives on when rules are loaded anew: a set of suricata.yaml, or one without a file or with one to save to. */
  dynamic: boolean;
  /** Rules may put values in or take them out. */
  changes: boolean;
}

/** Suricata's defaults, save for memcap, of which its guide says nothing. */
export const DEFAULT_DATASETS: DatasetsConfig = {
  dataDir: '/var/lib/sluice/data',
  defaults: { memcap: 16 * 1024 ** 2, hashsize: 4096 },
  singleHashsize: 65_536,
  totalHashsizes: 16_777_216,
  allowWrite: true,
  allowAbsolute: false,
  sets: [],
};

/** Collects the sets of a rule set. */
export class DatasetRegistry {
  readonly specs = new Map<string, DatasetSpec>();
  private hashsizes = 0;

  constructor(private readonly config: DatasetsConfig) {
    for (const spec of config.sets) this.enter(spec.name, { ...spec });
  }

  /** Takes the sets a rule uses. Throws RuleError when it asks for what cannot be. */
  rule(rule: Rule): void {
    for (const option of datasetOptions(rule)) this.use(rule, option);
  }

  private use(rule: Rule, option: DatasetOption | DatarepOption): void {
    const name = option.name.toLowerCase();
    const known = this.specs.get(name);
    const { load, save } = this.files(rule, option);
    const changes = option.kind === 'dataset' && (option.op === 'set' || option.op === 'unset');
    if (known !== undefined) {
      if (option.type !== undefined && option.type !== known.type)
        throw new RuleError(option.kind, `the set ${name} has type ${known.type}, not ${option.type}`);
      // A rule need not repeat the files; another one it cannot name.
      if ((load !== '' || save !== '') && (load !== known.load || save !== known.save))
        throw new RuleError(option.kind, `the set ${name} is defined with other files: write them once, or the same`);
      known.changes ||= changes;
      return;
    }
    if (option.type === undefined) throw new RuleError(option.kind, `the set ${name} is not defined: give its type`);
    const hashsize = option.hashsize ?? this.config.defaults.hashsize;
    const { singleHashsize, totalHashsizes } = this.config;
    if (singleHashsize > 0 && hashsize > singleHashsize)
      throw new RuleError(option.kind, `hashsize ${hashsize} is above datasets.limits.single-hashsize, ${singleHashsize}`);
    if (totalHashsizes > 0 && this.hashsizes + hashsize > totalHashsizes)
      throw new RuleError(option.kind, `hashsize ${hashsize}: all together are above datasets.limits.total-hashsizes, ${totalHashsizes}`);
    this.enter(name, {
      name,
      type: option.type,
      load,
      save,
      memcap: option.memcap ?? this.config.defaults.memcap,
      hashsize,
      dynamic: save !== '' || load === '',
      changes,
    });
  }

  private enter(name: string, spec: DatasetSpec): void {
    this.specs.set(name, spec);
    this.hashsizes += spec.hashsize;
  }

  /** `load` lies beside the rule file, what is written only in the data folder. */
  private files(rule: Rule, { kind, load, save, state }: DatasetOption | DatarepOption): { load: string; save: string } {
    const written = state ?? save;
    if (written !== undefined) {
      if (!this.config.allowWrite) throw new RuleError(kind, 'save and state are forbidden: datasets.rules.allow-write is no');
      if (!this.config.allowAbsolute && (isAbsolute(written) || written.split('/').includes('..')))
        throw new RuleError(kind, 'save and state take a name below the data folder: datasets.rules.allow-absolute-filenames is no');
      if (written.includes('\0')) throw new RuleError(kind, 'a file name has no NUL');
    }
    const saved = written === undefined ? '' : resolve(this.config.dataDir, written);
    if (state !== undefined) return { load: saved, save: saved };
    if (load === undefined) return { load: '', save: saved };
    const beside = resolve(dirname(rule.file), load);
    return { load: existsSync(beside) || isAbsolute(load) ? beside : resolve(load), save: saved };
  }
}

/** The sets a rule looks at, by name. */
export function datasetNames(rule: Rule): string[] {
  return datasetOptions(rule).map(({ name }) => name.toLowerCase());
}

function datasetOptions(rule: Rule): (DatasetOption | DatarepOption)[] {
  const found: (DatasetOption | DatarepOption)[] = [];
  const look = (tests: readonly ByteOption[]) => {
    for (const t of tests) {
      if (t.kind === 'dataset' || t.kind === 'datarep') found.push(t);
      else if (t.kind === 'base64_decode') look(t.tests);
    }
  };
  look(rule.payload);
  for (const { tests } of rule.buffers) look(tests);
  return found;
}
