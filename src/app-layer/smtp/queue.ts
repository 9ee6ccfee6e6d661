import { Counter } from '../../metrics/counters.js';
import type { Sessions } from '../sessions.js';
import { Session } from '../sessions.js';
import type { Transactions } from '../transactions.js';
import { S } from './layout.js';

/** Commands, as far as their replies mean something. */
export const enum Command {
  Other = 0,
  Helo,
  /** A HELO that ends a mail that was begun. */
  HeloReset,
  MailFrom,
  RcptTo,
  Data,
  /** The dot. */
  MailEnd,
  Bdat,
  BdatLast,
  Rset,
  StartTls,
  Quit,
  Auth,
  /** DATA that one reading takes for accepted, another for refused; BDAT that it takes for unknown. */
  DataTaken,
  DataRefused,
  BdatRefused,
}

/** Runs of a session, a power of two; a run: command and count << 4, transaction + 1, its id. */
const RUNS = 64;
const RUN_WORDS = 3;
const BYTES = RUNS * RUN_WORDS * 4;
const MOST_COUNT = 1 << 24;

/**
 * Commands that wait for their replies, in order: of a session a ring of runs in the heap, taken with its first command.
 *
 *   head ─► | command, count | tx + 1 | id |  ...        equal ones of one transaction are one run
 *
 * When it is full the last run takes what comes, as Other: replies stay in step, and 354 says itself what it is about.
 */
export class CommandQueue {
  /** Of the command that was taken last. */
  tx = -1;
  id = 0;
  private readonly heapWords: Int32Array;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
  ) {
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  push(session: number, command: Command, tx: number, id: number, times = 1): void {
    const { words } = this.sessions;
    const { heapWords } = this;
    const s = session * Session.Words;
    if (words[s + S.Queue] === 0) {
      const piece = this.txs.heap.take(BYTES);
      if (piece < 0) {
        this.counters[Counter.AppNoRoom]++;
        return;
      }
      words[s + S.Queue] = piece + 1;
    }
    const runs = (words[s + S.Queue] - 1) >> 2;
    const n = words[s + S.QueueCount];
    const last = runs + ((words[s + S.QueueHead] + n - 1) & (RUNS - 1)) * RUN_WORDS;
    const same = n > 0 && (heapWords[last] & 15) === command && heapWords[last + 1] === tx + 1 && heapWords[last + 2] === id;
    if (same || n === RUNS) {
      if (!same) heapWords[last] = (heapWords[last] & ~15) | Command.Other;
      const count = Math.min((heapWords[last] >> 4) + times, MOST_COUNT);
      heapWords[last] = (count << 4) | (heapWords[last] & 15);
      return;
    }
    const at = runs + ((words[s + S.QueueHead] + n) & (RUNS - 1)) * RUN_WORDS;
    heapWords[at] = (Math.min(times, MOST_COUNT) << 4) | command;
    heapWords[at + 1] = tx + 1;
    heapWords[at + 2] = id;
    words[s + S.QueueCount] = n + 1;
  }

  /** The oldest, which `tx` and `id` belong to (tx -1: no transaction); -1: none waits. */
  front(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (words[s + S.QueueCount] === 0) return -1;
    const at = ((words[s + S.Queue] - 1) >> 2) + words[s + S.QueueHead] * RUN_WORDS;
    this.tx = this.heapWords[at + 1] - 1;
    this.id = this.heapWords[at + 2];
    return this.heapWords[at] & 15;
  }

  /** The last one; -1: none waits. */
  back(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const n = words[s + S.QueueCount];
    if (n === 0) return -1;
    return this.heapWords[((words[s + S.Queue] - 1) >> 2) + ((words[s + S.QueueHead] + n - 1) & (RUNS - 1)) * RUN_WORDS] & 15;
  }

  /** The last one is read in another way. False: it is another command. */
  rename(session: number, from: Command, to: Command): boolean {
    if (this.back(session) !== from) return false;
    const { words } = this.sessions;
    const { heapWords } = this;
    const s = session * Session.Words;
    const at = ((words[s + S.Queue] - 1) >> 2) + ((words[s + S.QueueHead] + words[s + S.QueueCount] - 1) & (RUNS - 1)) * RUN_WORDS;
    if (heapWords[at] >> 4 === 1) heapWords[at] = (heapWords[at] & ~15) | to;
    else {
      heapWords[at] -= 16;
      this.push(session, to, heapWords[at + 1] - 1, heapWords[at + 2]);
    }
    return true;
  }

  /** Gives a session, which has none, the queue of another. */
  copy(from: number, to: number): void {
    const { words } = this.sessions;
    const s = from * Session.Words;
    const t = to * Session.Words;
    words[t + S.Queue] = 0;
    words[t + S.QueueCount] = 0;
    if (words[s + S.Queue] === 0) return;
    const piece = this.txs.heap.take(BYTES);
    if (piece < 0) {
      this.counters[Counter.AppNoRoom]++;
      return;
    }
    const { bytes } = this.txs.heap;
    bytes.copyWithin(piece, words[s + S.Queue] - 1, words[s + S.Queue] - 1 + BYTES);
    words[t + S.Queue] = piece + 1;
    words[t + S.QueueHead] = words[s + S.QueueHead];
    words[t + S.QueueCount] = words[s + S.QueueCount];
  }

  /** The same, which has its reply now. */
  take(session: number): number {
    const command = this.front(session);
    if (command < 0) return -1;
    const { words } = this.sessions;
    const s = session * Session.Words;
    const at = ((words[s + S.Queue] - 1) >> 2) + words[s + S.QueueHead] * RUN_WORDS;
    this.heapWords[at] -= 16;
    if (this.heapWords[at] >> 4 === 0) {
      words[s + S.QueueHead] = (words[s + S.QueueHead] + 1) & (RUNS - 1);
      words[s + S.QueueCount]--;
    }
    return command;
  }

  /** Nobody knows any more which reply is whose. */
  clear(session: number): void {
    this.sessions.words[session * Session.Words + S.QueueCount] = 0;
  }

  close(session: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (words[s + S.Queue] !== 0) this.txs.heap.give(words[s + S.Queue] - 1, BYTES);
    words[s + S.Queue] = 0;
    words[s + S.QueueCount] = 0;
  }
}
