import { IpProto, type Packet } from '../decode/packet.js';
import { TcpState } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Mode } from '../ring/verdict.js';
import { Reassembler } from '../stream/reassembly/reassembler.js';
import { AppProto, Buffers } from './buffers.js';
import { Datagrams } from './datagrams.js';
import { Files } from './files/files.js';
import { FlowProtocols, protocolOf } from './flow-protocols.js';
import { Expectations } from './ftp-data/expectations.js';
import { AppMemory } from './memory.js';
import { type AppLayerOptions, REASSEMBLY } from './options.js';
import { Probing } from './probing.js';
import type { Protocol } from './protocol.js';
import { ProtocolFinder } from './protocol-finder.js';
import { type Frame, PROTOCOLS } from './protocols.js';
import { Rounds, type TransactionSink } from './rounds.js';
import { Probe, Session, Sessions, sessionOf } from './sessions.js';
import { StreamSessions } from './stream-sessions.js';
import { STATE_DONE, Transactions, Tx } from './transactions.js';
import { TxLimits } from './tx-limits.js';

export type { AppLayerOptions } from './options.js';

/** What update returns instead of a count: there was no room, and nothing was done. See README.md for what to do. */
export const NO_ROOM = -1;

/**
 * A packet can bring so many transactions; older ones make room for them. The one that fills a hole brings up to the usual depth
 * (1 MiB) at once, and two bytes make a command.
 */
const PER_PACKET = 1 << 19;
/** Connections that a thread by itself expects. */
const OWN_EXPECTATIONS = 1024;

/**
 * Application layers of one thread: which protocol a flow speaks, its bytes in order (Reassembler) to that protocol's parser, and
 * the transactions that a packet brings.
 *
 *   update(packet) ─► moments ─► select(0 .. moments - 1) ─► buffers, tx, direction      one after the other
 *   settle()                                                                             when all are inspected
 */
export class AppLayer {
  /** Of the moment selected last; valid until the next update. */
  readonly buffers = new Buffers();
  readonly txs: Transactions;
  readonly files: Files;
  tx = -1;
  direction = 0;
  private readonly sessions: Sessions;
  private readonly memory: AppMemory;
  readonly order: Reassembler;
  /** By AppProto. */
  private readonly parsers: (Protocol | null)[];
  private readonly known: FlowProtocols;
  private readonly probing: Probing;
  private readonly finder: ProtocolFinder;
  private readonly expectations: Expectations;
  private readonly streams: StreamSessions;
  private readonly datagrams: Datagrams;
  private readonly limits: TxLimits;
  private readonly rounds: Rounds;
  /** The packet at hand was given to the reassembler. */
  private took = false;
  private guessed: AppProto = AppProto.Unknown;

  constructor(
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
    options: AppLayerOptions = {},
  ) {
    const sessions = Math.min(options.sessions ?? 32768, flows.capacity);
    const specs = options.protocols ?? PROTOCOLS;
    this.sessions = new Sessions(sessions);
    this.memory = new AppMemory(sessions, options.lineBuffers ?? 512);
    this.txs = new Transactions(PER_PACKET + (options.transactions ?? 131072), options.heapBytes ?? 256 << 20, PER_PACKET, sessions);
    this.files = new Files(this.txs, counters);
    this.expectations = new Expectations(options.expectations ?? Expectations.create(OWN_EXPECTATIONS, false), flows, counters);
    const frame: Frame = {
      sessions: this.sessions,
      txs: this.txs,
      memory: this.memory,
      files: this.files,
      expectations: this.expectations,
      counters,
    };
    this.parsers = Array.from({ length: AppProto.Count }, () => null);
    this.known = new FlowProtocols(flows);
    this.streams = new StreamSessions(flows, this.known, frame, this.parsers, options.bypass ?? [], options.opaque ?? []);
    this.order = new Reassembler(flows, counters, this.streams, options.reassembly ?? REASSEMBLY);
    for (const spec of specs) this.parsers[spec.proto] = spec.make(frame);
    this.probing = new Probing(this.parsers, specs);
    const { known, probing } = this;
    this.finder = new ProtocolFinder(flows, this.sessions, this.memory, this.order, this.parsers, this.expectations, probing, known);
    this.streams.attach(this.order, this.finder);
    this.datagrams = new Datagrams(flows, counters, this.parsers, this.finder, probing, known);
    this.limits = new TxLimits(this.txs, this.parsers, options.sessionTransactions ?? 256, PER_PACKET, counters);
    this.rounds = new Rounds(flows, frame, this.parsers, this.streams, this.order, this.limits);
  }

  /** Flows being parsed or not decided yet. */
  get active(): number {
    return this.sessions.active;
  }

  /** New rules: whether some of them look at hassh. */
  wantHassh(wanted: boolean): void {
    this.parsers[AppProto.Ssh]?.wantFingerprints?.(wanted);
  }

  /** Streams with a file that is stored are put in order for so many bytes more, from there on (0: to their end). */
  deepenForStore(bytes: number): void {
    this.files.onStored = (direction) => this.order.setDepth(this.streams.slot, direction, bytes);
  }

  /** What makes a transaction's record. */
  parserOf(tx: number): Protocol {
    return this.parsers[this.txs.words[tx * Tx.Words + Tx.Proto]]!;
  }

  /**
   * Takes a TCP packet of a flow, after TcpTracker.update: with bytes or without, since acknowledgements deliver. Returns how many
   * moments it brings, or NO_ROOM (IPS only): then the packet is as if not seen, and must not be forwarded, or be given to force.
   */
  update(p: Packet): number {
    const slot = p.flow;
    this.took = false;
    this.guessed = AppProto.Unknown;
    this.known.events = 0;
    if (slot < 0) return 0;
    const proto = this.flows.appProto[slot];
    const isWatched = this.order.isWatched(p);
    const force = p.mode !== Mode.Ips;
    if (proto === AppProto.Failed) return isWatched ? this.follow(p, slot, force) : 0;
    // However long a server talks, what the client says is still to come.
    if (proto === AppProto.Unknown && p.direction === 0 && (this.flows.appProbe[slot] & Probe.FailedTs) !== 0) {
      if (p.payloadLen > 0 && this.streams.waitForServer(slot)) return isWatched ? this.follow(p, slot, force) : 0;
    }
    return this.inspect(p, slot, proto, force, isWatched);
  }

  /** Takes a packet for which there was no room, and that is forwarded all the same: what does not fit is skipped. */
  force(p: Packet): number {
    if (p.flow < 0) return 0;
    const proto = this.flows.appProto[p.flow];
    return proto === AppProto.Failed ? this.follow(p, p.flow, true) : this.inspect(p, p.flow, proto, true, this.order.isWatched(p));
  }

  /** What the packet's rules take the flow for: known, or what it looks like. */
  protoOf(p: Packet): AppProto {
    const proto = protocolOf(this.flows, p.flow);
    return proto === AppProto.Unknown || this.flows.appProto[p.flow] === AppProto.Unknown ? this.guessed || proto : proto;
  }

  /** Bits of ProtoEvent: what the packet given last, or the flow's end, showed of the flow's protocol. */
  get protoEvents(): number {
    return this.known.events;
  }

  /** The last packet sends bytes again that differ from those that were taken: repair(p), or it must not be forwarded. */
  get differs(): boolean {
    return this.took && this.order.repairCount > 0;
  }

  /** There are more such bytes than repair knows of. */
  get unrepairable(): boolean {
    return this.took && this.order.unrepairable;
  }

  /** A parser gave up on the flow when it read the last packet: what follows is not inspected as what it is. */
  get hasFailed(): boolean {
    return this.took && this.streams.failed;
  }

  /** Overwrites them in the packet's memory; the caller puts the checksum right. */
  repair(p: Packet): void {
    this.order.repair(p);
  }

  /** A packet of a flow of which no data were seen before: a server's by its bytes, and no client's. */
  looksAnswered(p: Packet): boolean {
    return this.flows.appState[p.flow] === 0 && this.flows.appProbe[p.flow] === 0 && this.probing.isAnswer(p);
  }

  /** A datagram of a flow whose protocol is known: a client's by its bytes, and no server's. */
  looksAsked(p: Packet): boolean {
    return this.probing.isQuestion(p, this.flows.appProto[p.flow]);
  }

  /**
   * A direction was taken to begin with numbers that are not those its receiver counts by: it goes on with `seq`. Whoever parsed the flow
   * forgets what it has; what is held of later bytes stays, and comes when it is due.
   */
  rewind(slot: number, direction: number, seq: number): void {
    this.order.rewind(slot, direction, seq);
    this.streams.restart(sessionOf(this.flows, slot), slot);
  }

  /** Which way a TCP packet goes by its ports alone: 1 to a server, -1 from one; 0: they do not tell. */
  wayOf(p: Packet): number {
    return this.probing.wayOf(p.srcPort, p.dstPort);
  }

  /** Client and server of such a flow have changed places (FlowTable.swap). */
  turn(slot: number): void {
    this.order.release(slot);
  }

  /** Takes a datagram of a UDP flow. Returns how many moments it brings. */
  datagram(p: Packet): number {
    this.known.events = 0;
    this.guessed = AppProto.Unknown;
    if (p.flow < 0 || p.payloadLen <= 0 || this.flows.appProto[p.flow] === AppProto.Failed) return 0;
    const parser = this.datagrams.parserOf(p);
    if (parser === null) return 0;
    this.rounds.begin();
    this.datagrams.parse(p, parser);
    this.files.keep();
    return this.txs.count;
  }

  /** Makes the buffers of a moment current: 0 to the count that update returned, exclusive. */
  select(i: number): void {
    const { moments, words } = this.txs;
    const tx = moments[2 * i];
    const direction = moments[2 * i + 1];
    this.tx = tx;
    this.direction = direction;
    this.buffers.clear();
    this.parsers[words[tx * Tx.Words + Tx.Proto]]!.select(tx, direction, this.buffers);
    if (this.buffers.lost > 0) {
      this.counters[Counter.AppInstancesLost] += this.buffers.lost;
      this.buffers.lost = 0;
    }
  }

  /** Nothing more of that direction is to come for the transaction. */
  isComplete(): boolean {
    return this.txs.words[this.tx * Tx.Words + Tx.State + this.direction] === STATE_DONE;
  }

  /**
   * The packet has been inspected: transactions that are complete end. `events` is told of each that may have new ones, `ofFiles` of each
   * file that ended before its transaction, and is due with a packet of that direction.
   */
  settle(
    sink: TransactionSink | null = null,
    events: TransactionSink | null = null,
    ofFiles: ((file: number) => void) | null = null,
    direction = 0,
  ): void {
    this.rounds.settle(sink, events, ofFiles, direction);
  }

  /**
   * The flow is about to end: what its parser had begun is finished. Returns how many moments that brings; settle and
   * flowEnded follow.
   */
  finish(slot: number): number {
    this.known.events = 0;
    return this.rounds.finish(slot);
  }

  /** Whoever is told of ended flows tells this, while the slot still is the flow's. */
  flowEnded(slot: number): void {
    this.rounds.flowEnded(slot);
  }

  close(): void {
    this.order.close();
    this.memory.close();
    this.files.dispose();
    this.txs.heap.close();
  }

  /** The transaction of the packet's flow, if it has one and no other; else -1. */
  onlyTransaction(p: Packet): number {
    const { txs } = this;
    const session = sessionOf(this.flows, p.flow);
    // Those of datagrams are the packet's own.
    if (session < 0 && (p.proto !== IpProto.Udp || p.appProto === AppProto.Unknown)) return -1;
    const tx = txs.length(session) === 1 ? txs.first(session) : -1;
    return session < 0 && tx >= 0 && txs.words[tx * Tx.Words + Tx.Proto] !== p.appProto ? -1 : tx;
  }

  /** A packet of a flow that no parser wants, and rules on streams do. */
  private follow(p: Packet, slot: number, force: boolean): number {
    this.rounds.begin();
    if (this.flows.tcpState[slot] === TcpState.None) return 0;
    if (this.order.settle(slot)) this.streams.restart(-1, slot);
    this.took = true;
    return this.order.follow(p, force) ? 0 : NO_ROOM;
  }

  private inspect(p: Packet, slot: number, proto: AppProto, force: boolean, isWatched: boolean): number {
    const { flows, order } = this;
    this.rounds.begin();
    if (flows.tcpState[slot] === TcpState.None) return 0;
    if (!force && p.payloadLen > 0 && this.limits.isTight(p.direction)) {
      this.counters[Counter.AppNoRoom]++;
      return NO_ROOM;
    }
    this.streams.slot = slot;
    this.finder.isInline = order.isInline(p);
    this.expectations.now = p.tsSec;
    let session = flows.appState[slot] - 1;
    if (order.settle(slot)) {
      this.streams.restart(session, slot);
      proto = AppProto.Unknown;
    }
    if (session < 0) {
      // What was parsed to its end stays what it is.
      if (proto !== AppProto.Unknown) return isWatched ? this.follow(p, slot, force) : 0;
      if (p.payloadLen > 0 && !this.streams.first(p, slot, force)) return NO_ROOM;
      if (flows.appProto[slot] === AppProto.Failed) return isWatched ? this.follow(p, slot, force) : 0;
      session = flows.appState[slot] - 1;
    }
    if (session >= 0) {
      this.streams.touched = session;
      this.parsers[this.sessions.words[session * Session.Words + Session.Proto]]?.begin();
    }
    if (session >= 0 && p.payloadLen > 0 && flows.appProto[slot] === AppProto.Unknown && !order.isInline(p))
      this.guessed = this.finder.guess(p, session, slot);
    // Bytes for nobody have room in any case.
    this.took = true;
    const taken = order.take(p, force || (session < 0 && !isWatched));
    this.files.keep();
    if (flows.appState[slot] === 0 && flows.appProto[slot] !== AppProto.Unknown) order.forget(slot);
    return taken ? this.txs.count : NO_ROOM;
  }
}
