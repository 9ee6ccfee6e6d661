import { Counter } from '../../metrics/counters.js';
import type { Lines } from '../lines.js';
import { type AppMemory, KEPT_BYTES } from '../memory.js';
import { PARSER_WORDS, Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import type { Content } from './content.js';
import { Dot, MOST_READINGS, Mode, S, SessionBit, T } from './layout.js';
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

  /** No reading can part from others before one is contradicted. */
  isFull(session: number): boolean {
    let n = 1;
    for (let reading = this.next(session); reading >= 0; reading = this.next(reading)) n++;
    return n >= MOST_READINGS;
  }

  /** What comes next is mail to the session, and commands to the reading that is returned; -1: there are too many, or no room. */
  part(session: number): number {
    const { words } = this.sessions;
    const main = this.mails.owner(session);
    words[session * Session.Words + S.Bits] &= ~SessionBit.Parting;
    const reading = this.isFull(main) ? -1 : this.sessions.take();
    if (reading < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    const s = session * Session.Words;
    const r = reading * Session.Words;
    words.copyWithin(r + S.Bits, s + S.Bits, s + Session.Parser + PARSER_WORDS);
    words[r + S.Main] = main + 1;
    words[r + S.Next] = 0;
    words[r + S.LineLen] = 0;
    words[r + S.LineLenTc] = 0;
    this.queue.copy(session, reading);
    this.mails.copyHelo(session, reading);
    let last = main;
    while (this.next(last) >= 0) last = this.next(last);
    words[last * Session.Words + S.Next] = reading + 1;
    if ((words[s + S.Bits] & SessionBit.Perhaps) !== 0) this.mailEnded(session, reading);
    else this.mailRefused(session, reading);
    return reading;
  }

  private mailEnded(session: number, reading: number): void {
    const { words } = this.sessions;
    const tx = this.mails.coming(session);
    words[session * Session.Words + S.Bits] |= SessionBit.Parted;
    this.content.stops(reading);
    words[reading * Session.Words + S.Bits] |= SessionBit.Ended;
    // Behind CR alone: what ends the line is no line.
    words[reading * Session.Words + S.Left] = words[session * Session.Words + S.Left] === Dot.LineStart ? 0 : 1;
    if (tx >= 0 && words[reading * Session.Words + S.Tx] === tx + 1) words[reading * Session.Words + S.Tx] = 0;
    this.queue.push(reading, Command.MailEnd, tx, this.mails.id(tx));
  }

  private mailRefused(session: number, reading: number): void {
    const { words } = this.sessions;
    const r = reading * Session.Words;
    if (words[r + S.Mode] === Mode.Data) {
      this.queue.rename(session, Command.Data, Command.DataTaken);
      this.queue.rename(reading, Command.Data, Command.DataRefused);
    } else if (!this.queue.rename(reading, Command.Bdat, Command.BdatRefused))
      this.queue.rename(reading, Command.BdatLast, Command.BdatRefused);
    this.content.stops(reading);
    words[r + S.Bits] &= ~SessionBit.Ended;
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
    this.endOwn(main, main);
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
    for (let own = this.txs.first(main); own >= 0; own = this.txs.behind(own)) {
      const at = own * Tx.Words;
      if (this.txs.words[at + T.Reading] !== reading + 1) continue;
      this.txs.words[at + T.Reading] = main + 1;
      this.txs.words[at + Tx.Flags] &= ~TxFlag.Logged;
    }
    this.sessions.give(reading);
  }

  /** A reading was wrong. */
  private drop(main: number, reading: number): void {
    this.endOwn(main, reading);
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

  /** Transactions that only a wrong reading has come to nothing. */
  private endOwn(main: number, reading: number): void {
    const { txs } = this;
    const { words } = txs;
    for (let tx = txs.first(main); tx >= 0; tx = txs.behind(tx)) {
      const at = tx * Tx.Words;
      if (words[at + T.Reading] !== reading + 1 || !txs.isOpen(tx)) continue;
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
