import { AppProto } from './buffers.js';

/** No pattern is longer: with this many bytes the answer is never Unknown. */
export const LONGEST_PATTERN = 5;
const FTP_PORT = 21;

interface Pattern {
  proto: AppProto;
  direction: number;
  /** Upper case. */
  bytes: Uint8Array;
}

function pattern(proto: AppProto, direction: number, text: string): Pattern {
  return { proto, direction, bytes: Uint8Array.from(text, (c) => c.charCodeAt(0)) };
}

/** As Suricata registers them for FTP; ASCII letters in either case. */
const PATTERNS: readonly Pattern[] = [
  pattern(AppProto.Ftp, 0, 'USER '),
  pattern(AppProto.Ftp, 0, 'PASS '),
  pattern(AppProto.Ftp, 0, 'PORT '),
  pattern(AppProto.Ftp, 0, 'FEAT'),
  pattern(AppProto.Ftp, 1, '220 ('),
];

export function upper(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
}

/** Text, white space, or Telnet's escape (RFC 854). */
function isText(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09 || byte === 0xff;
}

/**
 * The protocol of a direction that begins with these bytes. Unknown: more are needed; Failed: none of ours.
 * Where the server's port is FTP's, any text of the client will do: a server answers an unknown command with 500 and goes on,
 * so a client may begin with whatever is no pattern.
 */
export function recognise(direction: number, mem: Uint8Array, off: number, len: number, serverPort: number): AppProto {
  let result = AppProto.Failed;
  for (let i = 0; i < PATTERNS.length; i++) {
    const { proto, direction: side, bytes } = PATTERNS[i];
    if (side !== direction) continue;
    const n = len < bytes.length ? len : bytes.length;
    let same = 0;
    while (same < n && upper(mem[off + same]) === bytes[same]) same++;
    if (same === bytes.length) return proto;
    if (same === len) result = AppProto.Unknown;
  }
  if (direction === 0 && serverPort === FTP_PORT && len > 0 && isText(mem[off])) return AppProto.Ftp;
  // On its port a server's greeting need not be a pattern.
  if (direction === 1 && serverPort === FTP_PORT && len >= 3 && mem[off] === 0x32 && mem[off + 1] === 0x32 && mem[off + 2] === 0x30)
    return AppProto.Ftp;
  return result;
}
