import { ContextStore } from '../context-store.js';
import { type Transactions, Tx } from '../transactions.js';
import type { TlsEvent } from './events.js';
import { Side, Word } from './layout.js';
import type { Printer } from './printer.js';

/** Longest text that is kept (a subject, JA3); the rest of a longer one is not looked at. */
const MOST_TEXT = 32768;

/** The words and bytes of TLS transactions, for the parts of the parser. */
export class TlsStore extends ContextStore {
  /** Fingerprints that are made. */
  hasJa3 = true;
  hasJa4 = true;
  constructor(txs: Transactions, counters: Float64Array) {
    super(txs, counters, Side.Words);
  }

  event(tx: number, direction: number, event: TlsEvent): void {
    const at = tx * Tx.Words + Tx.Parser + Word.Events + (event >> 5);
    const bit = 1 << (event & 31);
    if ((this.words[at] & bit) !== 0) return;
    this.words[at] |= bit;
    this.txs.moment(tx, direction);
  }

  /** Keeps what was printed since `from` in heap[index] (0: no room) and its length in heap[index + 1]. */
  keepText(tx: number, index: number, out: Printer, from: number): void {
    const n = out.at - from < MOST_TEXT ? out.at - from : MOST_TEXT;
    const at = this.reserve(tx, n);
    this.heap[index] = at < 0 ? 0 : at;
    this.heap[index + 1] = n;
    if (at >= 0) for (let i = 0; i < n; i++) this.bytes[at + i] = out.bytes[from + i];
  }

  /** The same for text whose length everybody knows. */
  keepDigits(tx: number, index: number, out: Printer, from: number): void {
    const at = this.reserve(tx, out.at - from);
    this.heap[index] = at < 0 ? 0 : at;
    if (at >= 0) for (let i = from; i < out.at; i++) this.bytes[at + i - from] = out.bytes[i];
  }
}
