import { native } from '../../native.js';
import { copy } from './copy.js';
import { Line, LineFlag } from './layout.js';

/** Bytes of a window's store, of each kind but the last; how much of the memory each of them gets, as a shift. */
const SIZES = [128, 512];
const SHARES = [3, 3];
/** Last kind: large ones. */
const LARGE = SIZES.length;
/** Windows of the other kinds that are kept free: a packet with three more inside has two directions each. At most so many, and this part, as a shift. */
const RESERVE = 8;
const RESERVE_SHIFT = 2;
/** Windows that the hand passes at one call. */
const MOST_STEPS = 4096;

/** How often the hand passes a window by: more often where more than one piece came, so that flows with one go first. */
const enum Recent {
  No = 0,
  Begun = 1,
  Used = 2,
}

/**
 * Sliding windows: the last bytes of a direction, and behind them those that have just come, in one piece where they are stored.
 *
 *   store of a window, twice as long as what it keeps:
 *
 *   | older, at most `keep` bytes | new, at most `keep` |            |      full: the last `keep` bytes go to the front
 *   from                          fresh                 to
 *
 *   memory | kind 0: 128 bytes each | kind 1: 512 bytes each | large: 2 x chunk-size each | one for directions that found none |
 *
 * So whatever fits into `keep` bytes is seen in one piece. A window becomes a larger one when its store is full; where there is none
 * it stays what it is, and a direction that finds none at all has nothing older: both are counted (`refused`).
 *
 * Before that happens windows are taken from directions that are silent: `isShort`, victim(), evict(). A hand goes round over each kind:
 *
 *   ─► used lately: stays, once or twice ─► not used: one kind smaller, with its last bytes; of kind 0: lost, and its direction is Late
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
  /** Times a direction found no window, or none for as many bytes as it has. */
  refused = 0;
  /** Windows taken from silent directions, or made smaller. */
  evicted = 0;
  /** Few are left, or were too few: ask for victim()s between two packets. */
  isShort = false;
  /** Of large windows, by direction. */
  private readonly keeps: readonly [number, number];
  /** By kind: bytes of a store; the first window, and where its store lies; how many there are. */
  private readonly size = new Int32Array(LARGE + 1);
  private readonly first = new Int32Array(LARGE + 1);
  private readonly base = new Int32Array(LARGE + 1);
  private readonly count = new Int32Array(LARGE + 1);
  /** By kind: first free one + 1; how many were ever used; how many are free, and should be; where the hand is. */
  private readonly free = new Int32Array(LARGE + 1);
  private readonly used = new Int32Array(LARGE + 1);
  private readonly room = new Int32Array(LARGE + 1);
  private readonly reserve = new Int32Array(LARGE + 1);
  private readonly hand = new Int32Array(LARGE + 1);
  /** By kind: 1: somebody found none. */
  private readonly missed = new Int32Array(LARGE + 1);
  private readonly spare: number;
  /** By window: bytes in the store; 1: they begin with the stream's first; the next free one; its line's offset, -1: free. */
  private readonly length: Int32Array;
  private readonly whole: Uint8Array;
  private readonly next: Int32Array;
  private readonly owner: Int32Array;
  /** By window: 1: what it has was not looked at with the rules in force; how often the hand passes by. */
  private readonly stale: Uint8Array;
  private readonly recent: Uint8Array;

  constructor(
    memory: number,
    chunkSizes: readonly [number, number],
    private readonly lines: Int32Array,
  ) {
    const least = SIZES[LARGE - 1] >> 1;
    this.keeps = [Math.max(least, chunkSizes[0]), Math.max(least, chunkSizes[1])];
    let windows = 0;
    let bytes = 0;
    let left = memory;
    for (let kind = 0; kind <= LARGE; kind++) {
      const size = kind < LARGE ? SIZES[kind] : 2 * Math.max(this.keeps[0], this.keeps[1]);
      const share = kind < LARGE ? Math.floor(memory / (1 << SHARES[kind])) : left;
      const count = Math.max(1, Math.floor(share / size));
      this.size[kind] = size;
      this.first[kind] = windows;
      this.base[kind] = bytes;
      this.count[kind] = this.room[kind] = count;
      if (kind < LARGE) this.reserve[kind] = Math.min(RESERVE, count >> RESERVE_SHIFT);
      left -= share;
      windows += count;
      bytes += count * size;
    }
    this.spare = bytes;
    const buffer = new ArrayBuffer(bytes + this.size[LARGE]);
    this.bytes = new Uint8Array(buffer);
    this.region = native.region(buffer);
    this.length = new Int32Array(windows);
    this.whole = new Uint8Array(windows);
    this.next = new Int32Array(windows);
    this.owner = new Int32Array(windows).fill(-1);
    this.stale = new Uint8Array(windows);
    this.recent = new Uint8Array(windows);
  }

  /** The next bytes of a direction, whose line is at `at`. Returns how many of them the window shows now: come again with the rest. */
  add(at: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): number {
    let window = this.lines[at + Line.Window] - 1;
    let recent: number = Recent.Used;
    if (window < 0) {
      window = this.open(at);
      recent = Recent.Begun;
    }
    let kind = window < 0 ? LARGE : this.kindOf(window);
    if (kind !== LARGE && this.length[window] + len > this.size[kind]) {
      window = this.grow(at, window, this.length[window] + len);
      kind = this.kindOf(window);
    }
    if (window < 0) {
      const n = len < this.keeps[direction] ? len : this.keeps[direction];
      copy(this.bytes, this.region, this.spare, mem, region, off, n);
      this.from = this.fresh = this.spare;
      this.to = this.spare + n;
      this.begins = 0;
      return n;
    }
    this.recent[window] = recent;
    const base = this.base[kind] + (window - this.first[kind]) * this.size[kind];
    const keep = kind < LARGE ? this.size[kind] >> 1 : this.keeps[direction];
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
    const has = window < 0 ? -1 : this.kindOf(window);
    if (has === LARGE || this.room[LARGE] > 0) return this.keeps[direction];
    for (let kind = LARGE - 1; kind >= 0; kind--) if (has === kind || this.room[kind] > 0) return this.size[kind] >> 1;
    return 0;
  }

  /** Whether so many new bytes of a direction leave room for as many, or all, of those before them: they may be looked at later. */
  mayWait(at: number, direction: number, bytes: number): boolean {
    const window = this.lines[at + Line.Window] - 1;
    if (window < 0) return false;
    const kind = this.kindOf(window);
    return kind < LARGE ? this.length[window] <= this.size[kind] >> 1 : 2 * bytes <= this.keeps[direction];
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

  /**
   * A direction (its line's number) that is to give up its window: evict(), once what waits in it was looked at. -1: there is room enough,
   * or no such window was found for now.
   */
  victim(): number {
    let isShort = false;
    for (let kind = LARGE; kind >= 0; kind--) {
      const wanted = this.reserve[kind] > this.missed[kind] ? this.reserve[kind] : this.missed[kind];
      if (this.room[kind] >= wanted) {
        this.missed[kind] = 0;
        continue;
      }
      const window = this.sweep(kind);
      if (window >= 0) return this.owner[window] / Line.Words;
      isShort = true;
    }
    this.isShort = isShort;
    return -1;
  }

  /** Takes a direction's window, or leaves it a smaller one. True: what was in it is gone, whoever knows of it is to forget. */
  evict(at: number): boolean {
    const window = this.lines[at + Line.Window] - 1;
    if (window < 0) return true;
    this.evicted++;
    const kind = this.kindOf(window);
    const smaller = kind === 0 ? -1 : this.take(kind - 1);
    if (smaller < 0) {
      this.release(at);
      this.lines[at + Line.Flags] |= LineFlag.Late;
      return true;
    }
    const had = this.length[window];
    const keep = this.size[kind - 1] >> 1;
    const n = had < keep ? had : keep;
    const from = this.baseOf(window) + had - n;
    this.bytes.copyWithin(this.baseOf(smaller), from, from + n);
    this.move(at, window, smaller, n, n === had ? this.whole[window] : 0);
    this.recent[smaller] = Recent.No;
    return false;
  }

  close(): void {
    native.regionRelease(this.region);
  }

  private kindOf(window: number): number {
    let kind = LARGE;
    while (window < this.first[kind]) kind--;
    return kind;
  }

  private baseOf(window: number): number {
    const kind = this.kindOf(window);
    return this.base[kind] + (window - this.first[kind]) * this.size[kind];
  }

  private open(at: number): number {
    const window = this.take(0);
    if (window < 0) {
      this.miss(0);
      // One that is found later does not begin with the stream.
      this.lines[at + Line.Flags] |= LineFlag.Late;
      return -1;
    }
    this.lines[at + Line.Window] = window + 1;
    this.owner[window] = at;
    this.length[window] = 0;
    this.stale[window] = 0;
    this.whole[window] = (this.lines[at + Line.Flags] & LineFlag.Late) === 0 ? 1 : 0;
    return window;
  }

  /** The window becomes one for so many bytes, the largest there is below that, or stays what it is. */
  private grow(at: number, window: number, bytes: number): number {
    const had = this.kindOf(window);
    let kind = had + 1;
    while (kind < LARGE && this.size[kind] < bytes) kind++;
    let larger = this.take(kind);
    if (larger < 0) this.miss(kind);
    while (larger < 0 && --kind > had) larger = this.take(kind);
    if (larger < 0) return window;
    const from = this.baseOf(window);
    const n = this.length[window];
    this.bytes.copyWithin(this.baseOf(larger), from, from + n);
    this.move(at, window, larger, n, this.whole[window]);
    return larger;
  }

  /** What is known of a window, whose bytes were copied, is that of another now. */
  private move(at: number, window: number, other: number, length: number, whole: number): void {
    this.length[other] = length;
    this.whole[other] = whole;
    this.stale[other] = this.stale[window];
    this.owner[other] = at;
    this.lines[at + Line.Window] = other + 1;
    this.give(window);
  }

  private give(window: number): void {
    const kind = this.kindOf(window);
    this.next[window] = this.free[kind];
    this.owner[window] = -1;
    this.free[kind] = window + 1;
    this.room[kind]++;
    this.active--;
  }

  /** A window of the kind; -1: there is none. */
  private take(kind: number): number {
    if (this.room[kind] <= this.reserve[kind]) this.isShort = true;
    let window = this.free[kind] - 1;
    if (window >= 0) this.free[kind] = this.next[window];
    else if (this.used[kind] < this.count[kind]) window = this.first[kind] + this.used[kind]++;
    else return -1;
    this.room[kind]--;
    this.active++;
    return window;
  }

  private miss(kind: number): void {
    this.missed[kind] = 1;
    this.refused++;
  }

  /** The hand goes on to a window that was not used since it came by last; -1: it did not come to one. */
  private sweep(kind: number): number {
    const { owner, recent } = this;
    const used = this.used[kind];
    const first = this.first[kind];
    let hand = this.hand[kind];
    let found = -1;
    for (let steps = 3 * used < MOST_STEPS ? 3 * used : MOST_STEPS; steps > 0 && found < 0; steps--) {
      const window = first + hand;
      if (++hand >= used) hand = 0;
      if (owner[window] < 0) continue;
      if (recent[window] === Recent.No) found = window;
      else recent[window]--;
    }
    this.hand[kind] = hand;
    return found;
  }
}
