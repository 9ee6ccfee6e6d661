import type { Config } from '../../src/config/config.js';
import { defaultConfig } from '../../src/config/load.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { EventRing } from '../../src/ring/event-ring.js';
import { Mode, REASON_NAMES, VERDICT_NAMES } from '../../src/ring/verdict.js';
import { Engine } from '../../src/workers/engine.js';
import { rules } from './detect.js';

export interface BenchOptions {
  rules?: string[];
  config?: Partial<Config>;
  /** Of the event ring. */
  ringBytes?: number;
  mode?: Mode;
}

/** An engine as a worker has it, fed whole frames. */
export class EngineBench {
  readonly counters = new Float64Array(Counter.Count);
  readonly events: EventRing;
  readonly engine: Engine;
  /** Packet time, seconds. */
  now = 1_700_000_000;
  private readonly mem = new Uint8Array(1 << 17);
  private readonly region = native.region(this.mem.buffer);
  private readonly mode: Mode;

  constructor(options: BenchOptions = {}, checksumValidation = true) {
    const ringBytes = options.ringBytes ?? 1 << 20;
    this.mode = options.mode ?? Mode.Ips;
    this.events = new EventRing(new ArrayBuffer(EventRing.bytesFor(ringBytes)), ringBytes);
    this.engine = new Engine({
      config: { ...defaultConfig(), ...options.config },
      thread: 0,
      rules: rules(...(options.rules ?? [])),
      ruleGeneration: 0,
      checksumValidation,
      counters: this.counters,
      events: this.events,
    });
  }

  /** `pass`, or `drop` and the reason. */
  send(frame: Uint8Array, linkType = 1): string {
    const p = this.engine.packet;
    this.mem.set(frame, 64);
    p.mem = this.mem;
    p.region = this.region;
    p.off = 64;
    p.capLen = frame.length;
    p.wireLen = frame.length;
    p.linkType = linkType;
    p.tsSec = this.now;
    p.tsNsec = 0;
    p.source = 0;
    p.mode = this.mode;
    p.csumNotReady = 0;
    const verdict = VERDICT_NAMES[this.engine.inspect()];
    return verdict === 'drop' ? `drop: ${REASON_NAMES[this.engine.reason]}` : verdict;
  }

  /** Alerts so far. */
  alerts(): number {
    return this.counters[Counter.Alerts];
  }

  /** Empties the event ring; returns how many records it held. */
  drain(): number {
    let n = 0;
    for (; this.events.peek() >= 0; n++) this.events.release();
    return n;
  }

  close(): void {
    this.engine.close();
    native.regionRelease(this.region);
  }
}
