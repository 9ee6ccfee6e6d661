import { Likeness } from '../protocol.js';
import { isSpace, lower } from './bytes.js';
import { HttpEvent } from './events.js';
import { isGap, lastWord, versionOf } from './first-line.js';
import { LONGEST_HEAD, Part } from './head-layout.js';
import { firstWord, type HeadScan, MOST_LINES } from './head-scan.js';
import { isAuthorization, isKnownScheme, partOf, step } from './header-names.js';
import { probeRequest } from './probe.js';

const MOST_HEADERS = 1024;

const SLOTS = 4096;
/** Most names of one hash that are told apart: more are somebody's attempt to cost time. */
const MOST_PROBES = 32;

/** Reads heads: one object a thread. After `read`, the framing's view of the head is in its fields. */
export class HeadReader {
  /** Number of the status line, -1 when it is none; events of the head (HttpEvent), n of them. */
  status = -1;
  old = false;
  version = 0;
  /** The method's length and first two bytes. */
  methodLen = 0;
  methodFirst = 0;
  readonly events = new Uint8Array(32);
  eventCount = 0;
  /** Headers by number: name, value in `mem` (source 0) or in `work` (1), the next of the same name (-1), whether it is the first. */
  count = 0;
  readonly nameOff = new Int32Array(MOST_HEADERS);
  readonly nameLen = new Int32Array(MOST_HEADERS);
  readonly valueOff = new Int32Array(MOST_HEADERS);
  readonly valueLen = new Int32Array(MOST_HEADERS);
  readonly source = new Uint8Array(MOST_HEADERS);
  readonly next = new Int16Array(MOST_HEADERS);
  private readonly last = new Int16Array(MOST_HEADERS);
  private readonly hashes = new Int32Array(MOST_HEADERS);
  readonly known = new Int8Array(MOST_HEADERS);
  /** 1: no header of that name came before. */
  readonly first = new Uint8Array(MOST_HEADERS);
  /** By Part: the first header of that kind, -1: none. */
  readonly header = new Int16Array(Part.Count);
  /** Values put together of several lines. */
  readonly work = new Uint8Array(LONGEST_HEAD * 2);
  private workAt = 0;
  private readonly slots = new Int16Array(SLOTS);
  private readonly slotStamp = new Int32Array(SLOTS);
  private stamp = 0;
  /** By Part, those of the first line: where in the bytes at hand, and how long (-1: absent). */
  readonly parts = new Int32Array(2 * Part.Start);
  /** Bytes of the headers and of their names when each stands there once, with its line ends (and `: `, `, `). */
  plainLen = 0;
  namesLen = 0;
  mem: Uint8Array = this.work;
  direction = 0;
  /** Every header stands there as it would be written. */
  normal = true;
  /** Parts that it may have: those from this number on are absent. */
  used: number = Part.Count;

  constructor(readonly scan: HeadScan) {}

  event(event: HttpEvent): void {
    if (this.eventCount < this.events.length) this.events[this.eventCount++] = event;
  }

  /** The first line is a request's by what servers answer. */
  isRequest(): boolean {
    const { parts, mem } = this;
    return probeRequest(mem, parts[2 * Part.Line], parts[2 * Part.Line + 1]) === Likeness.Yes;
  }

  /** Takes the lines apart that the scan found last. */
  read(direction: number, mem: Uint8Array): void {
    const { scan } = this;
    this.mem = mem;
    this.direction = direction;
    this.count = 0;
    this.eventCount = 0;
    this.workAt = 0;
    this.normal = true;
    this.stamp++;
    // What the head before had none of is -1 still.
    const { parts, header, used } = this;
    for (let i = 1; i < 2 * Part.Start; i += 2) parts[i] = -1;
    this.plainLen = 0;
    this.namesLen = 0;
    for (let part = Part.Host; part < used; part++) header[part] = -1;
    this.used = Part.Bare;
    if (scan.lines === 0) return;
    const end = trimEnd(mem, scan.starts[0], scan.ends[0]);
    if (direction === 0) this.requestLine(mem, scan.starts[0], end);
    else this.statusLine(mem, scan.starts[0], end);
    const n = scan.lines < MOST_LINES ? scan.lines : MOST_LINES;
    for (let i = 1; i < n; i++) i = this.headerLine(i, n);
    if (this.used === Part.Bare && (this.count > 0 || this.mayNameHost())) this.used = Part.Few;
    if (scan.lines > MOST_LINES) this.event(direction === 0 ? HttpEvent.RequestTooManyHeaders : HttpEvent.ResponseTooManyHeaders);
  }

  /** The target of a request is not simply a path. */
  private mayNameHost(): boolean {
    if (this.direction !== 0) return false;
    return this.methodLen === 7 || (this.parts[2 * Part.UriRaw + 1] > 3 && this.mem[this.parts[2 * Part.UriRaw]] !== 47);
  }

  private requestLine(mem: Uint8Array, start: number, end: number): void {
    let p = start;
    while (p < end && isSpace(mem[p])) p++;
    if (p > start) this.event(HttpEvent.LeadingWhitespace);
    this.put(Part.Line, start, end);
    let stop = p;
    while (stop < end && !isSpace(mem[stop])) stop++;
    this.put(Part.Method, p, stop);
    this.methodLen = stop - p;
    this.methodFirst = stop - p < 2 ? 0 : (mem[p] << 8) | mem[p + 1];
    if (stop < end && mem[stop] !== 32) this.event(HttpEvent.MethodDelim);
    p = stop;
    while (p < end && isSpace(mem[p])) p++;
    // The URI is a word, or with white space in it all that stands before a last word `HTTP/1.1`.
    const last = lastWord(mem, p, end);
    let version = last > p ? versionOf(mem, last, end) : -1;
    if (version >= 0) {
      stop = last;
      while (stop > p && isSpace(mem[stop - 1])) stop--;
    } else {
      stop = p;
      while (stop < end && !isSpace(mem[stop])) stop++;
    }
    if (stop > p) this.put(Part.UriRaw, p, stop);
    if (stop < end && mem[stop] !== 32) this.event(HttpEvent.UriDelim);
    p = stop;
    while (p < end && isSpace(mem[p])) p++;
    this.old = p === end;
    this.version = 9;
    if (!this.old) {
      this.put(Part.Protocol, p, end);
      if (version < 0) version = versionOf(mem, p, end);
      this.version = version;
      if (version < 0) this.event(HttpEvent.RequestLineInvalid);
    }
  }

  private statusLine(mem: Uint8Array, start: number, end: number): void {
    let p = firstWord(mem, start, end);
    this.put(Part.Line, start, end);
    let stop = p;
    while (stop < end && !isGap(mem, stop, end)) stop++;
    this.put(Part.Protocol, p, stop);
    this.version = versionOf(mem, p, stop);
    if (this.version < 0) this.event(HttpEvent.ResponseInvalidProtocol);
    p = stop;
    while (p < end && (isSpace(mem[p]) || mem[p] === 0)) p++;
    stop = p;
    while (stop < end && !isGap(mem, stop, end)) stop++;
    this.status = -1;
    if (stop > p) {
      this.put(Part.Status, p, stop);
      let status = 0;
      for (let i = p; i < stop && status >= 0; i++) status = mem[i] >= 48 && mem[i] <= 57 ? status * 10 + mem[i] - 48 : -1;
      if (stop - p === 3 && status >= 100) this.status = status;
    }
    if (this.status < 0) this.event(HttpEvent.ResponseInvalidStatus);
    p = stop;
    while (p < end && (isSpace(mem[p]) || mem[p] === 0)) p++;
    if (p < end) this.put(Part.Message, p, end);
  }

  /** Reads the header that begins at line i; returns its last line. */
  private headerLine(i: number, n: number): number {
    const { mem, scan } = this;
    let start = scan.starts[i];
    let end = scan.ends[i];
    let bare = trimEnd(mem, start, end);
    const folded = isFold(mem[start]);
    if (folded) {
      // A fold of nothing, or in a response with a colon of its own: a header.
      this.normal = false;
      this.event(this.direction === 0 ? HttpEvent.InvalidRequestFolding : HttpEvent.InvalidResponseFolding);
      while (start < bare && (isSpace(mem[start]) || mem[start] === 0)) start++;
    }
    if (start === bare) {
      this.normal = false;
      return i;
    }
    let source: Uint8Array = mem;
    let lastLine = i;
    // Continued by lines that begin with a blank.
    let hasColon = i + 1 < n && isFold(mem[scan.starts[i + 1]]) && colonIn(mem, start, bare) >= 0;
    if (i + 1 < n && this.continues(i + 1, hasColon)) {
      this.normal = false;
      const from = this.workAt;
      this.join(start, bare);
      while (lastLine + 1 < n && this.continues(lastLine + 1, hasColon)) {
        lastLine++;
        let p = scan.starts[lastLine];
        const stop = trimEnd(mem, p, scan.ends[lastLine]);
        while (p < stop && (isSpace(mem[p]) || mem[p] === 0)) p++;
        if (p === stop) continue;
        if (this.workAt < this.work.length) this.work[this.workAt++] = 32;
        const joined = this.workAt;
        this.join(p, stop);
        hasColon ||= colonIn(this.work, joined, this.workAt) >= 0;
      }
      source = this.work;
      start = from;
      bare = this.workAt;
      end = bare;
    }
    const colon = colonIn(source, start, bare);
    let nameEnd = colon;
    let value = colon + 1;
    if (colon < 0) {
      this.event(this.direction === 0 ? HttpEvent.RequestFieldMissingColon : HttpEvent.ResponseFieldMissingColon);
      nameEnd = start;
      value = start;
    }
    while (nameEnd > start && (isSpace(source[nameEnd - 1]) || source[nameEnd - 1] === 0)) nameEnd--;
    if (colon >= 0 && (nameEnd < colon || nameEnd === start))
      this.event(this.direction === 0 ? HttpEvent.RequestHeaderInvalid : HttpEvent.ResponseHeaderInvalid);
    while (value < bare && isSpace(source[value])) value++;
    if (nameEnd !== colon || value !== colon + 2 || source[colon + 1] !== 32 || end - bare !== 2 || mem[bare] !== 13) this.normal = false;
    this.add(source === mem ? 0 : 1, source, start, nameEnd - start, value, bare - value);
    return lastLine;
  }

  /** Whether line i goes on with the one before; `colon`: that one is a header already. */
  private continues(i: number, colon: boolean): boolean {
    const { mem, scan } = this;
    const at = scan.starts[i];
    if (!isFold(mem[at])) return false;
    return this.direction === 0 || !colon || colonIn(mem, at, scan.ends[i]) < 0;
  }

  private join(from: number, end: number): void {
    const { mem, work } = this;
    for (let p = from; p < end && this.workAt < work.length; p++) work[this.workAt++] = mem[p];
  }

  private add(kind: number, source: Uint8Array, nameOff: number, nameLen: number, valueOff: number, valueLen: number): void {
    if (this.count === MOST_HEADERS) {
      this.event(this.direction === 0 ? HttpEvent.RequestTooManyHeaders : HttpEvent.ResponseTooManyHeaders);
      this.normal = false;
      return;
    }
    const h = this.count++;
    let hash = 0;
    for (let i = 0; i < nameLen; i++) {
      const c = source[nameOff + i];
      if (c !== 0) hash = step(hash, c >= 65 && c <= 90 ? c | 32 : c);
    }
    this.nameOff[h] = nameOff;
    this.nameLen[h] = nameLen;
    this.valueOff[h] = valueOff;
    this.valueLen[h] = valueLen;
    this.plainLen += nameLen + valueLen + 4;
    this.namesLen += nameLen + 2;
    this.source[h] = kind;
    this.next[h] = -1;
    this.last[h] = h;
    this.hashes[h] = hash;
    this.first[h] = 1;
    this.known[h] = -1;
    const { slots, slotStamp, stamp } = this;
    if (this.direction === 0 && isAuthorization(hash, source, nameOff, nameLen) && !isKnownScheme(source, valueOff, valueLen))
      this.event(HttpEvent.AuthUnrecognized);
    let slot = (hash ^ (hash >>> 12)) & (SLOTS - 1);
    for (let probes = 0; slotStamp[slot] === stamp; probes++) {
      if (probes === MOST_PROBES) return;
      const other = slots[slot];
      if (this.hashes[other] === hash && this.sameName(other, source, nameOff, nameLen)) {
        this.repeat(other, h);
        return;
      }
      slot = (slot + 1) & (SLOTS - 1);
    }
    slotStamp[slot] = stamp;
    slots[slot] = h;
    const part = partOf(hash, this.direction, source, nameOff, nameLen);
    if (part < 0) return;
    this.header[part] = h;
    this.known[h] = part;
    if (part >= this.used) this.used = part + 1;
  }

  private repeat(other: number, h: number): void {
    this.normal = false;
    this.first[h] = 0;
    this.plainLen -= this.nameLen[h] + 2;
    this.namesLen -= this.nameLen[h] + 2;
    if (this.last[other] === other)
      this.event(this.direction === 0 ? HttpEvent.RequestHeaderRepetition : HttpEvent.ResponseHeaderRepetition);
    this.next[this.last[other]] = h;
    this.last[other] = h;
    if (this.known[other] === Part.ContentLen)
      this.event(this.direction === 0 ? HttpEvent.DuplicateRequestContentLength : HttpEvent.DuplicateResponseContentLength);
  }

  private sameName(h: number, source: Uint8Array, off: number, len: number): boolean {
    const mine = this.source[h] === 0 ? this.mem : this.work;
    const from = this.nameOff[h];
    const end = from + this.nameLen[h];
    let a = from;
    let b = off;
    for (;;) {
      while (a < end && mine[a] === 0) a++;
      while (b < off + len && source[b] === 0) b++;
      if (a === end || b === off + len) return a === end && b === off + len;
      if (lower(mine[a++]) !== lower(source[b++])) return false;
    }
  }

  bytesOf(h: number): Uint8Array {
    return this.source[h] === 0 ? this.mem : this.work;
  }

  private put(part: Part, from: number, end: number): void {
    this.parts[2 * part] = from;
    this.parts[2 * part + 1] = end - from;
  }
}

/** A line that begins so goes on with the one before. */
function isFold(c: number): boolean {
  return c === 32 || c === 9 || c === 0;
}

function trimEnd(mem: Uint8Array, start: number, end: number): number {
  while (end > start && isSpace(mem[end - 1])) end--;
  return end;
}

function colonIn(mem: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (mem[i] === 58) return i;
  return -1;
}
