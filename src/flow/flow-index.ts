/**
 * From a hash to flow slots: open addressing, linear probing, a power of two of pairs.
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
  constructor(size: number) {
    this.entries = new Int32Array(size * 2);
    this.mask = size * 2 - 1;
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
}
