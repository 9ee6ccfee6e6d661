import type { Transactions } from '../transactions.js';
import { FileName } from './disposition.js';
import { HttpEvent } from './events.js';
import type { HeadReader } from './head.js';
import { Head, HeadFlag, LONGEST_HEAD, Part } from './head-layout.js';
import { hostLength, plainHost, plainPathEnd, portBehind, UriReader } from './uri.js';

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
  /** Of the head at hand: where its parts stand there. */
  private partsAt = 0;

  constructor(
    private readonly reader: HeadReader,
    private readonly txs: Transactions,
  ) {
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  /** Offset in the heap; 0: no room. `packet`: the number of the packet that completed it. */
  keep(tx: number, packet: number): number {
    const { reader, txs } = this;
    const { used, count } = reader;
    const lineLen = reader.parts[2 * Part.Line + 1] < 0 ? 0 : reader.parts[2 * Part.Line + 1];
    const size = 4 * (Head.Parts + 2 * used);
    const names = count > 0 ? reader.namesLen + 4 : 0;
    const raw = this.rawLength();
    const beside = raw <= MOST_BESIDE ? raw : 0;
    const at = txs.reserve(tx, size + lineLen + 4 + reader.plainLen + names + beside);
    if (at < 0) return 0;
    const { bytes } = txs.heap;
    const w = at >> 2;
    this.partsAt = w + Head.Parts;
    const startAt = at + size;
    this.line(startAt, lineLen);
    let to = startAt + lineLen;
    bytes[to++] = 13;
    bytes[to++] = 10;
    const allAt = to;
    to += reader.plainLen;
    if (count > 0) {
      this.put(Part.All, allAt, to);
      this.headers(allAt, to + 2);
      this.withoutCookies(tx, allAt, to);
    }
    bytes[to++] = 13;
    bytes[to++] = 10;
    this.put(Part.Start, startAt, to);
    if (raw > 0) this.raw(tx, raw, beside > 0 ? to + names : 0);
    else if (reader.scan.lines > 0 && this.isPlain()) this.put(Part.Raw, allAt, to);
    const port = reader.direction === 0 ? this.target(tx) : 0;
    if (reader.header[Part.Disposition] >= 0) this.fileName();
    const words = this.heapWords;
    words[w + Head.Stamp] = packet;
    words[w + Head.Status] = reader.status;
    words[w + Head.Port] = port;
    const old = reader.direction === 0 && reader.old && !reader.scan.goesOn;
    words[w + Head.Flags] = (old ? HeadFlag.Old : 0) | (used << HeadFlag.CountShift);
    return at;
  }

  /** Every part is absent; the first line goes to `to`, and its parts are there. */
  private line(to: number, len: number): void {
    const { partsAt, reader } = this;
    const { mem, parts, used } = reader;
    const { bytes } = this.txs.heap;
    const words = this.heapWords;
    const off = parts[2 * Part.Line];
    for (let i = 0; i < len; i++) bytes[to + i] = mem[off + i];
    for (let i = partsAt + 1; i < partsAt + 2 * used; i += 2) words[i] = -1;
    for (let i = 0; i < 2 * Part.Start; i += 2) {
      if (parts[i + 1] < 0) continue;
      words[partsAt + i] = parts[i] + to - off;
      words[partsAt + i + 1] = parts[i + 1];
    }
  }

  private put(part: Part, from: number, end: number): void {
    if (part >= this.reader.used) return;
    const at = this.partsAt + 2 * part;
    this.heapWords[at] = from;
    this.heapWords[at + 1] = end - from;
  }

  private offOf(part: Part): number {
    return this.heapWords[this.partsAt + 2 * part];
  }

  private lenOf(part: Part): number {
    return this.heapWords[this.partsAt + 2 * part + 1];
  }

  /** Headers, those of the same name as one, to `to`: `Name: value, value` CRLF; their names to `at`: CRLF (name CRLF)* CRLF. */
  private headers(to: number, at: number): void {
    const { reader } = this;
    const { count, first, known, mem, nameLen, nameOff, next, source, valueLen, valueOff, work } = reader;
    const { bytes } = this.txs.heap;
    let name = at;
    bytes[name++] = 13;
    bytes[name++] = 10;
    for (let h = 0; h < count; h++) {
      if (first[h] !== 1) continue;
      let from = source[h] === 0 ? mem : work;
      let off = nameOff[h];
      let end = off + nameLen[h];
      while (off < end) {
        const c = from[off++];
        bytes[to++] = c;
        bytes[name++] = c;
      }
      bytes[name++] = 13;
      bytes[name++] = 10;
      bytes[to++] = 58;
      bytes[to++] = 32;
      const valueAt = to;
      for (let one = h; ; ) {
        off = valueOff[one];
        end = off + valueLen[one];
        while (off < end) bytes[to++] = from[off++];
        one = next[one];
        if (one < 0) break;
        from = source[one] === 0 ? mem : work;
        bytes[to++] = 44;
        bytes[to++] = 32;
      }
      if (known[h] >= 0) this.put(known[h], valueAt, to);
      bytes[to++] = 13;
      bytes[to++] = 10;
    }
    bytes[name++] = 13;
    bytes[name++] = 10;
    this.put(Part.Names, at, name);
  }

  /** All headers but the cookie. */
  private withoutCookies(tx: number, allAt: number, allEnd: number): void {
    const { reader, txs } = this;
    const cookie = reader.header[Part.Cookie];
    if (cookie < 0) {
      this.put(Part.Header, allAt, allEnd);
      return;
    }
    const valueAt = this.offOf(Part.Cookie);
    const from = valueAt - 2 - reader.nameLen[cookie];
    const behind = valueAt + this.lenOf(Part.Cookie) + 2;
    // Often it is the first or the last one.
    if (from === allAt && behind === allEnd) return;
    if (from === allAt) this.put(Part.Header, behind, allEnd);
    else if (behind === allEnd) this.put(Part.Header, allAt, from);
    else {
      const len = allEnd - allAt - (behind - from);
      const at = txs.reserve(tx, len);
      if (at < 0) return;
      const { bytes } = txs.heap;
      let to = at;
      for (let i = allAt; i < from; i++) bytes[to++] = bytes[i];
      for (let i = behind; i < allEnd; i++) bytes[to++] = bytes[i];
      this.put(Part.Header, at, to);
    }
  }

  /** The plain form of the headers, with the empty line, is as they were sent. */
  private isPlain(): boolean {
    const { normal, scan } = this.reader;
    return normal && scan.pos - scan.contentEnd === 2;
  }

  /** Of the headers as sent, with the empty line: 0 where there are none, or the plain form is that. */
  private rawLength(): number {
    const { scan } = this.reader;
    if (scan.lines === 0 || this.isPlain()) return 0;
    const len = scan.pos - scan.ends[0];
    return len > 0 ? len : 0;
  }

  /** The headers as sent, `len` bytes, to `to` (0: to a piece of their own). */
  private raw(tx: number, len: number, to: number): void {
    const { reader, txs } = this;
    const from = reader.scan.ends[0];
    if (to === 0) {
      const at = txs.keep(tx, reader.mem, from, len);
      if (at >= 0) this.put(Part.Raw, at, at + len);
      return;
    }
    const { bytes } = txs.heap;
    const { mem } = reader;
    for (let i = 0; i < len; i++) bytes[to + i] = mem[from + i];
    this.put(Part.Raw, to, to + len);
  }

  /** The request's target made plain, and who it is for; returns the port that is named, 0: none. */
  private target(tx: number): number {
    const { reader, uri } = this;
    const { bytes } = this.txs.heap;
    const rawAt = this.offOf(Part.UriRaw);
    const rawLen = this.lenOf(Part.UriRaw);
    const header = reader.header[Part.Host];
    let port = 0;
    let hostAt = header < 0 ? 0 : this.offOf(Part.Host);
    let hostLen = header < 0 ? -1 : this.lenOf(Part.Host);
    let named = false;
    if (rawLen >= 0) {
      const authority = isConnect(bytes, this.offOf(Part.Method), this.lenOf(Part.Method));
      const path = authority || rawLen > LONGEST_HEAD ? -1 : plainPathEnd(bytes, rawAt, rawLen);
      if (path >= 0) {
        this.put(Part.Uri, rawAt, rawAt + rawLen);
        this.put(Part.Path, rawAt, path);
      } else {
        const len = uri.read(bytes, rawAt, rawLen, authority);
        if (uri.doubleEncoded) reader.event(HttpEvent.DoubleEncodedUri);
        if (!authority) this.plainUri(tx, rawAt, rawLen, len);
        named = uri.hostOff >= 0;
      }
      if (named) {
        if (header >= 0 && !sameHost(bytes, uri.hostOff, uri.hostLen, hostAt, hostLength(bytes, hostAt, hostAt + hostLen)))
          reader.event(HttpEvent.HostAmbiguous);
        port = uri.port;
        hostAt = uri.hostOff;
        hostLen = uri.hostLen;
        this.put(Part.Host, hostAt, hostAt + hostLen);
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
    this.put(Part.HostName, hostAt, hostAt + hostLen);
    const n = plainHost(bytes, hostAt, hostLen, this.host);
    this.keepUnlessSame(tx, Part.HostPlain, this.host, n, hostAt, n);
    // The log shows a host of the target in lower case, one of the header as sent.
    if (named && this.lenOf(Part.HostPlain) >= 0) this.put(Part.HostName, this.offOf(Part.HostPlain), this.offOf(Part.HostPlain) + n);
    return port > 0 ? port : 0;
  }

  private plainUri(tx: number, rawAt: number, rawLen: number, len: number): void {
    this.keepUnlessSame(tx, Part.Uri, this.uri.out, len, rawAt, rawLen);
    const at = this.offOf(Part.Uri);
    if (this.lenOf(Part.Uri) < 0) return;
    const { bytes } = this.txs.heap;
    let end = at;
    while (end < at + len && bytes[end] !== 63 && bytes[end] !== 35) end++;
    this.put(Part.Path, at, end);
  }

  /** `part` is plain[0, len): where the heap has the same bytes at `at` already, those. */
  private keepUnlessSame(tx: number, part: Part, plain: Uint8Array, len: number, at: number, atLen: number): void {
    const { bytes } = this.txs.heap;
    let same = len === atLen;
    for (let i = 0; same && i < len; i++) same = bytes[at + i] === plain[i];
    const to = same ? at : this.txs.keep(tx, plain, 0, len);
    if (to >= 0) this.put(part, to, to + len);
  }

  /** `filename=` of Content-Disposition. */
  private fileName(): void {
    const at = this.offOf(Part.Disposition);
    const len = this.lenOf(Part.Disposition);
    if (len > 0 && this.name.find(this.txs.heap.bytes, at, at + len)) this.put(Part.FileName, this.name.from, this.name.to);
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
