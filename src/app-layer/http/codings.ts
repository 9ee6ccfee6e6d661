import { brotliDecompressSync, constants } from 'node:zlib';
import type { AppHeap } from '../heap.js';
import { ascii, find, isSpace, lower } from './bytes.js';
import { F, type FlowWords } from './flow.js';
import { InflateStream } from './inflate.js';
import { Inflated, STREAM_BYTES } from './inflate-layout.js';

export const enum Coding {
  None = 0,
  Gzip = 1,
  Deflate = 2,
  Brotli = 3,
}

/** As many as curl takes off, and one for the transfer. */
const MOST_CODINGS = 6;
/** Most bytes that are decompressed for one packet, all codings together. */
const PACKET_BUDGET = 256 * 1024;
const STEP_BYTES = 16384;
/** A brotli body is decoded when it has so many bytes, then at each doubling, and at its end; what is longer is not. */
const BROTLI_FIRST = 2048;
const BROTLI_HEAD = 8;
/** Of all that comes out at most so much is looked at: what reaches no further back than the smallest window of BROTLI_NARROW. */
const BROTLI_OUT = PACKET_BUDGET - 16;
/**
 * The first bits of a body ask for a window (RFC 7932, 9.1: a one, three bits n, 2^(17 + n) bytes), and the decoder fills it before any byte
 * comes out (2^22: 7.5 ms, 2^24: 30 ms, for 14 bytes of input). As far as BROTLI_OUT goes, 2^18 are as good.
 */
const BROTLI_NARROW = 0b0011;
/** What a call costs beside what comes out of it, in bytes. */
const BROTLI_WORK = 16384;
const BROTLI = { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength: BROTLI_OUT };

const GZIP = ascii('gzip');
const DEFLATE = ascii('deflate');

/** What takes the decoded bytes: false when it wants no more. They lie there only during the call, unless it came with a region. */
export interface DecodedSink {
  decoded(f: number, mem: Uint8Array, region: number, off: number, len: number): boolean;
  /** A coding did not hold what the head said. */
  undecoded(f: number): void;
  /** Too much came out of too little. */
  bomb(f: number): void;
}

/** Takes off content codings (RFC 9110, 8.4), as much as bodies really have: what is not compressed passes as it is. */
export class Codings {
  /** By level: one coding's output is the next one's input. */
  private readonly inflaters: InflateStream[] = [];
  private readonly steps: Uint8Array[] = [];
  private readonly heapWords: Int32Array;
  private budget = PACKET_BUDGET;

  constructor(
    private readonly heap: AppHeap,
    private readonly flows: FlowWords,
    private readonly sink: DecodedSink,
  ) {
    for (let i = 0; i < MOST_CODINGS; i++) {
      this.steps.push(new Uint8Array(STEP_BYTES));
      this.inflaters.push(new InflateStream());
    }
    this.heapWords = new Int32Array(heap.bytes.buffer);
  }

  begin(): void {
    this.budget = PACKET_BUDGET;
  }

  /** Notes one more value of Content-Encoding or Transfer-Encoding: false when there are more codings than are taken off. */
  announce(f: number, mem: Uint8Array, off: number, len: number): boolean {
    const flow = this.flows.words;
    const end = off + len;
    let p = off;
    while (p < end) {
      while (p < end && (isSpace(mem[p]) || mem[p] === 44)) p++;
      let stop = p;
      while (stop < end && mem[stop] !== 44) stop++;
      const coding = codingOf(mem, p, stop - p);
      if (coding !== Coding.None) {
        const n = flow[f + F.Codings];
        if (n >= MOST_CODINGS) return false;
        // The last one named is the outermost.
        flow[f + F.Coding] = (flow[f + F.Coding] << 4) | coding;
        flow[f + F.Codings] = n + 1;
      }
      p = stop;
    }
    return true;
  }

  /** Bytes of the body as they came. False: no more are wanted. */
  data(f: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    if (this.flows.words[f + F.Codings] === 0) return this.sink.decoded(f, mem, region, off, len);
    return this.push(f, 0, mem, region, off, len);
  }

  /** The body has ended: what was held back comes. */
  finish(f: number): void {
    const flow = this.flows.words;
    for (let level = 0; level < flow[f + F.Codings]; level++) {
      const piece = flow[f + F.Piece + level];
      if (piece === 0) continue;
      if (((flow[f + F.Coding] >> (4 * level)) & 15) === Coding.Brotli) this.unbrotli(f, level, piece - 1);
    }
  }

  release(f: number): void {
    const flow = this.flows.words;
    if (flow[f + F.Codings] === 0) return;
    for (let level = 0; level < MOST_CODINGS; level++) {
      const piece = flow[f + F.Piece + level];
      if (piece !== 0) this.heap.give(piece - 1, STREAM_BYTES);
      flow[f + F.Piece + level] = 0;
    }
    flow[f + F.Codings] = 0;
    flow[f + F.Coding] = 0;
  }

  private push(f: number, level: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const flow = this.flows.words;
    if (level >= flow[f + F.Codings]) return this.sink.decoded(f, mem, region, off, len);
    const coding = (flow[f + F.Coding] >> (4 * level)) & 15;
    if (coding === Coding.None) return this.push(f, level + 1, mem, region, off, len);
    let piece = flow[f + F.Piece + level] - 1;
    if (piece < 0) {
      piece = this.heap.take(STREAM_BYTES);
      if (piece < 0) {
        this.plain(f, level);
        return this.push(f, level + 1, mem, region, off, len);
      }
      flow[f + F.Piece + level] = piece + 1;
      if (coding === Coding.Brotli) this.heap.bytes.fill(0, piece, piece + BROTLI_HEAD);
      else this.inflaters[level].reset(this.heap.bytes, piece, coding === Coding.Gzip);
    }
    if (coding === Coding.Brotli) return this.gather(f, level, piece, mem, off, len);
    for (let from = 0; from < len; from += 65536) {
      if (((flow[f + F.Coding] >> (4 * level)) & 15) === Coding.None) return this.push(f, level + 1, mem, -1, off + from, len - from);
      const n = len - from < 65536 ? len - from : 65536;
      if (!this.inflatePiece(f, level, piece, mem, off + from, n)) return false;
    }
    return true;
  }

  /** From here on this coding lets everything pass. */
  private plain(f: number, level: number): void {
    this.flows.words[f + F.Coding] &= ~(15 << (4 * level));
  }

  /** At most 64 KiB. */
  private inflatePiece(f: number, level: number, piece: number, mem: Uint8Array, off: number, len: number): boolean {
    const inflate = this.inflaters[level];
    const out = this.steps[level];
    if (this.budget <= 0) {
      this.sink.bomb(f);
      return false;
    }
    inflate.load(this.heap.bytes, piece, mem, off, len);
    let n: number;
    do {
      n = inflate.pull(out, 0, STEP_BYTES, this.budget);
      this.budget -= n + inflate.work;
      if (n > 0 && !this.push(f, level + 1, out, -1, 0, n)) return false;
      if (this.budget <= 0) {
        this.sink.bomb(f);
        return false;
      }
    } while (n === STEP_BYTES);
    if (inflate.result === Inflated.Ok) {
      inflate.save();
      return true;
    }
    this.sink.undecoded(f);
    this.plain(f, level);
    const begin = inflate.result === Inflated.NotCompressed ? inflate.beginLen : -1;
    if (begin < 0) return this.push(f, level + 1, inflate.rest, -1, inflate.restOff, inflate.restLen);
    if (begin > 0 && !this.push(f, level + 1, this.heap.bytes, -1, inflate.beginOff(piece), begin)) return false;
    return this.push(f, level + 1, mem, -1, off, len);
  }

  /** Brotli: bytes gathered in the piece | had | bytes shown | ... */
  private gather(f: number, level: number, piece: number, mem: Uint8Array, off: number, len: number): boolean {
    const { bytes } = this.heap;
    const words = this.heapWords;
    const had = words[piece >> 2];
    const n = len < STREAM_BYTES - BROTLI_HEAD - had ? len : STREAM_BYTES - BROTLI_HEAD - had;
    for (let i = 0; i < n; i++) bytes[piece + BROTLI_HEAD + had + i] = mem[off + i];
    words[piece >> 2] = had + n;
    let due = BROTLI_FIRST;
    while (due <= had) due *= 2;
    return had + n < due || this.unbrotli(f, level, piece);
  }

  /** Decodes from the beginning, and shows what was not shown. */
  private unbrotli(f: number, level: number, piece: number): boolean {
    const words = this.heapWords;
    const n = words[piece >> 2];
    const at = piece + BROTLI_HEAD;
    if (this.budget <= 0) {
      this.sink.bomb(f);
      return false;
    }
    this.budget -= BROTLI_WORK;
    const { bytes } = this.heap;
    const first = bytes[at];
    if (brotliWindow(first) > 18) bytes[at] = (first & 0xf0) | BROTLI_NARROW;
    let out: Uint8Array | null = null;
    let isBomb = false;
    try {
      out = brotliDecompressSync(bytes.subarray(at, at + n), BROTLI);
    } catch (error) {
      isBomb = (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    }
    bytes[at] = first;
    if (isBomb) {
      this.budget -= BROTLI_OUT;
      this.sink.bomb(f);
      return false;
    }
    if (out === null) {
      this.sink.undecoded(f);
      this.plain(f, level);
      return words[(piece >> 2) + 1] > 0 || this.push(f, level + 1, bytes, -1, at, n);
    }
    const shown = words[(piece >> 2) + 1];
    words[(piece >> 2) + 1] = out.length;
    this.budget -= out.length - shown;
    return out.length <= shown || this.push(f, level + 1, out, -1, shown, out.length - shown);
  }
}

/** The window that the first byte of a body asks for, as its logarithm (RFC 7932, 9.1), where it is more than 17. */
function brotliWindow(first: number): number {
  return (first & 1) === 0 ? 16 : 17 + ((first >> 1) & 7);
}

function codingOf(mem: Uint8Array, off: number, len: number): Coding {
  if (find(mem, off, len, GZIP) >= 0) return Coding.Gzip;
  if (find(mem, off, len, DEFLATE) >= 0) return Coding.Deflate;
  return len >= 2 && lower(mem[off]) === 98 && lower(mem[off + 1]) === 114 && (len === 2 || isSpace(mem[off + 2]))
    ? Coding.Brotli
    : Coding.None;
}
