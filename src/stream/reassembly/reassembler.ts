import { type Packet, TcpFlag } from '../../decode/packet.js';
import { FlowFlag, TcpState } from '../../flow/codes.js';
import { type FlowTable, L4 } from '../../flow/flow-table.js';
import { Mode } from '../../ring/verdict.js';
import { Delivery, FAR_AHEAD } from './delivery.js';
import { Held } from './held.js';
import { ASKED_FLAGS, ASKED_SHIFT, KEPT_FLAGS, Line, LineFlag, MOST_ASKED, UNLIMITED } from './layout.js';
import { Overlap } from './overlap.js';
import { PAGE_BYTES, Pages } from './pages.js';
import { Pieces } from './pieces.js';
import { isSettled, Placement, type PlacementOptions, type Stored } from './placement.js';
import type { StreamSink } from './sink.js';
import { Windows } from './windows.js';

export interface ReassemblyOptions extends PlacementOptions {
  /** This thread's share, bytes. */
  memcap: number;
  /** Bytes of the sliding windows, to server, to client. */
  chunkSizes: readonly [number, number];
  /** auto: what the packet's mode says. */
  inline: 'auto' | boolean;
  /** stream.async-oneside. */
  oneside?: boolean;
}

/** Rules on streams. */
export interface StreamWatcher {
  /** Whether some could match bytes of the packet's direction of its flow. */
  wants(p: Packet): boolean;
  /** What was remembered of a line (flow slot * 2 + direction) means nothing any more. */
  restarted(line: number): void;
}

/** Of the memory, what windows get, as a shift. */
const WINDOW_SHIFT = 3;

const PLAIN = LineFlag.Started | LineFlag.Depth | LineFlag.Finished | LineFlag.Fin | LineFlag.Urgent;
const SPECIAL = TcpFlag.Syn | TcpFlag.Fin | TcpFlag.Rst | TcpFlag.Urg;

/**
 * Puts the bytes of TCP streams in order. One per detecting thread; each packet after TcpTracker.update, ACKs included.
 *
 *   take ─► what the packet acknowledges ─► its own bytes ─► sink.feed, in order, each byte once
 *        ╰► repairs: stretches of its payload to overwrite before it is forwarded (inline)
 *
 * Inline a byte is delivered when it comes in order, and kept until it is acknowledged, so that who sends it again sends the
 * same. Not inline it is delivered when it is acknowledged.
 */
export class Reassembler {
  /** Line.Words words per direction of a flow. */
  readonly lines: Int32Array;
  readonly pages: Pages;
  readonly held: Held;
  /** Of the directions that are watched. Whoever does puts the pieces in, in their order, before the next packet. */
  readonly windows: Windows;
  readonly pieces = new Pieces();
  watcher: StreamWatcher | null = null;
  private readonly delivery: Delivery;
  private readonly placement: Placement;
  /** -1: as the packet's mode says. */
  private readonly inline: number;

  /** Number of the rules that are asked who is watched. */
  private asked = 1;

  constructor(
    private readonly flows: FlowTable,
    counters: Float64Array,
    private readonly sink: StreamSink,
    options: ReassemblyOptions,
  ) {
    const { memcap } = options;
    this.lines = new Int32Array(flows.capacity * 2 * Line.Words);
    this.windows = new Windows(memcap >> WINDOW_SHIFT, options.chunkSizes, this.lines);
    this.pages = new Pages(memcap - Math.floor(memcap / (1 << WINDOW_SHIFT)), this.lines);
    this.held = new Held(this.pages.capacity * 4, this.lines, this.pages);
    this.delivery = new Delivery(flows, counters, sink, this.lines, this.pages, this.held, this.pieces, options.oneside === true);
    this.placement = new Placement(flows, counters, sink, this.lines, this.pages, this.held, this.delivery, options);
    this.inline = options.inline === 'auto' ? -1 : options.inline ? 1 : 0;
  }

  /** Stretches of the packet's payload to overwrite before it is forwarded: see Held.repairs. */
  get repairCount(): number {
    return this.held.repairCount;
  }

  /** There are more of them than are noted: the packet must not be forwarded. Its new bytes were delivered all the same. */
  get unrepairable(): boolean {
    return this.held.repairsLost !== 0;
  }

  /** Overwrites them in the packet's memory; the caller puts the checksum right. */
  repair(p: Packet): void {
    const { repairs, repairCount } = this.held;
    const { bytes } = this.pages;
    for (let i = 0; i < 3 * repairCount; i += 3) {
      const to = repairs[i];
      const from = repairs[i + 1];
      const n = repairs[i + 2];
      for (let j = 0; j < n; j++) p.mem[to + j] = bytes[from + j];
    }
  }

  /** What became of the bytes of a listener's packet that was taken. */
  get stored(): Stored {
    return this.placement.stored;
  }

  /** Bytes in use. */
  get memuse(): number {
    return (this.pages.capacity - this.pages.free) * PAGE_BYTES;
  }

  isInline(p: Packet): boolean {
    return this.inline < 0 ? p.mode === Mode.Ips : this.inline === 1;
  }

  /** Whether the packet's bytes are the next ones. */
  isNext(p: Packet): boolean {
    const seq = (p.tcpFlags & TcpFlag.Syn) !== 0 ? (p.tcpSeq + 1) | 0 : p.tcpSeq;
    const at = (p.flow * 2 + p.direction) * Line.Words;
    const flags = this.lines[at + Line.Flags];
    if ((flags & LineFlag.Started) !== 0) return seq === this.lines[at + Line.Next];
    return (flags & LineFlag.Adrift) !== 0 || this.placement.startOf(p, p.flow, seq) === seq;
  }

  /**
   * Takes a packet with a flow. False: no room (inline, and never when forced), and nothing was changed: the packet must
   * not be forwarded, or be given once more with `force`.
   */
  take(p: Packet, force: boolean): boolean {
    const { lines } = this;
    const slot = p.flow;
    const direction = p.direction;
    const at = (slot * 2 + direction) * Line.Words;
    const other = at ^ Line.Words;
    this.begin();
    const inline = this.isInline(p);
    if (lines[other + Line.Nodes] !== 0) this.acknowledged(p, slot, direction ^ 1, other, inline);
    const next = lines[at + Line.Next];
    const len = p.payloadLen;
    let taken = true;
    if (
      (lines[at + Line.Flags] & PLAIN) === LineFlag.Started &&
      (p.tcpFlags & SPECIAL) === 0 &&
      p.tcpSeq === next &&
      inline &&
      len <= lines[at + Line.Left] &&
      (lines[at + Line.Nodes] === 0 || lines[at + Line.End] === next)
    ) {
      if (len > 0) taken = this.append(p, slot, at, force);
    } else taken = this.placement.place(p, slot, at, inline, force || !inline);
    if (this.flows.tcpState[slot] === TcpState.Closed && !inline) this.flush(slot);
    return taken;
  }

  /** The next bytes, with nothing behind them: the plain case. */
  private append(p: Packet, slot: number, at: number, force: boolean): boolean {
    const { flows } = this;
    const session = flows.appState[slot] - 1;
    const { payloadOff, payloadLen, direction } = p;
    if (session >= 0 && !force && !this.sink.hasRoom(session, direction, p.mem, payloadOff, payloadLen)) return this.placement.refuse();
    if ((flows.flags[slot] & FlowFlag.AsyncOneside) === 0) {
      if (this.placement.roomFor(at, p.tcpSeq, payloadLen, true))
        this.held.append(at, p.tcpSeq, p.mem, p.region, payloadOff, payloadLen, Overlap.First);
      else if (!force) return this.placement.noRoom(p);
    }
    this.delivery.deliver(slot, direction, at, p.mem, p.region, payloadOff, payloadLen);
    return true;
  }

  private acknowledged(p: Packet, slot: number, direction: number, at: number, inline: boolean): void {
    if ((p.tcpFlags & TcpFlag.Ack) === 0) return;
    const { lines } = this;
    if (!inline || lines[at + Line.End] !== lines[at + Line.Next]) this.delivery.advance(p, slot, direction, at, inline);
    this.placement.trim(slot, direction, at, inline);
  }

  /** A new packet: nothing that was delivered before is needed any more. */
  begin(): void {
    this.pages.reclaim();
    this.pieces.begin();
    this.held.repairCount = 0;
    this.held.repairsLost = 0;
  }

  /**
   * The handshake is complete: what the client sent before it counts only if the server acknowledged it (fast open). True:
   * it did not, and both directions begin anew; whoever parsed them forgets what it has.
   */
  settle(slot: number): boolean {
    const { lines } = this;
    const at = slot * 2 * Line.Words;
    if (((lines[at + Line.Flags] | lines[at + Line.Words + Line.Flags]) & LineFlag.Unsettled) === 0 || !isSettled(this.flows, slot))
      return false;
    lines[at + Line.Flags] &= ~LineFlag.Unsettled;
    lines[at + Line.Words + Line.Flags] &= ~LineFlag.Unsettled;
    if ((lines[at + Line.Flags] & LineFlag.Adrift) !== 0) {
      // Nobody knows any more what it was.
      this.restart(at);
      this.restart(at + Line.Words);
      return true;
    }
    if ((lines[at + Line.Flags] & LineFlag.Started) === 0) return false;
    const acked = this.flows.l4[slot * L4.Words + L4.Ack + 1];
    const next = lines[at + Line.Next];
    const received = lines[at + Line.Nodes] === 0 ? next : this.held.inOrder(at, next, (next + FAR_AHEAD) | 0);
    if (received === acked) return false;
    this.restart(at);
    this.restart(at + Line.Words);
    return true;
  }

  /** The direction goes on with number `seq`; what is held behind it stays. */
  rewind(slot: number, direction: number, seq: number): void {
    const { lines } = this;
    const at = (slot * 2 + direction) * Line.Words;
    lines[at + Line.Flags] &= ~LineFlag.Adrift;
    if ((lines[at + Line.Flags] & LineFlag.Started) === 0) return;
    lines[at + Line.Flags] &= ~(LineFlag.Depth | LineFlag.Finished | LineFlag.Fin | LineFlag.Urgent | LineFlag.Lost);
    lines[at + Line.Next] = seq;
    lines[at + Line.Left] = this.placement.depth;
    if (lines[at + Line.Nodes] !== 0) this.held.trim(at, seq);
    this.windows.restart(at, true);
    this.watcher?.restarted(at / Line.Words);
  }

  private restart(at: number): void {
    this.held.releaseAll(at);
    this.lines[at + Line.Flags] &= KEPT_FLAGS;
    this.windows.restart(at, true);
    this.watcher?.restarted(at / Line.Words);
  }

  /**
   * No parser wants the flow's bytes for now: gives back what is held of directions that are not watched. Taken again, each begins
   * with what comes then.
   */
  forget(slot: number): void {
    for (let at = slot * 2 * Line.Words, i = 0; i < 2; i++, at += Line.Words)
      if ((this.lines[at + Line.Flags] & LineFlag.Window) === 0) this.leave(at);
  }

  private leave(at: number): void {
    const unsettled = this.lines[at + Line.Flags] & LineFlag.Unsettled;
    this.restart(at);
    this.lines[at + Line.Flags] |= LineFlag.Adrift | unsettled;
  }

  /** Has what is delivered of a direction noted from now on (`pieces`), or no more; rules do the same when they are asked. */
  watch(slot: number, direction: number, watched: boolean): void {
    const at = (slot * 2 + direction) * Line.Words;
    this.lines[at + Line.Flags] =
      (this.lines[at + Line.Flags] & ~KEPT_FLAGS) | (this.asked << ASKED_SHIFT) | (watched ? LineFlag.Window : 0);
    if (!watched) this.windows.release(at);
  }

  /** Whether rules on streams watch the packet's flow, in some direction; its own is asked about when it has bytes. */
  isWatched(p: Packet): boolean {
    const { lines } = this;
    const at = (p.flow * 2 + p.direction) * Line.Words + Line.Flags;
    if (lines[at] >>> ASKED_SHIFT !== this.asked && p.payloadLen > 0 && this.watcher !== null) this.ask(p, at);
    return ((lines[at] | lines[at ^ Line.Words]) & LineFlag.Window) !== 0;
  }

  /** Other rules: who is watched is asked again, of each direction when it has bytes. */
  askAgain(): void {
    this.asked++;
    if (this.asked <= MOST_ASKED) return;
    // Numbers begin again.
    for (let at = Line.Flags; at < this.lines.length; at += Line.Words) this.lines[at] &= ~ASKED_FLAGS;
    this.asked = 1;
  }

  private ask(p: Packet, at: number): void {
    const { lines } = this;
    const had = lines[at];
    lines[at] = (had & ~KEPT_FLAGS) | (this.asked << ASKED_SHIFT);
    if (this.watcher!.wants(p)) lines[at] |= LineFlag.Window;
    if ((had & LineFlag.Window) === (lines[at] & LineFlag.Window)) return;
    if ((had & LineFlag.Window) !== 0) this.windows.release(at - Line.Flags);
    else if ((had & LineFlag.Started) !== 0) lines[at] |= LineFlag.Late;
  }

  /** Takes a packet of a flow without a parser, for those who watch: bytes of a direction that is not watched are for nobody. */
  follow(p: Packet, force: boolean): boolean {
    const { lines } = this;
    const at = (p.flow * 2 + p.direction) * Line.Words;
    if ((lines[at + Line.Flags] & LineFlag.Window) !== 0) return this.take(p, force);
    this.begin();
    const other = at ^ Line.Words;
    if ((lines[at + Line.Flags] & (LineFlag.Started | LineFlag.Adrift)) === LineFlag.Started) this.leave(at);
    if (lines[other + Line.Nodes] !== 0) this.acknowledged(p, p.flow, p.direction ^ 1, other, this.isInline(p));
    if (this.flows.tcpState[p.flow] === TcpState.Closed && !this.isInline(p)) this.flush(p.flow);
    return true;
  }

  /** Another depth for a flow, in bytes from here on; 0: none. What is beyond the depth stays so. */
  setDepth(slot: number, direction: number, bytes: number): void {
    const at = (slot * 2 + direction) * Line.Words;
    if ((this.lines[at + Line.Flags] & (LineFlag.Started | LineFlag.Depth)) === LineFlag.Started)
      this.lines[at + Line.Left] = bytes > 0 && bytes < UNLIMITED ? bytes : UNLIMITED;
  }

  /** The flow ends, or was reset: delivers what came in order and was not acknowledged. Call begin() before it outside take. */
  flush(slot: number): void {
    for (let direction = 0; direction < 2; direction++) {
      const at = (slot * 2 + direction) * Line.Words;
      if (this.lines[at + Line.Nodes] === 0) continue;
      this.delivery.drain(slot, direction, at, FAR_AHEAD);
      this.held.releaseAll(at);
    }
  }

  /** Whether flush would deliver something. */
  hasUnseen(slot: number): boolean {
    const { lines, held } = this;
    for (let at = slot * 2 * Line.Words, i = 0; i < 2; i++, at += Line.Words) {
      const next = lines[at + Line.Next];
      if (lines[at + Line.Nodes] !== 0 && held.inOrder(at, next, (next + 1) | 0) !== next) return true;
    }
    return false;
  }

  /** The flow's slot is about to be given back. */
  release(slot: number): void {
    const { lines } = this;
    const at = slot * 2 * Line.Words;
    if ((lines[at + Line.Flags] | lines[at + Line.Words + Line.Flags]) === 0) return;
    for (let i = at; i < at + 2 * Line.Words; i += Line.Words) {
      this.held.releaseAll(i);
      this.windows.release(i);
      this.watcher?.restarted(i / Line.Words);
    }
    lines.fill(0, at, at + 2 * Line.Words);
  }

  close(): void {
    this.pages.close();
    this.windows.close();
  }
}
