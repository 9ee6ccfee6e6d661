import { Counter } from '../../metrics/counters.js';
import { AddressTable } from './address-table.js';
import { AddressBits } from './bits.js';
import { Datasets } from './datasets.js';
import { FlowVars } from './flow-vars.js';
import { Tags } from './tags.js';

export interface StoreOptions {
  /** Slots of the flow table. */
  flows?: number;
  /** Entries of the address table, when `shared` is not given. */
  entries?: number;
  /** Memory of AddressTable.create(), one for the detecting threads of a process. */
  addresses?: ArrayBuffer | SharedArrayBuffer;
  counters?: Float64Array;
}

/** Part of the entries that this thread has beside, for what belongs to its flows. */
const OWN_SHARE = 4;

/**
 * What rules remember between packets, of one thread: outlives the detector, whose rules a reload replaces. What belongs to
 * addresses may be shared with other threads.
 */
export class StateStore {
  /** flowbits, flowints. */
  readonly flowVars: FlowVars;
  /** Thresholds by address, xbits, hostbits. */
  readonly addresses: AddressTable;
  /** Thresholds by flow: a flow has one thread. */
  readonly own: AddressTable;
  readonly bits: AddressBits;
  readonly tags: Tags;
  readonly datasets: Datasets;

  constructor(options: StoreOptions = {}) {
    const counters = options.counters ?? new Float64Array(Counter.Count);
    const entries = options.entries ?? 1024;
    this.flowVars = new FlowVars(options.flows ?? 4096, counters);
    this.addresses = new AddressTable(options.addresses ?? AddressTable.create(entries, false), counters, Counter.ThresholdEvicted);
    this.own = new AddressTable(AddressTable.create(Math.ceil(entries / OWN_SHARE), false), counters, Counter.ThresholdEvicted);
    this.bits = new AddressBits(this.addresses);
    this.tags = new Tags(this.addresses, this.own);
    this.datasets = new Datasets(counters);
  }

  /** The flow ends; its slot is still readable. */
  flowEnded(slot: number): void {
    this.flowVars.clear(slot);
  }
}
