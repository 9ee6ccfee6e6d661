import { Counter } from '../metrics/counters.js';
import type { AppProto } from './buffers.js';
import type { ContextStore } from './context-store.js';
import { Session, type Sessions } from './sessions.js';
import type { Transactions } from './transactions.js';

/** First of the parser's words of a session: the transaction + 1; 0: none yet; SPENT: it has ended. */
const TX_WORD = Session.Parser;
const SPENT = -1;

/** What protocols have in common whose sessions are one transaction each. */
export abstract class SingleTransaction {
  constructor(
    readonly proto: AppProto,
    private readonly sessions: Sessions,
    protected readonly txs: Transactions,
    private readonly counters: Float64Array,
    private readonly contexts: ContextStore,
  ) {}

  begin(): void {}

  open(session: number): void {
    this.sessions.words[session * Session.Words + TX_WORD] = 0;
  }

  close(session: number): void {
    this.sessions.words[session * Session.Words + TX_WORD] = SPENT;
  }

  forget(session: number, _tx: number): void {
    this.close(session);
  }

  /** The session's transaction; below 0: it has none, or no longer. */
  transaction(session: number): number {
    return this.sessions.words[session * Session.Words + TX_WORD] - 1;
  }

  /** The session has had its transaction. */
  protected isSpent(session: number): boolean {
    return this.sessions.words[session * Session.Words + TX_WORD] === SPENT;
  }

  /** A transaction that is complete ends with the packet, and its number is another's then. */
  protected settle(session: number, tx: number): void {
    if (this.txs.isDone(tx)) this.close(session);
  }

  /** Opens the transaction; -1: no room. */
  protected start(session: number): number {
    const tx = this.txs.open(session, this.proto, 0);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    if (!this.contexts.begin(tx)) {
      this.txs.close(tx);
      return -1;
    }
    this.sessions.words[session * Session.Words + TX_WORD] = tx + 1;
    return tx;
  }
}
