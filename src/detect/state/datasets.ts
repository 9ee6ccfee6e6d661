import { Counter } from '../../metrics/counters.js';
import type { DatarepOption, DatasetOption } from '../../rules/byte-option.js';
import type { Inspection } from '../search.js';
import { Added, DatasetTable } from './dataset-table.js';

/** A set of the process, as its threads get it: memory of a DatasetTable. */
export interface DatasetMemory {
  /** Lower case. */
  name: string;
  memory: SharedArrayBuffer;
}

/** The datasets that this thread's rules look at; the memory is the process's. */
export class Datasets {
  private tables = new Map<string, DatasetTable>();

  constructor(private readonly counters: Float64Array) {}

  /** What a new rule set brings: all its sets. When it throws, those of before stay. */
  use(sets: readonly DatasetMemory[]): void {
    this.tables = new Map(sets.map(({ name, memory }) => [name, new DatasetTable(memory)]));
  }

  get(name: string): DatasetTable | undefined {
    return this.tables.get(name.toLowerCase());
  }

  full(): void {
    this.counters[Counter.DatasetFull]++;
  }
}

/** A test's set, looked up once: matchers are compiled anew for a new rule set. */
export class DatasetRef {
  table: DatasetTable | null | undefined = undefined;

  constructor(readonly name: string) {}

  open(x: Inspection): DatasetTable | null {
    this.table = x.store?.datasets.get(this.name) ?? null;
    return this.table;
  }
}

/** The function a test becomes a call of: (x, ref, mem, o, end) => boolean. Without its set nothing holds. */
export const DATASET_TESTS: Readonly<Record<DatasetOption['op'], DatasetTest>> = {
  isset: (x, ref, mem, o, end) => {
    const table = ref.table === undefined ? ref.open(x) : ref.table;
    return table !== null && end > o && table.find(mem, o, end - o) >= 0;
  },
  isnotset: (x, ref, mem, o, end) => {
    const table = ref.table === undefined ? ref.open(x) : ref.table;
    return table !== null && end > o && table.find(mem, o, end - o) < 0;
  },
  set: (x, ref, mem, o, end) => {
    const table = ref.table === undefined ? ref.open(x) : ref.table;
    // A rule that ran out of budget does not match: it changes nothing either.
    if (table === null || end <= o || x.budget < 0) return false;
    const added = table.add(mem, o, end - o);
    if (added === Added.Full) x.store?.datasets.full();
    return added === Added.New;
  },
  unset: (x, ref, mem, o, end) => {
    const table = ref.table === undefined ? ref.open(x) : ref.table;
    return table !== null && end > o && x.budget >= 0 && table.remove(mem, o, end - o);
  },
};

type DatasetTest = (x: Inspection, ref: DatasetRef, mem: Uint8Array, o: number, end: number) => boolean;

/** The reputation of the buffer; -1: it is not in the set. */
export function datarep(x: Inspection, ref: DatasetRef, mem: Uint8Array, o: number, end: number): number {
  const table = ref.table === undefined ? ref.open(x) : ref.table;
  return table === null || end <= o ? -1 : table.find(mem, o, end - o);
}

export const REPUTATION_OPS: Readonly<Record<DatarepOption['op'], string>> = { '>': '>', '<': '<', '==': '===' };
