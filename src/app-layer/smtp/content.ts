import { FileState, type Files } from '../files/files.js';
import { Piece } from '../mime/layout.js';
import type { MimeParser } from '../mime/mime.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx } from '../transactions.js';
import { chunk } from './commands.js';
import { SmtpEvent } from './events.js';
import { Dot, Mode, S, SessionBit, T, TxBit } from './layout.js';
import type { Mails } from './mails.js';
import type { SmtpOptions } from './options.js';
import { Command, type CommandQueue } from './queue.js';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const NUL = 0;
const EOL = Uint8Array.of(CR, LF);
const RAW_NAME = Uint8Array.from('rawmsg', (c) => c.charCodeAt(0));

/** What a session knows of the mail at hand only. */
const OF_A_MAIL =
  SessionBit.Perhaps | SessionBit.Parting | SessionBit.Parted | SessionBit.LastChunk | SessionBit.LongLine | SessionBit.HeldCr;

/** The mail itself: lines behind DATA up to the dot, without the dots that were added; chunks of BDAT. It goes to MimeParser line by line. */
export class Content {
  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly files: Files,
    private readonly mails: Mails,
    private readonly queue: CommandQueue,
    private readonly mime: MimeParser,
    private readonly options: SmtpOptions,
  ) {}

  /** DATA: what comes next is mail, though the server has not said yes: nothing in between would be a command, and be it a mistake. */
  begin(session: number, tx: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (tx >= 0 && (this.txs.words[tx * Tx.Words + T.Bits] & TxBit.Data) !== 0) this.mails.event(tx, 0, SmtpEvent.UnparsableContent);
    this.opens(session, tx, true);
    words[s + S.Mode] = Mode.Data;
    words[s + S.Left] = Dot.LineStart;
    const bits = words[s + S.Bits] & ~(SessionBit.Perhaps | SessionBit.Astray | SessionBit.Parted | SessionBit.LineCrlf);
    words[s + S.Bits] = bits | SessionBit.Parting | ((bits & SessionBit.Strict) !== 0 ? SessionBit.LineCrlf : 0);
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
        this.piece(session, tx, EOL, 0, 1, 0);
        isCr = false;
      }
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
      let len = lf - at;
      if (len > 0 && mem[lf - 1] === CR) {
        isCr = true;
        len--;
      }
      if (lf < end) this.piece(session, tx, mem, at, len, Piece.End | (isCr ? Piece.Crlf : 0));
      else {
        if (len > 0) this.piece(session, tx, mem, at, len, 0);
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
    if ((words[s + S.Bits] & SessionBit.HeldCr) !== 0) this.piece(session, tx, EOL, 0, 1, 0);
    this.ends(session, tx);
  }

  /** Lines of a mail, up to the dot, or to what may be one (SessionBit.Parting). Returns where they end. */
  lines(session: number, mem: Uint8Array, off: number, end: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const tx = this.mails.coming(session);
    let state: Dot = words[s + S.Left];
    let at = off;
    while (at < end) {
      if (state === Dot.LineStart) {
        if (tx >= 0) {
          const behind = this.block(session, tx, mem, at, end);
          if (behind > at) {
            at = behind;
            continue;
          }
        }
        state = mem[at] === DOT ? Dot.Dot : mem[at] === NUL ? Dot.OddStart : Dot.InLine;
        if (state === Dot.Dot) at++;
        continue;
      }
      if (state === Dot.Dot || state === Dot.DotCr) {
        const byte = mem[at];
        if (byte === LF) {
          at++;
          if (this.dotEnds(session, state === Dot.DotCr)) {
            this.ends(session, tx);
            return at;
          }
          this.lineEnds(session, tx, mem, at - 1, 0, state === Dot.DotCr);
          state = Dot.LineStart;
          if (this.mayEnd(session)) break;
        } else if (byte === CR && state === Dot.Dot) {
          at++;
          state = Dot.DotCr;
          words[s + S.Bits] |= SessionBit.Perhaps;
        } else {
          if (tx >= 0) this.mime.dot(this.txs.words[tx * Tx.Words + T.Mime]);
          const isCr = state === Dot.DotCr;
          if (isCr) this.piece(session, tx, EOL, 0, 1, 0);
          state = byte === NUL ? Dot.OddDot : Dot.InLine;
          // CR alone ends lines, too, for some.
          if (isCr && this.mayEnd(session)) break;
        }
        continue;
      }
      if (state === Dot.Cr) {
        if (mem[at] === LF) {
          this.lineEnds(session, tx, mem, at, 0, true);
          at++;
          state = Dot.LineStart;
        } else {
          this.piece(session, tx, EOL, 0, 1, 0);
          state = mem[at] === DOT || mem[at] === NUL ? Dot.OddStart : Dot.InLine;
        }
        continue;
      }
      if (state === Dot.OddStart || state === Dot.OddDot) {
        const byte = mem[at];
        if (byte === NUL || (byte === DOT && state === Dot.OddStart)) {
          this.piece(session, tx, mem, at, 1, 0);
          at++;
          if (byte === DOT) state = Dot.OddDot;
          continue;
        }
        if (state === Dot.OddDot && byte === CR) {
          at++;
          state = Dot.OddDotCr;
          words[s + S.Bits] |= SessionBit.Perhaps;
          continue;
        }
        if (state === Dot.OddDot && byte !== LF) state = Dot.InLine;
        if (state === Dot.OddStart) state = Dot.InLine;
        if (state === Dot.InLine) continue;
      }
      if (state === Dot.OddDot || state === Dot.OddDotCr) {
        const isCr = state === Dot.OddDotCr;
        if (mem[at] === LF) {
          this.lineEnds(session, tx, mem, at, 0, isCr);
          at++;
          state = Dot.LineStart;
        } else {
          this.piece(session, tx, EOL, 0, 1, 0);
          state = mem[at] === DOT || mem[at] === NUL ? Dot.OddStart : Dot.InLine;
        }
        if (this.mayEnd(session)) break;
        continue;
      }
      let lf = at;
      let isOdd = false;
      for (; lf < end; lf++) {
        const byte = mem[lf];
        if (byte > CR) continue;
        if (byte === LF) break;
        isOdd = byte === CR && lf + 1 < end && (mem[lf + 1] === DOT || mem[lf + 1] === NUL);
        if (isOdd) break;
      }
      if (isOdd) {
        this.piece(session, tx, mem, at, lf + 1 - at, 0);
        at = lf + 1;
        state = Dot.OddStart;
        continue;
      }
      const isCr = lf > at && mem[lf - 1] === CR;
      const len = isCr ? lf - 1 - at : lf - at;
      if (lf < end) {
        this.lineEnds(session, tx, mem, at, len, isCr);
        state = Dot.LineStart;
      } else {
        if (len > 0) this.piece(session, tx, mem, at, len, 0);
        if (isCr) state = Dot.Cr;
      }
      at = lf < end ? lf + 1 : end;
    }
    words[s + S.Left] = state;
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

  /** A part of a line of the mail. Whether it is the first of its line is the session's to know. */
  private piece(session: number, tx: number, mem: Uint8Array, off: number, len: number, flags: number): void {
    const { words } = this.sessions;
    const at = session * Session.Words + S.Bits;
    const begin = (words[at] & SessionBit.LongLine) === 0 ? Piece.Begin : 0;
    words[at] = (flags & Piece.End) !== 0 ? words[at] & ~SessionBit.LongLine : words[at] | SessionBit.LongLine;
    if (tx < 0) return;
    const own = this.txs.words;
    const c = own[tx * Tx.Words + T.Mime];
    if (c !== 0) this.mime.piece(tx, c, mem, off, len, flags | begin);
    const raw = own[tx * Tx.Words + T.Raw] - 1;
    if (raw < 0) return;
    this.files.data(raw, mem, -1, off, len);
    if ((flags & Piece.Crlf) !== 0) this.files.data(raw, EOL, -1, 0, 2);
    else if ((flags & Piece.End) !== 0) this.files.data(raw, EOL, -1, 1, 1);
    this.txs.moment(tx, 0);
  }

  /** Whole lines that MimeParser takes at once, none of them beginning with a dot. Returns where they end. */
  private block(session: number, tx: number, mem: Uint8Array, off: number, end: number): number {
    const own = this.txs.words;
    const c = own[tx * Tx.Words + T.Mime];
    if (c === 0 || own[tx * Tx.Words + T.Raw] !== 0) return off;
    const taken = this.mime.lines(tx, c, mem, off, end);
    if (taken === off) return off;
    const at = session * Session.Words + S.Bits;
    const isCrlf = taken - off > 1 && mem[taken - 2] === CR;
    this.sessions.words[at] = isCrlf ? this.sessions.words[at] | SessionBit.LineCrlf : this.sessions.words[at] & ~SessionBit.LineCrlf;
    return taken;
  }

  private lineEnds(session: number, tx: number, mem: Uint8Array, off: number, len: number, isCrlf: boolean): void {
    const { words } = this.sessions;
    const at = session * Session.Words + S.Bits;
    words[at] = isCrlf ? words[at] | SessionBit.LineCrlf : words[at] & ~SessionBit.LineCrlf;
    this.piece(session, tx, mem, off, len, Piece.End | (isCrlf ? Piece.Crlf : 0));
  }

  /** A dot stands alone in its line. False: not all servers would end the mail there; which of them this is its reply will say. */
  private dotEnds(session: number, isCrlf: boolean): boolean {
    const at = session * Session.Words + S.Bits;
    return isCrlf && (this.sessions.words[at] & SessionBit.LineCrlf) !== 0;
  }

  /** The mail has ended for some servers. True: from here on there are two readings. */
  private mayEnd(session: number): boolean {
    const { words } = this.sessions;
    const at = session * Session.Words + S.Bits;
    words[at] |= SessionBit.Perhaps;
    if ((words[at] & SessionBit.Parted) !== 0) return false;
    words[at] |= SessionBit.Parting;
    return true;
  }

  /** All of the mail was seen: what is left is the server's answer. */
  ends(session: number, tx: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const isChunk = (words[s + S.Bits] & SessionBit.LastChunk) !== 0;
    this.stops(session);
    if (tx >= 0) {
      this.close(tx, true);
      if (words[s + S.Tx] === tx + 1) words[s + S.Tx] = 0;
    }
    if (isChunk) return;
    const back = this.queue.back(session);
    if (tx >= 0 && (back === Command.Data || back === Command.DataTaken)) this.mails.event(tx, 0, SmtpEvent.InvalidPipelinedSequence);
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
