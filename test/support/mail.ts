import { BUFFER_NAMES, Buffers } from '../../src/app-layer/buffers.js';
import { FileState, Files } from '../../src/app-layer/files/files.js';
import { AppMemory } from '../../src/app-layer/memory.js';
import { Parsed } from '../../src/app-layer/protocol.js';
import { Sessions } from '../../src/app-layer/sessions.js';
import { SMTP_EVENTS } from '../../src/app-layer/smtp/events.js';
import { T } from '../../src/app-layer/smtp/layout.js';
import type { SmtpOptions } from '../../src/app-layer/smtp/options.js';
import { SMTP_NAMES } from '../../src/app-layer/smtp/record.js';
import { SmtpProtocol } from '../../src/app-layer/smtp/smtp.js';
import { Transactions, Tx, TxFlag } from '../../src/app-layer/transactions.js';
import { type Json, latin1, ObjectWriter } from './object-writer.js';

export interface MailFile {
  name: string;
  text: string;
  state: 'open' | 'closed' | 'truncated';
}

/** Remembers what it was given. */
class SeenFiles extends Files {
  readonly seen: MailFile[] = [];
  private readonly byNumber = new Map<number, MailFile>();

  override open(...args: Parameters<Files['open']>): number {
    const file = super.open(...args);
    const [, , mem, off, len] = args;
    const one: MailFile = { name: latin1(mem, off, len), text: '', state: 'open' };
    this.seen.push(one);
    this.byNumber.set(file, one);
    return file;
  }
  override data(file: number, mem: Uint8Array, region: number, off: number, len: number): void {
    super.data(file, mem, region, off, len);
    const one = this.byNumber.get(file);
    if (one !== undefined) one.text += latin1(mem, off, len);
  }
  override close(file: number, state: FileState): void {
    super.close(file, state);
    const one = this.byNumber.get(file);
    if (one !== undefined) one.state = state === FileState.Closed ? 'closed' : 'truncated';
  }
}

/** Bytes of a text of bytes. */
export const latin = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** One session of SMTP, fed by hand; transactions end as in AppLayer. */
export class MailTalk {
  readonly sessions = new Sessions(16);
  readonly txs: Transactions;
  readonly counters = new Float64Array(4096);
  readonly memory = new AppMemory(16, 4);
  readonly files: SeenFiles;
  readonly protocol: SmtpProtocol;
  readonly session: number;
  readonly buffers = new Buffers();
  /** What every moment newly showed: `email.from=a@b`. */
  readonly shown: string[] = [];
  /** Of transactions that ended, in order: records, names of events. */
  readonly records: Json[] = [];
  readonly events: string[][] = [];
  /** Events of those that ended without a record: what was never said, as it turned out. */
  readonly withdrawn: string[][] = [];
  parsed: Parsed = Parsed.Go;

  constructor(options?: SmtpOptions, heapBytes = 8 << 20, transactions = 1024) {
    this.txs = new Transactions(transactions, heapBytes, 4096, 16);
    this.files = new SeenFiles(this.txs, this.counters);
    this.protocol = new SmtpProtocol(this.sessions, this.txs, this.memory, this.files, this.counters, options);
    this.session = this.sessions.take();
    this.protocol.open(this.session);
  }

  /** The next bytes of the client, of the server: one packet each. */
  client(...pieces: (string | Uint8Array)[]): this {
    return this.feed(0, pieces);
  }
  server(...pieces: (string | Uint8Array)[]): this {
    return this.feed(1, pieces);
  }
  /** `C: line`, `S: line`: each a packet of its own, CR LF added. */
  dialog(text: string): this {
    for (const line of text.trim().split('\n')) {
      const said = `${line.trim().slice(3)}\r\n`;
      if (line.trim().startsWith('C:')) this.client(said);
      else this.server(said);
    }
    return this;
  }
  gap(direction: number, length: number): this {
    this.packet(() => {
      this.parsed = this.protocol.gap(this.session, direction, length);
    });
    return this;
  }
  finish(): this {
    if (this.parsed === Parsed.Go) for (const direction of [0, 1]) this.packet(() => this.protocol.finish(this.session, direction));
    return this;
  }
  /** Ends the flow. Bytes of the heap that are still taken: none may be. */
  close(): number {
    this.protocol.close(this.session);
    this.txs.closeAll(this.session);
    this.settle();
    return this.txs.heap.used;
  }

  private feed(direction: number, pieces: (string | Uint8Array)[]): this {
    for (const said of pieces) {
      if (this.parsed !== Parsed.Go) return this;
      const piece = typeof said === 'string' ? latin(said) : said;
      // Canaries round the piece: a parser that reads beyond it reads these.
      const mem = new Uint8Array(piece.length + 16).fill(0xa5);
      mem.set(piece, 8);
      this.packet(() => {
        this.parsed = this.protocol.data(this.session, direction, mem, -1, 8, piece.length);
      });
    }
    return this;
  }

  private packet(parse: () => void): void {
    const { txs, buffers } = this;
    this.memory.resetScratch();
    this.files.begin();
    txs.begin();
    this.protocol.begin();
    parse();
    this.files.keep();
    for (let i = 0; i < txs.count; i++) {
      const direction = txs.moments[2 * i + 1];
      buffers.clear();
      this.protocol.select(txs.moments[2 * i], direction, buffers);
      for (let id = 0; id < BUFFER_NAMES.length; id++) {
        if (buffers.len[id] < 0 || buffers.fresh[id] === 0) continue;
        for (let at = id; at >= 0; at = buffers.next[at])
          this.shown.push(`${BUFFER_NAMES[id]}=${latin1(buffers.mem[at], buffers.off[at], buffers.len[at])}`);
      }
    }
    for (let tx = txs.first(this.session); tx >= 0; tx = txs.behind(tx)) if (txs.isDone(tx)) txs.close(tx);
    this.settle();
  }

  private settle(): void {
    const { txs } = this;
    for (let i = 0; i < txs.endedCount; i++) {
      const tx = txs.ended[i];
      const at = tx * Tx.Words + T.Events;
      const events = SMTP_EVENTS.filter((_, bit) => (txs.words[at + (bit >> 5)] & (1 << (bit & 31))) !== 0);
      if ((txs.words[tx * Tx.Words + Tx.Flags] & TxFlag.Logged) !== 0) {
        this.withdrawn.push(events);
        continue;
      }
      const writer = new ObjectWriter(SMTP_NAMES);
      this.protocol.record(tx, writer);
      this.records.push(writer.done());
      this.events.push(events);
    }
    txs.clearEnded();
  }
}

/** A session that has said HELO and asks to send a mail. */
export function mailing(options?: SmtpOptions): MailTalk {
  return new MailTalk(options).dialog(`S: 220 mx ESMTP
    C: EHLO c.example
    S: 250 mx
    C: MAIL FROM:<a@example.com> SIZE=1
    S: 250 ok
    C: RCPT TO:<b@example.com>
    S: 250 ok
    C: DATA
    S: 354 go`);
}
