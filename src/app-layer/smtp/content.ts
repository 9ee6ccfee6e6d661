import { FileState, type Files } from '../files/files.js';
import { Piece } from '../mime/layout.js';
import type { MimeParser } from '../mime/mime.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx } from '../transactions.js';
import { chunk } from './commands.js';
import { SmtpEvent } from './events.js';
import { Dot, Mode, S, SessionBit, T, TxBit } from './layout.js';
import { MailLines } from './mail-lines.js';
import type { Mails } from './mails.js';
import type { SmtpOptions } from './options.js';
import { Command, type CommandQueue } from './queue.js';

const CR = 0x0d;
const LF = 0x0a;
const EOL = Uint8Array.of(CR, LF);
const RAW_NAME = Uint8Array.from('rawmsg', (c) => c.charCodeAt(0));

/** What a session knows of the mail at hand only. */
const OF_A_MAIL =
  SessionBit.Perhaps |
  SessionBit.Parting |
  SessionBit.Parted |
  SessionBit.LastChunk |
  SessionBit.LongLine |
  SessionBit.HeldCr |
  SessionBit.Pending |
  SessionBit.Rest;

/** The mail itself: where it begins and ends; lines behind DATA, chunks of BDAT. */
export class Content {
  private readonly text: MailLines;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly files: Files,
    private readonly mails: Mails,
    private readonly queue: CommandQueue,
    private readonly mime: MimeParser,
    private readonly options: SmtpOptions,
  ) {
    this.text = new MailLines(sessions, txs, files, mime);
  }

  /** DATA: what comes next is mail. `isPending`: if the server says yes. */
  begin(session: number, tx: number, isPending: boolean): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (tx >= 0 && (this.txs.words[tx * Tx.Words + T.Bits] & TxBit.Data) !== 0) this.mails.event(tx, 0, SmtpEvent.UnparsableContent);
    this.opens(session, tx, true);
    words[s + S.Mode] = Mode.Data;
    words[s + S.Left] = Dot.LineStart;
    const bits = words[s + S.Bits] & ~(OF_A_MAIL | SessionBit.Merged | SessionBit.Astray | SessionBit.LineCrlf);
    words[s + S.Bits] = bits | (isPending ? SessionBit.Pending : 0) | ((bits & SessionBit.Strict) !== 0 ? SessionBit.LineCrlf : 0);
  }

  /** BDAT, as readChunk has read it. */
  chunkBegins(session: number, tx: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    this.opens(session, tx, false);
    words[s + S.Mode] = Mode.Bdat;
    words[s + S.Left] = chunk.length;
    words[s + S.Bits] = chunk.isLast ? words[s + S.Bits] | SessionBit.LastChunk : words[s + S.Bits] & ~SessionBit.LastChunk;
    if (chunk.length === 0) this.chunkEnds(session, tx);
    else if ((words[s + S.Bits] & SessionBit.Chunking) === 0) words[s + S.Bits] |= SessionBit.Parting;
  }

  /** `isAnew`: what came of a mail that was rejected does not count. */
  private opens(session: number, tx: number, isAnew: boolean): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    words[s + S.MailTx] = tx + 1;
    words[s + S.MailId] = this.mails.id(tx);
    if (tx < 0) return;
    const at = tx * Tx.Words;
    const own = this.txs.words;
    if (own[at + T.Mime] !== 0 && isAnew) this.mime.again(tx, own[at + T.Mime]);
    else if (own[at + T.Mime] + own[at + T.Raw] === 0) {
      if (this.options.raw) own[at + T.Raw] = this.files.open(tx, 0, RAW_NAME, 0, RAW_NAME.length) + 1;
      else if (this.options.mime.decode) own[at + T.Mime] = this.mime.begin(tx);
    }
    own[at + T.Bits] = (own[at + T.Bits] | TxBit.Data) & ~TxBit.Refused;
  }

  /** Bytes of a chunk: no dots were added to them. Returns where they end. */
  chunk(session: number, mem: Uint8Array, off: number, to: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const end = Math.min(to, off + words[s + S.Left]);
    const tx = this.mails.coming(session);
    words[s + S.Left] -= end - off;
    let at = off;
    while (at < end) {
      let isCr = (words[s + S.Bits] & SessionBit.HeldCr) !== 0;
      words[s + S.Bits] &= ~SessionBit.HeldCr;
      if (isCr && mem[at] !== LF) {
        this.text.piece(session, tx, EOL, 0, 1, 0);
        isCr = false;
      }
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
      let len = lf - at;
      if (len > 0 && mem[lf - 1] === CR) {
        isCr = true;
        len--;
      }
      if (lf < end) this.text.piece(session, tx, mem, at, len, Piece.End | (isCr ? Piece.Crlf : 0));
      else {
        if (len > 0) this.text.piece(session, tx, mem, at, len, 0);
        if (isCr) words[s + S.Bits] |= SessionBit.HeldCr;
      }
      at = lf + 1;
    }
    if (words[s + S.Left] === 0) this.chunkEnds(session, tx);
    return end;
  }

  private chunkEnds(session: number, tx: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    words[s + S.Mode] = Mode.Command;
    words[s + S.Left] = 0;
    if ((words[s + S.Bits] & SessionBit.LastChunk) === 0) return;
    if ((words[s + S.Bits] & SessionBit.HeldCr) !== 0) this.text.piece(session, tx, EOL, 0, 1, 0);
    this.ends(session, tx);
  }

  /** Lines of a mail, up to the dot, or to what may be one (SessionBit.Parting). Returns where they end. */
  lines(session: number, mem: Uint8Array, off: number, end: number): number {
    const tx = this.mails.coming(session);
    const at = this.text.lines(session, tx, mem, off, end);
    if (this.text.hasEnded) this.ends(session, tx);
    return at;
  }

  /** Bytes are missing, `length` of them (0: nobody knows). */
  gap(session: number, length: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const tx = this.mails.coming(session);
    const c = tx < 0 ? 0 : this.txs.words[tx * Tx.Words + T.Mime];
    if (c !== 0) this.mime.gap(tx, c);
    if (words[s + S.Mode] === Mode.Data) words[s + S.Left] = Dot.InLine;
    else if (length > 0 && length < words[s + S.Left]) words[s + S.Left] -= length;
    else this.chunkEnds(session, tx);
  }

  /** All of the mail was seen: what is left is the server's answer. */
  ends(session: number, tx: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const isChunk = (words[s + S.Bits] & SessionBit.LastChunk) !== 0;
    const isPending = (words[s + S.Bits] & SessionBit.Pending) !== 0;
    this.stops(session);
    if (tx >= 0 && isPending) {
      words[s + S.Bits] |= SessionBit.Merged;
      words[s + S.MailTx] = tx + 1;
    }
    if (tx >= 0) {
      this.close(tx, true);
      if (words[s + S.Tx] === tx + 1) words[s + S.Tx] = 0;
    }
    if (isChunk) return;
    const back = this.queue.back(session);
    if (tx >= 0 && (isPending || back === Command.Data || back === Command.DataTaken))
      this.mails.event(tx, 0, SmtpEvent.InvalidPipelinedSequence);
    this.queue.push(session, Command.MailEnd, tx, this.mails.id(tx));
  }

  /** Nothing more of the transaction's mail is to come; `isWhole`: the server has all of it, else it was none. */
  close(tx: number, isWhole: boolean): void {
    const at = tx * Tx.Words;
    const own = this.txs.words;
    // What another mail will need is kept: there is no more room in a transaction than for one.
    if (own[at + T.Mime] !== 0) {
      if (isWhole) this.mime.end(tx, own[at + T.Mime]);
      else this.mime.again(tx, own[at + T.Mime]);
    }
    if (own[at + T.Raw] > 0) this.files.close(own[at + T.Raw] - 1, isWhole ? FileState.Closed : FileState.Truncated);
    this.txs.moment(tx, 0);
    if (isWhole) {
      own[at + T.Bits] |= TxBit.Ended;
      own[at + Tx.State] = STATE_DONE;
      return;
    }
    own[at + T.Raw] = 0;
    own[at + T.Bits] |= TxBit.Refused;
  }

  /** What comes next are commands. */
  stops(session: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    words[s + S.Mode] = Mode.Command;
    words[s + S.Left] = 0;
    words[s + S.MailTx] = 0;
    words[s + S.Bits] &= ~OF_A_MAIL;
  }
}
