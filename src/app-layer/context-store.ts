import { Counter } from '../metrics/counters.js';
import { type Transactions, Tx } from './transactions.js';

/**
 * The words and bytes of a protocol's transactions, for the parts of its parser. The first of the parser's words says where in the
 * heap a transaction's context lies: a row of words per direction.
 *
 *   Tx.Parser ─► | row to server | row to client |
 */
export class ContextStore {
  readonly words: Int32Array;
  /** The heap's bytes, and the same as words: contexts. */
  readonly bytes: Uint8Array;
  readonly heap: Int32Array;

  constructor(
    readonly txs: Transactions,
    private readonly counters: Float64Array,
    private readonly rowWords: number,
  ) {
    this.words = txs.words;
    this.bytes = txs.heap.bytes;
    this.heap = new Int32Array(this.bytes.buffer);
  }

  /** Gives a transaction its context. False: no room. */
  begin(tx: number): boolean {
    const at = this.reserve(tx, 2 * this.rowWords * 4);
    if (at < 0) return false;
    this.heap.fill(0, at >> 2, (at >> 2) + 2 * this.rowWords);
    this.words[tx * Tx.Words + Tx.Parser] = at;
    return true;
  }

  /** Index in `heap` of a direction's first word. */
  side(tx: number, direction: number): number {
    return (this.words[tx * Tx.Words + Tx.Parser] >> 2) + direction * this.rowWords;
  }

  /** Offset of that many bytes which last as long as the transaction, or -1, which is counted. */
  reserve(tx: number, length: number): number {
    const at = this.txs.reserve(tx, length);
    if (at < 0) this.counters[Counter.AppNoRoom]++;
    return at;
  }
}
