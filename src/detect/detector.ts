/**
 * Rules against one packet: prefilter and header indexes give candidates, compiled matchers decide.
 *
 *   packet ─ protocol class, direction ─► group ─┬─ header rules   RuleIndex.collect
 *                                                ├─ IP-only rules  RuleIndex.collect, once per flow and direction
 *                                                └─ payload        Prefilter.collect (one scan)
 *            candidates (ranks), sorted ─► matcher of each ─► threshold ─► matches, in action order
 *
 *   transaction ─ app-layer protocol, direction ─► group ─┬─ buffers, payload   Prefilter.collect of each
 *                                                         └─ rules without literal   RuleIndex.collect
 *            candidates as above; these are the rules on buffers, which the packet path never looks at
 *
 * Nothing here allocates per packet, save the first time a rule is a candidate: then it is compiled.
 */
import { AppProto, type Buffers } from '../app-layer/buffers.js';
import type { Files, FileWants } from '../app-layer/files/files.js';
import { Tx } from '../app-layer/transactions.js';
import type { Packet } from '../decode/packet.js';
import { FlowFlag } from '../flow/codes.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import { Mode } from '../ring/verdict.js';
import type { PcreOption } from '../rules/byte-option.js';
import type { Rule } from '../rules/rule.js';
import type { Windows } from '../stream/reassembly/windows.js';
import { Databases } from './databases.js';
import type { EventIndex } from './event-index.js';
import type { Flows } from './flows.js';
import { MAX_LITERAL } from './literal.js';
import type { AddressCache, Matcher } from './matcher.js';
import { compileMatcher } from './matcher.js';
import { PROTO_CLASS, ProtoClass } from './plan.js';
import { Precheck } from './precheck.js';
import { type Group, type Prepared, prefiltersOf, prepareRules, type TransactionGroup } from './prepare.js';
import { type RuleCost, RuleCosts } from './rule-costs.js';
import { Inspection } from './search.js';
import { Effects } from './state/effects.js';
import { StateStore } from './state/store.js';
import { MOST_STREAM_WAITING, type StreamRules } from './stream-rules.js';
import { MixedTrait, StreamTrait } from './stream-traits.js';
import { NewAction, Outcome, Thresholds } from './threshold.js';
import { Known, MOST_REMEMBERED, type TxRules } from './tx-rules.js';

export interface DetectorOptions {
  /** Config.pcre. */
  pcreMatchLimit: number;
  pcreDepthLimit: number;
  /** Config.thresholdEntries. */
  thresholdEntries: number;
  /** Measure what each rule costs: see RuleCosts. */
  profile?: boolean;
  /** Config.actionOrder. */
  actionOrder?: readonly string[];
}

/** Steps of payload inspection one rule may take (Suricata's inspection-recursion-limit), and all rules of a packet or transaction. */
export const RULE_BUDGET = 3000;
export const PACKET_BUDGET = 10 * RULE_BUDGET;
/** Bytes before what is new in which a literal that ends there may begin. */
const MOST_SEAM = MAX_LITERAL - 1;

/** A rule that cannot run: it never matches. */
export interface BrokenRule {
  /** Index in the rules given. */
  index: number;
  reason: string;
}

export class Detector {
  /**
   * After inspect() or inspectTransaction() returned n: the first n are the rules that matched (indexes in the rules given), in action
   * order (pass, drop, reject, alert), then priority, then order of the rules. A pass rule stands alone.
   */
  readonly matches: Int32Array;
  /** Rank beside a match: matches of several calls are put into one order by it. */
  readonly ranks: Int32Array;
  /** 1 beside a match: its action applies, but it makes no alert (threshold, noalert). */
  readonly silent: Uint8Array;
  /** NewAction beside a match: the action a rate filter gives it. */
  readonly actions: Uint8Array;
  /** What is to be found out about files for these rules. */
  readonly files: FileWants;
  /** Some of these rules look at hassh. */
  readonly hassh: boolean;
  /** Rules whose matcher could not be compiled; grows when such a rule first becomes a candidate. */
  readonly broken: BrokenRule[] = [];

  private readonly rules: Rule[];
  private readonly order: Int32Array;
  private readonly isPass: Uint8Array;
  private readonly noalert: Uint8Array;
  private readonly waits: Uint8Array;
  private readonly sided: Uint8Array;
  /** For StreamDetector. */
  readonly groups: Group[];
  private readonly events: EventIndex | null;
  private readonly transactions: (TransactionGroup | null)[];
  private readonly matchers: (Matcher | null)[];
  readonly precheck: Precheck;
  private readonly costs: RuleCosts | null;
  private readonly thresholds: Thresholds;
  private readonly effects: Effects;
  readonly candidates: Int32Array;
  /** StreamTrait bits, by rank. */
  readonly stream: Uint8Array;
  /** Set for a packet whose bytes rules on streams will see again: what becomes of such rules now. */
  notes: StreamRules | null = null;
  /** Of the evaluation at hand: steps left for all rules, how many ran, how many match. */
  left = 0;
  private evaluated = 0;
  private count = 0;
  /** Replacements before the last rule ran. */
  private recorded = 0;
  /** 1: the last evaluation ended at a pass rule. */
  private stopped = 0;
  /** Of inspectTransaction at hand: the stream's window; null: there is none, or no rule of the group asks. */
  private window: Windows | null = null;
  private isWindowNew = false;
  private eventsOnly = false;
  private unasked = 0;
  private readonly mixed: Uint8Array;
  private readonly inspection = new Inspection();
  private readonly databases: Databases;
  private readonly addresses: AddressCache = new Map();
  private readonly regexes: number[] = [];

  constructor(
    rules: Rule[],
    private readonly options: DetectorOptions,
    private readonly counters: Float64Array,
    store: StateStore = new StateStore({ entries: options.thresholdEntries, counters }),
    /** Of these rules; made here when it is not given. No other detector of this thread may have it. */
    prepared: Prepared = prepareRules(rules, options.actionOrder),
  ) {
    this.rules = Array.from(prepared.order, (i) => rules[i]);
    this.order = prepared.order;
    this.files = prepared.files;
    this.hassh = prepared.hassh;
    this.isPass = prepared.columns.pass;
    this.noalert = prepared.columns.noalert;
    this.waits = prepared.columns.waits;
    this.stream = prepared.columns.stream;
    this.sided = prepared.columns.sided;
    this.mixed = prepared.columns.mixed;
    this.precheck = new Precheck(prepared.precheck, store.flowVars);
    this.costs = options.profile ? new RuleCosts() : null;
    this.matches = new Int32Array(Math.max(1, rules.length));
    this.ranks = new Int32Array(Math.max(1, rules.length));
    this.silent = new Uint8Array(Math.max(1, rules.length));
    this.actions = new Uint8Array(Math.max(1, rules.length));
    // A bidirectional rule can come up twice; see distinct().
    this.candidates = new Int32Array(4 * rules.length + MOST_REMEMBERED + MOST_STREAM_WAITING);
    this.matchers = new Array(rules.length).fill(null);
    this.thresholds = new Thresholds(this.rules, store, prepared.columns);
    this.effects = new Effects(this.rules, store, prepared.columns);
    this.inspection.store = store;
    this.databases = new Databases(native, prepared.sets);
    for (const prefilter of prefiltersOf(prepared)) prefilter.open(native, this.databases);
    this.groups = prepared.groups;
    this.events = prepared.events;
    this.transactions = prepared.transactions;
  }

  /** How many contents the rules that matched in the last inspect() or inspectTransaction() want rewritten. */
  get replacements(): number {
    return this.inspection.replacements.count;
  }

  /** Carries the replacements out in p.mem and forgets them; returns how many were written. Checksums are the caller's. */
  rewrite(p: Packet): number {
    return this.inspection.replacements.rewrite(p);
  }

  /** Number of rules that match the packet; rules on application layer buffers are left out. */
  inspect(p: Packet, flows: Flows): number {
    this.inspection.replacements.count = 0;
    const protoClass = p.ipVersion === 0 || p.invalid !== 0 ? ProtoClass.None : PROTO_CLASS[p.proto & 0xff];
    const group = this.groups[(protoClass << 1) | (p.direction & 1)];
    const out = this.candidates;
    let n = 0;
    if (p.opaque === 0 && group.payload?.wants(p, p.payloadLen)) {
      this.counters[Counter.PrefilterScans]++;
      n = group.payload.collect(p, p.mem, p.region, p.payloadOff, p.payloadLen, out, n);
    }
    if (group.header !== null) n = group.header.collect(p, out, n);
    let done = 0;
    if (group.ipOnly !== null) {
      if (p.flow >= 0) done = (p.direction === 0 ? FlowFlag.IpOnlyTs : FlowFlag.IpOnlyTc) & ~flows.flags[p.flow];
      if (p.flow < 0 || done !== 0) n = group.ipOnly.collect(p, out, n);
      if (done !== 0) flows.flags[p.flow] |= done;
    }
    if (this.events !== null && (p.eventCount > 0 || p.streamEventCount > 0 || p.protoEvents !== 0)) n = this.events.collect(p, out, n);
    if (n === 0) return 0;
    const count = this.evaluate(p, flows, n);
    // Behind a pass rule nothing was evaluated: rules on addresses have their say at the next packet.
    if (done !== 0 && count === 1 && this.stopped === 1) flows.flags[p.flow] &= ~done;
    return count;
  }

  /**
   * Number of rules on application layer buffers that match a transaction of protocol p.appProto, whose bytes
   * went in p.direction. `p` is the packet that brought them: headers, payload and flow are tested on it.
   *
   * With `known`, which remembers rules from one moment of transaction `tx` to the next, only what is fresh is scanned; `complete`:
   * nothing more of that direction is to come.
   */
  inspectTransaction(p: Packet, flows: Flows, buffers: Buffers, known: TxRules | null = null, tx = -1, complete = true): number {
    const { inspection } = this;
    inspection.replacements.count = 0;
    const app = p.appProto;
    const group = app >= 0 && app < AppProto.Count ? this.transactions[(app << 1) | (p.direction & 1)] : null;
    if (group === null) return 0;
    const out = this.candidates;
    if (this.eventsOnly) {
      const count = group.events === null ? 0 : this.distinct(group.events.collect(p, out, 0));
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
        this.counters[Counter.PrefilterScans]++;
        n = this.distinct(prefilter.collect(p, buffers.mem[at], buffers.region[at], buffers.off[at], length, out, n));
      }
    }
    const { window } = this;
    if (window !== null && group.payload !== null) {
      const { from, fresh, to } = window;
      const first = all || this.isWindowNew || fresh - from < MOST_SEAM ? from : fresh - MOST_SEAM;
      if (group.payload.wants(p, to - first)) {
        this.counters[Counter.PrefilterScans]++;
        n = this.distinct(group.payload.collect(p, window.bytes, window.region, first, to - first, out, n));
      }
    }
    // Inline a packet that is in order is part of the window.
    if ((window === null || p.mode !== Mode.Ips || p.payloadLen > this.unasked) && group.payload?.wants(p, p.payloadLen)) {
      this.counters[Counter.PrefilterScans]++;
      n = this.distinct(group.payload.collect(p, p.mem, p.region, p.payloadOff, p.payloadLen, out, n));
    }
    if (group.header !== null) n = this.distinct(group.header.collect(p, out, n));
    if (group.events !== null && (inspection.events0 | inspection.events1) !== 0) n = this.distinct(group.events.collect(p, out, n));
    if (known !== null && !known.isEmpty(tx)) n = known.collect(tx, p.direction, out, n);
    if (n === 0) return 0;
    inspection.buffers = buffers;
    inspection.complete = complete ? 1 : 0;
    return this.evaluate(p, flows, n, known, tx);
  }

  /** The transaction that inspectTransaction will be asked about: its number, the words of all, its first event word (-1: none). */
  about(tx: number, words: Int32Array, eventWord: number, files: Files | null = null): void {
    const { inspection } = this;
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
    return this.transactions[(app << 1) | (direction & 1)]?.mixed === true;
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

  /** Many instances of a buffer may name the same rules: keeps room for all rules once more. */
  distinct(n: number): number {
    if (n <= this.candidates.length >> 1) return n;
    const { candidates } = this;
    sort(candidates, n);
    let kept = 0;
    for (let i = 0; i < n; i++) if (i === 0 || candidates[i] !== candidates[i - 1]) candidates[kept++] = candidates[i];
    return kept;
  }

  private evaluate(p: Packet, flows: Flows, n: number, known: TxRules | null = null, tx = -1): number {
    const { candidates, inspection, precheck, stream } = this;
    const notes = known === null ? this.notes : null;
    let previous = -1;
    const more = known !== null && inspection.complete === 0;
    const asks = known !== null && !known.isEmpty(tx);
    this.beginRules(p, flows, n);
    for (let i = 0; i < n; i++) {
      const rank = candidates[i];
      if (rank === previous) continue;
      previous = rank;
      const traits = stream[rank];
      if ((traits & StreamTrait.Only) !== 0 || notes?.leavesToStream(traits) === true) {
        if (notes !== null && precheck.mayPass(rank, p)) notes.failed(rank, traits | StreamTrait.Only);
        continue;
      }
      const looksAtStream = known !== null && this.window !== null && this.mixed[rank] !== 0;
      if (!looksAtStream && !precheck.passes(rank, p)) {
        // What another packet of the transaction may have: the buffers it was found by are not scanned again.
        if (more && precheck.mayPass(rank, p) && known.known(tx, p.direction, rank) === Known.Nothing)
          known.remember(tx, p.direction, rank, 0);
        if (notes !== null && traits !== 0 && precheck.mayPass(rank, p)) notes.failed(rank, traits);
        continue;
      }
      const before = asks ? known.known(tx, p.direction, rank) : Known.Nothing;
      if (before === Known.Matched) continue;
      if ((looksAtStream ? this.runOnStream(rank, p) : this.run(rank, p)) === 0) {
        if (more && before === Known.Nothing && this.waits[rank] === 1 && (!looksAtStream || precheck.mayPass(rank, p)))
          known.remember(tx, p.direction, rank, 0);
        if (notes !== null && traits !== 0) notes.failed(rank, traits);
        continue;
      }
      if (this.sided[rank] === 1) {
        if (known === null) continue;
        known.remember(tx, p.direction, rank, 1);
        if (known.known(tx, 1 - p.direction, rank) !== Known.Matched) continue;
      } else if (more && this.waits[rank] !== 2) known.remember(tx, p.direction, rank, 1);
      if (notes !== null && traits !== 0) notes.matched(rank, traits);
      if (this.accept(rank, p, flows)) {
        if (notes !== null) notes.cut();
        break;
      }
    }
    return this.endRules();
  }

  /** Sorts the n candidates, for a packet whose rules run one after the other; for StreamDetector, as the next three. */
  beginRules(p: Packet, flows: Flows, n: number): void {
    this.inspection.flows = flows;
    this.inspection.replacements.count = 0;
    this.inspection.derived.reset();
    sort(this.candidates, n);
    this.precheck.begin(p);
    this.left = PACKET_BUDGET;
    this.count = this.evaluated = this.stopped = 0;
  }

  /** 1: the rule matches. */
  run(rank: number, p: Packet): number {
    const { inspection, left } = this;
    const matcher = this.matchers[rank] ?? this.compile(rank);
    const budget = left < RULE_BUDGET ? left : RULE_BUDGET;
    inspection.budget = budget;
    this.evaluated++;
    this.recorded = inspection.replacements.count;
    const matched = matcher(p, inspection);
    this.left = left - budget + inspection.budget;
    if (inspection.budget < 0) {
      this.counters[Counter.InspectionLimit]++;
      if (this.left < 0) this.left = 0;
    }
    return matched;
  }

  /**
   * The same for a rule on transactions whose payload tests look at the stream: at the window, and at the packet when that has more, or
   * when places are counted from its beginning.
   */
  private runOnStream(rank: number, p: Packet): number {
    const { precheck } = this;
    const { bytes, region, from, to, begins } = this.window!;
    const anchored = (this.mixed[rank] & MixedTrait.Anchored) !== 0;
    if ((anchored || p.payloadLen > to - from) && precheck.passes(rank, p) && this.run(rank, p) !== 0) return 1;
    if (anchored && begins === 0) return 0;
    const { mem, region: own, payloadOff, payloadLen } = p;
    p.mem = bytes;
    p.region = region;
    p.payloadOff = from;
    p.payloadLen = to - from;
    const matched = precheck.passes(rank, p) ? this.run(rank, p) : 0;
    p.mem = mem;
    p.region = own;
    p.payloadOff = payloadOff;
    p.payloadLen = payloadLen;
    return matched;
  }

  /** The rule that ran last matches: carries out what it changes, and enters it. True: what comes behind it is not evaluated. */
  accept(rank: number, p: Packet, flows: Flows): boolean {
    const { thresholds, count } = this;
    if (this.effects.has[rank] === 1) this.effects.apply(rank, p, flows);
    let silent = this.noalert[rank];
    let action = NewAction.None;
    if (thresholds.has(rank)) {
      const outcome = thresholds.check(rank, p, flows);
      action = thresholds.action;
      if (outcome !== Outcome.Alert) {
        this.counters[Counter.AlertsSuppressed]++;
        if (outcome === Outcome.None) {
          this.inspection.replacements.count = this.recorded;
          return false;
        }
        silent = 1;
      }
    }
    if (this.effects.tags[rank] === 1) this.effects.tag(rank, p, flows);
    this.matches[count] = this.order[rank];
    this.ranks[count] = rank;
    this.silent[count] = silent;
    this.actions[count] = action;
    this.count = count + 1;
    if (this.isPass[rank] === 0 || action !== NewAction.None) return false;
    this.stopped = 1;
    return true;
  }

  /** Counts what happened; how many rules match. */
  endRules(): number {
    const { inspection, counters } = this;
    const { replacements, derived } = inspection;
    counters[Counter.RulesEvaluated] += this.evaluated;
    if (replacements.lost > 0) {
      counters[Counter.InspectionLimit] += replacements.lost;
      replacements.lost = 0;
    }
    if (derived.lost > 0) {
      counters[Counter.InspectionLimit] += derived.lost;
      derived.lost = 0;
    }
    if (derived.regexLimits > 0) {
      inspection.regexLimits += derived.regexLimits;
      derived.regexLimits = 0;
    }
    if (inspection.regexLimits > 0) {
      counters[Counter.PcreMatchLimit] += inspection.regexLimits;
      inspection.regexLimits = 0;
    }
    return this.count;
  }

  private compile(rank: number): Matcher {
    let matcher: Matcher;
    try {
      matcher = compileMatcher(this.rules[rank], this.addresses, (t) => this.compileRegex(t), this.inspection.derived);
    } catch (error) {
      this.broken.push({ index: this.order[rank], reason: (error as Error).message });
      matcher = never;
    }
    if (this.costs !== null) matcher = this.costs.watch(rank, this.rules[rank], matcher);
    this.matchers[rank] = matcher;
    return matcher;
  }

  private compileRegex(t: PcreOption): number {
    const handle = native.pcreCompile(t.pattern, t.flags, this.options.pcreMatchLimit, this.options.pcreDepthLimit);
    this.regexes.push(handle);
    return handle;
  }

  /** What rules cost so far; empty without `profile`. */
  ruleCosts(): RuleCost[] {
    return this.costs?.costs() ?? [];
  }

  /** Gives the databases and regular expressions back; the detector is not used afterwards. */
  close(): void {
    this.databases.free();
    this.inspection.derived.close();
    for (const handle of this.regexes) native.pcreFree(handle);
    this.regexes.length = 0;
  }
}

function never(): number {
  return 0;
}

/** Shell sort, ascending: candidates are few, and no view is made as subarray().sort() would. */
function sort(a: Int32Array, n: number): void {
  let gap = 1;
  while (gap < n / 3) gap = 3 * gap + 1;
  for (; gap > 0; gap = (gap / 3) | 0) {
    for (let i = gap; i < n; i++) {
      const v = a[i];
      let k = i;
      while (k >= gap && a[k - gap] > v) {
        a[k] = a[k - gap];
        k -= gap;
      }
      a[k] = v;
    }
  }
}
