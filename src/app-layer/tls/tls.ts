import { Counter } from '../../metrics/counters.js';
import { AppProto, type Buffers } from '../buffers.js';
import { Parsed, type Probe2, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions } from '../transactions.js';
import { selectTls } from './buffers.js';
import { TlsRecord } from './eve.js';
import { Side, SideFlag } from './layout.js';
import { probeTls } from './probe.js';
import { Records } from './records.js';
import { TlsStore } from './store.js';

export interface TlsLimits {
  /** Bytes of a handshake message that are read; 65,528 at most. */
  message?: number;
}

/** First of the parser's words of a session: the transaction + 1; 0: none yet; SPENT: it has ended. */
const TX_WORD = Session.Parser;
const SPENT = -1;

/**
 * TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446), SSL 3 (RFC 6101), and hellos of SSL 2, until everything is encrypted: then
 * Parsed.Done. One transaction per session.
 */
export class TlsProtocol implements Protocol {
  readonly proto = AppProto.Tls;
  private readonly store: TlsStore;
  private readonly records: Records;
  private readonly eve: TlsRecord;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    limits: TlsLimits = {},
  ) {
    this.store = new TlsStore(txs, counters);
    this.records = new Records(this.store, Math.min(limits.message ?? 65528, 65528));
    this.eve = new TlsRecord(this.store, this.records.out);
  }

  probe(direction: number, mem: Uint8Array, off: number, len: number, _serverPort: number): Probe2 {
    return probeTls(direction, mem, off, len);
  }

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

  data(session: number, direction: number, mem: Uint8Array, _region: number, off: number, len: number): Parsed {
    let tx = this.transaction(session);
    if (tx < 0) {
      if (this.sessions.words[session * Session.Words + TX_WORD] === SPENT) return Parsed.Done;
      tx = this.start(session);
      if (tx < 0) return Parsed.Failed;
    }
    const parsed = this.records.data(tx, direction, mem, off, len);
    this.settle(session, tx);
    return parsed;
  }

  gap(session: number, direction: number, length: number): Parsed {
    const tx = this.transaction(session);
    if (tx < 0) return Parsed.Go;
    this.records.gap(tx, direction, length);
    const { heap } = this.store;
    const lost = heap[this.store.side(tx, 0) + Side.Flags] & heap[this.store.side(tx, 1) + Side.Flags] & SideFlag.Lost;
    this.settle(session, tx);
    return lost !== 0 ? Parsed.Done : Parsed.Go;
  }

  finish(session: number, direction: number): void {
    const tx = this.transaction(session);
    if (tx < 0) return;
    this.records.handshake.finish(tx, direction);
    this.store.heap[this.store.side(tx, direction) + Side.Flags] |= SideFlag.Lost;
    this.records.handshake.state(tx, direction, STATE_DONE);
    this.settle(session, tx);
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    selectTls(this.store, tx, direction, buffers);
  }

  record(tx: number, writer: RecordWriter): void {
    this.eve.write(tx, writer);
  }

  /** A transaction that is complete ends with the packet, and its number is another's then. */
  private settle(session: number, tx: number): void {
    if (this.txs.isDone(tx)) this.sessions.words[session * Session.Words + TX_WORD] = SPENT;
  }

  private start(session: number): number {
    const tx = this.txs.open(session, AppProto.Tls, 0);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    if (!this.store.begin(tx)) {
      this.txs.close(tx);
      return -1;
    }
    this.sessions.words[session * Session.Words + TX_WORD] = tx + 1;
    return tx;
  }
}
