import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import { FrameWord } from './frames.js';
import type { LogSourcePlan } from './plan.js';
import type { Responder } from './reject.js';
import { Source } from './source.js';

const LEAST_BUFFER = 4 << 20;

/** A ticket is the two ports of the bridge that a frame crosses, 0 for what crosses none: port in << 15 | port out. */
const PORT_SHIFT = 15;
const PORT_MASK = 0x7fff;

/** One NFLOG group: copies of packets that go their way regardless. Always IDS. */
export class LogSource extends Source {
  readonly handle: number;
  readonly selective = 1;
  readonly losesTruncated = false;
  private readonly buffer: Uint8Array;
  /** Messages missing, ENOBUFS: totals. */
  private readonly kernel = new Float64Array(2);
  private readonly before = new Float64Array(2);

  constructor(
    plan: LogSourcePlan,
    index: number,
    counters: Float64Array,
    private readonly responder: Responder,
  ) {
    super(index, plan.name, plan.mode, counters);
    const socket = native.logOpen({
      group: plan.log.group,
      // Suricata's default of 18,432 bytes holds some forty small packets: copied configurations should not lose the rest.
      receiveBuffer: Math.max(plan.log.bufferSize, LEAST_BUFFER),
      qthreshold: plan.log.qthreshold,
      qtimeout: plan.log.qtimeout,
      maxSize: plan.log.maxSize,
    });
    this.handle = socket.handle;
    this.buffer = new Uint8Array(socket.buffer);
  }

  memory(): Uint8Array {
    return this.buffer;
  }

  admit(frames: Int32Array, f: number): number {
    const inDevice = frames[f + FrameWord.InDevice];
    const outDevice = frames[f + FrameWord.OutDevice];
    if (frames[f + FrameWord.Lead] === 0 || inDevice > PORT_MASK || outDevice > PORT_MASK) return 0;
    return (inDevice << PORT_SHIFT) | outDevice;
  }

  pass(): void {}

  forwardRewritten(): void {}

  drop(): void {}

  answer(word: number, ticket: number, mem: Uint8Array, offset: number, length: number, seconds: number): void {
    const end = offset + length;
    if (ticket === 0) this.responder.respondRouted(mem, offset, end, word, 1, seconds, 0);
    else this.responder.respondLinkByIndex(mem, offset, end, word, 1, seconds, ticket >> PORT_SHIFT, ticket & PORT_MASK);
  }

  flush(): boolean {
    return false;
  }

  impatient(): boolean {
    return false;
  }

  everySecond(): void {
    const { kernel, before, counters } = this;
    native.logStatistics(this.handle, kernel);
    counters[Counter.LogLost] += kernel[0] - before[0];
    counters[Counter.Overruns] += kernel[1] - before[1];
    before.set(kernel);
  }

  discard(): void {}

  closeIntake(): void {
    native.sourceCloseIntake(this.handle);
  }

  close(): void {
    this.everySecond();
    native.sourceClose(this.handle);
  }
}
