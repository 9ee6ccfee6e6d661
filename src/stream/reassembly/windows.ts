import { native } from '../../native.js';
import { copy } from './copy.js';
import { Line, LineFlag } from './layout.js';

/** Bytes of a small window's store: most connections say little. */
const SMALL = 512;
/** The part of the memory that small windows get, as a shift. */
const SMALL_SHIFT = 2;

/**
 * Sliding windows: the last bytes of a direction, and behind them those that have just come, in one piece where they are stored.
 *
 *   store of a window, twice as long as what it keeps:
 *
 *   | older, at most `keep` bytes | new, at most `keep` |            |      full: the last `keep` bytes go to the front
 *   from                          fresh                 to
 *
 *   memory | small stores: 512 bytes each | large ones: 2 x chunk-size each | one for directions that found none |
 *
 * So whatever fits into `keep` bytes is seen in one piece. A window is small until its store is full; where no large one is left it
 * stays small, and a direction that finds none at all has nothing older: both are counted.
 */
export class Windows {
  readonly bytes: Uint8Array;
  readonly region: number;
  /** Of the last add(). */
  from = 0;
  fresh = 0;
  to = 0;
  /** 1: the window shows the stream from its first byte. */
  begins = 0;
  /** Windows in use. */
  active = 0;
  /** Directions that found no window, or no large one. */
  refused = 0;
  /** Of large windows, by direction. */
  private readonly keeps: readonly [number, number];
  private readonly small: number;
  private readonly large: number;
  private readonly largeBytes: number;
  private readonly largeFrom: number;
  private readonly spare: number;
  /** By window: bytes in the store; 1: they begin with the stream's first; the next free one. */
  private readonly length: Int32Array;
  private readonly whole: Uint8Array;
  private readonly next: Int32Array;
  /** By window: 1: what it has was not looked at with the rules in force. */
  private readonly stale: Uint8Array;
  /** First free one + 1, and how many were ever used, of small and of large ones. */
  private readonly free = new Int32Array(2);
  private readonly used = new Int32Array(2);

  constructor(
    memory: number,
    chunkSizes: readonly [number, number],
    private readonly lines: Int32Array,
  ) {
    this.keeps = [Math.max(SMALL >> 1, chunkSizes[0]), Math.max(SMALL >> 1, chunkSizes[1])];
    this.largeBytes = 2 * Math.max(this.keeps[0], this.keeps[1]);
    this.small = Math.max(1, Math.floor((memory >> SMALL_SHIFT) / SMALL));
    this.large = Math.max(1, Math.floor((memory - (memory >> SMALL_SHIFT)) / this.largeBytes));
    this.largeFrom = this.small * SMALL;
    this.spare = this.largeFrom + this.large * this.largeBytes;
    const buffer = new ArrayBuffer(this.spare + this.largeBytes);
    this.bytes = new Uint8Array(buffer);
    this.region = native.region(buffer);
    this.length = new Int32Array(this.small + this.large);
    this.whole = new Uint8Array(this.small + this.large);
    this.next = new Int32Array(this.small + this.large);
    this.stale = new Uint8Array(this.small + this.large);
  }

  /** The next bytes of a direction, whose line is at `at`. Returns how many of them the window shows now: come again with the rest. */
  add(at: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): number {
    let window = this.lines[at + Line.Window] - 1;
    if (window < 0) window = this.open(at);
    if (window >= 0 && window < this.small && this.length[window] + len > SMALL) window = this.grow(at, window);
    if (window < 0) {
      const n = len < this.keeps[direction] ? len : this.keeps[direction];
      copy(this.bytes, this.region, this.spare, mem, region, off, n);
      this.from = this.fresh = this.spare;
      this.to = this.spare + n;
      this.begins = 0;
      return n;
    }
    const base = this.baseOf(window);
    const keep = window < this.small ? SMALL >> 1 : this.keeps[direction];
    let have = this.length[window];
    const n = have + len <= 2 * keep || len < keep ? len : keep;
    if (have + n > 2 * keep) {
      this.bytes.copyWithin(base, base + have - keep, base + have);
      have = keep;
      this.whole[window] = 0;
    }
    copy(this.bytes, this.region, base + have, mem, region, off, n);
    this.from = base;
    this.fresh = base + have;
    this.to = base + have + n;
    this.begins = this.whole[window];
    this.length[window] = have + n;
    return n;
  }

  /** Shows a direction's window again, its last `fresh` bytes as the new ones. */
  show(at: number, fresh: number): void {
    const window = this.lines[at + Line.Window] - 1;
    this.from = window < 0 ? 0 : this.baseOf(window);
    this.to = window < 0 ? 0 : this.from + this.length[window];
    this.fresh = this.to - this.from < fresh ? this.from : this.to - fresh;
    this.begins = window < 0 ? 0 : this.whole[window];
  }

  /** Other rules from now on. */
  renew(): void {
    this.stale.fill(1);
  }

  /** Whether the rules in force look at a direction's window for the first time, and it is older than they are; asked once. */
  takeStale(at: number): boolean {
    const window = this.lines[at + Line.Window] - 1;
    if (window < 0 || this.stale[window] === 0) return false;
    this.stale[window] = 0;
    return true;
  }

  /** Bytes that a direction's window takes and keeps in one piece, or will. */
  keepOf(at: number, direction: number): number {
    const window = this.lines[at + Line.Window] - 1;
    if (window >= this.small || this.free[1] !== 0 || this.used[1] < this.large) return this.keeps[direction];
    return window >= 0 || this.free[0] !== 0 || this.used[0] < this.small ? SMALL >> 1 : 0;
  }

  /** Whether so many new bytes of a direction leave room for as many, or all, of those before them: they may be looked at later. */
  mayWait(at: number, direction: number, bytes: number): boolean {
    const window = this.lines[at + Line.Window] - 1;
    return window >= 0 && (window < this.small ? this.length[window] <= SMALL >> 1 : 2 * bytes <= this.keeps[direction]);
  }

  /** Whether the window of a direction still has the stream's first byte. */
  showsStart(at: number): boolean {
    const window = this.lines[at + Line.Window] - 1;
    return window < 0 ? (this.lines[at + Line.Flags] & LineFlag.Late) === 0 : this.whole[window] === 1;
  }

  /** What comes does not follow what was there; `isStart`: it is the stream's beginning. */
  restart(at: number, isStart: boolean): void {
    const window = this.lines[at + Line.Window] - 1;
    if (window < 0) return;
    this.length[window] = 0;
    this.whole[window] = isStart ? 1 : 0;
  }

  /** Gives a direction's window back. */
  release(at: number): void {
    const window = this.lines[at + Line.Window] - 1;
    if (window < 0) return;
    this.lines[at + Line.Window] = 0;
    this.give(window);
  }

  close(): void {
    native.regionRelease(this.region);
  }

  private baseOf(window: number): number {
    return window < this.small ? window * SMALL : this.largeFrom + (window - this.small) * this.largeBytes;
  }

  private open(at: number): number {
    const window = this.take(0);
    if (window < 0) {
      // One that is found later does not begin with the stream.
      this.lines[at + Line.Flags] |= LineFlag.Late;
      return -1;
    }
    this.lines[at + Line.Window] = window + 1;
    this.length[window] = 0;
    this.stale[window] = 0;
    this.whole[window] = (this.lines[at + Line.Flags] & LineFlag.Late) === 0 ? 1 : 0;
    return window;
  }

  /** The small window becomes a large one, or stays what it is. */
  private grow(at: number, small: number): number {
    const window = this.take(1);
    if (window < 0) return small;
    const from = small * SMALL;
    this.bytes.copyWithin(this.baseOf(window), from, from + this.length[small]);
    this.length[window] = this.length[small];
    this.whole[window] = this.whole[small];
    this.stale[window] = this.stale[small];
    this.lines[at + Line.Window] = window + 1;
    this.give(small);
    return window;
  }

  private give(window: number): void {
    const kind = window < this.small ? 0 : 1;
    this.next[window] = this.free[kind];
    this.free[kind] = window + 1;
    this.active--;
  }

  /** A window of the kind (0 small, 1 large); -1: there is none. */
  private take(kind: number): number {
    let window = this.free[kind] - 1;
    if (window >= 0) this.free[kind] = this.next[window];
    else if (this.used[kind] < (kind === 0 ? this.small : this.large)) window = kind * this.small + this.used[kind]++;
    else {
      this.refused++;
      return -1;
    }
    this.active++;
    return window;
  }
}
