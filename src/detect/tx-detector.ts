/**
 * Rules on transactions: on what a packet brings to one, in one direction.
 *
 *   transaction ─ app-layer protocol, direction ─► group ─┬─ buffers                 Prefilter.collect of each that is fresh
 *                                                         ├─ payload                 the same of the packet, and of the stream's window
 *                                                         ├─ rules without literal   RuleIndex.collect
 *                                                         ├─ rules on events         the same, if it has any
 *                                                         └─ rules that wait         TxRules.collect
 *            candidates (ranks), sorted ─► matcher of each ─► threshold ─► Detector.matches
 */
import { AppProto, type Buffers } from '../app-layer/buffers.js';
import type { Files } from '../app-layer/files/files.js';
import { Tx } from '../app-layer/transactions.js';
import type { Packet } from '../decode/packet.js';
import { Counter } from '../metrics/counters.js';
import { Mode } from '../ring/verdict.js';
import type { Windows } from '../stream/reassembly/windows.js';
import type { Detector } from './detector.js';
import type { Flows } from './flows.js';
import { MAX_LITERAL } from './literal.js';
import type { Prepared, TransactionGroup } from './prepare.js';
import { MixedTrait } from './stream-traits.js';
import { Known, type TxRules } from './tx-rules.js';

/** Bytes before what is new in which a literal that ends there may begin. */
const MOST_SEAM = MAX_LITERAL - 1;

export class TxDetector {
  private readonly groups: (TransactionGroup | null)[];
  /** See RankColumns. */
  private readonly waits: Uint8Array;
  private readonly sided: Uint8Array;
  private readonly mixed: Uint8Array;
  /** Of the transaction at hand: its stream's window; null: there is none, or no rule of the group asks. */
  private window: Windows | null = null;
  private isWindowNew = false;
  private eventsOnly = false;
  private unasked = 0;

  constructor(
    private readonly detector: Detector,
    prepared: Prepared,
    private readonly counters: Float64Array,
  ) {
    this.groups = prepared.transactions;
    this.waits = prepared.columns.waits;
    this.sided = prepared.columns.sided;
    this.mixed = prepared.columns.mixed;
  }

  /** The transaction that inspect() will be asked about: its number, the words of all, its first event word (-1: none). */
  about(tx: number, words: Int32Array, eventWord: number, files: Files | null = null): void {
    const { inspection } = this.detector;
    this.window = null;
    this.eventsOnly = false;
    inspection.files = files;
    inspection.tx = tx;
    inspection.txWords = words;
    inspection.events0 = eventWord < 0 ? 0 : words[tx * Tx.Words + eventWord];
    inspection.events1 = eventWord < 0 ? 0 : words[tx * Tx.Words + eventWord + 1];
  }

  /** Behind about(): nothing is new but events. */
  aboutEvents(): void {
    this.eventsOnly = true;
  }

  /** Whether rules on transactions of a protocol and direction have payload tests that look at the stream. */
  looksAtStreams(app: number, direction: number): boolean {
    return this.groups[(app << 1) | (direction & 1)]?.mixed === true;
  }

  /**
   * Behind about(): what the window shows is the stream of the transaction's direction. `all`: they are tried on all of it, else
   * literals are looked for in what is fresh; `unasked`: how many bytes that is.
   */
  beside(window: Windows, all: boolean, unasked: number): void {
    this.window = window;
    this.isWindowNew = all;
    this.unasked = unasked;
  }

  /**
   * Number of rules on application layer buffers that match a transaction of protocol p.appProto, whose bytes
   * went in p.direction. `p` is the packet that brought them: headers, payload and flow are tested on it.
   *
   * With `known`, which remembers rules from one moment of transaction `tx` to the next, only what is fresh is scanned; `complete`:
   * nothing more of that direction is to come.
   */
  inspect(p: Packet, flows: Flows, buffers: Buffers, known: TxRules | null = null, tx = -1, complete = true): number {
    const { detector, counters } = this;
    const { inspection } = detector;
    inspection.replacements.count = 0;
    const app = p.appProto;
    const group = app >= 0 && app < AppProto.Count ? this.groups[(app << 1) | (p.direction & 1)] : null;
    if (group === null) return 0;
    const out = detector.candidates;
    if (this.eventsOnly) {
      const count = group.events === null ? 0 : detector.distinct(group.events.collect(p, out, 0));
      inspection.buffers = buffers;
      inspection.complete = complete ? 1 : 0;
      return count === 0 ? 0 : this.evaluate(p, flows, count, known, tx);
    }
    const { ids } = group;
    const all = known === null || known.rescans(tx);
    let n = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (buffers.len[id] < 0 || (!all && buffers.fresh[id] === 0)) continue;
      const prefilter = group.buffers[i];
      for (let at = id; at >= 0; at = buffers.next[at]) {
        const length = buffers.len[at];
        if (!prefilter.wants(p, length)) continue;
        counters[Counter.PrefilterScans]++;
        n = detector.distinct(prefilter.collect(p, buffers.mem[at], buffers.region[at], buffers.off[at], length, out, n));
      }
    }
    const { window } = this;
    if (window !== null && group.payload !== null) {
      const { from, fresh, to } = window;
      const first = all || this.isWindowNew || fresh - from < MOST_SEAM ? from : fresh - MOST_SEAM;
      if (group.payload.wants(p, to - first)) {
        counters[Counter.PrefilterScans]++;
        n = detector.distinct(group.payload.collect(p, window.bytes, window.region, first, to - first, out, n));
      }
    }
    // Inline a packet that is in order is part of the window.
    if ((window === null || p.mode !== Mode.Ips || p.payloadLen > this.unasked) && group.payload?.wants(p, p.payloadLen)) {
      counters[Counter.PrefilterScans]++;
      n = detector.distinct(group.payload.collect(p, p.mem, p.region, p.payloadOff, p.payloadLen, out, n));
    }
    if (group.header !== null) n = detector.distinct(group.header.collect(p, out, n));
    if (group.events !== null && (inspection.events0 | inspection.events1) !== 0) n = detector.distinct(group.events.collect(p, out, n));
    if (known !== null && !known.isEmpty(tx)) n = known.collect(tx, p.direction, out, n);
    if (n === 0) return 0;
    inspection.buffers = buffers;
    inspection.complete = complete ? 1 : 0;
    return this.evaluate(p, flows, n, known, tx);
  }

  private evaluate(p: Packet, flows: Flows, n: number, known: TxRules | null, tx: number): number {
    const { detector, window, mixed } = this;
    const { candidates, precheck } = detector;
    const more = known !== null && detector.inspection.complete === 0;
    const asks = known !== null && !known.isEmpty(tx);
    let previous = -1;
    detector.beginRules(p, flows, n);
    for (let i = 0; i < n; i++) {
      const rank = candidates[i];
      if (rank === previous) continue;
      previous = rank;
      const looksAtStream = window !== null && mixed[rank] !== 0;
      if (!looksAtStream && !precheck.passes(rank, p)) {
        // What another packet of the transaction may have: the buffers it was found by are not scanned again.
        if (more && precheck.mayPass(rank, p) && known.known(tx, p.direction, rank) === Known.Nothing)
          known.remember(tx, p.direction, rank, 0);
        continue;
      }
      const before = asks ? known.known(tx, p.direction, rank) : Known.Nothing;
      if (before === Known.Matched) continue;
      if ((looksAtStream ? this.runOnStream(rank, p) : detector.run(rank, p)) === 0) {
        if (more && before === Known.Nothing && this.waits[rank] === 1 && (!looksAtStream || precheck.mayPass(rank, p)))
          known.remember(tx, p.direction, rank, 0);
        continue;
      }
      if (this.sided[rank] === 1) {
        if (known === null) continue;
        known.remember(tx, p.direction, rank, 1);
        if (known.known(tx, 1 - p.direction, rank) !== Known.Matched) continue;
      } else if (more && this.waits[rank] !== 2) known.remember(tx, p.direction, rank, 1);
      if (detector.accept(rank, p, flows)) break;
    }
    return detector.endRules();
  }

  /**
   * 1: the rule matches, whose payload tests look at the stream: at the window, and at the packet when that has more, or
   * when places are counted from its beginning.
   */
  private runOnStream(rank: number, p: Packet): number {
    const { detector } = this;
    const { precheck } = detector;
    const { bytes, region, from, to, begins } = this.window!;
    const anchored = (this.mixed[rank] & MixedTrait.Anchored) !== 0;
    if ((anchored || p.payloadLen > to - from) && precheck.passes(rank, p) && detector.run(rank, p) !== 0) return 1;
    if (anchored && begins === 0) return 0;
    const { mem, region: own, payloadOff, payloadLen } = p;
    p.mem = bytes;
    p.region = region;
    p.payloadOff = from;
    p.payloadLen = to - from;
    const matched = precheck.passes(rank, p) ? detector.run(rank, p) : 0;
    p.mem = mem;
    p.region = own;
    p.payloadOff = payloadOff;
    p.payloadLen = payloadLen;
    return matched;
  }
}
