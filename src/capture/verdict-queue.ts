/**
 * The verdicts of one netfilter queue: decided in any order, given to the kernel in as few messages as possible.
 *
 * The kernel keeps the packets of a queue in the order of their ids. One batch verdict answers all of them up to an id
 * (NFQNL_MSG_VERDICT_BATCH, linux/netfilter/nfnetlink_queue.h) with one verdict and one mark, so it may only name an
 * id before which everything is decided alike:
 *
 *   ids        | 41 accept | 42 accept | 43 accept | 44 drop | 45 pending | 46 accept | 47 accept | ...
 *              |------------ run ------------------| - run - |   head     |--- decided behind it ---|
 *
 * Packets decided at the head join the run that is open; another verdict, another mark, `batchCount` packets, a queue
 * that ran dry or the deadline close it. When the head stays undecided past the deadline (one worker is slow), the
 * packets behind it are answered one by one. A rewritten packet is answered by itself at once, with its bytes. Whatever
 * overtakes the head, of two decided packets the earlier one leaves first: packets of a flow stay in order.
 *
 * Packets are slots in a list in the order of their ids: next[], previous[] (-1: none), the free ones on a stack.
 */
import { BATCH_BOUNDS, Counter } from '../metrics/counters.js';
import { type Native, native } from '../native.js';
import { MAX_BATCH, VerdictWord } from './frames.js';

const SECOND_US = 1_000_000;
/** Any longer time is as long: keeps microseconds in an int32. */
const LONG_US = 0x3fffffff;

export class VerdictQueue {
  /** 1: decided, but behind a head that is not. */
  private readonly decided: Uint8Array;
  private readonly ids: Int32Array;
  private readonly verdicts: Int32Array;
  private readonly marks: Int32Array;
  private readonly hasMark: Uint8Array;
  private readonly seconds: Int32Array;
  private readonly micros: Int32Array;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly free: Int32Array;
  private freeCount: number;
  private head = -1;
  private tail = -1;
  /** Packets decided, but behind a pending head. */
  private behind = 0;
  private lastSweepSec = 0;
  private lastSweepUs = 0;

  // The open run
  private runCount = 0;
  private runLast = 0;
  private runVerdict = 0;
  private runMark = 0;
  private runHasMark = 0;
  private runSec = 0;
  private runUs = 0;

  private readonly messages = new Int32Array(MAX_BATCH * VerdictWord.Words);
  private messageCount = 0;
  private readonly result = new Int32Array(2);

  /** `window`: most packets undecided at once. `now`: seconds and nanoseconds (native.clock). */
  constructor(
    private readonly handle: number,
    window: number,
    private readonly batchCount: number,
    private readonly deadlineUs: number,
    private readonly now: Int32Array,
    private readonly counters: Float64Array,
    private readonly kernel: Pick<Native, 'queueVerdict'> = native,
  ) {
    this.decided = new Uint8Array(window);
    this.ids = new Int32Array(window);
    this.verdicts = new Int32Array(window);
    this.marks = new Int32Array(window);
    this.hasMark = new Uint8Array(window);
    this.seconds = new Int32Array(window);
    this.micros = new Int32Array(window);
    this.next = new Int32Array(window);
    this.previous = new Int32Array(window);
    this.free = Int32Array.from({ length: window }, (_, i) => window - 1 - i);
    this.freeCount = window;
  }

  /** Packets without a verdict, or with one that waits behind such a packet. */
  get waiting(): number {
    return this.free.length - this.freeCount;
  }

  /** Decided packets wait behind a head that is not. */
  get impatient(): boolean {
    return this.behind > 0;
  }

  /** The next packet of the queue. Returns its ticket, 0 to window - 1. The caller leaves no more than `window` undecided. */
  add(id: number): number {
    if (this.freeCount === 0) this.overtake(-1);
    if (this.freeCount === 0) throw new RangeError('verdict queue: more packets undecided than its window holds');
    const ticket = this.free[--this.freeCount];
    this.ids[ticket] = id;
    this.decided[ticket] = 0;
    this.seconds[ticket] = this.now[0];
    this.micros[ticket] = (this.now[1] / 1000) | 0;
    this.next[ticket] = -1;
    this.previous[ticket] = this.tail;
    if (this.tail >= 0) this.next[this.tail] = ticket;
    else this.head = ticket;
    this.tail = ticket;
    return ticket;
  }

  /** `verdict`: NF_*. Takes effect with flush(). */
  decide(ticket: number, verdict: number, mark: number, hasMark: number): void {
    this.decided[ticket] = 1;
    this.verdicts[ticket] = verdict;
    this.marks[ticket] = mark;
    this.hasMark[ticket] = hasMark;
    this.behind++;
    if (ticket === this.head) this.advance();
  }

  /** Answers with other bytes: a message of its own, which overtakes the undecided packets before it. */
  decideRewritten(ticket: number, verdict: number, mark: number, hasMark: number, region: number, offset: number, length: number): void {
    this.overtake(ticket);
    this.message(this.ids[ticket], 0, verdict, mark, hasMark, region, offset, length);
    this.sent(1);
    const wasHead = ticket === this.head;
    this.remove(ticket);
    if (wasHead) this.advance();
  }

  /** Sends what is due: all that is decided when the queue ran `dry`. False: there was nothing to send. */
  flush(dry: boolean): boolean {
    if (this.behind > 0 && this.overdue(this.seconds[this.head], this.micros[this.head])) this.sweep();
    if (this.runCount > 0 && (dry || this.overdue(this.runSec, this.runUs))) this.close();
    if (this.messageCount === 0) return false;
    this.send();
    return true;
  }

  /** Moves what is decided from the head into runs. */
  private advance(): void {
    for (let ticket = this.head; ticket >= 0 && this.decided[ticket] === 1; ticket = this.head) {
      this.join(ticket);
      this.behind--;
      this.remove(ticket);
    }
  }

  private remove(ticket: number): void {
    const next = this.next[ticket];
    const previous = this.previous[ticket];
    if (previous >= 0) this.next[previous] = next;
    else this.head = next;
    if (next >= 0) this.previous[next] = previous;
    else this.tail = previous;
    this.free[this.freeCount++] = ticket;
  }

  private join(ticket: number): void {
    const verdict = this.verdicts[ticket];
    const mark = this.marks[ticket];
    const hasMark = this.hasMark[ticket];
    if (this.runCount > 0 && (verdict !== this.runVerdict || hasMark !== this.runHasMark || mark !== this.runMark)) this.close();
    if (this.runCount === 0) {
      this.runVerdict = verdict;
      this.runMark = mark;
      this.runHasMark = hasMark;
      this.runSec = this.seconds[ticket];
      this.runUs = this.micros[ticket];
    }
    this.runLast = this.ids[ticket];
    if (++this.runCount >= this.batchCount) this.close();
  }

  private close(): void {
    this.message(this.runLast, this.runCount > 1 ? 1 : 0, this.runVerdict, this.runMark, this.runHasMark, 0, 0, 0);
    this.sent(this.runCount);
    this.runCount = 0;
  }

  /** Once per deadline: the search is as long as the list. */
  private sweep(): void {
    if (!this.overdue(this.lastSweepSec, this.lastSweepUs)) return;
    this.lastSweepSec = this.now[0];
    this.lastSweepUs = (this.now[1] / 1000) | 0;
    this.overtake(-1);
  }

  /** Answers what is decided: the open run, then what waits behind the head as far as the packet `end` (-1: all), one by one. */
  private overtake(end: number): void {
    if (this.runCount > 0) this.close();
    for (let ticket = this.head; ticket >= 0 && ticket !== end && this.behind > 0; ) {
      const next = this.next[ticket];
      if (this.decided[ticket] === 1) {
        this.message(this.ids[ticket], 0, this.verdicts[ticket], this.marks[ticket], this.hasMark[ticket], 0, 0, 0);
        this.sent(1);
        this.behind--;
        this.remove(ticket);
      }
      ticket = next;
    }
  }

  private overdue(seconds: number, micros: number): boolean {
    const ds = (this.now[0] - seconds) | 0;
    const us = ds > 1000 || ds < 0 ? LONG_US : (ds * SECOND_US + ((this.now[1] / 1000) | 0) - micros) | 0;
    return us >= this.deadlineUs;
  }

  private message(
    id: number,
    upTo: number,
    verdict: number,
    mark: number,
    hasMark: number,
    region: number,
    offset: number,
    length: number,
  ): void {
    if (this.messageCount === MAX_BATCH) this.send();
    const m = this.messageCount++ * VerdictWord.Words;
    const words = this.messages;
    words[m + VerdictWord.PacketId] = id;
    words[m + VerdictWord.UpTo] = upTo;
    words[m + VerdictWord.Verdict] = verdict;
    words[m + VerdictWord.Mark] = mark;
    words[m + VerdictWord.HasMark] = hasMark;
    words[m + VerdictWord.Region] = region;
    words[m + VerdictWord.Offset] = offset;
    words[m + VerdictWord.Length] = length;
  }

  /** Counts one message that answers `packets`. */
  private sent(packets: number): void {
    const c = this.counters;
    let bucket = 0;
    while (bucket < BATCH_BOUNDS.length && packets > BATCH_BOUNDS[bucket]) bucket++;
    c[Counter.BatchSize + bucket]++;
    c[Counter.BatchSizeSum] += packets;
  }

  private send(): void {
    const r = this.result;
    r[0] = r[1] = 0;
    this.kernel.queueVerdict(this.handle, this.messages, this.messageCount, r);
    this.counters[Counter.VerdictMessages] += r[0];
    this.counters[Counter.VerdictErrors] += r[1];
    this.messageCount = 0;
  }
}
