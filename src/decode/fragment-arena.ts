import { native } from '../native.js';

/*
 * One buffer, registered with the addon:
 *
 *   byte 0            CHUNKS_AT
 *   | datagram out    | chunk 1 | chunk 2 | ...        a chunk: 1,024 bytes = 128 units of 8 bytes
 *
 * Fragment offsets are multiples of 8, so a datagram is at most 64 chunks of units, each unit present or not
 * (a bit in `bitmap`). Storing a fragment costs its own length, whatever was sent before: there is no list an
 * attacker could make long. A datagram's chunk table is 64 int32 words of the caller; 0 is "no chunk".
 */
const CHUNK_BYTES = 1024;
const CHUNK_SHIFT = 10;
const UNITS_PER_CHUNK = CHUNK_BYTES / 8;
const UNIT_SHIFT = CHUNK_SHIFT - 3;
const BITMAP_WORDS = UNITS_PER_CHUNK / 32;
const CHUNKS_AT = 65 * CHUNK_BYTES;

/** Words of a chunk table. */
export const MAX_CHUNKS = 64;
/** Memory of one chunk, all told. */
export const CHUNK_COST = CHUNK_BYTES + BITMAP_WORDS * 4 + 4;

/** The payload of datagrams under reassembly, and the place where whole ones are put together. */
export class FragmentArena {
  readonly mem: Uint8Array;
  /** The addon's number for the buffer. */
  readonly region: number;
  private readonly bitmap: Int32Array;
  /** Free chunks are linked through these words; those above `used` were never used. */
  private readonly nextFree: Int32Array;
  private free = 0;
  private used = 0;

  /** Reserves memory for `chunks`; the kernel gives pages when they are first written. */
  constructor(chunks: number) {
    const buffer = new ArrayBuffer(CHUNKS_AT + chunks * CHUNK_BYTES);
    this.mem = new Uint8Array(buffer);
    this.region = native.region(buffer);
    this.bitmap = new Int32Array((chunks + 1) * BITMAP_WORDS);
    this.nextFree = new Int32Array(chunks + 1);
  }

  close(): void {
    native.regionRelease(this.region);
  }

  /** Chunks that bytes [from, end) of a datagram still need. */
  missing(table: Int32Array, at: number, from: number, end: number): number {
    let count = 0;
    for (let i = from >> CHUNK_SHIFT; i <= (end - 1) >> CHUNK_SHIFT; i++) if (table[at + i] === 0) count++;
    return count;
  }

  /** Adds those chunks. The caller has made sure that no more than `chunks` are out at once. */
  reserve(table: Int32Array, at: number, from: number, end: number): void {
    for (let i = from >> CHUNK_SHIFT; i <= (end - 1) >> CHUNK_SHIFT; i++) {
      if (table[at + i] !== 0) continue;
      let chunk = this.free;
      if (chunk !== 0) this.free = this.nextFree[chunk];
      else chunk = ++this.used;
      for (let w = 0; w < BITMAP_WORDS; w++) this.bitmap[chunk * BITMAP_WORDS + w] = 0;
      table[at + i] = chunk;
    }
  }

  /** Takes back the chunks of bytes [0, end); returns how many. */
  release(table: Int32Array, at: number, end: number): number {
    let count = 0;
    for (let i = 0; i << CHUNK_SHIFT < end; i++) {
      const chunk = table[at + i];
      if (chunk === 0) continue;
      table[at + i] = 0;
      this.nextFree[chunk] = this.free;
      this.free = chunk;
      count++;
    }
    return count;
  }

  /** Copies the units of [from, end) that are not there yet from source[sourceAt...); returns how many. */
  store(table: Int32Array, at: number, source: Uint8Array, sourceAt: number, from: number, end: number): number {
    const { mem, bitmap } = this;
    let fresh = 0;
    for (let unit = from >> 3; unit << 3 < end; unit++) {
      const chunk = table[at + (unit >> UNIT_SHIFT)];
      const inChunk = unit & (UNITS_PER_CHUNK - 1);
      const word = chunk * BITMAP_WORDS + (inChunk >> 5);
      const bit = 1 << (inChunk & 31);
      if ((bitmap[word] & bit) !== 0) continue;
      bitmap[word] |= bit;
      fresh++;
      const start = unit << 3;
      const stop = Math.min(end, start + 8) - start;
      const to = CHUNKS_AT + (chunk - 1) * CHUNK_BYTES + (inChunk << 3);
      const read = sourceAt + start - from;
      for (let i = 0; i < stop; i++) mem[to + i] = source[read + i];
    }
    return fresh;
  }

  /** True when a unit of [from, end) that is there already holds other bytes than source[sourceAt...). */
  contradicts(table: Int32Array, at: number, source: Uint8Array, sourceAt: number, from: number, end: number): boolean {
    const { mem, bitmap } = this;
    for (let unit = from >> 3; unit << 3 < end; unit++) {
      const chunk = table[at + (unit >> UNIT_SHIFT)];
      const inChunk = unit & (UNITS_PER_CHUNK - 1);
      if (chunk === 0 || (bitmap[chunk * BITMAP_WORDS + (inChunk >> 5)] & (1 << (inChunk & 31))) === 0) continue;
      const start = unit << 3;
      const stop = Math.min(end, start + 8) - start;
      const held = CHUNKS_AT + (chunk - 1) * CHUNK_BYTES + (inChunk << 3);
      const read = sourceAt + start - from;
      for (let i = 0; i < stop; i++) if (mem[held + i] !== source[read + i]) return true;
    }
    return false;
  }

  /** Copies a whole payload of `total` bytes to mem[to...). */
  gather(table: Int32Array, at: number, total: number, to: number): void {
    for (let i = 0; i << CHUNK_SHIFT < total; i++) {
      const start = CHUNKS_AT + (table[at + i] - 1) * CHUNK_BYTES;
      this.mem.copyWithin(to + (i << CHUNK_SHIFT), start, start + Math.min(CHUNK_BYTES, total - (i << CHUNK_SHIFT)));
    }
  }
}
