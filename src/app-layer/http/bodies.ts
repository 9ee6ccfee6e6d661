import { Counter } from '../../metrics/counters.js';
import { FileState } from '../files/files.js';
import { type Transactions, Tx } from '../transactions.js';
import type { BodyBytes } from './body.js';
import type { BodyFiles } from './body-files.js';
import { Codings, type DecodedSink } from './codings.js';
import { HttpEvent } from './events.js';
import { F, FlowFlag, FlowState, type FlowWords, Own, TxFlags } from './flow.js';
import type { HeadReader } from './head.js';
import { Part } from './head-layout.js';
import type { Pairs } from './pairs.js';

export interface HttpLimits {
  /** Bytes of a body that are inspected (libhtp's request-body-limit, response-body-limit). Default 100 KiB. */
  requestBody?: number;
  responseBody?: number;
  /** Transactions of a flow that are kept from packet to packet (max-tx). Default 512. */
  maxTx?: number;
  /** Codings one inside the other that are no event (response-body-decompress-layer-limit). Default 2. */
  layers?: number;
  /** Bytes of a line of a head beyond which it has an event (meta-field-limit). Default 18 KiB. */
  line?: number;
  /** Header in which proxies name the client, for the logs. Absent: none is looked for. */
  xff?: string;
}

/** Bodies without their framing: codings off, up to the limit, then to rules (body.ts) and files. */
export class Bodies implements DecodedSink {
  private readonly codings: Codings;
  private readonly limits: Float64Array;
  private readonly layers: number;

  /** `length`: by 2 * transaction + direction, bytes of the body as they came. */
  constructor(
    private readonly flows: FlowWords,
    private readonly txs: Transactions,
    private readonly pairs: Pairs,
    private readonly body: BodyBytes,
    private readonly files: BodyFiles,
    private readonly length: Float64Array,
    private readonly counters: Float64Array,
    limits: HttpLimits,
  ) {
    this.codings = new Codings(txs.heap, flows, this);
    this.limits = Float64Array.of(limits.requestBody ?? 102400, limits.responseBody ?? 102400);
    this.layers = limits.layers ?? 2;
  }

  /** A new packet. */
  begin(): void {
    this.body.begin();
    this.codings.begin();
    this.files.begin();
  }

  /** A new transaction. */
  clear(tx: number): void {
    this.files.clear(tx);
    for (let i = 2 * tx; i < 2 * tx + 2; i++) {
      this.length[i] = 0;
      this.body.total[i] = 0;
    }
  }

  /** A body begins behind the head that was read last. */
  start(f: number, tx: number, reader: HeadReader): void {
    const header = reader.header[Part.Encoding];
    this.flows.seen[(f / F.Words) | 0] = 0;
    if (this.layers === 0) {
      if (header >= 0) this.pairs.eventOfBoth(tx, HttpEvent.TooManyLayers);
      return;
    }
    let isWhole = this.announce(f, reader, header);
    const { words } = this.flows;
    if (header >= 0 && words[f + F.Codings] === 0) this.pairs.eventOfBoth(tx, HttpEvent.AbnormalEncoding);
    // Outside of those of the content: `gzip, chunked`.
    if (isWhole) isWhole = this.announce(f, reader, reader.header[Part.Transfer]);
    if (!isWhole || words[f + F.Codings] > this.layers) this.pairs.eventOfBoth(tx, HttpEvent.TooManyLayers);
  }

  /** Codings of one header, whose first line is `header`. False: too many. */
  private announce(f: number, reader: HeadReader, header: number): boolean {
    for (let h = header; h >= 0; h = reader.next[h])
      if (!this.codings.announce(f, reader.bytesOf(h), reader.valueOff[h], reader.valueLen[h])) return false;
    return true;
  }

  /** Its next bytes as they came, but for chunks' lines. */
  data(f: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): void {
    const flow = this.flows.words;
    const tx = flow[f + F.Tx] - 1;
    if (tx < 0 || len <= 0) return;
    this.length[2 * tx + direction] += len;
    this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] |= TxFlags.BodyTs << direction;
    if ((flow[f + F.Flags] & FlowFlag.Dead) !== 0) return;
    if (this.codings.data(f, mem, region, off, len)) return;
    flow[f + F.Flags] |= FlowFlag.Dead;
    this.codings.release(f);
  }

  /** Bytes of chunks' lines. */
  lines(f: number, direction: number, len: number): void {
    const tx = this.flows.words[f + F.Tx] - 1;
    if (tx >= 0) this.length[2 * tx + direction] += len;
  }

  /** `length` bytes of the stream are missing: of them those of the body in state `state`. */
  gap(f: number, tx: number, direction: number, state: FlowState, length: number): void {
    const left = this.flows.left[(f / F.Words) | 0];
    // What is behind the body is not the file's.
    const missing = state === FlowState.Length && length > left ? left : length;
    this.length[2 * tx + direction] += missing;
    if (length > 0 && inBody(state)) this.files.open(f, tx, direction);
    this.files.gap(f, tx, direction, missing);
    this.body.total[2 * tx + direction] += missing;
  }

  /** It has ended as it should. */
  done(f: number, tx: number): void {
    const flow = this.flows.words;
    if (flow[f + F.Codings] !== 0 && (flow[f + F.Flags] & FlowFlag.Dead) === 0) this.codings.finish(f);
    this.files.end(f, tx, FileState.Closed);
  }

  /** It has ended as nobody meant it to; may be called again. */
  truncate(f: number, tx: number): void {
    this.files.end(f, tx, FileState.Truncated);
  }

  /** What is remembered of the bytes so far goes. */
  release(f: number): void {
    this.body.drop(f);
    this.codings.release(f);
  }

  /** The packet was read: what later ones need is kept. */
  save(f: number, direction: number): void {
    const tx = this.flows.words[f + F.Tx] - 1;
    if (tx >= 0 && this.flows.words[f + F.State] !== FlowState.Head && !this.body.save(f, tx, direction))
      this.counters[Counter.AppNoRoom]++;
  }

  // Codings calls these.

  decoded(f: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const side = (f / F.Words) | 0;
    const direction = side & 1;
    const room = this.limits[direction] - this.flows.seen[side];
    const n = len < room ? len : room;
    const tx = this.flows.words[f + F.Tx] - 1;
    if (n <= 0) {
      this.files.cut(f, tx, direction);
      return false;
    }
    this.files.open(f, tx, direction);
    this.flows.seen[side] += n;
    this.files.data(f, tx, direction, mem, region, off, n);
    if (n < len) this.files.cut(f, tx, direction);
    this.body.total[2 * tx + direction] += n;
    if (!this.body.add(f, tx, direction, mem, region, off, n)) {
      this.counters[Counter.AppNoRoom]++;
      return false;
    }
    this.pairs.moment(tx, direction);
    return n < room;
  }

  undecoded(f: number): void {
    this.pairs.event(this.flows.words[f + F.Tx] - 1, HttpEvent.GzipFailed);
  }

  bomb(f: number): void {
    this.pairs.event(this.flows.words[f + F.Tx] - 1, HttpEvent.CompressionBomb);
  }
}

function inBody(state: FlowState): boolean {
  return state === FlowState.Length || state === FlowState.Chunked || state === FlowState.UntilClose;
}
