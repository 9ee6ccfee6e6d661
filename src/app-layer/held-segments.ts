import { type AppMemory, BLOCK_BYTES } from './memory.js';
import { Session, type Sessions } from './sessions.js';

/** Most blocks one flow and direction may hold: a window of ten segments of 1,448 bytes fits. */
export const MAX_HELD = 16;

/**
 * Segments that arrived before the bytes they follow, per session and direction a list by sequence number. What was
 * seen first stays: a segment that overlaps fills only the bytes between.
 *
 *   Session.HeldHead ─► block ─next─► block ─next─► -1      seq, len, next by block; its bytes in AppMemory
 *
 * A block that was read is free again with the next packet: transactions may refer to its bytes until then.
 */
export class HeldSegments {
  readonly seq: Int32Array;
  readonly len: Int32Array;
  readonly next: Int32Array;
  free: number;
  private freeHead: number;
  private readHead = -1;

  constructor(
    private readonly sessions: Sessions,
    private readonly memory: AppMemory,
    blocks: number,
  ) {
    this.seq = new Int32Array(blocks);
    this.len = new Int32Array(blocks);
    this.next = Int32Array.from({ length: blocks }, (_, i) => (i + 1 < blocks ? i + 1 : -1));
    this.freeHead = blocks > 0 ? 0 : -1;
    this.free = blocks;
  }

  /** Where the bytes of a block begin in AppMemory. */
  offset(block: number): number {
    return block * BLOCK_BYTES;
  }

  /** Holds the bytes back. False, and nothing is changed, when there is no room for all of them. */
  insert(session: number, direction: number, seq: number, mem: Uint8Array, off: number, len: number): boolean {
    const words = this.sessions.words;
    const at = session * Session.Words + direction;
    const needed = this.walk(at, seq, mem, off, len, false);
    if (needed > this.free || words[at + Session.HeldCount] + needed > MAX_HELD) return false;
    this.walk(at, seq, mem, off, len, true);
    words[at + Session.HeldCount] += needed;
    return true;
  }

  /** Takes the first block off its list; its bytes stay until the next packet. */
  shift(session: number, direction: number): void {
    const words = this.sessions.words;
    const at = session * Session.Words + direction;
    const block = words[at + Session.HeldHead];
    words[at + Session.HeldHead] = this.next[block];
    words[at + Session.HeldCount]--;
    this.next[block] = this.readHead;
    this.readHead = block;
  }

  releaseAll(session: number, direction: number): void {
    const at = session * Session.Words + direction + Session.HeldHead;
    while (this.sessions.words[at] >= 0) this.shift(session, direction);
  }

  /** A new packet: frees what was read. */
  reclaim(): void {
    while (this.readHead >= 0) {
      const block = this.readHead;
      this.readHead = this.next[block];
      this.next[block] = this.freeHead;
      this.freeHead = block;
      this.free++;
    }
  }

  /** Goes through the stretches that no block covers; returns how many blocks they need. `fill`: makes them. */
  private walk(at: number, seq: number, mem: Uint8Array, off: number, len: number, fill: boolean): number {
    const { next } = this;
    const head = at + Session.HeldHead;
    let before = -1;
    let block = this.sessions.words[head];
    let needed = 0;
    let done = 0;
    while (done < len) {
      const here = (seq + done) | 0;
      let end = len;
      if (block >= 0) {
        const blockStart = (this.seq[block] - here) | 0;
        const blockEnd = (blockStart + this.len[block]) | 0;
        if (blockEnd <= 0 || blockStart <= 0) {
          if (blockEnd > 0) done += blockEnd;
          before = block;
          block = next[block];
          continue;
        }
        if (blockStart < len - done) end = done + blockStart;
      }
      while (done < end) {
        const piece = Math.min(end - done, BLOCK_BYTES);
        needed++;
        if (fill) before = this.make(head, before, (seq + done) | 0, mem, off + done, piece);
        done += piece;
      }
    }
    return needed;
  }

  private make(head: number, before: number, seq: number, mem: Uint8Array, off: number, len: number): number {
    const block = this.freeHead;
    this.freeHead = this.next[block];
    this.free--;
    this.seq[block] = seq;
    this.len[block] = len;
    const { bytes } = this.memory;
    const to = this.offset(block);
    for (let i = 0; i < len; i++) bytes[to + i] = mem[off + i];
    const words = this.sessions.words;
    if (before < 0) {
      this.next[block] = words[head];
      words[head] = block;
    } else {
      this.next[block] = this.next[before];
      this.next[before] = block;
    }
    return block;
  }
}
