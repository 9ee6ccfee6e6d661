import { Key } from './layout.js';

/**
 * Flow ids, unique among the flows of all threads: 32 bits of a counter, stirred one to one, under 7 bits of thread and 14 bits
 * of start and laps (53 bits: exact as a JSON number).
 */
export class FlowIds {
  private counter: number;
  private epoch: number;

  /** `thread`: 0 to 127. */
  constructor(thread: number, firstCount: number, start: number) {
    this.counter = firstCount | 0;
    this.epoch = ((thread & 127) << 14) | (start & 0x3fff);
  }

  assign(slot: number, key: Int32Array, idHigh: Int32Array): void {
    this.counter = (this.counter + 1) | 0;
    if (this.counter === 0) this.epoch = (this.epoch & ~0x3fff) | ((this.epoch + 1) & 0x3fff);
    let id = Math.imul(this.counter, 0x9e3779b1);
    id = Math.imul(id ^ (id >>> 15), 0x85ebca77);
    key[slot * Key.Words + Key.IdLow] = id ^ (id >>> 16);
    idHigh[slot] = this.epoch;
  }
}
