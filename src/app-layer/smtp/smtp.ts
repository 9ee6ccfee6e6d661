import { AppProto, type Buffers } from '../buffers.js';
import type { Files } from '../files/files.js';
import { HeldBytes } from '../held-bytes.js';
import { type LineSink, Lines } from '../lines.js';
import type { AppMemory } from '../memory.js';
import { HEADERS } from '../mime/layout.js';
import { MimeParser } from '../mime/mime.js';
import { type Likeness, Parsed, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import { Session, type Sessions } from '../sessions.js';
import type { Transactions } from '../transactions.js';
import { Client, outgrows } from './client.js';
import { Content } from './content.js';
import { Dialog } from './dialog.js';
import { SmtpEvent } from './events.js';
import { LONGEST_REPLY, MOST_LARGE_READINGS, MOST_READINGS, MOST_WAITS, Mode, S, SessionBit, T } from './layout.js';
import { Mails } from './mails.js';
import { SMTP_OPTIONS, type SmtpOptions } from './options.js';
import { probeSmtp } from './probe.js';
import { CommandQueue } from './queue.js';
import { Readings } from './readings.js';
import { SmtpRecords } from './record.js';
import { Replies } from './replies.js';
import { Unanswered } from './unanswered.js';
import { SmtpView } from './view.js';

const LF = 0x0a;
const HEADER_NAMES = HEADERS.map((name) => String.fromCharCode(...name));

/**
 * SMTP (RFC 5321), with CHUNKING (RFC 3030) and STARTTLS (RFC 3207); see README.md. Here: the life of a flow, and its server's lines.
 *
 *   Client ─┬─ lines ─► Dialog ─► Mails: transactions, envelopes
 *           │              └────► CommandQueue ◄── Replies ◄── lines ── server
 *           └─ mail  ─► Content ─► MimeParser
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
  private readonly mails: Mails;
  private readonly content: Content;
  private readonly readings: Readings;
  private readonly client: Client;
  private readonly replies: Replies;
  private readonly view: SmtpView;
  private readonly records: SmtpRecords;
  private readonly list = new Int32Array(MOST_READINGS);
  private packet = 0;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    memory: AppMemory,
    private readonly files: Files,
    counters: Float64Array,
    options: SmtpOptions = SMTP_OPTIONS,
  ) {
    this.held = new HeldBytes(txs, counters, T.Held);
    this.lines = new Lines(sessions, memory, counters, this);
    this.queue = new CommandQueue(sessions, txs, counters);
    this.mime = new MimeParser(txs, memory, files, counters, T.Events, SmtpEvent.Mime, options.mime);
    this.mails = new Mails(sessions, txs, counters);
    this.content = new Content(sessions, txs, files, this.mails, this.queue, this.mime, options);
    const dialog = new Dialog(sessions, txs, this.mails, this.queue, this.content);
    this.readings = new Readings(sessions, txs, memory, counters, this.lines, this.mails, this.queue, this.content);
    const unanswered = new Unanswered(sessions, this.mails, this.queue);
    this.client = new Client(sessions, this.lines, this.held, this.mails, this.queue, this.content, dialog, this.readings, unanswered);
    this.replies = new Replies(sessions, txs, counters, this.mails, this.queue, this.content, this.readings, this.held);
    this.view = new SmtpView(txs, memory, this.mails, this.mime);
    this.records = new SmtpRecords(txs, options.eve, HEADER_NAMES);
  }

  probe(direction: number, mem: Uint8Array, off: number, len: number, serverPort: number): Likeness {
    return probeSmtp(direction, mem, off, len, serverPort);
  }

  begin(): void {
    this.packet = (this.packet + 1) & 0x7fffffff;
    this.mime.packetBegins(this.packet);
    this.mails.packetBegins(this.packet);
  }

  open(_session: number): void {}

  close(session: number): void {
    this.readings.dropAll(session);
    this.lines.clear(session, 0);
    this.lines.clear(session, 1);
    this.queue.close(session);
    this.mails.close(session);
  }

  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    if (direction === 1) return this.lines.hasRoom(session, 1, mem, off, len);
    const { words } = this.sessions;
    const s = session * Session.Words;
    let isPending = false;
    let isOwed = true;
    let n = 0;
    for (let reading = session; reading >= 0; reading = this.readings.next(reading)) {
      const bits = words[reading * Session.Words + S.Bits];
      const isLine = words[reading * Session.Words + S.Mode] === Mode.Command || (bits & SessionBit.Pending) !== 0;
      if (isLine && !this.lines.hasRoom(reading, 0, mem, off, len)) return false;
      if ((bits & (SessionBit.Pending | SessionBit.Merged)) !== 0) isPending = true;
      if (this.queue.front(reading) < 0) isOwed = false;
      n++;
    }
    if ((words[s + S.Bits] & SessionBit.Greeted) === 0 || n < MOST_LARGE_READINGS || (!isPending && n === MOST_LARGE_READINGS)) return true;
    // Which reading is right the server is about to say; unless one in which it has said all is.
    if (isOwed) return false;
    if (words[s + S.Waits] >= MOST_WAITS) return true;
    words[s + S.Waits]++;
    return false;
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    this.replies.mayChange = this.mayChange;
    if (direction === 1) return this.server(session, mem, region, off, off + len);
    // Those that part from others now are given the rest then.
    const { list } = this;
    let n = 0;
    for (let reading = this.readings.next(session); reading >= 0; reading = this.readings.next(reading)) list[n++] = reading;
    for (let i = 0; i < n; i++) this.client.data(list[i], mem, region, off, off + len);
    this.client.data(session, mem, region, off, off + len);
    return Parsed.Go;
  }

  gap(session: number, direction: number, length: number): Parsed {
    const { words } = this.sessions;
    const s = session * Session.Words;
    this.readings.dropAll(session);
    if (direction === 0 && (words[s + S.Bits] & SessionBit.Holding) !== 0 && this.client.holds(session)) {
      this.held.cut(words[s + S.Tx] - 1);
      return Parsed.Go;
    }
    if (direction === 1) {
      this.lines.cut(session, 1);
      this.readings.forgetReplies(session);
      if ((words[s + S.Bits] & SessionBit.Holding) === 0) return Parsed.Go;
      // The answer is among what is missing. What the client says is TLS, or nothing.
      words[s + S.Bits] &= ~SessionBit.Holding;
      const tx = this.mails.current(session);
      if (tx >= 0) this.held.release(tx);
      return Parsed.Changed;
    }
    if (words[s + S.Mode] === Mode.Command) this.client.cut(session);
    else {
      this.lines.clear(session, 0);
      words[s + S.Bits] &= ~SessionBit.Rest;
      this.content.gap(session, length);
    }
    return Parsed.Go;
  }

  finish(session: number, direction: number): void {
    if (direction === 1) this.lines.cut(session, 1);
    else for (let reading = session; reading >= 0; reading = this.readings.next(reading)) this.client.cut(reading);
    const { words } = this.sessions;
    const bits = session * Session.Words + S.Bits;
    words[bits] |= SessionBit.Finished << direction;
    if ((words[bits] & (3 * SessionBit.Finished)) !== 3 * SessionBit.Finished) return;
    this.readings.finish(session);
    // Nobody will say more: what was begun is as complete as it gets.
    for (let tx = this.txs.first(session); tx >= 0; tx = this.txs.behind(tx))
      if (this.txs.isOpen(tx) && !this.txs.isDone(tx)) this.mails.complete(tx);
  }

  /** A line that Lines has put together. */
  line(session: number, direction: number, mem: Uint8Array, _region: number, off: number, len: number): Parsed {
    if (direction === 1) return this.replies.line(session, mem, off, len);
    this.client.line(session, mem, off, len);
    return Parsed.Go;
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    if (direction !== 0) return;
    this.files.select(tx, 0, buffers);
    this.view.select(tx, buffers);
  }

  record(tx: number, writer: RecordWriter): void {
    this.records.write(tx, writer);
  }

  /** The server's: lines of replies. */
  private server(session: number, mem: Uint8Array, region: number, off: number, end: number): Parsed {
    const { words } = this.sessions;
    const s = session * Session.Words;
    for (let at = off; at < end; ) {
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
      const next = lf < end ? lf + 1 : end;
      let parsed: Parsed;
      if (lf < end && lf - at < LONGEST_REPLY && words[s + S.LineLenTc] === 0 && this.lines.atStart(session, 1))
        parsed = this.replies.line(session, mem, at, lf - at);
      else {
        this.measure(session, next - at, lf < end);
        parsed = this.lines.data(session, 1, mem, region, at, next - at);
      }
      at = next;
      if (parsed === Parsed.Go) continue;
      this.taken = next - off;
      return parsed;
    }
    return Parsed.Go;
  }

  /** Bytes of a line of a reply, before Lines has them. */
  private measure(session: number, length: number, isEnd: boolean): void {
    if (!outgrows(this.sessions.words, session * Session.Words + S.LineLenTc, length, isEnd, LONGEST_REPLY)) return;
    const tx = this.replies.about(session);
    if (tx >= 0) this.mails.event(tx, 1, SmtpEvent.MaxReplyLineLen);
  }
}
