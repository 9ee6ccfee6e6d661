import type { Packet } from '../decode/packet.js';
import { FlowFlag, FlowProto } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Line, LineFlag } from '../stream/reassembly/layout.js';
import type { Reassembler } from '../stream/reassembly/reassembler.js';
import type { StreamSink } from '../stream/reassembly/sink.js';
import { AppProto } from './buffers.js';
import type { FlowProtocols } from './flow-protocols.js';
import type { HeldBytes } from './held-bytes.js';
import { Parsed, type Protocol } from './protocol.js';
import { GUESS_WORD, PREFIX_WORD, type ProtocolFinder } from './protocol-finder.js';
import type { Frame } from './protocols.js';
import { Probe, Session } from './sessions.js';

/** A flow that changes its protocol more often within one packet is none of ours. */
const MOST_CHANGES = 8;

/** The sessions of TCP flows, from the first bytes to the parser's end: takes what the reassembler delivers. Of one thread. */
export class StreamSessions implements StreamSink {
  /** The session whose transactions may be complete now; -1: none. */
  touched = -1;
  /** The flow at hand. */
  slot = -1;
  /** A parser gave up while the packet at hand was read. */
  failed = false;
  private changes = 0;
  private order!: Reassembler;
  private finder!: ProtocolFinder;

  /** `parsers`: by AppProto; `bypass`: protocols whose flows are inspected no more once both sides encrypt; `opaque`: whose
   * payload is not. `attach` follows. */
  constructor(
    private readonly flows: FlowTable,
    private readonly known: FlowProtocols,
    private readonly frame: Frame,
    private readonly parsers: readonly (Protocol | null)[],
    private readonly bypass: readonly AppProto[],
    private readonly opaque: readonly AppProto[],
  ) {}

  /** What was made with this object. */
  attach(order: Reassembler, finder: ProtocolFinder): void {
    this.order = order;
    this.finder = finder;
  }

  /** A new packet. */
  begin(): void {
    this.changes = 0;
    this.failed = false;
  }

  /** A flow without a session: most are none of ours, which their first segment shows. False: no room. */
  first(p: Packet, slot: number, force: boolean): boolean {
    const { flows, order } = this;
    const direction = p.direction;
    if ((flows.appProbe[slot] & (Probe.FailedTs << direction)) !== 0) return true;
    if (this.finder.isStranger(p, slot)) {
      this.fail(-1, slot, direction);
      if (flows.appProto[slot] === AppProto.Failed) order.forget(slot);
      return true;
    }
    const session = this.frame.sessions.take();
    if (session < 0) {
      this.frame.counters[Counter.AppNoRoom]++;
      if (!force) return false;
      flows.appProto[slot] = AppProto.Failed;
      order.forget(slot);
      return true;
    }
    flows.appState[slot] = session + 1;
    return true;
  }

  /** True: in vain, and the flow is none of ours. */
  waitForServer(slot: number): boolean {
    if (!this.known.waitForServer(slot)) return false;
    const { flows } = this;
    if (flows.appState[slot] !== 0) this.release(flows.appState[slot] - 1, slot);
    this.order.forget(slot);
    return true;
  }

  /**
   * The handshake is complete, and the server did not acknowledge what the client sent before it: the client may send other bytes
   * with the same numbers, and those are the ones the server takes.
   */
  restart(session: number, slot: number): void {
    if (session >= 0) {
      this.touched = session;
      this.leave(session);
      this.frame.sessions.reset(session);
    }
    this.known.restart(slot);
  }

  /** Gives back all that a session holds. */
  release(session: number, slot: number): void {
    this.leave(session);
    this.frame.files.sessionEnded(session);
    this.frame.sessions.give(session);
    this.flows.appState[slot] = 0;
    if (this.touched === session) this.touched = -1;
  }

  // The reassembler calls these.

  feed(session: number, slot: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const { words } = this.frame.sessions;
    const at = session * Session.Words + Session.Proto;
    this.frame.expectations.slot = slot;
    let parser = this.parsers[words[at]];
    if (parser === null) {
      if ((this.flows.appProbe[slot] & (Probe.FailedTs << direction)) !== 0) return true;
      const proto = this.finder.next(session, slot, direction, mem, off, len);
      if (proto === AppProto.Failed) return this.fail(session, slot, direction);
      parser = this.parsers[proto];
      if (parser === null) return true;
      const begun = this.start(session, slot, parser, direction);
      const isDue = hasHeld(parser);
      if (begun !== Parsed.Go && !(this.parsed(session, slot, begun) && this.goesOn(session, slot))) return forgetHeld(parser);
      if (isDue && !this.giveOn(session, slot, parser.held!)) return false;
      if (begun !== Parsed.Go || isDue) return this.feed(session, slot, direction, mem, region, off, len);
    }
    return this.parse(session, slot, parser, direction, mem, region, off, len);
  }

  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    const parser = this.parsers[this.frame.sessions.words[session * Session.Words + Session.Proto]];
    return parser === null || parser.hasRoom === undefined || parser.hasRoom(session, direction, mem, off, len);
  }

  gap(session: number, direction: number, length: number): void {
    const words = this.frame.sessions.words;
    const at = session * Session.Words;
    const parser = this.parsers[words[at + Session.Proto]];
    if (parser !== null) {
      const result = parser.gap(session, direction, length);
      const isDue = hasHeld(parser);
      if (!this.parsed(session, this.slot, result, false)) forgetHeld(parser);
      else if (isDue) this.giveOn(session, this.slot, parser.held!);
    } else words[at + PREFIX_WORD + direction] = 0;
    this.known.skip(this.slot, direction);
  }

  finishDirection(session: number, direction: number): void {
    this.parsers[this.frame.sessions.words[session * Session.Words + Session.Proto]]?.finish(session, direction);
  }

  loose(slot: number, direction: number, p: Packet, off: number, len: number): void {
    let proto: AppProto = this.flows.appProto[slot];
    if (proto === AppProto.Unknown) proto = this.finder.stream(slot, direction, p.mem, off, len);
    const parser = this.parsers[proto];
    if (parser !== null && parser.loose !== undefined) parser.loose(direction, p.mem, p.region, off, len);
  }

  /** Bytes of a protocol that is known, and of the one it changes to within them. False: the session is gone. */
  private parse(
    session: number,
    slot: number,
    parser: Protocol,
    direction: number,
    mem: Uint8Array,
    region: number,
    off: number,
    len: number,
  ): boolean {
    const side = slot * FlowProto.Count + FlowProto.ToServer + direction;
    if (this.flows.appProtos[side] === 0) {
      if (this.finder.spokenBy(slot, direction, parser, mem, off, len) !== AppProto.Unknown) {
        parser.nextProto = AppProto.Unknown;
        if (!this.parsed(session, slot, Parsed.Changed) || !this.goesOn(session, slot)) return false;
        return this.feed(session, slot, direction, mem, region, off, len);
      }
      this.finder.compare(slot, direction, parser, mem, off, len);
    }
    if (parser.mayChange !== undefined) parser.mayChange = this.known.mayChange(slot);
    let result = parser.data(session, direction, mem, region, off, len);
    let taken = parser.taken ?? len;
    if (result === Parsed.Anew) {
      result = Parsed.Changed;
      taken = 0;
    }
    const isDue = hasHeld(parser);
    const isAnew = result === Parsed.Changed && taken < len;
    if (!this.parsed(session, slot, result)) return forgetHeld(parser);
    if (!isDue && !isAnew) return true;
    if (result === Parsed.Changed && !this.goesOn(session, slot)) return forgetHeld(parser);
    if (isDue && !this.giveOn(session, slot, parser.held!)) return false;
    return !isAnew || this.feed(session, slot, direction, mem, region, off + taken, len - taken);
  }

  /** What the client said while the server had not answered. False: the session is gone. */
  private giveOn(session: number, slot: number, held: HeldBytes): boolean {
    const { bytes, region } = this.frame.txs.heap;
    const { isCut } = held;
    let node = held.due;
    held.due = 0;
    while (node !== 0) {
      // It lies with a transaction, which stays until the packet is inspected.
      const next = held.next(node);
      if (!this.feed(session, slot, 0, bytes, region, held.offset(node), held.length(node))) return false;
      node = next;
    }
    if (isCut) this.gap(session, 0, 0);
    return this.flows.appState[slot] === session + 1;
  }

  /** Another change of protocol within one packet. Whoever changes at every turn is not followed: false, the session is gone. */
  private goesOn(session: number, slot: number): boolean {
    if (++this.changes <= MOST_CHANGES) return true;
    this.failed = true;
    this.flows.appProto[slot] = AppProto.Failed;
    this.release(session, slot);
    return false;
  }

  /** The protocol is known: the parser gets what was kept of both directions. */
  private start(session: number, slot: number, parser: Protocol, side: number): Parsed {
    const words = this.frame.sessions.words;
    const at = session * Session.Words;
    const { bytes, region } = this.frame.memory;
    const keptTs = words[at + PREFIX_WORD];
    const keptTc = words[at + PREFIX_WORD + 1];
    words[at + PREFIX_WORD] = 0;
    words[at + PREFIX_WORD + 1] = 0;
    words[at + GUESS_WORD] = 0;
    this.known.found(slot, side, parser.proto, (side === 0 ? keptTc : keptTs) > 0);
    words[at + Session.Proto] = parser.proto;
    this.flows.appProto[slot] = parser.proto;
    this.frame.counters[Counter.AppFlows + parser.proto]++;
    parser.begin();
    parser.open(session);
    for (let direction = 0; direction < 2; direction++) {
      const n = direction === 0 ? keptTs : keptTc;
      if (n === 0) continue;
      const from = this.frame.memory.keptAt(session, direction);
      const to = this.frame.memory.scratch(n);
      if (to < 0) continue;
      bytes.copyWithin(to, from, from + n);
      if (direction !== side) this.finder.compare(slot, direction, parser, bytes, to, n);
      const result = parser.data(session, direction, bytes, region, to, n);
      if (result !== Parsed.Go) return result;
    }
    return Parsed.Go;
  }

  /** What follows from a parser's answer; `isRead`: to bytes, not to a hole. False: the session is gone. */
  private parsed(session: number, slot: number, result: Parsed, isRead = true): boolean {
    if (result === Parsed.Go) return true;
    const { words } = this.frame.sessions;
    const at = session * Session.Words;
    if (result === Parsed.Changed || result === Parsed.Anew) {
      const proto = words[at + Session.Proto];
      this.leave(session);
      words[at + Session.Proto] = AppProto.Unknown;
      words.fill(0, at + Session.Parser, at + Session.Words);
      this.known.change(slot, proto, this.parsers[proto]!.nextProto ?? AppProto.Unknown);
      return true;
    }
    if (result === Parsed.Failed) {
      this.frame.counters[Counter.AppErrors + words[at + Session.Proto]]++;
      this.failed ||= isRead && this.known.isCertain(slot);
    } else if (result === Parsed.Encrypted) {
      if (this.bypass.includes(words[at + Session.Proto])) this.flows.flags[slot] |= FlowFlag.Encrypted;
      else if (this.opaque.includes(words[at + Session.Proto])) this.flows.flags[slot] |= FlowFlag.Opaque;
    }
    this.release(session, slot);
    return false;
  }

  /** The direction is none of ours: once the other is not either, or does not come, neither is the flow. True: the session goes on. */
  private fail(session: number, slot: number, direction: number): boolean {
    const { flows } = this;
    // Before the handshake is complete anybody may send anything.
    if ((flows.flags[slot] & FlowFlag.TcpEstablished) === 0) return true;
    const both = this.known.fail(slot, direction);
    if (session < 0) return false;
    const other = (slot * 2 + (direction ^ 1)) * Line.Words + Line.Flags;
    if (!both && (this.order.lines[other] & LineFlag.Started) !== 0) return true;
    this.release(session, slot);
    return false;
  }

  /** The parser is done with the session. */
  private leave(session: number): void {
    const parser = this.parsers[this.frame.sessions.words[session * Session.Words + Session.Proto]];
    if (parser === null) return;
    parser.close(session);
    this.frame.txs.closeAll(session);
  }
}

/** The parser has released what it held back. */
function hasHeld({ held }: Protocol): boolean {
  return held !== undefined && held.due !== 0;
}

/** Nobody is there to take it. False: the session is gone. */
function forgetHeld({ held }: Protocol): false {
  if (held !== undefined) held.due = 0;
  return false;
}
