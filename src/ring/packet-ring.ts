/**
 * The packet ring: capture thread -> detection worker and back, in a memfd mapped by two processes.
 * The record carries its verdict back in place, so there is no second ring and no message.
 *
 *   who        may call (class)                                             owns
 *   capture    reserve, publish, reset, completed, release (Producer)       head, epoch, records not yet published
 *   worker     refresh, next, decide, publish (Consumer)                    done, records between done and head
 *
 *   byte 0        64         128        192 ...                 4096                4096 + capacity
 *   | epoch       | head     | tail     | done[epoch & 7]       | records ...       |
 *   | capture     | capture  | capture  | worker, 64 B each     |                   |
 *
 * head is a free-running int32 byte count, done a free-running count of records; a ring's life begins
 * anew with each epoch (both 0). A record:
 *
 *   word 0 size | 1 captured | 2 wire | 3 link type << 8 | flags | 4 s | 5 ns | 6 source | 7 epoch
 *        8 epoch << 8 | verdict | 9 reason | 10 mark | 11 mark mask | 12 answer | byte 54: virtio_net_hdr | byte 64: frame ...
 *
 * Size is a multiple of 64 and records never wrap: size -1 means "go on at the start".
 *
 * Who trusts whom: the worker parses hostile bytes, so capture believes nothing it reads back but the
 * verdict, reason and done words, each checked; offsets and lengths stay in its private FIFO. An epoch
 * tag on the verdict and a `done` word of its own per epoch keep a late or dead worker from speaking
 * for records that are no longer its own.
 */
export const PACKET_RING_HEADER = 4096;
export const RECORD_HEADER = 64;
/** Most records in flight per ring. */
export const RING_WINDOW = 2048;
const EPOCH = 0;
const HEAD = 16;
const TAIL = 32;
const DONE = 48;
const LINE_WORDS = 16;
const SKIP = -1;

/** Words of a record, from its first. */
export const enum Rec {
  Size = 0,
  Captured = 1,
  Wire = 2,
  Flags = 3,
  Seconds = 4,
  Nanoseconds = 5,
  Source = 6,
  Epoch = 7,
  // Written by the worker
  Verdict = 8,
  Reason = 9,
  /** The packet's netfilter mark becomes (mark & ~mask) | (Mark & mask); mask 0 leaves it. */
  Mark = 10,
  MarkMask = 11,
  /** See Side in verdict.ts. */
  Answer = 12,
}

/** Low byte of Rec.Flags; the link type (LINKTYPE_*) is above it. */
export const enum RecFlag {
  /** The transport checksum needs no validation. */
  CsumSettled = 1,
  Ips = 2,
  /** The transport checksum holds the pseudo-header only: whoever sends the packet completes it. */
  CsumPartial = 4,
  /** Netfilter rules chose this packet: its flow may be seen in one direction only. */
  Selective = 8,
}
export const REC_LINK_SHIFT = 8;

function doneWord(base: number, epoch: number): number {
  return base + DONE + (epoch & 7) * LINE_WORDS;
}

/** Capture side. `window`: most records in flight, a power of two. */
export class PacketRingProducer {
  /** Byte offset in the arena of the record `reserve` found. */
  at = 0;
  inFlight = 0;
  epoch = 0;
  /** Private FIFO of the records in flight, by index & mask: what to send, where, and when it came. */
  readonly mask: number;
  readonly recordAt: Int32Array;
  readonly length: Int32Array;
  readonly source: Int32Array;
  readonly seconds: Int32Array;
  readonly nanoseconds: Int32Array;
  /** What the source calls the packet (Source.admit). */
  readonly ticket: Int32Array;
  /** FIFO index of the oldest record in flight. */
  first = 0;
  private readonly bytes: Int32Array;
  private readonly base: number;
  private readonly recordsAt: number;
  private head = 0;
  private tail = 0;
  private reserved = 0;
  /** Records given back in this epoch, to compare with the worker's done count. */
  private released = 0;

  constructor(
    readonly words: Int32Array,
    at: number,
    private readonly capacity: number,
    readonly window: number,
  ) {
    if ((capacity & (capacity - 1)) !== 0 || (window & (window - 1)) !== 0)
      throw new RangeError('packet ring: sizes must be powers of two');
    this.base = at >> 2;
    this.recordsAt = at + PACKET_RING_HEADER;
    this.mask = window - 1;
    this.recordAt = new Int32Array(window);
    this.length = new Int32Array(window);
    this.source = new Int32Array(window);
    this.seconds = new Int32Array(window);
    this.nanoseconds = new Int32Array(window);
    this.ticket = new Int32Array(window);
    this.bytes = new Int32Array(window);
    this.epoch = Atomics.load(words, this.base + EPOCH);
    this.reset();
  }

  /** Begins a new epoch with an empty ring. What was in flight must have been decided before. */
  reset(): void {
    this.epoch = ((this.epoch + 1) & 0x3fffff) | 0;
    this.head = this.tail = this.reserved = this.released = this.inFlight = this.first = 0;
    Atomics.store(this.words, this.base + HEAD, 0);
    Atomics.store(this.words, this.base + TAIL, 0);
    Atomics.store(this.words, doneWord(this.base, this.epoch), 0);
    Atomics.store(this.words, this.base + EPOCH, this.epoch);
  }

  /**
   * Room for a frame of `length` bytes. Returns the FIFO index of the new record, whose frame goes to
   * byte `at + RECORD_HEADER`; -1 when ring or window is full. The caller fills the record's words and
   * FIFO fields; the worker sees nothing before publish().
   */
  reserve(length: number): number {
    if (!this.hasRoom(length)) return -1;
    const size = (RECORD_HEADER + length + 63) & ~63;
    const position = this.reserved & (this.capacity - 1);
    const toEnd = this.capacity - position;
    const pad = size > toEnd ? toEnd : 0;
    let at = this.recordsAt + position;
    if (pad > 0) {
      this.words[at >> 2] = SKIP;
      at = this.recordsAt;
    }
    const index = (this.first + this.inFlight) & this.mask;
    this.inFlight++;
    this.reserved = (this.reserved + pad + size) | 0;
    this.bytes[index] = pad + size;
    this.recordAt[index] = at;
    this.length[index] = length;
    const w = at >> 2;
    this.words[w + Rec.Size] = size;
    this.words[w + Rec.Captured] = length;
    this.words[w + Rec.Epoch] = this.epoch;
    this.words[w + Rec.Verdict] = 0;
    this.at = at;
    return index;
  }

  /** True when reserve(length) would succeed. */
  hasRoom(length: number): boolean {
    const size = (RECORD_HEADER + length + 63) & ~63;
    const toEnd = this.capacity - (this.reserved & (this.capacity - 1));
    return this.inFlight <= this.mask && ((this.reserved - this.tail) | 0) + (size > toEnd ? toEnd : 0) + size <= this.capacity;
  }

  /** Hands all reserved records to the worker. Returns false when there was nothing new. */
  publish(): boolean {
    if (this.head === this.reserved) return false;
    this.head = this.reserved;
    Atomics.store(this.words, this.base + HEAD, this.head);
    return true;
  }

  /** Records in flight that the worker has decided, oldest first; -1 when the worker claims the impossible. */
  completed(): number {
    const done = (Atomics.load(this.words, doneWord(this.base, this.epoch)) - this.released) | 0;
    return done < 0 || done > this.inFlight ? -1 : done;
  }

  /** Gives the oldest `count` records' room back. */
  release(count: number): void {
    for (let i = 0; i < count; i++) this.tail = (this.tail + this.bytes[(this.first + i) & this.mask]) | 0;
    this.first = (this.first + count) & this.mask;
    this.inFlight -= count;
    this.released = (this.released + count) | 0;
    Atomics.store(this.words, this.base + TAIL, this.tail);
  }
}

/** Worker side. */
export class PacketRingConsumer {
  epoch = -1;
  private readonly base: number;
  private readonly recordsAt: number;
  private head = 0;
  private position = 0;
  private done = 0;

  constructor(
    readonly words: Int32Array,
    at: number,
    private readonly capacity: number,
    /** Word index of the capture thread's sleeping flag, and the eventfd that wakes it. */
    readonly captureFlag: number,
    readonly captureEvent: number,
  ) {
    this.base = at >> 2;
    this.recordsAt = at + PACKET_RING_HEADER;
  }

  /**
   * Attaches to the ring as it is. Records that a predecessor left undecided are not taken up: the
   * capture thread decides those by policy and begins a new epoch.
   */
  attach(): void {
    this.epoch = Atomics.load(this.words, this.base + EPOCH);
    this.head = this.position = Atomics.load(this.words, this.base + HEAD);
    this.done = Atomics.load(this.words, doneWord(this.base, this.epoch));
  }

  /** Sees what is new. Returns true when there is something to do. */
  refresh(): boolean {
    const epoch = Atomics.load(this.words, this.base + EPOCH);
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.position = this.done = 0;
    }
    this.head = Atomics.load(this.words, this.base + HEAD);
    const ahead = (this.head - this.position) | 0;
    return ahead > 0 && ahead <= this.capacity;
  }

  /** Byte offset of the next record, or -1 when all that refresh() saw is done. */
  next(): number {
    if (this.position === this.head) return -1;
    let at = this.position & (this.capacity - 1);
    let size = this.words[(this.recordsAt + at) >> 2];
    if (size === SKIP) {
      this.position = (this.position + this.capacity - at) | 0;
      at = 0;
      size = this.words[this.recordsAt >> 2];
    }
    // Only a ring that was reset under our feet can show this (a capture process started anew): wait for the next refresh.
    if (size < RECORD_HEADER || at + size > this.capacity || this.words[((this.recordsAt + at) >> 2) + Rec.Epoch] !== this.epoch) {
      this.position = this.head;
      return -1;
    }
    this.position = (this.position + size) | 0;
    return this.recordsAt + at;
  }

  /** Writes the verdict of the record at byte `at`; seen by capture after publish(). */
  decide(at: number, verdict: number, reason: number, mark: number, markMask: number, answer: number): void {
    const w = at >> 2;
    this.words[w + Rec.Reason] = reason;
    this.words[w + Rec.Mark] = mark;
    this.words[w + Rec.MarkMask] = markMask;
    this.words[w + Rec.Answer] = answer;
    this.words[w + Rec.Verdict] = (this.epoch << 8) | verdict;
    this.done = (this.done + 1) | 0;
  }

  publish(): void {
    Atomics.store(this.words, doneWord(this.base, this.epoch), this.done);
  }

  /** True exactly once when the capture thread sleeps and must be woken. */
  mustWake(): boolean {
    return Atomics.load(this.words, this.captureFlag) === 1 && Atomics.exchange(this.words, this.captureFlag, 0) === 1;
  }
}
