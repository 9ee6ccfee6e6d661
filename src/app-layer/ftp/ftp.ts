import { Counter } from '../../metrics/counters.js';
import { AppProto, BufferId, type Buffers } from '../buffers.js';
import { type LineSink, Lines } from '../lines.js';
import type { AppMemory } from '../memory.js';
import { Parse, type Parser } from '../parser.js';
import { upper } from '../recognise.js';
import { Session, type Sessions } from '../sessions.js';
import { withoutTelnet } from './telnet.js';

/** Words of the session after those of src/app-layer/lines.ts. */
const enum Word {
  /** Code of the reply whose last line is still to come; 0: none. RFC 959, 4.2. */
  Reply = 6,
  Tls = 7,
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

/** Words per transaction: the command, its data (length -1: none), and which of the two lie in the AppMemory. */
const enum Tx {
  CommandOff = 0,
  CommandLen = 1,
  DataOff = 2,
  DataLen = 3,
  Own = 4,
  Words = 5,
}
const enum Own {
  Command = 1,
  Data = 2,
}
/** A packet of 64 KiB and MAX_HELD blocks cannot hold more: two bytes make a line, three one that is looked at twice. */
const MAX_TRANSACTIONS = 65536;

const SP = 0x20;
const HT = 0x09;
const CR = 0x0d;
const IAC = 0xff;

/**
 * FTP commands (RFC 959). A transaction is a command line: its first word in upper case (or `AUTH TLS`, as Suricata
 * names that command), and what follows the space after it. Replies are read for the change to TLS only.
 */
export class FtpParser implements Parser, LineSink {
  readonly proto = AppProto.Ftp;
  count = 0;
  private readonly lines: Lines;
  private readonly txs = new Int32Array(MAX_TRANSACTIONS * Tx.Words);
  /** The packet's memory, as far as transactions lie there. */
  private mem: Uint8Array;
  private region = -1;

  constructor(
    private readonly sessions: Sessions,
    private readonly memory: AppMemory,
    private readonly counters: Float64Array,
  ) {
    this.lines = new Lines(sessions, memory, counters, this);
    this.mem = memory.bytes;
  }

  begin(): void {
    this.count = 0;
  }

  open(_session: number): void {
    this.counters[Counter.AppFtpFlows]++;
  }

  close(session: number): void {
    this.lines.clear(session, 0);
    this.lines.clear(session, 1);
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parse {
    if (direction === 0 && len > 0) {
      const tls = session * Session.Words + Session.Parser + Word.Tls;
      const { words } = this.sessions;
      if (words[tls] === Tls.Granted && this.lines.atStart(session, 0)) {
        if (mem[off] === TLS_HANDSHAKE) return Parse.Done;
        words[tls] = Tls.No;
      }
    }
    return this.lines.data(session, direction, mem, region, off, len);
  }

  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean {
    return this.lines.hasRoom(session, direction, mem, off, len);
  }

  gap(session: number, direction: number): void {
    this.lines.cut(session, direction);
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

  line(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parse {
    if (direction === 0) this.command(session, mem, region, off, off + len);
    else this.reply(session, mem, off, len);
    return Parse.Go;
  }

  select(i: number, buffers: Buffers): void {
    const { txs, memory } = this;
    const at = i * Tx.Words;
    const own = txs[at + Tx.Own];
    this.publish(buffers, BufferId.FtpCommand, (own & Own.Command) !== 0, txs[at + Tx.CommandOff], txs[at + Tx.CommandLen], memory);
    this.publish(buffers, BufferId.FtpCommandData, (own & Own.Data) !== 0, txs[at + Tx.DataOff], txs[at + Tx.DataLen], memory);
  }

  private publish(buffers: Buffers, id: BufferId, own: boolean, off: number, len: number, memory: AppMemory): void {
    if (own) buffers.set(id, memory.bytes, memory.region, off, len);
    else buffers.set(id, this.mem, this.region, off, len);
  }

  /** One line of the client, mem[from, end). Servers that read Telnet see another line than those that do not: both count. */
  private command(session: number, mem: Uint8Array, region: number, from: number, end: number): void {
    if (mem !== this.memory.bytes) {
      this.mem = mem;
      this.region = region;
    }
    this.transaction(session, mem, from, end);
    let iac = from;
    while (iac < end && mem[iac] !== IAC) iac++;
    if (iac === end) return;
    const to = this.memory.scratch(end - from);
    if (to < 0) return;
    const length = withoutTelnet(mem, from, end, this.memory.bytes, to);
    this.transaction(session, this.memory.bytes, to, to + length);
  }

  private transaction(session: number, mem: Uint8Array, from: number, to: number): void {
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
    if (word === at || this.count >= MAX_TRANSACTIONS) return;
    if (word - at === 4 && startsWith(mem, at, word, 'AUTH')) {
      this.auth(session, mem, word, end);
      // "AUTH TLS" is one command.
      if (word + 4 <= end && (word + 4 === end || mem[word + 4] === SP) && startsWith(mem, word, end, ' TLS')) {
        for (let i = word; i < word + 4; i++) if (mem[i] !== upper(mem[i])) lower = 1;
        word += 4;
      }
    }
    const { txs, memory } = this;
    const tx = this.count++ * Tx.Words;
    this.counters[Counter.AppFtpTransactions]++;
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
    txs[tx + Tx.CommandOff] = commandAt;
    txs[tx + Tx.CommandLen] = word - at;
    txs[tx + Tx.DataOff] = word + 1;
    txs[tx + Tx.DataLen] = end - word - 1 > 0 ? end - word - 1 : -1;
    txs[tx + Tx.Own] = (commandOwn ? Own.Command : 0) | (own ? Own.Data : 0);
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
