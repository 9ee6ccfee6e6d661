import type { AppHeap } from '../heap.js';
import { type Transactions, Tx } from '../transactions.js';
import { FileBit, FileState, FileWord } from './layout.js';

/** Most files at once, and of one transaction. */
const CAPACITY = 65536;
const MOST_PER_TX = 1024;

/** Files of all transactions of a thread, and what is known of each: lines of words in lists, one per transaction. */
export class FileTable {
  /** Lines of FileWord.Words words. */
  readonly words: Int32Array;
  /** By file: bytes that were inspected, or are missing; what Content-Range says of it (FileBit.Ranged). */
  readonly size: Float64Array;
  readonly rangeStart: Float64Array;
  readonly rangeEnd: Float64Array;
  readonly heap: AppHeap;
  /** By transaction: its first file + 1 and its last + 1, 0: none; how many. */
  private readonly heads: Int32Array;
  private readonly tails: Int32Array;
  private readonly counts: Int32Array;
  private freeFile = -1;
  private highWater = 0;

  constructor(
    readonly txs: Transactions,
    readonly capacity = CAPACITY,
  ) {
    this.heap = txs.heap;
    this.words = new Int32Array(capacity * FileWord.Words);
    this.size = new Float64Array(capacity);
    this.rangeStart = new Float64Array(capacity);
    this.rangeEnd = new Float64Array(capacity);
    this.heads = new Int32Array(txs.capacity);
    this.tails = new Int32Array(txs.capacity);
    this.counts = new Int32Array(txs.capacity);
  }

  /** The first file of a transaction, and the one behind `file`; -1: none. */
  first(tx: number): number {
    return this.heads[tx] - 1;
  }

  behind(file: number): number {
    return this.words[file * FileWord.Words + FileWord.Next];
  }

  txOf(file: number): number {
    return this.words[file * FileWord.Words + FileWord.Tx];
  }

  /** Its flow's; -1: none. */
  sessionOf(file: number): number {
    return this.txs.words[this.txOf(file) * Tx.Words + Tx.Session];
  }

  /** 0 to server, 1 to client. */
  directionOf(file: number): number {
    return this.words[file * FileWord.Words + FileWord.Bits] & FileBit.ToClient;
  }

  /** Closed only when its end was seen and nothing is missing. */
  stateOf(file: number): FileState {
    const bits = this.words[file * FileWord.Words + FileWord.Bits];
    return (bits & (FileBit.Closed | FileBit.Truncated)) === FileBit.Closed ? FileState.Closed : FileState.Truncated;
  }

  /** Nothing more of it comes, whether it is whole or not. */
  hasEnded(file: number): boolean {
    return (this.words[file * FileWord.Words + FileWord.Bits] & FileBit.Closed) !== 0;
  }

  /** Rules see no more than its first `bytes`; 0: all. Digests and the file store have the rest, too. */
  limit(file: number, bytes: number): void {
    if (file >= 0) this.words[file * FileWord.Words + FileWord.Limit] = Math.min(bytes, 0x7fffffff);
  }

  /** Its bytes are those from `start` to `end` of something larger (Content-Range). */
  range(file: number, start: number, end: number): void {
    if (file < 0) return;
    this.words[file * FileWord.Words + FileWord.Bits] |= FileBit.Ranged;
    this.rangeStart[file] = start;
    this.rangeEnd[file] = end;
  }

  /** A new line, the last of its transaction's, `bits` set; -1: no room. */
  protected add(tx: number, bits: number): number {
    const { words } = this;
    let file = -1;
    if (this.counts[tx] < MOST_PER_TX) {
      file = this.freeFile;
      if (file >= 0) this.freeFile = words[file * FileWord.Words + FileWord.Next];
      else if (this.highWater < this.capacity) file = this.highWater++;
    }
    if (file < 0) return -1;
    const at = file * FileWord.Words;
    for (let i = at; i < at + FileWord.Words; i++) words[i] = 0;
    words[at + FileWord.Tx] = tx;
    words[at + FileWord.Next] = -1;
    words[at + FileWord.Bits] = bits;
    words[at + FileWord.Index] = this.counts[tx];
    this.size[file] = 0;
    const tail = this.tails[tx] - 1;
    if (tail >= 0) words[tail * FileWord.Words + FileWord.Next] = file;
    else this.heads[tx] = file + 1;
    this.tails[tx] = file + 1;
    this.counts[tx]++;
    return file;
  }

  /** All lines of the transaction are free again. */
  protected remove(tx: number): void {
    const tail = this.tails[tx] - 1;
    if (tail < 0) return;
    this.words[tail * FileWord.Words + FileWord.Next] = this.freeFile;
    this.freeFile = this.heads[tx] - 1;
    this.heads[tx] = 0;
    this.tails[tx] = 0;
    this.counts[tx] = 0;
  }
}
