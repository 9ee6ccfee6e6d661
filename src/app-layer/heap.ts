import { native } from '../native.js';

/** Smallest and largest piece: powers of two between them. */
const LEAST_SHIFT = 6;
const MOST_SHIFT = 16;
export const MOST_KEPT = 1 << MOST_SHIFT;

/**
 * Bytes that transactions keep from one packet to the next: pieces of a power of two bytes, 64 to 65,536, out of one region
 * that the addon knows. Pages that are never touched cost nothing; a piece given back waits for the next of its size.
 *
 *   | piece | piece ... | never used yet        |      free[class] ─► piece ─► piece        (first word of a free piece: the next)
 */
export class AppHeap {
  readonly bytes: Uint8Array;
  readonly region: number;
  /** Bytes in pieces handed out. */
  used = 0;
  private readonly words: Int32Array;
  private readonly free = new Int32Array(MOST_SHIFT + 1).fill(-1);
  private end = 0;

  constructor(capacity: number) {
    const buffer = new ArrayBuffer(capacity & ~(MOST_KEPT - 1));
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.region = native.region(buffer);
  }

  /** Offset of a piece of at least `length` bytes, or -1: too long, or no room. */
  take(length: number): number {
    const shift = shiftOf(length);
    if (shift > MOST_SHIFT) return -1;
    const piece = this.free[shift];
    if (piece >= 0) this.free[shift] = this.words[piece >> 2];
    else {
      if (this.end + (1 << shift) > this.bytes.length) return -1;
      this.end += 1 << shift;
    }
    this.used += 1 << shift;
    return piece >= 0 ? piece : this.end - (1 << shift);
  }

  /** `length` as it was given to take. */
  give(offset: number, length: number): void {
    const shift = shiftOf(length);
    this.words[offset >> 2] = this.free[shift];
    this.free[shift] = offset;
    this.used -= 1 << shift;
  }

  close(): void {
    native.regionRelease(this.region);
  }
}

function shiftOf(length: number): number {
  const shift = 32 - Math.clz32(length - 1);
  return length <= 1 << LEAST_SHIFT ? LEAST_SHIFT : shift;
}
