import { ascii, find, hexValue, isDigit, isSpace } from './bytes.js';
import { HttpEvent } from './events.js';
import { ChunkPhase, F, FlowFlag, FlowState, type FlowWords } from './flow.js';
import type { HeadReader } from './head.js';
import { Part } from './head-layout.js';
import { Doubt } from './readings.js';

/** What follows a head. */
export const enum FramingKind {
  None = 0,
  Length,
  Chunked,
  UntilClose,
  /** A response before the response (100, 102, 103). */
  Interim,
  /** 101: another protocol from here on. */
  Upgrade,
  /** Behind a CONNECT. */
  Tunnel,
}

/** Methods that matter to framing. */
export const enum Method {
  Other = 0,
  Get,
  Head,
  Connect,
  Put,
  Post,
}

export interface ChunkSink {
  chunkData(f: number, mem: Uint8Array, region: number, off: number, len: number): void;
  /** Bytes between the chunks' data. */
  chunkLines(f: number, len: number): void;
  chunkEnd(f: number): void;
  chunkEvent(f: number, event: HttpEvent): void;
}

const CHUNKED = ascii('chunked');
const BYTERANGES = ascii('multipart/byteranges');
/** Chunk sizes are below: 13 hex digits that are significant. */
const MOST_SIZE = 2 ** 52;

/** How long bodies are (RFC 9112, 6), as servers and browsers read it. After request or response, its findings are in the fields. */
export class Framing {
  length = 0;
  /** The length is doubtful. */
  soft = false;
  /** There may be no body in spite of the head. */
  maybe = false;
  /** Of a request: the length of the body for who sees `doubt` (Doubt) otherwise; -1: nobody does. */
  other = -1;
  doubt = 0;
  readonly events = new Uint8Array(8);
  eventCount = 0;

  /** The last of several Content-Lengths. */
  private last = 0;

  constructor(private readonly reader: HeadReader) {}

  request(): FramingKind {
    const { reader } = this;
    this.clear();
    if (reader.methodLen === 7 && reader.methodFirst === 0x434f) return FramingKind.Tunnel;
    const transfer = reader.header[Part.Transfer];
    const header = reader.header[Part.ContentLen];
    const isChunked = transfer >= 0 && this.isChunked(transfer);
    if (transfer >= 0 && !isChunked) this.event(HttpEvent.InvalidRequestTransferEncoding);
    if (header < 0 && !isChunked) return FramingKind.None;
    const isValid = header < 0 || this.readLength(header);
    this.soft = false;
    if (isChunked) {
      this.doubts(Doubt.Transfer, this.length);
      this.length = 0;
      return FramingKind.Chunked;
    }
    if (!isValid) {
      this.event(HttpEvent.InvalidRequestContentLength);
      this.doubts(Doubt.Length, this.last !== this.length ? this.last : 0);
    } else if (this.length > 0 && isBodiless(reader.methodLen, reader.methodFirst)) this.doubts(Doubt.Method, 0);
    return this.length > 0 ? FramingKind.Length : FramingKind.None;
  }

  /** What request said, for who sees what is in doubt otherwise. */
  otherwise(): FramingKind {
    this.length = this.other;
    this.other = -1;
    return this.length > 0 ? FramingKind.Length : FramingKind.None;
  }

  private doubts(doubt: Doubt, length: number): void {
    this.doubt = doubt;
    this.other = length;
  }

  response(method: Method): FramingKind {
    const { reader } = this;
    const { status } = reader;
    this.clear();
    const transfer = reader.header[Part.Transfer];
    const header = reader.header[Part.ContentLen];
    const chunked = transfer >= 0 && this.isChunked(transfer);
    const valid = header < 0 || this.readLength(header);
    const sized = chunked || (header >= 0 && this.length > 0);
    if (status >= 100 && status < 200 && !sized) return status === 101 ? FramingKind.Upgrade : FramingKind.Interim;
    if (method === Method.Connect && status >= 200 && status < 300) return FramingKind.None;
    if (method === Method.Head || status === 304) return FramingKind.None;
    if (status === 101 && reader.header[Part.Upgrade] >= 0) return FramingKind.Upgrade;
    if (status === 204 && (header >= 0 || transfer >= 0)) this.event(HttpEvent.ResponseBodyUnexpected);
    if (status === 204 || status === 205 || (status >= 100 && status < 200)) {
      if (!sized) return FramingKind.None;
      this.maybe = true;
    }
    if (transfer >= 0) {
      if (!chunked) this.event(HttpEvent.InvalidResponseTransferEncoding);
      else {
        if (reader.version === 9 || reader.version === 10) this.event(HttpEvent.ResponseChunkedOldProto);
        if (header >= 0) this.event(HttpEvent.ResponseAbnormalTransferEncoding);
        return FramingKind.Chunked;
      }
    }
    if (header < 0) {
      const type = reader.header[Part.ContentType];
      if (type >= 0 && find(reader.bytesOf(type), reader.valueOff[type], reader.valueLen[type], BYTERANGES) >= 0)
        this.event(HttpEvent.ResponseByteranges);
      return FramingKind.UntilClose;
    }
    if (!valid) this.event(HttpEvent.InvalidResponseContentLength);
    if (this.length === 0) return this.soft ? FramingKind.UntilClose : FramingKind.None;
    return FramingKind.Length;
  }

  private clear(): void {
    this.eventCount = 0;
    this.length = 0;
    this.soft = false;
    this.maybe = false;
    this.other = -1;
    this.last = 0;
  }

  private event(event: HttpEvent): void {
    if (this.eventCount < this.events.length) this.events[this.eventCount++] = event;
  }

  private isChunked(header: number): boolean {
    const { reader } = this;
    for (let h = header; h >= 0; h = reader.next[h]) {
      if (find(reader.bytesOf(h), reader.valueOff[h], reader.valueLen[h], CHUNKED) >= 0) return true;
    }
    return false;
  }

  /** Sets length to the first number; false when there is anything else, or several that differ: then it is doubtful. */
  private readLength(header: number): boolean {
    const { reader } = this;
    let first = -1;
    for (let h = header; h >= 0; h = reader.next[h]) {
      const mem = reader.bytesOf(h);
      let p = reader.valueOff[h];
      const end = p + reader.valueLen[h];
      if (p === end || !isDigit(mem[p])) this.soft = true;
      while (p < end && !isDigit(mem[p])) p++;
      let value = 0;
      const from = p;
      while (p < end && isDigit(mem[p])) {
        if (value < 1e15) value = value * 10 + mem[p] - 48;
        p++;
      }
      if (p < end || p === from) this.soft = true;
      if (first >= 0 && value !== first) this.soft = true;
      if (first < 0) first = value;
      this.last = value;
    }
    this.length = first;
    return !this.soft;
  }

  /**
   * Reads chunks (RFC 9112, 7.1: `size [; extension] LF data LF`, at last size 0 and a trailer; blanks before and behind the size) of
   * mem[at, end), to the end of one chunk's data or of the message; returns how far. (One call a chunk: a loop over all of them is
   * compiled while it runs, and left by the interpreter in each packet.)
   */
  chunks(flows: FlowWords, f: number, mem: Uint8Array, region: number, at: number, end: number, sink: ChunkSink): number {
    const { words, left, size } = flows;
    const side = (f / F.Words) | 0;
    let lines = 0;
    while (at < end) {
      const phase = words[f + F.Chunk];
      if (phase === ChunkPhase.Data) {
        const n = end - at < left[side] ? end - at : left[side];
        sink.chunkData(f, mem, region, at, n);
        at += n;
        left[side] -= n;
        if (left[side] === 0) words[f + F.Chunk] = ChunkPhase.DataEnd;
        break;
      }
      const c = mem[at++];
      if (phase === ChunkPhase.Size) {
        const digit = hexValue(c);
        if (digit >= 0) {
          // Zeros ahead do not count; what is too large is no size.
          if (size[side] > 0 || digit > 0) size[side] = size[side] * 16 + digit;
          words[f + F.Digits] = 1;
          lines++;
          if (size[side] >= MOST_SIZE) return this.notChunked(words, f, at, lines, sink);
        } else if (words[f + F.Digits] > 0) {
          words[f + F.Chunk] = ChunkPhase.Extension;
          at--;
        } else if (isSpace(c)) lines++;
        else return this.notChunked(words, f, at - 1, lines, sink);
      } else if (phase === ChunkPhase.Extension) {
        if (c === 59) sink.chunkEvent(f, (side & 1) === 0 ? HttpEvent.RequestChunkExtension : HttpEvent.ResponseChunkExtension);
        lines++;
        if (c !== 10) continue;
        words[f + F.Flags] &= ~FlowFlag.FirstChunk;
        left[side] = size[side];
        words[f + F.Chunk] = size[side] > 0 ? ChunkPhase.Data : ChunkPhase.Trailer;
        size[side] = 0;
        words[f + F.Digits] = 0;
      } else if (phase === ChunkPhase.DataEnd) {
        lines++;
        if (c === 10) words[f + F.Chunk] = ChunkPhase.Size;
      } else if (phase === ChunkPhase.Trailer) {
        if (c === 10) {
          sink.chunkLines(f, lines);
          sink.chunkEnd(f);
          return at;
        }
        if (c !== 13) words[f + F.Chunk] = ChunkPhase.TrailerLine;
      } else if (c === 10) words[f + F.Chunk] = ChunkPhase.Trailer;
    }
    sink.chunkLines(f, lines);
    return at;
  }

  /** What stands where a size should is the body itself, up to its end. */
  private notChunked(words: Int32Array, f: number, at: number, lines: number, sink: ChunkSink): number {
    sink.chunkLines(f, lines);
    const direction = ((f / F.Words) | 0) & 1;
    sink.chunkEvent(f, direction === 0 ? HttpEvent.InvalidRequestChunkLen : HttpEvent.InvalidResponseChunkLen);
    words[f + F.State] = FlowState.UntilClose;
    return at;
  }
}

/** GET, HEAD, DELETE, OPTIONS, TRACE: by length and first two letters. */
function isBodiless(length: number, first: number): boolean {
  return (
    (length === 3 && first === 0x4745) ||
    (length === 4 && first === 0x4845) ||
    (length === 6 && first === 0x4445) ||
    (length === 7 && first === 0x4f50) ||
    (length === 5 && first === 0x5452)
  );
}
