import { Session, type Sessions } from '../sessions.js';
import { isIdle, mayBeCommand, mayBecomeCommand, readCommand } from './commands.js';
import { S, SessionBit } from './layout.js';
import type { Mails } from './mails.js';
import { Command, type CommandQueue } from './queue.js';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

/** Lines of a mail whose DATA is not answered, looked at as commands: while none of them is one, they are only counted, and one reading does for both. */
export class Unanswered {
  /** What scan stopped at. */
  at = Stop.End;

  constructor(
    private readonly sessions: Sessions,
    private readonly mails: Mails,
    private readonly queue: CommandQueue,
  ) {}

  /** Counts lines in mem[off, end), the first of which begins there, or goes on (SessionBit.Rest). Returns where it has stopped: see Stop. `isBlind`: commands are none. */
  scan(session: number, mem: Uint8Array, off: number, end: number, isBlind: boolean): number {
    const { words } = this.sessions;
    const bits = session * Session.Words + S.Bits;
    let at = off;
    if ((words[bits] & SessionBit.Rest) !== 0) {
      while (at < end && mem[at] !== LF) at++;
      this.at = Stop.End;
      if (at === end) return end;
      words[bits] &= ~SessionBit.Rest;
      return at + 1;
    }
    let count = 0;
    this.at = Stop.End;
    while (at < end) {
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
      if (!isBlind && mayBeCommand(mem[at])) {
        if (lf === end && mayBecomeCommand(mem, at, end)) {
          this.at = Stop.Part;
          break;
        }
        let to = lf;
        while (to > at && mem[to - 1] === CR) to--;
        if (lf < end && !isIdle(readCommand(mem, at, to))) {
          this.at = Stop.Command;
          break;
        }
      }
      count++;
      // The mail may end here.
      const isDot = mem[at] === DOT && (lf === end || (lf === at + 2 && mem[at + 1] === CR));
      if (lf === end) words[bits] |= SessionBit.Rest;
      at = lf < end ? lf + 1 : end;
      if (isDot) break;
    }
    this.count(session, count);
    return at;
  }

  /** So many lines. */
  count(session: number, lines: number): void {
    if (lines === 0) return;
    const tx = this.mails.coming(session);
    this.queue.push(session, Command.InMail, tx, this.mails.id(tx), lines);
  }
}

export const enum Stop {
  /** The packet's end, or behind a line with which the mail may end. */
  End = 0,
  /** A command. */
  Command,
  /** The beginning of what may be one. */
  Part,
}
