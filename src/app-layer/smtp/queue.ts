import { Counter } from '../../metrics/counters.js';
import type { Sessions } from '../sessions.js';
import { Session } from '../sessions.js';
import type { Transactions } from '../transactions.js';
import { S } from './layout.js';

/** Commands, as far as their replies mean something. */
export const enum Command {
  Other = 0,
  Helo,
  /** RSET or HELO that ends a mail that was begun. */
  GiveUp,
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
  /** Lines of a mail whose DATA is not answered: commands if it is refused. */
  InMail,
}

/** Runs of a session, a power of two; a run: command and count << 5, transaction + 1, its id. */
const RUNS = 64;
const RUN_WORDS = 3;
const BYTES = RUNS * RUN_WORDS * 4;
const MOST_COUNT = 1 << 24;
const SHIFT = 5;
const CODE = (1 << SHIFT) - 1;

/**
 * Commands that wait for their replies, in order: of a session a ring of runs in the heap, taken with its first command.
 *
 *   head ─► | command, count | tx + 1 | id |  ...        equal ones of one transaction are one run
 *
 *   DATA | InMail, lines | MailEnd      one reply of two, if it accepts; else one for each line and the dot (settle)
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
    const same = n > 0 && (heapWords[last] & CODE) === command && heapWords[last + 1] === tx + 1 && heapWords[last + 2] === id;
    if (same || n === RUNS) {
      if (!same) heapWords[last] = (heapWords[last] & ~CODE) | Command.Other;
      const count = Math.min((heapWords[last] >> SHIFT) + times, MOST_COUNT);
      heapWords[last] = (count << SHIFT) | (heapWords[last] & CODE);
      return;
    }
    const at = runs + ((words[s + S.QueueHead] + n) & (RUNS - 1)) * RUN_WORDS;
    heapWords[at] = (Math.min(times, MOST_COUNT) << SHIFT) | command;
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
    return this.heapWords[at] & CODE;
  }

  /** The last one; -1: none waits. */
  back(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const n = words[s + S.QueueCount];
    if (n === 0) return -1;
    return this.heapWords[((words[s + S.Queue] - 1) >> 2) + ((words[s + S.QueueHead] + n - 1) & (RUNS - 1)) * RUN_WORDS] & CODE;
  }

  /** The last one is read in another way. False: it is another command. */
  rename(session: number, from: Command, to: Command): boolean {
    if (this.back(session) !== from) return false;
    const { words } = this.sessions;
    const { heapWords } = this;
    const s = session * Session.Words;
    const at = ((words[s + S.Queue] - 1) >> 2) + ((words[s + S.QueueHead] + words[s + S.QueueCount] - 1) & (RUNS - 1)) * RUN_WORDS;
    if (heapWords[at] >> SHIFT === 1) heapWords[at] = (heapWords[at] & ~CODE) | to;
    else {
      heapWords[at] -= 1 << SHIFT;
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
    this.heapWords[at] -= 1 << SHIFT;
    if (this.heapWords[at] >> SHIFT === 0) {
      words[s + S.QueueHead] = (words[s + S.QueueHead] + 1) & (RUNS - 1);
      words[s + S.QueueCount]--;
    }
    return command;
  }

  /** Servers may leave replies out: 354 is about a DATA, if one waits. */
  skipToData(session: number): void {
    const count = this.sessions.words[session * Session.Words + S.QueueCount];
    let i = 0;
    while (i < count && !isData(this.heapWords[this.run(session, i)] & CODE)) i++;
    if (i === count) return;
    while (!isData(this.front(session))) this.take(session);
  }

  /** The last DATA that waits is read as accepted, or as refused. */
  settleLast(session: number, isTaken: boolean): void {
    const i = this.lastData(session);
    if (i < 0) return;
    const at = this.run(session, i);
    this.heapWords[at] = (this.heapWords[at] & ~CODE) | (isTaken ? Command.DataTaken : Command.DataRefused);
    this.settleMail(session, i + 1, this.heapWords[at + 1], isTaken);
  }

  /** The DATA of `tx`, which was taken last, was accepted or refused. */
  settle(session: number, tx: number, isTaken: boolean): void {
    this.settleMail(session, 0, tx + 1, isTaken);
  }

  /** A DATA waits. */
  hasData(session: number): boolean {
    return this.lastData(session) >= 0;
  }

  private lastData(session: number): number {
    let i = this.sessions.words[session * Session.Words + S.QueueCount] - 1;
    while (i >= 0 && (this.heapWords[this.run(session, i)] & CODE) !== Command.Data) i--;
    return i;
  }

  /** Index of the words of the i-th run. */
  private run(session: number, i: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    return ((words[s + S.Queue] - 1) >> 2) + ((words[s + S.QueueHead] + i) & (RUNS - 1)) * RUN_WORDS;
  }

  /** Replies to what stands behind a DATA, from the i-th run on: one if it was a mail, else one for each line, of which the dot is one. */
  private settleMail(session: number, i: number, tx: number, isTaken: boolean): void {
    const { words } = this.sessions;
    const { heapWords } = this;
    const count = session * Session.Words + S.QueueCount;
    if (i >= words[count]) return;
    const at = this.run(session, i);
    if ((heapWords[at] & CODE) !== Command.InMail) return;
    let gone = i;
    if (!isTaken) {
      heapWords[at] -= Command.InMail - Command.Other;
      gone++;
      const end = gone < words[count] ? this.run(session, gone) : -1;
      if (end < 0 || (heapWords[end] & CODE) !== Command.MailEnd || heapWords[end + 1] !== tx) return;
    }
    for (let j = gone + 1; j < words[count]; j++) {
      const from = this.run(session, j);
      heapWords.copyWithin(this.run(session, j - 1), from, from + RUN_WORDS);
    }
    words[count]--;
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

function isData(command: number): boolean {
  return command === Command.Data || command === Command.DataTaken;
}
