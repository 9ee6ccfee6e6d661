import { Counter } from '../../metrics/counters.js';
import { Likeness, Parsed, PROBE_BYTES } from '../protocol.js';
import type { Transactions } from '../transactions.js';
import { isSpace } from './bytes.js';
import { HttpEvent } from './events.js';
import { F, FlowFlag, type FlowWords } from './flow.js';
import type { HeadReader } from './head.js';
import { LONGEST_HEAD } from './head-layout.js';
import { firstWord, type HeadScan, isHttp, Scan } from './head-scan.js';
import { probeRequest } from './probe.js';

/** Bytes that a head which began before is given first; then twice as many, and so on. */
const GATHER_STEP = 512;

/** Told of heads when they are whole: what they say is in the HeadReader. */
export interface HeadSink {
  request(f: number): Parsed;
  response(f: number): Parsed;
  /** A response without a head: its body. */
  noHead(f: number, mem: Uint8Array, region: number, off: number, len: number): Parsed;
}

/** Heads out of a stream: read in place when whole in the bytes at hand, else gathered in a piece of the heap. */
export class Heads {
  /** Up to where bytes were used, in the memory at hand. */
  consumed = 0;

  constructor(
    private readonly flows: FlowWords,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    private readonly scan: HeadScan,
    private readonly reader: HeadReader,
    private readonly sink: HeadSink,
    /** Bytes of a line beyond which it has an event (libhtp's meta-field-limit); it is read all the same. */
    private readonly mostLine = 18_432,
  ) {}

  /** Goes on with a head in mem[from, end). */
  data(f: number, mem: Uint8Array, region: number, from: number, end: number): Parsed {
    const had = this.flows.words[f + F.PendingLen];
    const side = (f / F.Words) | 0;
    let at = from;
    if (had > 0) return this.goOn(f, mem, at, end);
    // White space behind a response is none.
    if ((side & 1) === 1 && this.flows.due[side >> 1] === 0) {
      while (at < end && isSpace(mem[at])) at++;
      if (at === end) {
        this.consumed = end;
        return Parsed.Go;
      }
    }
    const parsed = this.head(f, mem, region, at, end - at, false);
    if (parsed !== Parsed.Go || this.consumed > 0) {
      this.consumed += at;
      return parsed;
    }
    // Not whole: kept, the scan stays where it is.
    this.consumed = end;
    return this.gather(f, mem, at, end);
  }

  /** The stream ends: what there is of a head is all. */
  finish(f: number): void {
    const flow = this.flows.words;
    if (flow[f + F.PendingLen] === 0) return;
    const { bytes, region } = this.txs.heap;
    this.head(f, bytes, region, flow[f + F.Pending] - 1, flow[f + F.PendingLen], true);
  }

  /** A first line (behind it CR LF) begins a head after all; what comes next belongs to it. */
  reopen(f: number, mem: Uint8Array, off: number, len: number): Parsed {
    const parsed = this.gather(f, mem, off, off + len + 2);
    if (parsed !== Parsed.Go) return parsed;
    const flow = this.flows.words;
    flow[f + F.ScanPos] = len + 2;
    flow[f + F.ScanLine] = len + 2;
    flow[f + F.ScanLines] = 1;
    flow[f + F.Flags] |= FlowFlag.Reopened;
    return parsed;
  }

  /** Nothing is pending any more. */
  drop(f: number): void {
    const flow = this.flows.words;
    if (flow[f + F.Pending] !== 0) this.txs.heap.give(flow[f + F.Pending] - 1, flow[f + F.PendingSize]);
    flow[f + F.Pending] = 0;
    flow[f + F.PendingSize] = 0;
    flow[f + F.PendingLen] = 0;
    this.rewind(f);
  }

  private rewind(f: number): void {
    const flow = this.flows.words;
    flow[f + F.ScanPos] = 0;
    flow[f + F.ScanLine] = 0;
    flow[f + F.ScanLines] = 0;
    flow[f + F.ScanLfcr] = 0;
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
        this.drop(f);
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

  /** Looks for the head's end in mem[at, at + len), of which the scan saw a part; `consumed` is set to the head's length, 0: not whole. */
  private head(f: number, mem: Uint8Array, region: number, at: number, len: number, final: boolean): Parsed {
    const flow = this.flows.words;
    const { scan } = this;
    const direction = ((f / F.Words) | 0) & 1;
    const end = at + len;
    scan.pos = at + flow[f + F.ScanPos];
    scan.lineAt = at + flow[f + F.ScanLine];
    scan.lines = flow[f + F.ScanLines];
    scan.lfcr = flow[f + F.ScanLfcr];
    scan.goesOn = (flow[f + F.Flags] & FlowFlag.Reopened) !== 0;
    const resumed = flow[f + F.ScanPos] > 0;
    let found = direction === 0 ? scan.request(mem, end, final) : scan.response(mem, end, final);
    const tooLong = found === Scan.More && scan.pos - at > LONGEST_HEAD;
    this.consumed = 0;
    if (found === Scan.More && !tooLong && !final) {
      flow[f + F.ScanPos] = scan.pos - at;
      flow[f + F.ScanLine] = scan.lineAt - at;
      flow[f + F.ScanLines] = scan.lines;
      flow[f + F.ScanLfcr] = scan.lfcr;
      return Parsed.Go;
    }
    if (found === Scan.More && direction === 1 && scan.lines === 0 && !isHttp(mem, firstWord(mem, at, end), end)) found = Scan.NoHead;
    if (found === Scan.NoHead) {
      const parsed = this.sink.noHead(f, mem, flow[f + F.PendingLen] > 0 ? -1 : region, at, len);
      if (parsed === Parsed.Go) this.consumed = len;
      return parsed;
    }
    if (resumed) {
      // The lines of before are not known any more.
      scan.begin(at);
      found = direction === 0 ? scan.request(mem, end, final) : scan.response(mem, end, final);
    }
    if (found < 0) {
      // A line without an end, and none of a request: a source of sound, a tunnel.
      if (tooLong && direction === 0 && scan.lines === 0 && probeRequest(mem, at, PROBE_BYTES) === Likeness.No) return Parsed.Done;
      scan.cut(end);
      found = end;
      if (scan.lines === 0) return tooLong ? Parsed.Failed : Parsed.Go;
    }
    this.rewind(f);
    this.consumed = found - at;
    this.reader.read(direction, mem);
    if (tooLong || (this.consumed > this.mostLine && scan.longest() > this.mostLine))
      this.reader.event(direction === 0 ? HttpEvent.RequestFieldTooLong : HttpEvent.ResponseFieldTooLong);
    const parsed = direction === 0 ? this.sink.request(f) : this.sink.response(f);
    return tooLong ? Parsed.Failed : parsed;
  }
}
