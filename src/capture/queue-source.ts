import type { NfqConfig } from '../config/config.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import { isOwnAnswer } from './answer-stamp.js';
import { FrameWord, Nf, QueueStat } from './frames.js';
import type { QueueSourcePlan } from './plan.js';
import type { Responder } from './reject.js';
import { Source } from './source.js';
import { VerdictQueue } from './verdict-queue.js';

/** One netfilter queue: packets wait in the kernel for their verdict. */
export class QueueSource extends Source {
  readonly handle: number;
  readonly selective = 1;
  /** The kernel keeps the whole packet; only our copy is short. */
  readonly losesTruncated = false;
  private readonly buffer: Uint8Array;
  private readonly verdicts: VerdictQueue;
  /** What becomes of a packet that may go on: NF_ACCEPT, NF_REPEAT, or NF_QUEUE to another queue. */
  private readonly onward: number;
  private readonly repeatMark: number;
  private readonly repeatMask: number;
  private readonly failOpen: boolean;
  /** Packets that fail-open let through so far. */
  private passedOpen = 0;
  // By ticket
  private readonly mark: Int32Array;
  private readonly lead: Int32Array;
  private readonly inDevice: Int32Array;
  private readonly outDevice: Int32Array;
  private readonly kernel = new Float64Array(QueueStat.Words);
  private readonly before = new Float64Array(QueueStat.Words);

  /** `window`: most packets undecided at once. */
  constructor(
    plan: QueueSourcePlan,
    index: number,
    config: NfqConfig,
    window: number,
    now: Int32Array,
    counters: Float64Array,
    private readonly responder: Responder,
  ) {
    super(index, plan.name, plan.mode, counters);
    const socket = native.queueOpen({
      queue: plan.queue,
      queueLength: config.queueLength,
      receiveBuffer: config.receiveBuffer,
      copyRange: config.copyRange,
      gso: config.gso,
      failOpen: config.failOpen,
    });
    this.handle = socket.handle;
    this.buffer = new Uint8Array(socket.buffer);
    this.verdicts = new VerdictQueue(socket.handle, window, config.batchCount, config.verdictDeadline, now, counters);
    this.onward = config.mode === 'repeat' ? Nf.Repeat : config.mode === 'route' ? Nf.Queue | (config.routeQueue << 16) : Nf.Accept;
    this.repeatMark = config.mode === 'repeat' ? config.repeatMark : 0;
    this.repeatMask = config.mode === 'repeat' ? config.repeatMask : 0;
    this.failOpen = config.failOpen;
    this.mark = new Int32Array(window);
    this.lead = new Int32Array(window);
    this.inDevice = new Int32Array(window);
    this.outDevice = new Int32Array(window);
  }

  memory(): Uint8Array {
    return this.buffer;
  }

  admit(frames: Int32Array, f: number): number {
    const mark = frames[f + FrameWord.Mark];
    const ticket = this.verdicts.add(frames[f + FrameWord.PacketId]);
    const device = frames[f + FrameWord.InDevice];
    const at = frames[f + FrameWord.Offset];
    // Repeated by us, and no rule kept it out of the queue: it would go round for ever.
    const repeated = this.repeatMask !== 0 && ((mark ^ this.repeatMark) & this.repeatMask) === 0;
    if (repeated || isOwnAnswer(this.buffer, at, at + frames[f + FrameWord.Captured], device)) {
      this.counters[Counter.VerdictPass]++;
      this.verdicts.decide(ticket, Nf.Accept, 0, 0);
      return -1;
    }
    this.mark[ticket] = mark;
    this.lead[ticket] = frames[f + FrameWord.Lead];
    this.inDevice[ticket] = device;
    this.outDevice[ticket] = frames[f + FrameWord.OutDevice];
    return ticket;
  }

  pass(ticket: number, _region: number, _offset: number, _length: number, mark: number, mask: number): void {
    const all = mask | this.repeatMask;
    this.verdicts.decide(ticket, this.onward, all === 0 ? 0 : this.marked(ticket, mark, mask), all === 0 ? 0 : 1);
  }

  forwardRewritten(ticket: number, region: number, offset: number, length: number, mark: number, mask: number): void {
    const lead = this.lead[ticket];
    const all = mask | this.repeatMask;
    this.counters[Counter.Rewritten]++;
    this.verdicts.decideRewritten(
      ticket,
      this.onward,
      all === 0 ? 0 : this.marked(ticket, mark, mask),
      all === 0 ? 0 : 1,
      region,
      offset + lead,
      length - lead,
    );
  }

  /** The mark that keeps a repeated packet out of the queue is set last: no rule can undo it. */
  private marked(ticket: number, mark: number, mask: number): number {
    const own = (this.mark[ticket] & ~mask) | (mark & mask);
    return (own & ~this.repeatMask) | (this.repeatMark & this.repeatMask);
  }

  drop(ticket: number): void {
    this.verdicts.decide(ticket, Nf.Drop, 0, 0);
  }

  answer(word: number, ticket: number, mem: Uint8Array, offset: number, length: number, seconds: number): void {
    const end = offset + length;
    if (this.lead[ticket] > 0)
      this.responder.respondLinkByIndex(mem, offset, end, word, 0, seconds, this.inDevice[ticket], this.outDevice[ticket]);
    else this.responder.respondRouted(mem, offset, end, word, 0, seconds, this.inDevice[ticket] || this.outDevice[ticket]);
  }

  flush(dry: boolean): boolean {
    return this.verdicts.flush(dry);
  }

  impatient(): boolean {
    return this.verdicts.impatient;
  }

  everySecond(): void {
    const { kernel, before, counters } = this;
    native.queueStatistics(this.handle, kernel);
    counters[Counter.QueueDepth] = kernel[QueueStat.Depth];
    counters[Counter.QueueDrops] += kernel[QueueStat.Dropped] - before[QueueStat.Dropped];
    counters[Counter.QueueUserDrops] += kernel[QueueStat.UserDropped] - before[QueueStat.UserDropped];
    counters[Counter.Overruns] += kernel[QueueStat.Overruns] - before[QueueStat.Overruns];
    // Every packet the receive buffer refuses is one that netfilter lets through; ids that are missing show only with the next.
    if (this.failOpen) {
      const passed = Math.max(kernel[QueueStat.Missing], kernel[QueueStat.Overruns]);
      counters[Counter.FailOpen] += passed - this.passedOpen;
      this.passedOpen = passed;
    }
    before.set(kernel);
  }

  /** What waits is to be decided, not thrown away. */
  discard(): void {}

  closeIntake(): void {
    native.sourceCloseIntake(this.handle);
  }

  close(): void {
    this.flush(true);
    this.everySecond();
    native.sourceClose(this.handle);
  }
}
