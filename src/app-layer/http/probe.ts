import { Likeness, PROBE_BYTES } from '../protocol.js';
import { isSpace } from './bytes.js';

/** Methods in use (IANA's registry, WebDAV, UPnP, and what servers know beside them). */
const METHODS = `GET POST HEAD PUT DELETE OPTIONS TRACE CONNECT PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH
  VERSION-CONTROL CHECKOUT CHECKIN UNCHECKOUT MKWORKSPACE UPDATE LABEL MERGE BASELINE-CONTROL MKACTIVITY ORDERPATCH ACL BIND REBIND UNBIND
  LINK UNLINK MKREDIRECTREF UPDATEREDIRECTREF MKCALENDAR PURGE SUBSCRIBE UNSUBSCRIBE NOTIFY M-SEARCH RPC_IN_DATA RPC_OUT_DATA BPROPFIND
  BPROPPATCH BMOVE BCOPY BDELETE POLL QUERY CCM_POST BITS_POST TRACK DEBUG SOURCE`
  .trim()
  .split(/\s+/)
  .sort()
  .map((method) => Uint8Array.from(method, (c) => c.charCodeAt(0)));

/** By first byte: where its methods stand. */
const FROM = new Uint8Array(256);
const BEHIND = new Uint8Array(256);
for (let i = METHODS.length - 1; i >= 0; i--) {
  const c = METHODS[i][0];
  FROM[c] = i;
  if (BEHIND[c] === 0) BEHIND[c] = i + 1;
}

/** Whether a byte may begin a request. */
export function startsRequest(c: number): boolean {
  return BEHIND[c] > 0;
}

/** A known method and white space, perhaps behind empty lines; or whatever else, in a first line that says `HTTP/1.`. */
export function probeRequest(mem: Uint8Array, off: number, len: number): Likeness {
  const end = off + len;
  let p = off;
  while (p < end && isSpace(mem[p])) p++;
  if (p === end) return Likeness.More;
  let more = false;
  for (let i = FROM[mem[p]]; i < BEHIND[mem[p]]; i++) {
    const method = METHODS[i];
    let k = 1;
    while (k < method.length && p + k < end && mem[p + k] === method[k]) k++;
    if (p + k === end) more = true;
    else if (k === method.length && (mem[p + k] === 32 || mem[p + k] === 9)) return Likeness.Yes;
  }
  return more ? Likeness.More : probeLine(mem, p, end);
}

/**
 * Servers answer a line with any method, or a damaged one. Without its end it may become one as long as it is a word; with as many bytes
 * as are ever asked about, a word and a path are one.
 */
function probeLine(mem: Uint8Array, start: number, end: number): Likeness {
  let p = start;
  while (p < end && mem[p] !== 10 && !isVersion(mem, p, end)) p++;
  if (p < end) return mem[p] !== 10 && p > start ? Likeness.Yes : Likeness.No;
  p = start;
  while (p < end && p - start < LONGEST_METHOD && isMethodByte(mem[p])) p++;
  if (p === start || (p < end && mem[p] !== 32)) return Likeness.No;
  if (end - start < PROBE_BYTES) return Likeness.More;
  while (p < end && mem[p] === 32) p++;
  return p < end && mem[p] === SLASH ? Likeness.Yes : Likeness.No;
}

/** Letters, digits, `-`, `_`. */
function isMethodByte(c: number): boolean {
  const upper = c & ~0x20;
  return (upper >= 65 && upper <= 90) || (c >= 48 && c <= 57) || c === 0x2d || c === 0x5f;
}

function isVersion(mem: Uint8Array, at: number, end: number): boolean {
  if (end - at < VERSION.length || (mem[at] & CASE[0]) !== VERSION[0]) return false;
  for (let k = 1; k < VERSION.length; k++) if ((mem[at + k] & CASE[k]) !== VERSION[k]) return false;
  return true;
}

const VERSION = Uint8Array.from('HTTP/1.', (c) => c.charCodeAt(0));
/** Letters in either case. */
const CASE = VERSION.map((c) => (c >= 65 && c <= 90 ? 0xdf : 0xff));
const LONGEST_METHOD = 32;
const SLASH = 0x2f;

const HTTP = Uint8Array.of(72, 84, 84, 80, 47);

/** `HTTP/`, in either case, perhaps behind white space or NUL. */
export function probeResponse(mem: Uint8Array, off: number, len: number): Likeness {
  const end = off + len;
  let p = off;
  while (p < end && (isSpace(mem[p]) || mem[p] === 0)) p++;
  for (let k = 0; k < HTTP.length; k++, p++) {
    if (p >= end) return len < 64 ? Likeness.More : Likeness.No;
    const c = mem[p] >= 97 && mem[p] <= 122 ? mem[p] - 32 : mem[p];
    // `HTTP` and something else in place of the slash: clients take that, too.
    if (c !== HTTP[k] && k < 4) return Likeness.No;
  }
  return Likeness.Yes;
}
