import { Counter } from '../../metrics/counters.js';
import type { EventRing } from '../../ring/event-ring.js';
import { AppHeap } from '../heap.js';
import { STORE_BYTES, STORE_TYPE, StoreAt, StoreBit } from './store-record.js';

/** Bytes that wait for a rule, or for room in the ring, of one thread. Address space: pages that are never used cost nothing. */
const HEAP_BYTES = 64 << 20;
const PIECE_BYTES = STORE_BYTES;
/** A piece: the next one as offset + 1, bytes in it; then those. */
const PIECE_HEAD = 8;
const PIECE_ROOM = PIECE_BYTES - PIECE_HEAD;
const RECORD_ROOM = StoreAt.Bytes + PIECE_ROOM;
const DIGEST_BYTES = 32;
/** This part of the ring is left to alerts. */
const SPARE = 4;

const enum Word {
  /** Pieces as offset + 1, 0: none. */
  First = 0,
  Last,
  Bits,
  /** Of the next entry in the queue (free: the next free one), -1: none. */
  Next,
  /** EVE's file_id; 0: none yet. */
  Id,
  Words,
}

const enum Bit {
  Decided = 1,
  Ended = 2,
  /** There was no room for all of it. */
  Lost = 4,
  /** Its first record was written. */
  Begun = 8,
  Queued = 16,
  /** Nobody knows its number any more. */
  Dropped = 32,
}

/**
 * Bytes of files on their way to the file store (outputs: file-store): kept here until a rule with `filestore` matches, then handed to
 * whoever writes the logs, as records of the event ring, while that has room. Nothing here waits.
 *
 *   open ── data* ── decide ── data* ── end ── drop          not decided when it is dropped: given back
 *                      │
 *                      └► queue ── pump ──► ring             full pieces, and all of it at its end
 */
export class FileStore {
  private readonly heap = new AppHeap(HEAP_BYTES);
  private readonly heapWords = new Int32Array(this.heap.bytes.buffer);
  private readonly words: Int32Array;
  private readonly digests: Uint8Array;
  private free = -1;
  private highWater = 0;
  private head = -1;
  private tail = -1;
  private ids = 0;
  /** Records written to the ring so far. */
  records = 0;

  /** `thread`: number among all detecting threads, for ids. */
  constructor(
    private readonly capacity: number,
    private readonly thread: number,
    private readonly counters: Float64Array,
  ) {
    this.words = new Int32Array(capacity * Word.Words);
    this.digests = new Uint8Array(capacity * DIGEST_BYTES);
  }

  /** Something waits for the ring. */
  get pending(): boolean {
    return this.head >= 0;
  }

  /** Number of a new entry, -1: there are too many. */
  open(): number {
    let entry = this.free;
    if (entry >= 0) this.free = this.words[entry * Word.Words + Word.Next];
    else if (this.highWater < this.capacity) entry = this.highWater++;
    else return -1;
    this.words.fill(0, entry * Word.Words, (entry + 1) * Word.Words);
    return entry;
  }

  data(entry: number, mem: Uint8Array, off: number, len: number): void {
    const { words, heap, heapWords } = this;
    const at = entry * Word.Words;
    if ((words[at + Word.Bits] & (Bit.Lost | Bit.Ended)) !== 0) return;
    const { bytes } = heap;
    for (let from = off; from < off + len; ) {
      let piece = words[at + Word.Last] - 1;
      if (piece < 0 || heapWords[(piece >> 2) + 1] === PIECE_ROOM) {
        const fresh = heap.take(PIECE_BYTES);
        if (fresh < 0) {
          this.lose(entry, at);
          return;
        }
        heapWords[fresh >> 2] = 0;
        heapWords[(fresh >> 2) + 1] = 0;
        if (piece >= 0) heapWords[piece >> 2] = fresh + 1;
        else words[at + Word.First] = fresh + 1;
        words[at + Word.Last] = fresh + 1;
        piece = fresh;
      }
      const used = heapWords[(piece >> 2) + 1];
      const n = Math.min(off + len - from, PIECE_ROOM - used);
      const to = piece + PIECE_HEAD + used;
      for (let i = 0; i < n; i++) bytes[to + i] = mem[from + i];
      heapWords[(piece >> 2) + 1] = used + n;
      from += n;
    }
    this.offer(entry, at);
  }

  /** It is to be stored. */
  decide(entry: number): void {
    const { words } = this;
    const at = entry * Word.Words;
    if ((words[at + Word.Bits] & Bit.Decided) !== 0) return;
    words[at + Word.Bits] |= Bit.Decided;
    this.ids = (this.ids % 0xffffff) + 1;
    words[at + Word.Id] = this.ids + (this.thread & 0x7f) * 0x1000000;
    if ((words[at + Word.Bits] & Bit.Lost) !== 0) this.counters[Counter.FilesNotStored]++;
    else this.offer(entry, at);
  }

  /** EVE's file_id when the entry is to be stored, and nothing of it was lost; else 0. */
  idOf(entry: number): number {
    return (this.words[entry * Word.Words + Word.Bits] & Bit.Lost) !== 0 ? 0 : this.words[entry * Word.Words + Word.Id];
  }

  /** Nothing more of it comes; its SHA-256 stands at digests[from]. */
  end(entry: number, digests: Uint8Array, from: number): void {
    const at = entry * Word.Words;
    if ((this.words[at + Word.Bits] & Bit.Ended) !== 0) return;
    this.words[at + Word.Bits] |= Bit.Ended;
    for (let i = 0; i < DIGEST_BYTES; i++) this.digests[entry * DIGEST_BYTES + i] = digests[from + i];
    this.offer(entry, at);
  }

  /** Whoever had the number forgets it. */
  drop(entry: number): void {
    const at = entry * Word.Words;
    const bits = this.words[at + Word.Bits];
    this.words[at + Word.Bits] |= Bit.Dropped;
    // Its end was not told.
    if ((bits & (Bit.Decided | Bit.Ended | Bit.Lost)) === Bit.Decided) this.lose(entry, at);
    if ((this.words[at + Word.Bits] & Bit.Queued) === 0) this.forget(entry, at);
  }

  /** Moves what is to be stored into the ring as long as that has room to spare. */
  pump(ring: EventRing): void {
    const { words } = this;
    while (this.head >= 0) {
      const entry = this.head;
      const at = entry * Word.Words;
      if (!this.write(entry, at, ring)) return;
      this.head = words[at + Word.Next];
      if (this.head < 0) this.tail = -1;
      words[at + Word.Bits] &= ~Bit.Queued;
      if ((words[at + Word.Bits] & Bit.Dropped) !== 0) this.forget(entry, at);
    }
  }

  /** The end, and nobody reads the ring any more: counts the files of which the writer does not have all. */
  abandon(): void {
    const { words } = this;
    for (let at = 0; at < this.highWater * Word.Words; at += Word.Words) {
      const bits = words[at + Word.Bits];
      if ((bits & (Bit.Decided | Bit.Lost)) !== Bit.Decided) continue;
      if ((bits & Bit.Queued) !== 0 || (bits & (Bit.Ended | Bit.Dropped)) === 0) this.counters[Counter.FilesNotStored]++;
    }
  }

  close(): void {
    this.heap.close();
  }

  /** Queues it when there is a record to write. */
  private offer(entry: number, at: number): void {
    const { words } = this;
    const bits = words[at + Word.Bits];
    if ((bits & Bit.Decided) === 0 || (bits & Bit.Queued) !== 0) return;
    const isFull = words[at + Word.First] !== words[at + Word.Last];
    if (!isFull && (bits & (Bit.Ended | Bit.Lost)) === 0) return;
    words[at + Word.Bits] |= Bit.Queued;
    words[at + Word.Next] = -1;
    if (this.tail >= 0) words[this.tail * Word.Words + Word.Next] = entry;
    else this.head = entry;
    this.tail = entry;
  }

  /** Writes what there is of it; false: the ring has no room for more. */
  private write(entry: number, at: number, ring: EventRing): boolean {
    const { words, heapWords, heap } = this;
    const room = ring.bytes.length / SPARE / RECORD_ROOM + 1;
    for (;;) {
      const bits = words[at + Word.Bits];
      const piece = words[at + Word.First] - 1;
      const isLast = piece < 0 || heapWords[piece >> 2] === 0;
      if ((bits & Bit.Lost) !== 0) {
        if ((bits & Bit.Begun) === 0) return true;
      } else if (isLast && (bits & Bit.Ended) === 0) return true;
      if (ring.room(RECORD_ROOM) < room) return false;
      const n = piece < 0 ? 0 : heapWords[(piece >> 2) + 1];
      const to = ring.reserve(StoreAt.Bytes + n);
      if (to < 0) return false;
      const isGone = (bits & Bit.Lost) !== 0;
      const { bytes, view } = ring;
      bytes.fill(0, to, to + StoreAt.Bytes);
      bytes[to + StoreAt.Type] = STORE_TYPE;
      bytes[to + StoreAt.Bits] = ((bits & Bit.Begun) === 0 ? StoreBit.First : 0) | (isGone ? StoreBit.Gone : isLast ? StoreBit.Last : 0);
      view.setUint32(to + StoreAt.Id, words[at + Word.Id], true);
      view.setUint32(to + StoreAt.Length, n, true);
      if (isLast) for (let i = 0; i < DIGEST_BYTES; i++) bytes[to + StoreAt.Digest + i] = this.digests[entry * DIGEST_BYTES + i];
      for (let i = 0; i < n; i++) bytes[to + StoreAt.Bytes + i] = heap.bytes[piece + PIECE_HEAD + i];
      ring.commit();
      this.records++;
      words[at + Word.Bits] = isGone ? bits & ~Bit.Begun : bits | Bit.Begun;
      if (piece >= 0) {
        words[at + Word.First] = heapWords[piece >> 2];
        if (isLast) words[at + Word.Last] = 0;
        heap.give(piece, PIECE_BYTES);
      }
      if (isGone || isLast) return true;
    }
  }

  private lose(entry: number, at: number): void {
    this.words[at + Word.Bits] |= Bit.Lost;
    this.empty(at);
    if ((this.words[at + Word.Bits] & Bit.Decided) !== 0) this.counters[Counter.FilesNotStored]++;
    if ((this.words[at + Word.Bits] & Bit.Begun) !== 0) this.offer(entry, at);
  }

  private forget(entry: number, at: number): void {
    this.empty(at);
    this.words[at + Word.Next] = this.free;
    this.free = entry;
  }

  private empty(at: number): void {
    const { words, heapWords } = this;
    for (let piece = words[at + Word.First] - 1; piece >= 0; ) {
      const next = heapWords[piece >> 2] - 1;
      this.heap.give(piece, PIECE_BYTES);
      piece = next;
    }
    words[at + Word.First] = 0;
    words[at + Word.Last] = 0;
  }
}
