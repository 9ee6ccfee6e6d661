import { type MessagePort, workerData } from 'node:worker_threads';
import { FrameFlag, FrameWord } from '../capture/frames.js';
import { CaptureThread, type CaptureThreadData } from '../capture/thread.js';
import type { DatasetMemory } from '../detect/state/datasets.js';
import { Counter } from '../metrics/counters.js';
import { eventRingAt } from '../ring/arena.js';
import { EventRing } from '../ring/event-ring.js';
import { Mode, Reason, Verdict } from '../ring/verdict.js';
import { openImage } from '../supervisor/rule-image.js';
import { Engine } from './engine.js';
import { RuleInbox } from './rule-inbox.js';

/** Start data of a thread of run mode `workers`: it captures and detects. */
export interface FusedThreadData extends CaptureThreadData {
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
  port: MessagePort;
  orders: Int32Array;
}

const IDLE_MS = 200;

/**
 * The `workers` loop: receive a batch, decide each packet in place in the kernel's ring, send, release.
 * No ring, no second thread: the highest throughput per core.
 */
class FusedLoop {
  private readonly engine: Engine;

  constructor(
    private readonly thread: CaptureThread,
    data: FusedThreadData,
    private readonly inbox: RuleInbox,
  ) {
    const { layout } = data;
    this.engine = new Engine({
      thread: data.thread,
      config: data.config,
      ...openImage(data.image),
      addressState: data.addressState,
      expectations: data.expectations,
      datasets: data.datasets,
      ruleGeneration: data.ruleGeneration,
      checksumValidation: data.checksumValidation,
      counters: thread.counters,
      events: new EventRing(thread.words.buffer, layout.eventRingBytes, eventRingAt(layout, data.thread)),
    });
  }

  run(): void {
    const { thread, engine, inbox } = this;
    for (;;) {
      if (thread.turn()) engine.tick(thread.now[0]);
      if (inbox.waiting()) inbox.take(engine);
      const n = thread.receive();
      if (n > 0) {
        this.process(n);
        continue;
      }
      thread.settle();
      if (thread.draining) return;
      engine.catchUp();
      if (!inbox.waiting()) thread.wait(IDLE_MS);
    }
  }

  /** Reports the flows that are left, at the pace of the logs. */
  finish(): void {
    this.engine.finish();
  }

  private process(n: number): void {
    const { thread, engine } = this;
    const { frames, sources } = thread;
    const c = thread.counters;
    const p = engine.packet;
    let bytes = 0;
    let passed = 0;
    for (let i = 0; i < n; i++) {
      const f = i * FrameWord.Words;
      const source = sources[frames[f + FrameWord.Socket]];
      const region = frames[f + FrameWord.Region];
      const offset = frames[f + FrameWord.Offset];
      const length = frames[f + FrameWord.Captured];
      const flags = frames[f + FrameWord.Flags];
      const ticket = source.admit(frames, f);
      bytes += frames[f + FrameWord.Wire];
      if (ticket < 0) continue;
      p.mem = source.memory(region);
      p.region = region;
      p.off = offset;
      p.capLen = length;
      p.wireLen = frames[f + FrameWord.Wire];
      p.linkType = frames[f + FrameWord.Link];
      p.tsSec = frames[f + FrameWord.Seconds];
      p.tsNsec = frames[f + FrameWord.Nanoseconds];
      p.source = source.index;
      p.mode = source.mode;
      p.selective = source.selective;
      p.bridged = source.mode === Mode.Ips ? source.selective ^ 1 : 0;
      p.csumNotReady = (flags & FrameFlag.CsumSettled) !== 0 ? 1 : 0;
      // What a queue hands over partial must come back complete: netfilter takes rewritten bytes as they are.
      p.csumPartial = (flags & FrameFlag.CsumNotReady) !== 0 && source.selective === 0 ? 1 : 0;
      let verdict: Verdict = engine.inspect();
      let reason = engine.reason;
      if ((flags & FrameFlag.Truncated) !== 0) {
        c[Counter.Truncated]++;
        if (source.losesTruncated && verdict !== Verdict.Drop) {
          verdict = Verdict.Drop;
          reason = Reason.Truncated;
        }
      }
      if (engine.answer !== 0) source.answer(engine.answer, ticket, p.mem, offset, length, p.tsSec);
      if (verdict === Verdict.Drop) {
        c[Counter.VerdictDrop]++;
        c[Counter.DropReason + reason]++;
        source.drop(ticket);
        continue;
      }
      passed++;
      if (verdict === Verdict.Rewritten) source.forwardRewritten(ticket, region, offset, length, engine.mark, engine.markMask);
      else source.pass(ticket, region, offset, length, engine.mark, engine.markMask);
    }
    c[Counter.ReceiveCalls]++;
    c[Counter.Packets] += n;
    c[Counter.Bytes] += bytes;
    c[Counter.VerdictPass] += passed;
    thread.flush(n < thread.batch);
    for (let i = 0; i < n; i++) {
      const f = i * FrameWord.Words;
      thread.latency(frames[f + FrameWord.Seconds], frames[f + FrameWord.Nanoseconds]);
    }
  }
}

const data = workerData as FusedThreadData;
const thread = new CaptureThread(data);
const loop = new FusedLoop(thread, data, new RuleInbox(data.port, data.orders));
thread.awaitStart();
loop.run();
// First: until a queue is given back, what comes meets a full one, whatever --queue-bypass says.
thread.close();
loop.finish();
