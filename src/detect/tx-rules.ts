import { type Transactions, Tx, TxFlag } from '../app-layer/transactions.js';
import { Counter } from '../metrics/counters.js';
import { Block, BlockPool } from './block-pool.js';

const ENTRIES = Block.Room;
/** Most blocks of one transaction; the last of them are for what has matched: a rule with => needs to know it. */
const MOST_BLOCKS = 12;
const WAITING_BLOCKS = 8;

/** What is remembered of a rule, for one transaction and direction. */
export const enum Known {
  Nothing = 0,
  /** It was a candidate, and a buffer it looks at may still come or grow: it is tried again. */
  Waits = 1,
  /** It has matched, and is done. */
  Matched = 2,
}

/** An entry: rank * 4 | direction * 2 | (1: matched). */
const DIRECTION = 2;
const MATCHED = 1;

/**
 * Rules that a transaction still waits for, or is done with. Ranks mean something with one set of rules only: see clear().
 *
 *   Tx.Detect ─► | next + 1 | count | entry x 14 | ─► block ─► 0        (BlockPool)
 *
 * Without room the transaction gets TxFlag.Rescan: its buffers count as new at each moment, so nothing is missed, but a rule
 * may alert again.
 */
export class TxRules {
  private readonly pool: BlockPool;
  private readonly words: Int32Array;

  constructor(
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    blocks = 32768,
  ) {
    this.pool = new BlockPool(blocks);
    this.words = this.pool.words;
    txs.rules = this;
  }

  isEmpty(tx: number): boolean {
    return this.txs.words[tx * Tx.Words + Tx.Detect] === 0;
  }

  /** All buffers of the transaction are to be scanned. */
  rescans(tx: number): boolean {
    return (this.txs.words[tx * Tx.Words + Tx.Flags] & TxFlag.Rescan) !== 0;
  }

  known(tx: number, direction: number, rank: number): Known {
    const { words } = this;
    const waits = (rank << 2) | (direction * DIRECTION);
    for (let block = this.txs.words[tx * Tx.Words + Tx.Detect]; block > 0; ) {
      const at = (block - 1) * Block.Words;
      const end = at + 2 + words[at + 1];
      for (let i = at + 2; i < end; i++) {
        if (words[i] === waits) return Known.Waits;
        if (words[i] === (waits | MATCHED)) return Known.Matched;
      }
      block = words[at];
    }
    return Known.Nothing;
  }

  /** Appends the ranks that wait to out[n ..); returns the new n. At most MOST_REMEMBERED. */
  collect(tx: number, direction: number, out: Int32Array, n: number): number {
    const { words } = this;
    for (let block = this.txs.words[tx * Tx.Words + Tx.Detect]; block > 0; ) {
      const at = (block - 1) * Block.Words;
      const end = at + 2 + words[at + 1];
      for (let i = at + 2; i < end; i++) if ((words[i] & (DIRECTION | MATCHED)) === direction * DIRECTION) out[n++] = words[i] >> 2;
      block = words[at];
    }
    return n;
  }

  /** The rule waits, or (`matched` 1) is done; what was known of it is replaced. */
  remember(tx: number, direction: number, rank: number, matched: number): void {
    const { words, txs } = this;
    const waits = (rank << 2) | (direction * DIRECTION);
    const head = tx * Tx.Words + Tx.Detect;
    let blocks = 0;
    let room = -1;
    for (let block = txs.words[head]; block > 0; blocks++) {
      const at = (block - 1) * Block.Words;
      const count = words[at + 1];
      for (let i = at + 2; i < at + 2 + count; i++) {
        if ((words[i] | MATCHED) !== (waits | MATCHED)) continue;
        words[i] = waits | matched;
        return;
      }
      if (count < ENTRIES) room = at;
      block = words[at];
    }
    if (room < 0) {
      room = blocks < (matched === 1 ? MOST_BLOCKS : WAITING_BLOCKS) ? this.pool.take(txs.words[head]) : -1;
      if (room < 0) {
        if ((txs.words[tx * Tx.Words + Tx.Flags] & TxFlag.Rescan) === 0) this.counters[Counter.AppRescans]++;
        txs.words[tx * Tx.Words + Tx.Flags] |= TxFlag.Rescan;
        return;
      }
      txs.words[head] = room / Block.Words + 1;
    }
    words[room + 2 + words[room + 1]++] = waits | matched;
  }

  /** The transaction ends. */
  release(tx: number): void {
    const head = tx * Tx.Words + Tx.Detect;
    this.pool.giveAll(this.txs.words[head]);
    this.txs.words[head] = 0;
  }

  /** New rules: what was remembered of the old ones goes; live transactions are scanned anew. */
  clear(): void {
    const { txs } = this;
    for (let tx = 0; tx < txs.used; tx++) {
      txs.words[tx * Tx.Words + Tx.Detect] = 0;
      txs.words[tx * Tx.Words + Tx.Flags] |= TxFlag.Rescan;
    }
    this.pool.clear();
  }
}

/** How many rules of a transaction may wait, and how many entries there are at all: collect() gives no more. */
export const MOST_WAITING = WAITING_BLOCKS * ENTRIES;
export const MOST_REMEMBERED = MOST_BLOCKS * ENTRIES;
