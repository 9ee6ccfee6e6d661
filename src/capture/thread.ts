import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import type { Config } from '../config/config.js';
import { BLOCK_BYTES, BLOCK_FLOATS, Counter, LATENCY_BUCKETS, latencyBucket } from '../metrics/counters.js';
import { native } from '../native.js';
import { type ArenaLayout, Control, captureFlag, controlBytes, heartbeatWord } from '../ring/arena.js';
import { FrameWord, MAX_BATCH } from './frames.js';
import { LogSource } from './log-source.js';
import { PacketSource } from './packet-source.js';
import type { CapturePlan } from './plan.js';
import { QueueSource } from './queue-source.js';
import { Responder } from './reject.js';
import type { Source } from './source.js';

/** What a capture thread is started with. File descriptors are the process's own. */
export interface CaptureThreadData {
  config: Config;
  plan: CapturePlan;
  layout: ArenaLayout;
  thread: number;
  controlFd: number;
  countersFd: number;
  arenaFd: number;
  eventFd: number;
  cpu: number;
  /** The process will give its rights up once every socket is open. */
  confined: boolean;
  /** Most packets of one source that can be undecided at once. */
  window: number;
  /** Shared: the number of the thread that may open its sockets now; -1 none yet. */
  turn: Int32Array;
}

const SECOND_NS = 1_000_000_000;

/**
 * What both capture loops share: sockets, shared memory, the clock, housekeeping, the order of start
 * and stop. The loops differ in what happens between receive and transmit.
 */
export class CaptureThread {
  readonly config: Config;
  readonly layout: ArenaLayout;
  readonly sources: Source[] = [];
  /** By interface index; holes where this thread has no socket. */
  readonly sourceByIndex: Source[] = [];
  readonly control: Int32Array;
  readonly counters: Float64Array;
  readonly arena: Uint8Array;
  readonly words: Int32Array;
  readonly arenaRegion: number;
  readonly frames: Int32Array;
  readonly batch: number;
  /** Seconds and nanoseconds, kept by the addon's calls. */
  readonly now = new Int32Array(native.clock());
  readonly index: number;
  readonly hashSeed: number;
  /** 1 once Stop was seen and the sockets take nothing new in. */
  draining = 0;
  /** Every verdict for a queue needs CAP_NET_ADMIN. */
  private readonly keepsNetAdmin: boolean;
  private readonly handles: Int32Array;
  private readonly eventFd: number;
  private readonly heartbeat: number;
  private readonly flag: number;
  private readonly latencyAt: number;
  private lastSecond = 0;

  constructor(data: CaptureThreadData) {
    this.config = data.config;
    this.layout = data.layout;
    this.index = data.thread;
    this.hashSeed = data.plan.hashSeed;
    this.eventFd = data.eventFd;
    this.heartbeat = heartbeatWord(data.thread);
    this.flag = captureFlag(data.thread);
    this.batch = Math.min(Math.max(data.config.sluice.batch, 1), MAX_BATCH);
    if (data.cpu >= 0) native.pinThread(data.cpu);
    this.control = new Int32Array(native.mapFd(data.controlFd, controlBytes(data.layout.captureThreads)));
    const threads = data.layout.captureThreads + data.layout.workers;
    this.counters = new Float64Array(native.mapFd(data.countersFd, threads * BLOCK_BYTES), data.thread * BLOCK_BYTES, BLOCK_FLOATS);
    this.latencyAt = Counter.Count;
    const arena = native.mapFd(data.arenaFd, data.layout.bytes);
    this.arenaRegion = native.region(arena);
    this.arena = new Uint8Array(arena);
    this.words = new Int32Array(arena);
    awaitTurn(data.turn, data.thread);
    this.openSources(data);
    this.keepsNetAdmin = data.confined && this.sources.some((source) => source instanceof QueueSource);
    if (this.keepsNetAdmin) native.keepNetAdmin();
    this.handles = Int32Array.from(this.sources, (source) => source.handle);
    this.frames = new Int32Array(this.sources.length * this.batch * FrameWord.Words);
    // The first of two messages; awaitStart posts the other.
    parentPort?.postMessage('open');
  }

  private openSources(data: CaptureThreadData): void {
    const responder = new Responder(this.counters, data.config.sluice.rejectRate);
    const interfaces = new Map<number, PacketSource>();
    for (const i of data.plan.threads[data.thread].sources) {
      const plan = data.plan.sources[i];
      let source: Source;
      if (plan.kind === 'nfqueue') source = new QueueSource(plan, i, data.config.nfq, data.window, this.now, this.counters, responder);
      else if (plan.kind === 'nflog') source = new LogSource(plan, i, this.counters, responder);
      else {
        source = new PacketSource(plan, i, this.counters, responder);
        interfaces.set(i, source as PacketSource);
      }
      this.sources.push(source);
      this.sourceByIndex[i] = source;
    }
    for (const [i, source] of interfaces) {
      const plan = data.plan.sources[i];
      if (plan.kind === 'af-packet') source.peer = interfaces.get(plan.peer);
    }
    // Answers to what netfilter shows are routed by this host; so are those of an interface with host-mode router.
    const linked = (i: number) => {
      const plan = data.plan.sources[i];
      return plan.kind === 'af-packet' && !plan.routed;
    };
    if (!data.plan.threads[data.thread].sources.every(linked)) native.rawOpen();
  }

  /** Returns when every thread of every pair is open; what came before is not forwarded. */
  awaitStart(): void {
    while (Atomics.load(this.control, Control.Start) === 0 && Atomics.load(this.control, Control.Stop) === 0)
      native.futexWait(this.control, Control.Start, 0, 1000);
    if (this.keepsNetAdmin) native.raiseNetAdmin();
    for (const source of this.sources) source.discard();
    parentPort?.postMessage('forwarding');
  }

  /** Once a turn of the loop: heartbeat, clock-driven work, the order to stop. Returns true each new second. */
  turn(): boolean {
    this.control[this.heartbeat]++;
    if (this.draining === 0 && Atomics.load(this.control, Control.Stop) === 1) {
      this.draining = 1;
      for (const source of this.sources) source.closeIntake();
    }
    if (this.now[0] === this.lastSecond) return false;
    this.lastSecond = this.now[0];
    for (const source of this.sources) source.everySecond();
    this.counters[Counter.HeapUsed] = getHeapStatistics().used_heap_size;
    return true;
  }

  /** Says "I am about to sleep" to workers; the caller looks once more for work before wait(). */
  arm(): void {
    Atomics.store(this.words, this.flag, 1);
  }

  /** Sleeps until a socket, a worker or the supervisor has something, or `ms`. */
  wait(ms: number): void {
    this.counters[Counter.Waits]++;
    for (let s = 0; s < this.sources.length; s++) if (this.sources[s].impatient()) ms = 1;
    native.sourceWait(this.handles, this.handles.length, this.eventFd, ms);
    Atomics.store(this.words, this.flag, 0);
  }

  /** A batch from every socket; the frames of the batch before are gone. */
  receive(): number {
    return native.sourceReceive(this.handles, this.handles.length, this.frames, this.batch);
  }

  /** Sleeps until a worker has decided something, or `ms`; packets stay in the kernel's ring meanwhile. */
  waitForWorkers(ms: number): void {
    native.sourceWait(this.handles, 0, this.eventFd, ms);
    Atomics.store(this.words, this.flag, 0);
  }

  /** Makes the decisions of every source take effect, and looks at the clock. `dry`: nothing is left to be decided. */
  flush(dry: boolean): void {
    let sent = false;
    for (let s = 0; s < this.sources.length; s++) if (this.sources[s].flush(dry)) sent = true;
    if (!sent) native.clockRead();
  }

  /** Nothing more is waiting in the kernel: what is decided need not wait for more like it. */
  settle(): void {
    for (let s = 0; s < this.sources.length; s++) this.sources[s].flush(true);
  }

  /** Counts the time from the kernel's time stamp to now for one packet. */
  latency(seconds: number, nanoseconds: number): void {
    const ds = (this.now[0] - seconds) | 0;
    const ns = ds > 1 ? 0x7fffffff : ds * SECOND_NS + this.now[1] - nanoseconds;
    const bucket = latencyBucket(ns | 0);
    this.counters[this.latencyAt + (bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1)]++;
  }

  close(): void {
    for (const source of this.sources) source.close();
  }
}

export function threadData(): CaptureThreadData {
  return workerData as CaptureThreadData;
}

/** Threads load their modules side by side, but open their sockets one after the other (Atomics.wait ends with the thread). */
function awaitTurn(turn: Int32Array, mine: number): void {
  for (let at = Atomics.load(turn, 0); at < mine; at = Atomics.load(turn, 0)) Atomics.wait(turn, 0, at);
}
