import { IpProto, type Packet } from '../decode/packet.js';
import { FlowProto, TcpState } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Mode } from '../ring/verdict.js';
import { Reassembler, type ReassemblyOptions } from '../stream/reassembly/reassembler.js';
import { AppProto, Buffers, datagramSeries } from './buffers.js';
import { Files } from './files/files.js';
import { Expectations } from './ftp-data/expectations.js';
import { AppMemory } from './memory.js';
import { Parsed, type Protocol } from './protocol.js';
import { ProtocolFinder, protocolOf } from './protocol-finder.js';
import { PROTOCOLS, type ProtocolSpec } from './protocols.js';
import { Probe, Session, Sessions } from './sessions.js';
import { StreamSessions } from './stream-sessions.js';
import { STATE_DONE, Transactions, Tx, TxFlag } from './transactions.js';
import { TxLimits } from './tx-limits.js';

/** What update returns instead of a count: there was no room, and nothing was done. See README.md for what to do. */
export const NO_ROOM = -1;

export interface AppLayerOptions {
  /** Most flows that are parsed, or not decided yet, at once. */
  sessions?: number;
  /** Buffers for lines that come in pieces. */
  lineBuffers?: number;
  /** Most transactions at once, of all flows and of one; bytes they may keep. */
  transactions?: number;
  sessionTransactions?: number;
  heapBytes?: number;
  protocols?: readonly ProtocolSpec[];
  /** Connections that are expected: one table for the detecting threads of a process (Expectations.create). Absent: the thread's own. */
  expectations?: ArrayBuffer | SharedArrayBuffer;
  reassembly?: ReassemblyOptions;
  /** Protocols whose flows are bypassed once their parser is done with them. */
  bypass?: readonly AppProto[];
  /** Protocols in whose flows rules look for no content from then on. */
  opaque?: readonly AppProto[];
}

const REASSEMBLY: ReassemblyOptions = {
  memcap: 16 << 20,
  depth: 1 << 20,
  chunkSizes: [2560, 2560],
  urgent: 'oob',
  hosts: [],
  inline: 'auto',
};

/** Told of each transaction that ends, when it has been inspected. Its parser can still write its record. */
export type TransactionSink = (tx: number) => void;

/**
 * A packet can bring so many transactions; older ones make room for them. The one that fills a hole brings up to the usual depth
 * (1 MiB) at once, and two bytes make a command.
 */
const PER_PACKET = 1 << 19;
/** Parts of the heap, as shifts, that are left when flows with many transactions lose some; no client has room; no server. */
const TIGHT_SHIFT = 3;
const TIGHTER_SHIFT = 5;
const TIGHTEST_SHIFT = 7;
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
  private readonly finder: ProtocolFinder;
  private readonly expectations: Expectations;
  private readonly limits: TxLimits;
  private readonly streams: StreamSessions;
  /** The flow's end is inspected. */
  private ending = false;
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
    const frame = {
      sessions: this.sessions,
      txs: this.txs,
      memory: this.memory,
      files: this.files,
      expectations: this.expectations,
      counters,
    };
    this.parsers = Array.from({ length: AppProto.Count }, () => null);
    this.streams = new StreamSessions(flows, frame, this.parsers, options.bypass ?? [], options.opaque ?? []);
    this.order = new Reassembler(flows, counters, this.streams, options.reassembly ?? REASSEMBLY);
    for (const spec of specs) this.parsers[spec.proto] = spec.make(frame);
    this.finder = new ProtocolFinder(flows, this.sessions, this.memory, this.order, this.parsers, this.expectations, specs);
    this.streams.attach(this.order, this.finder);
    this.limits = new TxLimits(this.txs, this.parsers, options.sessionTransactions ?? 256, PER_PACKET, counters);
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
    this.finder.events = 0;
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
    return this.finder.events;
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
    return this.flows.appState[p.flow] === 0 && this.flows.appProbe[p.flow] === 0 && this.finder.isAnswer(p);
  }

  /** A datagram of a flow whose protocol is known: a client's by its bytes, and no server's. */
  looksAsked(p: Packet): boolean {
    return this.finder.isQuestion(p);
  }

  /**
   * A direction was taken to begin with numbers that are not those its receiver counts by: it goes on with `seq`. Whoever parsed the flow
   * forgets what it has; what is held of later bytes stays, and comes when it is due.
   */
  rewind(slot: number, direction: number, seq: number): void {
    this.order.rewind(slot, direction, seq);
    this.streams.restart(this.sessionOf(slot), slot);
  }

  /** Which way a TCP packet goes by its ports alone: 1 to a server, -1 from one; 0: they do not tell. */
  wayOf(p: Packet): number {
    return this.finder.wayOf(p.srcPort, p.dstPort);
  }

  /** Client and server of such a flow have changed places (FlowTable.swap). */
  turn(slot: number): void {
    this.order.release(slot);
  }

  /** Takes a datagram of a UDP flow: the protocol is decided once per flow. Returns how many moments it brings. */
  datagram(p: Packet): number {
    const { flows } = this;
    const slot = p.flow;
    this.finder.events = 0;
    this.guessed = AppProto.Unknown;
    if (slot < 0 || p.payloadLen <= 0 || flows.appProto[slot] === AppProto.Failed) return 0;
    let proto: AppProto = flows.appProto[slot];
    const side = slot * FlowProto.Count + FlowProto.ToServer + p.direction;
    if (proto === AppProto.Unknown) {
      proto = this.finder.datagram(slot, p.direction, p.mem, p.payloadOff, p.payloadLen);
      if (proto <= AppProto.Failed) {
        this.finder.deny(slot, p.direction);
        return 0;
      }
      flows.appProto[slot] = proto;
      flows.appProtos[side] = proto;
      this.counters[Counter.AppFlows + datagramSeries(proto)]++;
    }
    if (flows.appProtos[side] === 0) this.finder.compare(slot, p.direction, this.parsers[proto]!, p.mem, p.payloadOff, p.payloadLen);
    this.begin();
    const parser = this.parsers[proto]!;
    parser.begin();
    if (parser.nextId !== undefined) parser.nextId = flows.appState[slot];
    if (parser.data(-1, p.direction, p.mem, p.region, p.payloadOff, p.payloadLen) === Parsed.Failed)
      this.counters[Counter.AppErrors + datagramSeries(proto)]++;
    if (parser.nextId !== undefined) flows.appState[slot] = parser.nextId;
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

  /**
   * The flow is about to end: what its parser had begun is finished. Returns how many moments that brings; settle and
   * flowEnded follow.
   */
  finish(slot: number): number {
    this.finder.events = 0;
    const session = this.sessionOf(slot);
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
      if (this.sessionOf(slot) !== session) return txs.count;
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

  /** Whoever is told of ended flows tells this, while the slot still is the flow's. */
  flowEnded(slot: number): void {
    const session = this.sessionOf(slot);
    if (session >= 0) {
      this.settle();
      this.streams.release(session, slot);
      this.settle();
    }
    this.order.release(slot);
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
    const session = this.sessionOf(p.flow);
    // Those of datagrams are the packet's own.
    if (session < 0 && (p.proto !== IpProto.Udp || p.appProto === AppProto.Unknown)) return -1;
    const tx = txs.length(session) === 1 ? txs.first(session) : -1;
    return session < 0 && tx >= 0 && txs.words[tx * Tx.Words + Tx.Proto] !== p.appProto ? -1 : tx;
  }

  /** Flows of datagrams have none: their appState is the id of the next transaction. */
  private sessionOf(slot: number): number {
    return this.flows.proto(slot) === IpProto.Tcp ? this.flows.appState[slot] - 1 : -1;
  }

  private begin(): void {
    this.settle();
    this.ending = false;
    this.memory.resetScratch();
    this.streams.begin();
    this.files.begin();
    if (this.txs.active > this.txs.capacity - PER_PACKET) this.limits.makeRoom();
    if (this.txs.heap.left < this.txs.heap.bytes.length >> TIGHT_SHIFT) this.limits.relieve();
    this.txs.begin();
  }

  /** A packet of a flow that no parser wants, and rules on streams do. */
  private follow(p: Packet, slot: number, force: boolean): number {
    this.begin();
    if (this.flows.tcpState[slot] === TcpState.None) return 0;
    if (this.order.settle(slot)) this.streams.restart(-1, slot);
    this.took = true;
    return this.order.follow(p, force) ? 0 : NO_ROOM;
  }

  /**
   * There is little room for what transactions keep, and a parser without it sees nothing: no new requests, and in the end no data, so
   * that who fills it up makes others slow, not invisible.
   */
  private isTight(direction: number): boolean {
    const { left, bytes } = this.txs.heap;
    return left < bytes.length >> (direction === 0 ? TIGHTER_SHIFT : TIGHTEST_SHIFT);
  }

  private inspect(p: Packet, slot: number, proto: AppProto, force: boolean, isWatched: boolean): number {
    const { flows, order } = this;
    this.begin();
    if (flows.tcpState[slot] === TcpState.None) return 0;
    if (!force && p.payloadLen > 0 && this.isTight(p.direction)) {
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
