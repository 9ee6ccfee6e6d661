import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import type { LogSourcePlan } from './plan.js';
import type { Responder } from './reject.js';
import { Source } from './source.js';

const LEAST_BUFFER = 4 << 20;

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

  admit(): number {
    return 0;
  }

  pass(): void {}

  forwardRewritten(): void {}

  drop(): void {}

  answer(word: number, _ticket: number, mem: Uint8Array, offset: number, length: number, seconds: number): void {
    this.responder.respondRouted(mem, offset, offset + length, word, 1, seconds, 0);
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
