import type { HeaderOption, Rule } from '../rules/rule.js';
import { inPrecheck } from './precheck.js';
import { isTwoSided } from './sides.js';
import { mixedTraits, streamTraits } from './stream-traits.js';

/** What a detecting thread asks of every rule, by rank (see plan.ts): worked out once, so that taking a rule set looks at few rules. */
export interface RankColumns {
  /** 1: a pass rule. */
  pass: Uint8Array;
  /** 1: a match makes no alert. */
  noalert: Uint8Array;
  /**
   * 1: a rule on transactions whose function may say yes at a later moment than its literal is found: another buffer has come by then,
   * or another packet, or what is remembered has changed. (What the precheck refuses waits anyway: see Detector.evaluate.) 2: it matches
   * at each moment for which it holds.
   */
  waits: Uint8Array;
  /** StreamTrait bits. */
  stream: Uint8Array;
  /** MixedTrait bits. */
  mixed: Uint8Array;
  /** 1: the rule is two (sides.ts), both of which must match. */
  sided: Uint8Array;
  /** gid, sid, rev of each. */
  ids: Int32Array;
  /** Ranks of the rules with a threshold, rate filter, suppression or effect. */
  stateful: Int32Array;
}

export function rankColumns(rules: readonly Rule[]): RankColumns {
  const n = rules.length;
  const columns = {
    pass: new Uint8Array(n),
    noalert: new Uint8Array(n),
    waits: new Uint8Array(n),
    stream: new Uint8Array(n),
    mixed: new Uint8Array(n),
    sided: new Uint8Array(n),
    ids: new Int32Array(3 * n),
  };
  const stateful: number[] = [];
  for (let rank = 0; rank < n; rank++) {
    const rule = rules[rank];
    columns.pass[rank] = rule.action === 'pass' ? 1 : 0;
    columns.noalert[rank] = rule.noalert ? 1 : 0;
    columns.sided[rank] = isTwoSided(rule) ? 1 : 0;
    columns.waits[rank] = columns.sided[rank] === 1 || waitsFor(rule) ? 1 : isHook(rule) ? 2 : 0;
    columns.stream[rank] = streamTraits(rule);
    columns.mixed[rank] = mixedTraits(rule);
    columns.ids[3 * rank] = rule.gid;
    columns.ids[3 * rank + 1] = rule.sid;
    columns.ids[3 * rank + 2] = rule.rev;
    const { threshold, rateFilter, suppressions, effects } = rule;
    if (threshold !== undefined || rateFilter !== undefined || (suppressions?.length ?? 0) > 0 || effects.length > 0) stateful.push(rank);
  }
  return { ...columns, stateful: Int32Array.from(stateful) };
}

/** Its literal lies in one of its parts, and there is another. */
function waitsFor({ buffers, payload, header }: Rule): boolean {
  return buffers.length + (payload.length > 0 ? 1 : 0) + (header.some(changes) ? 1 : 0) > 1;
}

/** `app-layer-state:name` alone: as in Suricata it is met again by all that comes of the direction from there on. */
function isHook({ buffers, payload, header }: Rule): boolean {
  return (
    buffers.length + payload.length === 0 &&
    header.some((o) => o.kind === 'app' && o.keyword === 'app-layer-state' && !/^[<>]/.test(o.value))
  );
}

/** Whether the test may give another answer at a later moment of the transaction, behind a precheck that passed. */
function changes(o: HeaderOption): boolean {
  switch (o.kind) {
    // Of the flow, or of the rules.
    case 'sameip':
    case 'geoip':
    case 'iprep':
    case 'l3_proto':
    case 'ip_proto':
      return false;
    default:
      return !inPrecheck(o);
  }
}
