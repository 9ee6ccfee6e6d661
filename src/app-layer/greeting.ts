import { replyCode } from './lines.js';
import { PROBE_BYTES } from './protocol.js';

/** `ddd`, and a blank or a hyphen: as servers of FTP and SMTP answer. */
export function isReply(mem: Uint8Array, off: number, len: number): boolean {
  return len >= 4 && replyCode(mem, off, len) >= 0 && (mem[off + 3] === 0x20 || mem[off + 3] === 0x2d);
}

/** A whole line `220 text`, or as much of it as is looked at. */
export function isGreeting(mem: Uint8Array, off: number, len: number): boolean {
  if (!isReply(mem, off, len) || replyCode(mem, off, len) !== 220) return false;
  for (let p = off + 4; p < off + len; p++) if (mem[p] === 0x0a) return true;
  return len >= PROBE_BYTES;
}
