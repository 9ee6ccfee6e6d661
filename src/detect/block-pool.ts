export const enum Block {
  Words = 16,
  /** Words that its entries have. */
  Room = 14,
}

/**
 * Short lists of a bounded number of entries: blocks of one store, chained.
 *
 *   head ─► | next + 1 | count | entries, 14 words | ─► block ─► 0           a head, and `next`: block number + 1, 0: none
 *
 * Whoever keeps a list walks it: `at = (block - 1) * Block.Words`. What stands in entries and what `count` counts is the owner's.
 */
export class BlockPool {
  readonly words: Int32Array;
  private free = 0;
  private end = 0;

  constructor(blocks: number) {
    this.words = new Int32Array(blocks * Block.Words);
  }

  /** Offset of an empty block before those of `head`, or -1: no room. The list's head is then offset / Block.Words + 1. */
  take(head: number): number {
    const { words } = this;
    let at = this.end;
    if (this.free > 0) {
      at = (this.free - 1) * Block.Words;
      this.free = words[at];
    } else {
      if (at + Block.Words > words.length) return -1;
      this.end = at + Block.Words;
    }
    words[at] = head;
    words[at + 1] = 0;
    return at;
  }

  /** Gives the first block of a list back; returns the head of what is left. */
  giveFirst(head: number): number {
    const at = (head - 1) * Block.Words;
    const next = this.words[at];
    this.words[at] = this.free;
    this.free = head;
    return next;
  }

  /** Gives a list back. */
  giveAll(head: number): void {
    for (let block = head; block > 0; ) block = this.giveFirst(block);
  }

  /** All lists are gone. */
  clear(): void {
    this.free = 0;
    this.end = 0;
  }
}
