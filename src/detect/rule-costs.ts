/**
 * What each rule's evaluation costs, measured: `sluice --rule-profile`. A rule's function is replaced by one that reads the
 * clock around it, when it is compiled; without profiling nothing is replaced and nothing is asked.
 *
 * The clock costs some 100 ns a check, part of which is in the figures. What the prefilter, the header indexes and the
 * precheck turn away is no check.
 */
import type { Packet } from '../decode/packet.js';
import type { Matcher } from './matcher.js';
import type { Inspection } from './search.js';

/** One rule, times in nanoseconds. */
export interface RuleCost {
  sid: number;
  gid: number;
  rev: number;
  checks: number;
  matches: number;
  ticks: number;
  maxTicks: number;
  /** Of `ticks`, those of checks that matched. */
  matchTicks: number;
}

export class RuleCosts {
  private readonly byRank = new Map<number, RuleCost>();

  /** `matcher`, measured. */
  watch(rank: number, rule: { sid: number; gid: number; rev: number }, matcher: Matcher): Matcher {
    const { sid, gid, rev } = rule;
    const cost: RuleCost = { sid, gid, rev, checks: 0, matches: 0, ticks: 0, maxTicks: 0, matchTicks: 0 };
    this.byRank.set(rank, cost);
    return (p: Packet, x: Inspection) => {
      const from = performance.now();
      const matched = matcher(p, x);
      const ticks = (performance.now() - from) * 1e6;
      cost.checks++;
      cost.ticks += ticks;
      if (ticks > cost.maxTicks) cost.maxTicks = ticks;
      if (matched !== 0) {
        cost.matches++;
        cost.matchTicks += ticks;
      }
      return matched;
    };
  }

  /** Rules that were checked at all, in no order. */
  costs(): RuleCost[] {
    return [...this.byRank.values()].filter((cost) => cost.checks > 0);
  }
}
