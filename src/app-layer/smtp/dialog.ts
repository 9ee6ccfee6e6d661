import { LINE_BYTES } from '../memory.js';
import { Session, type Sessions } from '../sessions.js';
import type { Transactions } from '../transactions.js';
import { chunk, command, isIdle, mayBeCommand, readChunk, readCommand } from './commands.js';
import type { Content } from './content.js';
import { SmtpEvent } from './events.js';
import { LONGEST_REPLY, S, SessionBit } from './layout.js';
import type { Mails } from './mails.js';
import { Command, type CommandQueue } from './queue.js';

const CR = 0x0d;
const LF = 0x0a;
/** First byte of TLS. */
export const TLS_HANDSHAKE = 0x16;

/** What the client asks for. */
export class Dialog {
  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly mails: Mails,
    private readonly queue: CommandQueue,
    private readonly content: Content,
  ) {}

  /** Whole lines in mem[off, end), up to behind the first that is a command; those nobody knows at once. Returns where they end, `off`: look closer. */
  lines(session: number, mem: Uint8Array, off: number, end: number): number {
    let at = off;
    let count = 0;
    // Another reading may be that of a server for whom CR alone ends a line.
    const cr = this.sessions.words[session * Session.Words + S.Main] === 0 ? LF : CR;
    while (at < end) {
      let lf = at;
      if (mem[at] !== LF) {
        if (mem[at] === TLS_HANDSHAKE) break;
        const most = at + LONGEST_REPLY < end ? at + LONGEST_REPLY : end;
        while (lf < most && mem[lf] !== LF && mem[lf] !== cr) lf++;
        if (lf + 1 < most && mem[lf] === CR && mem[lf + 1] === LF) lf++;
        if (lf === most || (mem[lf] === CR && lf + 1 === end)) break;
        if (mayBeCommand(mem[at])) {
          let to = lf;
          while (to > at && mem[to - 1] === CR) to--;
          const code = readCommand(mem, at, to);
          if (code !== Command.Other) {
            if (count > 0) this.unknown(session, count);
            if (this.isParting(session, code)) return at;
            this.command(session, code, mem, to, to < lf);
            return lf + 1;
          }
        }
      }
      at = lf + 1;
      count++;
    }
    if (count > 0) this.unknown(session, count);
    return at;
  }

  /** A line without its LF: mem[off, to). */
  line(session: number, mem: Uint8Array, off: number, to: number): void {
    let end = to;
    // Of a line that is cut there is no end.
    if (to - off < LINE_BYTES) while (end > off && mem[end - 1] === CR) end--;
    const code = readCommand(mem, off, end);
    if (code === Command.Other) this.unknown(session, 1);
    else this.command(session, code, mem, end, to > off && mem[to - 1] === CR);
  }

  /** What the command is about depends on whether the DATA before was accepted: it has two readings. */
  isParting(session: number, code: Command): boolean {
    const { mails } = this;
    if ((this.sessions.words[session * Session.Words + S.Bits] & SessionBit.Merged) === 0) return false;
    if (code === Command.RcptTo) return mails.hasSaid(mails.coming(session));
    return (code === Command.Data || code === Command.Bdat) && mails.hasEnvelope(mails.coming(session));
  }

  /** So many lines that nobody knows. */
  private unknown(session: number, count: number): void {
    const tx = this.asks(session, Command.Other);
    this.queue.push(session, Command.Other, tx, this.mails.id(tx), count);
    if (tx >= 0) this.txs.moment(tx, 0);
  }

  /** What readCommand has found in a line that ends at mem[end]. */
  private command(session: number, known: Command, mem: Uint8Array, end: number, isCrlf: boolean): void {
    const { words } = this.sessions;
    const { mails } = this;
    const s = session * Session.Words;
    let code = known;
    if (!isIdle(code)) words[s + S.Bits] &= ~SessionBit.Merged;
    const tx = this.asks(session, code);
    const id = mails.id(tx);
    switch (code) {
      case Command.Helo:
        code = this.helo(session, tx, mem, command.end, end);
        break;
      case Command.MailFrom:
        if (tx >= 0) mails.mailFrom(tx, mem, command.end, end);
        break;
      case Command.RcptTo:
        if (tx >= 0) mails.rcpt(tx, mem, command.end, end);
        break;
      case Command.Data:
        if (words[s + S.Main] !== 0 && !mails.hasEnvelope(tx)) {
          // It will be refused (RFC 5321, 3.3): DATA by itself costs no further reading.
          code = Command.Other;
          break;
        }
        words[s + S.Bits] = isCrlf ? words[s + S.Bits] | SessionBit.Strict : words[s + S.Bits] & ~SessionBit.Strict;
        this.content.begin(session, tx, true);
        break;
      case Command.Bdat:
        if (!readChunk(mem, command.end, end)) {
          if (tx >= 0) mails.event(tx, 0, SmtpEvent.InvalidBdat);
          code = Command.Other;
          break;
        }
        code = chunk.isLast ? Command.BdatLast : Command.Bdat;
        this.queue.push(session, code, tx, id);
        this.content.chunkBegins(session, tx);
        if (tx >= 0) this.txs.moment(tx, 0);
        return;
      case Command.Rset:
        if (tx >= 0 && mails.giveUp(session, tx)) code = Command.GiveUp;
        break;
    }
    this.queue.push(session, code, tx, id);
    if (tx >= 0) this.txs.moment(tx, 0);
  }

  /** The transaction that a command is about, with what is odd about its coming now; -1: none. */
  private asks(session: number, code: Command): number {
    const { words } = this.sessions;
    const { mails } = this;
    const bits = session * Session.Words + S.Bits;
    const back = this.queue.back(session);
    const tx = mails.forCommand(session, code);
    if (tx < 0) return -1;
    if ((words[bits] & (SessionBit.Greeted | SessionBit.Welcome)) === 0) {
      words[bits] |= SessionBit.Welcome;
      mails.event(tx, 0, SmtpEvent.NoServerWelcome);
    }
    if (back === Command.Data || back === Command.StartTls) mails.event(tx, 0, SmtpEvent.InvalidPipelinedSequence);
    return tx;
  }

  private helo(session: number, tx: number, mem: Uint8Array, off: number, end: number): Command {
    if (this.sessions.words[session * Session.Words + S.Helo] === 0) {
      this.mails.helo(session, tx, mem, off, end);
      return Command.Helo;
    }
    if (tx >= 0) this.mails.event(tx, 0, SmtpEvent.DuplicateFields);
    return tx >= 0 && this.mails.giveUp(session, tx) ? Command.GiveUp : Command.Helo;
  }
}
