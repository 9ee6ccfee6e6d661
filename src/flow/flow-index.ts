import { Hot, IPV6, Key } from './layout.js';

/**
 * From a tuple and its hash to flow slots: open addressing, linear probing, a power of two of pairs.
 *
 *   entries:  | hash, slot + 1 | hash, slot + 1 | 0, 0 | ...      slot + 1 = 0: empty
 *
 * The stored hash rejects nearly every foreign flow without touching its key. A removal shifts the run behind it
 * back, so there are no tombstones and a table that churns for years probes as short as a fresh one.
 */
export class FlowIndex {
  readonly entries: Int32Array;
  /** Mask for positions in `entries`, which are even. */
  readonly mask: number;

  /** `size`: pairs, a power of two, more than will ever be inserted. */
  constructor(
    size: number,
    /** FlowTable's. */
    private readonly key: Int32Array,
    private readonly hot: Int32Array,
  ) {
    this.entries = new Int32Array(size * 2);
    this.mask = size * 2 - 1;
  }

  /** The flow of a tuple, or of that tuple exchanged: slot << 1 | direction, or -1. */
  find(hash: number, src: Int32Array, dst: Int32Array, ports: number, meta: number, vlan01: number, vlan2: number): number {
    const entries = this.entries;
    const mask = this.mask;
    const hot = this.hot;
    const src0 = src[0];
    const dst0 = dst[0];
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const slotPlus1 = entries[at + 1];
      if (slotPlus1 === 0) return -1;
      if (entries[at] !== hash) continue;
      const slot = slotPlus1 - 1;
      const h = slot * Hot.Words;
      if (hot[h + Hot.Meta] !== meta) continue;
      if (meta < 0 && !this.sameVlan(slot, vlan01, vlan2)) continue;
      const client = hot[h + Hot.Client];
      const server = hot[h + Hot.Server];
      const flowPorts = hot[h + Hot.Ports];
      if (client === src0 && server === dst0 && flowPorts === ports) {
        if ((meta & IPV6) === 0 || this.sameTail(slot, src, dst)) return slot << 1;
      }
      if (client === dst0 && server === src0 && flowPorts === ((ports << 16) | (ports >>> 16))) {
        if ((meta & IPV6) === 0 || this.sameTail(slot, dst, src)) return (slot << 1) | 1;
      }
    }
  }

  insert(hash: number, slot: number): void {
    const entries = this.entries;
    const mask = this.mask;
    let at = (hash << 1) & mask;
    while (entries[at + 1] !== 0) at = (at + 2) & mask;
    entries[at] = hash;
    entries[at + 1] = slot + 1;
  }

  remove(hash: number, slot: number): void {
    const entries = this.entries;
    const mask = this.mask;
    let hole = (hash << 1) & mask;
    while (entries[hole + 1] !== slot + 1) {
      if (entries[hole + 1] === 0) return;
      hole = (hole + 2) & mask;
    }
    let at = hole;
    for (;;) {
      at = (at + 2) & mask;
      if (entries[at + 1] === 0) break;
      // An entry may move back to the hole unless its home lies between the hole and itself.
      const home = (entries[at] << 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      entries[hole] = entries[at];
      entries[hole + 1] = entries[at + 1];
      hole = at;
    }
    entries[hole] = 0;
    entries[hole + 1] = 0;
  }

  private sameVlan(slot: number, vlan01: number, vlan2: number): boolean {
    const k = slot * Key.Words;
    return this.key[k + Key.Vlan01] === vlan01 && this.key[k + Key.Vlan2] === vlan2;
  }

  /** IPv6: the words after the first. */
  private sameTail(slot: number, client: Int32Array, server: Int32Array): boolean {
    const key = this.key;
    const k = slot * Key.Words;
    return (
      key[k + 1] === client[1] &&
      key[k + 2] === client[2] &&
      key[k + 3] === client[3] &&
      key[k + Key.Server + 1] === server[1] &&
      key[k + Key.Server + 2] === server[2] &&
      key[k + Key.Server + 3] === server[3]
    );
  }
}
