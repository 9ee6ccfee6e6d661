/**
 * Rules on payload against the stream: what a packet delivered, together with the window before it.
 *
 *   window     | older ............ | new ...... |
 *                        | seam         |             a packet's own bytes: the packet was scanned already, only what lies across is not
 *                        | seam + all that is new |   bytes that were held, or waited for their acknowledgement
 *
 * A candidate is a rule whose literal lies there, one that waits (StreamRules), or one without a literal. What it is tried on is the
 * window, from where the rule matched last.
 */
import type { Packet } from '../decode/packet.js';
import { Counter } from '../metrics/counters.js';
import { Line } from '../stream/reassembly/layout.js';
import type { Windows } from '../stream/reassembly/windows.js';
import type { Detector } from './detector.js';
import type { Flows } from './flows.js';
import { ProtoClass } from './plan.js';
import { NOT_MATCHED, type StreamRules } from './stream-rules.js';
import { mayCross, SEAM_BYTES } from './stream-seams.js';
import { StreamTrait } from './stream-traits.js';

export class StreamDetector {
  /** The window is older than the rules: what they would have found in it before is not found now. */
  private isRenewed = false;

  constructor(
    private readonly detector: Detector,
    private readonly rules: StreamRules,
    private readonly windows: Windows,
    private readonly counters: Float64Array,
  ) {}

  /** Whether some rule could match bytes of the packet's direction of its flow. */
  wants(p: Packet): boolean {
    const group = this.detector.groups[(ProtoClass.Tcp << 1) | (p.direction & 1)];
    if (group.stream !== null || (group.longest > 0 && group.payload!.wants(p, MANY))) return true;
    return group.mixed && (group.watches === null || group.watches.opens(p));
  }

  /**
   * Number of candidates for what the window shows now; `end`: the number behind its last byte. `p`: a packet of the direction, or one
   * like it. `scanned`: what is new was scanned as the packet's payload; `parted`: it is a part of what came in one.
   */
  collect(p: Packet, line: number, end: number, scanned: boolean, parted: boolean): number {
    const { detector, rules, windows } = this;
    const { from, fresh, to } = windows;
    const group = detector.groups[(ProtoClass.Tcp << 1) | (p.direction & 1)];
    const out = detector.candidates;
    this.isRenewed = windows.takeStale(line * Line.Words);
    let n = 0;
    if (group.longest > 0) {
      const reach = group.longest - 1;
      const all = rules.takeRescan(line) || this.isRenewed;
      const first = all || fresh - from < reach ? from : fresh - reach;
      let last = to;
      if (!all && scanned) last = first === fresh || !this.crosses(group.seams!) ? fresh : to - fresh > reach ? fresh + reach : to;
      else if (!all && !parted) last = fresh + rules.arrivals.unknown(line, (end - (to - fresh)) | 0, end);
      if (last > fresh && group.payload!.wants(p, last - first)) {
        this.counters[Counter.PrefilterScans]++;
        n = detector.distinct(group.payload!.collect(p, windows.bytes, windows.region, first, last - first, out, n));
      }
    }
    if (group.stream !== null) n = detector.distinct(group.stream.collect(p, out, n));
    // Most are rules on packets, or on the stream's beginning.
    const { stream } = detector;
    const not = windows.begins === 1 ? 0 : StreamTrait.Anchored;
    let kept = 0;
    for (let i = 0; i < n; i++) if (stream[out[i]] !== 0 && (stream[out[i]] & not) === 0) out[kept++] = out[i];
    if (rules.isEmpty(line)) return kept;
    for (let i = 0; i < kept; i++) rules.seen(line, out[i], end);
    return rules.collect(line, (end - (to - from)) | 0, end, out, kept);
  }

  /** A listener's packet of the direction, its bytes from number `seq` on, is being scanned; see StreamArrivals. */
  arrive(p: Packet, line: number, seq: number, isStart: boolean): void {
    const { longest, seams } = this.detector.groups[(ProtoClass.Tcp << 1) | (p.direction & 1)];
    if (longest > 0) this.rules.arrivals.add(line, seq, p.mem, p.payloadOff, p.payloadLen, isStart, seams!, longest - 1);
    this.rules.arrive();
  }

  /** Whether a literal may lie across the beginning of what is new. */
  private crosses(seams: Uint32Array): boolean {
    const { from, fresh, to, bytes } = this.windows;
    if (fresh - from < SEAM_BYTES || to - fresh < SEAM_BYTES) return true;
    const before = (bytes[fresh - 3] << 16) | (bytes[fresh - 2] << 8) | bytes[fresh - 1];
    return mayCross(seams, before, (bytes[fresh] << 16) | (bytes[fresh + 1] << 8) | bytes[fresh + 2]);
  }

  /** The number from which a rule looks that is tried on an older window for the first time. */
  private renewed(p: Packet, line: number, rank: number, start: number): number {
    const { detector, rules, windows } = this;
    const { from, fresh } = windows;
    p.payloadOff = from;
    p.payloadLen = fresh - from;
    if (fresh > from && detector.precheck.passes(rank, p) && detector.run(rank, p) !== 0)
      rules.match(line, rank, (start + fresh - from) | 0);
    return rules.from(line, rank);
  }

  /** Number of rules that match, of the n candidates: see Detector.matches. `p` becomes a packet with the window as its payload. */
  evaluate(p: Packet, flows: Flows, line: number, end: number, n: number): number {
    const { detector, rules, windows } = this;
    const { candidates, precheck, stream } = detector;
    const { from, to, begins } = windows;
    const start = (end - (to - from)) | 0;
    p.mem = windows.bytes;
    p.region = windows.region;
    detector.beginRules(p, flows, n);
    let previous = -1;
    for (let i = 0; i < n; i++) {
      const rank = candidates[i];
      const traits = stream[rank];
      if (rank === previous) continue;
      previous = rank;
      const since = this.isRenewed ? this.renewed(p, line, rank, start) : rules.from(line, rank);
      let skip = 0;
      if (since !== NOT_MATCHED) {
        skip = (since - start) | 0;
        if (skip < 0) skip = 0;
        if (from + skip >= to) continue;
      }
      if ((traits & StreamTrait.Anchored) !== 0 && (begins === 0 || skip > 0)) continue;
      p.payloadOff = from + skip;
      p.payloadLen = to - from - skip;
      if (!precheck.passes(rank, p)) {
        if ((traits & StreamTrait.Waits) !== 0 && precheck.mayPass(rank, p)) rules.wait(line, rank, end);
        continue;
      }
      if (detector.run(rank, p) === 0) {
        if ((traits & StreamTrait.Waits) !== 0) rules.wait(line, rank, end);
        continue;
      }
      rules.match(line, rank, end);
      if (detector.accept(rank, p, flows)) break;
    }
    p.payloadOff = from;
    p.payloadLen = to - from;
    return detector.endRules();
  }
}

/** As many bytes as a stream may have. */
const MANY = 0x7fffffff;
