import { native } from '../src/native.js';
import { ARENA_BYTES, PeerFd, WORKER_FLAG, Worker } from './micro-ring.js';

/** The worker's process of the two-process ring bench; ends when its parent does. */
const IDLE_MS = 200;
/** Looks at the ring before going to sleep. */
const SPIN = 200;

const arena = native.mapFd(PeerFd.Arena, ARENA_BYTES);
const words = new Int32Array(arena);
const worker = new Worker(words, new Uint8Array(arena), PeerFd.Event);
const parent = process.ppid;

/** True when there is something to do. */
function look(): boolean {
  for (let i = 0; i < SPIN; i++) if (worker.ring.refresh()) return true;
  return false;
}

function run(): void {
  for (let idle = 0; ; ) {
    if (look()) {
      idle = 0;
      worker.take();
      if (worker.ring.mustWake()) native.eventfdSignal(worker.ring.captureEvent);
      continue;
    }
    Atomics.store(words, WORKER_FLAG, 1);
    if (!worker.ring.refresh()) native.futexWait(words, WORKER_FLAG, 1, IDLE_MS);
    Atomics.store(words, WORKER_FLAG, 0);
    if ((++idle & 15) === 0 && process.ppid !== parent) return;
  }
}

process.send?.('attached', () => run());
