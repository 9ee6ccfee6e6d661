import { type Packet, TcpFlag } from '../decode/packet.js';
import { FlowFlag, TcpState } from '../flow/codes.js';
import { type FlowTable, L4 } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Mode } from '../ring/verdict.js';
import { AppProto, Buffers } from './buffers.js';
import { FtpParser } from './ftp/ftp.js';
import { HeldSegments } from './held-segments.js';
import { AppMemory } from './memory.js';
import { Parse, type Parser } from './parser.js';
import { LONGEST_PATTERN, recognise } from './recognise.js';
import { type OrderSink, SegmentOrder } from './segment-order.js';
import { Probe, Session, SessionFlag, Sessions } from './sessions.js';

/** What update returns instead of a count: there was no room, and nothing was done. See README.md for what to do. */
export const NO_ROOM = -1;

export interface AppLayerOptions {
  /** Most flows that are parsed, or not decided yet, at once. */
  sessions?: number;
  /** Blocks for segments out of order, and buffers for lines that come in pieces. */
  heldBlocks?: number;
  lineBuffers?: number;
}

/** Packets of a client that is none of ours before the server, unheard, is taken for the same. */
const PROBE_PACKETS = 8;

/** Bytes of a session's KEPT_BYTES hold what was seen of a stream that is not recognised; this word of the parser's: how many. */
const PREFIX_WORD = Session.Parser;

/**
 * Application layers of one thread: which protocol a TCP flow speaks, its bytes in order to that protocol's parser, and
 * the transactions that a packet completes. Until streams are reassembled elsewhere it orders the segments itself.
 *
 *   update(packet) ─► count ─► select(0 .. count - 1) ─► buffers
 */
export class AppLayer implements OrderSink {
  /** Of the transaction selected last; valid until the next update. */
  readonly buffers = new Buffers();
  private readonly sessions: Sessions;
  private readonly memory: AppMemory;
  private readonly held: HeldSegments;
  private readonly order: SegmentOrder;
  /** By AppProto. */
  private readonly parsers: (Parser | null)[];
  /** Of the packet at hand. */
  private parser: Parser;

  constructor(
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
    options: AppLayerOptions = {},
  ) {
    const sessions = Math.min(options.sessions ?? 32768, flows.capacity);
    const blocks = options.heldBlocks ?? 2048;
    this.sessions = new Sessions(sessions);
    this.memory = new AppMemory(sessions, blocks, options.lineBuffers ?? 512);
    this.held = new HeldSegments(this.sessions, this.memory, blocks);
    this.order = new SegmentOrder(flows, this.sessions, this.memory, this.held, counters, this);
    const ftp = new FtpParser(this.sessions, this.memory, counters);
    this.parsers = [null, null, ftp]; // by AppProto: Unknown, Failed, Ftp
    this.parser = ftp;
  }

  /** Flows being parsed or not decided yet. */
  get active(): number {
    return this.sessions.active;
  }

  /**
   * Takes a TCP packet of a flow, after TcpTracker.update. Returns how many transactions it completes, or NO_ROOM
   * (IPS only): then the packet is as if not seen, and must not be forwarded, or be given to force.
   */
  update(p: Packet): number {
    const slot = p.flow;
    if (slot < 0) return 0;
    const proto = this.flows.appProto[slot];
    if (proto === AppProto.Failed) return 0;
    if (proto === AppProto.Unknown && (this.flows.appProbe[slot] & (Probe.FailedTs << p.direction)) !== 0) {
      // However long a server talks, what the client says is still to come.
      if (p.direction === 0) this.waitForServer(slot);
      return 0;
    }
    return this.inspect(p, slot, proto, p.mode !== Mode.Ips);
  }

  /** Takes a packet for which there was no room, and that is forwarded all the same: what does not fit is skipped. */
  force(p: Packet): number {
    return p.flow < 0 ? 0 : this.inspect(p, p.flow, this.flows.appProto[p.flow], true);
  }

  /** Makes the buffers of a transaction current: 0 to the count that update returned, exclusive. */
  select(i: number): void {
    this.parser.select(i, this.buffers);
  }

  /** Whoever is told of ended flows tells this, while the slot still is the flow's. */
  flowEnded(slot: number): void {
    const session = this.flows.appState[slot] - 1;
    if (session >= 0) this.release(session, slot);
  }

  close(): void {
    this.memory.close();
  }

  // SegmentOrder calls these.

  feed(session: number, slot: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    let parser = this.parsers[this.sessions.words[session * Session.Words + Session.Proto]];
    if (parser === null) {
      const proto = this.decide(session, slot, direction, mem, off, len);
      if (proto === AppProto.Failed) return this.fail(session, slot, direction);
      parser = this.parsers[proto];
      if (parser === null) return true;
      this.start(session, slot, parser);
    }
    if (parser.data(session, direction, mem, region, off, len) === Parse.Go) return true;
    this.release(session, slot);
    return false;
  }

  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    const parser = this.parsers[this.sessions.words[session * Session.Words + Session.Proto]];
    return parser === null || parser.hasRoom(session, direction, mem, off, len);
  }

  gap(session: number, direction: number): void {
    const words = this.sessions.words;
    const at = session * Session.Words;
    const parser = this.parsers[words[at + Session.Proto]];
    if (parser !== null) parser.gap(session, direction);
    else words[at + PREFIX_WORD + direction] = 0;
  }

  finish(session: number, direction: number): void {
    this.parsers[this.sessions.words[session * Session.Words + Session.Proto]]?.finish(session, direction);
  }

  loose(slot: number, direction: number, p: Packet, off: number, len: number): void {
    let proto: AppProto = this.flows.appProto[slot];
    if (proto === AppProto.Unknown) proto = recognise(direction, p.mem, off, len, this.flows.dstPort(slot));
    this.parsers[proto]?.loose(direction, p.mem, p.region, off, len);
  }

  private inspect(p: Packet, slot: number, proto: AppProto, force: boolean): number {
    const { flows } = this;
    this.held.reclaim();
    this.memory.resetScratch();
    this.parser.begin();
    if (flows.tcpState[slot] === TcpState.None) return 0;
    const session = flows.appState[slot] - 1;
    if (session >= 0) this.settle(session, slot);
    // What was parsed to its end stays what it is.
    else if (proto !== AppProto.Unknown || p.payloadLen === 0) return 0;
    const seq = (p.tcpFlags & TcpFlag.Syn) !== 0 ? (p.tcpSeq + 1) | 0 : p.tcpSeq;
    const taken = session >= 0 ? this.order.take(p, session, slot, seq, force) : this.first(p, slot, seq, force);
    return taken ? this.parser.count : NO_ROOM;
  }

  /** A flow without a session: most are none of ours, which their first segment shows. */
  private first(p: Packet, slot: number, seq: number, force: boolean): boolean {
    const { flows } = this;
    const direction = p.direction;
    if (
      seq === this.order.startOf(p, slot, seq) &&
      (flows.flags[slot] & FlowFlag.TcpEstablished) !== 0 &&
      recognise(direction, p.mem, p.payloadOff, p.payloadLen, flows.dstPort(slot)) === AppProto.Failed
    ) {
      this.fail(-1, slot, direction);
      return true;
    }
    const session = this.sessions.take();
    if (session < 0) {
      this.counters[Counter.AppNoRoom]++;
      if (!force) return false;
      flows.appProto[slot] = AppProto.Failed;
      return true;
    }
    flows.appState[slot] = session + 1;
    if (!this.order.isSettled(slot)) this.sessions.words[session * Session.Words + Session.Flags] = SessionFlag.Unsettled;
    return this.order.take(p, session, slot, seq, force);
  }

  /**
   * The handshake is complete: what the client sent before it counts only if the server acknowledged it (fast open).
   * If not, the client may send other bytes with the same numbers, and those are the ones the server takes.
   */
  private settle(session: number, slot: number): void {
    const words = this.sessions.words;
    const at = session * Session.Words;
    if ((words[at + Session.Flags] & SessionFlag.Unsettled) === 0 || !this.order.isSettled(slot)) return;
    words[at + Session.Flags] &= ~SessionFlag.Unsettled;
    const { flows } = this;
    const acked = flows.l4[slot * L4.Words + L4.Ack + 1];
    if ((words[at + Session.Flags] & SessionFlag.StartedTs) === 0 || words[at + Session.Next] === acked) return;
    this.clear(session);
    this.sessions.reset(session);
    words[at + Session.Flags] = SessionFlag.DoubtTs | SessionFlag.DoubtTc;
    flows.appProto[slot] = AppProto.Unknown;
    flows.appProbe[slot] = 0;
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
    const more = len < LONGEST_PATTERN - had ? len : LONGEST_PATTERN - had;
    if (had === 0) proto = recognise(direction, mem, off, len, port);
    else {
      for (let i = 0; i < more; i++) bytes[to + had + i] = mem[off + i];
      proto = recognise(direction, bytes, to, had + more, port);
    }
    if (proto !== AppProto.Unknown) return proto;
    for (let i = 0; i < more; i++) bytes[to + had + i] = mem[off + i];
    words[at] = had + more;
    return proto;
  }

  /** The protocol is known: the parser gets what was kept of both directions. */
  private start(session: number, slot: number, parser: Parser): void {
    const words = this.sessions.words;
    const at = session * Session.Words;
    const { bytes, region } = this.memory;
    const keptTs = words[at + PREFIX_WORD];
    const keptTc = words[at + PREFIX_WORD + 1];
    words[at + PREFIX_WORD] = 0;
    words[at + PREFIX_WORD + 1] = 0;
    words[at + Session.Proto] = parser.proto;
    this.flows.appProto[slot] = parser.proto;
    this.parser = parser;
    parser.open(session);
    for (let direction = 0; direction < 2; direction++) {
      const n = direction === 0 ? keptTs : keptTc;
      if (n === 0) continue;
      const from = this.memory.keptAt(session, direction);
      const to = this.memory.scratch(n);
      bytes.copyWithin(to, from, from + n);
      parser.data(session, direction, bytes, region, to, n);
    }
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
    const other = SessionFlag.StartedTs << (direction ^ 1);
    if (!both && (this.sessions.words[session * Session.Words + Session.Flags] & other) !== 0) {
      this.held.releaseAll(session, direction);
      return true;
    }
    this.release(session, slot);
    return false;
  }

  private waitForServer(slot: number): void {
    const { flows } = this;
    flows.appProbe[slot] += Probe.Packet;
    if (flows.appProbe[slot] < PROBE_PACKETS * Probe.Packet) return;
    flows.appProto[slot] = AppProto.Failed;
    if (flows.appState[slot] !== 0) this.release(flows.appState[slot] - 1, slot);
  }

  /** Gives back all that a session holds. */
  private clear(session: number): void {
    this.parsers[this.sessions.words[session * Session.Words + Session.Proto]]?.close(session);
    this.held.releaseAll(session, 0);
    this.held.releaseAll(session, 1);
  }

  private release(session: number, slot: number): void {
    this.clear(session);
    this.sessions.give(session);
    this.flows.appState[slot] = 0;
  }
}
