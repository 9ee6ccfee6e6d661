import { Counter } from '../../metrics/counters.js';
import { AppProto, type Buffers } from '../buffers.js';
import { FileState, Files } from '../files/files.js';
import { HeldBytes } from '../held-bytes.js';
import { Likeness, Parsed, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import type { Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx } from '../transactions.js';
import { BodyBytes } from './body.js';
import { isSpace } from './bytes.js';
import { Codings, type DecodedSink } from './codings.js';
import { HttpEvent } from './events.js';
import { ChunkPhase, F, FlowFlag, FlowState, FlowWords, Own, TxFlags } from './flow.js';
import { Framing, FramingKind } from './framing.js';
import { Head, HeadReader, LONGEST_HEAD, Part } from './head.js';
import { HeadKeeper } from './head-keep.js';
import { firstWord, HeadScan, isHttp, Scan } from './head-scan.js';
import { isMultipart, Multipart } from './multipart.js';
import { probeRequest, probeResponse, startsRequest } from './probe.js';
import { Ranges } from './ranges.js';
import { HttpView } from './view.js';

export interface HttpLimits {
  /** Bytes of a body that are inspected (libhtp's request-body-limit, response-body-limit). Default 100 KiB. */
  requestBody?: number;
  responseBody?: number;
  /** Content codings one inside the other (response-body-decompress-layer-limit). Default 2. */
  layers?: number;
}

/** Tx.State + direction, before STATE_DONE. */
export const enum HttpState {
  None = 0,
  Head = 1,
  Body = 2,
}

/** Requests of HTTP/0.9 that are read of a flow. */
const MOST_OLD = 256;
/** Requests of a flow that wait for their responses; then the oldest ends without one. */
const MOST_WAITING = 2048;

/** Bytes that a head which began before is given first; then twice as many, and so on. */
const GATHER_STEP = 512;

/** HTTP/0.9 to 1.1 (RFC 9110, 9112), both directions; see README.md. */
export class HttpProtocol implements Protocol, DecodedSink {
  readonly proto = AppProto.Http;
  readonly body: BodyBytes;
  private readonly flows: FlowWords;
  private readonly scan = new HeadScan();
  private readonly reader: HeadReader;
  private readonly keeper: HeadKeeper;
  private readonly codings: Codings;
  private readonly framing: Framing;
  private readonly view: HttpView;
  /** By 2 * transaction + direction: bytes of the body as they came. */
  private readonly bodyLength: Float64Array;
  /** The same: the file that the body is, + 1; 0: none. */
  private readonly fileOf: Int32Array;
  private readonly multipart: Multipart;
  private readonly ranges: Ranges;
  private readonly limits: Float64Array;
  private readonly layers: number;
  /** Of the call at hand. */
  private session = 0;
  private direction = 0;
  private consumed = 0;
  /** Of Protocol. */
  readonly held: HeldBytes;
  taken = 0;
  mayChange = true;

  constructor(
    sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    limits: HttpLimits = {},
    readonly files: Files = new Files(txs, counters),
  ) {
    this.flows = new FlowWords(sessions.capacity);
    this.held = new HeldBytes(txs, counters, Tx.Parser + Own.Held);
    this.body = new BodyBytes(txs, this.flows);
    this.reader = new HeadReader(this.scan);
    this.keeper = new HeadKeeper(this.reader, txs);
    this.codings = new Codings(txs.heap, this.flows, this);
    this.framing = new Framing(this.reader);
    this.bodyLength = new Float64Array(2 * txs.capacity);
    this.fileOf = new Int32Array(2 * txs.capacity);
    this.multipart = new Multipart(txs.heap, files, this);
    this.view = new HttpView(txs, this.flows, this.body, files, this.bodyLength);
    this.ranges = new Ranges(files);
    this.limits = Float64Array.of(limits.requestBody ?? 102400, limits.responseBody ?? 102400);
    this.layers = limits.layers ?? 2;
  }

  probe(direction: number, mem: Uint8Array, off: number, len: number, _serverPort: number): Likeness {
    return direction === 0 ? probeRequest(mem, off, len) : probeResponse(mem, off, len);
  }

  begin(): void {
    this.body.begin();
    this.codings.begin();
    this.ranges.packet();
  }

  open(session: number): void {
    this.flows.clear(session);
  }

  close(session: number): void {
    for (let direction = 0; direction < 2; direction++) {
      const f = (2 * session + direction) * F.Words;
      this.dropPending(f);
      this.body.drop(f);
      this.codings.release(f);
      this.endFile(f, this.flows.words[f + F.Tx] - 1, FileState.Truncated);
    }
    this.flows.clear(session);
  }

  forget(session: number, tx: number): void {
    const { words } = this.flows;
    for (let f = 2 * session * F.Words; f < 2 * (session + 1) * F.Words; f += F.Words) {
      if (words[f + F.Tx] !== tx + 1) continue;
      this.endFile(f, tx, FileState.Truncated);
      words[f + F.Tx] = 0;
      this.body.drop(f);
      this.codings.release(f);
    }
    if (this.flows.due[session] === tx + 1) this.flows.due[session] = this.txs.behind(tx) + 1;
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const parsed = this.take(session, direction, mem, region, off, len);
    this.saveWindow(session, direction);
    return parsed;
  }

  gap(session: number, direction: number, length: number): Parsed {
    const f = this.enter(session, direction);
    const flow = this.flows.words;
    const state = flow[f + F.State];
    const side = 2 * session + direction;
    const tx = flow[f + F.Tx] - 1;
    if (state === FlowState.Tunnel && tx >= 0) this.held.cut(tx);
    if (state === FlowState.Tunnel || state === FlowState.Ended) return Parsed.Go;
    this.body.drop(f);
    this.codings.release(f);
    if (tx >= 0) {
      // What is behind the body is not the file's.
      const missing = state === FlowState.Length && length > this.flows.left[side] ? this.flows.left[side] : length;
      this.bodyLength[2 * tx + direction] += missing;
      if (length > 0 && inBody(state)) this.openFile(f, tx, direction);
      this.files.gap(this.fileOf[2 * tx + direction] - 1, missing);
      this.endRange(tx, direction, false);
      this.body.total[2 * tx + direction] += missing;
      if (flow[f + F.Multipart] !== 0) this.multipart.gap(flow[f + F.Multipart] - 1, missing);
    }
    const inChunk = state === FlowState.Chunked && flow[f + F.Chunk] === ChunkPhase.Data;
    if (length > 0 && (state === FlowState.Length || inChunk) && length <= this.flows.left[side]) {
      this.flows.left[side] -= length;
      if (this.flows.left[side] === 0) {
        if (inChunk) flow[f + F.Chunk] = ChunkPhase.DataEnd;
        else this.messageDone(f, tx);
      }
      return Parsed.Go;
    }
    if (state === FlowState.UntilClose) return Parsed.Go;
    this.dropPending(f);
    if (tx >= 0) this.messageDone(f, tx);
    flow[f + F.State] = FlowState.Resync;
    return Parsed.Go;
  }

  finish(session: number, direction: number): void {
    const f = this.enter(session, direction);
    const flow = this.flows.words;
    if (flow[f + F.State] === FlowState.Ended) return;
    if (flow[f + F.State] === FlowState.Head && flow[f + F.PendingLen] > 0) {
      const { bytes, region } = this.txs.heap;
      this.head(f, bytes, region, flow[f + F.Pending] - 1, flow[f + F.PendingLen], true);
    }
    const tx = flow[f + F.Tx] - 1;
    if (tx >= 0 && flow[f + F.State] !== FlowState.Tunnel) {
      if (flow[f + F.State] === FlowState.Length || flow[f + F.State] === FlowState.Chunked) this.endFile(f, tx, FileState.Truncated);
      this.messageDone(f, tx);
    }
    this.dropPending(f);
    flow[f + F.State] = FlowState.Ended;
    if (direction === 0) return;
    // No more answers.
    for (let due = this.flows.due[session] - 1; due >= 0; due = this.txs.behind(due)) {
      this.setDone(due, 1);
      this.txs.moment(due, 1);
    }
    this.flows.due[session] = 0;
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    this.view.select(tx, direction, buffers);
  }

  record(tx: number, writer: RecordWriter): void {
    this.view.record(tx, writer);
  }

  // Codings calls these.

  decoded(f: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const side = (f / F.Words) | 0;
    const direction = side & 1;
    const room = this.limits[direction] - this.flows.seen[side];
    const n = len < room ? len : room;
    const tx = this.flows.words[f + F.Tx] - 1;
    if (n <= 0) {
      this.cutFile(f, tx, direction);
      return false;
    }
    this.openFile(f, tx, direction);
    this.flows.seen[side] += n;
    const parts = this.flows.words[f + F.Multipart];
    if (parts !== 0) this.multipart.data(parts - 1, tx, mem, region, off, n);
    else {
      this.files.data(this.fileOf[2 * tx + direction] - 1, mem, region, off, n);
      if (direction === 1) this.ranges.data(this.fileOf[2 * tx + 1] - 1, mem, off, n);
    }
    if (n < len) this.cutFile(f, tx, direction);
    this.body.total[2 * tx + direction] += n;
    if (!this.body.add(f, tx, direction, mem, region, off, n)) {
      this.counters[Counter.AppNoRoom]++;
      return false;
    }
    this.moment(tx, direction);
    return n < room;
  }

  undecoded(f: number): void {
    this.event(this.flows.words[f + F.Tx] - 1, HttpEvent.GzipFailed);
  }

  bomb(f: number): void {
    this.event(this.flows.words[f + F.Tx] - 1, HttpEvent.CompressionBomb);
  }

  // Files.

  /** The first byte of a body is there, or known to be missing: it is a file, or several. */
  private openFile(f: number, tx: number, direction: number): void {
    const { view } = this;
    if (this.fileOf[2 * tx + direction] !== 0 || this.flows.words[f + F.Multipart] !== 0) return;
    const { bytes } = this.txs.heap;
    if (direction === 0) {
      const type = view.typeOf(tx);
      if (type > 0 && isMultipart(bytes, view.words[type], view.words[type + 1])) {
        const parts = this.multipart.begin(bytes, view.words[type], view.words[type + 1]);
        this.flows.words[f + F.Multipart] = parts;
        if (parts !== 0) {
          this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] |= TxFlags.Parts;
          return;
        }
        this.event(tx, HttpEvent.MultipartGeneric);
      }
    }
    const name = view.nameOf(tx, direction);
    const file = this.files.open(tx, direction, bytes, name > 0 ? view.words[name] : 0, name > 0 ? view.words[name + 1] : 0, true);
    this.fileOf[2 * tx + direction] = file + 1;
    if (direction === 0) return;
    if (view.range(tx)) {
      this.files.range(file, view.rangeFrom, view.rangeTo);
      if (view.rangeSize > 0) {
        const key = `${view.resource(tx)} ${view.rangeSize}`;
        this.ranges.begin(file, tx, key, view.rangeFrom, view.rangeTo, view.rangeSize);
      }
    }
    if (view.isRangeInvalid) this.event(tx, HttpEvent.RangeInvalid);
  }

  private cutFile(f: number, tx: number, direction: number): void {
    this.files.close(this.fileOf[2 * tx + direction] - 1, FileState.Truncated);
    this.endRange(tx, direction, false);
    if (this.flows.words[f + F.Multipart] !== 0) this.multipart.cut(this.flows.words[f + F.Multipart] - 1);
  }

  /** The body has ended; may be called again. */
  private endFile(f: number, tx: number, state: FileState): void {
    const flow = this.flows.words;
    if (flow[f + F.Multipart] !== 0) this.multipart.finish(flow[f + F.Multipart] - 1, tx, state === FileState.Closed);
    flow[f + F.Multipart] = 0;
    if (tx < 0) return;
    const direction = ((f / F.Words) | 0) & 1;
    this.files.close(this.fileOf[2 * tx + direction] - 1, state);
    this.endRange(tx, direction, state === FileState.Closed);
  }

  private endRange(tx: number, direction: number, isWhole: boolean): void {
    if (direction === 0 || this.fileOf[2 * tx + 1] === 0) return;
    const name = this.view.nameOf(tx, 1);
    const { words } = this.view;
    this.ranges.end(this.fileOf[2 * tx + 1] - 1, isWhole, this.txs.heap.bytes, name > 0 ? words[name] : 0, name > 0 ? words[name + 1] : 0);
  }

  // The stream of one direction.

  private enter(session: number, direction: number): number {
    this.session = session;
    this.direction = direction;
    return (2 * session + direction) * F.Words;
  }

  private take(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const f = this.enter(session, direction);
    const flow = this.flows.words;
    const end = off + len;
    let at = off;
    while (at < end) {
      switch (flow[f + F.State]) {
        case FlowState.Head: {
          const parsed = this.headBytes(f, mem, region, at, end);
          if (parsed !== Parsed.Go) {
            this.taken = this.consumed - off;
            return parsed;
          }
          at = this.consumed;
          break;
        }
        case FlowState.Length:
          at = this.lengthBytes(f, mem, region, at, end);
          break;
        case FlowState.Chunked:
          at = this.chunkBytes(f, mem, region, at, end);
          break;
        case FlowState.UntilClose:
          this.bodyBytes(f, mem, region, at, end - at);
          return Parsed.Go;
        case FlowState.Maybe:
          this.maybe(f, mem, at);
          break;
        case FlowState.Old:
          at = this.afterOld(f, mem, at, end);
          break;
        case FlowState.Resync: {
          const found = this.resync(mem, at, end);
          if (found < 0) return Parsed.Go;
          at = found;
          flow[f + F.State] = FlowState.Head;
          break;
        }
        case FlowState.Tunnel:
          if (flow[f + F.Tx] !== 0) this.held.keep(flow[f + F.Tx] - 1, mem, at, end - at);
          return Parsed.Go;
        default:
          return Parsed.Go;
      }
    }
    return Parsed.Go;
  }

  /** Goes on with a head: in place when it is whole in these bytes, else gathered. */
  private headBytes(f: number, mem: Uint8Array, region: number, from: number, end: number): Parsed {
    const flow = this.flows.words;
    const had = flow[f + F.PendingLen];
    let at = from;
    // White space behind a response is none.
    if (had === 0 && this.direction === 1 && this.flows.due[this.session] === 0) {
      while (at < end && isSpace(mem[at])) at++;
      if (at === end) {
        this.consumed = end;
        return Parsed.Go;
      }
    }
    if (had === 0) {
      const parsed = this.head(f, mem, region, at, end - at, false);
      if (parsed !== Parsed.Go || this.consumed > 0) {
        this.consumed += at;
        return parsed;
      }
      // Not whole: kept, the scan stays where it is.
      this.consumed = end;
      return this.gather(f, mem, at, end);
    }
    return this.goOn(f, mem, at, end);
  }

  /** The head began before: some bytes more at a time, since most of these may belong to other requests. */
  private goOn(f: number, mem: Uint8Array, at: number, end: number): Parsed {
    const flow = this.flows.words;
    const { bytes, region } = this.txs.heap;
    let from = at;
    for (let step = GATHER_STEP; ; step *= 2) {
      const had = flow[f + F.PendingLen];
      const to = end - from < step ? end : from + step;
      const parsed = this.gather(f, mem, from, to);
      if (parsed !== Parsed.Go) return parsed;
      const done = this.head(f, bytes, region, flow[f + F.Pending] - 1, flow[f + F.PendingLen], false);
      if (done !== Parsed.Go) {
        this.consumed = from + Math.max(0, this.consumed - had);
        return done;
      }
      if (this.consumed > 0) {
        // The body begins within the new bytes; a head cannot end before them, but for what may follow its end.
        const used = this.consumed - had;
        this.dropPending(f);
        this.consumed = from + (used > 0 ? used : 0);
        return Parsed.Go;
      }
      if (to === end) {
        this.consumed = end;
        return Parsed.Go;
      }
      from = to;
    }
  }

  private gather(f: number, mem: Uint8Array, at: number, end: number): Parsed {
    const flow = this.flows.words;
    const { heap } = this.txs;
    const had = flow[f + F.PendingLen];
    let n = end - at;
    if (had + n > 2 * LONGEST_HEAD) n = 2 * LONGEST_HEAD - had;
    if (had + n > flow[f + F.PendingSize]) {
      let size = flow[f + F.PendingSize] === 0 ? 512 : flow[f + F.PendingSize];
      while (size < had + n) size *= 2;
      const piece = heap.take(size);
      if (piece < 0) {
        this.counters[Counter.AppNoRoom]++;
        return Parsed.Failed;
      }
      const from = flow[f + F.Pending] - 1;
      for (let i = 0; i < had; i++) heap.bytes[piece + i] = heap.bytes[from + i];
      if (from >= 0) heap.give(from, flow[f + F.PendingSize]);
      flow[f + F.Pending] = piece + 1;
      flow[f + F.PendingSize] = size;
    }
    const to = flow[f + F.Pending] - 1 + had;
    for (let i = 0; i < n; i++) heap.bytes[to + i] = mem[at + i];
    flow[f + F.PendingLen] = had + n;
    return Parsed.Go;
  }

  private dropPending(f: number): void {
    const flow = this.flows.words;
    if (flow[f + F.Pending] !== 0) this.txs.heap.give(flow[f + F.Pending] - 1, flow[f + F.PendingSize]);
    flow[f + F.Pending] = 0;
    flow[f + F.PendingSize] = 0;
    flow[f + F.PendingLen] = 0;
    flow[f + F.ScanPos] = 0;
    flow[f + F.ScanLine] = 0;
    flow[f + F.ScanLines] = 0;
    flow[f + F.ScanLfcr] = 0;
  }

  /** Looks for the head's end in mem[at, at + len), of which the scan saw a part; `consumed` is set to the head's length, 0: not whole. */
  private head(f: number, mem: Uint8Array, region: number, at: number, len: number, final: boolean): Parsed {
    const flow = this.flows.words;
    const { scan, direction } = this;
    const end = at + len;
    scan.pos = at + flow[f + F.ScanPos];
    scan.lineAt = at + flow[f + F.ScanLine];
    scan.lines = flow[f + F.ScanLines];
    scan.lfcr = flow[f + F.ScanLfcr];
    scan.goesOn = (flow[f + F.Flags] & FlowFlag.Reopened) !== 0;
    const resumed = flow[f + F.ScanPos] > 0;
    let found = direction === 0 ? scan.request(mem, end, final) : scan.response(mem, end, final);
    const tooLong = found === Scan.More && scan.pos - at > LONGEST_HEAD;
    if (found === Scan.More && !tooLong && !final) {
      flow[f + F.ScanPos] = scan.pos - at;
      flow[f + F.ScanLine] = scan.lineAt - at;
      flow[f + F.ScanLines] = scan.lines;
      flow[f + F.ScanLfcr] = scan.lfcr;
      this.consumed = 0;
      return Parsed.Go;
    }
    if (found === Scan.More && direction === 1 && scan.lines === 0 && !isHttp(mem, firstWord(mem, at, end), end)) found = Scan.NoHead;
    if (found === Scan.NoHead) {
      this.consumed = 0;
      return this.noHead(f, mem, region, at, len);
    }
    if (resumed) {
      // The lines of before are not known any more.
      scan.begin(at);
      found = direction === 0 ? scan.request(mem, end, final) : scan.response(mem, end, final);
    }
    if (found < 0) {
      scan.cut(end);
      found = end;
      if (scan.lines === 0) {
        this.consumed = 0;
        return tooLong ? Parsed.Failed : Parsed.Go;
      }
    }
    flow[f + F.ScanPos] = 0;
    flow[f + F.ScanLine] = 0;
    flow[f + F.ScanLines] = 0;
    flow[f + F.ScanLfcr] = 0;
    this.consumed = found - at;
    this.reader.read(direction, mem);
    if (tooLong) this.reader.event(direction === 0 ? HttpEvent.RequestFieldTooLong : HttpEvent.ResponseFieldTooLong);
    const parsed = direction === 0 ? this.request(f) : this.response(f);
    return tooLong ? Parsed.Failed : parsed;
  }

  private request(f: number): Parsed {
    const flow = this.flows.words;
    const { session, reader } = this;
    let tx = flow[f + F.Tx] - 1;
    if ((flow[f + F.Flags] & FlowFlag.Reopened) === 0 || tx < 0) {
      tx = this.openTx();
      if (tx < 0) return Parsed.Failed;
      if (this.flows.due[session] === 0) this.flows.due[session] = tx + 1;
    }
    flow[f + F.Tx] = tx + 1;
    flow[f + F.Flags] = 0;
    this.keepHead(tx, 0);
    if (reader.old && !this.scan.goesOn) {
      flow[f + F.State] = FlowState.Old;
      // One ends a connection: what is behind so many no server reads.
      if (++flow[f + F.Olds] >= MOST_OLD) {
        this.messageDone(f, tx);
        flow[f + F.State] = FlowState.Ended;
      }
      return Parsed.Go;
    }
    if (reader.old) this.event(tx, HttpEvent.RequestLineMissingProtocol);
    return this.beginBody(f, tx, this.framing.request());
  }

  private response(f: number): Parsed {
    const flow = this.flows.words;
    const { session, reader } = this;
    let tx = this.flows.due[session] - 1;
    const kind = this.framing.response(tx >= 0 ? this.methodOf(tx) : 0);
    if (kind === FramingKind.Interim) {
      if (tx >= 0 && (flow[f + F.Flags] & FlowFlag.Continued) !== 0) this.event(tx, HttpEvent.ContinueAlreadySeen);
      flow[f + F.Flags] |= FlowFlag.Continued;
      return Parsed.Go;
    }
    if (tx < 0) tx = this.unmatched();
    if (tx < 0) return Parsed.Failed;
    flow[f + F.Tx] = tx + 1;
    flow[f + F.Flags] = 0;
    this.keepHead(tx, 1);
    const tunnel = 2 * session * F.Words;
    if (flow[tunnel + F.State] === FlowState.Tunnel && flow[tunnel + F.Tx] === tx + 1) {
      this.held.release(tx);
      if (reader.status >= 200 && reader.status < 300) {
        this.handOver(f, tx);
        return Parsed.Changed;
      }
      flow[tunnel + F.State] = FlowState.Head;
      flow[tunnel + F.Tx] = 0;
      this.setDone(tx, 0);
    }
    if (kind === FramingKind.Upgrade) {
      if (!this.mayChange) {
        this.event(tx, HttpEvent.FailedProtocolChange);
        // It is the request's too.
        this.moment(tx, 0);
        return this.beginBody(f, tx, FramingKind.UntilClose);
      }
      this.handOver(f, tx);
      return Parsed.Changed;
    }
    return this.beginBody(f, tx, kind);
  }

  /** Another protocol follows: the transaction is complete both ways. */
  private handOver(f: number, tx: number): void {
    this.messageDone(f, tx);
    this.forget(this.session, tx);
    this.setDone(tx, 0);
  }

  /** A response without a head. */
  private noHead(f: number, mem: Uint8Array, region: number, at: number, len: number): Parsed {
    const flow = this.flows.words;
    let tx = this.flows.due[this.session] - 1;
    if (tx < 0) tx = this.unmatched();
    if (tx < 0) return Parsed.Failed;
    flow[f + F.Tx] = tx + 1;
    flow[f + F.Flags] = 0;
    flow[f + F.State] = FlowState.UntilClose;
    this.flows.seen[(f / F.Words) | 0] = 0;
    this.setState(tx, 1, HttpState.Body);
    this.bodyBytes(f, mem, flow[f + F.PendingLen] > 0 ? -1 : region, at, len);
    this.consumed = len;
    return Parsed.Go;
  }

  private keepHead(tx: number, direction: number): void {
    const { reader, txs } = this;
    const at = tx * Tx.Words + Tx.Parser;
    txs.words[at + Own.Head + direction] = this.keeper.keep(tx, this.body.packet);
    if (txs.words[at + Own.Head + direction] === 0) this.counters[Counter.AppNoRoom]++;
    for (let i = 0; i < reader.eventCount; i++) this.event(tx, reader.events[i]);
    this.setState(tx, direction, HttpState.Head);
    this.moment(tx, direction);
  }

  private beginBody(f: number, tx: number, kind: FramingKind): Parsed {
    const flow = this.flows.words;
    const side = (f / F.Words) | 0;
    const { reader, framing, direction } = this;
    for (let i = 0; i < framing.eventCount; i++) this.event(tx, framing.events[i]);
    if (kind === FramingKind.None) {
      this.messageDone(f, tx);
      return Parsed.Go;
    }
    if (kind === FramingKind.Tunnel) {
      flow[f + F.State] = FlowState.Tunnel;
      return Parsed.Go;
    }
    this.setState(tx, direction, HttpState.Body);
    this.flows.seen[side] = 0;
    this.flows.left[side] = framing.length;
    this.flows.size[side] = 0;
    flow[f + F.Chunk] = ChunkPhase.Size;
    flow[f + F.Digits] = 0;
    flow[f + F.Flags] = FlowFlag.FirstChunk | (framing.soft ? FlowFlag.Soft : 0);
    this.announce(f, tx, reader.header[Part.Encoding]);
    const state = kind === FramingKind.Length ? FlowState.Length : kind === FramingKind.Chunked ? FlowState.Chunked : FlowState.UntilClose;
    flow[f + F.State] = state;
    if (framing.maybe) flow[f + F.State] = FlowState.Maybe;
    // What it is to be once bytes come.
    flow[f + F.Digits] = framing.maybe ? state : 0;
    return Parsed.Go;
  }

  private announce(f: number, tx: number, header: number): void {
    const { reader } = this;
    for (let h = header; h >= 0; h = reader.next[h]) {
      if (this.codings.announce(f, reader.bytesOf(h), reader.valueOff[h], reader.valueLen[h], this.layers)) continue;
      this.event(tx, HttpEvent.TooManyLayers);
      return;
    }
    if (header >= 0 && this.flows.words[f + F.Codings] === 0) this.event(tx, HttpEvent.AbnormalEncoding);
  }

  private lengthBytes(f: number, mem: Uint8Array, region: number, at: number, end: number): number {
    const flow = this.flows.words;
    const side = (f / F.Words) | 0;
    const left = this.flows.left[side];
    if (left === 0) {
      // Only with a doubtful length.
      if (this.startsNext(mem, at)) this.messageDone(f, flow[f + F.Tx] - 1);
      else flow[f + F.State] = FlowState.UntilClose;
      return at;
    }
    const n = end - at < left ? end - at : left;
    this.bodyBytes(f, mem, region, at, n);
    this.flows.left[side] = left - n;
    if (n === left && (side & 1) === 0 && at + n < end && isNoRequest(mem, at + n, end))
      this.event(flow[f + F.Tx] - 1, HttpEvent.RequestBodyUnexpected);
    if (n === left && (flow[f + F.Flags] & FlowFlag.Soft) === 0) this.messageDone(f, flow[f + F.Tx] - 1);
    return at + n;
  }

  /** Chunks (RFC 9112, 7.1): `size [; extension] LF data LF`, at last size 0 and a trailer; blanks before and behind the size. */
  private chunkBytes(f: number, mem: Uint8Array, region: number, at: number, end: number): number {
    return this.framing.chunks(this.flows, f, mem, region, at, end, this);
  }

  /** Framing calls these. */
  chunkData(f: number, mem: Uint8Array, region: number, off: number, len: number): void {
    this.bodyBytes(f, mem, region, off, len);
  }

  chunkLines(f: number, len: number): void {
    const tx = this.flows.words[f + F.Tx] - 1;
    if (tx >= 0) this.bodyLength[2 * tx + this.direction] += len;
  }

  chunkEnd(f: number): void {
    this.messageDone(f, this.flows.words[f + F.Tx] - 1);
  }

  chunkEvent(f: number, event: HttpEvent): void {
    this.event(this.flows.words[f + F.Tx] - 1, event);
  }

  private bodyBytes(f: number, mem: Uint8Array, region: number, off: number, len: number): void {
    const flow = this.flows.words;
    const tx = flow[f + F.Tx] - 1;
    if (tx < 0 || len <= 0) return;
    this.bodyLength[2 * tx + this.direction] += len;
    this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] |= TxFlags.BodyTs << this.direction;
    if ((flow[f + F.Flags] & FlowFlag.Dead) !== 0) return;
    if (this.codings.data(f, mem, region, off, len)) return;
    flow[f + F.Flags] |= FlowFlag.Dead;
    this.codings.release(f);
  }

  private maybe(f: number, mem: Uint8Array, at: number): void {
    const flow = this.flows.words;
    const tx = flow[f + F.Tx] - 1;
    if (this.startsNext(mem, at)) {
      this.messageDone(f, tx);
      return;
    }
    this.event(tx, HttpEvent.ResponseBodyUnexpected);
    flow[f + F.State] = flow[f + F.Digits];
    flow[f + F.Digits] = 0;
  }

  private startsNext(mem: Uint8Array, at: number): boolean {
    return this.direction === 0 ? startsRequest(mem[at]) : (mem[at] | 32) === 104;
  }

  /** Behind a request line without a protocol: white space, or headers of the same request. */
  private afterOld(f: number, mem: Uint8Array, at: number, end: number): number {
    const flow = this.flows.words;
    const tx = flow[f + F.Tx] - 1;
    let p = at;
    if (mem[p] === 13) p++;
    if (p < end && mem[p] === 10) p++;
    if (p > at || tx < 0) {
      if (tx >= 0) this.messageDone(f, tx);
      flow[f + F.State] = FlowState.Head;
      return p;
    }
    // The line again, as if it had not ended the head.
    const { bytes } = this.txs.heap;
    const head = this.txs.words[tx * Tx.Words + Tx.Parser + Own.Head];
    flow[f + F.State] = FlowState.Head;
    if (head === 0) return at;
    const words = this.view.words;
    const line = words[(head >> 2) + Head.Parts + 2 * Part.Line];
    const len = words[(head >> 2) + Head.Parts + 2 * Part.Line + 1];
    // The plain form has CR LF behind it.
    if (this.gather(f, bytes, line, line + len + 2) !== Parsed.Go) return end;
    flow[f + F.ScanPos] = len + 2;
    flow[f + F.ScanLine] = len + 2;
    flow[f + F.ScanLines] = 1;
    flow[f + F.Flags] |= FlowFlag.Reopened;
    return at;
  }

  private resync(mem: Uint8Array, at: number, end: number): number {
    if (this.direction === 1) return isHttp(mem, at, end) ? at : -1;
    return probeRequest(mem, at, end - at) === Likeness.Yes ? at : -1;
  }

  // Transactions.

  private openTx(): number {
    const { session, txs } = this;
    if (txs.length(session) > MOST_WAITING) {
      const oldest = this.flows.due[session] - 1;
      if (oldest >= 0) {
        this.forget(session, oldest);
        this.setDone(oldest, 0);
        this.setDone(oldest, 1);
        this.moment(oldest, 1);
      }
    }
    const tx = txs.open(session, this.proto, this.flows.ids[session]);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return -1;
    }
    this.flows.ids[session]++;
    this.bodyLength[2 * tx] = 0;
    this.bodyLength[2 * tx + 1] = 0;
    for (let i = 2 * tx; i < 2 * tx + 2; i++) {
      this.fileOf[i] = 0;
      this.body.total[i] = 0;
    }
    return tx;
  }

  /** A transaction for a response that nobody asked for; -1: no room. */
  private unmatched(): number {
    const tx = this.openTx();
    if (tx < 0) return -1;
    this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] |= TxFlags.NoRequest;
    this.setDone(tx, 0);
    this.event(tx, HttpEvent.UnmatchedResponse);
    this.flows.due[this.session] = tx + 1;
    return tx;
  }

  /** The message of this direction is complete. */
  private messageDone(f: number, tx: number): void {
    const flow = this.flows.words;
    const direction = ((f / F.Words) | 0) & 1;
    flow[f + F.State] = FlowState.Head;
    if (tx >= 0) {
      if (flow[f + F.Codings] !== 0 && (flow[f + F.Flags] & FlowFlag.Dead) === 0) this.codings.finish(f);
      this.endFile(f, tx, FileState.Closed);
      this.setDone(tx, direction);
      this.moment(tx, direction);
      if (direction === 1) this.flows.due[this.session] = this.txs.behind(tx) + 1;
    }
    this.body.drop(f);
    this.codings.release(f);
    flow[f + F.Tx] = 0;
    flow[f + F.Flags] = 0;
  }

  private saveWindow(session: number, direction: number): void {
    const f = (2 * session + direction) * F.Words;
    const tx = this.flows.words[f + F.Tx] - 1;
    if (tx >= 0 && this.flows.words[f + F.State] !== FlowState.Head && !this.body.save(f, tx, direction))
      this.counters[Counter.AppNoRoom]++;
  }

  private methodOf(tx: number): number {
    return this.view.method(tx);
  }

  private moment(tx: number, direction: number): void {
    if (!this.txs.moment(tx, direction)) this.counters[Counter.AppNoRoom]++;
  }

  private setState(tx: number, direction: number, state: HttpState): void {
    this.txs.words[tx * Tx.Words + Tx.State + direction] = state;
  }

  private setDone(tx: number, direction: number): void {
    this.txs.words[tx * Tx.Words + Tx.State + direction] = STATE_DONE;
  }

  /** Multipart calls this, too. */
  event(tx: number, event: HttpEvent): void {
    if (tx >= 0) this.txs.words[tx * Tx.Words + Tx.Parser + Own.Events + (event >> 5)] |= 1 << (event & 31);
  }
}

function inBody(state: FlowState): boolean {
  return state === FlowState.Length || state === FlowState.Chunked || state === FlowState.UntilClose;
}

/** What comes with the end of a body begins no request: empty lines alone do not either. */
function isNoRequest(mem: Uint8Array, at: number, end: number): boolean {
  let p = at;
  while (p < end && isSpace(mem[p])) p++;
  return p === end || probeRequest(mem, p, end - p) === Likeness.No;
}
