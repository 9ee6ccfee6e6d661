import { replyCode } from '../lines.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import { FtpCommand } from './commands.js';
import type { FtpDialogue } from './dialogue.js';
import { FtpBit, FtpEvent, FtpSession, FtpTls, FtpTx } from './layout.js';
import { portOfExtended, portOfExtendedPassive, portOfHostPort, portOfPassive } from './ports.js';
import type { FtpReplies } from './replies.js';

/** Replies (RFC 959, 4.2.2; RFC 2428; RFC 4217). */
const enum Code {
  Ready = 220,
  Passive = 227,
  ExtendedPassive = 229,
  AuthGranted = 234,
}
const CR = 0x0d;

/** What a server says: whose reply a line is, when a reply ends, and what then holds. */
export class FtpAnswers {
  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly dialogue: FtpDialogue,
    private readonly replies: FtpReplies,
  ) {}

  /** One line of the server, mem[off, off + len), in the packet of that number. */
  line(session: number, mem: Uint8Array, off: number, len: number, isCut: boolean, packet: number): void {
    const code = replyCode(mem, off, len) || -1;
    const continues = len > 3 && mem[off + 3] === 0x2d;
    let end = off + len;
    while (end > off && mem[end - 1] === CR) end--;
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    const begun = words[at + FtpSession.Reply];
    const tx = this.replied(session, code, end > off, packet);
    words[at + FtpSession.Greeted] = 1;
    if (tx < 0) return;
    const line = tx * Tx.Words;
    this.txs.words[line + Tx.Flags] &= ~TxFlag.Logged;
    if (isCut) {
      this.txs.words[line + FtpTx.Bits] |= FtpBit.ReplyCut;
      this.dialogue.event(tx, FtpEvent.ResponseCommandTooLong);
    }
    if (end > off && this.dialogue.mayKeep(session, end - off)) this.replies.add(tx, mem, off, end);
    this.txs.moment(tx, 1);
    words[at + FtpSession.Last] = tx + 1;
    words[at + FtpSession.LastPacket] = packet;
    words[at + FtpSession.Current] = 0;
    words[at + FtpSession.Reply] = 0;
    if (begun !== 0 ? code !== begun || continues : code > 0 && continues) {
      words[at + FtpSession.Reply] = begun !== 0 ? begun : code;
      words[at + FtpSession.Current] = tx + 1;
    } else if (code < 0 || code >= 200) this.answered(session, tx, code, mem, off, end);
  }

  /** Whose reply a line with this code (-1: none) is; -1: nobody's. */
  private replied(session: number, code: number, hasText: boolean, packet: number): number {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    const oldest = words[at + FtpSession.Oldest] - 1;
    if (words[at + FtpSession.Reply] !== 0 && words[at + FtpSession.Current] !== 0) return words[at + FtpSession.Current] - 1;
    // The greeting answers no command, even one that came before it.
    const greets = code === Code.Ready && words[at + FtpSession.Greeted] === 0;
    if (oldest >= 0 && !greets) return oldest;
    // Text that is no reply goes on where the last line of the packet went.
    if (code < 0 && words[at + FtpSession.Last] !== 0 && words[at + FtpSession.LastPacket] === packet)
      return words[at + FtpSession.Last] - 1;
    if (!hasText) return -1;
    const tx = this.dialogue.openTx(session);
    if (tx < 0) return -1;
    this.txs.words[tx * Tx.Words + Tx.State] = STATE_DONE;
    this.txs.words[tx * Tx.Words + FtpTx.Command] = FtpCommand.Unknown;
    if (!greets) this.dialogue.wait(session, tx);
    return tx;
  }

  /** The transaction has its reply, which ends with the line mem[off, end). */
  private answered(session: number, tx: number, code: number, mem: Uint8Array, off: number, end: number): void {
    const { words } = this.sessions;
    const txWords = this.txs.words;
    const at = session * Session.Words + Session.Parser;
    const line = tx * Tx.Words;
    // Any other answer to AUTH leaves the connection as it was.
    if (words[at + FtpSession.Tls] === FtpTls.Asked) words[at + FtpSession.Tls] = code === Code.AuthGranted ? FtpTls.Granted : FtpTls.No;
    const command: FtpCommand = txWords[line + FtpTx.Command];
    if (command >= FtpCommand.Port && command <= FtpCommand.Epsv) {
      const port = this.agreed(tx, command, code, mem, off + 4, end);
      if (port > 0) {
        const active = command === FtpCommand.Port || command === FtpCommand.Eprt;
        txWords[line + FtpTx.Port] = port;
        if (active) txWords[line + FtpTx.Bits] |= FtpBit.Active;
        words[at + FtpSession.Port] = port;
        words[at + FtpSession.Active] = active ? 1 : 0;
      }
      txWords[line + Tx.State] = STATE_DONE;
      this.txs.moment(tx, 0);
    }
    txWords[line + Tx.State + 1] = STATE_DONE;
    if (words[at + FtpSession.Oldest] === tx + 1) words[at + FtpSession.Oldest] = this.dialogue.waiting(this.txs.behind(tx)) + 1;
  }

  /** The port that a command and its reply, mem[text, end), agree on; 0: none. */
  private agreed(tx: number, command: FtpCommand, code: number, mem: Uint8Array, text: number, end: number): number {
    if (command === FtpCommand.Pasv) return code === Code.Passive ? portOfPassive(mem, text, end) : 0;
    if (command === FtpCommand.Epsv) return code === Code.ExtendedPassive ? portOfExtendedPassive(mem, text, end) : 0;
    if (code < 200 || code > 299) return 0;
    const { words } = this.txs;
    const at = tx * Tx.Words;
    const bytes = this.dialogue.lineBytes(tx);
    if (bytes === null) return 0;
    const from = this.dialogue.lineAt(tx) + words[at + FtpTx.CommandLen];
    const to = from + (words[at + FtpTx.DataLen] > 0 ? words[at + FtpTx.DataLen] : 0);
    return command === FtpCommand.Port ? portOfHostPort(bytes, from, to) : portOfExtended(bytes, from, to);
  }
}
