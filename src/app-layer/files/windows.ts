import type { AppHeap } from '../heap.js';
import { PacketMemory } from '../packet-memory.js';
import { FileWord } from './layout.js';

/** Most bytes of a file seen before that are shown again with the new ones. */
export const WINDOW_BYTES = 4096;
/** What the files of one packet may need: bytes put together. */
const SCRATCH_BYTES = 2 << 20;
/** Memories of one packet that files lie in; in more they are copied. */
const MOST_MEMORIES = 16;

/**
 * The files' bytes as rules see them: `[up to 4 KiB seen before | new in this packet]`. New bytes in one piece of a memory that the
 * addon knows, with nothing before them, are shown there; else they are put together in the scratch.
 */
export class FileWindows extends PacketMemory {
  /** `words`: lines of FileWord.Words words. */
  constructor(
    private readonly words: Int32Array,
    private readonly heap: AppHeap,
  ) {
    super(SCRATCH_BYTES, MOST_MEMORIES);
  }

  /** New bytes of the file whose line is at `at`; region -1: they do not last. False: no room, they are not shown. */
  add(at: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const { words } = this;
    const isFirst = words[at + FileWord.Stamp] !== this.packet;
    if (isFirst && words[at + FileWord.WindowLen] === 0 && region >= 0) {
      const where = this.memory(mem, region);
      if (where > 0) {
        this.shown(at, where, off, len);
        return true;
      }
    }
    const where = isFirst ? -1 : words[at + FileWord.Where];
    const from = isFirst ? words[at + FileWord.Window] - 1 : words[at + FileWord.Off];
    const had = isFirst ? words[at + FileWord.WindowLen] : words[at + FileWord.Len];
    if (where > 0 && this.mems[where] === mem && from + had === off) {
      words[at + FileWord.Len] = had + len;
      return true;
    }
    const isLast = where === 0 && from + had === this.top;
    if (this.top + len + (isLast ? 0 : had) > SCRATCH_BYTES) return false;
    const to = isLast ? from : this.top;
    if (!isLast && had > 0) this.append(where < 0 ? this.heap.bytes : this.mems[where], from, had);
    this.append(mem, off, len);
    this.shown(at, 0, to, had + len);
    return true;
  }

  /** Keeps the end of what is shown for the packets to come. False: no room. */
  save(at: number): boolean {
    const { words, heap } = this;
    const len = words[at + FileWord.Len];
    const n = len < WINDOW_BYTES ? len : WINDOW_BYTES;
    if (words[at + FileWord.Window] === 0 || words[at + FileWord.WindowSize] < n) {
      const size = n <= 256 ? 256 : n <= 1024 ? 1024 : WINDOW_BYTES;
      const piece = heap.take(size);
      if (piece < 0) return false;
      this.drop(at);
      words[at + FileWord.Window] = piece + 1;
      words[at + FileWord.WindowSize] = size;
    }
    const mem = this.mems[words[at + FileWord.Where]];
    const from = words[at + FileWord.Off] + len - n;
    const to = words[at + FileWord.Window] - 1;
    const { bytes } = heap;
    for (let i = 0; i < n; i++) bytes[to + i] = mem[from + i];
    words[at + FileWord.WindowLen] = n;
    return true;
  }

  drop(at: number): void {
    const { words } = this;
    if (words[at + FileWord.Window] !== 0) this.heap.give(words[at + FileWord.Window] - 1, words[at + FileWord.WindowSize]);
    words[at + FileWord.Window] = 0;
    words[at + FileWord.WindowSize] = 0;
    words[at + FileWord.WindowLen] = 0;
  }

  private shown(at: number, where: number, off: number, len: number): void {
    const { words } = this;
    words[at + FileWord.Stamp] = this.packet;
    words[at + FileWord.Where] = where;
    words[at + FileWord.Off] = off;
    words[at + FileWord.Len] = len;
  }
}
