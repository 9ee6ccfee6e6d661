import type { MessagePort } from 'node:worker_threads';
import type { Config } from '../config/config.js';
import type { DatasetMemory } from '../detect/state/datasets.js';
import { BLOCK_BYTES, BLOCK_FLOATS, Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import { type ArenaLayout, captureFlag, eventRingAt, packetRingAt, workerFlag } from '../ring/arena.js';
import { EventRing } from '../ring/event-ring.js';
import { PacketRingConsumer, REC_LINK_SHIFT, RECORD_HEADER, Rec, RecFlag } from '../ring/packet-ring.js';
import { Mode, type Verdict } from '../ring/verdict.js';
import { openImage } from '../supervisor/rule-image.js';
import { Engine } from './engine.js';
import { RuleInbox } from './rule-inbox.js';

/** What Piscina hands a worker: it runs until told to end, so one task is one worker's life. */
export interface DetectTask {
  config: Config;
  /** Of a RuleImage, in shared memory; the process holds its databases. */
  image: Uint8Array;
  /** EngineSetup.addressState. */
  addressState: ArrayBuffer | SharedArrayBuffer;
  /** EngineSetup.expectations. */
  expectations: ArrayBuffer | SharedArrayBuffer;
  /** EngineSetup.datasets. */
  datasets: DatasetMemory[];
  ruleGeneration: number;
  checksumValidation: boolean;
  layout: ArenaLayout;
  worker: number;
  countersFd: number;
  arenaFd: number;
  /** One per capture thread. */
  eventFds: number[];
  cpu: number;
  /** Orders from the process's main thread, and our answers to it. */
  port: MessagePort;
  /** Words of Order, shared inside the process. */
  orders: Int32Array;
}

/** Verdicts published at the latest after this many packets, so that capture can send while we go on. */
const PUBLISH_EVERY = 64;
const IDLE_MS = 200;

/** The detection worker of `autofp`: takes records of every capture thread, decides them in place. */
class DetectWorker {
  private readonly rings: PacketRingConsumer[] = [];
  private readonly engine: Engine;
  private readonly words: Int32Array;
  private readonly mem: Uint8Array;
  private readonly region: number;
  private readonly flag: number;
  private readonly counters: Float64Array;
  private readonly now = new Int32Array(native.clock());
  private readonly inbox: RuleInbox;

  constructor(task: DetectTask) {
    this.inbox = new RuleInbox(task.port, task.orders);
    const { layout, worker } = task;
    if (task.cpu >= 0) native.pinThread(task.cpu);
    const threads = layout.captureThreads + layout.workers;
    this.counters = new Float64Array(
      native.mapFd(task.countersFd, threads * BLOCK_BYTES),
      (layout.captureThreads + worker) * BLOCK_BYTES,
      BLOCK_FLOATS,
    );
    const arena = native.mapFd(task.arenaFd, layout.bytes);
    this.region = native.region(arena);
    this.mem = new Uint8Array(arena);
    this.words = new Int32Array(arena);
    this.flag = workerFlag(layout, worker);
    for (let c = 0; c < layout.captureThreads; c++) {
      const ring = new PacketRingConsumer(
        this.words,
        packetRingAt(layout, c, worker),
        layout.packetRingBytes,
        captureFlag(c),
        task.eventFds[c],
      );
      ring.attach();
      this.rings.push(ring);
    }
    this.engine = new Engine({
      thread: worker,
      config: task.config,
      ...openImage(task.image),
      addressState: task.addressState,
      expectations: task.expectations,
      datasets: task.datasets,
      ruleGeneration: task.ruleGeneration,
      checksumValidation: task.checksumValidation,
      counters: this.counters,
      events: new EventRing(arena, layout.eventRingBytes, eventRingAt(layout, worker)),
    });
  }

  /** Returns when ordered to end and every ring is empty. */
  run(): void {
    const { inbox, engine } = this;
    let lastSecond = 0;
    for (;;) {
      let work = 0;
      for (let r = 0; r < this.rings.length; r++) if (this.rings[r].refresh()) work += this.drain(this.rings[r]);
      this.counters[Counter.Heartbeat]++;
      if (inbox.waiting()) {
        inbox.take(engine);
        continue;
      }
      if (work > 0) continue;
      if (inbox.ended()) break;
      if (engine.catchUp()) continue;
      Atomics.store(this.words, this.flag, 1);
      if (!this.pending()) native.futexWait(this.words, this.flag, 1, IDLE_MS);
      Atomics.store(this.words, this.flag, 0);
      native.clockRead();
      if (this.now[0] !== lastSecond) {
        lastSecond = this.now[0];
        engine.tick(lastSecond);
      }
    }
    engine.finish();
  }

  private drain(ring: PacketRingConsumer): number {
    const { engine, words, mem, region } = this;
    const p = engine.packet;
    let n = 0;
    for (let at = ring.next(); at >= 0; at = ring.next()) {
      const r = at >> 2;
      p.mem = mem;
      p.region = region;
      p.off = at + RECORD_HEADER;
      p.capLen = words[r + Rec.Captured];
      p.wireLen = words[r + Rec.Wire];
      p.tsSec = words[r + Rec.Seconds];
      p.tsNsec = words[r + Rec.Nanoseconds];
      p.source = words[r + Rec.Source];
      const flags = words[r + Rec.Flags];
      p.linkType = flags >>> REC_LINK_SHIFT;
      p.csumNotReady = (flags & RecFlag.CsumSettled) !== 0 ? 1 : 0;
      p.csumPartial = (flags & RecFlag.CsumPartial) !== 0 ? 1 : 0;
      p.selective = (flags & RecFlag.Selective) !== 0 ? 1 : 0;
      p.mode = (flags & RecFlag.Ips) !== 0 ? Mode.Ips : Mode.Ids;
      p.bridged = p.mode === Mode.Ips ? p.selective ^ 1 : 0;
      const verdict: Verdict = engine.inspect();
      ring.decide(at, verdict, engine.reason, engine.mark, engine.markMask, engine.answer);
      if ((++n & (PUBLISH_EVERY - 1)) === 0) this.publish(ring);
    }
    this.publish(ring);
    return n;
  }

  private publish(ring: PacketRingConsumer): void {
    ring.publish();
    if (ring.mustWake()) native.eventfdSignal(ring.captureEvent);
  }

  private pending(): boolean {
    for (let r = 0; r < this.rings.length; r++) if (this.rings[r].refresh()) return true;
    return false;
  }
}

/** Without a task: the thread has loaded what it needs, and waits for one. */
export default function detect(task: DetectTask | undefined): void {
  if (task === undefined) return;
  const worker = new DetectWorker(task);
  task.port.postMessage({ ready: task.worker });
  worker.run();
}
