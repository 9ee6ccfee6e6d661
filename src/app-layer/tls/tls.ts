import { AppProto, type Buffers } from '../buffers.js';
import { type Likeness, Parsed, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import type { Sessions } from '../sessions.js';
import { SingleTransaction } from '../single-transaction.js';
import { STATE_DONE, type Transactions } from '../transactions.js';
import { selectTls } from './buffers.js';
import { type TlsEveOptions, TlsRecord } from './eve.js';
import { Side, SideFlag } from './layout.js';
import { probeTls } from './probe.js';
import { Records } from './records.js';
import { TlsStore } from './store.js';

/** `ja3-fingerprints`, `ja4-fingerprints`: false where they are switched off. */
export interface Fingerprints {
  ja3?: boolean;
  ja4?: boolean;
}

export interface TlsLimits {
  /** Bytes of a handshake message that are read; 65,528 at most. */
  message?: number;
  eve?: TlsEveOptions;
  fingerprints?: Fingerprints;
}

/**
 * TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446), SSL 3 (RFC 6101), and hellos of SSL 2, until everything is encrypted: then
 * Parsed.Encrypted. One transaction per session.
 */
export class TlsProtocol extends SingleTransaction implements Protocol {
  private readonly store: TlsStore;
  private readonly records: Records;
  private readonly eve: TlsRecord;

  constructor(sessions: Sessions, txs: Transactions, counters: Float64Array, limits: TlsLimits = {}) {
    const store = new TlsStore(txs, counters);
    super(AppProto.Tls, sessions, txs, counters, store);
    this.store = store;
    store.hasJa3 = limits.fingerprints?.ja3 !== false;
    store.hasJa4 = limits.fingerprints?.ja4 !== false;
    this.records = new Records(this.store, Math.min(limits.message ?? 65528, 65528));
    this.eve = new TlsRecord(this.store, this.records.out, limits.eve);
  }

  probe(direction: number, mem: Uint8Array, off: number, len: number, _serverPort: number): Likeness {
    return probeTls(direction, mem, off, len);
  }

  data(session: number, direction: number, mem: Uint8Array, _region: number, off: number, len: number): Parsed {
    let tx = this.transaction(session);
    if (tx < 0) {
      if (this.isSpent(session)) return Parsed.Done;
      tx = this.start(session);
      if (tx < 0) return Parsed.Failed;
      // app-layer-state:<hello asks before there is any buffer.
      this.txs.moment(tx, direction);
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
}
