import { Counter } from '../../metrics/counters.js';
import type { FileState, Files } from '../files/files.js';
import type { AppMemory } from '../memory.js';
import type { Transactions } from '../transactions.js';
import { base64, base64End, decoded, quotedPrintable, quotedPrintableEnd } from './decoders.js';
import { Encoding, Kind, LONGEST_ENCODED_LINE, M, MimeEvent, type MimeOptions, Piece } from './layout.js';
import { UrlFinder } from './urls.js';

const CR = 0x0d;
const LF = 0x0a;

/** Bodies of parts: decoded in the scratch, from there to the part's file and to who looks for URLs. Nothing is kept. */
export class MimeBodies {
  private readonly urls: UrlFinder;

  constructor(
    private readonly txs: Transactions,
    private readonly memory: AppMemory,
    private readonly files: Files,
    private readonly counters: Float64Array,
    private readonly words: Int32Array,
    private readonly options: MimeOptions,
    private readonly event: (tx: number, event: MimeEvent) => void,
  ) {
    this.urls = new UrlFinder(txs, counters, options.urlSchemes, options.urlScheme);
  }

  packetBegins(packet: number): void {
    this.urls.packet = packet;
  }

  /** The next bytes of a line; `flags`: Piece. */
  take(tx: number, c: number, mem: Uint8Array, off: number, len: number, flags: number): void {
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
      this.lost(c);
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

  /** Whole lines, of which there is nothing to decode, or Base64. `eol`: length of the last one's end. */
  lines(tx: number, c: number, mem: Uint8Array, off: number, len: number, eol: number): void {
    const { words, options } = this;
    if (words[c + M.File] === 0 && (words[c + M.Kind] > Kind.Html || !options.urls)) return;
    if (words[c + M.Encoding] === Encoding.Base64 && options.base64) this.base64(tx, c, mem, off, len);
    else this.plain(tx, c, mem, off, len - eol, eol);
  }

  /** Bytes are missing. */
  gap(tx: number, c: number): void {
    this.forget(tx, c);
    if (this.words[c + M.File] > 0) this.files.gap(this.words[c + M.File] - 1);
  }

  /** The part has ended. */
  end(tx: number, c: number, state: FileState): void {
    const { words } = this;
    if (words[c + M.Encoding] === Encoding.Base64 && words[c + M.BitCount] > 0) {
      const to = this.memory.scratch(2);
      if (to >= 0) this.deliver(tx, c, to, base64End(words, c, this.memory.bytes, to));
    }
    this.forget(tx, c);
    if (words[c + M.File] > 0) {
      this.files.close(words[c + M.File] - 1, state);
      this.txs.moment(tx, 0);
    }
    words[c + M.File] = 0;
  }

  private forget(tx: number, c: number): void {
    const { words } = this;
    words[c + M.Bits] = 0;
    words[c + M.BitCount] = 0;
    words[c + M.Qp] = 0;
    words[c + M.Eol] = 0;
    this.urls.finish(tx, c);
  }

  private base64(tx: number, c: number, mem: Uint8Array, off: number, len: number): void {
    const { words, memory } = this;
    const to = memory.scratch(((len * 3) >> 2) + 6);
    if (to < 0) this.lost(c);
    else this.deliver(tx, c, to, base64(words, c, mem, off, len, memory.bytes, to));
    if (decoded.bad) this.event(tx, MimeEvent.InvalidBase64);
  }

  /** Bytes as they are. `eol`: length of the line end behind them, which waits for the next ones: what comes before a boundary is not the body's. */
  private plain(tx: number, c: number, mem: Uint8Array, off: number, len: number, eol: number): void {
    const { words, memory } = this;
    const to = memory.scratch(len + 2);
    if (to < 0) {
      this.lost(c);
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

  private lost(c: number): void {
    this.counters[Counter.AppNoRoom]++;
    if (this.words[c + M.File] > 0) this.files.gap(this.words[c + M.File] - 1);
  }
}
