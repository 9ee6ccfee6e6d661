import { TcpState } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import type { Reassembler } from '../stream/reassembly/reassembler.js';
import { type AppProto, datagramSeries } from './buffers.js';
import type { Files } from './files/files.js';
import type { AppMemory } from './memory.js';
import type { Protocol } from './protocol.js';
import type { Frame } from './protocols.js';
import { Session, type Sessions, sessionOf } from './sessions.js';
import type { StreamSessions } from './stream-sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from './transactions.js';
import type { TxLimits } from './tx-limits.js';

/** Told of each transaction that ends, when it has been inspected. Its parser can still write its record. */
export type TransactionSink = (tx: number) => void;

/**
 * What lies around the parsing of a packet, or of what is left at a flow's end: room before it, and when all that it brings is inspected
 * the ends of what is complete. Of one thread.
 *
 *   begin ── parsed ── inspected ── settle          finish ── inspected ── settle ── flowEnded
 */
export class Rounds {
  private readonly sessions: Sessions;
  private readonly txs: Transactions;
  private readonly memory: AppMemory;
  private readonly files: Files;
  private readonly counters: Float64Array;
  /** The flow's end is inspected. */
  private ending = false;

  /** `parsers`: by AppProto. */
  constructor(
    private readonly flows: FlowTable,
    frame: Frame,
    private readonly parsers: readonly (Protocol | null)[],
    private readonly streams: StreamSessions,
    private readonly order: Reassembler,
    private readonly limits: TxLimits,
  ) {
    this.sessions = frame.sessions;
    this.txs = frame.txs;
    this.memory = frame.memory;
    this.files = frame.files;
    this.counters = frame.counters;
  }

  /** Another packet, or flow's end, is to be parsed. */
  begin(): void {
    this.settle();
    this.ending = false;
    this.memory.resetScratch();
    this.streams.begin();
    this.files.begin();
    this.limits.keepRoom();
    this.txs.begin();
  }

  /** As AppLayer.settle. */
  settle(
    sink: TransactionSink | null = null,
    events: TransactionSink | null = null,
    ofFiles: ((file: number) => void) | null = null,
    direction = 0,
  ): void {
    const { txs, files } = this;
    if (txs.active === 0) {
      this.streams.touched = -1;
      return;
    }
    if (this.streams.touched >= 0) {
      if (ofFiles !== null) files.logDue(this.streams.touched, direction, ofFiles);
      if (this.ending) txs.closeAll(this.streams.touched);
      else this.limits.closeComplete(this.streams.touched);
      this.streams.touched = -1;
    }
    // Datagrams, and bytes that belong to no stream.
    if (txs.length(-1) > 0) txs.closeAll(-1);
    const { ended, due, words } = txs;
    if (events !== null) {
      for (let i = 0; i < txs.count; i++) events(txs.moments[2 * i]);
      for (let i = 0; i < txs.endedCount; i++) events(ended[i]);
    }
    txs.clearMoments();
    for (let i = 0; i < txs.endedCount; i++) files.finish(ended[i]);
    for (let i = 0; i < txs.dueCount; i++) {
      const at = due[i] * Tx.Words + Tx.Flags;
      if (sink === null || (words[at] & TxFlag.Logged) !== 0) continue;
      words[at] |= TxFlag.Logged;
      sink(due[i]);
    }
    txs.dueCount = 0;
    for (let i = 0; i < txs.endedCount; i++) {
      const at = ended[i] * Tx.Words;
      const proto: AppProto = words[at + Tx.Proto];
      this.counters[Counter.AppTxs + (words[at + Tx.Session] < 0 ? datagramSeries(proto) : proto)]++;
      if (sink !== null && (words[at + Tx.Flags] & TxFlag.Logged) === 0) sink(ended[i]);
    }
    txs.clearEnded();
  }

  /** As AppLayer.finish. */
  finish(slot: number): number {
    const session = sessionOf(this.flows, slot);
    if (session < 0) {
      if (this.hasUnseen(slot)) {
        this.order.begin();
        this.order.flush(slot);
      }
      return 0;
    }
    this.begin();
    this.streams.touched = session;
    this.ending = true;
    const { txs, sessions } = this;
    const at = session * Session.Words + Session.Proto;
    this.parsers[sessions.words[at]]?.begin();
    if (this.hasUnseen(slot)) {
      this.streams.slot = slot;
      this.order.begin();
      this.order.flush(slot);
      if (sessionOf(this.flows, slot) !== session) return txs.count;
    }
    const parser = this.parsers[sessions.words[at]];
    if (parser === null) return txs.count;
    parser.finish(session, 0);
    parser.finish(session, 1);
    this.files.keep();
    const { words } = txs;
    for (let tx = txs.first(session); tx >= 0; tx = txs.behind(tx)) {
      for (let direction = 0; direction < 2; direction++) {
        const at = tx * Tx.Words + Tx.State + direction;
        if (words[at] === 0 || words[at] === STATE_DONE) continue;
        words[at] = STATE_DONE;
        txs.moment(tx, direction);
      }
    }
    return txs.count;
  }

  /** Bytes that nobody acknowledged. Where no connection came about there are none: nobody took them. */
  private hasUnseen(slot: number): boolean {
    return this.flows.tcpState[slot] > TcpState.SynRecv && this.order.hasUnseen(slot);
  }

  /** As AppLayer.flowEnded. */
  flowEnded(slot: number): void {
    const session = sessionOf(this.flows, slot);
    if (session >= 0) {
      this.settle();
      this.streams.release(session, slot);
      this.settle();
    }
    this.order.release(slot);
  }
}
