import { IpProto, Packet, TcpFlag } from '../decode/packet.js';
import type { Detector } from '../detect/detector.js';
import { StreamDetector } from '../detect/stream-detector.js';
import { Mark } from '../detect/stream-marks.js';
import { StreamRules } from '../detect/stream-rules.js';
import { FlowFlag } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Line, LineFlag } from '../stream/reassembly/layout.js';
import { GAP, Piece } from '../stream/reassembly/pieces.js';
import { Stored } from '../stream/reassembly/placement.js';
import type { Reassembler, StreamWatcher } from '../stream/reassembly/reassembler.js';
import type { Windows } from '../stream/reassembly/windows.js';
import { ghostPacket } from './ghost.js';

/** More than a window has. */
const MANY = 1 << 30;

/**
 * Rules on streams, between the reassembler and the detector. For each packet:
 *
 *   reassembler takes it ─► note ─► rules on the packet ─► next, next ... until 0 ─► verdict
 *                                                          │ each piece that was delivered joins its window
 *                                                          ╰ n > 0: so many rules match (Detector.matches); direction, off, len: on what
 */
export class StreamInspection implements StreamWatcher {
  /** What matched: a direction, and where its window lies in `mem`. */
  direction = 0;
  off = 0;
  len = 0;
  readonly rules: StreamRules;
  private detector!: StreamDetector;
  private readonly ghost = new Packet();
  /** The next piece, and how much of it has been looked at. */
  private piece = 0;
  private done = 0;
  /** Mark.Words words for each line. */
  private readonly marks: Int32Array;

  constructor(
    private readonly order: Reassembler,
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
  ) {
    this.rules = new StreamRules(flows.capacity * 2, counters);
    this.marks = this.rules.marks;
    order.watcher = this;
  }

  get mem(): Uint8Array {
    return this.order.windows.bytes;
  }

  get windows(): Windows {
    return this.order.windows;
  }

  /** Other rules from now on. */
  use(detector: Detector): void {
    this.detector = new StreamDetector(detector, this.rules, this.order.windows, this.counters);
    this.rules.clear();
    this.order.windows.renew();
    this.order.askAgain();
  }

  wants(p: Packet): boolean {
    return (this.flows.flags[p.flow] & FlowFlag.Opaque) === 0 && this.detector.wants(p);
  }

  /** Whether what is delivered of a flow, in some direction, is looked at. */
  isWatched(slot: number): boolean {
    const { lines } = this.order;
    const at = slot * 2 * Line.Words + Line.Flags;
    return ((lines[at] | lines[at + Line.Words]) & LineFlag.Window) !== 0;
  }

  /** Nothing of a flow is looked at any more; what waits is forgotten. */
  unwatch(slot: number): void {
    for (let direction = 0; direction < 2; direction++) {
      this.order.watch(slot, direction, false);
      this.restarted(slot * 2 + direction);
    }
  }

  restarted(line: number): void {
    this.marks[line * Mark.Words + Mark.Pending] = 0;
    this.rules.forget(line);
  }

  /** Of a packet that the reassembler took: where the detector notes what its rules make of it; null: nobody watches. */
  note(p: Packet): StreamRules | null {
    if (p.proto !== IpProto.Tcp || p.payloadLen <= 0 || (p.tcpFlags & TcpFlag.Rst) !== 0) return null;
    const line = p.flow * 2 + p.direction;
    const { lines } = this.order;
    if ((lines[line * Line.Words + Line.Flags] & LineFlag.Window) === 0) return null;
    const end = (p.tcpSeq + ((p.tcpFlags & TcpFlag.Syn) === 0 ? 0 : 1) + p.payloadLen) | 0;
    // Held, it is scanned when it is delivered: what it says now may not be taken for what the stream will say.
    const isInline = this.order.isInline(p);
    if (isInline && ((end - lines[line * Line.Words + Line.Next]) | 0) > 0) return null;
    // What netfilter rules chose may come in parts, or twice: it is reported as it comes.
    const leaves = !isInline && p.selective === 0 && (this.flows.flags[p.flow] & FlowFlag.TcpEstablished) !== 0;
    this.rules.begin(line, end, this.delivers(p.direction), this.order.windows.showsStart(line * Line.Words), leaves);
    if (!isInline) this.noteArrival(p, line, end);
    return this.rules;
  }

  /** A listener's packet is scanned now, and not again when it is delivered as it came. */
  private noteArrival(p: Packet, line: number, end: number): void {
    const { lines, stored, windows } = this.order;
    const at = line * Line.Words;
    const flags = lines[at + Line.Flags];
    if (stored === Stored.Other || (flags & LineFlag.Urgent) !== 0) this.rules.arrivals.forget(line);
    else if (stored === Stored.Plain && p.payloadLen <= windows.keepOf(at, p.direction)) {
      const seq = (end - p.payloadLen) | 0;
      const next = lines[at + Line.Next];
      // What this packet delivers has not joined the window yet.
      const brings = this.delivered(p.direction);
      const isStart =
        lines[at + Line.Window] === 0 &&
        (flags & LineFlag.Late) === 0 &&
        ((next === seq && brings === 0) || (next === end && lines[at + Line.Nodes] === 0 && brings === p.payloadLen));
      this.detector.arrive(p, line, seq, isStart);
    }
  }

  /** Whether the packet's own bytes are among what was delivered. */
  private delivers(direction: number): boolean {
    const { count, words } = this.order.pieces;
    for (let at = 0; at < count * Piece.Words; at += Piece.Words)
      if (words[at + Piece.InPacket] === 1 && words[at + Piece.Direction] === direction) return true;
    return false;
  }

  /** How many bytes of a direction the packet delivered; -1: with a gap. */
  private delivered(direction: number): number {
    const { count, words } = this.order.pieces;
    let bytes = 0;
    for (let at = 0; at < count * Piece.Words; at += Piece.Words) {
      if (words[at + Piece.Direction] !== direction) continue;
      if (words[at + Piece.Length] === GAP) return -1;
      bytes += words[at + Piece.Length];
    }
    return bytes;
  }

  /** There is more that the packet delivered to look at. */
  get more(): boolean {
    return this.piece < this.order.pieces.count;
  }

  /** The same, or bytes of its direction that wait for it. */
  has(p: Packet): boolean {
    return this.piece < this.order.pieces.count || this.marks[(p.flow * 2 + p.direction) * Mark.Words + Mark.Pending] !== 0;
  }

  /**
   * A direction (line) that is to give up its window, see Windows.victim; -1: none. Before `evict` what waits of its flow is looked at:
   * next(slot, null).
   */
  victim(): number {
    return this.order.windows.victim();
  }

  evict(line: number): void {
    const { windows } = this.order;
    if (windows.evict(line * Line.Words)) this.restarted(line);
    this.counters[Counter.StreamWindowsEvicted] = windows.evicted;
  }

  /** Whether bytes of a flow wait. */
  hasPending(slot: number): boolean {
    return (this.marks[slot * 2 * Mark.Words + Mark.Pending] | this.marks[(slot * 2 + 1) * Mark.Words + Mark.Pending]) !== 0;
  }

  /** How many rules match the next piece that any match; 0: none, and all are looked at. `p` null: the flow of the slot ends. */
  next(slot: number, p: Packet | null): number {
    const { pieces, lines, windows } = this.order;
    const { words } = pieces;
    while (this.piece < pieces.count) {
      const at = this.piece * Piece.Words;
      const direction = words[at + Piece.Direction];
      const line = slot * 2 + direction;
      const length = words[at + Piece.Length];
      if (length === GAP) {
        const n = this.marks[line * Mark.Words + Mark.Pending] === 0 ? 0 : this.inspectPending(slot, direction, p);
        if (n > 0) return n;
        windows.restart(line * Line.Words, false);
        this.rules.forget(line);
        this.piece++;
        continue;
      }
      const isPacket = words[at + Piece.InPacket] === 1;
      const mem = isPacket ? p!.mem : this.order.pages.bytes;
      const region = isPacket ? p!.region : this.order.pages.region;
      const from = words[at + Piece.Offset] + this.done;
      const waits = p !== null && direction !== p.direction;
      const bytes = this.marks[line * Mark.Words + Mark.Pending] + length - this.done;
      if (this.marks[line * Mark.Words + Mark.Pending] !== 0 && (!waits || !windows.mayWait(line * Line.Words, direction, bytes))) {
        const n = this.inspectPending(slot, direction, p);
        if (n > 0) return n;
      }
      const begun = this.done;
      this.done += windows.add(line * Line.Words, direction, mem, region, from, length - this.done);
      if (this.marks[line * Mark.Words + Mark.Unasked] < MANY) this.marks[line * Mark.Words + Mark.Unasked] += this.done - begun;
      const isFirst = windows.to - windows.fresh === this.done;
      const end = (words[at + Piece.End] - length + this.done) | 0;
      const isParted = begun > 0 || this.done < length;
      if (this.done === length) {
        this.piece++;
        this.done = 0;
      }
      if (waits && windows.mayWait(line * Line.Words, direction, bytes)) {
        this.marks[line * Mark.Words + Mark.Pending] += windows.to - windows.fresh;
        continue;
      }
      if (waits && this.marks[line * Mark.Words + Mark.Pending] !== 0) {
        // A small window has become too full to wait: all that waited is new now.
        windows.show(line * Line.Words, this.marks[line * Mark.Words + Mark.Pending] + windows.to - windows.fresh);
        this.marks[line * Mark.Words + Mark.Pending] = 0;
      }
      // Of what was scanned as a packet only the beginning may go with what was before.
      const n = isPacket && !isFirst ? 0 : this.inspect(slot, direction, line, end, p, isPacket, isParted);
      if (this.piece === pieces.count && lines[line * Line.Words + Line.Left] === 0) this.leave(line);
      if (n > 0) return n;
    }
    this.skip();
    if (p !== null)
      return this.marks[(slot * 2 + p.direction) * Mark.Words + Mark.Pending] === 0 ? 0 : this.inspectPending(slot, p.direction, p);
    for (let direction = 0; direction < 2; direction++) {
      const n = this.marks[(slot * 2 + direction) * Mark.Words + Mark.Pending] === 0 ? 0 : this.inspectPending(slot, direction, null);
      if (n > 0) return n;
    }
    return 0;
  }

  /** Shows the window of a direction to rules on transactions; how many bytes are new to them, -1: there is none. */
  showWindow(line: number): number {
    const { lines, windows } = this.order;
    if (lines[line * Line.Words + Line.Window] === 0) return -1;
    const unasked = this.marks[line * Mark.Words + Mark.Unasked];
    windows.show(line * Line.Words, unasked);
    return windows.to - windows.fresh;
  }

  /** Rules on transactions have looked at a direction. */
  asked(line: number): void {
    this.marks[line * Mark.Words + Mark.Unasked] = 0;
  }

  /** What an acknowledgement delivered is looked at with the next packet of its own direction, or at the flow's end, as in Suricata. */
  private inspectPending(slot: number, direction: number, p: Packet | null): number {
    const line = slot * 2 + direction;
    const { pieces, lines, windows } = this.order;
    windows.show(line * Line.Words, this.marks[line * Mark.Words + Mark.Pending]);
    this.marks[line * Mark.Words + Mark.Pending] = 0;
    // Next may be beyond the pieces that are still to come.
    let end = lines[line * Line.Words + Line.Next];
    for (let i = this.piece; i < pieces.count; i++) {
      const at = i * Piece.Words;
      if (pieces.words[at + Piece.Direction] !== direction) continue;
      const length = pieces.words[at + Piece.Length];
      end = (pieces.words[at + Piece.End] - (length === GAP ? 0 : length)) | 0;
      break;
    }
    return this.inspect(slot, direction, line, end, p, false, false);
  }

  /** Nobody looks at what was delivered: what comes does not follow it. */
  skip(): void {
    const { pieces, windows, lines } = this.order;
    for (; this.piece < pieces.count; this.piece++) {
      const line = pieces.slot * 2 + pieces.words[this.piece * Piece.Words + Piece.Direction];
      this.marks[line * Mark.Words + Mark.Pending] = 0;
      if (lines[line * Line.Words + Line.Window] === 0) continue;
      windows.restart(line * Line.Words, false);
      this.rules.forget(line);
    }
    pieces.begin();
    this.piece = this.done = 0;
  }

  private inspect(
    slot: number,
    direction: number,
    line: number,
    end: number,
    p: Packet | null,
    isPacket: boolean,
    isParted: boolean,
  ): number {
    const { ghost, flows, detector, counters } = this;
    const { windows } = this.order;
    counters[Counter.StreamPieces]++;
    counters[Counter.StreamWindowsRefused] = windows.refused;
    const isOurs = p !== null && p.direction === direction;
    if (!isOurs) ghostPacket(ghost, flows, slot, direction, p);
    const n = detector.collect(isOurs ? p : ghost, line, end, isPacket, isParted);
    if (n === 0) return 0;
    if (isOurs) ghostPacket(ghost, flows, slot, direction, p);
    if (p !== null) ghost.appProto = p.appProto;
    this.direction = direction;
    this.off = windows.from;
    this.len = windows.to - windows.from;
    return detector.evaluate(ghost, flows, line, end, n);
  }

  /** The depth is reached: nothing follows. What the window shows stays until another direction needs it. */
  private leave(line: number): void {
    this.marks[line * Mark.Words + Mark.Pending] = 0;
    this.order.windows.release(line * Line.Words);
    this.rules.forget(line);
  }
}
