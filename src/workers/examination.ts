import type { AppLayer } from '../app-layer/app-layer.js';
import { PROTOCOL_SPECS } from '../app-layer/protocols.js';
import { Tx, TxFlag } from '../app-layer/transactions.js';
import { IpProto, type Packet } from '../decode/packet.js';
import type { Detector } from '../detect/detector.js';
import type { StateStore } from '../detect/state/store.js';
import type { TxRules } from '../detect/tx-rules.js';
import { FlowFlag } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import type { EventEncoder } from '../output/event-record.js';
import { type Mode, Verdict } from '../ring/verdict.js';
import { ghostPacket } from './ghost.js';
import { OF_STREAM, type Outcome, worse } from './outcome.js';
import type { StreamInspection } from './stream-inspection.js';

/** Windows that are taken before one packet. */
const MOST_VICTIMS = 32;

/** Asks the rules: on the packet at hand, on what it delivers of streams, on what it brings to transactions; their records follow. */
export class Examination {
  /** A packet of the flow whose transactions end. */
  private about: Packet;
  private detector!: Detector;
  /** 1 << direction: rules on the packet's transactions have looked at its stream. */
  private shown = 0;
  private readonly onFile = (file: number): void => {
    const { app } = this;
    const tx = app.files.txOf(file);
    this.events.file(this.about, this.flows, app.parserOf(tx), tx, app.txs.words[tx * Tx.Words + Tx.Id], app.files, file);
  };

  private readonly onTransaction = (tx: number): void => {
    const { app } = this;
    this.events.transaction(this.about, this.flows, app.parserOf(tx), tx, app.txs.words[tx * Tx.Words + Tx.Id], app.files);
  };

  /** One record for each event of a transaction. */
  private readonly onTxEvents = (tx: number): void => {
    const { words } = this.app.txs;
    const at = tx * Tx.Words;
    const proto = words[at + Tx.Proto];
    const { eventWord } = PROTOCOL_SPECS[proto]!;
    if (eventWord < 0) return;
    const low = words[at + eventWord] & ~words[at + Tx.Logged];
    const high = words[at + eventWord + 1] & ~words[at + Tx.Logged + 1];
    if ((low | high) === 0) return;
    words[at + Tx.Logged] |= low;
    words[at + Tx.Logged + 1] |= high;
    this.events.txEvents(this.about, this.flows, proto, words[at + Tx.Id], low, high);
  };

  constructor(
    private readonly app: AppLayer,
    private readonly flows: FlowTable,
    private readonly streams: StreamInspection,
    private readonly txRules: TxRules,
    private readonly store: StateStore,
    private readonly events: EventEncoder,
    private readonly outcome: Outcome,
    private readonly counters: Float64Array,
  ) {
    this.about = outcome.ghost;
  }

  /** Other rules from now on. */
  use(detector: Detector): void {
    this.detector = detector;
  }

  /** A packet that has no flow, or none that decides about it. */
  detect(p: Packet): Verdict {
    return worse(this.examine(p), this.outcome.conclude(p)) === Verdict.Drop ? Verdict.Drop : Verdict.Pass;
  }

  /** Rules on packets. None: what matches waits in the queue. */
  examine(p: Packet): Verdict {
    if (this.store.tags.active !== 0 && this.store.tags.use(p, this.flows) === 1) {
      this.counters[Counter.TaggedPackets]++;
      this.events.tagged(p, this.flows);
    }
    const n = this.detector.inspect(p, this.flows);
    return n === 0 ? Verdict.None : this.outcome.enqueue(p, n, -1, p.direction);
  }

  /** Rules on what was delivered of streams. None: what matches waits in the queue. */
  examineStream(slot: number, p: Packet, atEnd = false): Verdict {
    const { streams } = this;
    const packet = atEnd ? null : p;
    let verdict = Verdict.None;
    for (let n = streams.next(slot, packet); n > 0; n = streams.next(slot, packet)) {
      verdict = worse(verdict, this.outcome.enqueue(p, n, OF_STREAM, streams.direction));
      // The next piece moves what the alerts show.
      if (streams.more) verdict = worse(verdict, this.outcome.conclude(p));
    }
    return verdict;
  }

  /** Rules look at the streams of a flow for the last time: at what waits of them. */
  endStreams(p: Packet): Verdict {
    const verdict = this.examineStream(p.flow, p, true);
    this.streams.unwatch(p.flow);
    return verdict;
  }

  /** Rules on what this packet brings to application layer transactions. None: what matches waits in the queue. */
  examineTransactions(p: Packet, count: number): Verdict {
    const { app, flows } = this;
    const proto = p.appProto;
    let verdict = Verdict.None;
    this.shown = 0;
    for (let i = 0; i < count; i++) {
      app.select(i);
      let packet = p;
      if (app.direction !== p.direction) {
        packet = this.outcome.ghost;
        ghostPacket(packet, flows, p.flow, app.direction, p);
      }
      const n = this.inspectSelected(packet);
      p.appProto = proto;
      if (n !== 0) verdict = worse(verdict, this.outcome.enqueue(p, n, app.tx, app.direction));
    }
    // What joined the other direction's window is still to be looked at.
    if ((this.shown & 1) !== 0) this.streams.asked(p.flow * 2);
    if ((this.shown & 2) !== 0) this.streams.asked(p.flow * 2 + 1);
    return verdict;
  }

  /** There was no room for the packet. What it acknowledged was delivered all the same, and is not delivered again. */
  inspectDelivered(p: Packet): void {
    const count = this.app.txs.count;
    if (!this.streams.more && count === 0) return;
    this.noteProtocol(p);
    this.examineStream(p.flow, p);
    this.examineTransactions(p, count);
    this.outcome.conclude(p);
    this.settle(p);
  }

  /** Rules on the moment that was selected; how many match. */
  private inspectSelected(p: Packet): number {
    const { app } = this;
    const { transactions } = this.detector;
    const { words } = app.txs;
    const proto = words[app.tx * Tx.Words + Tx.Proto];
    p.appProto = proto;
    transactions.about(app.tx, words, PROTOCOL_SPECS[proto]!.eventWord, app.files);
    if ((words[app.tx * Tx.Words + Tx.Flags] & (TxFlag.EventsOnly << p.direction)) !== 0) transactions.aboutEvents();
    else if (p.proto === IpProto.Tcp && transactions.looksAtStreams(proto, p.direction)) this.showStream(p);
    return transactions.inspect(p, this.flows, app.buffers, this.txRules, app.tx, app.isComplete());
  }

  /** Rules with tests on the payload beside their buffers look at the stream: at all that its window has once for a transaction. */
  private showStream(p: Packet): void {
    const { app, streams } = this;
    const unasked = streams.showWindow(p.flow * 2 + p.direction);
    if (unasked < 0) return;
    const flags = app.tx * Tx.Words + Tx.Flags;
    const looked = TxFlag.Looked << p.direction;
    this.shown |= 1 << p.direction;
    this.detector.transactions.beside(streams.windows, (app.txs.words[flags] & looked) === 0, unasked);
    app.txs.words[flags] |= looked;
  }

  /** The flow ends: what its transactions lack does not come any more. */
  finishTransactions(slot: number): void {
    const { app, flows } = this;
    const { ghost } = this.outcome;
    const count = app.finish(slot);
    const isInspected = (flows.flags[slot] & (FlowFlag.Passed | FlowFlag.Bypassed | FlowFlag.Dropped)) === 0;
    this.events.atFlowEnd = true;
    ghostPacket(ghost, flows, slot, 0, null);
    if (isInspected) this.examineStream(slot, ghost, true);
    else this.streams.skip();
    for (let i = 0; i < count && isInspected; i++) {
      app.select(i);
      ghostPacket(ghost, flows, slot, app.direction, null);
      const n = this.inspectSelected(ghost);
      if (n !== 0) this.outcome.enqueue(ghost, n, app.tx, app.direction);
    }
    ghostPacket(ghost, flows, slot, 0, null);
    this.outcome.conclude(ghost);
    ghostPacket(ghost, flows, slot, 0, null);
    this.about = ghost;
    // What a dropped flow had begun never arrived.
    const isDropped = (flows.flags[slot] & FlowFlag.Dropped) !== 0;
    app.settle(isDropped ? null : this.onTransaction, isDropped || !this.events.appAnomalies ? null : this.onTxEvents);
    ghost.protoEvents = app.protoEvents;
    if (ghost.protoEvents !== 0) this.events.anomalies(ghost, flows);
    app.flowEnded(slot);
    this.events.atFlowEnd = false;
  }

  /**
   * Few windows are left: between two packets those of silent directions are taken. What waits in one is looked at first, as at the flow's
   * end; inline (`mode`) a match drops the flow.
   */
  makeRoom(mode: Mode): void {
    const { streams, flows } = this;
    const { ghost } = this.outcome;
    if (streams.more) streams.skip();
    for (let i = 0; i < MOST_VICTIMS; i++) {
      const line = streams.victim();
      if (line < 0) return;
      const slot = line >> 1;
      const isInspected = (flows.flags[slot] & (FlowFlag.Passed | FlowFlag.Bypassed | FlowFlag.Dropped)) === 0;
      if (isInspected && streams.hasPending(slot)) {
        ghostPacket(ghost, flows, slot, 0, null);
        ghost.mode = mode;
        this.examineStream(slot, ghost, true);
        ghostPacket(ghost, flows, slot, 0, null);
        ghost.mode = mode;
        this.outcome.conclude(ghost);
      }
      streams.evict(line);
    }
  }

  /** What the packet's rules are told of its flow's protocol. */
  noteProtocol(p: Packet): void {
    const { flags } = this.flows;
    p.appProto = this.app.protoOf(p);
    p.protoEvents = this.app.protoEvents;
    const found = flags[p.flow] & (FlowFlag.ProtoFoundTs << p.direction);
    if (found === 0) return;
    flags[p.flow] &= ~found;
    p.protoFound = 1;
  }

  /** The packet has been inspected: records of what ends with it. */
  settle(p: Packet): void {
    this.about = p;
    this.app.settle(this.onTransaction, this.events.appAnomalies ? this.onTxEvents : null, this.onFile, p.direction);
  }
}
