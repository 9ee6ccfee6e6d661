/**
 * A set-associative table for the threads of a process: `ways` entries a set, as many sets as a power of two. In shared memory each
 * set has a lock, held for the few dozen instructions between lock() and unlock(). What entries are, who goes when a set is
 * full and which set a key belongs to, the class that extends this one says.
 *
 *   word 0 sets | 1 seed | 2 .. 15 the table's own            head
 *   word 16 ..                                              locks, one a set: 0 free, 1 held
 *   word 16 + sets (rounded up to 16) ..                    entries, set by set
 */
import { randomFillSync } from 'node:crypto';
import { spinLock, spinUnlock } from './spin-lock.js';

const enum Head {
  Sets = 0,
  Seed = 1,
  Words = 16,
}
/** How entries lie: so many a set, so many words each. */
export interface SetShape {
  ways: number;
  entryWords: number;
}

/**
 * Memory for about so many entries, in whole sets and powers of two, never more than asked for unless that is below one set.
 * Zero pages cost nothing until they are used.
 */
export function createSets(shape: SetShape, entries: number, shared: boolean): ArrayBuffer | SharedArrayBuffer {
  let sets = 1;
  while (sets * 2 * shape.ways <= entries) sets *= 2;
  const bytes = 4 * (firstEntry(sets) + sets * shape.ways * shape.entryWords);
  const buffer = shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
  const words = new Int32Array(buffer);
  words[Head.Sets] = sets;
  // Whoever does not know the seed cannot choose keys that meet in one set.
  words[Head.Seed] = randomFillSync(new Int32Array(1))[0];
  return buffer;
}

export class LockedSets {
  readonly words: Int32Array;
  protected readonly seed: number;
  private readonly sets: number;
  private readonly entries: number;
  private readonly setWords: number;
  private readonly shared: boolean;

  /** `buffer`: of createSets with the same shape. */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer, shape: SetShape) {
    this.words = new Int32Array(buffer);
    this.shared = buffer instanceof SharedArrayBuffer;
    this.sets = this.words[Head.Sets];
    this.seed = this.words[Head.Seed];
    this.entries = firstEntry(this.sets);
    this.setWords = shape.ways * shape.entryWords;
  }

  /** The set of a hash that began with `seed` and took its words by mix(). */
  protected setOf(hash: number): number {
    return (hash ^ (hash >>> 16)) & (this.sets - 1);
  }

  /** Position in `words` of the set's first entry; the set is this thread's until unlock(). */
  protected lock(set: number): number {
    if (this.shared) spinLock(this.words, Head.Words + set);
    return this.entries + set * this.setWords;
  }

  protected unlock(set: number): void {
    if (this.shared) spinUnlock(this.words, Head.Words + set);
  }
}

/** One more word of a key. */
export function mix(hash: number, word: number): number {
  return Math.imul(hash ^ word, 0x85ebca6b) ^ (hash >>> 13);
}

/** Word where the entries begin: a whole number of cache lines. */
function firstEntry(sets: number): number {
  return Head.Words + ((sets + 15) & ~15);
}
