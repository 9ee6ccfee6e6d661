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
import type { Packet } from '../decode/packet.js';
import { FlowFlag } from '../flow/codes.js';
import { Counter } from '../metrics/counters.js';
import { native } from '../native.js';
import type { PcreOption } from '../rules/byte-option.js';
import type { Rule } from '../rules/rule.js';
import type { Flows } from './flows.js';
import { PAYLOAD } from './literal.js';
import type { AddressCache, Matcher } from './matcher.js';
import { compileMatcher } from './matcher.js';
import { compileRules, PROTO_CLASS, ProtoClass, type TransactionGroup as TransactionPlan } from './plan.js';
import { Databases, Prefilter } from './prefilter.js';
import { RuleIndex } from './rule-index.js';
import { Inspection } from './search.js';
import { Effects } from './state/effects.js';
import { StateStore } from './state/store.js';
import { Outcome, Thresholds } from './threshold.js';

export interface DetectorOptions {
  /** Config.pcre. */
  pcreMatchLimit: number;
  pcreDepthLimit: number;
  /** Config.thresholdEntries. */
  thresholdEntries: number;
}

/** Steps of payload inspection one rule may take (Suricata's inspection-recursion-limit), and all rules of a packet or transaction. */
export const RULE_BUDGET = 3000;
export const PACKET_BUDGET = 10 * RULE_BUDGET;

interface Group {
  header: RuleIndex | null;
  ipOnly: RuleIndex | null;
  payload: Prefilter | null;
}

/** Rules on the buffers of one application protocol and direction. */
interface TransactionGroup {
  /** BufferId of each prefilter of `buffers`. */
  ids: Int32Array;
  buffers: Prefilter[];
  /** Rules on buffers whose literal lies in the packet's payload. */
  payload: Prefilter | null;
  header: RuleIndex | null;
}

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
  /** 1 beside a match: its action applies, but it makes no alert (threshold, noalert). */
  readonly silent: Uint8Array;
  /** Rules whose matcher could not be compiled; grows when such a rule first becomes a candidate. */
  readonly broken: BrokenRule[] = [];

  private readonly rules: Rule[];
  private readonly order: Int32Array;
  private readonly passCount: number;
  private readonly groups: Group[];
  private readonly transactions: (TransactionGroup | null)[];
  private readonly matchers: (Matcher | null)[];
  private readonly thresholds: Thresholds;
  private readonly effects: Effects;
  private readonly candidates: Int32Array;
  private readonly inspection = new Inspection();
  private readonly databases: Databases;
  private readonly addresses: AddressCache = new Map();
  private readonly regexes: number[] = [];

  constructor(
    rules: Rule[],
    private readonly options: DetectorOptions,
    private readonly counters: Float64Array,
    store: StateStore = new StateStore(),
  ) {
    const plan = compileRules(rules);
    this.rules = plan.rules;
    this.order = plan.order;
    this.passCount = plan.passCount;
    this.matches = new Int32Array(Math.max(1, rules.length));
    this.silent = new Uint8Array(Math.max(1, rules.length));
    // A bidirectional rule can come up twice.
    this.candidates = new Int32Array(2 * rules.length);
    this.matchers = plan.rules.map(() => null);
    this.thresholds = new Thresholds(
      plan.rules.map((r) => r.threshold),
      options.thresholdEntries,
      counters,
    );
    this.effects = new Effects(plan.rules, store);
    this.inspection.store = store;
    this.databases = new Databases(native);
    const of = (ranks: number[]) => ranks.map((rank) => plan.rules[rank]);
    const prefilter = (ranks: number[]) => (ranks.length > 0 ? new Prefilter(native, this.databases, of(ranks), ranks) : null);
    this.groups = plan.groups.map((g) => ({
      header: g.header.length > 0 ? new RuleIndex(of(g.header), g.header) : null,
      ipOnly: g.ipOnly.length > 0 ? new RuleIndex(of(g.ipOnly), g.ipOnly) : null,
      payload: prefilter(g.content),
    }));
    const transactionGroup = (g: TransactionPlan): TransactionGroup => {
      const ids = g.content.flatMap((ranks, id) => (ranks.length > 0 && id !== PAYLOAD ? [id] : []));
      return {
        ids: Int32Array.from(ids),
        buffers: ids.map((id) => new Prefilter(native, this.databases, of(g.content[id]), g.content[id])),
        payload: prefilter(g.content[PAYLOAD]),
        header: g.header.length > 0 ? new RuleIndex(of(g.header), g.header) : null,
      };
    };
    this.transactions = plan.transactions.map((g) =>
      g.header.length > 0 || g.content.some((c) => c.length > 0) ? transactionGroup(g) : null,
    );
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
    if (group.payload?.wants(p, p.payloadLen)) {
      this.counters[Counter.PrefilterScans]++;
      n = group.payload.collect(p, p.mem, p.region, p.payloadOff, p.payloadLen, out, n);
    }
    if (group.header !== null) n = group.header.collect(p, out, n);
    if (group.ipOnly !== null) {
      if (p.flow < 0) n = group.ipOnly.collect(p, out, n);
      else {
        const done = p.direction === 0 ? FlowFlag.IpOnlyTs : FlowFlag.IpOnlyTc;
        if ((flows.flags[p.flow] & done) === 0) {
          flows.flags[p.flow] |= done;
          n = group.ipOnly.collect(p, out, n);
        }
      }
    }
    return n === 0 ? 0 : this.evaluate(p, flows, n);
  }

  /**
   * Number of rules on application layer buffers that match a transaction of protocol p.appProto, whose bytes
   * went in p.direction. `p` is the packet that completed it: headers, payload and flow are tested on it.
   */
  inspectTransaction(p: Packet, flows: Flows, buffers: Buffers): number {
    this.inspection.replacements.count = 0;
    const app = p.appProto;
    const group = app >= 0 && app < AppProto.Count ? this.transactions[(app << 1) | (p.direction & 1)] : null;
    if (group === null) return 0;
    const out = this.candidates;
    const { ids } = group;
    let n = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      const length = buffers.len[id];
      const prefilter = group.buffers[i];
      if (length < 0 || !prefilter.wants(p, length)) continue;
      this.counters[Counter.PrefilterScans]++;
      n = prefilter.collect(p, buffers.mem[id], buffers.region[id], buffers.off[id], length, out, n);
    }
    if (group.payload?.wants(p, p.payloadLen)) {
      this.counters[Counter.PrefilterScans]++;
      n = group.payload.collect(p, p.mem, p.region, p.payloadOff, p.payloadLen, out, n);
    }
    if (group.header !== null) n = group.header.collect(p, out, n);
    if (n === 0) return 0;
    this.inspection.buffers = buffers;
    return this.evaluate(p, flows, n);
  }

  private evaluate(p: Packet, flows: Flows, n: number): number {
    const { candidates, matchers, inspection, thresholds, counters } = this;
    const { replacements } = inspection;
    inspection.flows = flows;
    sort(candidates, n);
    let count = 0;
    let previous = -1;
    let left = PACKET_BUDGET;
    let evaluated = 0;
    for (let i = 0; i < n; i++) {
      const rank = candidates[i];
      if (rank === previous) continue;
      previous = rank;
      const matcher = matchers[rank] ?? this.compile(rank);
      const budget = Math.min(left, RULE_BUDGET);
      inspection.budget = budget;
      evaluated++;
      const recorded = replacements.count;
      const matched = matcher(p, inspection);
      left -= budget - inspection.budget;
      if (inspection.budget < 0) {
        counters[Counter.InspectionLimit]++;
        if (left < 0) left = 0;
      }
      if (matched === 0) continue;
      if (this.effects.has[rank] === 1) this.effects.apply(rank, p, flows);
      let silent = this.rules[rank].noalert ? 1 : 0;
      if (thresholds.has(rank)) {
        const outcome = thresholds.check(rank, p, flows);
        if (outcome !== Outcome.Alert) {
          counters[Counter.AlertsSuppressed]++;
          if (outcome === Outcome.None) {
            replacements.count = recorded;
            continue;
          }
          silent = 1;
        }
      }
      this.matches[count] = this.order[rank];
      this.silent[count] = silent;
      count++;
      // Pass rules come first: the first that matches ends it.
      if (rank < this.passCount) break;
    }
    counters[Counter.RulesEvaluated] += evaluated;
    if (replacements.lost > 0) {
      counters[Counter.InspectionLimit] += replacements.lost;
      replacements.lost = 0;
    }
    if (inspection.regexLimits > 0) {
      counters[Counter.PcreMatchLimit] += inspection.regexLimits;
      inspection.regexLimits = 0;
    }
    return count;
  }

  private compile(rank: number): Matcher {
    let matcher: Matcher;
    try {
      matcher = compileMatcher(this.rules[rank], this.addresses, (t) => this.compileRegex(t));
    } catch (error) {
      this.broken.push({ index: this.order[rank], reason: (error as Error).message });
      matcher = never;
    }
    this.matchers[rank] = matcher;
    return matcher;
  }

  private compileRegex(t: PcreOption): number {
    const handle = native.pcreCompile(t.pattern, t.flags, this.options.pcreMatchLimit, this.options.pcreDepthLimit);
    this.regexes.push(handle);
    return handle;
  }

  /** Gives the databases and regular expressions back; the detector is not used afterwards. */
  close(): void {
    this.databases.free();
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
