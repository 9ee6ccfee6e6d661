import { Counter } from '../../metrics/counters.js';
import type { Lines } from '../lines.js';
import { type AppMemory, KEPT_BYTES } from '../memory.js';
import { PARSER_WORDS, Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import type { Content } from './content.js';
import { Dot, MOST_LARGE_READINGS, MOST_READINGS, Mode, READING_BITS, S, SessionBit, SMALL_REST, T } from './layout.js';
import type { Mails } from './mails.js';
import { Command, type CommandQueue } from './queue.js';

/** Bits that a session keeps, whichever reading of it is right. */
const OF_THE_SESSION = SessionBit.Greeted | SessionBit.Welcome | SessionBit.Error | SessionBit.Chunking | (3 * SessionBit.Finished);

/**
 * What a client says while nobody knows how its server takes it: as the mail, or as commands. Both readings go on, each with a session
 * of its own (a row of Sessions that no flow leads to), until a reply contradicts one. Rules see the transactions of all of them;
 * records are made of those that prove right.
 *
 *   flow's session ─ S.Next ─► reading ─ S.Next ─► reading          S.Main of each: the flow's session + 1
 *        mail: DATA was accepted    commands: it was refused
 */
export class Readings {
  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly memory: AppMemory,
    private readonly counters: Float64Array,
    private readonly lines: Lines,
    private readonly mails: Mails,
    private readonly queue: CommandQueue,
    private readonly content: Content,
  ) {}

  /** The next reading of the same flow, -1: there is none. */
  next(session: number): number {
    return this.sessions.words[session * Session.Words + S.Next] - 1;
  }

  /** What comes next is mail to the session, and commands to the reading that is returned; -1: there are too many, or no room. `rest`: bytes that both will read. */
  part(session: number, rest: number): number {
    const { words } = this.sessions;
    words[session * Session.Words + S.Bits] &= ~SessionBit.Parting;
    const reading = this.copy(session, rest);
    if (reading < 0) return -1;
    if ((words[session * Session.Words + S.Bits] & SessionBit.Perhaps) !== 0) this.mailEnded(session, reading);
    else this.chunkRefused(reading);
    return reading;
  }

  /** The DATA that is not answered is accepted in the session, and refused in the reading that is returned. -1: as above. */
  refuse(session: number, rest: number): number {
    const { words } = this.sessions;
    const reading = this.copy(session, rest);
    if (reading < 0) return -1;
    const s = session * Session.Words;
    const r = reading * Session.Words;
    if ((words[s + S.Bits] & SessionBit.Merged) !== 0) {
      // Opened by lines behind the mail, which are nothing in the other reading.
      const own = this.mails.current(session);
      if (own >= 0) this.txs.words[own * Tx.Words + T.Reading] = this.mails.bit(session);
      words[r + S.Tx] = words[s + S.MailTx];
      words[r + S.TxId] = words[s + S.MailId];
    }
    words[s + S.Bits] &= ~(SessionBit.Pending | SessionBit.Merged | SessionBit.Rest);
    this.queue.settleLast(session, true);
    this.queue.settleLast(reading, false);
    this.becomesCommands(reading);
    return reading;
  }

  /** The server has answered the DATA of `tx`, which the session had not parted by. */
  settle(session: number, tx: number, isTaken: boolean): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    this.queue.settle(session, tx, isTaken);
    if (this.queue.hasData(session)) return;
    if ((words[s + S.Bits] & SessionBit.Pending) !== 0 && isTaken) this.lines.clear(session, 0);
    if ((words[s + S.Bits] & SessionBit.Merged) !== 0 && !isTaken && words[s + S.Tx] === 0) {
      words[s + S.Tx] = words[s + S.MailTx];
      words[s + S.TxId] = words[s + S.MailId];
    }
    words[s + S.Bits] &= ~(SessionBit.Pending | SessionBit.Merged | (isTaken ? SessionBit.Rest : 0));
  }

  /** Replies were lost: whether a DATA was accepted nobody will know. */
  forgetReplies(session: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    this.queue.clear(session);
    if (words[s + S.Mode] === Mode.Data) this.lines.clear(session, 0);
    words[s + S.Bits] &= ~(SessionBit.Pending | SessionBit.Merged | SessionBit.Rest);
  }

  /** No reading can part from others of the flow whose session is `main`. */
  isFull(main: number, rest: number): boolean {
    let n = 1;
    for (let reading = this.next(main); reading >= 0; reading = this.next(reading)) n++;
    // Flows that begin need sessions, too.
    const { active, capacity } = this.sessions;
    return n >= (rest <= SMALL_REST ? MOST_READINGS : MOST_LARGE_READINGS) || active >= capacity - (capacity >> 3);
  }

  /** Another reading that knows what the session does; -1: there are too many, or no room. */
  private copy(session: number, rest: number): number {
    const { words } = this.sessions;
    const main = this.mails.owner(session);
    const reading = this.isFull(main, rest) ? -1 : this.sessions.take();
    if (reading < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    const s = session * Session.Words;
    const r = reading * Session.Words;
    words.copyWithin(r + S.Bits, s + S.Bits, s + Session.Parser + PARSER_WORDS);
    words[r + S.Main] = ((main + 1) << READING_BITS) | this.unused(main);
    words[r + S.Next] = 0;
    words[r + S.LineLen] = 0;
    words[r + S.LineLenTc] = 0;
    this.queue.copy(session, reading);
    this.mails.copyHelo(session, reading);
    let last = main;
    while (this.next(last) >= 0) last = this.next(last);
    words[last * Session.Words + S.Next] = reading + 1;
    this.share(main, this.mails.bit(session), this.mails.bit(reading));
    return reading;
  }

  private mailEnded(session: number, reading: number): void {
    const { words } = this.sessions;
    const tx = this.mails.coming(session);
    words[session * Session.Words + S.Bits] |= SessionBit.Parted;
    // Who has refused it does not look for its end.
    if ((words[session * Session.Words + S.Bits] & SessionBit.Pending) !== 0) this.queue.settleLast(reading, true);
    this.content.stops(reading);
    words[reading * Session.Words + S.Bits] |= SessionBit.Ended;
    // Behind CR alone: what ends the line is no line.
    words[reading * Session.Words + S.Left] = words[session * Session.Words + S.Left] === Dot.LineStart ? 0 : 1;
    if (tx >= 0 && words[reading * Session.Words + S.Tx] === tx + 1) words[reading * Session.Words + S.Tx] = 0;
    this.queue.push(reading, Command.MailEnd, tx, this.mails.id(tx));
  }

  private chunkRefused(reading: number): void {
    if (!this.queue.rename(reading, Command.Bdat, Command.BdatRefused)) this.queue.rename(reading, Command.BdatLast, Command.BdatRefused);
    this.becomesCommands(reading);
  }

  private becomesCommands(reading: number): void {
    const { words } = this.sessions;
    const r = reading * Session.Words;
    this.content.stops(reading);
    words[r + S.Bits] &= ~(SessionBit.Ended | SessionBit.Merged);
    if (words[r + S.Tx] !== 0) words[r + S.Bits] |= SessionBit.Borrowed;
  }

  /** The server says `code`: readings in which it would not have said it are wrong, if there is one in which it would. */
  decide(main: number, code: number): void {
    let right = this.allows(main, code) ? main : -1;
    for (let reading = this.next(main); reading >= 0 && right < 0; reading = this.next(reading))
      if (this.allows(reading, code)) right = reading;
    if (right < 0) return;
    for (let reading = this.next(main); reading >= 0; ) {
      const next = this.next(reading);
      if (reading !== right && !this.allows(reading, code)) this.drop(main, reading);
      reading = next;
    }
    if (right !== main) this.adopt(main, right);
    if (this.next(main) < 0) this.certain(main);
  }

  private allows(session: number, code: number): boolean {
    if (code === 421) return true;
    const command = this.queue.front(session);
    switch (command) {
      case -1:
        return false;
      case Command.Data:
        return code === 354 || code >= 400;
      case Command.DataTaken:
        return code === 354;
      case Command.DataRefused:
        return code >= 400;
      case Command.BdatRefused:
        return code === 500 || code === 502;
      case Command.Bdat:
      case Command.BdatLast:
        return code === 250 || (code >= 400 && code !== 500 && code !== 502);
      case Command.StartTls:
        return code === 220 || code >= 400;
      case Command.Other:
      case Command.InMail:
      case Command.Auth:
      case Command.Quit:
        return code !== 354 && code !== 220;
      default:
        return (code >= 250 && code < 300) || code >= 400;
    }
  }

  /** The flow's own reading was wrong, and another takes its place. */
  private adopt(main: number, reading: number): void {
    const { words } = this.sessions;
    const m = main * Session.Words;
    const r = reading * Session.Words;
    const front = this.queue.front(reading);
    const isRefused = front === Command.DataRefused || front === Command.BdatRefused || (words[r + S.Bits] & SessionBit.Ended) === 0;
    const tx = words[m + S.Mode] === Mode.Command ? -1 : this.mails.coming(main);
    if (tx >= 0) this.content.close(tx, !isRefused);
    this.withdraw(main, 1);
    const bit = this.mails.bit(reading);
    this.unlink(main, reading);
    this.lines.clear(main, 0);
    this.queue.close(main);
    this.mails.close(main);
    const bits = (words[m + S.Bits] & OF_THE_SESSION) | (words[r + S.Bits] & ~(OF_THE_SESSION | SessionBit.Borrowed | SessionBit.Ended));
    for (let i = Session.Parser; i < S.Bits; i += 2) words[m + i] = words[r + i];
    const count = words[m + S.Count];
    const lineLen = words[m + S.LineLenTc];
    const next = words[m + S.Next];
    words.copyWithin(m + S.Bits, r + S.Bits, r + S.Main);
    words[m + S.Bits] = bits;
    words[m + S.Count] = count;
    words[m + S.LineLenTc] = lineLen;
    words[m + S.Next] = next;
    const { bytes } = this.memory;
    bytes.copyWithin(this.memory.keptAt(main, 0), this.memory.keptAt(reading, 0), this.memory.keptAt(reading, 0) + KEPT_BYTES);
    this.share(main, bit, 1);
    this.withdraw(main, bit);
    this.sessions.give(reading);
  }

  /** A reading was wrong. */
  private drop(main: number, reading: number): void {
    this.withdraw(main, this.mails.bit(reading));
    this.unlink(main, reading);
    this.lines.clear(reading, 0);
    this.queue.close(reading);
    this.mails.close(reading);
    this.sessions.give(reading);
  }

  /** The flow ends, and nobody has said which one is right: the flow's own, unless its mail may have ended, and the client does not send CR LF. */
  finish(main: number): void {
    const { words } = this.sessions;
    const m = main * Session.Words;
    if (words[m + S.Mode] === Mode.Data && (words[m + S.Bits] & (SessionBit.Perhaps | SessionBit.Strict)) === SessionBit.Perhaps) {
      let reading = this.next(main);
      while (reading >= 0 && (words[reading * Session.Words + S.Bits] & SessionBit.Ended) === 0) reading = this.next(reading);
      if (reading >= 0) this.adopt(main, reading);
      else this.content.ends(main, this.mails.coming(main));
    }
    this.dropAll(main);
  }

  /** All but the flow's own: nobody can tell any more. */
  dropAll(main: number): void {
    if (this.next(main) < 0) return;
    for (let reading = this.next(main); reading >= 0; reading = this.next(main)) this.drop(main, reading);
    this.certain(main);
  }

  private unlink(main: number, reading: number): void {
    const { words } = this.sessions;
    let before = main;
    while (this.next(before) !== reading) before = this.next(before);
    words[before * Session.Words + S.Next] = words[reading * Session.Words + S.Next];
  }

  /** A number that no reading of the flow has. */
  private unused(main: number): number {
    let used = 1;
    for (let reading = this.next(main); reading >= 0; reading = this.next(reading)) used |= this.mails.bit(reading);
    return 31 - Math.clz32(~used & -~used);
  }

  /** Transactions of one reading are another's, too; what the flow's own has is recorded. */
  private share(main: number, bit: number, other: number): void {
    const { txs } = this;
    const { words } = txs;
    for (let tx = txs.first(main); tx >= 0; tx = txs.behind(tx)) {
      const at = tx * Tx.Words;
      if ((words[at + T.Reading] & bit) === 0) continue;
      words[at + T.Reading] |= other;
      if (other === 1) words[at + Tx.Flags] &= ~TxFlag.Logged;
    }
  }

  /** A reading was wrong: transactions that no other one has come to nothing. */
  private withdraw(main: number, bit: number): void {
    const { txs } = this;
    const { words } = txs;
    for (let tx = txs.first(main); tx >= 0; tx = txs.behind(tx)) {
      const at = tx * Tx.Words;
      if ((words[at + T.Reading] & bit) === 0) continue;
      words[at + T.Reading] &= ~bit;
      if (words[at + T.Reading] !== 0 || !txs.isOpen(tx)) continue;
      words[at + Tx.Flags] |= TxFlag.Logged;
      words[at + Tx.State] = STATE_DONE;
      words[at + Tx.State + 1] = STATE_DONE;
    }
  }

  /** One reading is left: its transactions are what was said. */
  private certain(main: number): void {
    const { txs } = this;
    for (let tx = txs.first(main); tx >= 0; tx = txs.behind(tx)) txs.words[tx * Tx.Words + T.Reading] = 0;
  }
}
