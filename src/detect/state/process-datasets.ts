import type { DatasetSpec } from '../../rules/datasets.js';
import { saveDataset } from './dataset-file.js';
import { DatasetTable, DatasetType } from './dataset-table.js';
import type { DatasetMemory } from './datasets.js';

/** A set as it travels between processes. */
export interface DatasetImage {
  spec: DatasetSpec;
  /** DatasetTable.used(). */
  used: Uint8Array;
}

/** A set at the end of a process that detects. */
export interface DatasetDump {
  name: string;
  used: Uint8Array;
}

/** The datasets of one detecting process: its threads share them. */
export class ProcessDatasets {
  private readonly held = new Map<string, { spec: DatasetSpec; memory: SharedArrayBuffer }>();

  /** The memory of a new rule set's sets. Dynamic ones that are here already stay as they are. */
  take(images: readonly DatasetImage[] = []): DatasetMemory[] {
    return images.map(({ spec, used }) => {
      const { name } = spec;
      const before = this.held.get(name);
      if (before !== undefined && spec.dynamic && before.spec.dynamic && before.spec.type === spec.type) {
        before.spec = spec;
        return { name, memory: before.memory };
      }
      const memory = DatasetTable.from(used, spec.changes ? spec.memcap : used.length);
      // Marks it, so that all threads lock.
      new DatasetTable(memory, spec.changes);
      this.held.set(name, { spec, memory });
      return { name, memory };
    });
  }

  /** What is to be written; nobody changes the sets any more. */
  dump(): DatasetDump[] {
    return [...this.held.values()]
      .filter(({ spec }) => spec.save !== '')
      .map(({ spec, memory }) => ({ name: spec.name, used: new DatasetTable(memory).used() }));
  }
}

const TYPES = { string: DatasetType.String, md5: DatasetType.Md5, sha256: DatasetType.Sha256, ipv4: DatasetType.Ipv4, ip: DatasetType.Ip };

/**
 * Writes what a detecting process left, to the files of our own `specs`: whatever it says, nothing else is written. One line for
 * each that could not be.
 */
export function saveDumps(dumps: readonly DatasetDump[], specs: readonly DatasetSpec[]): string[] {
  const problems: string[] = [];
  for (const spec of specs) {
    if (spec.save === '') continue;
    const dump = dumps.find(({ name }) => name === spec.name);
    if (dump === undefined) continue;
    let table: DatasetTable | undefined;
    try {
      table = new DatasetTable(Uint8Array.from(dump.used).buffer);
    } catch {
      table = undefined;
    }
    const problem =
      table?.type === TYPES[spec.type] ? saveDataset(spec, table) : `the set ${spec.name} came back damaged: its file stays as it is`;
    if (problem !== '') problems.push(problem);
  }
  return problems;
}
