import { Counter } from '../../metrics/counters.js';
import type { Files } from '../files/files.js';
import { FileState } from '../files/files.js';
import type { AppMemory } from '../memory.js';
import { type Transactions, Tx } from '../transactions.js';
import { MimeBodies } from './bodies.js';
import { Boundaries } from './boundaries.js';
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
  private readonly bodies: MimeBodies;
  private readonly boundaries: Boundaries;
  private readonly holdBytes: number;
  private packet = 0;

  /** `eventWord`: the first of the two words of a transaction with its events, the MIME ones from bit `firstEvent` on. */
  constructor(
    private readonly txs: Transactions,
    memory: AppMemory,
    private readonly files: Files,
    private readonly counters: Float64Array,
    private readonly eventWord: number,
    private readonly firstEvent: number,
    private readonly options: MimeOptions = MIME_OPTIONS,
  ) {
    this.words = new Int32Array(txs.heap.bytes.buffer);
    this.bytes = txs.heap.bytes;
    this.bodies = new MimeBodies(txs, memory, files, counters, this.words, options, (tx, event) => this.event(tx, event));
    this.holdBytes = Math.max(options.headerDepth + 128, LONGEST_BOUNDARY_LINE + 8);
    this.boundaries = new Boundaries(txs, this.words, (tx, event) => this.event(tx, event));
    this.headers = new HeaderReader(txs, this.words, counters, options, this.boundaries, (tx, event) => this.event(tx, event));
  }

  packetBegins(packet: number): void {
    this.packet = packet;
    this.bodies.packetBegins(packet);
  }

  /** Index of the words of a new message of the transaction; 0: no room. */
  begin(tx: number): number {
    const at = this.txs.reserve(tx, M.Words * 4);
    if (at < 0) {
      this.counters[Counter.AppNoRoom]++;
      return 0;
    }
    const c = at >> 2;
    this.words.fill(0, c, c + M.Words);
    this.words[c + M.Part] = PartBit.Main;
    if (this.options.bodyMd5) md5Begin(this.words, c + M.Md5);
    return c;
  }

  /** Another message takes the place of one that came to nothing. */
  again(tx: number, c: number): void {
    const { words } = this;
    this.bodies.end(tx, c, FileState.Truncated);
    this.newPart(c);
    words[c + M.State] = MimeState.Ready;
    words[c + M.Depth] = 0;
    words[c + M.HoldLen] = 0;
    words[c + M.LineBits] = 0;
    words[c + M.Part] = PartBit.Main;
    words[c + M.Urls] = words[c + M.UrlCount] = 0;
    words[c + M.Names] = 0;
    words.fill(0, c + M.Attachments, c + M.Boundaries);
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
   * transport's (behind NUL, or CR alone, too), or may be a boundary. Returns where they end, `off` when lines have to be looked at one by one.
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
      if (mem[at] === DOT || mem[at] === 0 || (isNested && mem[at] === DASH)) break;
      let lf = at;
      for (; lf < end; lf++) {
        const byte = mem[lf];
        if (byte > CR) continue;
        if (byte === LF) break;
        if (byte === CR && lf + 1 < end && (mem[lf + 1] === DOT || mem[lf + 1] === 0)) break;
      }
      if (lf === end || mem[lf] !== LF) break;
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
    this.bodies.lines(tx, c, mem, off, at - off, eol);
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
    this.bodies.gap(tx, c);
  }

  /** The message is complete. */
  end(tx: number, c: number): void {
    const { words } = this;
    if (words[c + M.State] === MimeState.Done) return;
    if (words[c + M.State] === MimeState.Header) {
      this.line(tx, c);
      if (words[c + M.State] === MimeState.Header && (words[c + M.Part] & PartBit.Main) !== 0) this.mark(tx, c, Seen.Headers);
    } else if ((words[c + M.LineBits] & LineBit.Held) !== 0) this.release(tx, c, 0);
    this.bodies.end(tx, c, FileState.Closed);
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
    this.hold(tx, c, mem, off, len);
  }

  private hold(tx: number, c: number, mem: Uint8Array, off: number, len: number): void {
    const { words, bytes } = this;
    if (words[c + M.Hold] === 0) {
      const hold = this.txs.reserve(tx, this.holdBytes);
      if (hold < 0) {
        this.counters[Counter.AppNoRoom]++;
        return;
      }
      words[c + M.Hold] = hold;
    }
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
    const changed = this.headers.take(tx, c, at, n, isCut);
    if (changed !== 0) this.mark(tx, c, changed);
  }

  private headerEnd(tx: number, c: number): void {
    const { words } = this;
    if ((words[c + M.Part] & PartBit.Main) !== 0) this.mark(tx, c, Seen.Headers);
    // One that is encoded is no header that could be read: it is looked at as a file.
    if (words[c + M.Kind] === Kind.Message && words[c + M.Encoding] === Encoding.None) {
      // What follows is a message of its own, which begins with its header.
      this.newPart(c);
      return;
    }
    words[c + M.State] = MimeState.Body;
    const isFile = words[c + M.NameLen] > 0 || (words[c + M.Part] & PartBit.Attachment) !== 0 || words[c + M.Kind] === Kind.Message;
    if (!isFile) return;
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

  /** A line of a body: held as long as it may be a boundary. */
  private bodyPiece(tx: number, c: number, mem: Uint8Array, off: number, len: number, flags: number): void {
    const { words } = this;
    if ((flags & Piece.Begin) !== 0) {
      words[c + M.LineBits] = 0;
      if (words[c + M.Depth] > 0 && len > 0 && mem[off] === DASH) {
        if ((flags & Piece.End) !== 0 || len > LONGEST_BOUNDARY_LINE) {
          if (this.boundary(tx, c, mem, off, len)) return;
        } else {
          words[c + M.LineBits] = LineBit.Held;
          words[c + M.HoldLen] = 0;
          this.hold(tx, c, mem, off, len);
          return;
        }
      }
    } else if ((words[c + M.LineBits] & LineBit.Held) !== 0) {
      if (words[c + M.HoldLen] + len <= LONGEST_BOUNDARY_LINE) {
        this.hold(tx, c, mem, off, len);
        if ((flags & Piece.End) === 0) return;
        words[c + M.LineBits] = 0;
        if (this.boundary(tx, c, this.bytes, words[c + M.Hold], words[c + M.HoldLen])) return;
        this.release(tx, c, flags);
        return;
      }
      const n = LONGEST_BOUNDARY_LINE - words[c + M.HoldLen];
      this.hold(tx, c, mem, off, n);
      words[c + M.LineBits] = 0;
      // What else stands in the line of a boundary is nobody's.
      if (this.boundary(tx, c, this.bytes, words[c + M.Hold], words[c + M.HoldLen])) return;
      this.release(tx, c, 0);
      this.bodies.take(tx, c, mem, off + n, len - n, flags);
      return;
    }
    this.bodies.take(tx, c, mem, off, len, flags);
  }

  /** The hold is no boundary. */
  private release(tx: number, c: number, flags: number): void {
    const { words } = this;
    words[c + M.LineBits] = 0;
    const n = words[c + M.HoldLen];
    words[c + M.HoldLen] = 0;
    this.bodies.take(tx, c, this.bytes, words[c + M.Hold], n, flags);
  }

  /** True: the line is a boundary of an open multipart, and the part it ends has ended. */
  private boundary(tx: number, c: number, mem: Uint8Array, off: number, len: number): boolean {
    const level = this.boundaries.match(c, mem, off, len);
    if (level < 0) return false;
    const { words } = this;
    this.bodies.end(tx, c, FileState.Closed);
    this.newPart(c);
    words[c + M.HoldLen] = 0;
    this.boundaries.leave(c, level);
    if (this.boundaries.isLast) {
      words[c + M.State] = MimeState.Body;
      words[c + M.Kind] = Kind.Epilogue;
    }
    return true;
  }
}
