import { type Packet, TcpFlag } from '../decode/packet.js';
import { FlowFlag } from '../flow/codes.js';
import { type FlowTable, L4 } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import type { HeldSegments } from './held-segments.js';
import type { AppMemory } from './memory.js';
import { Probe, Session, SessionFlag, type Sessions } from './sessions.js';

/** A number further away than this is no reordering. */
const FAR = 1 << 20;
/** Seconds a hole is waited for when there is no room: a sender repeats a lost segment within one (RFC 6298). */
const HOLE_SECONDS = 2;

/** What takes the bytes: AppLayer. */
export interface OrderSink {
  /** The stream's next bytes. False: the session is gone. */
  feed(session: number, slot: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean;
  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean;
  /** Bytes are missing before the next ones. */
  gap(session: number, direction: number): void;
  /** Bytes that are not the next ones, but that an endpoint may have taken. */
  loose(slot: number, direction: number, p: Packet, off: number, len: number): void;
  finishDirection(session: number, direction: number): void;
}

/**
 * Puts the segments of a session in order: what was seen is left out, what comes too early is held back. The stand-in for
 * a reassembler; what was seen first counts.
 *
 *        old      next    in order           hole         held
 *   ... ─────────┤├──────────────────┤ . . . . . . . ├──────────┤      FAR ahead or behind: no stream position
 */
export class SegmentOrder {
  constructor(
    private readonly flows: FlowTable,
    private readonly sessions: Sessions,
    private readonly memory: AppMemory,
    private readonly held: HeldSegments,
    private readonly counters: Float64Array,
    private readonly sink: OrderSink,
  ) {}

  /** Both sides' numbers are known to be what the other took. */
  isSettled(slot: number): boolean {
    return (this.flows.flags[slot] & (FlowFlag.TcpEstablished | FlowFlag.AsyncOneside)) === FlowFlag.TcpEstablished;
  }

  /** Number of the first byte of the packet's direction; `seq` when it cannot be known. */
  startOf(p: Packet, slot: number, seq: number): number {
    const { flows } = this;
    if ((flows.appProbe[slot] & (Probe.FailedTs << p.direction)) !== 0) return seq;
    const isn = flows.l4[slot * L4.Words + L4.Isn + p.direction];
    if ((flows.flags[slot] & FlowFlag.AsyncOneside) === 0) return (isn + 1) | 0;
    // The side that was not seen at first has no number; and the SYN we saw may be one the server did not take.
    const delta = (seq - isn - 1) | 0;
    return isn === 0 || delta > FAR || delta < -FAR ? seq : (isn + 1) | 0;
  }

  /** Takes a packet's bytes. False: no room (never when forced), and the session is as before. */
  take(p: Packet, session: number, slot: number, seq: number, force: boolean): boolean {
    let forced = force;
    const words = this.sessions.words;
    const at = session * Session.Words;
    const direction = p.direction;
    const next = at + Session.Next + direction;
    const hole = at + Session.HoleSec + direction;
    const started = SessionFlag.StartedTs << direction;
    if ((words[at + Session.Flags] & started) === 0) {
      words[at + Session.Flags] |= started;
      words[next] = this.startOf(p, slot, seq);
    }
    const delta = (seq - words[next]) | 0;
    let off = p.payloadOff;
    let len = p.payloadLen;
    if (delta > 0 && len > 0) {
      if (this.isAcked(slot, direction, words[next])) forced = this.skipTo(session, slot, direction, seq);
      else if (delta > FAR) {
        this.far(p, session, slot, seq);
        return true;
      } else {
        if (words[hole] === 0) words[hole] = p.tsSec;
        if (this.held.insert(session, direction, seq, p.mem, off, len)) {
          if (this.inDoubt(session, direction)) this.sink.loose(slot, direction, p, off, len);
          return true;
        }
        if (!force && ((p.tsSec - words[hole]) | 0) < HOLE_SECONDS) {
          this.counters[Counter.AppNoRoom]++;
          return false;
        }
        forced = this.skipTo(session, slot, direction, seq);
      }
      // Something was parsed and cannot be undone.
      if (this.flows.appState[slot] !== session + 1) return true;
    } else if (delta < -FAR) {
      this.far(p, session, slot, seq);
      return true;
    }
    const old = (words[next] - seq) | 0;
    if (old > 0) {
      const n = old < len ? old : len;
      if (delta < 0 && this.inDoubt(session, direction)) this.sink.loose(slot, direction, p, off, n);
      off += n;
      len -= n;
    }
    if (len > 0) {
      if (!forced && !this.sink.hasRoom(session, direction, p.mem, off, len)) {
        this.counters[Counter.AppNoRoom]++;
        return false;
      }
      if (!this.pass(session, slot, direction, p.mem, p.region, off, len)) return true;
      if (!this.drain(session, slot, direction)) return true;
      words[hole] = words[at + Session.HeldCount + direction] > 0 ? p.tsSec : 0;
    }
    // A server may take what was begun for complete when the client has no more to say.
    if ((p.tcpFlags & TcpFlag.Fin) !== 0 && ((seq + p.payloadLen) | 0) === words[next]) this.sink.finishDirection(session, direction);
    return true;
  }

  /** A number that no window explains. Where only one side is seen nobody says which numbers count: those that come now. */
  private far(p: Packet, session: number, slot: number, seq: number): void {
    const direction = p.direction;
    if ((this.flows.flags[slot] & FlowFlag.AsyncOneside) === 0 || p.payloadLen === 0) {
      this.sink.loose(slot, direction, p, p.payloadOff, p.payloadLen);
      return;
    }
    this.held.releaseAll(session, direction);
    this.skipTo(session, slot, direction, seq);
    this.pass(session, slot, direction, p.mem, p.region, p.payloadOff, p.payloadLen);
  }

  /** The other side acknowledged bytes that were not seen: they will not come any more. */
  private isAcked(slot: number, direction: number, next: number): boolean {
    if (!this.isSettled(slot)) return false;
    return ((this.flows.l4[slot * L4.Words + L4.Ack + (direction ^ 1)] - next) | 0) > 0;
  }

  private inDoubt(session: number, direction: number): boolean {
    return (this.sessions.words[session * Session.Words + Session.Flags] & (SessionFlag.DoubtTs << direction)) !== 0;
  }

  /** Gives up what is missing before `seq`. The session may be gone afterwards. */
  private skipTo(session: number, slot: number, direction: number, seq: number): boolean {
    const words = this.sessions.words;
    const at = session * Session.Words;
    const next = at + Session.Next + direction;
    words[at + Session.Flags] |= SessionFlag.DoubtTs << direction;
    this.counters[Counter.AppGaps]++;
    do {
      const block = words[at + Session.HeldHead + direction];
      const to = block >= 0 && ((this.held.seq[block] - seq) | 0) < 0 ? this.held.seq[block] : seq;
      this.sink.gap(session, direction);
      words[next] = to;
      if (to === seq || !this.drain(session, slot, direction)) return true;
    } while (((words[next] - seq) | 0) < 0);
    return true;
  }

  /** What was held back and follows now. False: the session is gone. */
  private drain(session: number, slot: number, direction: number): boolean {
    const words = this.sessions.words;
    const at = session * Session.Words;
    const { held, memory } = this;
    for (;;) {
      const block = words[at + Session.HeldHead + direction];
      if (block < 0) return true;
      const old = (words[at + Session.Next + direction] - held.seq[block]) | 0;
      if (old < 0) return true;
      const len = held.len[block] - old;
      held.shift(session, direction);
      if (len > 0 && !this.pass(session, slot, direction, memory.bytes, memory.region, held.offset(block) + old, len)) return false;
    }
  }

  private pass(session: number, slot: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const { words } = this.sessions;
    const next = session * Session.Words + Session.Next + direction;
    words[next] = (words[next] + len) | 0;
    return this.sink.feed(session, slot, direction, mem, region, off, len);
  }
}
