import { Counter } from '../metrics/counters.js';
import type { Protocol } from './protocol.js';
import { type Transactions, Tx, TxFlag } from './transactions.js';

/** Transactions of a flow that stay when memory is short; slots looked at per packet. */
const MANY = 16;
const RELIEF_STEPS = 256;

/** Parts of the heap, as shifts, that are left when flows with many transactions lose some; no client has room; no server. */
const TIGHT_SHIFT = 3;
const TIGHTER_SHIFT = 5;
const TIGHTEST_SHIFT = 7;

/** Ends transactions that are complete, and those there are too many of. Of one thread. */
export class TxLimits {
  private hand = 0;

  /** `parsers`: by AppProto; `perSession`: most transactions of a flow; `spare`: room that is kept for a packet. */
  constructor(
    private readonly txs: Transactions,
    private readonly parsers: readonly (Protocol | null)[],
    private readonly perSession: number,
    private readonly spare: number,
    private readonly counters: Float64Array,
  ) {}

  closeComplete(session: number): void {
    const { txs } = this;
    const first = txs.first(session);
    if (first < 0) return;
    const parser = this.parsers[txs.words[first * Tx.Words + Tx.Proto]]!;
    let excess = txs.length(session) - (parser.mostTransactions ?? this.perSession);
    for (let tx = first; tx >= 0; tx = txs.behind(tx)) {
      if (txs.isDone(tx)) txs.close(tx);
      else if (excess > 0) this.evict(session, tx);
      else continue;
      excess--;
    }
  }

  /** Makes sure that another packet can bring transactions. */
  keepRoom(): void {
    const { active, capacity, heap } = this.txs;
    if (active > capacity - this.spare) this.makeRoom();
    if (heap.left < heap.bytes.length >> TIGHT_SHIFT) this.relieve();
  }

  /**
   * There is little room for what transactions keep, and a parser without it sees nothing: no new requests, and in the end no data, so
   * that who fills it up makes others slow, not invisible.
   */
  isTight(direction: number): boolean {
    const { left, bytes } = this.txs.heap;
    return left < bytes.length >> (direction === 0 ? TIGHTER_SHIFT : TIGHTEST_SHIFT);
  }

  /** The table of transactions is nearly full: some of the oldest slots end, wherever they belong. */
  private makeRoom(): void {
    const { txs } = this;
    const { capacity, words } = txs;
    for (let n = 0; n < capacity && txs.active - txs.endedCount > capacity - this.spare; n++) {
      this.hand = this.hand + 1 < txs.used ? this.hand + 1 : 0;
      if (txs.isOpen(this.hand)) this.evict(words[this.hand * Tx.Words + Tx.Session], this.hand);
    }
  }

  /** The heap is nearly full: of flows with many transactions some end. A bounded stretch of them is looked at. */
  private relieve(): void {
    const { txs } = this;
    for (let n = Math.min(RELIEF_STEPS, txs.used); n > 0; n--) {
      this.hand = this.hand + 1 < txs.used ? this.hand + 1 : 0;
      if (!txs.isOpen(this.hand)) continue;
      const session = txs.words[this.hand * Tx.Words + Tx.Session];
      if (session >= 0 && txs.length(session) > MANY) this.evict(session, this.hand);
    }
  }

  /** Ends a transaction before it is complete; no record is made of it. */
  private evict(session: number, tx: number): void {
    const { txs } = this;
    if (!txs.isOpen(tx)) return;
    const at = tx * Tx.Words;
    this.counters[Counter.AppTxsEvicted]++;
    txs.words[at + Tx.Flags] |= TxFlag.Logged;
    const parser = this.parsers[txs.words[at + Tx.Proto]]!;
    if (parser.forget !== undefined) parser.forget(session, tx);
    txs.close(tx);
  }
}
