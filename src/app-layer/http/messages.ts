import { Counter } from '../../metrics/counters.js';
import type { HeldBytes } from '../held-bytes.js';
import { Parsed } from '../protocol.js';
import { type Transactions, Tx } from '../transactions.js';
import type { Bodies } from './bodies.js';
import type { BodyBytes } from './body.js';
import { HttpEvent } from './events.js';
import { ChunkPhase, F, FlowFlag, FlowState, type FlowWords, Own } from './flow.js';
import { Framing, FramingKind, Method } from './framing.js';
import type { HeadReader } from './head.js';
import { HeadKeeper } from './head-keep.js';
import type { HeadScan } from './head-scan.js';
import type { HeadSink } from './heads.js';
import { HttpState, type Pairs } from './pairs.js';
import type { HttpView } from './view.js';

/** Requests of HTTP/0.9 that are read of a flow. */
const MOST_OLD = 256;

/** Messages begin with heads, and end: what each means for its transaction, and what comes behind it (FlowState). */
export class Messages implements HeadSink {
  readonly framing: Framing;
  private readonly keeper: HeadKeeper;
  /** Another protocol may follow in the packet at hand. */
  mayChange = true;
  /** Behind the request at hand: bytes of the body in the reading of those who see `doubts`; -1: there is no other. To be reset. */
  other = -1;
  doubts = 0;

  constructor(
    private readonly flows: FlowWords,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    private readonly scan: HeadScan,
    private readonly reader: HeadReader,
    private readonly pairs: Pairs,
    private readonly body: BodyBytes,
    private readonly bodies: Bodies,
    private readonly view: HttpView,
    private readonly held: HeldBytes,
  ) {
    this.framing = new Framing(reader);
    this.keeper = new HeadKeeper(reader, txs);
  }

  request(f: number): Parsed {
    const flow = this.flows.words;
    const { pairs, reader } = this;
    const row = sessionOf(f);
    const session = this.flows.owner(row);
    this.other = -1;
    if (row !== session && !reader.isRequest()) return Parsed.Failed;
    let tx = flow[f + F.Tx] - 1;
    if ((flow[f + F.Flags] & FlowFlag.Reopened) === 0 || tx < 0) {
      tx = this.openTx(session);
      if (tx < 0) return Parsed.Failed;
      if (row === session) pairs.asked(session, tx);
      else pairs.read(tx);
    }
    flow[f + F.Tx] = tx + 1;
    flow[f + F.Flags] = 0;
    this.keepHead(tx, 0);
    if (reader.old && !this.scan.goesOn) {
      flow[f + F.State] = FlowState.Old;
      // One ends a connection: what is behind so many no server reads.
      if (++flow[f + F.Olds] >= MOST_OLD) {
        this.done(f, tx);
        flow[f + F.State] = FlowState.Ended;
      }
      return Parsed.Go;
    }
    if (reader.old) this.pairs.event(tx, HttpEvent.RequestLineMissingProtocol);
    return this.beginBody(f, tx, this.requestFraming(row, row !== session));
  }

  /** As the reading has it; what another one of the same head would begin with is in `other`. */
  private requestFraming(row: number, isReading: boolean): FramingKind {
    const { framing } = this;
    const kind = framing.request();
    if (isReading && kind === FramingKind.Tunnel) return FramingKind.None;
    if (framing.other < 0) return kind;
    const doubts = this.flows.doubts[row];
    if ((doubts & framing.doubt) !== 0) return framing.otherwise();
    this.doubts = doubts | framing.doubt;
    this.other = framing.other;
    return kind;
  }

  response(f: number): Parsed {
    const flow = this.flows.words;
    const { pairs, reader } = this;
    const session = sessionOf(f);
    let tx = pairs.due(session);
    const kind = this.framing.response(tx >= 0 ? this.view.method(tx) : 0);
    if (kind === FramingKind.Interim) {
      if (tx >= 0 && (flow[f + F.Flags] & FlowFlag.Continued) !== 0) this.pairs.event(tx, HttpEvent.ContinueAlreadySeen);
      flow[f + F.Flags] |= FlowFlag.Continued;
      return Parsed.Go;
    }
    if (tx < 0) tx = this.unmatched(sessionOf(f));
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
      this.pairs.setDone(tx, 0);
    }
    if (kind === FramingKind.None && this.view.method(tx) === Method.Connect && reader.status >= 200 && reader.status < 300) {
      // Requests that came behind the CONNECT were read as such: a tunnel all the same.
      this.handOver(f, tx);
      return Parsed.Changed;
    }
    if (kind === FramingKind.Upgrade) {
      if (!this.mayChange) {
        this.pairs.event(tx, HttpEvent.FailedProtocolChange);
        // It is the request's too.
        this.pairs.moment(tx, 0);
        return this.beginBody(f, tx, FramingKind.UntilClose);
      }
      this.handOver(f, tx);
      return Parsed.Changed;
    }
    return this.beginBody(f, tx, kind);
  }

  /** A response without a head. */
  noHead(f: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const flow = this.flows.words;
    let tx = this.pairs.due(sessionOf(f));
    if (tx < 0) tx = this.unmatched(sessionOf(f));
    if (tx < 0) return Parsed.Failed;
    flow[f + F.Tx] = tx + 1;
    flow[f + F.Flags] = 0;
    flow[f + F.State] = FlowState.UntilClose;
    this.flows.seen[(f / F.Words) | 0] = 0;
    this.pairs.setState(tx, 1, HttpState.Body);
    this.bodies.data(f, 1, mem, region, off, len);
    return Parsed.Go;
  }

  /** Another protocol follows: the transaction is complete both ways. */
  private handOver(f: number, tx: number): void {
    this.done(f, tx);
    this.forget(sessionOf(f), tx);
    this.pairs.setDone(tx, 0);
  }

  private keepHead(tx: number, direction: number): void {
    const { reader, txs } = this;
    const at = tx * Tx.Words + Tx.Parser;
    txs.words[at + Own.Head + direction] = this.keeper.keep(tx, this.body.packet);
    if (txs.words[at + Own.Head + direction] === 0) this.counters[Counter.AppNoRoom]++;
    for (let i = 0; i < reader.eventCount; i++) this.pairs.event(tx, reader.events[i]);
    this.pairs.setState(tx, direction, HttpState.Head);
    this.pairs.moment(tx, direction);
  }

  private beginBody(f: number, tx: number, kind: FramingKind): Parsed {
    const flow = this.flows.words;
    const side = (f / F.Words) | 0;
    const { framing } = this;
    for (let i = 0; i < framing.eventCount; i++) this.pairs.event(tx, framing.events[i]);
    if (kind === FramingKind.None) {
      this.done(f, tx);
      return Parsed.Go;
    }
    if (kind === FramingKind.Tunnel) {
      flow[f + F.State] = FlowState.Tunnel;
      return Parsed.Go;
    }
    this.pairs.setState(tx, side & 1, HttpState.Body);
    this.flows.left[side] = framing.length;
    this.flows.size[side] = 0;
    flow[f + F.Chunk] = ChunkPhase.Size;
    flow[f + F.Digits] = 0;
    flow[f + F.Flags] = FlowFlag.FirstChunk | (framing.soft ? FlowFlag.Soft : 0);
    this.bodies.start(f, tx, this.reader);
    const state = kind === FramingKind.Length ? FlowState.Length : kind === FramingKind.Chunked ? FlowState.Chunked : FlowState.UntilClose;
    flow[f + F.State] = state;
    if (framing.maybe) flow[f + F.State] = FlowState.Maybe;
    // What it is to be once bytes come.
    flow[f + F.Digits] = framing.maybe ? state : 0;
    return Parsed.Go;
  }

  /** -1: no room. */
  private openTx(session: number): number {
    const { pairs } = this;
    const oldest = pairs.excess(session);
    if (oldest >= 0) {
      this.forget(session, oldest);
      pairs.setDone(oldest, 0);
      pairs.setDone(oldest, 1);
      pairs.moment(oldest, 1);
    }
    const tx = pairs.open(session);
    if (tx >= 0) this.bodies.clear(tx);
    return tx;
  }

  /** A transaction for a response that nobody asked for; -1: no room. */
  private unmatched(session: number): number {
    const tx = this.openTx(session);
    if (tx < 0) return -1;
    this.pairs.unasked(session, tx);
    this.pairs.event(tx, HttpEvent.UnmatchedResponse);
    return tx;
  }

  /** The message of this direction is complete. */
  done(f: number, tx: number): void {
    const flow = this.flows.words;
    const direction = ((f / F.Words) | 0) & 1;
    flow[f + F.State] = FlowState.Head;
    if (tx >= 0) {
      this.bodies.done(f, tx);
      this.pairs.setDone(tx, direction);
      this.pairs.moment(tx, direction);
      if (direction === 1) this.pairs.answered(sessionOf(f), tx);
    }
    this.bodies.release(f);
    flow[f + F.Tx] = 0;
    flow[f + F.Flags] = 0;
  }

  /** The transaction has ended, whatever of it may come. */
  forget(session: number, tx: number): void {
    const { words, nextReading } = this.flows;
    for (let row = session; row >= 0; row = nextReading[row] - 1) {
      for (let f = 2 * row * F.Words; f < 2 * (row + 1) * F.Words; f += F.Words) {
        if (words[f + F.Tx] !== tx + 1) continue;
        this.bodies.truncate(f, tx);
        words[f + F.Tx] = 0;
        this.bodies.release(f);
      }
    }
    if (this.pairs.due(session) === tx) this.pairs.answered(session, tx);
  }
}

function sessionOf(f: number): number {
  return (f / (2 * F.Words)) | 0;
}
