import { hexValue, isDigit, lower } from './bytes.js';

/**
 * A request target (RFC 9112, 3.2) taken apart and made plain, as rules on http.uri expect it: path and query percent-decoded
 * once, `%uXXXX` too, backslashes to slashes, no empty or dot segments in the path; what is before the path left out.
 *
 *   scheme://user@host:port/path?query#fragment        host:port (CONNECT)
 */
export class UriReader {
  /** The plain form; its length is what `read` returns. */
  readonly out: Uint8Array;
  /** Host within the target, -1: none. */
  hostOff = -1;
  hostLen = 0;
  /** Port named there; 0: none, -1: not a port. */
  port = 0;
  /** Decoding it once more would change it again. */
  doubleEncoded = false;
  private at = 0;

  constructor(longest: number) {
    this.out = new Uint8Array(longest);
  }

  read(mem: Uint8Array, off: number, len: number, authority: boolean): number {
    this.hostOff = -1;
    this.hostLen = 0;
    this.port = 0;
    this.doubleEncoded = false;
    this.at = 0;
    const end = off + (len < this.out.length ? len : this.out.length);
    let p = off;
    if (authority) {
      this.readAuthority(mem, off, end);
      return 0;
    }
    if (p < end && mem[p] !== 47) p = this.skipOrigin(mem, off, end);
    let query = p;
    while (query < end && mem[query] !== 63 && mem[query] !== 35) query++;
    this.decode(mem, p, query, true);
    this.at = plainPath(this.out, this.at);
    let fragment = query;
    while (fragment < end && mem[fragment] !== 35) fragment++;
    this.decode(mem, query, fragment, false);
    for (let i = fragment; i < end; i++) this.out[this.at++] = mem[i];
    return this.at;
  }

  /** Where the path begins behind `scheme://host:port`; `off` when there is nothing of the kind. */
  private skipOrigin(mem: Uint8Array, off: number, end: number): number {
    let p = off;
    while (p < end && mem[p] !== 58 && mem[p] !== 47 && mem[p] !== 63) p++;
    if (p >= end || mem[p] !== 58 || p + 2 >= end || mem[p + 1] !== 47 || mem[p + 2] !== 47) return off;
    p += 3;
    let stop = p;
    while (stop < end && mem[stop] !== 47 && mem[stop] !== 63 && mem[stop] !== 35) stop++;
    this.readAuthority(mem, p, stop);
    return stop;
  }

  private readAuthority(mem: Uint8Array, off: number, end: number): void {
    let p = off;
    for (let i = off; i < end; i++) if (mem[i] === 64) p = i + 1;
    this.hostOff = p;
    this.hostLen = hostLength(mem, p, end);
    this.port = portBehind(mem, p + this.hostLen, end);
  }

  private decode(mem: Uint8Array, from: number, end: number, path: boolean): void {
    const { out } = this;
    let at = this.at;
    for (let i = from; i < end; i++) {
      let c = mem[i];
      if (c === 37 && i + 2 < end) {
        const high = hexValue(mem[i + 1]);
        const low = hexValue(mem[i + 2]);
        if (high >= 0 && low >= 0) {
          c = (high << 4) | low;
          i += 2;
          if (c === 37 && i + 2 < end && hexValue(mem[i + 1]) >= 0 && hexValue(mem[i + 2]) >= 0) this.doubleEncoded = true;
        } else if ((mem[i + 1] | 32) === 117 && i + 5 < end) {
          const code = wide(mem, i + 2);
          if (code >= 0) {
            c = narrow(code);
            i += 5;
          }
        }
      }
      if (path && c === 92) c = 47;
      out[at++] = c;
    }
    this.at = at;
  }
}

/** Of a target that is plain as it stands, and names no host: where its path ends. -1: UriReader has to read it. */
export function plainPathEnd(mem: Uint8Array, off: number, len: number): number {
  const end = off + len;
  if (len === 0) return -1;
  // Where something stands before the path there is a colon.
  const hasOrigin = mem[off] !== 47;
  let path = -1;
  for (let i = off; i < end; i++) {
    const c = mem[i];
    if (c > 92) continue;
    if (c === 37 || (hasOrigin && c === 58)) return -1;
    if (path >= 0) continue;
    if (c === 92 || (c === 47 && i + 1 < end && (mem[i + 1] === 47 || mem[i + 1] === 46))) return -1;
    if (c === 63 || c === 35) path = i;
  }
  return path < 0 ? end : path;
}

/** Bytes of a host before its port; an address in brackets counts as one. */
export function hostLength(mem: Uint8Array, off: number, end: number): number {
  let p = off;
  if (p < end && mem[p] === 91) {
    while (p < end && mem[p] !== 93) p++;
    return (p < end ? p + 1 : p) - off;
  }
  while (p < end && mem[p] !== 58) p++;
  return p - off;
}

/** The port behind a host: 0 none, -1 not a port. */
export function portBehind(mem: Uint8Array, off: number, end: number): number {
  if (off >= end) return 0;
  if (mem[off] !== 58) return -1;
  let port = 0;
  for (let i = off + 1; i < end; i++) {
    if (!isDigit(mem[i])) return -1;
    port = port * 10 + mem[i] - 48;
    if (port > 65535) return -1;
  }
  return port === 0 ? -1 : port;
}

/** Lower case into `out`, without dots at the end: how many bytes. */
export function plainHost(mem: Uint8Array, off: number, len: number, out: Uint8Array): number {
  let n = len < out.length ? len : out.length;
  while (n > 0 && mem[off + n - 1] === 46) n--;
  for (let i = 0; i < n; i++) out[i] = lower(mem[off + i]);
  return n;
}

/** Removes empty and dot segments (RFC 3986, 5.2.4) of a path in out[0, len), in place; returns its new length. */
function plainPath(out: Uint8Array, len: number): number {
  let odd = false;
  for (let i = 0; i < len && !odd; i++) odd = out[i] === 47 && i + 1 < len && (out[i + 1] === 47 || out[i + 1] === 46);
  if (!odd) return len;
  let to = 0;
  let i = 0;
  while (i < len) {
    if (out[i] !== 47) {
      out[to++] = out[i++];
      continue;
    }
    // At a slash: what segment follows?
    let stop = i + 1;
    while (stop < len && out[stop] !== 47) stop++;
    const n = stop - i - 1;
    const last = stop === len;
    if (n === 0 && !last) i++;
    else if (n === 1 && out[i + 1] === 46) {
      i = stop;
      if (last) out[to++] = 47;
    } else if (n === 2 && out[i + 1] === 46 && out[i + 2] === 46) {
      while (to > 0 && out[--to] !== 47);
      i = stop;
      if (last) out[to++] = 47;
    } else {
      while (i < stop) out[to++] = out[i++];
    }
  }
  return to;
}

function wide(mem: Uint8Array, at: number): number {
  let code = 0;
  for (let i = 0; i < 4; i++) {
    const digit = hexValue(mem[at + i]);
    if (digit < 0) return -1;
    code = (code << 4) | digit;
  }
  return code;
}

/** The byte that servers take for a character above 255: full-width forms are what they look like. */
function narrow(code: number): number {
  if (code < 256) return code;
  return code >= 0xff01 && code <= 0xff5e ? code - 0xfee0 : 63;
}
