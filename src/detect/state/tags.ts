/**
 * `tag`: packets of a flow or of a host that are logged after a rule has matched (user guide, "Tag"). A flow or host has one tag of each
 * metric: another match begins it anew. The packet that matched counts, but is not logged again.
 *
 * Entries of the tables of the store: Count is what is left, packets or bytes; End the time a tag of seconds lasts, and after which one
 * of packets or bytes is forgotten when nothing came.
 */
import type { Packet } from '../../decode/packet.js';
import { Key } from '../../flow/layout.js';
import type { Flows } from '../flows.js';
import { type AddressTable, Entry, Kind } from './address-table.js';

export const enum Metric {
  Packets = 0,
  Bytes,
  Seconds,
  Count,
}
export const enum Scope {
  Session = 0,
  Source,
  Destination,
}

/** Seconds without a packet after which a tag of packets or bytes is forgotten. */
const IDLE = 600;

export class Tags {
  constructor(
    private readonly addresses: AddressTable,
    private readonly own: AddressTable,
  ) {}

  /** 0: no rule has tagged anything yet. */
  get active(): number {
    return this.addresses.tagged | this.own.tagged;
  }

  set(p: Packet, flows: Flows, scope: Scope, metric: Metric, count: number): void {
    const table = this.probe(p, flows, scope, metric);
    if (table === null) return;
    const e = table.claim(p);
    table.begin(e, p);
    table.lasts(e, metric === Metric.Seconds ? count : IDLE);
    const used = metric === Metric.Packets ? 1 : metric === Metric.Bytes ? p.wireLen : 0;
    table.words[e + Entry.Count] = count > used ? count - used : 0;
    table.release();
    table.tag();
  }

  /** 1: the packet is to be logged. Uses up what it takes of the tags it has. */
  use(p: Packet, flows: Flows): number {
    if (p.ipVersion === 0) return 0;
    let tagged = 0;
    for (let metric = 0; metric < Metric.Count; metric++) {
      if (this.own.tagged !== 0) tagged |= this.one(p, flows, Scope.Session, metric);
      if (this.addresses.tagged !== 0) {
        tagged |= this.one(p, flows, Scope.Source, metric);
        tagged |= this.one(p, flows, Scope.Destination, metric);
      }
    }
    return tagged;
  }

  private one(p: Packet, flows: Flows, scope: Scope, metric: Metric): number {
    const table = this.probe(p, flows, scope, metric);
    if (table === null) return 0;
    const { words } = table;
    const e = table.find(p);
    let tagged = 0;
    if (e >= 0) {
      const used = metric === Metric.Packets ? 1 : metric === Metric.Bytes ? p.wireLen : 0;
      const left = words[e + Entry.Count] - used;
      if (left < 0) table.remove(e);
      else {
        tagged = 1;
        words[e + Entry.Count] = left;
        if (metric !== Metric.Seconds) {
          words[e + Entry.Since] = p.tsSec;
          table.lasts(e, IDLE);
        }
      }
    }
    table.release();
    return tagged;
  }

  private probe(p: Packet, flows: Flows, scope: Scope, metric: Metric): AddressTable | null {
    if (scope === Scope.Session) {
      if (p.flow < 0) return null;
      this.own.key(Kind.Tag | (metric << 8), 0, 0, 0);
      this.own.probe[Entry.Address] = p.flow;
      this.own.probe[Entry.Address + 1] = flows.key[p.flow * Key.Words + Key.IdLow];
      return this.own;
    }
    this.addresses.key(Kind.Tag | (metric << 8) | (p.ipVersion << 16), 0, 0, 0);
    this.addresses.address(scope === Scope.Source ? p.src : p.dst);
    return this.addresses;
  }
}
