import { native } from '../native.js';

/** Smallest and largest piece: powers of two between them. */
const LEAST_SHIFT = 6;
const MOST_SHIFT = 16;
export const MOST_KEPT = 1 << MOST_SHIFT;
/** Blocks of MOST_KEPT bytes whose free pieces are not joined, as a shift of all: what is given back is mostly taken again at once. */
const LOOSE_SHIFT = 4;
/** Pieces given back to other blocks until one of those gives its place up. */
const GIVES_PER_TURN = 1024;

/**
 * Bytes that transactions keep from one packet to the next: pieces of a power of two bytes, 64 to 65,536, out of one region
 * that the addon knows. Pages that are never touched cost nothing; a piece given back waits for the next of its size.
 *
 *   | 64 KiB       | piece | piece | ... | never used yet        |      free[class] ─► piece ⇄ piece        (its first words: next, previous)
 *
 * A large piece is parted into halves for smaller ones; two free halves become one again, but for those in a few blocks of 64 KiB, which
 * are `loose`. Otherwise memory that was once used for small pieces would never again be there for a large one.
 */
export class AppHeap {
  readonly bytes: Uint8Array;
  readonly region: number;
  /** Bytes in pieces handed out. */
  used = 0;
  private readonly words: Int32Array;
  private readonly free = new Int32Array(MOST_SHIFT + 1).fill(-1);
  /** By 64 bytes: the size, as a shift, of the free piece that begins there; 0: none does. */
  private readonly sizes: Uint8Array;
  private end = 0;
  /** By block, 1: its free halves are not joined. How many there are, and may be; where the next one is looked for; gives until then. */
  private readonly loose: Uint8Array;
  private looseCount = 0;
  private readonly mostLoose: number;
  private hand = 0;
  private gives = GIVES_PER_TURN;

  constructor(capacity: number) {
    const buffer = new ArrayBuffer(capacity & ~(MOST_KEPT - 1));
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.sizes = new Uint8Array(buffer.byteLength >> LEAST_SHIFT);
    this.loose = new Uint8Array(buffer.byteLength >> MOST_SHIFT);
    this.mostLoose = this.loose.length >> LOOSE_SHIFT;
    this.region = native.region(buffer);
  }

  /** Bytes that are not handed out. */
  get left(): number {
    return this.bytes.length - this.used;
  }

  /** Offset of a piece of at least `length` bytes, or -1: too long, or no room. */
  take(length: number): number {
    const shift = shiftOf(length);
    if (shift > MOST_SHIFT) return -1;
    let piece = this.free[shift];
    if (piece >= 0) this.unlink(piece, shift);
    else {
      piece = this.part(shift);
      if (piece < 0) return -1;
    }
    this.used += 1 << shift;
    return piece;
  }

  /** `length` as it was given to take. */
  give(offset: number, length: number): void {
    const shift = shiftOf(length);
    this.used -= 1 << shift;
    const block = offset >>> MOST_SHIFT;
    if (this.loose[block] === 0) {
      if (shift === MOST_SHIFT || this.looseCount === this.mostLoose) {
        this.join(offset, shift);
        if (this.looseCount > 0 && --this.gives === 0) this.tighten();
        return;
      }
      this.loose[block] = 1;
      this.looseCount++;
    }
    this.link(offset, shift);
  }

  close(): void {
    native.regionRelease(this.region);
  }

  /** Parts the smallest piece that is larger. */
  private part(shift: number): number {
    let size = shift + 1;
    while (size <= MOST_SHIFT && this.free[size] < 0) size++;
    let piece: number;
    if (size <= MOST_SHIFT) {
      piece = this.free[size];
      this.unlink(piece, size);
    } else {
      piece = this.end;
      if (piece + MOST_KEPT > this.bytes.length) return -1;
      this.end += MOST_KEPT;
      size = MOST_SHIFT;
    }
    while (size > shift) {
      size--;
      this.link(piece + (1 << size), size);
    }
    return piece;
  }

  /** A piece that is free from now on, and its free neighbours, as one. */
  private join(piece: number, size: number): void {
    let shift = size;
    let at = piece;
    while (shift < MOST_SHIFT) {
      const buddy = at ^ (1 << shift);
      if (this.sizes[buddy >> LEAST_SHIFT] !== shift) break;
      this.unlink(buddy, shift);
      at &= ~(1 << shift);
      shift++;
    }
    this.link(at, shift);
  }

  /** The next loose block is none any more: others are used more. */
  private tighten(): void {
    this.gives = GIVES_PER_TURN;
    const { loose, sizes } = this;
    do this.hand = this.hand + 1 < loose.length ? this.hand + 1 : 0;
    while (loose[this.hand] === 0);
    loose[this.hand] = 0;
    this.looseCount--;
    const end = (this.hand + 1) << (MOST_SHIFT - LEAST_SHIFT);
    for (let i = this.hand << (MOST_SHIFT - LEAST_SHIFT); i < end; i++) {
      const shift = sizes[i];
      if (shift === 0) continue;
      this.unlink(i << LEAST_SHIFT, shift);
      this.join(i << LEAST_SHIFT, shift);
    }
  }

  private link(piece: number, shift: number): void {
    const { words, free } = this;
    const next = free[shift];
    words[piece >> 2] = next;
    words[(piece >> 2) + 1] = -1;
    if (next >= 0) words[(next >> 2) + 1] = piece;
    free[shift] = piece;
    this.sizes[piece >> LEAST_SHIFT] = shift;
  }

  private unlink(piece: number, shift: number): void {
    const { words, free } = this;
    const next = words[piece >> 2];
    const before = words[(piece >> 2) + 1];
    if (before >= 0) words[before >> 2] = next;
    else free[shift] = next;
    if (next >= 0) words[(next >> 2) + 1] = before;
    this.sizes[piece >> LEAST_SHIFT] = 0;
  }
}

function shiftOf(length: number): number {
  const shift = 32 - Math.clz32(length - 1);
  return length <= 1 << LEAST_SHIFT ? LEAST_SHIFT : shift;
}
