/**
 * How often a rule may match: `threshold`, `detection_filter`, and `suppress` and `rate_filter` of threshold.config
 * (user guide, "Thresholding Keywords", "Global-Thresholds").
 *
 *   limit             the first `count` matches in `seconds` alert; later ones act (drop) without an alert
 *   threshold         every `count`-th match within `seconds` counts as a match; the ones before are none at all
 *   both              the `count`-th match in `seconds` alerts; the ones before are none, later ones act silently
 *   backoff           the count-th match of a flow alerts, then the count * multiplier-th, ...; others act silently, the first is none
 *   detection_filter  matches after the first `count` in `seconds` are matches; the ones before are none at all
 *   rate filter       after `count` matches in `seconds` the rule has another action, for `timeout` seconds
 *   suppression       from or to these addresses the rule acts without an alert
 *
 * Counts are by gid, sid, rev and what is tracked, in the tables of the store: they live on when rules are loaded anew. Time is
 * packet time. Packets that are not IP are not counted, as in Suricata.
 */
import type { Packet } from '../decode/packet.js';
import { Key } from '../flow/flow-table.js';
import type { Rule } from '../rules/rule.js';
import type { RateFilter, Suppression, ThresholdOption, Track as TrackName } from '../rules/state-option.js';
import { AddressMatcher } from './addresses.js';
import type { Flows } from './flows.js';
import { type RankColumns, rankColumns } from './rank-columns.js';
import { type AddressTable, Entry, Kind } from './state/address-table.js';
import type { StateStore } from './state/store.js';

export const enum Outcome {
  /** The rule has not matched. */
  None = 0,
  Alert = 1,
  /** Act, without an alert. */
  Silent = 2,
}

/** What a rate filter makes of a rule. */
export const enum NewAction {
  /** As the rule says. */
  None = 0,
  Alert,
  Drop,
  Pass,
  Reject,
}

const enum Track {
  Src = 0,
  Dst,
  Both,
  Rule,
  Flow,
}
const KINDS: Record<ThresholdOption['type'], Kind> = {
  limit: Kind.Limit,
  threshold: Kind.Threshold,
  both: Kind.Both,
  backoff: Kind.Backoff,
  detection_filter: Kind.DetectionFilter,
};
const TRACKS: Record<TrackName, Track> = {
  by_src: Track.Src,
  by_dst: Track.Dst,
  by_both: Track.Both,
  by_rule: Track.Rule,
  by_flow: Track.Flow,
};
const ACTIONS: Record<RateFilter['action'], NewAction> = {
  alert: NewAction.Alert,
  drop: NewAction.Drop,
  pass: NewAction.Pass,
  reject: NewAction.Reject,
};

const MAX = 0x7fffffff;
/** Entry.Count of a rate filter that is in force. */
const IN_FORCE = -2;
/** Seconds after which the count of a flow may be forgotten if the flow has not matched since. */
const BACKOFF_SECONDS = 86400;

/** A count and what it is for. All numbers: nothing is looked up by name when a rule matches. */
class Limit {
  readonly kind: Kind;
  readonly track: Track;
  readonly count: number;
  readonly seconds: number;
  /** backoff: by what the count grows. Rate filter: how long it lasts. */
  readonly extra: number;
  readonly action: NewAction;

  constructor(
    kind: Kind,
    { track, count, seconds }: { track: TrackName; count: number; seconds: number },
    extra: number,
    action: NewAction,
  ) {
    this.kind = kind;
    this.track = TRACKS[track];
    this.count = Math.min(count, MAX);
    this.seconds = Math.min(seconds, MAX);
    this.extra = Math.min(extra, MAX);
    this.action = action;
  }
}

class Suppressor {
  readonly matcher: AddressMatcher | null;
  readonly src: boolean;
  readonly dst: boolean;

  constructor({ track, addresses }: Suppression) {
    this.matcher = track === 'rule' || addresses.any ? null : new AddressMatcher(addresses);
    this.src = track !== 'by_dst';
    this.dst = track === 'by_dst' || track === 'by_either';
  }

  holds(p: Packet): boolean {
    if (this.matcher === null) return true;
    return (this.src && this.matcher.has(p.src, p.ipVersion)) || (this.dst && this.matcher.has(p.dst, p.ipVersion));
  }
}

export class Thresholds {
  /** After check() said that the rule matches: its action for this packet. */
  action: NewAction = NewAction.None;
  /** By rank, 1: there is something to check. */
  private readonly any: Uint8Array;
  private readonly limits: (Limit | null)[];
  private readonly rates: (Limit | null)[];
  private readonly suppressors: (Suppressor[] | null)[];
  /** gid, sid, rev. */
  private readonly ids: Int32Array;

  constructor(
    rules: Rule[],
    private readonly store: StateStore,
    { ids, stateful }: RankColumns = rankColumns(rules),
  ) {
    // Thousands of rules may share what threshold.config says of all.
    const known = new Map<Suppression, Suppressor>();
    const suppressor = (s: Suppression) => {
      const found = known.get(s) ?? new Suppressor(s);
      known.set(s, found);
      return found;
    };
    const n = rules.length;
    this.any = new Uint8Array(n);
    this.limits = new Array(n).fill(null);
    this.rates = new Array(n).fill(null);
    this.suppressors = new Array(n).fill(null);
    this.ids = ids;
    for (const rank of stateful) {
      const { threshold: t, rateFilter: r, suppressions: s } = rules[rank];
      if (t !== undefined) this.limits[rank] = new Limit(KINDS[t.type], t, t.multiplier ?? 0, NewAction.None);
      if (r !== undefined) this.rates[rank] = new Limit(Kind.Rate, r, r.timeout, ACTIONS[r.action]);
      if (s !== undefined && s.length > 0) this.suppressors[rank] = s.map(suppressor);
      if (this.limits[rank] !== null || this.rates[rank] !== null || this.suppressors[rank] !== null) this.any[rank] = 1;
    }
  }

  has(rank: number): boolean {
    return this.any[rank] === 1;
  }

  /** What a match of this rule comes to. */
  check(rank: number, p: Packet, flows: Flows): Outcome {
    this.action = NewAction.None;
    if (p.ipVersion === 0) return Outcome.Alert;
    const suppressors = this.suppressors[rank];
    if (suppressors !== null) {
      for (let i = 0; i < suppressors.length; i++) if (suppressors[i].holds(p)) return Outcome.Silent;
    }
    const limit = this.limits[rank];
    if (limit !== null) {
      const table = this.table(limit, rank, p, flows);
      const outcome = this.count(table, limit, p);
      table.release();
      if (outcome !== Outcome.Alert) return outcome;
    }
    const rate = this.rates[rank];
    if (rate !== null) {
      const table = this.table(rate, rank, p, flows);
      if (this.rate(table, rate, p)) this.action = rate.action;
      table.release();
    }
    return Outcome.Alert;
  }

  private count(table: AddressTable, limit: Limit, p: Packet): Outcome {
    const { words } = table;
    const e = table.claim(p);
    if (limit.kind === Kind.Backoff) return this.backoff(table, limit, p, e);
    if (words[e + Entry.Count] < 0) {
      table.lasts(e, limit.seconds);
      words[e + Entry.Count] = 0;
    }
    const n = words[e + Entry.Count] < MAX ? words[e + Entry.Count] + 1 : MAX;
    words[e + Entry.Count] = n;
    switch (limit.kind) {
      case Kind.Limit:
        return n <= limit.count ? Outcome.Alert : Outcome.Silent;
      case Kind.DetectionFilter:
        return n > limit.count ? Outcome.Alert : Outcome.None;
      case Kind.Threshold:
        if (n < limit.count) return Outcome.None;
        // The next window begins at the match that filled this one.
        table.begin(e, p);
        table.lasts(e, limit.seconds);
        words[e + Entry.Count] = 0;
        return Outcome.Alert;
      default:
        return n < limit.count ? Outcome.None : n === limit.count ? Outcome.Alert : Outcome.Silent;
    }
  }

  /** Has no window: SinceNsec and Since of its entry hold the count that alerts next, and the time of the last match is its end. */
  private backoff(table: AddressTable, limit: Limit, p: Packet, e: number): Outcome {
    const { words } = table;
    const first = words[e + Entry.Count] < 0;
    if (first) {
      words[e + Entry.Count] = 0;
      words[e + Entry.SinceNsec] = limit.count;
    }
    const n = words[e + Entry.Count] < MAX ? words[e + Entry.Count] + 1 : MAX;
    words[e + Entry.Count] = n;
    words[e + Entry.Since] = p.tsSec;
    table.lasts(e, BACKOFF_SECONDS);
    if (n !== words[e + Entry.SinceNsec]) return first ? Outcome.None : Outcome.Silent;
    words[e + Entry.SinceNsec] = Math.min(n * limit.extra, MAX);
    return Outcome.Alert;
  }

  /** True: the new action holds. */
  private rate(table: AddressTable, rate: Limit, p: Packet): boolean {
    const { words } = table;
    const e = table.claim(p);
    if (words[e + Entry.Count] === IN_FORCE) return true;
    if (words[e + Entry.Count] < 0) {
      table.lasts(e, rate.seconds);
      words[e + Entry.Count] = 1;
      return false;
    }
    words[e + Entry.Count]++;
    if (words[e + Entry.Count] <= rate.count) return false;
    table.begin(e, p);
    table.lasts(e, rate.extra);
    words[e + Entry.Count] = IN_FORCE;
    return true;
  }

  /** The table of what is tracked, its probe filled in. */
  private table(limit: Limit, rank: number, p: Packet, flows: Flows): AddressTable {
    const { ids } = this;
    const byFlow = limit.track === Track.Flow;
    const table = byFlow ? this.store.own : this.store.addresses;
    const version = limit.track === Track.Rule ? 0 : p.ipVersion << 16;
    table.key(limit.kind | (limit.track << 8) | version, ids[3 * rank], ids[3 * rank + 1], ids[3 * rank + 2]);
    switch (limit.track) {
      case Track.Src:
        table.address(p.src);
        break;
      case Track.Dst:
        table.address(p.dst);
        break;
      case Track.Both:
        table.pair(p.src, p.dst);
        break;
      case Track.Flow:
        // A packet without a flow is tracked by its pair of addresses.
        if (p.flow < 0) table.pair(p.src, p.dst);
        else {
          table.probe[Entry.Kind] |= 1 << 24;
          table.probe[Entry.Address] = p.flow;
          table.probe[Entry.Address + 1] = flows.key[p.flow * Key.Words + Key.IdLow];
        }
        break;
      default:
    }
    return table;
  }
}
