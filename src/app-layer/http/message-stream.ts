import type { HeldBytes } from '../held-bytes.js';
import { Likeness, Parsed } from '../protocol.js';
import { type Transactions, Tx } from '../transactions.js';
import type { Bodies } from './bodies.js';
import { isSpace } from './bytes.js';
import { HttpEvent } from './events.js';
import { F, FlowFlag, FlowState, type FlowWords, Own } from './flow.js';
import type { ChunkSink } from './framing.js';
import { Head, Part } from './head-layout.js';
import { isHttp } from './head-scan.js';
import type { Heads } from './heads.js';
import type { Messages } from './messages.js';
import type { Pairs } from './pairs.js';
import { probeRequest, startsRequest } from './probe.js';
import type { Readings } from './readings.js';
import type { HttpView } from './view.js';

/** Less than most methods with their blank. */
const FEW_BYTES = 8;

/** The stream of one direction, or of another reading of it (readings.ts): from head to body to the next head. Of one thread. */
export class MessageStream implements ChunkSink {
  /** Of the call at hand. */
  direction = 0;
  /** Bytes of the piece that are HTTP, when take has not answered Go. */
  taken = 0;

  constructor(
    private readonly flows: FlowWords,
    private readonly txs: Transactions,
    private readonly heads: Heads,
    private readonly messages: Messages,
    private readonly bodies: Bodies,
    private readonly pairs: Pairs,
    private readonly readings: Readings,
    private readonly view: HttpView,
    private readonly held: HeldBytes,
  ) {}

  /** The next bytes of the row of FlowWords that begins at `f`. */
  take(f: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const flow = this.flows.words;
    const end = off + len;
    let at = off;
    while (at < end) {
      switch (flow[f + F.State]) {
        case FlowState.Head: {
          if (this.direction === 0 && flow[f + F.PendingLen] === 0 && !this.mayBegin((f / (2 * F.Words)) | 0, mem, at, end))
            return Parsed.Failed;
          // Left by a head that nothing followed, be it another flow's.
          this.messages.other = -1;
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
