/**
 * One dataset: values of bytes, each once, with a reputation. In shared memory every detecting thread of the process has the
 * same set; each bucket then has a lock (LOCKS of them in turn), held for one walk along its chain. A set that no rule changes is read without.
 *
 *   word 0 ..          head, see Head
 *   word LOCKS_AT ..   locks: 0 free, 1 held; the last one for room
 *   word FREE_AT ..    by size class: the first entry that was taken out, 0 none
 *   word BUCKETS_AT .. the first entry of each bucket, 0 none
 *   behind             entries, one after the other, up to Head.Top:
 *
 *     0      1                              2            3 ...
 *     next   length | class << 16 | Live    reputation   bytes, 2^class words of them
 *
 * The memory has `memcap` bytes and never more: a value that finds no room is not added. Used as it lies, from 0 to Head.Top, by
 * whoever sends a set to another process; what comes back from a process that hostile bytes may have taken over is only walked (each), never looked up.
 */
import { randomFillSync } from 'node:crypto';
import { spinLock, spinUnlock } from '../../ring/spin-lock.js';

export const enum DatasetType {
  String = 0,
  Md5,
  Sha256,
  Ipv4,
  Ip,
}

/** Bytes of a value by type; 0: any number up to MAX_VALUE. An IPv4 address among `ip` is ::ffff:a.b.c.d. */
const VALUE_BYTES: readonly number[] = [0, 16, 32, 4, 16];
/** Longest value. */
export const MAX_VALUE = 65_535;

const enum Head {
  Magic = 0,
  Type,
  /** Buckets - 1. */
  Mask,
  Seed,
  /** The first word behind the entries. */
  Top,
  /** Values in the set. */
  Count,
  /** 1: rules change it, so threads must lock. */
  Changes,
}
const MAGIC = 0x44415453;
const LOCKS = 64;
const ROOM_LOCK = LOCKS;
const LOCKS_AT = 16;
const FREE_AT = LOCKS_AT + LOCKS + 16;
/** 2^14 words hold MAX_VALUE. */
const CLASSES = 15;
const BUCKETS_AT = FREE_AT + 16;
const ENTRY = 3;
const LIVE = 1 << 24;
/** Of the memory, at most one in so many words is a bucket. */
const BUCKET_SHARE = 8;
const MAX_BUCKETS = 2 ** 24;
/** Least bytes a set needs. */
export const LEAST_MEMCAP = 4096;

/** What add() says. */
export const enum Added {
  New = 1,
  Known = 0,
  Full = -1,
}

export class DatasetTable {
  readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly shared: boolean;
  private readonly valueBytes: number;
  /** A value as it is kept, where the buffer's bytes are not it. */
  private readonly mapped = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);

  /** Memory of `memcap` bytes; `hashsize`: at least so many buckets as long as they leave room for values. Zero pages cost nothing until used. */
  static create(type: DatasetType, memcap: number, hashsize: number): SharedArrayBuffer {
    const words = Math.floor(Math.max(memcap, LEAST_MEMCAP) / 4);
    let buckets = 64;
    const wanted = Math.max(hashsize, words >> 5);
    while (buckets < wanted && buckets * 2 * BUCKET_SHARE <= words && buckets < MAX_BUCKETS) buckets *= 2;
    const memory = new SharedArrayBuffer(4 * words);
    const head = new Int32Array(memory);
    head[Head.Magic] = MAGIC;
    head[Head.Type] = type;
    head[Head.Mask] = buckets - 1;
    // Whoever does not know the seed cannot choose values that meet in one bucket.
    head[Head.Seed] = randomFillSync(new Int32Array(1))[0];
    head[Head.Top] = BUCKETS_AT + buckets;
    return memory;
  }

  /** `changes` is kept: once a rule that changes the set has been seen, all threads lock. */
  constructor(memory: SharedArrayBuffer | ArrayBuffer, changes = false) {
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    if (this.words.length <= BUCKETS_AT || this.words[Head.Magic] !== MAGIC) throw new Error('not a dataset');
    this.valueBytes = VALUE_BYTES[this.words[Head.Type]] ?? 0;
    this.shared = memory instanceof SharedArrayBuffer;
    if (changes) this.words[Head.Changes] = 1;
  }

  get type(): DatasetType {
    return this.words[Head.Type];
  }

  get count(): number {
    return Atomics.load(this.words, Head.Count);
  }

  /** The part that is used, a copy. */
  used(): Uint8Array {
    const top = Math.min(Math.max(this.words[Head.Top], BUCKETS_AT), this.words.length);
    return this.bytes.slice(0, 4 * top);
  }

  /** The set that used() gave, in memory of `memcap` bytes. */
  static from(used: Uint8Array, memcap: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(Math.max(Math.floor(memcap / 4) * 4, used.length));
    new Uint8Array(memory).set(used);
    const words = new Int32Array(memory);
    // Whoever held a lock when the copy was made is not here.
    words.fill(0, LOCKS_AT, FREE_AT);
    return memory;
  }

  /** Reputation of the value mem[off, off + n), -1 when it is not in the set. */
  find(mem: Uint8Array, off: number, n: number): number {
    if (!this.fits(n)) return -1;
    if (this.isMapped(n)) return this.find(this.map(mem, off), 0, 16);
    const bucket = this.bucketOf(mem, off, n);
    const locks = this.words[Head.Changes] !== 0;
    if (locks) this.lock(bucket & (LOCKS - 1));
    const e = this.entry(bucket, mem, off, n);
    const reputation = e === 0 ? -1 : this.words[e + 2];
    if (locks) this.release(bucket & (LOCKS - 1));
    return reputation;
  }

  /** Puts a value in. */
  add(mem: Uint8Array, off: number, n: number, reputation = 0): Added {
    if (!this.fits(n)) return Added.Full;
    const { words } = this;
    if (this.isMapped(n)) return this.add(this.map(mem, off), 0, 16, reputation);
    const bucket = this.bucketOf(mem, off, n);
    const stripe = bucket & (LOCKS - 1);
    this.lock(stripe);
    let added = Added.Known;
    if (this.entry(bucket, mem, off, n) === 0) {
      const e = this.room(n);
      if (e === 0) added = Added.Full;
      else {
        words[e + 1] = (words[e + 1] & 0xff0000) | n | LIVE;
        words[e + 2] = reputation;
        const first = 4 * (e + ENTRY);
        for (let i = 0; i < n; i++) this.bytes[first + i] = mem[off + i];
        words[e] = words[BUCKETS_AT + bucket];
        words[BUCKETS_AT + bucket] = e;
        Atomics.add(words, Head.Count, 1);
        added = Added.New;
      }
    }
    this.release(stripe);
    return added;
  }

  /** Takes a value out; false when it was not in. */
  remove(mem: Uint8Array, off: number, n: number): boolean {
    if (!this.fits(n)) return false;
    const { words } = this;
    if (this.isMapped(n)) return this.remove(this.map(mem, off), 0, 16);
    const bucket = this.bucketOf(mem, off, n);
    const stripe = bucket & (LOCKS - 1);
    this.lock(stripe);
    const e = this.entry(bucket, mem, off, n);
    if (e !== 0) {
      let before = BUCKETS_AT + bucket;
      while (words[before] !== e) before = words[before];
      words[before] = words[e];
      this.lock(ROOM_LOCK);
      const size = (words[e + 1] >>> 16) & 0xff;
      words[e + 1] &= ~LIVE;
      words[e] = words[FREE_AT + size];
      words[FREE_AT + size] = e;
      this.release(ROOM_LOCK);
      Atomics.sub(words, Head.Count, 1);
    }
    this.release(stripe);
    return e !== 0;
  }

  /**
   * Every value, the oldest room first, so that a file that is loaded and written again keeps its order: when nobody changes the set. Trusts nothing but its own bounds: a damaged
   * set ends early. Returns how many there were.
   */
  each(use: (value: Uint8Array, reputation: number) => void): number {
    const { words } = this;
    const places: number[] = [];
    const top = Math.min(words[Head.Top], words.length);
    const buckets = words[Head.Mask] + 1;
    if (!(buckets > 0 && buckets <= MAX_BUCKETS)) return 0;
    for (let e = BUCKETS_AT + buckets; e + ENTRY < top; ) {
      const head = words[e + 1];
      const size = (head >>> 16) & 0xff;
      const room = 1 << size;
      if (size >= CLASSES || e + ENTRY + room > top || (head & 0xffff) > 4 * room) break;
      if ((head & LIVE) !== 0) places.push(e);
      e += ENTRY + room;
    }
    for (let i = 0; i < places.length; i++) {
      const e = places[i];
      const first = 4 * (e + ENTRY);
      // A copy: what lies in shared memory is refused by many functions.
      use(this.bytes.slice(first, first + (words[e + 1] & 0xffff)), words[e + 2]);
    }
    return places.length;
  }

  private fits(n: number): boolean {
    if (this.valueBytes === 0) return n > 0 && n <= MAX_VALUE;
    return n === this.valueBytes || (n === 4 && this.words[Head.Type] === DatasetType.Ip);
  }

  /** An IPv4 address among IPv6 ones: kept in their form. */
  private isMapped(n: number): boolean {
    return this.valueBytes === 16 && n === 4;
  }

  private map(mem: Uint8Array, off: number): Uint8Array {
    for (let i = 0; i < 4; i++) this.mapped[12 + i] = mem[off + i];
    return this.mapped;
  }

  private bucketOf(mem: Uint8Array, off: number, n: number): number {
    let h = this.words[Head.Seed] ^ n;
    for (let i = 0; i < n; i++) h = Math.imul(h ^ mem[off + i], 0x5bd1e995) ^ (h >>> 15);
    h = Math.imul(h ^ (h >>> 13), 0x85ebca6b);
    return (h ^ (h >>> 16)) & this.words[Head.Mask];
  }

  /** Position of the value's entry, 0: none. */
  private entry(bucket: number, mem: Uint8Array, off: number, n: number): number {
    const { words, bytes } = this;
    for (let e = words[BUCKETS_AT + bucket]; e !== 0; e = words[e]) {
      if ((words[e + 1] & 0xffff) !== n) continue;
      const first = 4 * (e + ENTRY);
      let i = 0;
      while (i < n && bytes[first + i] === mem[off + i]) i++;
      if (i === n) return e;
    }
    return 0;
  }

  /** Position of an entry for n bytes, 0: no room. Its class is set. */
  private room(n: number): number {
    const { words } = this;
    let size = 0;
    while (4 << size < n) size++;
    this.lock(ROOM_LOCK);
    let e = words[FREE_AT + size];
    if (e !== 0) words[FREE_AT + size] = words[e];
    else if (words[Head.Top] + ENTRY + (1 << size) <= words.length) {
      e = words[Head.Top];
      words[Head.Top] = e + ENTRY + (1 << size);
      words[e + 1] = size << 16;
    }
    this.release(ROOM_LOCK);
    return e;
  }

  private lock(which: number): void {
    if (this.shared) spinLock(this.words, LOCKS_AT + which);
  }

  private release(which: number): void {
    if (this.shared) spinUnlock(this.words, LOCKS_AT + which);
  }
}
