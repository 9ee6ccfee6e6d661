import { Counter } from '../../metrics/counters.js';
import { AppProto } from '../buffers.js';
import type { HeldBytes } from '../held-bytes.js';
import { replyCode } from '../lines.js';
import { Parsed } from '../protocol.js';
import { upper } from '../recognise.js';
import { Session, type Sessions } from '../sessions.js';
import { type Transactions, Tx } from '../transactions.js';
import { isReply } from './commands.js';
import type { Content } from './content.js';
import { SmtpEvent } from './events.js';
import { Mode, S, SessionBit, T, TxBit } from './layout.js';
import type { Mails } from './mails.js';
import { Command, type CommandQueue } from './queue.js';
import type { Readings } from './readings.js';

const CR = 0x0d;
const DASH = 0x2d;
const CHUNKING = Uint8Array.from('CHUNKING', (c) => c.charCodeAt(0));

/** What the server answers, and what it makes of the commands that waited for it. */
export class Replies {
  /** Whether STARTTLS may change the protocol: set by the frame. */
  mayChange = true;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    private readonly mails: Mails,
    private readonly queue: CommandQueue,
    private readonly content: Content,
    private readonly readings: Readings,
    private readonly held: HeldBytes,
  ) {}

  /** A line of a reply. */
  line(session: number, mem: Uint8Array, off: number, length: number): Parsed {
    const { words } = this.sessions;
    const s = session * Session.Words;
    let len = length;
    while (len > 0 && mem[off + len - 1] === CR) len--;
    const code = replyCode(mem, off, len);
    if (!isReply(code)) this.bad(session);
    if (code < 0) return Parsed.Go;
    if (len > 3 && isChunking(mem, off + 4, off + len)) words[s + S.Bits] |= SessionBit.Chunking;
    if (len > 3 && mem[off + 3] === DASH) return Parsed.Go;
    const isFirst = (words[s + S.Bits] & SessionBit.Greeted) === 0;
    words[s + S.Bits] |= SessionBit.Greeted;
    if (isFirst && (code === 220 || code === 554 || code === 421) && this.queue.front(session) !== Command.StartTls) return Parsed.Go;
    if (this.readings.next(session) >= 0) {
      this.readings.decide(session, code);
      for (let reading = this.readings.next(session); reading >= 0; reading = this.readings.next(reading)) this.answer(reading, code);
    }
    return this.answer(session, code);
  }

  /** The transaction that the next reply is about, the last one if nobody knows; -1: there is none. */
  about(session: number): number {
    if (this.queue.front(session) >= 0) {
      const tx = this.mails.alive(session, this.queue.tx, this.queue.id);
      if (tx >= 0) return tx;
    }
    return this.mails.current(session);
  }

  private answer(session: number, code: number): Parsed {
    const { words } = this.sessions;
    const { mails } = this;
    const s = session * Session.Words;
    // The server has taken as the end of the mail what not all do.
    if (
      words[s + S.Mode] === Mode.Data &&
      (words[s + S.Bits] & SessionBit.Perhaps) !== 0 &&
      this.queue.front(session) < 0 &&
      code !== 354
    ) {
      this.content.ends(session, mails.coming(session));
    }
    if (code === 354) this.queue.skipToData(session);
    const command = this.queue.take(session);
    const asked = this.queue.tx;
    const tx = command < 0 ? -1 : mails.alive(session, asked, this.queue.id);
    words[s + S.Waits] = 0;
    if (command < 0) {
      const about = this.about(session);
      if (about >= 0 && code !== 354) mails.event(about, 1, SmtpEvent.UnableToMatchReply);
    }
    // Whoever asked for it: the server reads mail now.
    const isAsked = command === Command.Data || command === Command.DataTaken;
    if (code === 354 && !isAsked && words[s + S.Mode] === Mode.Command && (words[s + S.Bits] & SessionBit.Astray) === 0)
      this.content.begin(session, mails.forCommand(session, Command.Data), false);
    if (command === Command.Data || code === 354) this.readings.settle(session, asked, code === 354);
    switch (command) {
      case Command.Data:
      case Command.DataTaken:
        if (code !== 354) this.dataRejected(session, asked, tx);
        break;
      case Command.DataRefused:
      case Command.BdatRefused:
        if (tx < 0) break;
        mails.event(tx, 1, SmtpEvent.DataCommandRejected);
        if (words[s + S.Main] !== 0) break;
        this.content.close(tx, false);
        if (mails.current(session) !== tx) mails.complete(tx);
        break;
      case Command.Bdat:
        this.chunkAnswered(session, tx, code);
        break;
      case Command.StartTls:
        words[s + S.Bits] &= ~SessionBit.Holding;
        // Another reading's is not told of the change: it ends with it.
        if (words[s + S.Main] !== 0) break;
        if (tx >= 0) this.held.release(tx);
        if (code === 220) {
          // Followed all the same: what is not looked at is a way in.
          if (!this.mayChange && tx >= 0) mails.event(tx, 1, SmtpEvent.FailedProtocolChange);
          return Parsed.Changed;
        }
        if (tx >= 0) mails.event(tx, 1, SmtpEvent.TlsRejected);
        break;
      case Command.BdatLast:
        this.chunkAnswered(session, tx, code);
        if (tx >= 0) mails.complete(tx);
        break;
      case Command.Rset:
        // Who did not wait for this reply may have begun a mail in the transaction that had none.
        if (tx >= 0 && !mails.hasBegun(tx)) mails.complete(tx);
        break;
      case Command.MailEnd:
      case Command.GiveUp:
        if (tx >= 0) mails.complete(tx);
        break;
      case Command.Quit:
        if (tx >= 0 && code === 221) mails.complete(tx);
        break;
    }
    return Parsed.Go;
  }

  /** A server that does not know BDAT (RFC 5321, 4.2.4) takes what follows for commands. One that refuses a chunk reads it all the same. */
  private chunkAnswered(session: number, tx: number, code: number): void {
    if ((code !== 500 && code !== 502) || this.sessions.words[session * Session.Words + S.Mode] !== Mode.Bdat) return;
    this.content.stops(session);
    if (tx >= 0) this.mails.event(tx, 1, SmtpEvent.DataCommandRejected);
  }

  /** `asked`: the transaction that DATA was about; `tx`: the same if it has not ended. */
  private dataRejected(session: number, asked: number, tx: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const rest = words[s + S.Bits] & SessionBit.Rest;
    const isComing = words[s + S.Mode] === Mode.Data && words[s + S.MailTx] === asked + 1;
    if (isComing) {
      this.content.stops(session);
      words[s + S.Bits] |= rest;
    }
    if (tx < 0) return;
    this.mails.event(tx, 1, SmtpEvent.DataCommandRejected);
    const hasEnded = (this.txs.words[tx * Tx.Words + T.Bits] & TxBit.Ended) !== 0;
    if (!isComing && !hasEnded) return;
    if (hasEnded && words[s + S.Mode] === Mode.Command) words[s + S.Bits] |= SessionBit.Astray;
    this.content.close(tx, false);
    if (hasEnded && this.mails.current(session) !== tx) this.mails.complete(tx);
  }

  private bad(session: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if ((words[s + S.Bits] & SessionBit.Error) === 0) this.counters[Counter.AppErrors + AppProto.Smtp]++;
    words[s + S.Bits] |= SessionBit.Error;
    let tx = this.about(session);
    if (tx < 0 && words[s + S.Count] === 0) tx = this.mails.open(session);
    if (tx >= 0) this.mails.event(tx, 1, SmtpEvent.InvalidReply);
  }
}

function isChunking(mem: Uint8Array, off: number, end: number): boolean {
  if (end - off < CHUNKING.length) return false;
  for (let i = 0; i < CHUNKING.length; i++) if (upper(mem[off + i]) !== CHUNKING[i]) return false;
  return true;
}
