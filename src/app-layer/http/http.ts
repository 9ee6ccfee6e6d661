import { AppProto, type Buffers } from '../buffers.js';
import { Files } from '../files/files.js';
import { HeldBytes } from '../held-bytes.js';
import { type Likeness, Parsed, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import type { Sessions } from '../sessions.js';
import { type Transactions, Tx } from '../transactions.js';
import { Bodies, type HttpLimits } from './bodies.js';
import { BodyBytes } from './body.js';
import { BodyFiles } from './body-files.js';
import { ChunkPhase, F, FlowState, FlowWords, Own } from './flow.js';
import { HeadReader } from './head.js';
import { HeadScan } from './head-scan.js';
import { Heads } from './heads.js';
import { MessageStream } from './message-stream.js';
import { Messages } from './messages.js';
import { Pairs } from './pairs.js';
import { probeRequest, probeResponse } from './probe.js';
import { Readings } from './readings.js';
import { HttpView } from './view.js';

export type { HttpLimits } from './bodies.js';

/** Transactions of a flow that are kept from packet to packet: as Suricata's. */
const MOST_TXS = 512;

/**
 * HTTP/0.9 to 1.1 (RFC 9110, 9112), both directions; see README.md. Here: the life of a flow, and of its readings.
 *
 *   bytes ─► MessageStream ─┬─ Heads ─► Messages: begin and end ─► Pairs: their transactions
 *                           └─ body ─► Framing: chunks off ─► Bodies ─► BodyBytes, BodyFiles
 */
export class HttpProtocol implements Protocol {
  readonly proto = AppProto.Http;
  readonly mostTransactions: number;
  private readonly flows: FlowWords;
  private readonly heads: Heads;
  private readonly messages: Messages;
  private readonly pairs: Pairs;
  private readonly bodies: Bodies;
  private readonly view: HttpView;
  private readonly readings: Readings;
  private readonly stream: MessageStream;
  /** Of Protocol. */
  readonly held: HeldBytes;
  taken = 0;
  mayChange = true;

  constructor(
    sessions: Sessions,
    txs: Transactions,
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
    const { heads, messages, bodies, pairs, readings, view, held } = this;
    this.stream = new MessageStream(flows, txs, heads, messages, bodies, pairs, readings, view, held);
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
    const parsed = this.stream.take(f, mem, region, off, len);
    this.taken = this.stream.taken;
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

  private enter(session: number, direction: number): number {
    this.messages.mayChange = this.mayChange;
    this.stream.direction = direction;
    return (2 * session + direction) * F.Words;
  }

  /** Goes on with a reading that is not the flow's own, as long as it may be one. False: it has ended. */
  private read(row: number, mem: Uint8Array, region: number, from: number, end: number): boolean {
    const f = 2 * row * F.Words;
    if (this.stream.take(f, mem, region, from, end - from) !== Parsed.Go || this.readings.isSame(row)) {
      this.dropReading(row);
      return false;
    }
    this.bodies.save(f, 0);
    return true;
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
}
