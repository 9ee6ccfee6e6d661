import { SluiceError } from '../errors.js';
import { UNKNOWN, WorkerHash } from '../flow/symmetric-hash.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import { Control, packetRingAt, workerFlag } from '../ring/arena.js';
import { PacketRingProducer, REC_LINK_SHIFT, RECORD_HEADER, Rec, RecFlag, RING_WINDOW } from '../ring/packet-ring.js';
import { Mode, Reason, Verdict } from '../ring/verdict.js';
import { COPY_WORDS, FrameFlag, FrameWord, MAX_BATCH, VNET_HEADER } from './frames.js';
import { PacketSource } from './packet-source.js';
import type { Source } from './source.js';
import { CaptureThread, threadData } from './thread.js';

/**
 * The `autofp` capture loop: sockets -> packet rings -> (worker decides) -> sockets.
 *
 * A turn: receive a batch, pick each frame's worker by flow hash, copy the batch into the rings in one
 * call, publish, wake; then collect what workers have decided, send it, give the room back. When a
 * ring is full the thread stops receiving and waits, bounded: the kernel's ring is the burst buffer,
 * and a packet dropped there costs nothing.
 */
const IDLE_MS = 200;

class Dispatcher {
  private readonly rings: PacketRingProducer[] = [];
  private readonly flags: Int32Array;
  /** 1: this worker let a full ring stand for the whole bounded wait; do not wait again before it moves. */
  private readonly stalled: Uint8Array;
  private readonly jobs = new Int32Array(MAX_BATCH * COPY_WORDS);
  private jobCount = 0;
  private readonly hash: WorkerHash;
  private readonly workers: number;
  private readonly passWhenLost: boolean;
  private readonly passWhenFull: boolean;
  private readonly fullWaitMs: number;
  private generation = 0;
  private alive = 0;
  /** By source index: bytes of the virtio_net_hdr ahead of each frame. */
  private readonly leads: Int32Array;

  constructor(
    private readonly thread: CaptureThread,
    window: number,
  ) {
    const { layout, words, config } = thread;
    this.workers = layout.workers;
    this.hash = new WorkerHash(thread.hashSeed);
    this.flags = new Int32Array(this.workers);
    this.stalled = new Uint8Array(this.workers);
    for (let w = 0; w < this.workers; w++) {
      this.rings.push(new PacketRingProducer(words, packetRingAt(layout, thread.index, w), layout.packetRingBytes, window));
      this.flags[w] = workerFlag(layout, w);
    }
    this.leads = new Int32Array(thread.sourceByIndex.length);
    for (const source of thread.sources) if (source instanceof PacketSource && source.vnet) this.leads[source.index] = VNET_HEADER;
    this.passWhenLost = config.sluice.workerLostPolicy === 'pass';
    this.passWhenFull = config.sluice.ringFullPolicy === 'pass';
    this.fullWaitMs = Math.max(1, Math.round(config.sluice.ringFullWait / 1000));
    this.generation = Atomics.load(thread.control, Control.DetectGeneration);
    this.alive = Atomics.load(thread.control, Control.DetectAlive);
  }

  run(): void {
    const { thread } = this;
    for (;;) {
      thread.turn();
      this.watchDetection();
      const received = this.receive();
      const collected = this.collectAll();
      if (received < thread.batch) thread.settle();
      if (received + collected > 0) continue;
      if (thread.draining && this.inFlight() === 0) return;
      thread.arm();
      if (!this.completedAny()) thread.wait(IDLE_MS);
    }
  }

  /** Takes a batch in from every source. Returns how many frames there were. */
  private receive(): number {
    const { thread } = this;
    const { frames, sources } = thread;
    const n = thread.receive();
    if (n === 0) return 0;
    const c = thread.counters;
    c[Counter.ReceiveCalls]++;
    c[Counter.Packets] += n;
    let bytes = 0;
    for (let i = 0; i < n; i++) {
      const f = i * FrameWord.Words;
      const source = sources[frames[f + FrameWord.Socket]];
      bytes += frames[f + FrameWord.Wire];
      const ticket = source.admit(frames, f);
      if (ticket < 0) continue;
      if ((frames[f + FrameWord.Flags] & FrameFlag.Truncated) !== 0) {
        c[Counter.Truncated]++;
        if (source.losesTruncated) {
          this.drop(source, ticket, Reason.Truncated);
          continue;
        }
      }
      if (this.alive === 0) this.decideAlone(source, f, ticket, this.passWhenLost, Reason.WorkerLost);
      else this.enqueue(source, f, ticket);
    }
    c[Counter.Bytes] += bytes;
    this.publish();
    // Frames forwarded by policy lie in the receive ring, which the next batch overwrites.
    for (let s = 0; s < sources.length; s++) sources[s].flush(false);
    return n;
  }

  private enqueue(source: Source, f: number, ticket: number): void {
    const { thread } = this;
    const frames = thread.frames;
    const region = frames[f + FrameWord.Region];
    const offset = frames[f + FrameWord.Offset];
    const length = frames[f + FrameWord.Captured];
    const link = frames[f + FrameWord.Link];
    let w = 0;
    if (this.workers > 1) {
      const number = this.hash.hash(source.memory(region), offset, length, link, frames[f + FrameWord.Seconds]);
      if (number === UNKNOWN) {
        // No worker has the rest of this datagram. What only listens loses nothing.
        this.decideAlone(source, f, ticket, false, Reason.DefragMemcap);
        return;
      }
      w = number % this.workers;
    }
    const ring = this.rings[w];
    let index = ring.reserve(length);
    if (index < 0 && this.stalled[w] === 0 && this.waitForRoom(w, length)) index = ring.reserve(length);
    if (this.alive === 0) {
      this.decideAlone(source, f, ticket, this.passWhenLost, Reason.WorkerLost);
      return;
    }
    if (index < 0) {
      this.stalled[w] = 1;
      thread.counters[Counter.RingFull]++;
      this.decideAlone(source, f, ticket, this.passWhenFull, Reason.RingFull);
      return;
    }
    const r = ring.at >> 2;
    const words = thread.words;
    const seconds = frames[f + FrameWord.Seconds];
    const nanoseconds = frames[f + FrameWord.Nanoseconds];
    words[r + Rec.Wire] = frames[f + FrameWord.Wire];
    const flags = frames[f + FrameWord.Flags];
    const lead = this.leads[source.index];
    words[r + Rec.Flags] =
      ((flags & FrameFlag.CsumSettled) !== 0 ? RecFlag.CsumSettled : 0) |
      ((flags & FrameFlag.CsumNotReady) !== 0 && lead > 0 ? RecFlag.CsumPartial : 0) |
      (source.mode === Mode.Ips ? RecFlag.Ips : 0) |
      (source.selective === 1 ? RecFlag.Selective : 0) |
      (link << REC_LINK_SHIFT);
    words[r + Rec.Seconds] = seconds;
    words[r + Rec.Nanoseconds] = nanoseconds;
    words[r + Rec.Source] = source.index;
    ring.source[index] = source.index;
    ring.seconds[index] = seconds;
    ring.nanoseconds[index] = nanoseconds;
    ring.ticket[index] = ticket;
    const j = this.jobCount * COPY_WORDS;
    const jobs = this.jobs;
    jobs[j] = region;
    jobs[j + 1] = offset - lead;
    jobs[j + 2] = thread.arenaRegion;
    jobs[j + 3] = ring.at + RECORD_HEADER - lead;
    jobs[j + 4] = length + lead;
    if (++this.jobCount === MAX_BATCH) this.publish();
  }

  /** Copies what is reserved, lets workers see it, and wakes those that sleep. */
  private publish(): void {
    if (this.jobCount > 0) {
      if (native.copyBatch(this.jobs, this.jobCount) > 0)
        throw new SluiceError('SLUICE_SYSTEM', 'a frame lies outside the memory it was received into: the capture process starts anew');
      this.jobCount = 0;
    }
    const words = this.thread.words;
    for (let w = 0; w < this.workers; w++) {
      if (!this.rings[w].publish()) continue;
      const flag = this.flags[w];
      if (Atomics.load(words, flag) === 1 && Atomics.exchange(words, flag, 0) === 1) native.futexWake(words, flag);
    }
  }

  /** Waits, bounded, until ring `w` can take `length` bytes. */
  private waitForRoom(w: number, length: number): boolean {
    const { thread } = this;
    this.publish();
    const ring = this.rings[w];
    for (let waited = 0; waited < this.fullWaitMs; waited++) {
      if (this.collectAll() > 0) {
        if (ring.hasRoom(length)) return true;
        waited = 0;
      }
      thread.arm();
      if (!this.completedAny()) thread.waitForWorkers(1);
      this.watchDetection();
      if (this.alive === 0) return false;
    }
    return this.collectAll() > 0 && ring.hasRoom(length);
  }

  private collectAll(): number {
    let total = 0;
    for (let w = 0; w < this.workers; w++) total += this.collect(w);
    return total;
  }

  /** Acts on the verdicts of one worker, oldest first; sends, then gives the room back. */
  private collect(w: number): number {
    const ring = this.rings[w];
    if (ring.inFlight === 0) return 0;
    const done = ring.completed();
    if (done === 0) return 0;
    if (done < 0) {
      this.abandon(w);
      return 1;
    }
    this.stalled[w] = 0;
    for (let k = 0; k < done; k++) this.carryOut(ring, (ring.first + k) & ring.mask);
    this.sendAndStamp(ring, done);
    return done;
  }

  /** Does what the worker decided about the record at FIFO index `i`. Nothing it wrote is taken on trust. */
  private carryOut(ring: PacketRingProducer, i: number): void {
    const { words, arena, arenaRegion, sourceByIndex } = this.thread;
    const r = ring.recordAt[i] >> 2;
    const word = words[r + Rec.Verdict];
    const verdict = word >>> 8 === ring.epoch ? word & 0xff : Verdict.None;
    const source = sourceByIndex[ring.source[i]];
    const ticket = ring.ticket[i];
    const frame = ring.recordAt[i] + RECORD_HEADER;
    const length = ring.length[i];
    if (verdict === Verdict.None || verdict > Verdict.Rewritten) {
      this.byPolicy(source, ticket, arenaRegion, frame, length, this.passWhenLost, Reason.WorkerLost);
      return;
    }
    const answer = words[r + Rec.Answer];
    if (answer !== 0) source.answer(answer, ticket, arena, frame, length, ring.seconds[i]);
    if (verdict === Verdict.Drop && source.mode === Mode.Ips) this.drop(source, ticket, words[r + Rec.Reason]);
    else if (verdict === Verdict.Rewritten && source.mode === Mode.Ips) {
      this.thread.counters[Counter.VerdictPass]++;
      source.forwardRewritten(ticket, arenaRegion, frame, length, words[r + Rec.Mark], words[r + Rec.MarkMask]);
    } else this.pass(source, ticket, arenaRegion, frame, length, words[r + Rec.Mark], words[r + Rec.MarkMask]);
  }

  private sendAndStamp(ring: PacketRingProducer, count: number): void {
    const { thread } = this;
    thread.flush(false);
    for (let k = 0; k < count; k++) {
      const i = (ring.first + k) & ring.mask;
      thread.latency(ring.seconds[i], ring.nanoseconds[i]);
    }
    ring.release(count);
  }

  /** The worker is gone or talks nonsense: what it had in flight is decided by policy, in order. */
  private abandon(w: number): void {
    const { thread } = this;
    const ring = this.rings[w];
    const count = ring.inFlight;
    for (let k = 0; k < count; k++) {
      const i = (ring.first + k) & ring.mask;
      const source = thread.sourceByIndex[ring.source[i]];
      const frame = ring.recordAt[i] + RECORD_HEADER;
      this.byPolicy(source, ring.ticket[i], thread.arenaRegion, frame, ring.length[i], this.passWhenLost, Reason.WorkerLost);
    }
    this.sendAndStamp(ring, count);
    ring.reset();
  }

  /** Notices a detection process that died or came back. */
  private watchDetection(): void {
    const control = this.thread.control;
    const alive = Atomics.load(control, Control.DetectAlive);
    const generation = Atomics.load(control, Control.DetectGeneration);
    if (alive === this.alive && generation === this.generation) return;
    this.publish();
    for (let w = 0; w < this.workers; w++) {
      this.collect(w);
      this.abandon(w);
      this.stalled[w] = 0;
    }
    this.alive = alive;
    this.generation = generation;
  }

  /** No worker will decide this frame, still where it was received: the exception policy does. */
  private decideAlone(source: Source, f: number, ticket: number, pass: boolean, reason: Reason): void {
    const frames = this.thread.frames;
    const region = frames[f + FrameWord.Region];
    this.byPolicy(source, ticket, region, frames[f + FrameWord.Offset], frames[f + FrameWord.Captured], pass, reason);
  }

  private byPolicy(source: Source, ticket: number, region: number, offset: number, length: number, pass: boolean, reason: Reason): void {
    if (reason === Reason.WorkerLost) this.thread.counters[Counter.WorkerLost]++;
    if (pass || source.mode === Mode.Ids) this.pass(source, ticket, region, offset, length, 0, 0);
    else this.drop(source, ticket, reason);
  }

  private pass(source: Source, ticket: number, region: number, offset: number, length: number, mark: number, mask: number): void {
    this.thread.counters[Counter.VerdictPass]++;
    source.pass(ticket, region, offset, length, mark, mask);
  }

  private drop(source: Source, ticket: number, reason: number): void {
    const c = this.thread.counters;
    c[Counter.VerdictDrop]++;
    c[Counter.DropReason + (reason >= 0 && reason < Reason.Count ? reason : Reason.None)]++;
    source.drop(ticket);
  }

  private inFlight(): number {
    let n = 0;
    for (let w = 0; w < this.workers; w++) n += this.rings[w].inFlight;
    return n;
  }

  private completedAny(): boolean {
    for (let w = 0; w < this.workers; w++) if (this.rings[w].inFlight > 0 && this.rings[w].completed() !== 0) return true;
    return false;
  }
}

const thread = new CaptureThread(threadData());
const dispatcher = new Dispatcher(thread, RING_WINDOW);
thread.awaitStart();
dispatcher.run();
thread.close();
