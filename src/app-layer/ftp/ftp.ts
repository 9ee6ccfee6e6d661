import { AppProto, BufferId, type Buffers } from '../buffers.js';
import type { Expectations } from '../ftp-data/expectations.js';
import { type LineSink, Lines } from '../lines.js';
import { type AppMemory, LINE_BYTES } from '../memory.js';
import { Likeness, Parsed, type Protocol } from '../protocol.js';
import { recognise, upper } from '../recognise.js';
import type { RecordWriter } from '../record.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import { FtpAnswers } from './answers.js';
import { FtpCommand, ftpCommand, startsWith } from './commands.js';
import { FtpDialogue } from './dialogue.js';
import { ftpRecord } from './eve.js';
import { FtpBit, FtpEvent, FtpSession, FtpTls, FtpTx, OWN_BYTES, Place } from './layout.js';
import { FtpReplies } from './replies.js';
import { withoutTelnet } from './telnet.js';

export { FTP_NAMES } from './eve.js';

/** `app-layer.protocols.ftp` of a configuration (user guide, "Suricata.yaml"). Plain data. */
export interface FtpOptions {
  /** Longest line that is read, bytes; the rest is skipped. */
  maxLine?: number;
  /** Most transactions of a flow before FtpEvent.TooManyTransactions. */
  maxTx?: number;
  /** Bytes for data connections that are expected, of a process. */
  memcap?: number;
}

const TLS_HANDSHAKE = 0x16;
const MOST_TXS = 1024;

const SP = 0x20;
const HT = 0x09;
const CR = 0x0d;
const IAC = 0xff;

/**
 * FTP commands (RFC 959). A transaction is a command line: its first word in upper case (or `AUTH TLS`, as Suricata
 * names that command), what follows the space after it, and the reply. What a server says unasked is a transaction without a command.
 */
export class FtpProtocol implements Protocol, LineSink {
  readonly proto = AppProto.Ftp;
  readonly mostTransactions: number;
  private readonly lines: Lines;
  private readonly replies: FtpReplies;
  private readonly dialogue: FtpDialogue;
  private readonly answers: FtpAnswers;
  private packet = 0;
  /** The packet's memory, as far as transactions lie there. */
  private mem: Uint8Array;
  private region = -1;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly memory: AppMemory,
    private readonly expectations: Expectations,
    counters: Float64Array,
    options: FtpOptions = {},
  ) {
    this.lines = new Lines(sessions, memory, counters, this, options.maxLine ?? LINE_BYTES);
    this.mostTransactions = options.maxTx ?? MOST_TXS;
    this.replies = new FtpReplies(txs);
    this.dialogue = new FtpDialogue(sessions, txs, counters, this.mostTransactions);
    this.answers = new FtpAnswers(sessions, txs, this.dialogue, this.replies);
    this.mem = memory.bytes;
  }

  probe(direction: number, mem: Uint8Array, off: number, len: number, serverPort: number): Likeness {
    const proto = recognise(direction, mem, off, len, serverPort);
    return proto === AppProto.Ftp ? Likeness.Yes : proto === AppProto.Unknown ? Likeness.More : Likeness.No;
  }

  begin(): void {
    this.packet = (this.packet + 1) | 0;
  }

  open(_session: number): void {}

  close(session: number): void {
    this.lines.clear(session, 0);
    this.lines.clear(session, 1);
    this.dialogue.close(session);
  }

  forget(session: number, tx: number): void {
    this.dialogue.forget(session, tx);
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    if (direction === 0 && len > 0) {
      const tls = session * Session.Words + Session.Parser + FtpSession.Tls;
      const { words } = this.sessions;
      if (words[tls] === FtpTls.Granted && this.lines.atStart(session, 0)) {
        if (mem[off] === TLS_HANDSHAKE) return Parsed.Anew;
        words[tls] = FtpTls.No;
      }
    }
    return this.lines.data(session, direction, mem, region, off, len);
  }

  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    return this.lines.hasRoom(session, direction, mem, off, len);
  }

  gap(session: number, direction: number, _length: number): Parsed {
    this.lines.cut(session, direction);
    return Parsed.Go;
  }

  finish(session: number, direction: number): void {
    this.lines.cut(session, direction);
  }

  loose(direction: number, mem: Uint8Array, region: number, off: number, len: number): void {
    if (direction !== 0) return;
    const end = off + len;
    for (let from = off; from < end; ) {
      let lf = from;
      while (lf < end && mem[lf] !== 10) lf++;
      this.command(-1, mem, region, from, lf, false);
      from = lf + 1;
    }
  }

  line(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number, isCut: boolean): Parsed {
    if (direction === 0) this.command(session, mem, region, off, off + len, isCut);
    else this.answers.line(session, mem, off, len, isCut, this.packet);
    return Parsed.Go;
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    if (direction !== 0) {
      this.replies.select(tx, buffers);
      return;
    }
    const { words } = this.txs;
    const at = tx * Tx.Words;
    const commandLen = words[at + FtpTx.CommandLen];
    const dataLen = words[at + FtpTx.DataLen];
    if (commandLen <= 0) return;
    if (words[at + FtpTx.Packet] !== this.packet) {
      this.selectKept(tx, commandLen, dataLen, buffers);
      return;
    }
    const place = words[at + FtpTx.Place];
    this.publish(buffers, BufferId.FtpCommand, (place & Place.CommandOwn) !== 0, words[at + FtpTx.CommandOff], commandLen);
    if (dataLen >= 0) this.publish(buffers, BufferId.FtpCommandData, (place & Place.DataOwn) !== 0, words[at + FtpTx.DataOff], dataLen);
  }

  /** Of a packet before. */
  private selectKept(tx: number, commandLen: number, dataLen: number, buffers: Buffers): void {
    const { dialogue, memory } = this;
    let bytes = dialogue.lineBytes(tx);
    if (bytes === null) return;
    let { region } = this.txs.heap;
    let at = dialogue.lineAt(tx);
    if (bytes !== this.txs.heap.bytes) {
      // The addon does not know the words of transactions.
      const length = commandLen + (dataLen > 0 ? dataLen : 0);
      const to = memory.scratch(length);
      if (to < 0) return;
      for (let i = 0; i < length; i++) memory.bytes[to + i] = bytes[at + i];
      ({ bytes, region } = memory);
      at = to;
    }
    buffers.set(BufferId.FtpCommand, bytes, region, at, commandLen, 0);
    if (dataLen >= 0) buffers.set(BufferId.FtpCommandData, bytes, region, at + commandLen, dataLen, 0);
  }

  private publish(buffers: Buffers, id: BufferId, own: boolean, off: number, len: number): void {
    const { memory } = this;
    if (own) buffers.set(id, memory.bytes, memory.region, off, len, 1);
    else buffers.set(id, this.mem, this.region, off, len, 1);
  }

  record(tx: number, writer: RecordWriter): void {
    ftpRecord(this.txs, this.dialogue, this.replies, tx, writer);
  }

  /** One line of the client, mem[from, end). Servers that read Telnet see another line than those that do not: both count. */
  private command(session: number, mem: Uint8Array, region: number, from: number, end: number, isCut: boolean): void {
    if (mem !== this.memory.bytes) {
      this.mem = mem;
      this.region = region;
    }
    this.transaction(session, mem, from, end, isCut, false);
    let iac = from;
    while (iac < end && mem[iac] !== IAC) iac++;
    if (iac === end) return;
    const to = this.memory.scratch(end - from);
    if (to < 0) return;
    const length = withoutTelnet(mem, from, end, this.memory.bytes, to);
    this.transaction(session, this.memory.bytes, to, to + length, isCut, true);
  }

  /** `again`: another reading of a line that is a transaction already: for detection only, as are loose bytes. */
  private transaction(session: number, mem: Uint8Array, from: number, to: number, isCut: boolean, again: boolean): void {
    let at = from;
    let end = to;
    while (end > at && mem[end - 1] === CR) end--;
    while (at < end && (mem[at] === SP || mem[at] === HT)) at++;
    let word = at;
    let lower = 0;
    for (; word < end; word++) {
      const byte = mem[word];
      if (byte === SP || byte === HT) break;
      // No server knows a command that is not printable: noise, or what follows an AUTH TLS whose answer is not seen.
      if (byte < 0x21 || byte > 0x7e) return;
      if (byte >= 0x61 && byte <= 0x7a) lower = 1;
    }
    if (word === at) return;
    let command = word - at < 3 || word - at > 4 ? FtpCommand.Unknown : ftpCommand(mem, at, word);
    if (word - at === 4 && (mem[at] | 0x20) === 0x61 && startsWith(mem, at, word, 'AUTH')) {
      this.auth(session, mem, word, end);
      // "AUTH TLS" is one command.
      if (word + 4 <= end && (word + 4 === end || mem[word + 4] === SP) && startsWith(mem, word, end, ' TLS')) {
        for (let i = word; i < word + 4; i++) if (mem[i] !== upper(mem[i])) lower = 1;
        word += 4;
        command = FtpCommand.AuthTls;
      }
    }
    const tx = this.dialogue.openTx(session);
    if (tx < 0) return;
    const { txs, memory } = this;
    const { words } = txs;
    const own = mem === memory.bytes;
    let commandAt = at;
    let commandOwn = own;
    if (lower !== 0) {
      const copy = memory.scratch(word - at);
      if (copy >= 0) {
        for (let i = 0; i < word - at; i++) memory.bytes[copy + i] = upper(mem[at + i]);
        commandAt = copy;
        commandOwn = true;
      }
    }
    const line = tx * Tx.Words;
    const dataLen = end - word - 1 > 0 ? end - word - 1 : -1;
    words[line + FtpTx.CommandOff] = commandAt;
    words[line + FtpTx.CommandLen] = word - at;
    words[line + FtpTx.DataOff] = word + 1;
    words[line + FtpTx.DataLen] = dataLen;
    words[line + FtpTx.Place] = (commandOwn ? Place.CommandOwn : 0) | (own ? Place.DataOwn : 0);
    words[line + FtpTx.Packet] = this.packet;
    words[line + FtpTx.Command] = command;
    words[line + Tx.State] = STATE_DONE;
    if (isCut) {
      words[line + FtpTx.Bits] |= FtpBit.CommandCut;
      this.dialogue.event(tx, FtpEvent.RequestCommandTooLong);
    }
    if (session < 0 || again) {
      words[line + Tx.State + 1] = STATE_DONE;
      words[line + Tx.Flags] |= TxFlag.Logged;
    } else {
      // Suricata makes no transaction of a command that it does not know; here it is one, and logged when the server answers.
      if (command === FtpCommand.Unknown) words[line + Tx.Flags] |= TxFlag.Logged;
      // Rules may ask for the port, which the reply brings.
      if (command >= FtpCommand.Port && command <= FtpCommand.Epsv) words[line + Tx.State] = 1;
      if (command === FtpCommand.Retr || command === FtpCommand.Stor) this.transfer(tx, session, command, mem, word + 1, dataLen);
      this.dialogue.wait(session, tx);
      this.keep(tx, session, mem, at, word, dataLen, lower !== 0);
    }
    txs.moment(tx, 0);
  }

  /** A file will go through the data connection that was agreed on. */
  private transfer(tx: number, session: number, command: FtpCommand, mem: Uint8Array, name: number, nameLen: number): void {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    const port = words[at + FtpSession.Port];
    if (port === 0) {
      this.dialogue.event(tx, FtpEvent.FileBeforePort);
      return;
    }
    words[at + FtpSession.Port] = 0;
    this.expectations.expect(words[at + FtpSession.Active] === 1, port, command, mem, name, nameLen > 0 ? nameLen : 0);
  }

  /** What the record will need when the packet is gone: the command mem[from, word), and `dataLen` bytes behind the next one. */
  private keep(tx: number, session: number, mem: Uint8Array, from: number, word: number, dataLen: number, hasLower: boolean): void {
    const { dialogue } = this;
    const length = word - from + (dataLen > 0 ? dataLen : 0);
    let to = dialogue.keepLine(session, tx, length);
    if (to < 0) return;
    const bytes = length <= OWN_BYTES ? dialogue.own : this.txs.heap.bytes;
    if (hasLower) for (let i = from; i < word; i++) bytes[to++] = upper(mem[i]);
    else for (let i = from; i < word; i++) bytes[to++] = mem[i];
    for (let i = word + 1; i <= word + dataLen; i++) bytes[to++] = mem[i];
  }

  private auth(session: number, mem: Uint8Array, word: number, end: number): void {
    if (session < 0) return;
    let at = word;
    while (at < end && mem[at] === SP) at++;
    if (startsWith(mem, at, end, 'TLS') || startsWith(mem, at, end, 'SSL'))
      this.sessions.words[session * Session.Words + Session.Parser + FtpSession.Tls] = FtpTls.Asked;
  }
}
