import { PacketMemory } from '../packet-memory.js';
import type { Transactions } from '../transactions.js';
import { Tx } from '../transactions.js';
import { F, type FlowWords, Own } from './flow.js';

/** Most bytes of a body seen before that are shown again with the new ones. */
export const WINDOW_BYTES = 4096;
/** The piece of the heap that they lie in, with the new ones behind them as long as there is room. */
const PIECE_BYTES = 2 * WINDOW_BYTES;
/** What bodies of one packet may need: bytes put together or decompressed. */
const SCRATCH_BYTES = 1 << 20;
const MOST_MEMORIES = 64;
/** Windows that end in one packet: a packet's flow has two, flows that end at once may have more, and are not shown. */
const MOST_DROPPED = 256;
/** The heap's number among the memories. */
const HEAP = MOST_MEMORIES;

/**
 * The bodies' bytes as rules see them: `[up to 4 KiB seen before | new in this packet]`. New bytes that lie in one piece in the
 * packet, with nothing before them, are shown there; else they are put together in the scratch.
 */
export class BodyBytes extends PacketMemory {
  /** By 2 * transaction + direction: bytes of the body that were shown so far. */
  readonly total: Float64Array;
  private readonly drops = new Int32Array(MOST_DROPPED);
  private dropped = 0;

  constructor(
    private readonly txs: Transactions,
    private readonly flows: FlowWords,
  ) {
    super(SCRATCH_BYTES, MOST_MEMORIES, [txs.heap]);
    this.total = new Float64Array(2 * txs.capacity);
  }

  override begin(): void {
    super.begin();
    for (let i = 0; i < this.dropped; i++) this.txs.heap.give(this.drops[i], PIECE_BYTES);
    this.dropped = 0;
  }

  /** New bytes of a body; region -1: they do not last. False: no room. f: the flow's words of the direction. */
  add(f: number, tx: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const { words } = this.txs;
    const at = tx * Tx.Words + Tx.Parser + 4 * direction;
    if (words[at + Own.Stamp] !== this.packet) return this.first(f, at, mem, region, off, len);
    const where = words[at + Own.Where];
    const from = words[at + Own.Off];
    const had = words[at + Own.Len];
    if (where === HEAP) {
      if (this.grow(f, mem, off, len)) {
        words[at + Own.Len] += len;
        return true;
      }
    } else if (where > 0 && this.mems[where] === mem && from + had === off) {
      words[at + Own.Len] += len;
      return true;
    }
    if (where > 0 || from + had !== this.top) {
      if (this.top + had + len > SCRATCH_BYTES) return false;
      const to = this.top;
      this.append(this.mems[where], from, had);
      words[at + Own.Where] = 0;
      words[at + Own.Off] = to;
    } else if (this.top + len > SCRATCH_BYTES) return false;
    this.append(mem, off, len);
    words[at + Own.Len] += len;
    return true;
  }

  private first(f: number, at: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const { words } = this.txs;
    const had = this.windowLen(f);
    if (had > 0 && this.inPiece(f, mem, off, len)) {
      words[at + Own.Stamp] = this.packet;
      words[at + Own.Where] = HEAP;
      words[at + Own.Off] = this.flows.words[f + F.Window] - 1 + this.flows.words[f + F.WindowLen] - len - had;
      words[at + Own.Len] = had + len;
      return true;
    }
    if (had === 0 && region >= 0) {
      const where = this.memory(mem, region);
      if (where > 0) {
        words[at + Own.Stamp] = this.packet;
        words[at + Own.Where] = where;
        words[at + Own.Off] = off;
        words[at + Own.Len] = len;
        return true;
      }
    }
    if (this.top + had + len > SCRATCH_BYTES) return false;
    words[at + Own.Stamp] = this.packet;
    words[at + Own.Where] = 0;
    words[at + Own.Off] = this.top;
    words[at + Own.Len] = had + len;
    if (had > 0) this.append(this.txs.heap.bytes, this.windowOff(f), had);
    this.append(mem, off, len);
    return true;
  }

  /** What was seen before and is still there: at most WINDOW_BYTES. */
  windowLen(f: number): number {
    const n = this.flows.words[f + F.WindowLen];
    return n < WINDOW_BYTES ? n : WINDOW_BYTES;
  }

  windowOff(f: number): number {
    return this.flows.words[f + F.Window] - 1 + this.flows.words[f + F.WindowLen] - this.windowLen(f);
  }

  /** Puts new bytes behind the window, which may move for it. False: they are too many. */
  private inPiece(f: number, mem: Uint8Array, off: number, len: number): boolean {
    const flow = this.flows.words;
    const had = flow[f + F.WindowLen];
    if (had + len > PIECE_BYTES) {
      const n = this.windowLen(f);
      if (n + len > PIECE_BYTES) return false;
      const piece = flow[f + F.Window] - 1;
      this.txs.heap.bytes.copyWithin(piece, piece + had - n, piece + had);
      flow[f + F.WindowLen] = n;
    }
    return this.grow(f, mem, off, len);
  }

  private grow(f: number, mem: Uint8Array, off: number, len: number): boolean {
    const flow = this.flows.words;
    const had = flow[f + F.WindowLen];
    // Dropped in this packet, behind a gap: the piece is no longer ours to write.
    if (flow[f + F.Window] === 0 || had + len > PIECE_BYTES) return false;
    const { bytes } = this.txs.heap;
    const to = flow[f + F.Window] - 1 + had;
    for (let i = 0; i < len; i++) bytes[to + i] = mem[off + i];
    flow[f + F.WindowLen] = had + len;
    return true;
  }

  /** Keeps the end of what was shown for the packets to come. False: no room. */
  save(f: number, tx: number, direction: number): boolean {
    const { words } = this.txs;
    const at = tx * Tx.Words + Tx.Parser + 4 * direction;
    if (words[at + Own.Stamp] !== this.packet || words[at + Own.Where] === HEAP) return true;
    const flow = this.flows.words;
    if (flow[f + F.Window] === 0) {
      const piece = this.txs.heap.take(PIECE_BYTES);
      if (piece < 0) return false;
      flow[f + F.Window] = piece + 1;
    }
    const mem = this.mems[words[at + Own.Where]];
    const len = words[at + Own.Len];
    const n = len < WINDOW_BYTES ? len : WINDOW_BYTES;
    const from = words[at + Own.Off] + len - n;
    const { bytes } = this.txs.heap;
    const to = flow[f + F.Window] - 1;
    for (let i = 0; i < n; i++) bytes[to + i] = mem[from + i];
    flow[f + F.WindowLen] = n;
    return true;
  }

  /** The body has ended, or what comes next does not follow it. */
  drop(f: number): void {
    const flow = this.flows.words;
    if (flow[f + F.Window] !== 0) {
      // Its bytes may still be shown in this packet.
      if (this.dropped < MOST_DROPPED) this.drops[this.dropped++] = flow[f + F.Window] - 1;
      else this.txs.heap.give(flow[f + F.Window] - 1, PIECE_BYTES);
    }
    flow[f + F.Window] = 0;
    flow[f + F.WindowLen] = 0;
  }
}
