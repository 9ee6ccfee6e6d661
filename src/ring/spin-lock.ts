/** Tries before a thread that waits for a lock lets others run. */
const SPINS = 200;

/** Takes the lock at words[at] (0 free, 1 held) of shared memory: for a few dozen instructions. */
export function spinLock(words: Int32Array, at: number): void {
  for (let n = 1; Atomics.compareExchange(words, at, 0, 1) !== 0; n++) {
    // Its holder may have been put aside by the scheduler: let it run.
    if (n % SPINS === 0) Atomics.wait(words, at, 1, 1);
  }
}

export function spinUnlock(words: Int32Array, at: number): void {
  Atomics.store(words, at, 0);
}
