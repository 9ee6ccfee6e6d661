/**
 * Rules against one packet: prefilter and header indexes give candidates, compiled matchers decide.
 *
 *   packet ─ protocol class, direction ─► group ─┬─ header rules   RuleIndex.collect
 *                                                ├─ IP-only rules  RuleIndex.collect, once per flow and direction
 *                                                └─ payload        Prefilter.collect (one scan)
 *            candidates (ranks), sorted ─► matcher of each ─► threshold ─► matches, in action order
 *
 * Rules on transactions: tx-detector.ts, on streams: stream-detector.ts; both run and enter their rules here.
 *
 * Nothing here allocates per packet, save the first time a rule is a candidate: then it is compiled.
 */
import type { FileWants } from '../app-layer/files/files.js';
import type { Packet } from '../decode/packet.js';
import { FlowFlag } from '../flow/codes.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import type { PcreOption } from '../rules/byte-option.js';
import type { Rule } from '../rules/rule.js';
import { Databases } from './databases.js';
import type { EventIndex } from './event-index.js';
import type { Flows } from './flows.js';
import type { AddressCache, Matcher } from './matcher.js';
import { compileMatcher } from './matcher.js';
import { PROTO_CLASS, ProtoClass } from './plan.js';
import { Precheck } from './precheck.js';
import { type Group, type Prepared, prefiltersOf, prepareRules } from './prepare.js';
import { type RuleCost, RuleCosts } from './rule-costs.js';
import { Inspection } from './search.js';
import { Effects } from './state/effects.js';
import { StateStore } from './state/store.js';
import { MOST_STREAM_WAITING, type StreamRules } from './stream-rules.js';
import { StreamTrait } from './stream-traits.js';
import { NewAction, Outcome, Thresholds } from './threshold.js';
import { TxDetector } from './tx-detector.js';
import { MOST_REMEMBERED } from './tx-rules.js';

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

/** A rule that cannot run: it never matches. */
export interface BrokenRule {
  /** Index in the rules given. */
  index: number;
  reason: string;
}

export class Detector {
  /**
   * After inspect(), or that of TxDetector, returned n: the first n are the rules that matched (indexes in the rules given), in action
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
  private readonly sided: Uint8Array;
  /** For StreamDetector. */
  readonly groups: Group[];
  /** Rules on transactions. */
  readonly transactions: TxDetector;
  private readonly events: EventIndex | null;
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
  /** For TxDetector. */
  readonly inspection = new Inspection();
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
    this.stream = prepared.columns.stream;
    this.sided = prepared.columns.sided;
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
    this.transactions = new TxDetector(this, prepared, counters);
  }

  /** How many contents the rules that matched in the last inspection want rewritten. */
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

  /** Many instances of a buffer may name the same rules: keeps room for all rules once more. */
  distinct(n: number): number {
    if (n <= this.candidates.length >> 1) return n;
    const { candidates } = this;
    sort(candidates, n);
    let kept = 0;
    for (let i = 0; i < n; i++) if (i === 0 || candidates[i] !== candidates[i - 1]) candidates[kept++] = candidates[i];
    return kept;
  }

  private evaluate(p: Packet, flows: Flows, n: number): number {
    const { candidates, precheck, stream, notes } = this;
    let previous = -1;
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
      if (!precheck.passes(rank, p)) {
        if (notes !== null && traits !== 0 && precheck.mayPass(rank, p)) notes.failed(rank, traits);
        continue;
      }
      if (this.run(rank, p) === 0) {
        if (notes !== null && traits !== 0) notes.failed(rank, traits);
        continue;
      }
      if (this.sided[rank] === 1) continue;
      if (notes !== null && traits !== 0) notes.matched(rank, traits);
      if (this.accept(rank, p, flows)) {
        if (notes !== null) notes.cut();
        break;
      }
    }
    return this.endRules();
  }

  /** Sorts the n candidates, for a packet whose rules run one after the other; for StreamDetector and TxDetector, as the next three. */
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
