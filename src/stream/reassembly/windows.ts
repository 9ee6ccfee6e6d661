import { native } from '../../native.js';
import { copy } from './copy.js';
import { Line } from './layout.js';

/** New bytes of one packet and direction that a window shows at once. */
const MOST_NEW = 256 * 1024;

/** Told when more is new than a window shows at once, or bytes are missing: look now, what you see moves on. */
export interface WindowReader {
  windowFull(slot: number, direction: number): void;
}

/**
 * Sliding windows: the last bytes that were delivered of a direction, and behind them what the packet at hand brought.
 *
 *   | older, at most `size` bytes | new                    |        in one piece, until the next packet
 *   from                          fresh                    to
 *
 * Between packets only the last `size` bytes are kept, for the directions somebody watches.
 *
 *   memory | store: windows x size | work, to server: size + MOST_NEW | work, to client |
 */
export class Windows {
  readonly bytes: Uint8Array;
  readonly region: number;
  /** Of the packet at hand, by direction; from = to: nothing. */
  readonly from = new Int32Array(2);
  readonly fresh = new Int32Array(2);
  readonly to = new Int32Array(2);
  /** Windows in use. */
  active = 0;
  /** Directions that found no window: nothing older is kept of them. */
  refused = 0;
  reader: WindowReader | null = null;
  private readonly capacity: number;
  private readonly size: number;
  private readonly length: Int32Array;
  private readonly next: Int32Array;
  private readonly work = new Int32Array(2);
  /** Slot + 1 whose bytes the work area holds. */
  private readonly owner = new Int32Array(2);
  private freeHead = -1;
  private highWater = 0;

  constructor(
    memory: number,
    private readonly sizes: readonly [number, number],
    private readonly lines: Int32Array,
  ) {
    this.size = Math.max(sizes[0], sizes[1]);
    this.capacity = Math.max(1, Math.floor(memory / this.size));
    const store = this.capacity * this.size;
    const buffer = new ArrayBuffer(store + 2 * (this.size + MOST_NEW));
    this.bytes = new Uint8Array(buffer);
    this.region = native.region(buffer);
    this.work[0] = store;
    this.work[1] = store + this.size + MOST_NEW;
    this.length = new Int32Array(this.capacity);
    this.next = new Int32Array(this.capacity);
  }

  /** A new packet: nothing is new. */
  begin(): void {
    if ((this.owner[0] | this.owner[1]) === 0) return;
    this.owner.fill(0);
    this.from.fill(0);
    this.fresh.fill(0);
    this.to.fill(0);
  }

  /** The next bytes of a direction. */
  add(at: number, slot: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): void {
    if (this.owner[direction] !== slot + 1) this.load(at, slot, direction);
    const limit = this.work[direction] + this.size + MOST_NEW;
    for (let done = 0; ; ) {
      let n = limit - this.to[direction];
      if (n > len - done) n = len - done;
      copy(this.bytes, this.region, this.to[direction], mem, region, off + done, n);
      this.to[direction] += n;
      done += n;
      if (done === len) return;
      this.reader?.windowFull(slot, direction);
      this.slide(direction);
    }
  }

  /** Bytes are missing: what comes does not follow what was there. */
  gap(at: number, slot: number, direction: number): void {
    if (this.owner[direction] !== slot + 1) this.load(at, slot, direction);
    if (this.to[direction] > this.fresh[direction]) this.reader?.windowFull(slot, direction);
    this.from[direction] = this.fresh[direction] = this.to[direction] = this.work[direction];
  }

  /** Keeps the last bytes for the packets to come. */
  save(at: number, direction: number): void {
    if (this.owner[direction] === 0) return;
    const window = this.take(at);
    if (window < 0) return;
    const end = this.to[direction];
    const have = end - this.from[direction];
    const n = have < this.sizes[direction] ? have : this.sizes[direction];
    this.bytes.copyWithin(window * this.size, end - n, end);
    this.length[window] = n;
  }

  /** Gives a direction's window back. */
  release(at: number): void {
    const window = this.lines[at + Line.Window] - 1;
    if (window < 0) return;
    this.lines[at + Line.Window] = 0;
    this.next[window] = this.freeHead;
    this.freeHead = window;
    this.active--;
  }

  close(): void {
    native.regionRelease(this.region);
  }

  private load(at: number, slot: number, direction: number): void {
    const window = this.lines[at + Line.Window] - 1;
    const work = this.work[direction];
    const n = window < 0 ? 0 : this.length[window];
    if (n > 0) this.bytes.copyWithin(work, window * this.size, window * this.size + n);
    this.owner[direction] = slot + 1;
    this.from[direction] = work;
    this.fresh[direction] = this.to[direction] = work + n;
  }

  private slide(direction: number): void {
    const end = this.to[direction];
    const work = this.work[direction];
    const n = this.sizes[direction];
    this.bytes.copyWithin(work, end - n, end);
    this.from[direction] = work;
    this.fresh[direction] = this.to[direction] = work + n;
  }

  private take(at: number): number {
    let window = this.lines[at + Line.Window] - 1;
    if (window >= 0) return window;
    if (this.freeHead >= 0) {
      window = this.freeHead;
      this.freeHead = this.next[window];
    } else if (this.highWater < this.capacity) window = this.highWater++;
    else {
      this.refused++;
      return -1;
    }
    this.active++;
    this.lines[at + Line.Window] = window + 1;
    return window;
  }
}
