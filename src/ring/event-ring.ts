/**
 * A small single-producer single-consumer ring for event records (alerts, drops, flow ends):
 * detection worker -> output writers, across processes, over a memfd; or inside one thread over
 * any buffer. Variable-length records, never split over the end.
 *
 *   byte 0        64          128                        128 + capacity
 *   | head        | tail      | records ...              |
 *   | (producer)  | (consumer)| [i32 length | payload 8-byte aligned] [length -1: skip to start]
 *
 * head and tail are free-running int32 byte counts on cache lines of their own; capacity is a power
 * of two, so `count & (capacity - 1)` is the position, wrap-around of the counts included.
 *
 *   who            may call
 *   producer       room, reserve, commit
 *   consumer       peek, length, release
 *   either         bytes, view (only inside a record it owns)
 *
 * A full ring refuses (reserve returns -1): the producer counts the loss and goes on, it never waits.
 */
const HEAD = 0;
const TAIL = 16;
const RECORDS_BYTE = 128;
const LENGTH_BYTES = 8;
const SKIP = -1;

export class EventRing {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Payload length of the record that `peek` found. */
  length = 0;
  private readonly words: Int32Array;
  private readonly mask: number;
  private reservedHead = 0;
  private peekedTail = 0;

  /** Bytes of shared memory for a ring of `capacity` (a power of two). */
  static bytesFor(capacity: number): number {
    return RECORDS_BYTE + capacity;
  }

  constructor(
    buffer: ArrayBufferLike,
    private readonly capacity: number,
    at = 0,
  ) {
    if (capacity < 1024 || (capacity & (capacity - 1)) !== 0)
      throw new RangeError(`event ring: capacity ${capacity} is not a power of two of at least 1024`);
    this.words = new Int32Array(buffer, at, (RECORDS_BYTE + capacity) >> 2);
    this.bytes = new Uint8Array(buffer, at, RECORDS_BYTE + capacity);
    this.view = new DataView(buffer, at, RECORDS_BYTE + capacity);
    this.mask = capacity - 1;
  }

  /** Producer: room for `length` contiguous payload bytes. Returns their offset in `bytes`, or -1 when full. */
  reserve(length: number): number {
    const size = LENGTH_BYTES + ((length + 7) & ~7);
    let head = Atomics.load(this.words, HEAD);
    const tail = Atomics.load(this.words, TAIL);
    let at = head & this.mask;
    const toEnd = this.capacity - at;
    const pad = size > toEnd ? toEnd : 0;
    if (((head - tail) | 0) + pad + size > this.capacity) return -1;
    if (pad > 0) {
      this.words[(RECORDS_BYTE + at) >> 2] = SKIP;
      head = (head + pad) | 0;
      at = 0;
    }
    this.words[(RECORDS_BYTE + at) >> 2] = length;
    this.reservedHead = (head + size) | 0;
    return RECORDS_BYTE + at + LENGTH_BYTES;
  }

  /** Producer: records of `length` bytes that are sure to fit now, one after the other. */
  room(length: number): number {
    const used = (Atomics.load(this.words, HEAD) - Atomics.load(this.words, TAIL)) | 0;
    // One record's worth may be lost to the skip at the end.
    const count = Math.trunc((this.capacity - used) / (LENGTH_BYTES + ((length + 7) & ~7))) - 1;
    return count > 0 ? count : 0;
  }

  /** Producer: hands the reserved record to the consumer. */
  commit(): void {
    Atomics.store(this.words, HEAD, this.reservedHead);
  }

  /** Consumer: offset of the next record's payload in `bytes`, or -1 when empty. */
  peek(): number {
    const head = Atomics.load(this.words, HEAD);
    let tail = Atomics.load(this.words, TAIL);
    if (tail === head) return -1;
    let at = tail & this.mask & ~7;
    let length = this.words[(RECORDS_BYTE + at) >> 2];
    if (length === SKIP) {
      tail = (tail + this.capacity - at) | 0;
      at = 0;
      length = this.words[RECORDS_BYTE >> 2];
    }
    // The producer lives in a process that parses hostile bytes: believe neither its length nor its counts.
    const size = LENGTH_BYTES + ((length + 7) & ~7);
    if (length < 0 || length > this.capacity || at + size > this.capacity || ((head - tail) | 0) < size) {
      Atomics.store(this.words, TAIL, head);
      return -1;
    }
    this.length = length;
    this.peekedTail = (tail + size) | 0;
    return RECORDS_BYTE + at + LENGTH_BYTES;
  }

  /** Consumer: gives the peeked record's room back. */
  release(): void {
    Atomics.store(this.words, TAIL, this.peekedTail);
  }
}
