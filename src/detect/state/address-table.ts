/**
 * What rules remember about addresses: windows of thresholds, xbits and hostbits. One table for all of them (LockedSets; an entry is
 * a cache line). In shared memory every detecting thread of the process has the same counts; a set is held between claim() or find()
 * and release(). Of the head, words 2 and 3: bits, tags were ever set.
 *
 *   0      1    2    3    4 ........ 11   12      13         14     15
 *   kind   A    B    C    addresses      since   its nsec   end    count
 *
 * kind: Kind | track << 8 | IP version << 16, 0 = empty. A, B, C: gid, sid, rev of a rule, or the hash of a name.
 * An entry lives until packet time passes `end` (seconds) and the nanosecond of `since`. When a set is full, the entry that
 * ends first is given up and counted.
 */
import type { Packet } from '../../decode/packet.js';
import { createSets, LockedSets, mix, type SetShape } from '../../ring/locked-sets.js';

export const enum Kind {
  Limit = 1,
  Threshold,
  Both,
  Backoff,
  DetectionFilter,
  Rate,
  Bit,
  Tag,
}

/** Words of an entry. */
export const enum Entry {
  Kind = 0,
  A,
  B,
  C,
  Address,
  Since = 12,
  SinceNsec,
  End,
  Count,
  Words,
}
/** Words that tell entries apart. */
const KEY = Entry.Since;
const WAYS = 8;
const SHAPE: SetShape = { ways: WAYS, entryWords: Entry.Words };
/** Words of the head that LockedSets leaves to its tables. */
const enum Head {
  Bits = 2,
  Tags,
}
/** Bytes of an entry, for reckoning. */
export const ENTRY_BYTES = 4 * Entry.Words;
const LAST_SECOND = 0x7fffffff;

export class AddressTable extends LockedSets {
  /** The key that is looked for: Entry.Kind to the end of the addresses. */
  readonly probe = new Int32Array(KEY);
  /** The set that is locked; -1: none. */
  private held = -1;

  /** Memory for about this many entries: see createSets. */
  static create(entries: number, shared: boolean): ArrayBuffer | SharedArrayBuffer {
    return createSets(SHAPE, entries, shared);
  }

  constructor(
    buffer: ArrayBuffer | SharedArrayBuffer,
    private readonly counters: Float64Array,
    /** Counter of live entries given up. */
    private readonly evicted: number,
  ) {
    super(buffer, SHAPE);
  }

  /** 0: no rule has set a bit yet. */
  get bits(): number {
    return this.words[Head.Bits];
  }

  bitSet(): void {
    this.words[Head.Bits] = 1;
  }

  /** 0: no rule has tagged a host yet (or a flow: the table of the thread's own). */
  get tagged(): number {
    return this.words[Head.Tags];
  }

  tag(): void {
    this.words[Head.Tags] = 1;
  }

  /** The first words of the probe; its addresses are cleared. */
  key(kind: number, a: number, b: number, c: number): void {
    const { probe } = this;
    probe[Entry.Kind] = kind;
    probe[Entry.A] = a;
    probe[Entry.B] = b;
    probe[Entry.C] = c;
    for (let i = Entry.Address; i < KEY; i++) probe[i] = 0;
  }

  /** One address in the probe. */
  address(address: Int32Array): void {
    for (let w = 0; w < 4; w++) this.probe[Entry.Address + w] = address[w];
  }

  /** Two addresses, the same whichever of the two sends. */
  pair(a: Int32Array, b: Int32Array): void {
    const { probe } = this;
    let swap = false;
    for (let w = 0; w < 4; w++) {
      if (a[w] !== b[w]) {
        swap = a[w] > b[w];
        break;
      }
    }
    for (let w = 0; w < 4; w++) {
      probe[Entry.Address + w] = swap ? b[w] : a[w];
      probe[Entry.Address + 4 + w] = swap ? a[w] : b[w];
    }
  }

  /** Position in `words` of the probe's live entry, -1 if there is none. Call release() in any case. */
  find(p: Packet): number {
    const first = this.hold();
    for (let e = first; e < first + WAYS * Entry.Words; e += Entry.Words) {
      if (this.is(e)) return this.over(e, p) ? -1 : e;
    }
    return -1;
  }

  /**
   * Position in `words` of the probe's entry, made if there is none: a new one, or one whose time is over, has Count -1 and
   * begins now. The caller gives it its end. Call release() when done.
   */
  claim(p: Packet): number {
    const { words } = this;
    const first = this.hold();
    let free = -1;
    let oldest = first;
    for (let e = first; e < first + WAYS * Entry.Words; e += Entry.Words) {
      if (this.is(e)) {
        if (this.over(e, p)) this.begin(e, p);
        return e;
      }
      if (free < 0 && (words[e + Entry.Kind] === 0 || this.over(e, p))) free = e;
      const sooner = words[e + Entry.End] - words[oldest + Entry.End];
      if (sooner < 0 || (sooner === 0 && words[e + Entry.Since] < words[oldest + Entry.Since])) oldest = e;
    }
    if (free < 0) {
      free = oldest;
      this.counters[this.evicted]++;
    }
    for (let k = 0; k < KEY; k++) words[free + k] = this.probe[k];
    this.begin(free, p);
    return free;
  }

  /** The entry begins anew at the packet's time. */
  begin(e: number, p: Packet): void {
    const { words } = this;
    words[e + Entry.Since] = p.tsSec;
    words[e + Entry.SinceNsec] = p.tsNsec;
    words[e + Entry.End] = LAST_SECOND;
    words[e + Entry.Count] = -1;
  }

  /** The entry ends so many seconds after it began. */
  lasts(e: number, seconds: number): void {
    const end = this.words[e + Entry.Since] + seconds;
    this.words[e + Entry.End] = end < LAST_SECOND ? end : LAST_SECOND;
  }

  remove(e: number): void {
    this.words[e + Entry.Kind] = 0;
  }

  release(): void {
    if (this.held < 0) return;
    this.unlock(this.held);
    this.held = -1;
  }

  private over(e: number, p: Packet): boolean {
    const end = this.words[e + Entry.End];
    return p.tsSec > end || (p.tsSec === end && p.tsNsec > this.words[e + Entry.SinceNsec]);
  }

  private is(e: number): boolean {
    const { words, probe } = this;
    for (let k = 0; k < KEY; k++) if (words[e + k] !== probe[k]) return false;
    return true;
  }

  /** Takes the lock of the probe's set; position of its first entry. */
  private hold(): number {
    const { probe } = this;
    let hash = this.seed;
    for (let i = 0; i < KEY; i++) hash = mix(hash, probe[i]);
    this.held = this.setOf(hash);
    return this.lock(this.held);
  }
}
