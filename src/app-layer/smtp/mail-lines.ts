import type { Files } from '../files/files.js';
import { Piece } from '../mime/layout.js';
import type { MimeParser } from '../mime/mime.js';
import { Session, type Sessions } from '../sessions.js';
import { type Transactions, Tx } from '../transactions.js';
import { Dot, S, SessionBit, T } from './layout.js';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const NUL = 0;
const EOL = Uint8Array.of(CR, LF);
const LFS = new Uint8Array(1024).fill(LF);

/** Lines of a mail, without the dots that were added, on their way to MimeParser, or to the file of the whole message. */
export class MailLines {
  /** The last call of `lines` has seen the end of the mail. */
  hasEnded = false;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly files: Files,
    private readonly mime: MimeParser,
  ) {}

  /** Lines of a mail, up to the dot, or to what may be one (SessionBit.Parting). Returns where they end. `tx`: the mail's; -1: there was no room for one. */
  lines(session: number, tx: number, mem: Uint8Array, off: number, end: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    let state: Dot = words[s + S.Left];
    let at = off;
    this.hasEnded = false;
    while (at < end) {
      if (state === Dot.LineStart) {
        if (tx >= 0) {
          const behind = mem[at] === DOT ? this.dots(session, tx, mem, at, end) : this.block(session, tx, mem, at, end);
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
            this.hasEnded = true;
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

  /** A part of a line of the mail. Whether it is the first of its line is the session's to know. */
  piece(session: number, tx: number, mem: Uint8Array, off: number, len: number, flags: number): void {
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

  /** Lines of a dot and LF alone, of which readings have parted already: each is an empty line. Returns where they end. */
  private dots(session: number, tx: number, mem: Uint8Array, off: number, end: number): number {
    if ((this.sessions.words[session * Session.Words + S.Bits] & SessionBit.Parted) === 0) return off;
    let at = off;
    while (at + 1 < end && at - off < 2 * LFS.length && mem[at] === DOT && mem[at + 1] === LF) at += 2;
    const count = (at - off) >> 1;
    return off + 2 * this.block(session, tx, LFS, 0, count);
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
}
