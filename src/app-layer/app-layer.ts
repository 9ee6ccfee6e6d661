import { IpProto, type Packet } from '../decode/packet.js';
import { FlowFlag, TcpState } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Mode } from '../ring/verdict.js';
import { Line, LineFlag } from '../stream/reassembly/layout.js';
import { Reassembler, type ReassemblyOptions } from '../stream/reassembly/reassembler.js';
import type { StreamSink } from '../stream/reassembly/sink.js';
import { AppProto, Buffers } from './buffers.js';
import { AppMemory } from './memory.js';
import { Likeness, Parsed, PROBE_BYTES, type Protocol } from './protocol.js';
import { PROTOCOLS, type ProtocolSpec } from './protocols.js';
import { Probe, Session, Sessions } from './sessions.js';
import { STATE_DONE, Transactions, Tx, TxFlag } from './transactions.js';

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
  reassembly?: ReassemblyOptions;
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

/** Packets of a client that is none of ours before the server, unheard, is taken for the same. */
const PROBE_PACKETS = 8;
/**
 * A packet can bring so many transactions; older ones make room for them. The one that fills a hole brings up to the usual depth
 * (1 MiB) at once, and two bytes make a command.
 */
const PER_PACKET = 1 << 19;

/** Bytes of a session's KEPT_BYTES hold what was seen of a stream that is not recognised; this word of the parser's: how many. */
const PREFIX_WORD = Session.Parser;
/** And what its first bytes look like, which a listener parses when they are acknowledged. */
const GUESS_WORD = Session.Parser + 2;

/**
 * Application layers of one thread: which protocol a flow speaks, its bytes in order (Reassembler) to that protocol's parser, and
 * the transactions that a packet brings.
 *
 *   update(packet) ─► moments ─► select(0 .. moments - 1) ─► buffers, tx, direction      one after the other
 *   settle()                                                                             when all are inspected
 */
export class AppLayer implements StreamSink {
  /** Of the moment selected last; valid until the next update. */
  readonly buffers = new Buffers();
  readonly txs: Transactions;
  tx = -1;
  direction = 0;
  private readonly sessions: Sessions;
  private readonly memory: AppMemory;
  private readonly order: Reassembler;
  /** By AppProto. */
  private readonly parsers: (Protocol | null)[];
  /** Those asked, in order; by server port the AppProto that is asked first. */
  private readonly streams: Protocol[];
  private readonly datagrams: Protocol[];
  private readonly streamPorts = new Uint8Array(65536);
  private readonly datagramPorts = new Uint8Array(65536);
  private readonly mostPerSession: number;
  /** The session whose transactions may be complete now; -1: none. */
  private touched = -1;
  /** Its flow's, while the flow's end is inspected. */
  private ending = false;
  /** The flow at hand. */
  private slot = -1;
  /** The packet at hand was given to the reassembler. */
  private took = false;
  private guessed: AppProto = AppProto.Unknown;
  private hand = 0;

  constructor(
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
    options: AppLayerOptions = {},
  ) {
    const sessions = Math.min(options.sessions ?? 32768, flows.capacity);
    const specs = options.protocols ?? PROTOCOLS;
    this.sessions = new Sessions(sessions);
    this.memory = new AppMemory(sessions, options.lineBuffers ?? 512);
    this.order = new Reassembler(flows, counters, this, options.reassembly ?? REASSEMBLY);
    this.txs = new Transactions(PER_PACKET + (options.transactions ?? 131072), options.heapBytes ?? 256 << 20, PER_PACKET, sessions);
    this.mostPerSession = options.sessionTransactions ?? 256;
    const frame = { sessions: this.sessions, txs: this.txs, memory: this.memory, counters };
    this.parsers = Array.from({ length: AppProto.Count }, () => null);
    for (const spec of specs) this.parsers[spec.proto] = spec.make(frame);
    this.streams = specs.filter(({ tcp }) => tcp).map(({ proto }) => this.parsers[proto]!);
    this.datagrams = specs.filter(({ udp }) => udp).map(({ proto }) => this.parsers[proto]!);
    for (const { proto, ports, tcp, udp } of specs) {
      for (const port of ports) {
        if (tcp) this.streamPorts[port] = proto;
        if (udp) this.datagramPorts[port] = proto;
      }
    }
  }

  /** Flows being parsed or not decided yet. */
  get active(): number {
    return this.sessions.active;
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
    if (slot < 0) return 0;
    const proto = this.flows.appProto[slot];
    if (proto === AppProto.Failed) return 0;
    // However long a server talks, what the client says is still to come.
    if (proto === AppProto.Unknown && p.direction === 0 && (this.flows.appProbe[slot] & Probe.FailedTs) !== 0) {
      if (p.payloadLen > 0 && this.waitForServer(slot)) return 0;
    }
    return this.inspect(p, slot, proto, p.mode !== Mode.Ips);
  }

  /** Takes a packet for which there was no room, and that is forwarded all the same: what does not fit is skipped. */
  force(p: Packet): number {
    return p.flow < 0 ? 0 : this.inspect(p, p.flow, this.flows.appProto[p.flow], true);
  }

  /** What the packet's rules take the flow for: known, or what it looks like. */
  protoOf(p: Packet): AppProto {
    const proto: AppProto = this.flows.appProto[p.flow];
    return proto === AppProto.Unknown ? this.guessed : proto;
  }

  /** The last packet sends bytes again that differ from those that were taken: repair(p), or it must not be forwarded. */
  get differs(): boolean {
    return this.took && this.order.repairCount > 0;
  }

  /** There are more such bytes than repair knows of. */
  get unrepairable(): boolean {
    return this.took && this.order.unrepairable;
  }

  /** Overwrites them in the packet's memory; the caller puts the checksum right. */
  repair(p: Packet): void {
    this.order.repair(p);
  }

  /** Takes a datagram of a UDP flow: the protocol is decided once per flow. Returns how many moments it brings. */
  datagram(p: Packet): number {
    const { flows } = this;
    const slot = p.flow;
    if (slot < 0 || p.payloadLen <= 0 || flows.appProto[slot] === AppProto.Failed) return 0;
    let proto: AppProto = flows.appProto[slot];
    if (proto === AppProto.Unknown) {
      const probed = p.payloadLen < PROBE_BYTES ? p.payloadLen : PROBE_BYTES;
      proto = this.ask(this.datagrams, this.datagramPorts, p.direction, p.mem, p.payloadOff, probed, flows.dstPort(slot));
      if (proto <= AppProto.Failed) {
        this.denied(slot, p.direction);
        return 0;
      }
      flows.appProto[slot] = proto;
      this.counters[Counter.AppFlows + proto]++;
    }
    this.begin();
    const parser = this.parsers[proto]!;
    parser.begin();
    if (parser.nextId !== undefined) parser.nextId = flows.appState[slot];
    if (parser.data(-1, p.direction, p.mem, p.region, p.payloadOff, p.payloadLen) === Parsed.Failed)
      this.counters[Counter.AppErrors + proto]++;
    if (parser.nextId !== undefined) flows.appState[slot] = parser.nextId;
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

  /** The packet has been inspected: transactions that are complete end. */
  settle(sink: TransactionSink | null = null): void {
    const { txs } = this;
    if (txs.active === 0) {
      this.touched = -1;
      return;
    }
    if (this.touched >= 0) {
      if (this.ending) txs.closeAll(this.touched);
      else this.closeComplete(this.touched);
      this.touched = -1;
    }
    // Datagrams, and bytes that belong to no stream.
    if (txs.length(-1) > 0) txs.closeAll(-1);
    const { ended, words } = txs;
    for (let i = 0; i < txs.endedCount; i++) {
      const at = ended[i] * Tx.Words;
      this.counters[Counter.AppTxs + words[at + Tx.Proto]]++;
      if (sink !== null && (words[at + Tx.Flags] & TxFlag.Logged) === 0) sink(ended[i]);
    }
    txs.clearEnded();
  }

  /**
   * The flow is about to end: what its parser had begun is finished. Returns how many moments that brings; settle and
   * flowEnded follow.
   */
  finish(slot: number): number {
    const session = this.sessionOf(slot);
    if (session < 0) return 0;
    this.begin();
    this.touched = session;
    this.ending = true;
    const { txs, sessions } = this;
    const at = session * Session.Words + Session.Proto;
    this.parsers[sessions.words[at]]?.begin();
    if (this.order.hasUnseen(slot)) {
      this.slot = slot;
      this.order.begin();
      this.order.flush(slot);
      if (this.sessionOf(slot) !== session) return txs.count;
    }
    const parser = this.parsers[sessions.words[at]];
    if (parser === null) return txs.count;
    parser.finish(session, 0);
    parser.finish(session, 1);
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

  /** Whoever is told of ended flows tells this, while the slot still is the flow's. */
  flowEnded(slot: number): void {
    const session = this.sessionOf(slot);
    if (session >= 0) {
      this.settle();
      this.release(session, slot);
      this.settle();
    }
    this.order.release(slot);
  }

  close(): void {
    this.order.close();
    this.memory.close();
    this.txs.heap.close();
  }

  // The reassembler calls these.

  feed(session: number, slot: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Proto;
    let parser = this.parsers[words[at]];
    if (parser === null) {
      if ((this.flows.appProbe[slot] & (Probe.FailedTs << direction)) !== 0) return true;
      const proto = this.decide(session, slot, direction, mem, off, len);
      if (proto === AppProto.Failed) return this.fail(session, slot, direction);
      parser = this.parsers[proto];
      if (parser === null) return true;
      const begun = this.start(session, slot, parser);
      if (begun !== Parsed.Go) return this.parsed(session, slot, begun);
    }
    return this.parsed(session, slot, parser.data(session, direction, mem, region, off, len));
  }

  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    const parser = this.parsers[this.sessions.words[session * Session.Words + Session.Proto]];
    return parser === null || parser.hasRoom === undefined || parser.hasRoom(session, direction, mem, off, len);
  }

  gap(session: number, direction: number, length: number): void {
    const words = this.sessions.words;
    const at = session * Session.Words;
    const parser = this.parsers[words[at + Session.Proto]];
    if (parser !== null) this.parsed(session, this.slot, parser.gap(session, direction, length));
    else words[at + PREFIX_WORD + direction] = 0;
  }

  finishDirection(session: number, direction: number): void {
    this.parsers[this.sessions.words[session * Session.Words + Session.Proto]]?.finish(session, direction);
  }

  loose(slot: number, direction: number, p: Packet, off: number, len: number): void {
    let proto: AppProto = this.flows.appProto[slot];
    if (proto === AppProto.Unknown) {
      const probed = len < PROBE_BYTES ? len : PROBE_BYTES;
      proto = this.ask(this.streams, this.streamPorts, direction, p.mem, off, probed, this.flows.dstPort(slot));
    }
    const parser = this.parsers[proto];
    if (parser !== null && parser.loose !== undefined) parser.loose(direction, p.mem, p.region, off, len);
  }

  /** Flows of datagrams have none: their appState is the id of the next transaction. */
  private sessionOf(slot: number): number {
    return this.flows.proto(slot) === IpProto.Tcp ? this.flows.appState[slot] - 1 : -1;
  }

  private begin(): void {
    this.settle();
    this.ending = false;
    this.memory.resetScratch();
    if (this.txs.active > this.txs.capacity - PER_PACKET) this.makeRoom();
    this.txs.begin();
  }

  private inspect(p: Packet, slot: number, proto: AppProto, force: boolean): number {
    const { flows, order } = this;
    this.begin();
    if (flows.tcpState[slot] === TcpState.None) return 0;
    this.slot = slot;
    let session = flows.appState[slot] - 1;
    if (order.settle(slot)) {
      this.restart(session, slot);
      proto = AppProto.Unknown;
    }
    if (session < 0) {
      // What was parsed to its end stays what it is.
      if (proto !== AppProto.Unknown) return 0;
      if (p.payloadLen > 0 && !this.first(p, slot, force)) return NO_ROOM;
      if (flows.appProto[slot] === AppProto.Failed) return 0;
      session = flows.appState[slot] - 1;
    }
    if (session >= 0) {
      this.touched = session;
      this.parsers[this.sessions.words[session * Session.Words + Session.Proto]]?.begin();
    }
    if (session >= 0 && p.payloadLen > 0 && flows.appProto[slot] === AppProto.Unknown && !order.isInline(p)) this.guess(p, session, slot);
    // Bytes for nobody have room in any case.
    this.took = true;
    const taken = order.take(p, force || session < 0);
    if (flows.appState[slot] === 0 && flows.appProto[slot] !== AppProto.Unknown) order.forget(slot);
    return taken ? this.txs.count : NO_ROOM;
  }

  /** A flow without a session: most are none of ours, which their first segment shows. False: no room. */
  private first(p: Packet, slot: number, force: boolean): boolean {
    const { flows, order } = this;
    const direction = p.direction;
    if ((flows.appProbe[slot] & (Probe.FailedTs << direction)) !== 0) return true;
    const probed = p.payloadLen < PROBE_BYTES ? p.payloadLen : PROBE_BYTES;
    // A listener believes bytes when they are acknowledged.
    if (
      (flows.flags[slot] & FlowFlag.TcpEstablished) !== 0 &&
      (order.isInline(p) || (flows.flags[slot] & FlowFlag.AsyncOneside) !== 0) &&
      order.isNext(p) &&
      this.ask(this.streams, this.streamPorts, direction, p.mem, p.payloadOff, probed, flows.dstPort(slot)) === AppProto.Failed
    ) {
      this.fail(-1, slot, direction);
      if (flows.appProto[slot] === AppProto.Failed) order.forget(slot);
      return true;
    }
    const session = this.sessions.take();
    if (session < 0) {
      this.counters[Counter.AppNoRoom]++;
      if (!force) return false;
      flows.appProto[slot] = AppProto.Failed;
      order.forget(slot);
      return true;
    }
    flows.appState[slot] = session + 1;
    return true;
  }

  /** A listener parses what is acknowledged, but rules look at packets when they come. */
  private guess(p: Packet, session: number, slot: number): void {
    const at = session * Session.Words + GUESS_WORD;
    const { words } = this.sessions;
    if ((this.flows.appProbe[slot] & (Probe.FailedTs << p.direction)) === 0 && this.order.isNext(p)) {
      const probed = p.payloadLen < PROBE_BYTES ? p.payloadLen : PROBE_BYTES;
      const proto = this.ask(this.streams, this.streamPorts, p.direction, p.mem, p.payloadOff, probed, this.flows.dstPort(slot));
      if (proto !== AppProto.Failed) words[at] = proto;
    }
    this.guessed = words[at];
  }

  /**
   * The handshake is complete, and the server did not acknowledge what the client sent before it: the client may send other bytes
   * with the same numbers, and those are the ones the server takes.
   */
  private restart(session: number, slot: number): void {
    if (session >= 0) {
      this.touched = session;
      this.leave(session);
      this.sessions.reset(session);
    }
    this.flows.appProto[slot] = AppProto.Unknown;
    this.flows.appProbe[slot] = 0;
  }

  /** The protocol of a direction that begins with these bytes. Unknown: more are needed; Failed: none of ours. */
  private ask(list: Protocol[], ports: Uint8Array, direction: number, mem: Uint8Array, off: number, len: number, port: number): AppProto {
    let result = AppProto.Failed;
    const hint = ports[port];
    if (hint !== 0) {
      const answer = this.parsers[hint]!.probe(direction, mem, off, len, port);
      if (answer === Likeness.Yes) return hint;
      if (answer === Likeness.More) result = AppProto.Unknown;
    }
    for (let i = 0; i < list.length; i++) {
      const protocol = list[i];
      if (protocol.proto === hint) continue;
      const answer = protocol.probe(direction, mem, off, len, port);
      if (answer === Likeness.Yes) return protocol.proto;
      if (answer === Likeness.More) result = AppProto.Unknown;
    }
    return len >= PROBE_BYTES ? AppProto.Failed : result;
  }

  /** Failed, Unknown (the bytes are kept), or the protocol. */
  private decide(session: number, slot: number, direction: number, mem: Uint8Array, off: number, len: number): AppProto {
    const words = this.sessions.words;
    const at = session * Session.Words + PREFIX_WORD + direction;
    const port = this.flows.dstPort(slot);
    const had = words[at];
    const to = this.memory.keptAt(session, direction);
    const { bytes } = this.memory;
    let proto: AppProto;
    const more = len < PROBE_BYTES - had ? len : PROBE_BYTES - had;
    if (had === 0) proto = this.ask(this.streams, this.streamPorts, direction, mem, off, more, port);
    else {
      for (let i = 0; i < more; i++) bytes[to + had + i] = mem[off + i];
      proto = this.ask(this.streams, this.streamPorts, direction, bytes, to, had + more, port);
    }
    if (proto !== AppProto.Unknown) return proto;
    for (let i = 0; i < more; i++) bytes[to + had + i] = mem[off + i];
    words[at] = had + more;
    return proto;
  }

  /** The protocol is known: the parser gets what was kept of both directions. */
  private start(session: number, slot: number, parser: Protocol): Parsed {
    const words = this.sessions.words;
    const at = session * Session.Words;
    const { bytes, region } = this.memory;
    const keptTs = words[at + PREFIX_WORD];
    const keptTc = words[at + PREFIX_WORD + 1];
    words[at + PREFIX_WORD] = 0;
    words[at + PREFIX_WORD + 1] = 0;
    words[at + GUESS_WORD] = 0;
    words[at + Session.Proto] = parser.proto;
    this.flows.appProto[slot] = parser.proto;
    this.counters[Counter.AppFlows + parser.proto]++;
    parser.begin();
    parser.open(session);
    for (let direction = 0; direction < 2; direction++) {
      const n = direction === 0 ? keptTs : keptTc;
      if (n === 0) continue;
      const from = this.memory.keptAt(session, direction);
      const to = this.memory.scratch(n);
      if (to < 0) continue;
      bytes.copyWithin(to, from, from + n);
      const result = parser.data(session, direction, bytes, region, to, n);
      if (result !== Parsed.Go) return result;
    }
    return Parsed.Go;
  }

  /** What follows from a parser's answer. False: the session is gone. */
  private parsed(session: number, slot: number, result: Parsed): boolean {
    if (result === Parsed.Go) return true;
    const { words } = this.sessions;
    const at = session * Session.Words;
    if (result === Parsed.Changed) {
      this.leave(session);
      words[at + Session.Proto] = AppProto.Unknown;
      words.fill(0, at + Session.Parser, at + Session.Words);
      this.flows.appProbe[slot] = 0;
      this.flows.appProto[slot] = AppProto.Unknown;
      return true;
    }
    if (result === Parsed.Failed) this.counters[Counter.AppErrors + words[at + Session.Proto]]++;
    this.release(session, slot);
    return false;
  }

  /** The direction is none of ours: once the other is not either, or does not come, neither is the flow. True: the session goes on. */
  private fail(session: number, slot: number, direction: number): boolean {
    const { flows } = this;
    // Before the handshake is complete anybody may send anything.
    if ((flows.flags[slot] & FlowFlag.TcpEstablished) === 0) return true;
    const bits = flows.appProbe[slot] | (Probe.FailedTs << direction);
    flows.appProbe[slot] = bits;
    const both = (bits & (Probe.FailedTs | Probe.FailedTc)) === (Probe.FailedTs | Probe.FailedTc);
    if (both) flows.appProto[slot] = AppProto.Failed;
    if (session < 0) return false;
    const other = (slot * 2 + (direction ^ 1)) * Line.Words + Line.Flags;
    if (!both && (this.order.lines[other] & LineFlag.Started) !== 0) return true;
    this.release(session, slot);
    return false;
  }

  /** True: in vain, and the flow is none of ours. */
  private waitForServer(slot: number): boolean {
    const { flows } = this;
    flows.appProbe[slot] += Probe.Packet;
    if (flows.appProbe[slot] < PROBE_PACKETS * Probe.Packet) return false;
    flows.appProto[slot] = AppProto.Failed;
    if (flows.appState[slot] !== 0) this.release(flows.appState[slot] - 1, slot);
    this.order.forget(slot);
    return true;
  }

  /** A datagram of no known protocol: the flow is none of ours when both directions, or several datagrams, say so. */
  private denied(slot: number, direction: number): void {
    const { flows } = this;
    const bits = (flows.appProbe[slot] | (Probe.FailedTs << direction)) + Probe.Packet;
    flows.appProbe[slot] = bits;
    if ((bits & (Probe.FailedTs | Probe.FailedTc)) === (Probe.FailedTs | Probe.FailedTc) || bits >= PROBE_PACKETS * Probe.Packet)
      flows.appProto[slot] = AppProto.Failed;
  }

  private closeComplete(session: number): void {
    const { txs } = this;
    let excess = txs.length(session) - this.mostPerSession;
    for (let tx = txs.first(session); tx >= 0; tx = txs.behind(tx)) {
      if (txs.isDone(tx)) txs.close(tx);
      else if (excess > 0) this.evict(session, tx);
      if (!txs.isOpen(tx)) excess--;
    }
  }

  /** Ends a transaction before it is complete; no record is made of it. */
  private evict(session: number, tx: number): void {
    const { txs } = this;
    if (!txs.isOpen(tx)) return;
    this.counters[Counter.AppTxsEvicted]++;
    txs.words[tx * Tx.Words + Tx.Flags] |= TxFlag.Logged;
    const parser = this.parserOf(tx);
    if (parser.forget !== undefined) parser.forget(session, tx);
    txs.close(tx);
  }

  /** The table of transactions is nearly full: some of the oldest slots end, wherever they belong. */
  private makeRoom(): void {
    const { txs } = this;
    const { capacity, words } = txs;
    for (let n = 0; n < capacity && txs.active - txs.endedCount > capacity - PER_PACKET; n++) {
      this.hand = this.hand + 1 < txs.used ? this.hand + 1 : 0;
      if (txs.isOpen(this.hand)) this.evict(words[this.hand * Tx.Words + Tx.Session], this.hand);
    }
  }

  /** The parser is done with the session. */
  private leave(session: number): void {
    const parser = this.parsers[this.sessions.words[session * Session.Words + Session.Proto]];
    if (parser === null) return;
    parser.close(session);
    this.txs.closeAll(session);
  }

  /** Gives back all that a session holds. */
  private release(session: number, slot: number): void {
    this.leave(session);
    this.sessions.give(session);
    this.flows.appState[slot] = 0;
    if (this.touched === session) this.touched = -1;
  }
}
