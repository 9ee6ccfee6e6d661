import { IpProto, Packet, TcpFlag } from '../decode/packet.js';
import type { Detector } from '../detect/detector.js';
import { StreamDetector } from '../detect/stream-detector.js';
import { StreamRules } from '../detect/stream-rules.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Line, LineFlag } from '../stream/reassembly/layout.js';
import { GAP, Piece } from '../stream/reassembly/pieces.js';
import type { Reassembler, StreamWatcher } from '../stream/reassembly/reassembler.js';
import { ghostPacket } from './ghost.js';

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

  constructor(
    private readonly order: Reassembler,
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
  ) {
    this.rules = new StreamRules(flows.capacity * 2, counters);
    order.watcher = this;
  }

  get mem(): Uint8Array {
    return this.order.windows.bytes;
  }

  /** Other rules from now on. */
  use(detector: Detector): void {
    this.detector = new StreamDetector(detector, this.rules, this.order.windows, this.counters);
    this.rules.clear();
    this.order.askAgain();
  }

  wants(p: Packet): boolean {
    return this.detector.wants(p);
  }

  restarted(line: number): void {
    this.rules.forget(line);
  }

  /** Of a packet that the reassembler took: where the detector notes what its rules make of it; null: nobody watches. */
  note(p: Packet): StreamRules | null {
    if (p.proto !== IpProto.Tcp || p.payloadLen <= 0) return null;
    const line = p.flow * 2 + p.direction;
    const { lines } = this.order;
    if ((lines[line * Line.Words + Line.Flags] & LineFlag.Window) === 0) return null;
    const end = (p.tcpSeq + ((p.tcpFlags & TcpFlag.Syn) === 0 ? 0 : 1) + p.payloadLen) | 0;
    // Held, it is scanned when it is delivered: what it says now may not be taken for what the stream will say.
    const isInline = this.order.isInline(p);
    if (isInline && ((end - lines[line * Line.Words + Line.Next]) | 0) > 0) return null;
    this.rules.begin(line, end, this.delivers(p.direction), this.order.windows.showsStart(line * Line.Words), isInline);
    return this.rules;
  }

  /** Whether the packet's own bytes are among what was delivered. */
  private delivers(direction: number): boolean {
    const { count, words } = this.order.pieces;
    for (let at = 0; at < count * Piece.Words; at += Piece.Words)
      if (words[at + Piece.InPacket] === 1 && words[at + Piece.Direction] === direction) return true;
    return false;
  }

  /** There is more to look at. */
  get more(): boolean {
    return this.piece < this.order.pieces.count;
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
        windows.restart(line * Line.Words, false);
        this.rules.forget(line);
        this.piece++;
        continue;
      }
      const isPacket = words[at + Piece.InPacket] === 1;
      const mem = isPacket ? p!.mem : this.order.pages.bytes;
      const region = isPacket ? p!.region : this.order.pages.region;
      const from = words[at + Piece.Offset] + this.done;
      this.done += windows.add(line * Line.Words, direction, mem, region, from, length - this.done);
      const isFirst = windows.to - windows.fresh === this.done;
      const end = (words[at + Piece.End] - length + this.done) | 0;
      if (this.done === length) {
        this.piece++;
        this.done = 0;
      }
      // Of what was scanned as a packet only the beginning may go with what was before.
      const n = isPacket && !isFirst ? 0 : this.inspect(slot, direction, line, end, p, isPacket);
      if (this.piece === pieces.count && lines[line * Line.Words + Line.Left] === 0) this.leave(line);
      if (n > 0) return n;
    }
    this.skip();
    return 0;
  }

  /** Nobody looks at what was delivered: what comes does not follow it. */
  skip(): void {
    const { pieces, windows, lines } = this.order;
    for (; this.piece < pieces.count; this.piece++) {
      const line = pieces.slot * 2 + pieces.words[this.piece * Piece.Words + Piece.Direction];
      if (lines[line * Line.Words + Line.Window] === 0) continue;
      windows.restart(line * Line.Words, false);
      this.rules.forget(line);
    }
    pieces.begin();
    this.piece = this.done = 0;
  }

  private inspect(slot: number, direction: number, line: number, end: number, p: Packet | null, isPacket: boolean): number {
    const { ghost, flows, detector, counters } = this;
    const { windows } = this.order;
    counters[Counter.StreamPieces]++;
    counters[Counter.StreamWindowsRefused] = windows.refused;
    const isOurs = p !== null && p.direction === direction;
    if (!isOurs) ghostPacket(ghost, flows, slot, direction, p);
    const n = detector.collect(isOurs ? p : ghost, line, end, isPacket);
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
    this.order.windows.release(line * Line.Words);
    this.rules.forget(line);
  }
}
