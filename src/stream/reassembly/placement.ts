import { type Packet, TcpFlag } from '../../decode/packet.js';
import { FlowFlag } from '../../flow/codes.js';
import { type FlowTable, L4 } from '../../flow/flow-table.js';
import { Counter } from '../../metrics/counters.js';
import { StreamEvent } from '../events.js';
import { type Delivery, FAR_AHEAD, NOT_YET } from './delivery.js';
import { type Held, Inserted } from './held.js';
import { HostPolicies, type HostPolicy } from './host-policies.js';
import { KEPT_FLAGS, Line, LineFlag, POLICY_BITS, POLICY_SHIFT, UNLIMITED } from './layout.js';
import { Overlap } from './overlap.js';
import { PAGE_BYTES, PAGE_SHIFT, Pages } from './pages.js';
import type { StreamSink } from './sink.js';

/** A number further away than this is no reordering. */
const FAR = 1 << 20;
/** Most bytes held per direction, and what the segment that follows in order may use beyond. */
const MOST_HELD = 8 << 20;
const MORE_PAGES = 2 * (65536 >> PAGE_SHIFT);
/** The part of the pool that is left to segments in order, as a shift. */
const RESERVE_SHIFT = 4;

export interface PlacementOptions {
  /** Bytes of a direction that are reassembled; 0: all. */
  depth: number;
  urgent: 'oob' | 'inline';
  hosts: readonly HostPolicy[];
}

/** What became of a packet's bytes. */
export const enum Stored {
  /** Nothing is new. */
  None = 0,
  /** All are what the stream has at their numbers, with nothing behind them. */
  Plain,
  /** Something else: a part of them, or others' bytes have changed, too. */
  Other,
}

/** Both sides' numbers are known to be what the other took. */
export function isSettled(flows: FlowTable, slot: number): boolean {
  return (flows.flags[slot] & (FlowFlag.TcpEstablished | FlowFlag.AsyncOneside)) === FlowFlag.TcpEstablished;
}

/** Finds a segment's place in its stream, and what is done with each of its bytes: the general case. */
export class Placement {
  /** Of the last packet that place() took. */
  stored: Stored = Stored.None;
  private readonly hosts: HostPolicies;
  /** Bytes of a direction. */
  readonly depth: number;
  private readonly mostPages: number;
  private readonly reserve: number;
  private readonly urgentOob: boolean;
  /** StreamEvent: what roomFor missed. */
  private lacking = 0;

  constructor(
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
    private readonly sink: StreamSink,
    private readonly lines: Int32Array,
    private readonly pages: Pages,
    private readonly held: Held,
    private readonly delivery: Delivery,
    options: PlacementOptions,
  ) {
    const { depth } = options;
    this.hosts = new HostPolicies(options.hosts);
    this.depth = depth > 0 && depth < UNLIMITED ? depth : UNLIMITED;
    this.mostPages = Math.max(1, Math.min(MOST_HELD / PAGE_BYTES, pages.capacity >> 2));
    this.reserve = pages.capacity >> RESERVE_SHIFT;
    this.urgentOob = options.urgent === 'oob';
  }

  /** Takes any packet but the plainest. False: no room, never when forced. */
  place(p: Packet, slot: number, at: number, inline: boolean, force: boolean): boolean {
    const { lines } = this;
    const direction = p.direction;
    const seq = (p.tcpFlags & TcpFlag.Syn) !== 0 ? (p.tcpSeq + 1) | 0 : p.tcpSeq;
    let len = p.payloadLen;
    this.stored = Stored.None;
    if (len === 0 && (p.tcpFlags & TcpFlag.Fin) === 0) return true;
    // What a reset carries says why (RFC 9293, 3.5.3): no program reads it.
    if ((p.tcpFlags & TcpFlag.Rst) !== 0) return true;
    if ((lines[at + Line.Flags] & LineFlag.Started) === 0) this.start(p, slot, at, seq, inline);
    if ((lines[at + Line.Flags] & LineFlag.Depth) !== 0 && lines[at + Line.Left] === 0) return true;
    if ((p.tcpFlags & TcpFlag.Fin) !== 0) {
      lines[at + Line.Fin] = (seq + len) | 0;
      lines[at + Line.Flags] |= LineFlag.Fin;
    }
    if ((p.tcpFlags & TcpFlag.Urg) !== 0 && this.urgentOob) this.noteUrgent(p, at, seq);
    const next = lines[at + Line.Next];
    const ahead = (seq - next) | 0;
    const left = lines[at + Line.Left];
    if (left !== UNLIMITED && ahead + len > left && ahead < MOST_HELD) {
      this.depthReached(p, slot, at);
      len = left - ahead;
    }
    if (len > 0 && !this.store(p, slot, at, seq, ahead, len, inline, force)) return false;
    if (len !== p.payloadLen) this.stored = Stored.Other;
    this.delivery.advance(p, slot, direction, at, inline);
    this.trim(slot, direction, at, inline);
    if (lines[at + Line.Left] === 0 && (lines[at + Line.Flags] & LineFlag.Depth) !== 0) this.held.releaseAll(at);
    return true;
  }

  private start(p: Packet, slot: number, at: number, seq: number, inline: boolean): void {
    const { lines } = this;
    const policy = inline ? Overlap.First : this.hosts.of(p.ipVersion, p.dst);
    const first = (lines[at + Line.Flags] & LineFlag.Adrift) !== 0 ? seq : this.startOf(p, slot, seq);
    const kept = lines[at + Line.Flags] & KEPT_FLAGS;
    const late = (lines[at + Line.Flags] & LineFlag.Adrift) !== 0 ? LineFlag.Late : 0;
    lines[at + Line.Flags] =
      kept | late | LineFlag.Started | (isSettled(this.flows, slot) ? 0 : LineFlag.Unsettled) | (policy << POLICY_SHIFT);
    lines[at + Line.Next] = first;
    lines[at + Line.Left] = this.depth;
  }

  /** Number of the first byte of the packet's direction; `seq` when it cannot be known. */
  startOf(p: Packet, slot: number, seq: number): number {
    const isn = this.flows.l4[slot * L4.Words + L4.Isn + p.direction];
    if ((this.flows.flags[slot] & FlowFlag.AsyncOneside) === 0) return (isn + 1) | 0;
    // The side that was not seen at first has no number; and the SYN we saw may be one the server did not take.
    const delta = (seq - isn - 1) | 0;
    return isn === 0 || delta > FAR || delta < -FAR ? seq : (isn + 1) | 0;
  }

  /** Holds what is new of a segment, or passes it on where there is no room to. */
  private store(p: Packet, slot: number, at: number, seq: number, ahead: number, len: number, inline: boolean, force: boolean): boolean {
    const { lines, held } = this;
    const direction = p.direction;
    const oneside = (this.flows.flags[slot] & FlowFlag.AsyncOneside) !== 0;
    if (ahead > (oneside ? FAR : FAR_AHEAD) || ahead < -FAR_AHEAD || (oneside && ahead < -FAR)) {
      if (!oneside) {
        this.event(p, StreamEvent.ReassemblyInsertInvalid);
        return true;
      }
      this.stored = Stored.Other;
      // Only one side is seen, and nobody says which numbers count: those that come now.
      held.releaseAll(at);
      this.delivery.giveUp(p, slot, direction, at, seq, 0);
      this.delivery.through(slot, direction, at, p, seq, len);
      return true;
    }
    const next = lines[at + Line.Next];
    const base = this.base(slot, direction, at, inline);
    if (ahead + len <= 0) {
      if (((seq + len - base) | 0) <= 0) this.event(p, StreamEvent.ReassemblySegmentBeforeBaseSeq);
      if ((lines[at + Line.Flags] & LineFlag.Lost) !== 0) this.delivery.late(p, slot, direction, at, seq, len);
      if (lines[at + Line.Nodes] === 0 || !inline) return true;
    } else if (ahead <= 0 && !force) {
      const session = this.flows.appState[slot] - 1;
      const old = -ahead;
      if (session >= 0 && !this.sink.hasRoom(session, direction, p.mem, p.payloadOff + old, len - old)) return this.refuse();
    }
    // What a listener need not wait for goes straight on: no copy.
    if (!inline && ahead === 0 && lines[at + Line.Nodes] === 0 && this.delivery.ackedAhead(slot, direction, next, inline) >= len) {
      this.stored = Stored.Plain;
      this.delivery.deliver(slot, direction, at, p.mem, p.region, p.payloadOff, len);
      return true;
    }
    if (!this.roomFor(at, seq, len, ahead <= 0)) {
      // In order before what is held: refused, it could never come.
      const needed = ahead <= 0 && lines[at + Line.Nodes] !== 0 && lines[at + Line.End] !== next;
      if (!force && !needed) return this.noRoom(p);
      this.noRoom(p);
      this.stored = Stored.Other;
      if (ahead > 0) this.delivery.giveUp(p, slot, direction, at, seq, 0);
      this.delivery.through(slot, direction, at, p, seq, len);
      return true;
    }
    const policy = (lines[at + Line.Flags] >> POLICY_SHIFT) & POLICY_BITS;
    if (lines[at + Line.Nodes] === 0 || ((seq - lines[at + Line.End]) | 0) >= 0) {
      const old = lines[at + Line.Nodes] === 0 ? (base - seq) | 0 : 0;
      const skip = old > 0 ? old : 0;
      this.stored = skip === 0 ? Stored.Plain : Stored.Other;
      held.append(at, (seq + skip) | 0, p.mem, p.region, p.payloadOff + skip, len - skip, policy);
    } else {
      this.stored = Stored.Other;
      const found = held.insert(at, seq, base, p.mem, p.region, p.payloadOff, len, policy, inline);
      if ((found & Inserted.Different) !== 0) this.event(p, StreamEvent.ReassemblyOverlapDifferentData);
    }
    if (ahead > 0 && lines[at + Line.HoleSec] === 0) lines[at + Line.HoleSec] = p.tsSec;
    return true;
  }

  /** The first number whose byte may still be of use. */
  base(slot: number, direction: number, at: number, inline: boolean): number {
    const next = this.lines[at + Line.Next];
    if (!inline) return next;
    const acked = this.delivery.ackedAhead(slot, direction, next);
    if (acked === NOT_YET) return this.lines[at + Line.Nodes] === 0 ? next : this.held.first(at);
    return acked < 0 ? (next + acked) | 0 : next;
  }

  trim(slot: number, direction: number, at: number, inline: boolean): void {
    if (this.lines[at + Line.Nodes] !== 0) this.held.trim(at, this.base(slot, direction, at, inline));
  }

  roomFor(at: number, seq: number, len: number, inOrder: boolean): boolean {
    const needed = Pages.needed(seq, len);
    this.lacking = 0;
    if (!this.held.hasRoom(at)) this.lacking = StreamEvent.ReassemblyNoSegment;
    else if (this.pages.free - needed < (inOrder ? 0 : this.reserve)) this.lacking = StreamEvent.ReassemblyInsertMemcap;
    else if (this.lines[at + Line.Pages] + needed > (inOrder ? this.mostPages + MORE_PAGES : this.mostPages))
      this.lacking = StreamEvent.ReassemblyInsertLimit;
    return this.lacking === 0;
  }

  refuse(): boolean {
    this.counters[Counter.AppNoRoom]++;
    return false;
  }

  noRoom(p: Packet): boolean {
    this.event(p, this.lacking);
    return this.refuse();
  }

  private depthReached(p: Packet, slot: number, at: number): void {
    const { lines } = this;
    if ((lines[at + Line.Flags] & LineFlag.Depth) !== 0) return;
    lines[at + Line.Flags] |= LineFlag.Depth;
    this.event(p, StreamEvent.ReassemblyDepthReached);
    this.flows.flags[slot] |= FlowFlag.StreamDepth;
  }

  /** The byte the urgent pointer points behind is not part of what a program reads (RFC 6093, 3.1). One at a time. */
  private noteUrgent(p: Packet, at: number, seq: number): void {
    const { lines } = this;
    if (p.transportOff < 0) return;
    const pointer = (p.mem[p.transportOff + 18] << 8) | p.mem[p.transportOff + 19];
    if (pointer === 0 || pointer > p.payloadLen) return;
    const urgent = (seq + pointer - 1) | 0;
    if (((urgent - lines[at + Line.Next]) | 0) < 0) return;
    if ((lines[at + Line.Flags] & LineFlag.Urgent) !== 0) {
      if (lines[at + Line.Urgent] !== urgent) this.event(p, StreamEvent.ReassemblyUrgentOobLimitReached);
      return;
    }
    lines[at + Line.Flags] |= LineFlag.Urgent;
    lines[at + Line.Urgent] = urgent;
  }

  private event(p: Packet, code: StreamEvent): void {
    p.addStreamEvent(code);
    this.counters[Counter.StreamEvents + code]++;
  }
}
