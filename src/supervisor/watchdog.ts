import { Counter } from '../metrics/counters.js';
import type { CounterBlocks } from '../metrics/snapshot.js';
import type { Child } from './child.js';
import type { SharedMemory } from './memory.js';

const PERIOD_MS = 1000;
/** Every loop turns at least five times a second, idle or not. */
const STUCK_MS = 4000;

/**
 * Finds threads whose loop stands still (a hang is worse than a crash: nothing restarts it) and ends
 * their process; the restart follows. A thread that is being taken off the CPU by a busy machine has
 * seconds to come back.
 */
export class Watchdog {
  private timer: NodeJS.Timeout | undefined;
  private readonly lastBeat: number[];
  private readonly beatAt: number[];

  constructor(
    private readonly memory: SharedMemory,
    private readonly blocks: CounterBlocks,
    private readonly capture: Child,
    private readonly detect: Child | undefined,
    private readonly applies: (kind: 'capture' | 'detect') => boolean,
  ) {
    this.lastBeat = memory.threadNames.map(() => -1);
    this.beatAt = memory.threadNames.map(() => 0);
  }

  start(): void {
    this.timer = setInterval(() => this.look(), PERIOD_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const now = performance.now();
    for (let i = 0; i < this.memory.threadNames.length; i++) {
      const { name, kind } = this.memory.threadNames[i];
      const beat = kind === 'capture' ? this.memory.captureHeartbeat(i) : this.blocks.threads[i].counters[Counter.Heartbeat];
      if (!this.applies(kind) || beat !== this.lastBeat[i]) {
        this.lastBeat[i] = beat;
        this.beatAt[i] = now;
      } else if (now - this.beatAt[i] > STUCK_MS) {
        this.beatAt[i] = now;
        const child = kind === 'capture' ? this.capture : this.detect;
        child?.kill(`does not answer: thread ${name} has stood still for ${Math.round(STUCK_MS / 1000)} s`);
      }
    }
  }
}
