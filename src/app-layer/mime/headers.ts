import { Counter } from '../../metrics/counters.js';
import { type Transactions, Tx } from '../transactions.js';
import type { Boundaries } from './boundaries.js';
import {
  Encoding,
  HEADERS,
  Header,
  KEPT_HEADERS,
  Kind,
  LONGEST_FILENAME,
  LONGEST_HEADER_NAME,
  M,
  MimeEvent,
  type MimeOptions,
  MOST_ATTACHMENTS,
  MOST_LISTED_BYTES,
  MOST_NAMES,
  MOST_RECEIVED,
  PartBit,
  Seen,
} from './layout.js';
import {
  findParameter,
  findPieces,
  findPlain,
  firstWord,
  isSpace,
  lower,
  parameter,
  parameterBytes,
  uncomment,
  uncommented,
} from './parameters.js';
import { NODE_HEAD } from './urls.js';

const COLON = 0x3a;
const text = (s: string) => Uint8Array.from(s, (c) => c.charCodeAt(0));
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
  private changed = 0;
  private readonly bytes: Uint8Array;

  constructor(
    private readonly txs: Transactions,
    private readonly words: Int32Array,
    private readonly counters: Float64Array,
    private readonly options: MimeOptions,
    private readonly boundaries: Boundaries,
    private readonly event: (tx: number, event: MimeEvent) => void,
  ) {
    this.bytes = txs.heap.bytes;
  }

  /** A header without its folds, bytes[off, off + len); `isCut`: it was longer. Which lists got more: Seen. */
  take(tx: number, c: number, off: number, len: number, isCut: boolean): number {
    this.changed = 0;
    this.read(tx, c, off, len, isCut);
    return this.changed;
  }

  private read(tx: number, c: number, off: number, len: number, isCut: boolean): void {
    const { bytes, words, options } = this;
    let end = off + len;
    let colon = off;
    while (colon < end && bytes[colon] !== COLON) colon++;
    if (colon === end) {
      this.event(tx, MimeEvent.MalformedMsg);
      return;
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
    if (header < 0) return;
    if (header === Header.ContentType) this.contentType(tx, c, from, end);
    else if (header === Header.ContentTransferEncoding) this.encoding(c, from, end);
    else if (header === Header.ContentDisposition) this.disposition(tx, c, from, end);
    if (header < KEPT_HEADERS && (words[c + M.Part] & PartBit.Main) !== 0) this.keep(tx, c, header, from, end - from);
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
  private keep(tx: number, c: number, header: Header, off: number, len: number): void {
    const { words, txs, bytes } = this;
    if (header === Header.Received) {
      if (words[c + M.ReceivedCount] >= MOST_RECEIVED || txs.words[tx * Tx.Words + Tx.Kept] >= MOST_LISTED_BYTES) {
        this.counters[Counter.AppInstancesLost]++;
        return;
      }
      words[c + M.ReceivedCount]++;
      if (this.append(tx, c + M.Received, bytes, off, len) >= 0) this.changed |= Seen.Received;
      return;
    }
    const at = c + M.Headers + 2 * header;
    if (words[at] !== 0) return;
    const kept = txs.keep(tx, bytes, off, len);
    if (kept < 0) this.counters[Counter.AppNoRoom]++;
    else {
      words[at] = kept + 1;
      words[at + 1] = len;
    }
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
    const bare = uncomment(bytes, from, end);
    words[c + M.Kind] = this.kind(bytes, from, end);
    if (bare > 0 && words[c + M.Kind] !== Kind.Multipart) words[c + M.Kind] = this.kind(uncommented, 0, bare);
    if (words[c + M.Kind] === Kind.Multipart) this.boundaries.multipart(tx, c, from, end, bare);
    this.names(tx, c, from, end, bare, NAME);
  }

  private kind(mem: Uint8Array, off: number, end: number): Kind {
    let from = off;
    while (from < end && isSpace(mem[from])) from++;
    const word = firstWord(mem, from, end);
    if (word === from || is(mem, from, word, PLAIN)) return Kind.Text;
    if (is(mem, from, word, HTML)) return Kind.Html;
    if (is(mem, from, word, MESSAGE)) return Kind.Message;
    return word - from >= MULTIPART.length && is(mem, from, from + MULTIPART.length, MULTIPART) ? Kind.Multipart : Kind.Other;
  }

  /** Readers of mail are lenient: quotes, comments, words behind it, and of several the one that means something. */
  private encoding(c: number, from: number, end: number): void {
    const { words, bytes } = this;
    let at = from;
    for (; at < end && !isWordByte(bytes[at]); at++) if (bytes[at] === 0x28) while (at < end && bytes[at] !== 0x29) at++;
    let word = at;
    while (word < end && isWordByte(bytes[word])) word++;
    if (is(bytes, at, word, BASE64)) words[c + M.Encoding] = Encoding.Base64;
    else if (is(bytes, at, word, QUOTED)) words[c + M.Encoding] = Encoding.QuotedPrintable;
  }

  private disposition(tx: number, c: number, from: number, end: number): void {
    const { words, bytes } = this;
    const bare = uncomment(bytes, from, end);
    const isAttached = is(bytes, from, firstWord(bytes, from, end), ATTACHMENT);
    if (isAttached || (bare > 0 && is(uncommented, 0, firstWord(uncommented, 0, bare), ATTACHMENT)))
      words[c + M.Part] |= PartBit.Attachment;
    if (this.names(tx, c, from, end, bare, FILENAME)) words[c + M.Part] |= PartBit.Named;
  }

  /** Names that a header gives to the part: readers do not agree which of them counts. The first is its file's, unless Content-Disposition gave it one. */
  private names(tx: number, c: number, from: number, end: number, bare: number, name: Uint8Array): boolean {
    const { bytes, words } = this;
    const isNamed = (words[c + M.Part] & PartBit.Named) !== 0;
    let isOther = isNamed && name === NAME;
    let which = 0;
    for (; which < MOST_NAMES && findPlain(bytes, from, end, name, which); which++) isOther = this.named(tx, c, isOther);
    if (findPieces(bytes, from, end, name)) isOther = this.named(tx, c, isOther);
    if (bare > 0 && findParameter(uncommented, 0, bare, name)) isOther = this.named(tx, c, isOther);
    return isOther;
  }

  /** The parameter found last is the name of the part, or (`isOther`) another of its names. True: those that follow are others. */
  private named(tx: number, c: number, isOther: boolean): boolean {
    if (parameter.length === 0) return isOther;
    const { words, bytes } = this;
    const had = words[c + M.NameLen];
    const n = Math.min(parameter.length, LONGEST_FILENAME);
    let same = had === n ? 0 : -1;
    while (same >= 0 && same < n && bytes[words[c + M.Name] + same] === parameterBytes[same]) same++;
    if (same === n) return true;
    if (isOther) this.also(tx, c, parameterBytes, 0, n);
    else {
      if (had > 0) this.also(tx, c, bytes, words[c + M.Name], had);
      this.name(tx, c);
    }
    return true;
  }

  private also(tx: number, c: number, mem: Uint8Array, off: number, len: number): void {
    if (this.txs.words[tx * Tx.Words + Tx.Kept] >= MOST_LISTED_BYTES) this.counters[Counter.AppInstancesLost]++;
    else if (this.append(tx, c + M.Names, mem, off, len) >= 0) this.changed |= Seen.Names;
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
    if (words[c + M.AttachmentCount] >= MOST_ATTACHMENTS || this.txs.words[tx * Tx.Words + Tx.Kept] >= MOST_LISTED_BYTES) {
      this.counters[Counter.AppInstancesLost]++;
      return;
    }
    words[c + M.AttachmentCount]++;
    this.append(tx, c + M.Attachments, this.bytes, words[c + M.Name], words[c + M.NameLen]);
  }
}

/** mem[from, end) is this word, in either case. */
function is(mem: Uint8Array, from: number, end: number, word: Uint8Array): boolean {
  if (end - from !== word.length) return false;
  for (let i = 0; i < word.length; i++) if (lower(mem[from + i]) !== word[i]) return false;
  return true;
}

/** Letters, digits, `-`. */
function isWordByte(byte: number): boolean {
  const upper = byte & ~0x20;
  return (upper >= 0x41 && upper <= 0x5a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2d;
}
