import { Likeness } from '../protocol.js';
import { upper } from '../recognise.js';

export const SMTP_PORTS: readonly number[] = [25, 465, 587, 2525];

const words = (s: string) => s.split(' ').map((word) => Uint8Array.from(word, (c) => c.charCodeAt(0)));
/** What a client begins with on any port, and where the server's port is SMTP's (RFC 5321, 4.1.1; pipelined before the greeting, too). */
const GREETINGS = words('EHLO HELO');
const COMMANDS = words('MAIL RCPT RSET QUIT NOOP AUTH DATA BDAT VRFY EXPN HELP STARTTLS XCLIENT PROXY LHLO');
const [SMTP, READY] = words('SMTP 220');

/** Sees from the first bytes whether a direction speaks SMTP. */
export function probeSmtp(direction: number, mem: Uint8Array, off: number, len: number, port: number): Likeness {
  const isPort = SMTP_PORTS.includes(port);
  if (direction === 1) return greeting(mem, off, len, isPort);
  let result = Likeness.No;
  for (let list = 0; list < (isPort ? 2 : 1); list++) {
    for (const word of list === 0 ? GREETINGS : COMMANDS) {
      const likeness = begins(mem, off, len, word);
      if (likeness === Likeness.Yes) {
        if (len === word.length) result = Likeness.More;
        else if (isEnd(mem[off + word.length])) return Likeness.Yes;
      } else if (likeness === Likeness.More) result = Likeness.More;
    }
  }
  return result;
}

/** `220 host ESMTP ...`. On other ports the word SMTP must stand in the line, since FTP's servers say 220 as well. */
function greeting(mem: Uint8Array, off: number, len: number, isPort: boolean): Likeness {
  const likeness = begins(mem, off, len, READY);
  if (likeness !== Likeness.Yes) return likeness;
  if (len === READY.length) return Likeness.More;
  if (mem[off + 3] !== 0x20 && mem[off + 3] !== 0x2d) return Likeness.No;
  if (isPort) return Likeness.Yes;
  for (let at = off + 4; at < off + len; at++) {
    if (mem[at] === 0x0a) return Likeness.No;
    if (begins(mem, at, off + len - at, SMTP) === Likeness.Yes) return Likeness.Yes;
  }
  return Likeness.More;
}

function begins(mem: Uint8Array, off: number, len: number, word: Uint8Array): Likeness {
  const n = len < word.length ? len : word.length;
  for (let i = 0; i < n; i++) if (upper(mem[off + i]) !== word[i]) return Likeness.No;
  return n === word.length ? Likeness.Yes : Likeness.More;
}

function isEnd(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}
