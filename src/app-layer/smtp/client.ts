import type { HeldBytes } from '../held-bytes.js';
import type { Lines } from '../lines.js';
import { LINE_BYTES } from '../memory.js';
import { Session, type Sessions } from '../sessions.js';
import { isIdle, readCommand } from './commands.js';
import type { Content } from './content.js';
import { type Dialog, TLS_HANDSHAKE } from './dialog.js';
import { SmtpEvent } from './events.js';
import { Mode, S, SessionBit } from './layout.js';
import type { Mails } from './mails.js';
import { Command, type CommandQueue } from './queue.js';
import type { Readings } from './readings.js';
import { Stop, type Unanswered } from './unanswered.js';

const CR = 0x0d;
const LF = 0x0a;

/** What a client says: commands, the mail, or both as long as its server has not said which (readings.ts). Of one thread. */
export class Client {
  /** The reading that a line has just parted from its session; -1: none. */
  private parted = -1;
  /** Bytes of the packet behind the line that is put together. */
  private rest = 0;

  constructor(
    private readonly sessions: Sessions,
    private readonly lines: Lines,
    private readonly held: HeldBytes,
    private readonly mails: Mails,
    private readonly queue: CommandQueue,
    private readonly content: Content,
    private readonly dialog: Dialog,
    private readonly readings: Readings,
    private readonly unanswered: Unanswered,
  ) {}

  /** Its bytes, mem[off, end). */
  data(session: number, mem: Uint8Array, region: number, off: number, end: number): void {
    const { words } = this.sessions;
    const s = session * Session.Words;
    let seen = off;
    for (let at = off; at < end; ) {
      if ((words[s + S.Bits] & SessionBit.Parting) !== 0) {
        const reading = this.readings.part(session, end - at);
        if (reading >= 0) this.data(reading, mem, region, at, end);
      }
      const mode: Mode = words[s + S.Mode];
      if (mode === Mode.Data) {
        if ((words[s + S.Bits] & SessionBit.Pending) !== 0 && at >= seen) seen = this.asCommands(session, mem, region, at, end);
        const isPending = (words[s + S.Bits] & SessionBit.Pending) !== 0;
        if (!isPending) seen = at;
        at = this.content.lines(session, mem, at, isPending ? seen : end);
        continue;
      }
      if (mode === Mode.Bdat) {
        at = this.content.chunk(session, mem, at, end);
        continue;
      }
      if ((words[s + S.Bits] & SessionBit.Rest) !== 0) {
        while (at < end && mem[at] !== LF) at++;
        if (at === end) return;
        words[s + S.Bits] &= ~SessionBit.Rest;
        at++;
        continue;
      }
      if (words[s + S.Left] !== 0) {
        if (mem[at] !== CR) words[s + S.Left] = 0;
        if (mem[at] === CR || mem[at] === LF) {
          at++;
          continue;
        }
      }
      if ((mem[at] === TLS_HANDSHAKE || (words[s + S.Bits] & SessionBit.Holding) !== 0) && this.holds(session)) {
        this.held.keep(words[s + S.Tx] - 1, mem, at, end - at);
        return;
      }
      if (words[s + S.LineLen] === 0 && this.lines.atStart(session, 0)) {
        const behind = this.dialog.lines(session, mem, at, end);
        if (behind > at) {
          at = behind;
          continue;
        }
      }
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
      const next = lf < end ? lf + 1 : end;
      this.measure(session, next - at, lf < end);
      this.rest = end - next;
      this.lines.data(session, 0, mem, region, at, next - at);
      at = next;
      this.follow(mem, region, at, end);
    }
  }

  /** A line that Lines has put together. */
  line(session: number, mem: Uint8Array, off: number, len: number): void {
    let end = off + len;
    while (end > off && mem[end - 1] === CR) end--;
    const isMail = this.sessions.words[session * Session.Words + S.Mode] === Mode.Data;
    const code = readCommand(mem, off, end);
    if (isMail ? !isIdle(code) : this.dialog.isParting(session, code)) {
      this.parted = this.readings.refuse(session, this.rest);
      if (this.parted >= 0) this.dialog.line(this.parted, mem, off, off + len);
    }
    if (isMail) {
      if (this.parted < 0) this.unanswered.count(session, 1);
      return;
    }
    this.dialog.line(session, mem, off, off + len);
  }

  /** What follows a line is missing: nobody reads on behind it. */
  cut(session: number): void {
    this.rest = 0;
    this.lines.cut(session, 0);
    this.parted = -1;
  }

  /** TLS begins, and the server has not said yet whether it may (RFC 3207, 4): what it is, the answer will say. */
  holds(session: number): boolean {
    const { words } = this.sessions;
    const s = session * Session.Words;
    const isFirst = (words[s + S.Bits] & SessionBit.Holding) === 0;
    if (isFirst && (this.queue.back(session) !== Command.StartTls || !this.lines.atStart(session, 0))) return false;
    if (this.mails.current(session) < 0) {
      words[s + S.Bits] &= ~SessionBit.Holding;
      return false;
    }
    words[s + S.Bits] |= SessionBit.Holding;
    return true;
  }

  /** A mail whose DATA is not answered, mem[off, end), read as commands. Returns how far: behind that the mail's session is to be read first. */
  private asCommands(session: number, mem: Uint8Array, region: number, off: number, end: number): number {
    const { unanswered } = this;
    let at = off;
    if (this.lines.atStart(session, 0)) {
      at = unanswered.scan(session, mem, off, end, this.readings.isFull(this.mails.owner(session), end - off));
      if (unanswered.at === Stop.End) return at;
      if (unanswered.at === Stop.Command) {
        const reading = this.readings.refuse(session, end - at);
        if (reading < 0) return unanswered.scan(session, mem, at, end, true);
        this.data(reading, mem, region, at, end);
        return end;
      }
    }
    let lf = at;
    while (lf < end && mem[lf] !== LF) lf++;
    const next = lf < end ? lf + 1 : end;
    this.rest = end - next;
    this.lines.data(session, 0, mem, region, at, next - at);
    this.follow(mem, region, next, end);
    return next;
  }

  /** The reading that the line before has parted goes on behind it. */
  private follow(mem: Uint8Array, region: number, off: number, end: number): void {
    const reading = this.parted;
    this.parted = -1;
    if (reading >= 0) this.data(reading, mem, region, off, end);
  }

  /** Bytes of a line, before Lines has them. */
  private measure(session: number, length: number, isEnd: boolean): void {
    if (!outgrows(this.sessions.words, session * Session.Words + S.LineLen, length, isEnd, LINE_BYTES)) return;
    const tx = this.mails.forCommand(session, Command.Other);
    if (tx >= 0) this.mails.event(tx, 0, SmtpEvent.TruncatedLine);
  }
}

/** `length` more bytes of a line, whose bytes so far are words[at], which follows. True: now, and not before, it is longer than `limit`. */
export function outgrows(words: Int32Array, at: number, length: number, isEnd: boolean, limit: number): boolean {
  const before = words[at];
  const n = before + length;
  words[at] = isEnd ? 0 : Math.min(n, 1 << 24);
  return n > limit && before <= limit;
}
