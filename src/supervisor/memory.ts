import type { CapturePlan } from '../capture/plan.js';
import type { Config } from '../config/config.js';
import { SluiceError } from '../errors.js';
import { BLOCK_BYTES } from '../metrics/counters.js';
import { native } from '../native.js';
import { type ArenaLayout, arenaLayout, type Control, controlBytes, eventRingAt, heartbeatWord } from '../ring/arena.js';
import { EventRing } from '../ring/event-ring.js';

const MAX_ARENA = 0x7fff0000;

/**
 * The memory that outlives every child: control words, counters, rings. The supervisor makes it once and
 * hands the same file descriptors to each process it starts.
 */
export class SharedMemory {
  readonly layout: ArenaLayout;
  readonly controlFd: number;
  readonly countersFd: number;
  readonly arenaFd: number;
  /** By capture thread: what wakes it out of poll. */
  readonly eventFds: number[];
  readonly control: Int32Array;
  readonly counters: ArrayBuffer;
  /** Consumer ends: one per detecting thread. */
  readonly events: EventRing[];
  /** Blocks in `counters`: capture threads first, then workers. */
  readonly threadNames: { name: string; kind: 'capture' | 'detect' }[];

  constructor(config: Config, plan: CapturePlan, workers: number) {
    const captureThreads = plan.threads.length;
    this.layout = arenaLayout(captureThreads, workers, workers || captureThreads, config.sluice.eventRing, config.sluice.packetRing);
    if (this.layout.bytes > MAX_ARENA)
      throw new SluiceError(
        'SLUICE_CONFIG',
        `${captureThreads} capture threads and ${workers} workers need ${Math.ceil(this.layout.bytes / 2 ** 20)} MiB of rings, 2047 is the most; lower sluice.packet-ring, sluice.workers or threads`,
      );
    this.controlFd = native.memfdCreate('sluice-control', controlBytes(captureThreads));
    this.countersFd = native.memfdCreate('sluice-counters', (captureThreads + workers) * BLOCK_BYTES);
    this.arenaFd = native.memfdCreate('sluice-arena', this.layout.bytes);
    this.eventFds = plan.threads.map(() => native.eventfd());
    this.control = new Int32Array(native.mapFd(this.controlFd, controlBytes(captureThreads)));
    this.counters = native.mapFd(this.countersFd, (captureThreads + workers) * BLOCK_BYTES);
    const arena = native.mapFd(this.arenaFd, this.layout.bytes);
    this.events = Array.from(
      { length: this.layout.eventRings },
      (_, i) => new EventRing(arena, config.sluice.eventRing, eventRingAt(this.layout, i)),
    );
    this.threadNames = [
      ...plan.threads.map(({ name }) => ({ name, kind: 'capture' as const })),
      ...Array.from({ length: workers }, (_, i) => ({ name: `W#${String(i + 1).padStart(2, '0')}`, kind: 'detect' as const })),
    ];
  }

  set(word: Control, value: number): void {
    Atomics.store(this.control, word, value);
    this.wakeCapture();
  }

  wakeCapture(): void {
    for (const fd of this.eventFds) native.eventfdSignal(fd);
  }

  captureHeartbeat(thread: number): number {
    return Atomics.load(this.control, heartbeatWord(thread));
  }
}
