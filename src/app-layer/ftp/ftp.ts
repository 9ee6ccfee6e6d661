import { Counter } from '../../metrics/counters.js';
import { AppProto, BufferId, type Buffers } from '../buffers.js';
import { type LineSink, Lines } from '../lines.js';
import { type AppMemory, LINE_BYTES } from '../memory.js';
import { Likeness, Parsed, type Protocol } from '../protocol.js';
import { recognise, upper } from '../recognise.js';
import type { RecordNames, RecordWriter } from '../record.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import { withoutTelnet } from './telnet.js';

/** Words of the session after those of src/app-layer/lines.ts. */
const enum Word {
  /** Code of the reply whose last line is still to come; 0: none. RFC 959, 4.2. */
  Reply = 6,
  Tls = 7,
  /** Transactions so far; the oldest that waits for its reply, + 1. */
  Count = 8,
  Oldest = 9,
}

/** Word.Tls: how far the change to TLS is (RFC 4217). */
const enum Tls {
  No = 0,
  Asked = 1,
  /** 234: the next bytes of the client are its first record. */
  Granted = 2,
}
const AUTH_GRANTED = 234;
const TLS_HANDSHAKE = 0x16;

/** The parser's words of a transaction: the command, its data (length -1: none), where they lie, what was kept of both, the replies. */
const enum Own {
  // Tx.Parser
  CommandOff = 10,
  CommandLen,
  DataOff,
  DataLen,
  /** Place bits */
  Place,
  /** Number of the packet that brought it: in later ones only what was kept is there. */
  Packet,
  /** + 1 in the heap: the command, then its data; 0: not kept. */
  Kept,
  /** + 1 in the heap: the first and the last line of replies; how many. */
  Replies,
  LastReply,
  ReplyCount,
}
const enum Place {
  CommandOwn = 1,
  DataOwn = 2,
}

/** A line of a reply in the heap: the next one + 1, its code (0: none) and length, then the text. */
const REPLY_HEAD = 12;
/** Lines of replies that a transaction keeps, and transactions of a session that keep anything for their record. */
const MOST_REPLIES = 32;
const MOST_KEPT = 64;

const SP = 0x20;
const HT = 0x09;
const CR = 0x0d;
const IAC = 0xff;

const enum Field {
  Command = 0,
  CommandData,
  CommandTruncated,
  CompletionCode,
  Reply,
  ReplyReceived,
  ReplyTruncated,
}
const enum FtpWord {
  Yes = 0,
  No = 1,
}
export const FTP_NAMES: RecordNames = {
  type: 'ftp',
  fields: ['command', 'command_data', 'command_truncated', 'completion_code', 'reply', 'reply_received', 'reply_truncated'],
  words: ['yes', 'no'],
};

/**
 * FTP commands (RFC 959). A transaction is a command line: its first word in upper case (or `AUTH TLS`, as Suricata
 * names that command), what follows the space after it, and the reply. What a server says unasked is a transaction without a command.
 */
export class FtpProtocol implements Protocol, LineSink {
  readonly proto = AppProto.Ftp;
  private readonly lines: Lines;
  private readonly heapWords: Int32Array;
  private readonly digits = new Uint8Array(3);
  private packet = 0;
  /** The packet's memory, as far as transactions lie there. */
  private mem: Uint8Array;
  private region = -1;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly memory: AppMemory,
    private readonly counters: Float64Array,
  ) {
    this.lines = new Lines(sessions, memory, counters, this);
    this.mem = memory.bytes;
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
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
  }

  forget(session: number, tx: number): void {
    const at = session * Session.Words + Session.Parser + Word.Oldest;
    if (this.sessions.words[at] === tx + 1) this.sessions.words[at] = this.waiting(this.txs.behind(tx)) + 1;
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    if (direction === 0 && len > 0) {
      const tls = session * Session.Words + Session.Parser + Word.Tls;
      const { words } = this.sessions;
      if (words[tls] === Tls.Granted && this.lines.atStart(session, 0)) {
        if (mem[off] === TLS_HANDSHAKE) return Parsed.Done;
        words[tls] = Tls.No;
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
      this.command(-1, mem, region, from, lf);
      from = lf + 1;
    }
  }

  line(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    if (direction === 0) this.command(session, mem, region, off, off + len);
    else this.reply(session, mem, off, len);
    return Parsed.Go;
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    if (direction !== 0) return;
    const { words } = this.txs;
    const at = tx * Tx.Words;
    const commandLen = words[at + Own.CommandLen];
    const dataLen = words[at + Own.DataLen];
    if (commandLen <= 0) return;
    if (words[at + Own.Packet] !== this.packet) {
      const kept = words[at + Own.Kept] - 1;
      if (kept < 0) return;
      const { bytes, region } = this.txs.heap;
      buffers.set(BufferId.FtpCommand, bytes, region, kept, commandLen, 0);
      if (dataLen >= 0) buffers.set(BufferId.FtpCommandData, bytes, region, kept + commandLen, dataLen, 0);
      return;
    }
    const place = words[at + Own.Place];
    this.publish(buffers, BufferId.FtpCommand, (place & Place.CommandOwn) !== 0, words[at + Own.CommandOff], commandLen);
    if (dataLen >= 0) this.publish(buffers, BufferId.FtpCommandData, (place & Place.DataOwn) !== 0, words[at + Own.DataOff], dataLen);
  }

  private publish(buffers: Buffers, id: BufferId, own: boolean, off: number, len: number): void {
    const { memory } = this;
    if (own) buffers.set(id, memory.bytes, memory.region, off, len, 1);
    else buffers.set(id, this.mem, this.region, off, len, 1);
  }

  record(tx: number, writer: RecordWriter): void {
    const { words, heap } = this.txs;
    const at = tx * Tx.Words;
    const commandLen = words[at + Own.CommandLen];
    const kept = words[at + Own.Kept] - 1;
    if (commandLen > 0 && kept >= 0) {
      writer.text(Field.Command, heap.bytes, kept, commandLen);
      if (words[at + Own.DataLen] > 0) writer.text(Field.CommandData, heap.bytes, kept + commandLen, words[at + Own.DataLen]);
      writer.flag(Field.CommandTruncated, commandLen + words[at + Own.DataLen] >= LINE_BYTES - 1);
    }
    const first = words[at + Own.Replies] - 1;
    const heapWords = this.heapWords;
    let codes = 0;
    for (let line = first; line >= 0; line = heapWords[line >> 2] - 1) {
      const code = heapWords[(line >> 2) + 1];
      if (code === 0) continue;
      if (codes++ === 0) writer.array(Field.CompletionCode);
      this.digits[0] = 0x30 + ((code / 100) | 0);
      this.digits[1] = 0x30 + (((code / 10) | 0) % 10);
      this.digits[2] = 0x30 + (code % 10);
      writer.text(-1, this.digits, 0, 3);
    }
    if (codes > 0) writer.end();
    if (first >= 0) {
      writer.array(Field.Reply);
      for (let line = first; line >= 0; line = heapWords[line >> 2] - 1) {
        const length = heapWords[(line >> 2) + 2];
        if (length > 0) writer.text(-1, heap.bytes, line + REPLY_HEAD, length);
      }
      writer.end();
    }
    writer.word(Field.ReplyReceived, first >= 0 ? FtpWord.Yes : FtpWord.No);
    writer.flag(Field.ReplyTruncated, words[at + Own.ReplyCount] > MOST_REPLIES);
  }

  /** One line of the client, mem[from, end). Servers that read Telnet see another line than those that do not: both count. */
  private command(session: number, mem: Uint8Array, region: number, from: number, end: number): void {
    if (mem !== this.memory.bytes) {
      this.mem = mem;
      this.region = region;
    }
    this.transaction(session, mem, from, end, false);
    let iac = from;
    while (iac < end && mem[iac] !== IAC) iac++;
    if (iac === end) return;
    const to = this.memory.scratch(end - from);
    if (to < 0) return;
    const length = withoutTelnet(mem, from, end, this.memory.bytes, to);
    this.transaction(session, this.memory.bytes, to, to + length, true);
  }

  /** `again`: another reading of a line that is a transaction already: for detection only, as are loose bytes. */
  private transaction(session: number, mem: Uint8Array, from: number, to: number, again: boolean): void {
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
    if (word - at === 4 && startsWith(mem, at, word, 'AUTH')) {
      this.auth(session, mem, word, end);
      // "AUTH TLS" is one command.
      if (word + 4 <= end && (word + 4 === end || mem[word + 4] === SP) && startsWith(mem, word, end, ' TLS')) {
        for (let i = word; i < word + 4; i++) if (mem[i] !== upper(mem[i])) lower = 1;
        word += 4;
      }
    }
    const tx = this.openTx(session);
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
    words[line + Own.CommandOff] = commandAt;
    words[line + Own.CommandLen] = word - at;
    words[line + Own.DataOff] = word + 1;
    words[line + Own.DataLen] = dataLen;
    words[line + Own.Place] = (commandOwn ? Place.CommandOwn : 0) | (own ? Place.DataOwn : 0);
    words[line + Own.Packet] = this.packet;
    words[line + Tx.State] = STATE_DONE;
    if (session < 0 || again) {
      words[line + Tx.State + 1] = STATE_DONE;
      words[line + Tx.Flags] |= TxFlag.Logged;
    } else {
      this.wait(session, tx);
      this.keep(tx, session, mem, at, word - at, word + 1, dataLen);
    }
    txs.moment(tx, 0);
  }

  /** A transaction, the last of the session. */
  private openTx(session: number): number {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    const tx = this.txs.open(session, AppProto.Ftp, session < 0 ? 0 : words[at + Word.Count]);
    if (tx < 0) this.counters[Counter.AppNoRoom]++;
    else if (session >= 0) words[at + Word.Count]++;
    return tx;
  }

  /** The transaction waits for its reply. */
  private wait(session: number, tx: number): void {
    const at = session * Session.Words + Session.Parser + Word.Oldest;
    if (this.sessions.words[at] === 0) this.sessions.words[at] = tx + 1;
  }

  /** What the record will need when the packet is gone. */
  private keep(tx: number, session: number, mem: Uint8Array, command: number, commandLen: number, data: number, dataLen: number): void {
    const { txs } = this;
    if (txs.length(session) > MOST_KEPT) return;
    const to = txs.reserve(tx, commandLen + (dataLen > 0 ? dataLen : 0));
    if (to < 0) return;
    const { bytes } = txs.heap;
    for (let i = 0; i < commandLen; i++) bytes[to + i] = upper(mem[command + i]);
    for (let i = 0; i < dataLen; i++) bytes[to + commandLen + i] = mem[data + i];
    txs.words[tx * Tx.Words + Own.Kept] = to + 1;
  }

  private auth(session: number, mem: Uint8Array, word: number, end: number): void {
    if (session < 0) return;
    let at = word;
    while (at < end && mem[at] === SP) at++;
    if (startsWith(mem, at, end, 'TLS') || startsWith(mem, at, end, 'SSL'))
      this.sessions.words[session * Session.Words + Session.Parser + Word.Tls] = Tls.Asked;
  }

  private reply(session: number, mem: Uint8Array, off: number, len: number): void {
    const code = len < 3 ? -1 : replyCode(mem, off);
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    const begun = words[at + Word.Reply];
    const continues = len > 3 && mem[off + 3] === 0x2d;
    this.keepReply(session, mem, off, len, code);
    if (begun !== 0) {
      if (code !== begun || continues) return;
      words[at + Word.Reply] = 0;
    } else if (code < 0) return;
    else if (continues) {
      words[at + Word.Reply] = code;
      return;
    }
    // 1xx: more to come. Any other answer to AUTH leaves the connection as it was.
    if (words[at + Word.Tls] === Tls.Asked && code >= 200) words[at + Word.Tls] = code === AUTH_GRANTED ? Tls.Granted : Tls.No;
    if (code >= 200) this.answered(session);
  }

  /** The oldest transaction has its reply. */
  private answered(session: number): void {
    const { words } = this.sessions;
    const oldest = session * Session.Words + Session.Parser + Word.Oldest;
    const tx = words[oldest] - 1;
    if (tx < 0) return;
    this.txs.words[tx * Tx.Words + Tx.State + 1] = STATE_DONE;
    words[oldest] = this.waiting(this.txs.behind(tx)) + 1;
  }

  /** `tx` or the first behind it that waits for its reply. */
  private waiting(tx: number): number {
    let next = tx;
    while (next >= 0 && this.txs.words[next * Tx.Words + Tx.State + 1] === STATE_DONE) next = this.txs.behind(next);
    return next;
  }

  private keepReply(session: number, mem: Uint8Array, off: number, len: number, code: number): void {
    const { txs } = this;
    const oldest = session * Session.Words + Session.Parser + Word.Oldest;
    let tx = this.sessions.words[oldest] - 1;
    if (tx < 0) {
      if (txs.length(session) >= MOST_KEPT) return;
      tx = this.openTx(session);
      if (tx < 0) return;
      txs.words[tx * Tx.Words + Tx.State] = STATE_DONE;
      this.wait(session, tx);
    }
    const at = tx * Tx.Words;
    if (txs.words[at + Own.ReplyCount]++ >= MOST_REPLIES) return;
    let end = off + len;
    while (end > off && mem[end - 1] === CR) end--;
    const from = code > 0 ? Math.min(off + 4, end) : off;
    const line = txs.reserve(tx, REPLY_HEAD + end - from);
    if (line < 0) return;
    const { heapWords } = this;
    heapWords[line >> 2] = 0;
    heapWords[(line >> 2) + 1] = code > 0 ? code : 0;
    heapWords[(line >> 2) + 2] = end - from;
    for (let i = from; i < end; i++) txs.heap.bytes[line + REPLY_HEAD + i - from] = mem[i];
    const last = txs.words[at + Own.LastReply] - 1;
    if (last < 0) txs.words[at + Own.Replies] = line + 1;
    else heapWords[last >> 2] = line + 1;
    txs.words[at + Own.LastReply] = line + 1;
  }
}

/** Three digits, or -1. */
function replyCode(mem: Uint8Array, off: number): number {
  let code = 0;
  for (let i = 0; i < 3; i++) {
    const digit = mem[off + i] - 0x30;
    if (digit < 0 || digit > 9) return -1;
    code = code * 10 + digit;
  }
  return code > 0 ? code : -1;
}

/** `text` in upper case; letters of the memory in either. */
function startsWith(mem: Uint8Array, at: number, end: number, text: string): boolean {
  if (at + text.length > end) return false;
  for (let i = 0; i < text.length; i++) if (upper(mem[at + i]) !== text.charCodeAt(i)) return false;
  return true;
}
