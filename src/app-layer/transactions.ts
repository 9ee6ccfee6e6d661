import { AppHeap } from './heap.js';

/**
 * Transactions of one thread: what a protocol's parser makes of the bytes, and rules and records are about. A line of words each:
 *
 *   0         1      2    3         4         5        6        7 .. 8      9      10, 11    12 .. 35
 *   | session | next | id | state   | state   | flags  | detect | pieces    | proto | logged  | the parser's own |
 *   | (-1)    |      |    | ts      | tc      |        | (TxRules) | head, n                  |
 *
 * The life of one:
 *
 *   open ── (keep, moment)* ── ending ── inspected, EVE record written ── its number is free again
 *                              │ both directions are STATE_DONE, or the parser calls close, or its flow ends
 *
 * It ends when the packet has been inspected (AppLayer.settle), never within: until then its words and pieces stay, and whoever
 * ended it forgets its number. Transactions of a session are in a list of their own here, in order of their beginning; a parser
 * that needs one of its own may use Tx.Next. Words of a free one are 0: they are cleared when those of a packet are freed, side by
 * side as they stand, at once. Bytes that outlive the packet are kept in pieces of the heap, which end with it.
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
  /** Bits of its events that were logged, two words. */
  Logged = 10,
  Parser = 12,
  Words = 36,
}
export const TX_PARSER_WORDS = Tx.Words - Tx.Parser;
export const STATE_DONE = 0x7fff;

export const enum TxFlag {
  /** Its EVE record was written, or none is to be. */
  Logged = 1,
  /** What rules it waits for could not be remembered: all its buffers are scanned at each moment. */
  Rescan = 2,
  /** << direction: this packet has brought a moment. */
  Moment = 4,
  /** << direction: rules have looked at all of the stream's window for it. */
  Looked = 16,
  /** << direction: of that moment only events are new. */
  EventsOnly = 64,
}

const OF_MOMENTS = TxFlag.Moment | (TxFlag.Moment << 1) | TxFlag.EventsOnly | (TxFlag.EventsOnly << 1);

/** Transactions.life */
const enum Life {
  Free = 0,
  Open = 1,
  Ending = 2,
}

/** Records due before their transactions end, of one packet; any more wait for the end. */
const MOST_DUE = 16;
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
  /** Those that end with this packet. */
  readonly ended: Int32Array;
  endedCount = 0;
  /** Those whose record is due though they have not ended. */
  readonly due = new Int32Array(MOST_DUE);
  dueCount = 0;
  /** Gives back what Tx.Detect stands for. */
  rules: { release(tx: number): void } | null = null;
  /** Gives back the files of a transaction. */
  files: { release(tx: number): void } | null = null;
  private readonly heapWords: Int32Array;
  private readonly life: Uint8Array;
  /** By transaction: its neighbours in the list of its session. By session + 1: the list's ends and length. */
  private readonly after: Int32Array;
  /** Of a free one: the next free one. */
  private readonly before: Int32Array;
  private readonly heads: Int32Array;
  private readonly tails: Int32Array;
  private readonly lengths: Int32Array;
  private free = -1;
  private highWater = 0;

  /** `sessions`: how many there are at most. */
  constructor(
    readonly capacity: number,
    heapBytes: number,
    moments = 65536,
    readonly sessions = 65536,
  ) {
    this.words = new Int32Array(capacity * Tx.Words);
    this.heap = new AppHeap(heapBytes);
    this.heapWords = new Int32Array(this.heap.bytes.buffer);
    this.moments = new Int32Array(2 * moments);
    this.ended = new Int32Array(capacity);
    this.life = new Uint8Array(capacity);
    this.after = new Int32Array(capacity);
    this.before = new Int32Array(capacity);
    this.heads = new Int32Array(sessions + 1).fill(-1);
    this.tails = new Int32Array(sessions + 1).fill(-1);
    this.lengths = new Int32Array(sessions + 1);
  }

  /** A new transaction with cleared words, the last of its session, or -1: no room. */
  open(session: number, proto: number, id: number): number {
    let tx = this.free;
    if (tx >= 0) this.free = this.before[tx];
    else if (this.highWater < this.capacity) tx = this.highWater++;
    else return -1;
    const { words } = this;
    const at = tx * Tx.Words;
    words[at + Tx.Session] = session;
    words[at + Tx.Next] = -1;
    words[at + Tx.Id] = id;
    words[at + Tx.Proto] = proto;
    this.life[tx] = Life.Open;
    const list = session + 1;
    const tail = this.tails[list];
    this.before[tx] = tail;
    this.after[tx] = -1;
    if (tail >= 0) this.after[tail] = tx;
    else this.heads[list] = tx;
    this.tails[list] = tx;
    this.lengths[list]++;
    this.active++;
    return tx;
  }

  /** The transaction ends with this packet, whatever its states. May be called again. */
  close(tx: number): void {
    if (this.life[tx] !== Life.Open) return;
    this.life[tx] = Life.Ending;
    this.ended[this.endedCount++] = tx;
  }

  /** Nothing that its record says will change: it is written with this packet. */
  log(tx: number): void {
    if (this.dueCount < MOST_DUE) this.due[this.dueCount++] = tx;
  }

  /** All of a session. */
  closeAll(session: number): void {
    for (let tx = this.heads[session + 1]; tx >= 0; tx = this.after[tx]) this.close(tx);
  }

  /** The oldest of a session (-1: of datagrams), and the one behind `tx`; -1: none. */
  first(session: number): number {
    return this.heads[session + 1];
  }

  behind(tx: number): number {
    return this.after[tx];
  }

  /** How many a session has. */
  length(session: number): number {
    return this.lengths[session + 1];
  }

  isOpen(tx: number): boolean {
    return this.life[tx] === Life.Open;
  }

  isDone(tx: number): boolean {
    const at = tx * Tx.Words + Tx.State;
    return this.words[at] === STATE_DONE && this.words[at + 1] === STATE_DONE;
  }

  /** Frees those that have ended. The first of them is the next to be used: so the next packet's stand side by side, too. */
  clearEnded(): void {
    const { ended } = this;
    for (let i = this.endedCount - 1, last = i; i >= 0; i--) {
      this.remove(ended[i]);
      if (i > 0 && ended[i - 1] === ended[i] - 1) continue;
      this.words.fill(0, ended[i] * Tx.Words, (ended[last] + 1) * Tx.Words);
      last = i - 1;
    }
    this.endedCount = 0;
  }

  private remove(tx: number): void {
    const at = tx * Tx.Words;
    this.files?.release(tx);
    if (this.words[at + Tx.Pieces] !== 0) this.release(tx);
    if (this.words[at + Tx.Detect] !== 0) this.rules?.release(tx);
    const list = this.words[at + Tx.Session] + 1;
    const before = this.before[tx];
    const after = this.after[tx];
    if (before >= 0) this.after[before] = after;
    else this.heads[list] = after;
    if (after >= 0) this.before[after] = before;
    else this.tails[list] = before;
    this.lengths[list]--;
    this.life[tx] = Life.Free;
    this.before[tx] = this.free;
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

  /** What the packet brought has been inspected. */
  clearMoments(): void {
    const { moments, words } = this;
    for (let i = 0; i < this.count; i++) words[moments[2 * i] * Tx.Words + Tx.Flags] &= ~OF_MOMENTS;
    this.count = 0;
  }

  /** A new packet: what ended with the one before goes. */
  begin(): void {
    this.clearMoments();
    this.clearEnded();
    this.dueCount = 0;
  }

  /** The transaction has something new to inspect in that direction. False: no room for more in this packet. */
  moment(tx: number, direction: number): boolean {
    const { moments, words } = this;
    const n = this.count;
    const flags = tx * Tx.Words + Tx.Flags;
    words[flags] &= ~(TxFlag.EventsOnly << direction);
    if ((words[flags] & (TxFlag.Moment << direction)) !== 0) return true;
    if (2 * n + 2 > moments.length) return false;
    words[flags] |= TxFlag.Moment << direction;
    moments[2 * n] = tx;
    moments[2 * n + 1] = direction;
    this.count = n + 1;
    return true;
  }

  /** An event that rules of the other direction are about, too: rules on events alone are asked there, unless that has its own moment. */
  eventMoment(tx: number, direction: number): void {
    const flags = tx * Tx.Words + Tx.Flags;
    if ((this.words[flags] & (TxFlag.Moment << direction)) === 0 && this.moment(tx, direction))
      this.words[flags] |= TxFlag.EventsOnly << direction;
  }

  /** Numbers used so far are below this. */
  get used(): number {
    return this.highWater;
  }
}
