import type { Packet } from '../../decode/packet.js';
import { FlowFlag } from '../../flow/codes.js';
import { type FlowTable, L4 } from '../../flow/flow-table.js';
import { Counter } from '../../metrics/counters.js';
import { StreamEvent } from '../events.js';
import type { Held } from './held.js';
import { Line, LineFlag, UNLIMITED } from './layout.js';
import type { Pages } from './pages.js';
import { GAP, type Pieces } from './pieces.js';
import type { StreamSink } from './sink.js';

/** More than any window: sequence numbers this far apart have nothing to do with each other. */
export const FAR_AHEAD = 1 << 30;
/** Answers of ackedAhead: one side alone is seen; the handshake is not complete. */
export const NOBODY_SAYS = FAR_AHEAD + 1;
export const NOT_YET = -FAR_AHEAD - 1;
/** Seconds a hole is waited for where nobody acknowledges: a sender repeats a lost segment within one (RFC 6298). */
const HOLE_SECONDS = 2;

/** Moves Line.Next on: hands bytes to the sink, notes them for rules on streams, and gives up holes. */
export class Delivery {
  constructor(
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
    private readonly sink: StreamSink,
    private readonly lines: Int32Array,
    private readonly pages: Pages,
    private readonly held: Held,
    private readonly pieces: Pieces,
    /** stream.async-oneside: a listener may see one side alone. */
    private readonly oneside: boolean,
  ) {}

  /** How far beyond `next` the receiver has acknowledged (negative: less far). */
  ackedAhead(slot: number, direction: number, next: number, inline = true): number {
    const flags = this.flows.flags[slot];
    if ((flags & FlowFlag.AsyncOneside) !== 0) return NOBODY_SAYS;
    // Picked up, and nobody has answered yet: perhaps nobody ever will.
    if (this.oneside && !inline && (flags & (FlowFlag.Midstream | (FlowFlag.SeenTs << (direction ^ 1)))) === FlowFlag.Midstream)
      return NOBODY_SAYS;
    if ((flags & FlowFlag.TcpEstablished) === 0) return NOT_YET;
    return (this.flows.l4[slot * L4.Words + L4.Ack + (direction ^ 1)] - next) | 0;
  }

  /** The next bytes of a direction. */
  deliver(slot: number, direction: number, at: number, mem: Uint8Array, region: number, off: number, len: number): void {
    const { lines } = this;
    if ((lines[at + Line.Flags] & LineFlag.Urgent) !== 0) {
      const before = (lines[at + Line.Urgent] - lines[at + Line.Next]) | 0;
      if (before < len) {
        lines[at + Line.Flags] &= ~LineFlag.Urgent;
        if (before > 0) this.pass(slot, direction, at, mem, region, off, before);
        if (before >= 0) {
          this.move(at, 1);
          off += before + 1;
          len -= before + 1;
        }
      }
    }
    if (len > 0) this.pass(slot, direction, at, mem, region, off, len);
  }

  private pass(slot: number, direction: number, at: number, mem: Uint8Array, region: number, off: number, len: number): void {
    this.move(at, len);
    if ((this.lines[at + Line.Flags] & LineFlag.Window) !== 0)
      this.pieces.add(slot, direction, off, len, this.lines[at + Line.Next], mem !== this.pages.bytes);
    const session = this.flows.appState[slot] - 1;
    if (session >= 0) this.sink.feed(session, slot, direction, mem, region, off, len);
  }

  private move(at: number, len: number): void {
    const { lines } = this;
    lines[at + Line.Next] = (lines[at + Line.Next] + len) | 0;
    const left = lines[at + Line.Left];
    if (left !== UNLIMITED) lines[at + Line.Left] = left > len ? left - len : 0;
  }

  /** Delivers what is held in order, at most `most` bytes. True: there was some. */
  drain(slot: number, direction: number, at: number, most: number): boolean {
    const { lines, pages } = this;
    const next = lines[at + Line.Next];
    const to = this.held.inOrder(at, next, (next + most) | 0);
    if (to === next) return false;
    for (let left = (to - next) | 0; left > 0; ) {
      const from = pages.locate(at, lines[at + Line.Next], left);
      const n = pages.run;
      left -= n;
      this.deliver(slot, direction, at, pages.bytes, pages.region, from, n);
    }
    return true;
  }

  /** Delivers all that may be by now, and gives up holes whose bytes the receiver has. */
  advance(p: Packet, slot: number, direction: number, at: number, inline: boolean): void {
    const { lines } = this;
    while (lines[at + Line.Nodes] !== 0) {
      const next = lines[at + Line.Next];
      const acked = this.ackedAhead(slot, direction, next, inline);
      const most = inline || acked > FAR_AHEAD ? FAR_AHEAD : acked;
      if (most > 0 && this.drain(slot, direction, at, most)) {
        lines[at + Line.HoleSec] = p.tsSec;
        continue;
      }
      const hole = (this.held.firstBeyond(at, next) - next) | 0;
      if (hole <= 0) {
        lines[at + Line.HoleSec] = 0;
        break;
      }
      if (acked === NOBODY_SAYS) {
        if (((p.tsSec - lines[at + Line.HoleSec]) | 0) < HOLE_SECONDS) break;
      } else if (inline ? acked < hole : acked <= hole) break;
      this.giveUp(p, slot, direction, at, (next + hole) | 0, acked === NOBODY_SAYS ? 0 : acked);
    }
    if ((lines[at + Line.Flags] & (LineFlag.Fin | LineFlag.Finished)) === LineFlag.Fin) this.finish(slot, direction, at);
  }

  private finish(slot: number, direction: number, at: number): void {
    const { lines } = this;
    if (lines[at + Line.Next] !== lines[at + Line.Fin]) return;
    lines[at + Line.Flags] |= LineFlag.Finished;
    const session = this.flows.appState[slot] - 1;
    if (session >= 0) this.sink.finishDirection(session, direction);
  }

  /** Skips what is missing up to number `to`; what is held before it is delivered. `acked`: bytes of it that the receiver has. */
  giveUp(p: Packet, slot: number, direction: number, at: number, to: number, acked: number): void {
    const { lines } = this;
    for (let begun = false; ; begun = true) {
      this.drain(slot, direction, at, FAR_AHEAD);
      const next = lines[at + Line.Next];
      const rest = (to - next) | 0;
      if (rest === 0 || (rest < 0 && begun)) return;
      let hole = rest;
      if (lines[at + Line.Nodes] !== 0 && rest > 0) {
        const beyond = (this.held.firstBeyond(at, next) - next) | 0;
        if (beyond > 0 && beyond < rest) hole = beyond;
      }
      this.counters[Counter.AppGaps]++;
      p.addStreamEvent(StreamEvent.ReassemblySeqGap);
      this.counters[Counter.StreamEvents + StreamEvent.ReassemblySeqGap]++;
      if (hole > acked) {
        // One stretch for them all, with what was delivered between.
        const first = (lines[at + Line.Flags] & LineFlag.Lost) === 0 || ((next - lines[at + Line.Lost]) | 0) > FAR_AHEAD >> 6;
        if (first) lines[at + Line.Lost] = next;
        lines[at + Line.Flags] |= LineFlag.Lost;
        lines[at + Line.LostEnd] = (next + hole) | 0;
      }
      // Numbers that start over (one side alone is seen) leave a hole of unknown size.
      if (hole > 0 && hole <= FAR_AHEAD) this.move(at, hole);
      else lines[at + Line.Next] = to;
      lines[at + Line.HoleSec] = 0;
      if ((lines[at + Line.Flags] & LineFlag.Window) !== 0) this.pieces.add(slot, direction, 0, GAP, lines[at + Line.Next], false);
      const session = this.flows.appState[slot] - 1;
      if (session >= 0) this.sink.gap(session, direction, hole > 0 ? hole : 0);
    }
  }

  /** Delivers a packet's bytes that follow in order, without holding them, and what follows them. */
  through(slot: number, direction: number, at: number, p: Packet, seq: number, len: number): void {
    const { lines } = this;
    for (;;) {
      if (lines[at + Line.Nodes] !== 0) this.drain(slot, direction, at, FAR_AHEAD);
      const next = lines[at + Line.Next];
      const done = (next - seq) | 0;
      if (done >= len || done < 0) return;
      let n = len - done;
      if (lines[at + Line.Nodes] !== 0) {
        const beyond = (this.held.firstBeyond(at, next) - next) | 0;
        if (beyond > 0 && beyond < n) n = beyond;
      }
      this.deliver(slot, direction, at, p.mem, p.region, p.payloadOff + done, n);
    }
  }

  /** A packet with bytes of a hole that was given up. */
  late(p: Packet, slot: number, direction: number, at: number, seq: number, len: number): void {
    const { lines } = this;
    if (((lines[at + Line.Lost] - seq - len) | 0) >= 0 || ((lines[at + Line.LostEnd] - seq) | 0) <= 0) return;
    const acked = this.ackedAhead(slot, direction, (seq + len) | 0);
    if (acked < 0 || acked === NOBODY_SAYS) this.sink.loose?.(slot, direction, p, p.payloadOff, len);
  }
}
