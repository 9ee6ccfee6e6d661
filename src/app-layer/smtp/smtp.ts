import { Counter } from '../../metrics/counters.js';
import { AppProto, BufferId, type Buffers } from '../buffers.js';
import { FileState, type Files } from '../files/files.js';
import { HeldBytes } from '../held-bytes.js';
import { type LineSink, Lines, replyCode } from '../lines.js';
import { type AppMemory, LINE_BYTES } from '../memory.js';
import { HEADERS, Header, M, Piece, Seen } from '../mime/layout.js';
import { MD5_WORDS } from '../mime/md5.js';
import { MimeParser } from '../mime/mime.js';
import { NODE_HEAD } from '../mime/urls.js';
import { type Likeness, Parsed, type Protocol } from '../protocol.js';
import { upper } from '../recognise.js';
import type { RecordWriter } from '../record.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx } from '../transactions.js';
import { argument, chunk, command, isReply, readArgument, readChunk, readCommand } from './commands.js';
import { SmtpEvent } from './events.js';
import { Dot, LONGEST_REPLY, MOST_RCPT, MOST_RCPT_BYTES, Mode, S, SessionBit, T, TxBit, TxSeen } from './layout.js';
import { SMTP_OPTIONS, type SmtpOptions } from './options.js';
import { probeSmtp } from './probe.js';
import { Command, CommandQueue } from './queue.js';
import { SmtpRecords } from './record.js';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;
const DASH = 0x2d;
/** First byte of TLS. */
const TLS_HANDSHAKE = 0x16;
const PIPELINING = Uint8Array.from('PIPELINING', (c) => c.charCodeAt(0));
const RAW_NAME = Uint8Array.from('rawmsg', (c) => c.charCodeAt(0));
const EOL = Uint8Array.of(CR, LF);
const HEADER_NAMES = HEADERS.map((name) => String.fromCharCode(...name));
/** Headers that are buffers. */
const SHOWN: readonly [Header, BufferId][] = [
  [Header.From, BufferId.EmailFrom],
  [Header.To, BufferId.EmailTo],
  [Header.Cc, BufferId.EmailCc],
  [Header.Subject, BufferId.EmailSubject],
  [Header.Date, BufferId.EmailDate],
  [Header.MessageId, BufferId.EmailMessageId],
  [Header.XMailer, BufferId.EmailXMailer],
];
const HEX = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0));

/**
 * SMTP (RFC 5321), with CHUNKING (RFC 3030) and STARTTLS (RFC 3207). A transaction is a mail: from the first command
 * that is about it to the reply to its last byte, or to the command that gives it up. What a client says while mail is
 * read goes to MimeParser line by line, without the dots that were added.
 */
export class SmtpProtocol implements Protocol, LineSink {
  readonly proto = AppProto.Smtp;
  /** What STARTTLS announces. */
  readonly nextProto = AppProto.Tls;
  readonly held: HeldBytes;
  taken = 0;
  mayChange = true;
  private readonly lines: Lines;
  private readonly queue: CommandQueue;
  private readonly mime: MimeParser;
  private readonly records: SmtpRecords;
  private readonly heapWords: Int32Array;
  private packet = 0;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly memory: AppMemory,
    private readonly files: Files,
    private readonly counters: Float64Array,
    private readonly options: SmtpOptions = SMTP_OPTIONS,
  ) {
    this.held = new HeldBytes(txs, counters, T.Held);
    this.lines = new Lines(sessions, memory, counters, this);
    this.queue = new CommandQueue(sessions, txs, counters);
    this.mime = new MimeParser(txs, memory, files, counters, T.Events, SmtpEvent.Mime, options.mime);
    this.records = new SmtpRecords(txs, options.eve, HEADER_NAMES);
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  probe(direction: number, mem: Uint8Array, off: number, len: number, serverPort: number): Likeness {
    return probeSmtp(direction, mem, off, len, serverPort);
  }

  begin(): void {
    this.packet = (this.packet + 1) & 0x7fffffff;
    this.mime.packetBegins(this.packet);
  }

  open(_session: number): void {}

  close(session: number): void {
    this.lines.clear(session, 0);
    this.lines.clear(session, 1);
    this.queue.close(session);
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (words[s + S.Helo] !== 0) this.txs.heap.give(words[s + S.Helo] - 1, words[s + S.HeloLen]);
    words[s + S.Helo] = 0;
  }

  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    if (direction === 0 && this.sessions.words[session * Session.Words + S.Mode] !== Mode.Command) return true;
    return this.lines.hasRoom(session, direction, mem, off, len);
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const end = off + len;
    for (let at = off; at < end; ) {
      const mode: Mode = direction === 0 ? words[s + S.Mode] : Mode.Command;
      if (mode === Mode.Data) {
        at = this.mail(session, mem, at, end);
        continue;
      }
      if (mode === Mode.Bdat) {
        at = this.chunk(session, mem, at, end);
        continue;
      }
      if (direction === 0 && (mem[at] === TLS_HANDSHAKE || (words[s + S.Bits] & SessionBit.Holding) !== 0) && this.holds(session)) {
        this.held.keep(words[s + S.Tx] - 1, mem, at, end - at);
        return Parsed.Go;
      }
      if (direction === 0 && mem[at] === LF && this.lines.atStart(session, 0)) {
        at = this.blanks(session, mem, at, end);
        continue;
      }
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
      const next = lf < end ? lf + 1 : end;
      if (lf < end && lf - at < LONGEST_REPLY && words[s + S.LineLen + direction] === 0 && this.lines.atStart(session, direction)) {
        if (direction === 0) this.command(session, mem, at, lf);
        else {
          const parsed = this.reply(session, mem, at, lf - at);
          if (parsed !== Parsed.Go) {
            this.taken = next - off;
            return parsed;
          }
        }
        at = next;
        continue;
      }
      this.measure(session, direction, next - at, lf < end);
      const parsed = this.lines.data(session, direction, mem, region, at, next - at);
      if (parsed !== Parsed.Go) {
        this.taken = next - off;
        return parsed;
      }
      at = next;
    }
    return Parsed.Go;
  }

  /** TLS begins, and the server has not said yet whether it may (RFC 3207, 4): what it is, the answer will say. */
  private holds(session: number): boolean {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const isFirst = (words[s + S.Bits] & SessionBit.Holding) === 0;
    if (isFirst && (this.queue.back(session) !== Command.StartTls || !this.lines.atStart(session, 0))) return false;
    if (this.alive(session, words[s + S.Tx] - 1, words[s + S.TxId]) < 0) {
      words[s + S.Bits] &= ~SessionBit.Holding;
      return false;
    }
    words[s + S.Bits] |= SessionBit.Holding;
    return true;
  }

  gap(session: number, direction: number, length: number): Parsed {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (direction === 0 && (words[s + S.Bits] & SessionBit.Holding) !== 0 && this.holds(session)) {
      this.held.cut(words[s + S.Tx] - 1);
      return Parsed.Go;
    }
    if (direction === 1) {
      this.lines.cut(session, 1);
      this.queue.clear(session);
      if ((words[s + S.Bits] & SessionBit.Holding) === 0) return Parsed.Go;
      // The answer is among what is missing. What the client says is TLS, or nothing.
      words[s + S.Bits] &= ~SessionBit.Holding;
      const tx = this.alive(session, words[s + S.Tx] - 1, words[s + S.TxId]);
      if (tx >= 0) this.held.release(tx);
      return Parsed.Changed;
    }
    const tx = this.mailTx(session);
    const c = tx < 0 ? 0 : this.txs.words[tx * Tx.Words + T.Mime];
    if (words[s + S.Mode] === Mode.Bdat) {
      if (c !== 0) this.mime.gap(tx, c);
      if (length > 0 && length < words[s + S.Left]) words[s + S.Left] -= length;
      else this.chunkEnds(session, tx);
    } else if (words[s + S.Mode] === Mode.Data) {
      if (c !== 0) this.mime.gap(tx, c);
      words[s + S.Left] = Dot.InLine;
    } else this.lines.cut(session, 0);
    return Parsed.Go;
  }

  finish(session: number, direction: number): void {
    this.lines.cut(session, direction);
    const { words } = this.sessions;
    const bits = session * Session.Words + S.Bits;
    words[bits] |= SessionBit.Finished << direction;
    if ((words[bits] & (3 * SessionBit.Finished)) !== 3 * SessionBit.Finished) return;
    // Nobody will say more: what was begun is as complete as it gets.
    for (let tx = this.txs.first(session); tx >= 0; tx = this.txs.behind(tx))
      if (this.txs.isOpen(tx) && !this.txs.isDone(tx)) this.complete(tx);
  }

  line(session: number, direction: number, mem: Uint8Array, _region: number, off: number, len: number): Parsed {
    if (direction === 1) return this.reply(session, mem, off, len);
    this.command(session, mem, off, off + len);
    return Parsed.Go;
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    if (direction !== 0) return;
    this.files.select(tx, 0, buffers);
    const { words } = this.txs;
    const { bytes, region } = this.txs.heap;
    const at = tx * Tx.Words;
    const changed = words[at + T.Stamp] === this.packet ? words[at + T.Changed] : 0;
    if (words[at + T.HeloLen] > 0)
      buffers.set(BufferId.SmtpHelo, bytes, region, words[at + T.Helo] - 1, words[at + T.HeloLen], changed & TxSeen.Helo);
    if (words[at + T.MailFrom] !== 0)
      buffers.set(BufferId.SmtpMailFrom, bytes, region, words[at + T.MailFrom] - 1, words[at + T.MailFromLen], changed & TxSeen.MailFrom);
    this.selectList(buffers, BufferId.SmtpRcptTo, words[at + T.Rcpt], changed & TxSeen.Rcpt);
    const c = words[at + T.Mime];
    if (c !== 0) this.selectMime(c, buffers);
  }

  record(tx: number, writer: RecordWriter): void {
    this.records.write(tx, writer);
  }

  private selectMime(c: number, buffers: Buffers): void {
    const { heapWords, mime } = this;
    const { bytes, region } = this.txs.heap;
    const changed = mime.fresh(c);
    for (let i = 0; i < SHOWN.length; i++) {
      const header = c + M.Headers + 2 * SHOWN[i][0];
      if (heapWords[header] !== 0)
        buffers.set(SHOWN[i][1], bytes, region, heapWords[header] - 1, heapWords[header + 1], changed & Seen.Headers);
    }
    this.selectList(buffers, BufferId.EmailReceived, heapWords[c + M.Received], changed & Seen.Received);
    this.selectList(buffers, BufferId.EmailUrl, heapWords[c + M.Urls], changed & Seen.Urls);
    const digest = heapWords[c + M.Md5 + MD5_WORDS] - 1;
    if (digest < 0) return;
    const { memory } = this;
    const to = memory.scratch(32);
    if (to < 0) return;
    for (let i = 0; i < 32; i++) memory.bytes[to + i] = HEX[(bytes[digest + (i >> 1)] >> (i & 1 ? 0 : 4)) & 15];
    buffers.set(BufferId.EmailBodyMd5, memory.bytes, memory.region, to, 32, changed & Seen.Md5);
  }

  private selectList(buffers: Buffers, id: BufferId, first: number, changed: number): void {
    const { heapWords } = this;
    const { bytes, region } = this.txs.heap;
    for (let node = first - 1; node >= 0; node = heapWords[node >> 2] - 1)
      buffers.add(id, bytes, region, node + NODE_HEAD, heapWords[(node >> 2) + 1]);
    if (first !== 0 && changed === 0) buffers.fresh[id] = 0;
  }

  /** Bytes of a line, before Lines has them. */
  private measure(session: number, direction: number, length: number, isEnd: boolean): void {
    const { words } = this.sessions;
    const at = session * Session.Words + S.LineLen + direction;
    const before = words[at];
    const n = before + length;
    words[at] = isEnd ? 0 : Math.min(n, 1 << 24);
    const limit = direction === 0 ? LINE_BYTES : LONGEST_REPLY;
    if (n <= limit || before > limit) return;
    const tx = direction === 0 ? this.txFor(session, Command.Other) : this.answering(session);
    if (tx < 0) return;
    this.event(tx, direction, direction === 0 ? SmtpEvent.TruncatedLine : SmtpEvent.MaxReplyLineLen);
  }

  // Commands.

  private command(session: number, mem: Uint8Array, off: number, to: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const isCrlf = to > off && mem[to - 1] === CR;
    let end = to;
    // Of a line that is cut there is no end.
    if (to - off < LINE_BYTES) while (end > off && mem[end - 1] === CR) end--;
    let code = readCommand(mem, off, end);
    const back = this.queue.back(session);
    const tx = this.txFor(session, code);
    const id = tx < 0 ? 0 : this.txs.words[tx * Tx.Words + Tx.Id];
    if (tx >= 0 && (words[s + S.Bits] & (SessionBit.Greeted | SessionBit.Welcome)) === 0) {
      words[s + S.Bits] |= SessionBit.Welcome;
      this.event(tx, 0, SmtpEvent.NoServerWelcome);
    }
    if (tx >= 0 && (back === Command.Data || back === Command.StartTls)) this.event(tx, 0, SmtpEvent.InvalidPipelinedSequence);
    switch (code) {
      case Command.Helo:
        code = this.helo(session, tx, mem, command.end, end);
        break;
      case Command.MailFrom:
        this.mailFrom(tx, mem, command.end, end);
        break;
      case Command.RcptTo:
        this.rcpt(tx, mem, command.end, end);
        break;
      case Command.Data:
        words[s + S.Bits] = isCrlf ? words[s + S.Bits] | SessionBit.Strict : words[s + S.Bits] & ~SessionBit.Strict;
        this.dataBegins(session, tx, id);
        break;
      case Command.Bdat:
        if (!readChunk(mem, command.end, end)) {
          if (tx >= 0) this.event(tx, 0, SmtpEvent.InvalidBdat);
          code = Command.Other;
          break;
        }
        this.queue.push(session, chunk.isLast ? Command.BdatLast : Command.Bdat, tx, id);
        this.chunkBegins(session, tx, id);
        if (tx >= 0) this.txs.moment(tx, 0);
        return;
      case Command.Rset:
        if (tx >= 0) this.giveUp(session, tx);
        break;
    }
    this.queue.push(session, code, tx, id);
    if (tx >= 0) this.txs.moment(tx, 0);
  }

  /** Empty lines: commands nobody knows. Returns where they end. */
  private blanks(session: number, mem: Uint8Array, off: number, end: number): number {
    let at = off;
    while (at < end && mem[at] === LF) at++;
    this.command(session, mem, off, off);
    if (at - off === 1) return at;
    const tx = this.txFor(session, Command.Other);
    this.queue.push(session, Command.Other, tx, tx < 0 ? 0 : this.txs.words[tx * Tx.Words + Tx.Id], at - off - 1);
    return at;
  }

  /** The transaction that a command is about, a new one if need be; -1: none, or no room. */
  private txFor(session: number, code: Command): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const tx = this.alive(session, words[s + S.Tx] - 1, words[s + S.TxId]);
    if (tx >= 0) return tx;
    if ((code === Command.Quit || code === Command.Rset) && words[s + S.Count] > 0) return -1;
    return this.openTx(session);
  }

  private openTx(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const id = words[s + S.Count];
    const tx = this.txs.open(session, AppProto.Smtp, id);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    words[s + S.Count]++;
    words[s + S.Tx] = tx + 1;
    words[s + S.TxId] = id;
    const at = tx * Tx.Words;
    this.txs.words[at + Tx.State] = 1;
    this.txs.words[at + Tx.State + 1] = 1;
    if (words[s + S.Helo] !== 0) this.setHelo(tx, this.txs.heap.bytes, words[s + S.Helo] - 1, words[s + S.HeloLen]);
    return tx;
  }

  /** `tx` if it is still the session's transaction of that id, and not complete; else -1. */
  private alive(session: number, tx: number, id: number): number {
    if (tx < 0 || !this.txs.isOpen(tx)) return -1;
    const { words } = this.txs;
    const at = tx * Tx.Words;
    return words[at + Tx.Session] === session && words[at + Tx.Id] === id && !this.txs.isDone(tx) ? tx : -1;
  }

  private mailTx(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    return this.alive(session, words[s + S.MailTx] - 1, words[s + S.MailId]);
  }

  private helo(session: number, tx: number, mem: Uint8Array, off: number, end: number): Command {
    const { words } = this.sessions;
    const s = session * Session.Words;
    readArgument(mem, off, end);
    const len = argument.end - argument.off;
    if (words[s + S.Helo] !== 0) {
      if (tx >= 0) this.event(tx, 0, SmtpEvent.DuplicateFields);
      return tx >= 0 && this.giveUp(session, tx) ? Command.HeloReset : Command.Helo;
    }
    const piece = this.txs.heap.take(len);
    if (piece < 0) this.counters[Counter.AppNoRoom]++;
    else {
      const { bytes } = this.txs.heap;
      for (let i = 0; i < len; i++) bytes[piece + i] = mem[argument.off + i];
      words[s + S.Helo] = piece + 1;
      words[s + S.HeloLen] = len;
    }
    if (tx >= 0) this.setHelo(tx, mem, argument.off, len);
    return Command.Helo;
  }

  private setHelo(tx: number, mem: Uint8Array, off: number, len: number): void {
    const kept = this.keep(tx, mem, off, len);
    if (kept < 0) return;
    const { words } = this.txs;
    const at = tx * Tx.Words;
    words[at + T.Helo] = kept + 1;
    words[at + T.HeloLen] = len;
    this.changed(tx, TxSeen.Helo);
  }

  private mailFrom(tx: number, mem: Uint8Array, off: number, end: number): void {
    if (tx < 0) return;
    const { words } = this.txs;
    const at = tx * Tx.Words;
    if (words[at + T.MailFrom] !== 0) {
      this.event(tx, 0, SmtpEvent.DuplicateFields);
      return;
    }
    readArgument(mem, off, end);
    const kept = this.keep(tx, mem, argument.off, argument.end - argument.off);
    if (kept < 0) return;
    words[at + T.MailFrom] = kept + 1;
    words[at + T.MailFromLen] = argument.end - argument.off;
    this.changed(tx, TxSeen.MailFrom);
  }

  private rcpt(tx: number, mem: Uint8Array, off: number, end: number): void {
    if (tx < 0) return;
    const { words } = this.txs;
    const { heapWords } = this;
    const at = tx * Tx.Words;
    readArgument(mem, off, end);
    const len = argument.end - argument.off;
    const hasRoom = words[at + T.RcptCount] < MOST_RCPT && words[at + Tx.Kept] < MOST_RCPT_BYTES;
    const node = hasRoom ? this.txs.reserve(tx, NODE_HEAD + len) : -1;
    if (node < 0) {
      this.counters[Counter.AppInstancesLost]++;
      return;
    }
    heapWords[node >> 2] = 0;
    heapWords[(node >> 2) + 1] = len;
    const { bytes } = this.txs.heap;
    for (let i = 0; i < len; i++) bytes[node + NODE_HEAD + i] = mem[argument.off + i];
    if (words[at + T.Rcpt] === 0) words[at + T.Rcpt] = node + 1;
    else heapWords[(words[at + T.RcptTail] - 1) >> 2] = node + 1;
    words[at + T.RcptTail] = node + 1;
    words[at + T.RcptCount]++;
    this.changed(tx, TxSeen.Rcpt);
  }

  /** RSET, or a HELO that does the same: what was begun comes to nothing, and the next command begins another. False: nothing was. */
  private giveUp(session: number, tx: number): boolean {
    const { words } = this.txs;
    const at = tx * Tx.Words;
    if (words[at + T.MailFrom] === 0 && words[at + T.Rcpt] === 0 && (words[at + T.Bits] & TxBit.Data) === 0) return false;
    words[at + Tx.State] = STATE_DONE;
    this.sessions.words[session * Session.Words + S.Tx] = 0;
    this.txs.moment(tx, 0);
    return true;
  }

  // The mail itself.

  /** `isAnew`: what came of a mail that was rejected does not count. */
  private mailBegins(session: number, tx: number, id: number, isAnew: boolean): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    words[s + S.MailTx] = tx + 1;
    words[s + S.MailId] = id;
    if (tx < 0) return;
    const at = tx * Tx.Words;
    const own = this.txs.words;
    if (own[at + T.Mime] !== 0 && isAnew) this.mime.again(tx, own[at + T.Mime]);
    else if (own[at + T.Mime] + own[at + T.Raw] === 0) {
      if (this.options.raw) own[at + T.Raw] = this.files.open(tx, 0, RAW_NAME, 0, RAW_NAME.length) + 1;
      else if (this.options.mime.decode) own[at + T.Mime] = this.mime.begin(tx);
    }
    own[at + T.Bits] |= TxBit.Data;
  }

  private dataBegins(session: number, tx: number, id: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    // The server has not said yes: there is nothing in between that it would take for commands, and be it a mistake.
    if (tx >= 0 && (this.txs.words[tx * Tx.Words + T.Bits] & TxBit.Data) !== 0) this.event(tx, 0, SmtpEvent.UnparsableContent);
    this.mailBegins(session, tx, id, true);
    words[s + S.Mode] = Mode.Data;
    words[s + S.Left] = Dot.LineStart;
    words[s + S.Bits] = (words[s + S.Bits] & ~(SessionBit.Perhaps | SessionBit.Astray)) | SessionBit.LineCrlf;
  }

  private chunkBegins(session: number, tx: number, id: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    this.mailBegins(session, tx, id, false);
    words[s + S.Mode] = Mode.Bdat;
    words[s + S.Left] = chunk.length;
    words[s + S.Bits] = chunk.isLast ? words[s + S.Bits] | SessionBit.LastChunk : words[s + S.Bits] & ~SessionBit.LastChunk;
    if (chunk.length === 0) this.chunkEnds(session, tx);
  }

  /** Bytes of a chunk: no dots were added to them. Returns where they end. */
  private chunk(session: number, mem: Uint8Array, off: number, to: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const end = Math.min(to, off + words[s + S.Left]);
    const tx = this.mailTx(session);
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
    this.mailEnds(session, tx);
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

  /** Lines of a mail, up to the dot. Returns where they end. */
  private mail(session: number, mem: Uint8Array, off: number, end: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const tx = this.mailTx(session);
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
        state = mem[at] === DOT ? Dot.Dot : Dot.InLine;
        if (state === Dot.Dot) at++;
        continue;
      }
      if (state === Dot.Dot || state === Dot.DotCr) {
        const byte = mem[at];
        if (byte === LF) {
          at++;
          if (this.dotEnds(session, state === Dot.DotCr)) {
            words[s + S.Mode] = Mode.Command;
            words[s + S.Left] = 0;
            this.mailEnds(session, tx);
            return at;
          }
          this.lineEnds(session, tx, mem, at - 1, 0, state === Dot.DotCr);
          state = Dot.LineStart;
        } else if (byte === CR && state === Dot.Dot) {
          at++;
          state = Dot.DotCr;
        } else {
          if (tx >= 0) this.mime.dot(this.txs.words[tx * Tx.Words + T.Mime]);
          if (state === Dot.DotCr) this.piece(session, tx, EOL, 0, 1, 0);
          state = Dot.InLine;
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
          state = Dot.InLine;
        }
        continue;
      }
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
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
    const { words } = this.sessions;
    const at = session * Session.Words + S.Bits;
    if ((words[at] & SessionBit.Strict) === 0 || (isCrlf && (words[at] & SessionBit.LineCrlf) !== 0)) return true;
    words[at] |= SessionBit.Perhaps;
    return false;
  }

  /** All of the mail was seen: what is left is the server's answer. */
  private mailEnds(session: number, tx: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    words[s + S.MailTx] = 0;
    words[s + S.Bits] &= ~(SessionBit.Perhaps | SessionBit.LongLine | SessionBit.HeldCr);
    const isChunk = (words[s + S.Bits] & SessionBit.LastChunk) !== 0;
    words[s + S.Bits] &= ~SessionBit.LastChunk;
    if (tx >= 0) {
      const at = tx * Tx.Words;
      const own = this.txs.words;
      if (own[at + T.Mime] !== 0) this.mime.end(tx, own[at + T.Mime]);
      if (own[at + T.Raw] > 0) this.files.close(own[at + T.Raw] - 1, FileState.Closed);
      own[at + T.Bits] |= TxBit.Ended;
      own[at + Tx.State] = STATE_DONE;
      if (words[s + S.Tx] === tx + 1) words[s + S.Tx] = 0;
      this.txs.moment(tx, 0);
    }
    if (isChunk) return;
    const id = tx < 0 ? 0 : this.txs.words[tx * Tx.Words + Tx.Id];
    if (tx >= 0 && this.queue.back(session) === Command.Data) this.event(tx, 0, SmtpEvent.InvalidPipelinedSequence);
    this.queue.push(session, Command.MailEnd, tx, id);
  }

  // Replies.

  private reply(session: number, mem: Uint8Array, off: number, length: number): Parsed {
    const { words } = this.sessions;
    const s = session * Session.Words;
    let len = length;
    while (len > 0 && mem[off + len - 1] === CR) len--;
    const code = replyCode(mem, off, len);
    if (!isReply(code)) this.badReply(session);
    if (code < 0) return Parsed.Go;
    if (len > 3 && isPipelining(mem, off + 4, off + len)) words[s + S.Bits] |= SessionBit.Pipelining;
    if (len > 3 && mem[off + 3] === DASH) return Parsed.Go;
    const isFirst = (words[s + S.Bits] & SessionBit.Greeted) === 0;
    words[s + S.Bits] |= SessionBit.Greeted;
    const front = this.queue.front(session);
    if (isFirst && (code === 220 || code === 554 || code === 421) && front !== Command.StartTls) return Parsed.Go;
    return this.answer(session, code);
  }

  private answer(session: number, code: number): Parsed {
    const { words } = this.sessions;
    const s = session * Session.Words;
    // The server has taken as the end of the mail what not all do.
    if (
      words[s + S.Mode] === Mode.Data &&
      (words[s + S.Bits] & SessionBit.Perhaps) !== 0 &&
      this.queue.front(session) < 0 &&
      code !== 354
    ) {
      words[s + S.Mode] = Mode.Command;
      this.mailEnds(session, this.mailTx(session));
    }
    const command = this.queue.take(session);
    const tx = command < 0 ? -1 : this.alive(session, this.queue.tx, this.queue.id);
    if (command < 0) {
      const about = this.answering(session);
      if (about >= 0 && code !== 354) this.event(about, 1, SmtpEvent.UnableToMatchReply);
    }
    if (code === 354 && command !== Command.Data && words[s + S.Mode] === Mode.Command && (words[s + S.Bits] & SessionBit.Astray) === 0) {
      // Whoever asked for it: the server reads mail now.
      const mail = this.txFor(session, Command.Data);
      this.dataBegins(session, mail, mail < 0 ? 0 : this.txs.words[mail * Tx.Words + Tx.Id]);
    }
    switch (command) {
      case Command.Data:
        if (code !== 354) this.dataRejected(session, tx);
        break;
      case Command.Bdat:
        this.chunkAnswered(session, tx, code);
        break;
      case Command.StartTls:
        words[s + S.Bits] &= ~SessionBit.Holding;
        if (tx >= 0) this.held.release(tx);
        if (code === 220) {
          // Followed all the same: what is not looked at is a way in.
          if (!this.mayChange && tx >= 0) this.event(tx, 1, SmtpEvent.FailedProtocolChange);
          return Parsed.Changed;
        }
        if (tx >= 0) this.event(tx, 1, SmtpEvent.TlsRejected);
        break;
      case Command.BdatLast:
        this.chunkAnswered(session, tx, code);
        if (tx >= 0) this.complete(tx);
        break;
      case Command.MailEnd:
      case Command.Rset:
      case Command.HeloReset:
        if (tx >= 0) this.complete(tx);
        break;
      case Command.Quit:
        if (tx >= 0 && code === 221) this.complete(tx);
        break;
    }
    return Parsed.Go;
  }

  /** A server that does not know BDAT (RFC 5321, 4.2.4) takes what follows for commands. One that refuses a chunk reads it all the same. */
  private chunkAnswered(session: number, tx: number, code: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if ((code !== 500 && code !== 502) || words[s + S.Mode] !== Mode.Bdat) return;
    words[s + S.Mode] = Mode.Command;
    words[s + S.Left] = 0;
    words[s + S.MailTx] = 0;
    words[s + S.Bits] &= ~(SessionBit.LastChunk | SessionBit.LongLine | SessionBit.HeldCr);
    if (tx >= 0) this.event(tx, 1, SmtpEvent.DataCommandRejected);
  }

  private dataRejected(session: number, tx: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (tx < 0) return;
    this.event(tx, 1, SmtpEvent.DataCommandRejected);
    if (words[s + S.Mode] === Mode.Command && (this.txs.words[tx * Tx.Words + T.Bits] & TxBit.Ended) !== 0)
      words[s + S.Bits] |= SessionBit.Astray;
    if (words[s + S.Mode] !== Mode.Data || words[s + S.MailTx] !== tx + 1) return;
    words[s + S.Mode] = Mode.Command;
    words[s + S.Left] = 0;
    words[s + S.MailTx] = 0;
    words[s + S.Bits] &= ~SessionBit.LongLine;
    const at = tx * Tx.Words + T.Mime;
    // Nothing of it came: it is no mail.
    if (this.txs.words[at] !== 0 && this.heapWords[this.txs.words[at] + M.State] === 0) this.txs.words[at] = 0;
  }

  /** Nothing more of the transaction is to come. */
  private complete(tx: number): void {
    const { words } = this.txs;
    const at = tx * Tx.Words;
    const isNew = words[at + Tx.State] !== STATE_DONE;
    words[at + Tx.State] = STATE_DONE;
    words[at + Tx.State + 1] = STATE_DONE;
    if (isNew) this.txs.moment(tx, 0);
    this.txs.moment(tx, 1);
  }

  /** The transaction that the next reply is about, the last one if nobody knows; -1: there is none. */
  private answering(session: number): number {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if (this.queue.front(session) >= 0) {
      const tx = this.alive(session, this.queue.tx, this.queue.id);
      if (tx >= 0) return tx;
    }
    return this.alive(session, words[s + S.Tx] - 1, words[s + S.TxId]);
  }

  private badReply(session: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    if ((words[s + S.Bits] & SessionBit.Error) === 0) this.counters[Counter.AppErrors + AppProto.Smtp]++;
    words[s + S.Bits] |= SessionBit.Error;
    let tx = this.answering(session);
    if (tx < 0 && words[s + S.Count] === 0) tx = this.openTx(session);
    if (tx >= 0) this.event(tx, 1, SmtpEvent.InvalidReply);
  }

  // What transactions keep.

  private keep(tx: number, mem: Uint8Array, off: number, len: number): number {
    const kept = this.txs.keep(tx, mem, off, len);
    if (kept < 0) this.counters[Counter.AppNoRoom]++;
    return kept;
  }

  private changed(tx: number, what: TxSeen): void {
    const { words } = this.txs;
    const at = tx * Tx.Words;
    if (words[at + T.Stamp] !== this.packet) words[at + T.Changed] = 0;
    words[at + T.Stamp] = this.packet;
    words[at + T.Changed] |= what;
  }

  private event(tx: number, direction: number, event: SmtpEvent): void {
    const { words } = this.txs;
    const at = tx * Tx.Words + T.Events + (event >> 5);
    if ((words[at] & (1 << (event & 31))) !== 0) return;
    words[at] |= 1 << (event & 31);
    this.txs.moment(tx, direction);
  }
}

function isPipelining(mem: Uint8Array, off: number, end: number): boolean {
  if (end - off < PIPELINING.length) return false;
  for (let i = 0; i < PIPELINING.length; i++) if (upper(mem[off + i]) !== PIPELINING[i]) return false;
  return true;
}
