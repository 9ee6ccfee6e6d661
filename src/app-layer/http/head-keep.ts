import type { Transactions } from '../transactions.js';
import { FileName } from './disposition.js';
import { HttpEvent } from './events.js';
import type { HeadReader } from './head.js';
import { Head, HeadFlag, LONGEST_HEAD, Part } from './head-layout.js';
import { hostLength, plainHost, portBehind, UriReader } from './uri.js';

/** Longest host that is made plain. */
const LONGEST_HOST = 1024;
/** Headers as sent that have room behind the plain ones; longer ones have a piece of their own. */
const MOST_BESIDE = 256;

/** Keeps what a HeadReader read with its transaction, in the form of Head. */
export class HeadKeeper {
  private readonly uri = new UriReader(LONGEST_HEAD);
  private readonly host = new Uint8Array(LONGEST_HOST);
  private readonly name = new FileName();
  private readonly heapWords: Int32Array;

  constructor(
    private readonly reader: HeadReader,
    private readonly txs: Transactions,
  ) {
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  /** Offset in the heap; 0: no room. `packet`: the number of the packet that completed it. */
  keep(tx: number, packet: number): number {
    const { reader, txs } = this;
    const { parts } = reader;
    const lineLen = parts[2 * Part.Line + 1] < 0 ? 0 : parts[2 * Part.Line + 1];
    let all = 0;
    let names = 4;
    for (let h = 0; h < reader.count; h++) {
      if (reader.first[h] === 1) {
        all += reader.nameLen[h] + 4;
        names += reader.nameLen[h] + 2;
      } else all += 2;
      all += reader.valueLen[h];
    }
    const size = 4 * (reader.isFew ? Head.FewWords : Head.Words);
    const raw = this.rawLength();
    const beside = raw <= MOST_BESIDE ? raw : 0;
    const at = txs.reserve(tx, size + lineLen + 4 + all + names + beside);
    if (at < 0) return 0;
    const { bytes } = txs.heap;
    const { mem } = reader;
    const startAt = at + size;
    // Parts so far lie in the first line.
    const lineOff = parts[2 * Part.Line];
    for (let i = 0; i < lineLen; i++) bytes[startAt + i] = mem[lineOff + i];
    for (let part = Part.Line; part < Part.Start; part++) if (parts[2 * part + 1] >= 0) parts[2 * part] += startAt - lineOff;
    let to = startAt + lineLen;
    bytes[to++] = 13;
    bytes[to++] = 10;
    const allAt = to;
    for (let h = 0; h < reader.count; h++) if (reader.first[h] === 1) to = this.write(h, bytes, to);
    reader.put(Part.All, allAt, to);
    bytes[to++] = 13;
    bytes[to++] = 10;
    reader.put(Part.Start, startAt, to);
    if (reader.count > 0) this.names(bytes, to, names);
    this.withoutCookies(tx, allAt);
    this.raw(tx, allAt, raw, beside > 0 ? to + (reader.count > 0 ? names : 0) : 0);
    const port = reader.direction === 0 ? this.target(tx) : 0;
    this.fileName();
    const words = this.heapWords;
    const w = at >> 2;
    words[w + Head.Stamp] = packet;
    words[w + Head.Status] = reader.status;
    words[w + Head.Port] = port;
    const old = reader.direction === 0 && reader.old && !reader.scan.goesOn;
    words[w + Head.Flags] = (old ? HeadFlag.Old : 0) | (reader.isFew ? HeadFlag.Few : 0);
    const n = 2 * (reader.isFew ? Part.Few : Part.Count);
    for (let i = 0; i < n; i++) words[w + Head.Parts + i] = parts[i];
    return at;
  }

  /** Header h and those of the same name, as one: `Name: value, value` CRLF. */
  private write(h: number, bytes: Uint8Array, to: number): number {
    const { reader } = this;
    const source = reader.source[h] === 0 ? reader.mem : reader.work;
    let off = reader.nameOff[h];
    let end = off + reader.nameLen[h];
    while (off < end) bytes[to++] = source[off++];
    bytes[to++] = 58;
    bytes[to++] = 32;
    const valueAt = to;
    for (let one = h; one >= 0; one = reader.next[one]) {
      if (one !== h) {
        bytes[to++] = 44;
        bytes[to++] = 32;
      }
      const from = reader.source[one] === 0 ? reader.mem : reader.work;
      off = reader.valueOff[one];
      end = off + reader.valueLen[one];
      while (off < end) bytes[to++] = from[off++];
    }
    if (reader.known[h] >= 0) reader.put(reader.known[h], valueAt, to);
    bytes[to++] = 13;
    bytes[to++] = 10;
    return to;
  }

  private names(bytes: Uint8Array, at: number, len: number): void {
    const { reader } = this;
    let to = at;
    bytes[to++] = 13;
    bytes[to++] = 10;
    for (let h = 0; h < reader.count; h++) {
      if (reader.first[h] !== 1) continue;
      const source = reader.bytesOf(h);
      let off = reader.nameOff[h];
      const end = off + reader.nameLen[h];
      while (off < end) bytes[to++] = source[off++];
      bytes[to++] = 13;
      bytes[to++] = 10;
    }
    bytes[to++] = 13;
    bytes[to++] = 10;
    reader.put(Part.Names, at, at + len);
  }

  /** All headers but the cookie. */
  private withoutCookies(tx: number, allAt: number): void {
    const { reader, txs } = this;
    const { parts } = reader;
    const allLen = parts[2 * Part.All + 1];
    const cookie = reader.header[Part.Cookie];
    if (cookie < 0) {
      if (allLen > 0) reader.put(Part.Header, allAt, allAt + allLen);
      return;
    }
    const valueAt = parts[2 * Part.Cookie];
    const from = valueAt - 2 - reader.nameLen[cookie];
    const behind = valueAt + parts[2 * Part.Cookie + 1] + 2;
    const allEnd = allAt + allLen;
    // Often it is the first or the last one.
    if (from === allAt && behind === allEnd) return;
    if (from === allAt) reader.put(Part.Header, behind, allEnd);
    else if (behind === allEnd) reader.put(Part.Header, allAt, from);
    else {
      const len = allLen - (behind - from);
      const at = txs.reserve(tx, len);
      if (at < 0) return;
      const { bytes } = txs.heap;
      let to = at;
      for (let i = allAt; i < from; i++) bytes[to++] = bytes[i];
      for (let i = behind; i < allEnd; i++) bytes[to++] = bytes[i];
      reader.put(Part.Header, at, to);
    }
  }

  /** Of the headers as sent, with the empty line: 0 where there are none, or the plain form is that. */
  private rawLength(): number {
    const { reader } = this;
    const { scan } = reader;
    if (scan.lines === 0 || (reader.normal && scan.pos - scan.contentEnd === 2)) return 0;
    const len = scan.pos - scan.ends[0];
    return len > 0 ? len : 0;
  }

  /** The headers as sent, `len` bytes (0: the plain form is that), to `to` (0: to a piece of their own). */
  private raw(tx: number, allAt: number, len: number, to: number): void {
    const { reader, txs } = this;
    const { scan } = reader;
    if (len === 0) {
      if (scan.lines > 0 && reader.normal && scan.pos - scan.contentEnd === 2)
        reader.put(Part.Raw, allAt, allAt + reader.parts[2 * Part.All + 1] + 2);
      return;
    }
    if (to === 0) {
      const at = txs.keep(tx, reader.mem, scan.ends[0], len);
      if (at >= 0) reader.put(Part.Raw, at, at + len);
      return;
    }
    const { bytes } = txs.heap;
    const { mem } = reader;
    const from = scan.ends[0];
    for (let i = 0; i < len; i++) bytes[to + i] = mem[from + i];
    reader.put(Part.Raw, to, to + len);
  }

  /** The request's target made plain, and who it is for; returns the port that is named, 0: none. */
  private target(tx: number): number {
    const { reader, txs, uri } = this;
    const { parts } = reader;
    const { bytes } = txs.heap;
    const rawAt = parts[2 * Part.UriRaw];
    const rawLen = parts[2 * Part.UriRaw + 1];
    let port = 0;
    let hostAt = parts[2 * Part.Host];
    let hostLen = parts[2 * Part.Host + 1];
    const header = reader.header[Part.Host];
    let named = false;
    if (rawLen >= 0) {
      const authority = isConnect(bytes, parts[2 * Part.Method], parts[2 * Part.Method + 1]);
      const len = uri.read(bytes, rawAt, rawLen, authority);
      if (uri.doubleEncoded) reader.event(HttpEvent.DoubleEncodedUri);
      if (!authority) this.plainUri(tx, rawAt, rawLen, len);
      named = uri.hostOff >= 0;
      if (named) {
        if (header >= 0 && !sameHost(bytes, uri.hostOff, uri.hostLen, hostAt, hostLength(bytes, hostAt, hostAt + hostLen)))
          reader.event(HttpEvent.HostAmbiguous);
        port = uri.port;
        hostAt = uri.hostOff;
        hostLen = uri.hostLen;
        reader.put(Part.Host, hostAt, hostAt + hostLen);
      }
    }
    if (hostLen < 0) {
      if (reader.version === 11) reader.event(HttpEvent.MissingHost);
      return 0;
    }
    if (!named) {
      const bare = reader.next[header] >= 0 ? hostLen : hostLength(bytes, hostAt, hostAt + hostLen);
      port = portBehind(bytes, hostAt + bare, hostAt + hostLen);
      hostLen = bare;
    }
    if (!isHost(bytes, hostAt, hostLen)) reader.event(named ? HttpEvent.UriHostInvalid : HttpEvent.HeaderHostInvalid);
    if (port < 0) reader.event(named ? HttpEvent.InvalidAuthorityPort : HttpEvent.InvalidServerPort);
    reader.put(Part.HostName, hostAt, hostAt + hostLen);
    const n = plainHost(bytes, hostAt, hostLen, this.host);
    this.keepUnlessSame(tx, Part.HostPlain, this.host, n, hostAt, n);
    // The log shows a host of the target in lower case, one of the header as sent.
    if (named && reader.parts[2 * Part.HostPlain + 1] >= 0)
      reader.put(Part.HostName, reader.parts[2 * Part.HostPlain], reader.parts[2 * Part.HostPlain] + n);
    return port > 0 ? port : 0;
  }

  private plainUri(tx: number, rawAt: number, rawLen: number, len: number): void {
    this.keepUnlessSame(tx, Part.Uri, this.uri.out, len, rawAt, rawLen);
    const { parts } = this.reader;
    const at = parts[2 * Part.Uri];
    if (parts[2 * Part.Uri + 1] < 0) return;
    const { bytes } = this.txs.heap;
    let end = at;
    while (end < at + len && bytes[end] !== 63 && bytes[end] !== 35) end++;
    this.reader.put(Part.Path, at, end);
  }

  /** `part` is plain[0, len): where the heap has the same bytes at `at` already, those. */
  private keepUnlessSame(tx: number, part: Part, plain: Uint8Array, len: number, at: number, atLen: number): void {
    const { bytes } = this.txs.heap;
    let same = len === atLen;
    for (let i = 0; same && i < len; i++) same = bytes[at + i] === plain[i];
    const to = same ? at : this.txs.keep(tx, plain, 0, len);
    if (to >= 0) this.reader.put(part, to, to + len);
  }

  /** `filename=` of Content-Disposition. */
  private fileName(): void {
    const { parts } = this.reader;
    const at = parts[2 * Part.Disposition];
    const len = parts[2 * Part.Disposition + 1];
    if (len > 0 && this.name.find(this.txs.heap.bytes, at, at + len)) this.reader.put(Part.FileName, this.name.from, this.name.to);
  }
}

function isConnect(bytes: Uint8Array, off: number, len: number): boolean {
  return len === 7 && bytes[off] === 67 && bytes[off + 1] === 79 && bytes[off + 2] === 78 && bytes[off + 3] === 78;
}

function sameHost(bytes: Uint8Array, a: number, aLen: number, b: number, bLen: number): boolean {
  if (aLen !== bLen) return false;
  for (let i = 0; i < aLen; i++) if ((bytes[a + i] | 32) !== (bytes[b + i] | 32)) return false;
  return true;
}

/** Letters, digits, and what else names and addresses are made of. */
function isHost(bytes: Uint8Array, off: number, len: number): boolean {
  if (len === 0) return false;
  for (let i = off; i < off + len; i++) {
    const c = bytes[i];
    const letter = (c | 32) >= 97 && (c | 32) <= 122;
    if (!letter && !(c >= 48 && c <= 58) && c !== 45 && c !== 46 && c !== 95 && c !== 91 && c !== 93) return false;
  }
  return true;
}
