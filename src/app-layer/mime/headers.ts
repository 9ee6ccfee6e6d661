import { Counter } from '../../metrics/counters.js';
import { type Transactions, Tx } from '../transactions.js';
import {
  Encoding,
  HEADERS,
  Header,
  KEPT_HEADERS,
  Kind,
  LONGEST_BOUNDARY,
  LONGEST_FILENAME,
  LONGEST_HEADER_NAME,
  M,
  MimeEvent,
  type MimeOptions,
  MOST_ATTACHMENTS,
  MOST_DEPTH,
  MOST_LISTED_BYTES,
  MOST_RECEIVED,
  PartBit,
} from './layout.js';
import { findParameter, firstWord, isSpace, lower, parameter, parameterBytes } from './parameters.js';
import { NODE_HEAD } from './urls.js';

const COLON = 0x3a;
const text = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
const BOUNDARY = text('boundary');
const NAME = text('name');
const FILENAME = text('filename');
const PLAIN = text('text/plain');
const HTML = text('text/html');
const MULTIPART = text('multipart/');
const MESSAGE = text('message/rfc822');
const ATTACHMENT = text('attachment');
const BASE64 = text('base64');
const QUOTED = text('quoted-printable');

/** By length: a bit for each of HEADERS. */
const BY_LENGTH = new Int32Array(64);
for (let i = 0; i < Header.Count; i++) BY_LENGTH[HEADERS[i].length] |= 1 << i;

/** What headers say: those of the message are kept, those of any part say how its body is to be read. */
export class HeaderReader {
  private readonly bytes: Uint8Array;

  constructor(
    private readonly txs: Transactions,
    private readonly words: Int32Array,
    private readonly counters: Float64Array,
    private readonly options: MimeOptions,
    private readonly event: (tx: number, event: MimeEvent) => void,
  ) {
    this.bytes = txs.heap.bytes;
  }

  /** A header without its folds, bytes[off, off + len); `isCut`: it was longer. True: a `Received` of the message is kept. */
  take(tx: number, c: number, off: number, len: number, isCut: boolean): boolean {
    const { bytes, words, options } = this;
    let end = off + len;
    let colon = off;
    while (colon < end && bytes[colon] !== COLON) colon++;
    if (colon === end) {
      this.event(tx, MimeEvent.MalformedMsg);
      return false;
    }
    let nameEnd = colon;
    while (nameEnd > off && isSpace(bytes[nameEnd - 1])) nameEnd--;
    if (nameEnd - off > LONGEST_HEADER_NAME) this.event(tx, MimeEvent.LongHeaderName);
    let from = colon + 1;
    while (from < end && isSpace(bytes[from])) from++;
    if (isCut || end - from > options.headerDepth) {
      this.event(tx, MimeEvent.LongHeaderValue);
      end = Math.min(end, from + options.headerDepth);
    }
    while (end > from && isSpace(bytes[end - 1])) end--;
    const header = this.known(off, nameEnd);
    if (header < 0) return false;
    if (header === Header.ContentType) this.contentType(tx, c, from, end);
    else if (header === Header.ContentTransferEncoding) this.encoding(c, from, end);
    else if (header === Header.ContentDisposition) this.disposition(tx, c, from, end);
    if (header >= KEPT_HEADERS || (words[c + M.Part] & PartBit.Main) === 0) return false;
    return this.keep(tx, c, header, from, end - from);
  }

  private known(off: number, end: number): number {
    const { bytes } = this;
    const n = end - off;
    let left = n < BY_LENGTH.length ? BY_LENGTH[n] : 0;
    while (left !== 0) {
      const i = 31 - Math.clz32(left);
      left ^= 1 << i;
      const name = HEADERS[i];
      if (lower(bytes[off]) !== name[0]) continue;
      let same = 1;
      while (same < n && lower(bytes[off + same]) === name[same]) same++;
      if (same === n) return i;
    }
    return -1;
  }

  /** Of several of one name the first counts; all that are `Received`. */
  private keep(tx: number, c: number, header: Header, off: number, len: number): boolean {
    const { words, txs, bytes } = this;
    if (header === Header.Received) {
      if (words[c + M.ReceivedCount] >= MOST_RECEIVED || txs.words[tx * Tx.Words + Tx.Kept] >= MOST_LISTED_BYTES) {
        this.counters[Counter.AppInstancesLost]++;
        return false;
      }
      words[c + M.ReceivedCount]++;
      return this.append(tx, c + M.Received, bytes, off, len) >= 0;
    }
    const at = c + M.Headers + 2 * header;
    if (words[at] !== 0) return false;
    const kept = txs.keep(tx, bytes, off, len);
    if (kept < 0) this.counters[Counter.AppNoRoom]++;
    else {
      words[at] = kept + 1;
      words[at + 1] = len;
    }
    return false;
  }

  /** Adds a node to the list whose first and last stand at `list` in the words. Offset of its bytes, or -1. */
  private append(tx: number, list: number, mem: Uint8Array, off: number, len: number): number {
    const { words, txs, bytes } = this;
    const node = txs.reserve(tx, NODE_HEAD + len);
    if (node < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    words[node >> 2] = 0;
    words[(node >> 2) + 1] = len;
    for (let i = 0; i < len; i++) bytes[node + NODE_HEAD + i] = mem[off + i];
    if (words[list] === 0) words[list] = node + 1;
    else words[(words[list + 1] - 1) >> 2] = node + 1;
    words[list + 1] = node + 1;
    return node + NODE_HEAD;
  }

  private contentType(tx: number, c: number, from: number, end: number): void {
    const { words, bytes } = this;
    const word = firstWord(bytes, from, end);
    words[c + M.Kind] = Kind.Other;
    if (word === from || this.is(from, word, PLAIN)) words[c + M.Kind] = Kind.Text;
    else if (this.is(from, word, HTML)) words[c + M.Kind] = Kind.Html;
    else if (this.is(from, word, MESSAGE)) words[c + M.Kind] = Kind.Message;
    else if (word - from >= MULTIPART.length && this.is(from, from + MULTIPART.length, MULTIPART)) this.multipart(tx, c, from, end);
    if ((words[c + M.Part] & PartBit.Named) === 0 && findParameter(bytes, from, end, NAME)) this.name(tx, c);
  }

  private multipart(tx: number, c: number, from: number, end: number): void {
    const { words, txs } = this;
    if (!findParameter(this.bytes, from, end, BOUNDARY) || parameter.length === 0) {
      this.event(tx, MimeEvent.MalformedMsg);
      return;
    }
    if (parameter.length > LONGEST_BOUNDARY) {
      this.event(tx, MimeEvent.BoundaryTooLong);
      return;
    }
    const depth = words[c + M.Depth];
    // Each level has one place, for all multiparts that are opened there.
    let at = depth < MOST_DEPTH ? words[c + M.Boundaries + 2 * depth] : -1;
    if (at === 0) at = txs.reserve(tx, LONGEST_BOUNDARY);
    if (at < 0) {
      this.event(tx, MimeEvent.MalformedMsg);
      return;
    }
    for (let i = 0; i < parameter.length; i++) this.bytes[at + i] = parameterBytes[i];
    words[c + M.Kind] = Kind.Multipart;
    words[c + M.Boundaries + 2 * depth] = at;
    words[c + M.Boundaries + 2 * depth + 1] = parameter.length;
    words[c + M.Depth] = depth + 1;
  }

  /** Readers of mail are lenient: quotes, comments, words behind it, and of several the one that means something. */
  private encoding(c: number, from: number, end: number): void {
    const { words, bytes } = this;
    let at = from;
    for (; at < end && !isWordByte(bytes[at]); at++) if (bytes[at] === 0x28) while (at < end && bytes[at] !== 0x29) at++;
    let word = at;
    while (word < end && isWordByte(bytes[word])) word++;
    if (this.is(at, word, BASE64)) words[c + M.Encoding] = Encoding.Base64;
    else if (this.is(at, word, QUOTED)) words[c + M.Encoding] = Encoding.QuotedPrintable;
  }

  private disposition(tx: number, c: number, from: number, end: number): void {
    const { words, bytes } = this;
    if (this.is(from, firstWord(bytes, from, end), ATTACHMENT)) words[c + M.Part] |= PartBit.Attachment;
    if (!findParameter(bytes, from, end, FILENAME) || parameter.length === 0) return;
    words[c + M.Part] |= PartBit.Named;
    this.name(tx, c);
  }

  /** The parameter found last is the name of the part. */
  private name(tx: number, c: number): void {
    const { words } = this;
    if (words[c + M.Name] === 0) {
      const at = this.txs.reserve(tx, LONGEST_FILENAME + 1);
      if (at < 0) {
        this.counters[Counter.AppNoRoom]++;
        return;
      }
      words[c + M.Name] = at;
    }
    if (parameter.length > LONGEST_FILENAME) this.event(tx, MimeEvent.LongFilename);
    const n = Math.min(parameter.length, LONGEST_FILENAME);
    for (let i = 0; i < n; i++) this.bytes[words[c + M.Name] + i] = parameterBytes[i];
    words[c + M.NameLen] = n;
  }

  /** The part is a file of that name. */
  attach(tx: number, c: number): void {
    const { words } = this;
    if (words[c + M.NameLen] === 0) return;
    if (words[c + M.AttachmentCount] >= MOST_ATTACHMENTS) {
      this.counters[Counter.AppInstancesLost]++;
      return;
    }
    words[c + M.AttachmentCount]++;
    this.append(tx, c + M.Attachments, this.bytes, words[c + M.Name], words[c + M.NameLen]);
  }

  private is(from: number, end: number, word: Uint8Array): boolean {
    if (end - from !== word.length) return false;
    for (let i = 0; i < word.length; i++) if (lower(this.bytes[from + i]) !== word[i]) return false;
    return true;
  }
}

/** Letters, digits, `-`. */
function isWordByte(byte: number): boolean {
  const upper = byte & ~0x20;
  return (upper >= 0x41 && upper <= 0x5a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2d;
}
