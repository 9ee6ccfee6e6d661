import { AppProto, type Buffers } from '../buffers.js';
import { Files } from '../files/files.js';
import { HeldBytes } from '../held-bytes.js';
import { Likeness, Parsed, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import type { Sessions } from '../sessions.js';
import { type Transactions, Tx } from '../transactions.js';
import { Bodies, type HttpLimits } from './bodies.js';
import { BodyBytes } from './body.js';
import { BodyFiles } from './body-files.js';
import { isSpace } from './bytes.js';
import { HttpEvent } from './events.js';
import { ChunkPhase, F, FlowFlag, FlowState, FlowWords, Own } from './flow.js';
import type { ChunkSink } from './framing.js';
import { HeadReader } from './head.js';
import { Head, Part } from './head-layout.js';
import { HeadScan, isHttp } from './head-scan.js';
import { Heads } from './heads.js';
import { Messages } from './messages.js';
import { Pairs } from './pairs.js';
import { probeRequest, probeResponse, startsRequest } from './probe.js';
import { Readings } from './readings.js';
import { HttpView } from './view.js';

export type { HttpLimits } from './bodies.js';

/** Less than most methods with their blank. */
const FEW_BYTES = 8;
/** Transactions of a flow that are kept from packet to packet: as Suricata's. */
const MOST_TXS = 512;

/**
 * HTTP/0.9 to 1.1 (RFC 9110, 9112), both directions; see README.md. Here: the stream of one direction, from head to body to the next head.
 *
 *   bytes ─┬─ Heads ─► Messages: begin and end ─► Pairs: their transactions
 *          └─ body ─► Framing: chunks off ─► Bodies ─► BodyBytes, BodyFiles
 */
export class HttpProtocol implements Protocol, ChunkSink {
  readonly proto = AppProto.Http;
  readonly mostTransactions: number;
  private readonly flows: FlowWords;
  private readonly heads: Heads;
  private readonly messages: Messages;
  private readonly pairs: Pairs;
  private readonly bodies: Bodies;
  private readonly view: HttpView;
  private readonly readings: Readings;
  /** Of the call at hand. */
  private direction = 0;
  /** Of Protocol. */
  readonly held: HeldBytes;
  taken = 0;
  mayChange = true;

  constructor(
    sessions: Sessions,
    private readonly txs: Transactions,
    counters: Float64Array,
    limits: HttpLimits = {},
    readonly files: Files = new Files(txs, counters),
  ) {
    this.mostTransactions = limits.maxTx ?? MOST_TXS;
    const flows = new FlowWords(sessions.capacity);
    const bodyLength = new Float64Array(2 * txs.capacity);
    this.flows = flows;
    this.held = new HeldBytes(txs, counters, Tx.Parser + Own.Held);
    this.pairs = new Pairs(flows, txs, counters);
    const body = new BodyBytes(txs, flows);
    this.view = new HttpView(txs, flows, body, files, bodyLength, limits.xff);
    const bodyFiles = new BodyFiles(flows, txs, this.pairs, this.view, files);
    this.bodies = new Bodies(flows, txs, this.pairs, body, bodyFiles, bodyLength, counters, limits);
    this.readings = new Readings(sessions, flows, counters);
    const scan = new HeadScan();
    const reader = new HeadReader(scan);
    this.messages = new Messages(flows, txs, counters, scan, reader, this.pairs, body, this.bodies, this.view, this.held);
    this.heads = new Heads(flows, txs, counters, scan, reader, this.messages, limits.line);
  }

  probe(direction: number, mem: Uint8Array, off: number, len: number, _serverPort: number): Likeness {
    return direction === 0 ? probeRequest(mem, off, len) : probeResponse(mem, off, len);
  }

  begin(): void {
    this.bodies.begin();
  }

  open(session: number): void {
    this.flows.clear(session);
  }

  close(session: number): void {
    this.dropReadings(session);
    for (let direction = 0; direction < 2; direction++) {
      const f = (2 * session + direction) * F.Words;
      this.heads.drop(f);
      this.bodies.release(f);
      this.bodies.truncate(f, this.flows.words[f + F.Tx] - 1);
    }
    this.flows.clear(session);
  }

  forget(session: number, tx: number): void {
    this.messages.forget(session, tx);
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const f = this.enter(session, direction);
    const { readings } = this;
    readings.begin();
    const parsed = this.take(f, mem, region, off, len);
    this.bodies.save(f, direction);
    if (direction === 0 && parsed === Parsed.Go) {
      let before = session;
      for (let row = readings.next(session); row >= 0; row = readings.next(before)) {
        // Others may begin within it, behind those there are.
        if (this.read(row, mem, region, readings.from(row, off), off + len)) before = row;
      }
    }
    return parsed;
  }

  gap(session: number, direction: number, length: number): Parsed {
    const f = this.enter(session, direction);
    const flow = this.flows.words;
    const state = flow[f + F.State];
    const side = 2 * session + direction;
    if (direction === 0) this.dropReadings(session);
    const tx = flow[f + F.Tx] - 1;
    if (state === FlowState.Tunnel && tx >= 0) this.held.cut(tx);
    if (state === FlowState.Tunnel || state === FlowState.Ended) return Parsed.Go;
    this.bodies.release(f);
    if (tx >= 0) this.bodies.gap(f, tx, direction, state, length);
    const inChunk = state === FlowState.Chunked && flow[f + F.Chunk] === ChunkPhase.Data;
    if (length > 0 && (state === FlowState.Length || inChunk) && length <= this.flows.left[side]) {
      this.flows.left[side] -= length;
      if (this.flows.left[side] === 0) {
        if (inChunk) flow[f + F.Chunk] = ChunkPhase.DataEnd;
        else this.messages.done(f, tx);
      }
      return Parsed.Go;
    }
    if (state === FlowState.UntilClose) return Parsed.Go;
    this.heads.drop(f);
    if (tx >= 0) this.messages.done(f, tx);
    flow[f + F.State] = FlowState.Resync;
    return Parsed.Go;
  }

  finish(session: number, direction: number): void {
    const f = this.enter(session, direction);
    const flow = this.flows.words;
    if (direction === 0) this.dropReadings(session);
    if (flow[f + F.State] === FlowState.Ended) return;
    if (flow[f + F.State] === FlowState.Head) this.heads.finish(f);
    const tx = flow[f + F.Tx] - 1;
    if (tx >= 0 && flow[f + F.State] !== FlowState.Tunnel) {
      if (flow[f + F.State] === FlowState.Length || flow[f + F.State] === FlowState.Chunked) this.bodies.truncate(f, tx);
      this.messages.done(f, tx);
    }
    this.heads.drop(f);
    flow[f + F.State] = FlowState.Ended;
    if (direction === 1) this.pairs.endAll(session);
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    this.view.select(tx, direction, buffers);
  }

  record(tx: number, writer: RecordWriter): void {
    this.view.record(tx, writer);
  }

  // The stream of one direction.

  private enter(session: number, direction: number): number {
    this.messages.mayChange = this.mayChange;
    this.direction = direction;
    return (2 * session + direction) * F.Words;
  }

  /** Goes on with a reading that is not the flow's own, as long as it may be one. False: it has ended. */
  private read(row: number, mem: Uint8Array, region: number, from: number, end: number): boolean {
    const f = 2 * row * F.Words;
    if (this.take(f, mem, region, from, end - from) !== Parsed.Go || this.readings.isSame(row)) {
      this.dropReading(row);
      return false;
    }
    this.bodies.save(f, 0);
    return true;
  }

  /** What follows the head that ends before mem[at] may be read in another way. */
  private part(f: number, mem: Uint8Array, at: number, end: number): void {
    const { messages } = this;
    const { other } = messages;
    messages.other = -1;
    if (other === 0 && at < end && probeRequest(mem, at, end - at) === Likeness.No) return;
    const row = this.readings.part((f / (2 * F.Words)) | 0, messages.doubts, at);
    if (row < 0) return;
    this.flows.words[2 * row * F.Words + F.State] = other > 0 ? FlowState.Length : FlowState.Head;
    this.flows.left[2 * row] = other;
  }

  private dropReadings(session: number): void {
    for (let row = this.readings.next(session); row >= 0; row = this.readings.next(session)) this.dropReading(row);
  }

  private dropReading(row: number): void {
    const f = 2 * row * F.Words;
    const tx = this.flows.words[f + F.Tx] - 1;
    this.heads.drop(f);
    if (tx >= 0) this.messages.done(f, tx);
    this.bodies.release(f);
    this.readings.drop(row);
  }

  private take(f: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const flow = this.flows.words;
    const end = off + len;
    let at = off;
    while (at < end) {
      switch (flow[f + F.State]) {
        case FlowState.Head: {
          if (this.direction === 0 && flow[f + F.PendingLen] === 0 && !this.mayBegin((f / (2 * F.Words)) | 0, mem, at, end))
            return Parsed.Failed;
          const parsed = this.heads.data(f, mem, region, at, end);
          if (parsed !== Parsed.Go) {
            this.taken = this.heads.consumed - off;
            return parsed;
          }
          at = this.heads.consumed;
          if (this.messages.other >= 0) this.part(f, mem, at, end);
          break;
        }
        case FlowState.Length:
          at = this.lengthBytes(f, mem, region, at, end);
          break;
        case FlowState.Chunked:
          at = this.messages.framing.chunks(this.flows, f, mem, region, at, end, this);
          break;
        case FlowState.UntilClose:
          this.bodies.data(f, this.direction, mem, region, at, end - at);
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
          if (flow[f + F.Tx] === 0) return Parsed.Go;
          if (this.held.has(flow[f + F.Tx] - 1) || !looksLikeRequest(mem, at, end)) {
            this.held.keep(flow[f + F.Tx] - 1, mem, at, end - at);
            return Parsed.Go;
          }
          // A server that makes no tunnels answers this before we see its refusal.
          this.messages.done(f, flow[f + F.Tx] - 1);
          break;
        default:
          return Parsed.Go;
      }
    }
    return Parsed.Go;
  }

  /** A reading goes on where a head may begin, unless the flow's own has come there. */
  private mayBegin(row: number, mem: Uint8Array, at: number, end: number): boolean {
    if (this.flows.owners[row] === 0) {
      this.readings.ownHead(at);
      return true;
    }
    return !this.readings.isOwnHead(at) && probeRequest(mem, at, end - at) !== Likeness.No;
  }

  private lengthBytes(f: number, mem: Uint8Array, region: number, at: number, end: number): number {
    const flow = this.flows.words;
    const side = (f / F.Words) | 0;
    const left = this.flows.left[side];
    if (left === 0) {
      // Only with a doubtful length.
      if (this.startsNext(mem, at)) this.messages.done(f, flow[f + F.Tx] - 1);
      else flow[f + F.State] = FlowState.UntilClose;
      return at;
    }
    const n = end - at < left ? end - at : left;
    this.bodies.data(f, this.direction, mem, region, at, n);
    this.flows.left[side] = left - n;
    if (n === left && (side & 1) === 0 && at + n < end && isNoRequest(mem, at + n, end))
      this.pairs.event(flow[f + F.Tx] - 1, HttpEvent.RequestBodyUnexpected);
    if (n === left && (flow[f + F.Flags] & FlowFlag.Soft) === 0) this.messages.done(f, flow[f + F.Tx] - 1);
    return at + n;
  }

  // Framing calls these.

  chunkData(f: number, mem: Uint8Array, region: number, off: number, len: number): void {
    this.bodies.data(f, this.direction, mem, region, off, len);
  }

  chunkLines(f: number, len: number): void {
    this.bodies.lines(f, this.direction, len);
  }

  chunkEnd(f: number): void {
    this.messages.done(f, this.flows.words[f + F.Tx] - 1);
  }

  chunkEvent(f: number, event: HttpEvent): void {
    this.pairs.event(this.flows.words[f + F.Tx] - 1, event);
  }

  private maybe(f: number, mem: Uint8Array, at: number): void {
    const flow = this.flows.words;
    const tx = flow[f + F.Tx] - 1;
    if (this.startsNext(mem, at)) {
      this.messages.done(f, tx);
      return;
    }
    this.pairs.event(tx, HttpEvent.ResponseBodyUnexpected);
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
      if (tx >= 0) this.messages.done(f, tx);
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
    return this.heads.reopen(f, bytes, line, len) === Parsed.Go ? at : end;
  }

  private resync(mem: Uint8Array, at: number, end: number): number {
    if (this.direction === 1) return isHttp(mem, at, end) ? at : -1;
    return probeRequest(mem, at, end - at) === Likeness.Yes ? at : -1;
  }
}

/** The first bytes behind a CONNECT that was not answered: of another request, or too few to tell. */
function looksLikeRequest(mem: Uint8Array, at: number, end: number): boolean {
  const likeness = probeRequest(mem, at, end - at);
  return likeness === Likeness.Yes || (likeness === Likeness.More && end - at < FEW_BYTES);
}

/** What comes with the end of a body begins no request: empty lines alone do not either. */
function isNoRequest(mem: Uint8Array, at: number, end: number): boolean {
  let p = at;
  while (p < end && isSpace(mem[p])) p++;
  return p === end || probeRequest(mem, p, end - p) === Likeness.No;
}
