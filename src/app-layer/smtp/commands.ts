import { upper } from '../recognise.js';
import { Command } from './queue.js';

const SP = 0x20;
const HT = 0x09;
const words = (s: string) => s.split(',').map((word) => Uint8Array.from(word, (c) => c.charCodeAt(0)));
/** Those with the same first letter stand side by side. */
const NAMES = words('AUTH,BDAT,DATA,EHLO,HELO,LHLO,MAIL FROM,QUIT,RCPT TO,RSET,STARTTLS');
const CODES = Uint8Array.of(
  Command.Auth,
  Command.Bdat,
  Command.Data,
  Command.Helo,
  Command.Helo,
  Command.Helo,
  Command.MailFrom,
  Command.Quit,
  Command.RcptTo,
  Command.Rset,
  Command.StartTls,
);
const SHORTEST = 4;
/** By byte: the first of NAMES that begins with it, NAMES.length: none. */
const FIRST = new Uint8Array(256).fill(NAMES.length);
for (let i = NAMES.length - 1; i >= 0; i--) FIRST[NAMES[i][0]] = FIRST[NAMES[i][0] | 0x20] = i;

/** What readCommand found: where the command's name ends. */
export const command = { end: 0 };

/** False: a line that begins so is none of the commands. */
export function mayBeCommand(byte: number): boolean {
  return FIRST[byte] !== NAMES.length || byte === SP || byte === HT;
}

/** The command of a line without its end. White space before it is left out, as some servers do. */
export function readCommand(mem: Uint8Array, off: number, end: number): Command {
  let at = off;
  while (at < end && (mem[at] === SP || mem[at] === HT)) at++;
  if (end - at < SHORTEST) return Command.Other;
  const first = upper(mem[at]);
  for (let i = FIRST[mem[at]]; i < NAMES.length && NAMES[i][0] === first; i++) {
    const name = NAMES[i];
    if (end - at < name.length) continue;
    let same = 1;
    while (same < name.length && upper(mem[at + same]) === name[same]) same++;
    if (same < name.length) continue;
    const after = at + name.length;
    // Behind FROM and TO anything may stand.
    const isLoose = CODES[i] === Command.MailFrom || CODES[i] === Command.RcptTo;
    if (after < end && mem[after] !== SP && mem[after] !== HT && !isLoose) continue;
    command.end = after;
    return CODES[i];
  }
  return Command.Other;
}

/** What is no more than a line that is refused, whoever reads it: nobody inspects it. */
export function isIdle(code: Command): boolean {
  return code === Command.Other || code === Command.Auth || code === Command.Quit;
}

/** False: a line that begins so is none of the commands, whatever follows. */
export function mayBecomeCommand(mem: Uint8Array, off: number, end: number): boolean {
  let at = off;
  while (at < end && (mem[at] === SP || mem[at] === HT)) at++;
  if (at === end) return true;
  const first = upper(mem[at]);
  for (let i = FIRST[mem[at]]; i < NAMES.length && NAMES[i][0] === first; i++) {
    const name = NAMES[i];
    const most = Math.min(name.length, end - at);
    let same = 1;
    while (same < most && upper(mem[at + same]) === name[same]) same++;
    if (same === most) return true;
  }
  return false;
}

/** What readArgument found: an offset, and the end. */
export const argument = { off: 0, end: 0 };

/** The word behind a command and the `:` or space that follows it; extensions (SIZE=) stand behind the next space. */
export function readArgument(mem: Uint8Array, off: number, end: number): void {
  let at = Math.min(off + 1, end);
  while (at < end && (mem[at] === SP || mem[at] === HT)) at++;
  argument.off = at;
  while (at < end && mem[at] !== SP) at++;
  argument.end = at;
}

/** What readChunk found: bytes that follow, and whether they are the last of the mail. */
export const chunk = { length: 0, isLast: false };

/** `BDAT 1234 LAST` (RFC 3030, 2). False: no such line. */
export function readChunk(mem: Uint8Array, off: number, to: number): boolean {
  let at = off;
  let end = to;
  while (end > at && (mem[end - 1] === SP || mem[end - 1] === HT)) end--;
  while (at < end && (mem[at] === SP || mem[at] === HT)) at++;
  const digits = at;
  let length = 0;
  for (; at < end && mem[at] >= 0x30 && mem[at] <= 0x39; at++) {
    length = length * 10 + mem[at] - 0x30;
    if (length > 0x7fffffff) return false;
  }
  if (at === digits) return false;
  chunk.length = length;
  chunk.isLast = false;
  if (at === end) return true;
  if (mem[at] !== SP && mem[at] !== HT) return false;
  while (at < end && (mem[at] === SP || mem[at] === HT)) at++;
  if (end - at !== 4) return false;
  for (let i = 0; i < 4; i++) if (upper(mem[at + i]) !== 'LAST'.charCodeAt(i)) return false;
  chunk.isLast = true;
  return true;
}

/** Codes of replies: RFC 5321 and its extensions (enhanced ones, AUTH, CHUNKING, TURN). */
const REPLIES = new Uint8Array(1000);
for (const code of [
  211, 214, 220, 221, 235, 250, 251, 252, 253, 334, 354, 401, 402, 421, 430, 432, 435, 450, 451, 452, 453, 454, 455, 458, 459, 500, 501,
  502, 503, 504, 521, 523, 525, 530, 533, 534, 535, 538, 541, 550, 551, 552, 553, 554, 555, 556, 557, 571,
])
  REPLIES[code] = 1;

export function isReply(code: number): boolean {
  return code >= 0 && code < 1000 && REPLIES[code] === 1;
}
