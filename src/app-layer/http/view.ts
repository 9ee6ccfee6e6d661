import { BufferId, type Buffers } from '../buffers.js';
import type { Files } from '../files/files.js';
import type { RecordNames, RecordWriter } from '../record.js';
import { type Transactions, Tx } from '../transactions.js';
import type { BodyBytes } from './body.js';
import { isDigit } from './bytes.js';
import { F, type FlowWords, Own, TxFlags } from './flow.js';
import { Forwarded } from './forwarded.js';
import { Method } from './framing.js';
import { Head, HeadFlag, Part } from './head-layout.js';

const enum Field {
  Hostname = 0,
  Port,
  Url,
  UserAgent,
  ContentType,
  ContentRange,
  Raw,
  Start,
  End,
  Size,
  Refer,
  Method,
  Protocol,
  Status,
  StatusString,
  Redirect,
  Length,
  Xff,
}
const enum Word {
  NotSeen = 0,
}

/** Names as in EVE's `http` (user guide, eve-json-format, "Event type: HTTP"). */
export const HTTP_NAMES: RecordNames = {
  type: 'http',
  fields: `hostname http_port url http_user_agent http_content_type content_range raw start end size http_refer http_method protocol
    status status_string redirect length xff`
    .trim()
    .split(/\s+/),
  words: ['/libhtp::request_uri_not_seen'],
  hidden: Field.Xff,
};

/** Buffers that are simply a part of the head, by direction: pairs BufferId, Part, in order of their parts. */
const REQUEST_PARTS = inOrder(
  ...[BufferId.HttpUri, Part.Uri, BufferId.HttpUriRaw, Part.UriRaw, BufferId.HttpMethod, Part.Method, BufferId.HttpRequestLine, Part.Line],
  ...[BufferId.HttpHost, Part.HostPlain, BufferId.HttpHostRaw, Part.Host, BufferId.HttpUserAgent, Part.UserAgent],
  ...[BufferId.HttpAccept, Part.Accept, BufferId.HttpAcceptEnc, Part.AcceptEnc, BufferId.HttpAcceptLang, Part.AcceptLang],
  ...[BufferId.HttpReferer, Part.Referer],
);
const RESPONSE_PARTS = inOrder(
  ...[BufferId.HttpStatCode, Part.Status, BufferId.HttpStatMsg, Part.Message, BufferId.HttpResponseLine, Part.Line],
  ...[BufferId.HttpLocation, Part.Location, BufferId.HttpServer, Part.Server],
);
const COMMON_PARTS = inOrder(
  ...[BufferId.HttpHeader, Part.Header, BufferId.HttpHeaderRaw, Part.Raw, BufferId.HttpHeaderNames, Part.Names],
  ...[BufferId.HttpProtocol, Part.Protocol, BufferId.HttpStart, Part.Start, BufferId.HttpCookie, Part.Cookie],
  ...[BufferId.HttpConnection, Part.Connection, BufferId.HttpContentLen, Part.ContentLen, BufferId.HttpContentType, Part.ContentType],
);

const STAR = 0x2a;
const SLASH = 0x2f;

/** Shows transactions: to rules as buffers, to the log as a record. */
export class HttpView {
  /** Heads, as words of the heap. */
  readonly words: Int32Array;
  rangeFrom = 0;
  rangeTo = 0;
  /** Of all it is a part of; 0: nobody said. */
  rangeSize = 0;
  /** null: nobody asks who forwarded a request. */
  private readonly forwarded: Forwarded | null;
  /** The Content-Range looked at last makes no sense. */
  isRangeInvalid = false;

  constructor(
    private readonly txs: Transactions,
    private readonly flows: FlowWords,
    private readonly body: BodyBytes,
    private readonly files: Files,
    private readonly bodyLength: Float64Array,
    xff?: string,
  ) {
    this.forwarded = xff === undefined ? null : new Forwarded(xff);
    this.words = new Int32Array(txs.heap.bytes.buffer);
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    const { words } = this.txs;
    const at = tx * Tx.Words + Tx.Parser;
    const head = words[at + Own.Head + direction] >> 2;
    if (head > 0) {
      const fresh = this.words[head + Head.Stamp] === this.body.packet ? 1 : 0;
      this.parts(buffers, direction === 0 ? REQUEST_PARTS : RESPONSE_PARTS, head, fresh);
      this.parts(buffers, COMMON_PARTS, head, fresh);
      if (fresh === 1) this.headers(buffers, direction === 0 ? BufferId.HttpRequestHeader : BufferId.HttpResponseHeader, head);
    }
    this.bodyOf(tx, direction, buffers);
    this.files.select(tx, direction, buffers);
  }

  private parts(buffers: Buffers, table: Int32Array, head: number, fresh: number): void {
    const { bytes, region } = this.txs.heap;
    const { words } = this;
    const count = words[head + Head.Flags] >> HeadFlag.CountShift;
    for (let i = 0; i < table.length && table[i + 1] < count; i += 2) {
      const at = head + Head.Parts + 2 * table[i + 1];
      if (words[at + 1] >= 0) buffers.set(table[i], bytes, region, words[at], words[at + 1], fresh);
    }
  }

  /** Each header by itself. */
  private headers(buffers: Buffers, id: BufferId, head: number): void {
    const { bytes, region } = this.txs.heap;
    if (!this.has(head, Part.All)) return;
    let at = this.words[head + Head.Parts + 2 * Part.All];
    const end = at + this.words[head + Head.Parts + 2 * Part.All + 1];
    while (at < end) {
      let stop = at;
      while (stop < end && bytes[stop] !== 10) stop++;
      buffers.add(id, bytes, region, at, stop - 1 - at);
      at = stop + 1;
    }
  }

  private bodyOf(tx: number, direction: number, buffers: Buffers): void {
    const { words, heap } = this.txs;
    const at = tx * Tx.Words + Tx.Parser;
    if ((words[at + Own.Flags] & (TxFlags.BodyTs << direction)) === 0) return;
    const id = direction === 0 ? BufferId.HttpRequestBody : BufferId.HttpResponseBody;
    const own = at + 4 * direction;
    // The parts of a body that is several are files of their own.
    const isFile = (words[at + Own.Flags] & TxFlags.Parts) === 0 || direction === 1;
    if (words[own + Own.Stamp] === this.body.packet) {
      const where = words[own + Own.Where];
      const mem = this.body.mems[where];
      const region = this.body.regions[where];
      const len = words[own + Own.Len];
      // More of this body may have come than is shown.
      const base = this.body.total[2 * tx + direction] - len;
      buffers.set(id, mem, region, words[own + Own.Off], len, 1, base);
      if (isFile) buffers.set(BufferId.FileData, mem, region, words[own + Own.Off], len, 1, base);
      return;
    }
    // What was seen last.
    const session = words[tx * Tx.Words + Tx.Session];
    const f = (2 * session + direction) * F.Words;
    const flow = this.flows.words;
    if (session < 0 || flow[f + F.Tx] !== tx + 1 || flow[f + F.Window] === 0) return;
    const off = this.body.windowOff(f);
    const len = this.body.windowLen(f);
    const base = this.body.total[2 * tx + direction] - len;
    buffers.set(id, heap.bytes, heap.region, off, len, 0, base);
    if (isFile) buffers.set(BufferId.FileData, heap.bytes, heap.region, off, len, 0, base);
  }

  /** Where offset and length of the file's name stand: Content-Disposition of the message, else the path that was asked for. 0: none. */
  nameOf(tx: number, direction: number): number {
    const { words } = this.txs;
    const at = tx * Tx.Words + Tx.Parser;
    let head = words[at + Own.Head + direction] >> 2;
    let part: number = Part.FileName;
    if (head === 0 || !this.has(head, part)) {
      head = words[at + Own.Head] >> 2;
      part = Part.Path;
    }
    return head === 0 || !this.has(head, part) || this.words[head + Head.Parts + 2 * part + 1] === 0 ? 0 : head + Head.Parts + 2 * part;
  }

  /** 32 bits of host and path of the request, by which files are told apart. `seed`: nobody outside knows it. */
  resource(tx: number, seed: number): number {
    const head = this.txs.words[tx * Tx.Words + Tx.Parser + Own.Head] >> 2;
    return head === 0 ? seed : this.hashOf(head, Part.Path, this.hashOf(head, Part.Host, seed));
  }

  private hashOf(head: number, part: Part, seed: number): number {
    if (!this.has(head, part)) return seed;
    const { bytes } = this.txs.heap;
    const from = this.words[head + Head.Parts + 2 * part];
    const len = this.words[head + Head.Parts + 2 * part + 1];
    let h = seed ^ len;
    for (let i = from; i < from + len; i++) {
      h = Math.imul(h ^ bytes[i], 0x5bd1e995);
      h ^= h >>> 15;
    }
    return h;
  }

  /** Where offset and length of the request's Content-Type stand in `words`; 0: none. */
  typeOf(tx: number): number {
    const head = this.txs.words[tx * Tx.Words + Tx.Parser + Own.Head] >> 2;
    const at = head + Head.Parts + 2 * Part.ContentType;
    return head === 0 || !this.has(head, Part.ContentType) || this.words[at + 1] === 0 ? 0 : at;
  }

  /** Content-Range of a partial response: its first and last byte in `rangeFrom`, `rangeTo`. False: there is none. */
  range(tx: number): boolean {
    this.isRangeInvalid = false;
    const head = this.txs.words[tx * Tx.Words + Tx.Parser + Own.Head + 1] >> 2;
    if (head === 0 || this.words[head + Head.Status] !== 206 || !this.has(head, Part.ContentRange)) return false;
    const at = this.words[head + Head.Parts + 2 * Part.ContentRange];
    const len = this.words[head + Head.Parts + 2 * Part.ContentRange + 1];
    const { bytes } = this.txs.heap;
    let p = at;
    const end = at + len;
    while (p < end && !isDigit(bytes[p]) && bytes[p] !== STAR) p++;
    // `bytes */1000`: none of it.
    if (p < end && bytes[p] === STAR) return false;
    this.isRangeInvalid = true;
    let from = p < end ? 0 : -1;
    while (p < end && isDigit(bytes[p])) from = from * 10 + bytes[p++] - 48;
    if (from < 0 || p >= end || bytes[p] !== 45 || ++p >= end || !isDigit(bytes[p])) return false;
    let to = 0;
    while (p < end && isDigit(bytes[p])) to = to * 10 + bytes[p++] - 48;
    if (to < from || to > Number.MAX_SAFE_INTEGER) return false;
    let size = 0;
    if (p < end && bytes[p] === SLASH) for (p++; p < end && isDigit(bytes[p]); p++) size = size * 10 + bytes[p] - 48;
    this.isRangeInvalid = size > 0 && to >= size;
    this.rangeFrom = from;
    this.rangeTo = to;
    this.rangeSize = size;
    return true;
  }

  /** The request's method, as far as it matters. */
  method(tx: number): Method {
    const head = this.txs.words[tx * Tx.Words + Tx.Parser + Own.Head] >> 2;
    if (head === 0) return Method.Other;
    const { bytes } = this.txs.heap;
    const at = this.words[head + Head.Parts + 2 * Part.Method];
    const len = this.words[head + Head.Parts + 2 * Part.Method + 1];
    if (len === 4 && bytes[at] === 72 && bytes[at + 1] === 69 && bytes[at + 2] === 65 && bytes[at + 3] === 68) return Method.Head;
    return len === 7 && bytes[at] === 67 && bytes[at + 1] === 79 && bytes[at + 2] === 78 ? Method.Connect : Method.Other;
  }

  record(tx: number, writer: RecordWriter): void {
    const { words } = this.txs;
    const at = tx * Tx.Words + Tx.Parser;
    const request = words[at + Own.Head] >> 2;
    const response = words[at + Own.Head + 1] >> 2;
    if (request > 0) {
      this.text(writer, Field.Hostname, request, Part.HostName);
      // 0 is Suricata's word for HTTP/0.9.
      const old = (this.words[request + Head.Flags] & HeadFlag.Old) !== 0;
      if (this.words[request + Head.Port] > 0 || old) writer.number(Field.Port, this.words[request + Head.Port]);
      this.text(writer, Field.Url, request, Part.UriRaw);
      this.text(writer, Field.UserAgent, request, Part.UserAgent);
    } else if ((words[at + Own.Flags] & TxFlags.NoRequest) !== 0) {
      writer.number(Field.Port, 0);
      writer.word(Field.Url, Word.NotSeen);
    }
    if (response > 0) {
      this.contentType(writer, response);
      this.contentRange(writer, response);
    }
    if (request > 0) {
      this.text(writer, Field.Refer, request, Part.Referer);
      this.text(writer, Field.Method, request, Part.Method);
      this.text(writer, Field.Protocol, request, Part.Protocol);
    }
    if (response > 0) {
      const status = this.words[response + Head.Status];
      if (status > 0) writer.number(Field.Status, status);
      else this.text(writer, Field.StatusString, response, Part.Status);
      if (status > 300 && status < 400) this.text(writer, Field.Redirect, response, Part.Location);
    }
    writer.number(Field.Length, this.bodyLength[2 * tx + 1]);
    if (this.forwarded !== null && request > 0 && this.has(request, Part.All)) {
      const { forwarded } = this;
      const at = this.words[request + Head.Parts + 2 * Part.All];
      const len = this.words[request + Head.Parts + 2 * Part.All + 1];
      if (forwarded.read(this.txs.heap.bytes, at, at + len)) writer.text(Field.Xff, forwarded.bytes, 0, forwarded.length);
    }
  }

  private has(head: number, part: Part): boolean {
    return part < this.words[head + Head.Flags] >> HeadFlag.CountShift && this.words[head + Head.Parts + 2 * part + 1] >= 0;
  }

  private text(writer: RecordWriter, field: Field, head: number, part: Part): void {
    const at = head + Head.Parts + 2 * part;
    if (this.has(head, part)) writer.text(field, this.txs.heap.bytes, this.words[at], this.words[at + 1]);
  }

  /** Up to the first parameter. */
  private contentType(writer: RecordWriter, head: number): void {
    if (!this.has(head, Part.ContentType)) return;
    const at = this.words[head + Head.Parts + 2 * Part.ContentType];
    const len = this.words[head + Head.Parts + 2 * Part.ContentType + 1];
    const { bytes } = this.txs.heap;
    let n = 0;
    while (n < len && bytes[at + n] !== 59) n++;
    writer.text(Field.ContentType, bytes, at, n);
  }

  /** `bytes start-end/size` */
  private contentRange(writer: RecordWriter, head: number): void {
    if (!this.has(head, Part.ContentRange)) return;
    let at = this.words[head + Head.Parts + 2 * Part.ContentRange];
    const len = this.words[head + Head.Parts + 2 * Part.ContentRange + 1];
    const { bytes } = this.txs.heap;
    const end = at + len;
    writer.object(Field.ContentRange);
    writer.text(Field.Raw, bytes, at, len);
    for (let field = Field.Start; field <= Field.Size && at < end; field++) {
      while (at < end && !isDigit(bytes[at])) {
        if (bytes[at] === 47) field = Field.Size;
        at++;
      }
      if (at === end) break;
      let value = 0;
      while (at < end && isDigit(bytes[at])) value = value * 10 + bytes[at++] - 48;
      writer.number(field, value);
    }
    writer.end();
  }
}

function inOrder(...pairs: number[]): Int32Array {
  const byPart = Array.from({ length: pairs.length / 2 }, (_, i) => pairs.slice(2 * i, 2 * i + 2)).sort((a, b) => a[1] - b[1]);
  return Int32Array.from(byPart.flat());
}
