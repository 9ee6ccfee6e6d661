import { native } from '../../native.js';
import { copy } from './copy.js';
import { Line } from './layout.js';

export const PAGE_SHIFT = 12;
export const PAGE_BYTES = 1 << PAGE_SHIFT;
const WITHIN = PAGE_BYTES - 1;

/**
 * The bytes of all streams of a thread, in pages of a pool: one region that the addon knows, at most `memcap` bytes. A page
 * holds the bytes of one stretch of numbers (its key: a multiple of PAGE_BYTES, which sequence numbers wrap at, too); a
 * direction has a list of pages by key. Memory that is never used costs nothing.
 *
 *   Line.PageHead ─► page ─next─► page ─next─► -1        bytes of page n at n * PAGE_BYTES
 *
 * A page given back keeps its bytes until the next packet: whoever was fed from it may refer to them.
 */
export class Pages {
  readonly bytes: Uint8Array;
  readonly region: number;
  readonly capacity: number;
  /** Pages that can be taken. */
  free: number;
  private readonly key: Int32Array;
  private readonly next: Int32Array;
  private freeHead = -1;
  private readHead = -1;
  private highWater = 0;
  /** The page found last, and whose it is: a stream is read forwards. */
  private cursorOf = -1;
  private cursor = 0;

  constructor(
    memcap: number,
    private readonly lines: Int32Array,
  ) {
    this.capacity = Math.max(1, Math.min(Math.floor(memcap / (PAGE_BYTES + 8)), (1 << 30) >> PAGE_SHIFT));
    this.free = this.capacity;
    const buffer = new ArrayBuffer(this.capacity * PAGE_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.region = native.region(buffer);
    this.key = new Int32Array(this.capacity);
    this.next = new Int32Array(this.capacity);
  }

  /** Most pages that a stretch of `length` bytes at `seq` lies on. */
  static needed(seq: number, length: number): number {
    return ((seq & WITHIN) + length + WITHIN) >> PAGE_SHIFT;
  }

  /** Page + 1 that holds number `seq`, or 0. */
  private find(at: number, seq: number): number {
    const { key, next, lines } = this;
    const wanted = seq & ~WITHIN;
    const tail = lines[at + Line.PageTail];
    if (tail === 0) return 0;
    if (key[tail - 1] === wanted) return tail;
    let page = lines[at + Line.PageHead] - 1;
    if (this.cursorOf === at && ((key[this.cursor] - wanted) | 0) <= 0) page = this.cursor;
    for (; page >= 0; page = next[page]) {
      const over = (key[page] - wanted) | 0;
      if (over > 0) return 0;
      if (over < 0) continue;
      this.cursorOf = at;
      this.cursor = page;
      return page + 1;
    }
    return 0;
  }

  /** Where the bytes from `seq` on lie, and in `run` how many of `length` lie there in one piece. They must be held. */
  run = 0;
  locate(at: number, seq: number, length: number): number {
    const page = this.find(at, seq) - 1;
    const within = seq & WITHIN;
    let have = PAGE_BYTES - within;
    for (let last = page; have < length; last++) {
      if (this.next[last] !== last + 1 || this.key[last + 1] !== ((this.key[last] + PAGE_BYTES) | 0)) break;
      have += PAGE_BYTES;
    }
    this.run = have < length ? have : length;
    return (page << PAGE_SHIFT) + within;
  }

  /** Writes bytes, on new pages where there are none. The caller has seen to it that enough are free. */
  write(at: number, seq: number, mem: Uint8Array, region: number, off: number, len: number): void {
    let before = -1;
    for (let done = 0; done < len; ) {
      const here = (seq + done) | 0;
      const within = here & WITHIN;
      let n = PAGE_BYTES - within;
      if (n > len - done) n = len - done;
      before = this.ensure(at, here & ~WITHIN, before);
      copy(this.bytes, this.region, (before << PAGE_SHIFT) + within, mem, region, off + done, n);
      done += n;
    }
  }

  /** True when the bytes held from `seq` on are these. */
  equal(at: number, seq: number, mem: Uint8Array, off: number, len: number): boolean {
    const { bytes } = this;
    for (let done = 0; done < len; ) {
      const from = this.locate(at, (seq + done) | 0, len - done);
      const n = this.run;
      for (let i = 0; i < n; i++) if (bytes[from + i] !== mem[off + done + i]) return false;
      done += n;
    }
    return true;
  }

  /** The page of that key. `before`: a page of the direction with a lower key, or -1. */
  private ensure(at: number, wanted: number, before: number): number {
    const { key, next, lines } = this;
    const tail = lines[at + Line.PageTail] - 1;
    let last = -1;
    if (tail >= 0) {
      const behind = (wanted - key[tail]) | 0;
      if (behind === 0) return tail;
      if (behind > 0) last = tail;
      else {
        let page = lines[at + Line.PageHead] - 1;
        if (before >= 0) {
          last = before;
          page = next[before];
        }
        for (; page >= 0; page = next[page]) {
          const over = (key[page] - wanted) | 0;
          if (over === 0) return page;
          if (over > 0) break;
          last = page;
        }
      }
    }
    const page = this.take();
    key[page] = wanted;
    if (last < 0) {
      next[page] = lines[at + Line.PageHead] - 1;
      lines[at + Line.PageHead] = page + 1;
    } else {
      next[page] = next[last];
      next[last] = page;
    }
    if (next[page] < 0) lines[at + Line.PageTail] = page + 1;
    lines[at + Line.Pages]++;
    return page;
  }

  private take(): number {
    this.free--;
    const page = this.freeHead;
    if (page < 0) return this.highWater++;
    this.freeHead = this.next[page];
    return page;
  }

  /** Gives back the pages that lie before `seq` as a whole. */
  trim(at: number, seq: number): void {
    const { key, next, lines } = this;
    this.cursorOf = -1;
    for (let page = lines[at + Line.PageHead] - 1; page >= 0 && ((key[page] + PAGE_BYTES - seq) | 0) <= 0; ) {
      const after = next[page];
      next[page] = this.readHead;
      this.readHead = page;
      lines[at + Line.PageHead] = after + 1;
      if (after < 0) lines[at + Line.PageTail] = 0;
      lines[at + Line.Pages]--;
      page = after;
    }
  }

  releaseAll(at: number): void {
    const { next, lines } = this;
    this.cursorOf = -1;
    for (let page = lines[at + Line.PageHead] - 1; page >= 0; ) {
      const after = next[page];
      next[page] = this.readHead;
      this.readHead = page;
      page = after;
    }
    lines[at + Line.PageHead] = 0;
    lines[at + Line.PageTail] = 0;
    lines[at + Line.Pages] = 0;
  }

  /** A new packet: what was given back may be used again. */
  reclaim(): void {
    const { next } = this;
    while (this.readHead >= 0) {
      const page = this.readHead;
      this.readHead = next[page];
      next[page] = this.freeHead;
      this.freeHead = page;
      this.free++;
    }
  }

  close(): void {
    native.regionRelease(this.region);
  }
}
