import { Counter } from '../../metrics/counters.js';
import type { Files } from '../files/files.js';
import { FileState } from '../files/files.js';
import type { AppMemory } from '../memory.js';
import { type Transactions, Tx } from '../transactions.js';
import { base64, base64End, decoded, quotedPrintable, quotedPrintableEnd } from './decoders.js';
import { HeaderReader } from './headers.js';
import {
  Encoding,
  KEPT_HEADERS,
  Kind,
  LineBit,
  LONGEST_BOUNDARY,
  LONGEST_ENCODED_LINE,
  LONGEST_LINE,
  M,
  MIME_OPTIONS,
  MimeEvent,
  type MimeOptions,
  MimeState,
  PartBit,
  Piece,
  Seen,
} from './layout.js';
import { md5Begin, md5End, md5Update } from './md5.js';
import { UrlFinder } from './urls.js';

const DASH = 0x2d;
const DOT = 0x2e;
const SP = 0x20;
const HT = 0x09;
const CR = 0x0d;
const LF = 0x0a;
const EOLS = Uint8Array.of(CR, LF);
const DOTS = Uint8Array.of(0x2e);
/** A line that is longer is no boundary: `--`, the boundary, `--`, white space. */
const LONGEST_BOUNDARY_LINE = LONGEST_BOUNDARY + 64;

/**
 * Messages (RFC 5322, MIME), line by line as they come, in pieces of any size. Nothing of a body is kept: it is decoded, and
 * goes to the files and to who looks for URLs. Of headers those in HEADERS are kept.
 *
 *   begin ── piece* ── end       `c` is the index of the message's words in `words`
 */
export class MimeParser {
  readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly headers: HeaderReader;
  private readonly urls: UrlFinder;
  private readonly holdBytes: number;
  private packet = 0;

  /** `eventWord`: the first of the two words of a transaction with its events, the MIME ones from bit `firstEvent` on. */
  constructor(
    private readonly txs: Transactions,
    private readonly memory: AppMemory,
    private readonly files: Files,
    private readonly counters: Float64Array,
    private readonly eventWord: number,
    private readonly firstEvent: number,
    private readonly options: MimeOptions = MIME_OPTIONS,
  ) {
    this.words = new Int32Array(txs.heap.bytes.buffer);
    this.bytes = txs.heap.bytes;
    this.urls = new UrlFinder(txs, counters, options.urlSchemes, options.urlScheme);
    this.holdBytes = Math.max(options.headerDepth + 128, LONGEST_BOUNDARY_LINE + 8);
    this.headers = new HeaderReader(txs, this.words, counters, options, (tx, event) => this.event(tx, event));
  }

  packetBegins(packet: number): void {
    this.packet = packet;
    this.urls.packet = packet;
  }

  /** Index of the words of a new message of the transaction; 0: no room. */
  begin(tx: number): number {
    const at = this.txs.reserve(tx, M.Words * 4);
    const hold = at < 0 ? -1 : this.txs.reserve(tx, this.holdBytes);
    if (hold < 0) {
      this.counters[Counter.AppNoRoom]++;
      return 0;
    }
    const c = at >> 2;
    this.words.fill(0, c, c + M.Words);
    this.words[c + M.Hold] = hold;
    this.words[c + M.Part] = PartBit.Main;
    if (this.options.bodyMd5) md5Begin(this.words, c + M.Md5);
    return c;
  }

  /** Another message takes the place of one that came to nothing. */
  again(tx: number, c: number): void {
    const { words } = this;
    this.endPart(tx, c, FileState.Truncated);
    this.newPart(c);
    words[c + M.State] = MimeState.Ready;
    words[c + M.Depth] = 0;
    words[c + M.HoldLen] = 0;
    words[c + M.LineBits] = 0;
    words[c + M.Part] = PartBit.Main;
    words.fill(0, c + M.Headers, c + M.Headers + 2 * KEPT_HEADERS);
    if (this.options.bodyMd5) md5Begin(words, c + M.Md5);
  }

  /** The next bytes of the message, no more than one line; `flags`: Piece. */
  piece(tx: number, c: number, mem: Uint8Array, off: number, len: number, flags: number): void {
    const { words } = this;
    if (words[c + M.State] === MimeState.Done) return;
    if (words[c + M.State] === MimeState.Ready) words[c + M.State] = MimeState.Header;
    if ((flags & Piece.Begin) !== 0) words[c + M.LineLen] = 0;
    const before = words[c + M.LineLen];
    words[c + M.LineLen] = before + len;
    if (before + len > LONGEST_LINE && before <= LONGEST_LINE) this.event(tx, MimeEvent.LongLine);
    const isHeader = words[c + M.State] === MimeState.Header;
    // Of the message's body as it is sent, boundaries and headers of parts too.
    if (this.options.bodyMd5 && (!isHeader || (words[c + M.Part] & PartBit.Main) === 0)) {
      md5Update(words, c + M.Md5, mem, off, len);
      if ((flags & Piece.End) !== 0) md5Update(words, c + M.Md5, EOLS, 0, 2);
    }
    if (isHeader) this.headerPiece(tx, c, mem, off, len, flags);
    else this.bodyPiece(tx, c, mem, off, len, flags);
  }

  /**
   * Lines of a body that are taken at once: whole ones in mem[off, end) up to the first that begins with a dot, which is its
   * transport's, or may be a boundary. Returns where they end, `off` when lines have to be looked at one by one.
   */
  lines(tx: number, c: number, mem: Uint8Array, off: number, end: number): number {
    const { words, options } = this;
    const encoding: Encoding = words[c + M.Encoding];
    const isDecoded = encoding === Encoding.QuotedPrintable && options.quotedPrintable;
    if (words[c + M.State] !== MimeState.Body || options.bodyMd5) return off;
    const isNested = words[c + M.Depth] > 0;
    let longest = 0;
    let at = off;
    let last = off;
    while (at < end) {
      if (mem[at] === DOT || (isNested && mem[at] === DASH)) break;
      let lf = at;
      while (lf < end && mem[lf] !== LF) lf++;
      if (lf === end) break;
      const length = lf > at && mem[lf - 1] === CR ? lf - 1 - at : lf - at;
      // Of quoted-printable only empty ones: there is nothing to decode.
      if (isDecoded && length > 0) break;
      if (length > longest) longest = length;
      last = at;
      at = lf + 1;
    }
    if (at === off) return off;
    const eol = at - last > 1 && mem[at - 2] === CR ? 2 : 1;
    words[c + M.LineBits] = 0;
    words[c + M.LineLen] = at - eol - last;
    if (longest > LONGEST_LINE) this.event(tx, MimeEvent.LongLine);
    if (encoding !== Encoding.None && longest > LONGEST_ENCODED_LINE) this.event(tx, MimeEvent.LongEncLine);
    if (words[c + M.File] === 0 && (words[c + M.Kind] > Kind.Html || !options.urls)) return at;
    if (encoding === Encoding.Base64 && options.base64) this.base64(tx, c, mem, off, at - off);
    else this.plain(tx, c, mem, off, at - eol - off, eol);
    return at;
  }

  /** The line that begins was sent with a dot before it, which its transport added: Suricata's MD5 of a body has it. */
  dot(c: number): void {
    const { words } = this;
    if (c === 0 || !this.options.bodyMd5 || words[c + M.State] === MimeState.Done) return;
    if (words[c + M.State] === MimeState.Body || (words[c + M.Part] & PartBit.Main) === 0) md5Update(words, c + M.Md5, DOTS, 0, 1);
  }

  /** Bytes are missing. */
  gap(tx: number, c: number): void {
    const { words } = this;
    if (words[c + M.State] === MimeState.Header) this.event(tx, MimeEvent.MalformedMsg);
    words[c + M.LineBits] &= ~LineBit.Held;
    if (words[c + M.State] === MimeState.Body) words[c + M.HoldLen] = 0;
    words[c + M.Bits] = 0;
    words[c + M.BitCount] = 0;
    words[c + M.Qp] = 0;
    words[c + M.Eol] = 0;
    this.urls.finish(tx, c);
    if (words[c + M.File] > 0) this.files.gap(words[c + M.File] - 1);
  }

  /** The message is complete. */
  end(tx: number, c: number): void {
    const { words } = this;
    if (words[c + M.State] === MimeState.Done) return;
    if (words[c + M.State] === MimeState.Header) {
      this.line(tx, c);
      if (words[c + M.State] === MimeState.Header && (words[c + M.Part] & PartBit.Main) !== 0) this.mark(tx, c, Seen.Headers);
    } else if ((words[c + M.LineBits] & LineBit.Held) !== 0) this.release(tx, c, 0);
    this.endPart(tx, c, FileState.Closed);
    words[c + M.State] = MimeState.Done;
    if (this.options.bodyMd5) {
      const digest = this.txs.reserve(tx, 16);
      if (digest >= 0) {
        md5End(words, c + M.Md5, this.bytes, digest);
        words[c + M.Md5 + 21] = digest + 1;
        this.mark(tx, c, Seen.Md5);
      }
    }
  }

  /** What became known with this packet: Seen. */
  fresh(c: number): number {
    return this.words[c + M.Stamp] === this.packet ? this.words[c + M.Changed] : 0;
  }

  private mark(tx: number, c: number, what: Seen): void {
    const { words } = this;
    if (words[c + M.Stamp] !== this.packet) words[c + M.Changed] = 0;
    words[c + M.Stamp] = this.packet;
    words[c + M.Changed] |= what;
    this.txs.moment(tx, 0);
  }

  private event(tx: number, event: MimeEvent): void {
    const bit = this.firstEvent + event;
    const at = tx * Tx.Words + this.eventWord + (bit >> 5);
    const { words } = this.txs;
    if ((words[at] & (1 << (bit & 31))) !== 0) return;
    words[at] |= 1 << (bit & 31);
    this.txs.moment(tx, 0);
  }

  private headerPiece(tx: number, c: number, mem: Uint8Array, off: number, len: number, flags: number): void {
    const { words } = this;
    if ((flags & Piece.Begin) !== 0) {
      const first = len > 0 ? mem[off] : 0;
      const isFold = (first === SP || first === HT) && words[c + M.HoldLen] > 0;
      if (!isFold) {
        this.line(tx, c);
        // The line before was a boundary whose part has no header, or the last one.
        if (words[c + M.State] !== MimeState.Header) {
          this.bodyPiece(tx, c, mem, off, len, flags);
          return;
        }
        if (len === 0 && (flags & Piece.End) !== 0) {
          this.headerEnd(tx, c);
          return;
        }
      }
    }
    this.hold(c, mem, off, len);
  }

  private hold(c: number, mem: Uint8Array, off: number, len: number): void {
    const { words, bytes } = this;
    const had = words[c + M.HoldLen];
    const n = Math.min(len, this.holdBytes - had);
    if (n < len) words[c + M.LineBits] |= LineBit.Cut;
    const to = words[c + M.Hold] + had;
    for (let i = 0; i < n; i++) bytes[to + i] = mem[off + i];
    words[c + M.HoldLen] = had + n;
  }

  /** The header in the hold is whole. */
  private line(tx: number, c: number): void {
    const { words } = this;
    const n = words[c + M.HoldLen];
    if (n === 0) return;
    const isCut = (words[c + M.LineBits] & LineBit.Cut) !== 0;
    words[c + M.LineBits] &= ~LineBit.Cut;
    words[c + M.HoldLen] = 0;
    const at = words[c + M.Hold];
    if (words[c + M.Depth] > 0 && this.bytes[at] === DASH && this.boundary(tx, c, this.bytes, at, n)) return;
    if (this.headers.take(tx, c, at, n, isCut)) this.mark(tx, c, Seen.Received);
  }

  private headerEnd(tx: number, c: number): void {
    const { words } = this;
    if ((words[c + M.Part] & PartBit.Main) !== 0) this.mark(tx, c, Seen.Headers);
    if (words[c + M.Kind] === Kind.Message) {
      // What follows is a message of its own, which begins with its header.
      this.newPart(c);
      return;
    }
    words[c + M.State] = MimeState.Body;
    if (words[c + M.NameLen] === 0 && (words[c + M.Part] & PartBit.Attachment) === 0) return;
    if (words[c + M.Kind] === Kind.Multipart) return;
    words[c + M.File] = this.files.open(tx, 0, this.bytes, words[c + M.Name], words[c + M.NameLen]) + 1;
    this.files.limit(words[c + M.File] - 1, this.options.inspect);
    this.headers.attach(tx, c);
    this.txs.moment(tx, 0);
  }

  private newPart(c: number): void {
    const { words } = this;
    words[c + M.State] = MimeState.Header;
    words[c + M.Encoding] = Encoding.None;
    words[c + M.Kind] = Kind.Text;
    words[c + M.Part] = 0;
    words[c + M.NameLen] = 0;
    words[c + M.File] = 0;
    words[c + M.Eol] = 0;
  }

  private endPart(tx: number, c: number, state: FileState): void {
    const { words } = this;
    if (words[c + M.Encoding] === Encoding.Base64 && words[c + M.BitCount] > 0) {
      const to = this.memory.scratch(2);
      if (to >= 0) this.deliver(tx, c, to, base64End(words, c, this.memory.bytes, to));
    }
    words[c + M.Bits] = 0;
    words[c + M.BitCount] = 0;
    words[c + M.Qp] = 0;
    words[c + M.Eol] = 0;
    this.urls.finish(tx, c);
    if (words[c + M.File] > 0) {
      this.files.close(words[c + M.File] - 1, state);
      this.txs.moment(tx, 0);
    }
    words[c + M.File] = 0;
  }

  /** A line of a body: held as long as it may be a boundary. */
  private bodyPiece(tx: number, c: number, mem: Uint8Array, off: number, len: number, flags: number): void {
    const { words } = this;
    if ((flags & Piece.Begin) !== 0) {
      words[c + M.LineBits] = 0;
      if (words[c + M.Depth] > 0 && len > 0 && mem[off] === DASH && len <= LONGEST_BOUNDARY_LINE) {
        if ((flags & Piece.End) !== 0) {
          if (this.boundary(tx, c, mem, off, len)) return;
        } else {
          words[c + M.LineBits] = LineBit.Held;
          words[c + M.HoldLen] = 0;
          this.hold(c, mem, off, len);
          return;
        }
      }
    } else if ((words[c + M.LineBits] & LineBit.Held) !== 0) {
      if (words[c + M.HoldLen] + len <= LONGEST_BOUNDARY_LINE) {
        this.hold(c, mem, off, len);
        if ((flags & Piece.End) === 0) return;
        words[c + M.LineBits] = 0;
        if (this.boundary(tx, c, this.bytes, words[c + M.Hold], words[c + M.HoldLen])) return;
        this.release(tx, c, flags);
        return;
      }
      this.release(tx, c, 0);
    }
    this.body(tx, c, mem, off, len, flags);
  }

  /** The hold is no boundary. */
  private release(tx: number, c: number, flags: number): void {
    const { words } = this;
    words[c + M.LineBits] = 0;
    const n = words[c + M.HoldLen];
    words[c + M.HoldLen] = 0;
    this.body(tx, c, this.bytes, words[c + M.Hold], n, flags);
  }

  /** True: the line is a boundary of an open multipart, and the part it ends has ended. */
  private boundary(tx: number, c: number, mem: Uint8Array, off: number, len: number): boolean {
    const { words, bytes } = this;
    if (len < 3 || mem[off + 1] !== DASH) return false;
    for (let level = words[c + M.Depth] - 1; level >= 0; level--) {
      const at = words[c + M.Boundaries + 2 * level];
      const n = words[c + M.Boundaries + 2 * level + 1];
      if (len < 2 + n) continue;
      let same = 0;
      while (same < n && mem[off + 2 + same] === bytes[at + same]) same++;
      if (same < n) continue;
      const end = off + len;
      let rest = off + 2 + n;
      const isLast = rest + 1 < end && mem[rest] === DASH && mem[rest + 1] === DASH;
      while (!isLast && rest < end && (mem[rest] === SP || mem[rest] === HT || mem[rest] === CR)) rest++;
      if (!isLast && rest < end) continue;
      this.endPart(tx, c, FileState.Closed);
      this.newPart(c);
      words[c + M.HoldLen] = 0;
      words[c + M.Depth] = isLast ? level : level + 1;
      if (isLast) {
        words[c + M.State] = MimeState.Body;
        words[c + M.Kind] = Kind.Epilogue;
      }
      return true;
    }
    return false;
  }

  private body(tx: number, c: number, mem: Uint8Array, off: number, len: number, flags: number): void {
    const { words, memory, options } = this;
    const encoding: Encoding = words[c + M.Encoding];
    if (encoding !== Encoding.None) {
      const length = words[c + M.LineLen];
      if (length > LONGEST_ENCODED_LINE && length - len <= LONGEST_ENCODED_LINE) this.event(tx, MimeEvent.LongEncLine);
    }
    const kind: Kind = words[c + M.Kind];
    if (words[c + M.File] === 0 && (kind > Kind.Html || !options.urls)) return;
    if (encoding === Encoding.Base64 && options.base64) {
      if (len > 0) this.base64(tx, c, mem, off, len);
      return;
    }
    const isEnd = (flags & Piece.End) !== 0;
    const eol = (flags & Piece.Crlf) !== 0 ? 2 : 1;
    if (encoding !== Encoding.QuotedPrintable || !options.quotedPrintable) {
      this.plain(tx, c, mem, off, len, isEnd ? eol : 0);
      return;
    }
    const to = memory.scratch(len + 5);
    if (to < 0) {
      this.lost(tx, c);
      return;
    }
    let at = to;
    if (words[c + M.Eol] === 2) memory.bytes[at++] = CR;
    if (words[c + M.Eol] > 0) memory.bytes[at++] = LF;
    words[c + M.Eol] = 0;
    at = quotedPrintable(words, c, mem, off, len, memory.bytes, at);
    if (decoded.bad) this.event(tx, MimeEvent.InvalidQp);
    this.deliver(tx, c, to, at);
    if (isEnd && quotedPrintableEnd(words, c)) words[c + M.Eol] = eol;
  }

  private base64(tx: number, c: number, mem: Uint8Array, off: number, len: number): void {
    const { words, memory } = this;
    const to = memory.scratch(((len * 3) >> 2) + 6);
    if (to < 0) this.lost(tx, c);
    else this.deliver(tx, c, to, base64(words, c, mem, off, len, memory.bytes, to));
    if (decoded.bad) this.event(tx, MimeEvent.InvalidBase64);
  }

  /** Bytes as they are. `eol`: length of the line end behind them, which waits for the next ones: what comes before a boundary is not the body's. */
  private plain(tx: number, c: number, mem: Uint8Array, off: number, len: number, eol: number): void {
    const { words, memory } = this;
    const to = memory.scratch(len + 2);
    if (to < 0) {
      this.lost(tx, c);
      return;
    }
    const { bytes } = memory;
    let at = to;
    if (words[c + M.Eol] === 2) bytes[at++] = CR;
    if (words[c + M.Eol] > 0) bytes[at++] = LF;
    for (let i = 0; i < len; i++) bytes[at + i] = mem[off + i];
    words[c + M.Eol] = eol;
    this.deliver(tx, c, to, at + len);
  }

  /** Decoded bytes of the body, the last of the scratch: from `from` to `to`. */
  private deliver(tx: number, c: number, from: number, to: number): void {
    const { words, memory } = this;
    memory.trim(to);
    if (to === from) return;
    if (words[c + M.File] > 0) {
      this.files.data(words[c + M.File] - 1, memory.bytes, memory.region, from, to - from);
      this.txs.moment(tx, 0);
    }
    if (words[c + M.Kind] <= Kind.Html && this.options.urls) this.urls.scan(tx, c, memory.bytes, from, to - from);
  }

  private lost(_tx: number, c: number): void {
    this.counters[Counter.AppNoRoom]++;
    if (this.words[c + M.File] > 0) this.files.gap(this.words[c + M.File] - 1);
  }
}
