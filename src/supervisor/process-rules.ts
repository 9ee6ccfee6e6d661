import type { DatasetMemory } from '../detect/state/datasets.js';
import { type DatasetDump, ProcessDatasets } from '../detect/state/process-datasets.js';
import type { Refusal } from '../workers/rule-inbox.js';
import { holdDatabases } from './rule-image.js';
import { type RuleEnvelope, receiveRules } from './rule-pipe.js';

/**
 * The rules of one detecting process. Its threads share one image and one copy of each database; those of the rules before
 * stay until every thread has let go of them.
 */
export class ProcessRules {
  private held: { databases: { close(): void }; memory: SharedArrayBuffer }[] = [];
  /** Of rules that no thread uses any more: V8 does not count shared memory, and would not collect it for a long time. */
  private spare: SharedArrayBuffer | undefined;
  private readonly sets = new ProcessDatasets();
  /** Of the rules taken last, for the threads. */
  datasets: DatasetMemory[] = [];

  /** The image for the threads, out of the pipe `fd`; its databases are in place when this returns. */
  take(fd: number, rules: RuleEnvelope): Uint8Array {
    const image = receiveRules(fd, rules, this.spare);
    this.spare = undefined;
    this.held.push({ databases: holdDatabases(image), memory: image.bytes.buffer as SharedArrayBuffer });
    this.datasets = this.sets.take(image.datasets);
    return image.bytes;
  }

  /** What the supervisor is to save, once no thread detects any more. */
  dump(): DatasetDump[] {
    return this.sets.dump();
  }

  /** Every thread has answered: works with what was taken last, or (`refusal`) some or all of them with what was before. */
  settled(refusal?: Refusal): void {
    if (refusal !== undefined && refusal.threads < refusal.of) return;
    const idle = refusal === undefined ? this.held.splice(0, this.held.length - 1) : this.held.splice(-1);
    for (const { databases, memory } of idle) {
      databases.close();
      this.spare = memory;
    }
  }
}
