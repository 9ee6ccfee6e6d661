import { AppHeap } from './heap.js';

/**
 * Transactions of one thread: what a protocol's parser makes of the bytes, and rules and records are about. A line of words each:
 *
 *   0         1      2    3         4         5        6        7 .. 8      9      10 .. 33
 *   | session | next | id | state   | state   | flags  | detect | pieces    | proto | the parser's own |
 *   | (-1)    | (free: next free)   | ts      | tc     |        | (TxRules) | head, n                  |
 *
 * A session has a list of them, in order of their ids. Bytes that outlive the packet are kept in pieces of the heap, which end
 * with the transaction.
 */
export const enum Tx {
  /** Its session; -1: of a datagram, gone when the packet is done. */
  Session = 0,
  Next = 1,
  /** Count within the flow, from 0: EVE's tx_id. */
  Id = 2,
  /** + direction: how far it is, in the parser's own order; STATE_DONE: complete. */
  State = 3,
  Flags = 5,
  /** What detection keeps (0: nothing). */
  Detect = 6,
  /** First piece of the heap, as offset + 1; how many bytes are kept. */
  Pieces = 7,
  Kept = 8,
  Proto = 9,
  Parser = 10,
  Words = 34,
}
export const TX_PARSER_WORDS = Tx.Words - Tx.Parser;
export const STATE_DONE = 0x7fff;

export const enum TxFlag {
  /** Its EVE record was written. */
  Logged = 1,
}

/** Most bytes one transaction may keep. */
const MOST_PER_TX = 1 << 20;
/** A piece begins with: the next piece as offset + 1, its own size. Offset of the bytes within it. */
const PIECE_HEAD = 8;

export class Transactions {
  readonly words: Int32Array;
  readonly heap: AppHeap;
  active = 0;
  /** Pairs (transaction, direction): what this packet brought to be inspected, in order. The same pair stands here once. */
  readonly moments: Int32Array;
  count = 0;
  private readonly heapWords: Int32Array;
  private free = -1;
  private highWater = 0;

  constructor(
    readonly capacity: number,
    heapBytes: number,
    moments = 65536,
  ) {
    this.words = new Int32Array(capacity * Tx.Words);
    this.heap = new AppHeap(heapBytes);
    this.heapWords = new Int32Array(this.heap.bytes.buffer);
    this.moments = new Int32Array(2 * moments);
  }

  /** A new transaction with cleared words, or -1: no room. The caller links it into its session's list. */
  open(session: number, proto: number, id: number): number {
    let tx = this.free;
    if (tx >= 0) this.free = this.words[tx * Tx.Words + Tx.Next];
    else if (this.highWater < this.capacity) tx = this.highWater++;
    else return -1;
    const at = tx * Tx.Words;
    this.words.fill(0, at, at + Tx.Words);
    this.words[at + Tx.Session] = session;
    this.words[at + Tx.Next] = -1;
    this.words[at + Tx.Id] = id;
    this.words[at + Tx.Proto] = proto;
    this.active++;
    return tx;
  }

  close(tx: number): void {
    this.release(tx);
    const at = tx * Tx.Words;
    this.words[at + Tx.Next] = this.free;
    this.free = tx;
    this.active--;
  }

  /** Offset in heap.bytes of a copy that lasts as long as the transaction; -1: no room (count it, and go on without). */
  keep(tx: number, mem: Uint8Array, off: number, len: number): number {
    const at = this.reserve(tx, len);
    if (at < 0) return -1;
    const { bytes } = this.heap;
    for (let i = 0; i < len; i++) bytes[at + i] = mem[off + i];
    return at;
  }

  /** The same, to be filled by the caller. */
  reserve(tx: number, len: number): number {
    const at = tx * Tx.Words;
    if (this.words[at + Tx.Kept] + len > MOST_PER_TX) return -1;
    const piece = this.heap.take(len + PIECE_HEAD);
    if (piece < 0) return -1;
    this.heapWords[piece >> 2] = this.words[at + Tx.Pieces];
    this.heapWords[(piece >> 2) + 1] = len + PIECE_HEAD;
    this.words[at + Tx.Pieces] = piece + 1;
    this.words[at + Tx.Kept] += len;
    return piece + PIECE_HEAD;
  }

  /** Gives back all that the transaction keeps. */
  release(tx: number): void {
    const at = tx * Tx.Words;
    for (let piece = this.words[at + Tx.Pieces] - 1; piece >= 0; ) {
      const next = this.heapWords[piece >> 2] - 1;
      this.heap.give(piece, this.heapWords[(piece >> 2) + 1]);
      piece = next;
    }
    this.words[at + Tx.Pieces] = 0;
    this.words[at + Tx.Kept] = 0;
  }

  /** A new packet. */
  begin(): void {
    this.count = 0;
  }

  /** The transaction has something new to inspect in that direction. False: no room for more in this packet. */
  moment(tx: number, direction: number): boolean {
    const { moments } = this;
    const n = this.count;
    if (n > 0 && moments[2 * n - 2] === tx && moments[2 * n - 1] === direction) return true;
    if (2 * n + 2 > moments.length) return false;
    moments[2 * n] = tx;
    moments[2 * n + 1] = direction;
    this.count = n + 1;
    return true;
  }
}
