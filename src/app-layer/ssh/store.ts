import { Counter } from '../../metrics/counters.js';
import { type Transactions, Tx } from '../transactions.js';
import type { SshEvent } from './events.js';
import { Side, Word } from './layout.js';

/** The words and bytes of SSH transactions, for the parts of the parser. */
export class SshStore {
  readonly words: Int32Array;
  /** The heap's bytes, and the same as words: contexts. */
  readonly bytes: Uint8Array;
  readonly heap: Int32Array;

  constructor(
    readonly txs: Transactions,
    private readonly counters: Float64Array,
  ) {
    this.words = txs.words;
    this.bytes = txs.heap.bytes;
    this.heap = new Int32Array(this.bytes.buffer);
  }

  /** Gives a transaction its context. False: no room. */
  begin(tx: number): boolean {
    const at = this.reserve(tx, 2 * Side.Words * 4);
    if (at < 0) return false;
    this.heap.fill(0, at >> 2, (at >> 2) + 2 * Side.Words);
    this.words[tx * Tx.Words + Tx.Parser + Word.Context] = at;
    return true;
  }

  /** Index in `heap` of a direction's first word. */
  side(tx: number, direction: number): number {
    return (this.words[tx * Tx.Words + Tx.Parser + Word.Context] >> 2) + direction * Side.Words;
  }

  event(tx: number, direction: number, event: SshEvent): void {
    const at = tx * Tx.Words + Tx.Parser + Word.Events;
    if ((this.words[at] & (1 << event)) !== 0) return;
    this.words[at] |= 1 << event;
    this.txs.moment(tx, direction);
  }

  state(tx: number, direction: number, state: number): void {
    const at = tx * Tx.Words + Tx.State + direction;
    if (this.words[at] < state) this.words[at] = state;
    this.txs.moment(tx, direction);
  }

  /** Offset of that many bytes which last as long as the transaction, or -1, which is counted. */
  reserve(tx: number, length: number): number {
    const at = this.txs.reserve(tx, length);
    if (at < 0) this.counters[Counter.AppNoRoom]++;
    return at;
  }
}
