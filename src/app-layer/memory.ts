import { native } from '../native.js';

/** Bytes a parser may keep per flow and direction without asking for more. */
export const KEPT_BYTES = 128;
/** The longest line a parser may keep: one line buffer. */
export const LINE_BYTES = 4096;
/** What one packet may need for lines put together and words rewritten: who fills a hole brings up to the usual depth (1 MiB). */
const SCRATCH_BYTES = 4 << 20;

/**
 * All the memory of one thread's application layers, registered with the addon once, so that any part of it can be a
 * buffer of a transaction. Reserved at start; pages that are never touched cost nothing.
 *
 *   | lines x LINE_BYTES | sessions x 2 directions x KEPT_BYTES | scratch |
 */
export class AppMemory {
  readonly bytes: Uint8Array;
  readonly region: number;
  private readonly keptBase: number;
  private readonly scratchBase: number;
  private scratchAt: number;
  private readonly lineNext: Int32Array;
  private lineHead = 0;

  constructor(sessions: number, lines: number) {
    this.keptBase = lines * LINE_BYTES;
    this.scratchBase = this.keptBase + sessions * 2 * KEPT_BYTES;
    this.scratchAt = this.scratchBase;
    const buffer = new ArrayBuffer(this.scratchBase + SCRATCH_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.region = native.region(buffer);
    this.lineNext = Int32Array.from({ length: lines }, (_, i) => (i + 1 < lines ? i + 1 : -1));
    if (lines === 0) this.lineHead = -1;
  }

  keptAt(session: number, direction: number): number {
    return this.keptBase + (session * 2 + direction) * KEPT_BYTES;
  }

  /** Offset of a line buffer, or -1 when all are in use. */
  takeLine(): number {
    const line = this.lineHead;
    if (line < 0) return -1;
    this.lineHead = this.lineNext[line];
    return line * LINE_BYTES;
  }

  giveLine(off: number): void {
    const line = (off / LINE_BYTES) | 0;
    this.lineNext[line] = this.lineHead;
    this.lineHead = line;
  }

  hasLine(): boolean {
    return this.lineHead >= 0;
  }

  /** A new packet: what the one before put together is no longer needed. */
  resetScratch(): void {
    this.scratchAt = this.scratchBase;
  }

  /** Offset of `length` bytes that stay until the next packet, or -1. */
  scratch(length: number): number {
    const at = this.scratchAt;
    if (at + length > this.bytes.length) return -1;
    this.scratchAt = at + length;
    return at;
  }

  /** Of what was taken last, only the bytes before `end` are needed. */
  trim(end: number): void {
    if (end < this.scratchAt) this.scratchAt = end;
  }

  close(): void {
    native.regionRelease(this.region);
  }
}
