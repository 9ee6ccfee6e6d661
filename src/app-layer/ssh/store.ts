import { ContextStore } from '../context-store.js';
import { type Transactions, Tx } from '../transactions.js';
import type { SshEvent } from './events.js';
import { Side, Word } from './layout.js';

/** The words and bytes of SSH transactions, for the parts of the parser. */
export class SshStore extends ContextStore {
  constructor(txs: Transactions, counters: Float64Array) {
    super(txs, counters, Side.Words);
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
}
