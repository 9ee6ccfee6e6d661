import { Counter } from '../../metrics/counters.js';
import { AppProto } from '../buffers.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx } from '../transactions.js';
import { FtpEvent, FtpSession, FtpTx, KEPT_HERE, OWN_BYTES } from './layout.js';

/** Most bytes that a session's transactions keep for rules and records; behind them only commands are inspected. */
const MOST_KEPT = 1 << 20;

/** Which transactions a session has, which of them waits for its reply, and how much they keep. */
export class FtpDialogue {
  /** The words of transactions. */
  readonly own: Uint8Array;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    private readonly mostTransactions: number,
  ) {
    this.own = new Uint8Array(txs.words.buffer);
  }

  /** A transaction, the last of the session. */
  openTx(session: number): number {
    const { words } = this.sessions;
    const { txs } = this;
    const at = session * Session.Words + Session.Parser;
    const tx = txs.open(session, AppProto.Ftp, session < 0 ? 0 : words[at + FtpSession.Count]);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    if (session < 0) return tx;
    words[at + FtpSession.Count]++;
    const oldest = words[at + FtpSession.Oldest] - 1;
    if (oldest >= 0 && txs.length(session) > this.mostTransactions && words[at + FtpSession.Flooded] === 0) {
      words[at + FtpSession.Flooded] = 1;
      this.event(oldest, FtpEvent.TooManyTransactions);
      txs.moment(oldest, 0);
    }
    return tx;
  }

  /** The transaction waits for its reply. */
  wait(session: number, tx: number): void {
    const at = session * Session.Words + Session.Parser + FtpSession.Oldest;
    if (this.sessions.words[at] === 0) this.sessions.words[at] = tx + 1;
  }

  /** The transaction ends before it is complete. */
  forget(session: number, tx: number): void {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    if (words[at + FtpSession.Oldest] === tx + 1) words[at + FtpSession.Oldest] = this.waiting(this.txs.behind(tx)) + 1;
    if (words[at + FtpSession.Current] === tx + 1) words[at + FtpSession.Current] = 0;
    if (words[at + FtpSession.Last] === tx + 1) words[at + FtpSession.Last] = 0;
  }

  /** `tx` or the first behind it that waits for its reply. */
  waiting(tx: number): number {
    let next = tx;
    while (next >= 0 && this.txs.words[next * Tx.Words + Tx.State + 1] === STATE_DONE) next = this.txs.behind(next);
    return next;
  }

  /** The session's transactions may keep so many bytes more. */
  mayKeep(session: number, bytes: number): boolean {
    const at = session * Session.Words + Session.Parser + FtpSession.Kept;
    const { words } = this.sessions;
    // Only one is left: all that was kept before is gone.
    if (this.txs.length(session) <= 1) this.release(at);
    if (words[at] + bytes > MOST_KEPT) return false;
    words[at] += bytes;
    this.counters[Counter.FtpMemuse] += bytes;
    return true;
  }

  /** Bytes of the client's line: FtpTx.CommandLen of the command, behind them its data. Null: they were not kept. */
  lineBytes(tx: number): Uint8Array | null {
    const kept = this.txs.words[tx * Tx.Words + FtpTx.Kept];
    return kept === 0 ? null : kept === KEPT_HERE ? this.own : this.txs.heap.bytes;
  }

  /** Where they begin there. */
  lineAt(tx: number): number {
    const at = tx * Tx.Words;
    const kept = this.txs.words[at + FtpTx.Kept];
    return kept === KEPT_HERE ? 4 * (at + FtpTx.Own) : kept - 1;
  }

  /** Keeps so many bytes of a line, to be put there: up to OWN_BYTES in `own`, more in the heap; -1: no room. */
  keepLine(session: number, tx: number, bytes: number): number {
    if (!this.mayKeep(session, bytes)) return -1;
    const at = tx * Tx.Words;
    const { words } = this.txs;
    if (bytes <= OWN_BYTES) {
      words[at + FtpTx.Kept] = KEPT_HERE;
      return 4 * (at + FtpTx.Own);
    }
    const to = this.txs.reserve(tx, bytes);
    words[at + FtpTx.Kept] = to + 1;
    return to;
  }

  /** The session ends. */
  close(session: number): void {
    this.release(session * Session.Words + Session.Parser + FtpSession.Kept);
  }

  event(tx: number, event: FtpEvent): void {
    this.txs.words[tx * Tx.Words + FtpTx.Events] |= 1 << event;
  }

  /** What the session kept is gone. */
  private release(at: number): void {
    this.counters[Counter.FtpMemuse] -= this.sessions.words[at];
    this.sessions.words[at] = 0;
  }
}
