import type { Packet } from '../../decode/packet.js';
import type { Rule } from '../../rules/rule.js';
import type { Flows } from '../flows.js';
import type { StateStore } from './store.js';

/** What matches change, by rank (see plan.ts). */
export class Effects {
  /** 1: a match of the rule changes something. */
  readonly has: Uint8Array;

  constructor(
    rules: Rule[],
    readonly store: StateStore,
  ) {
    this.has = Uint8Array.from(rules, (rule) => (rule.effects.length > 0 ? 1 : 0));
  }

  /** The rule has matched; thresholds are asked afterwards. */
  apply(_rank: number, _p: Packet, _flows: Flows): void {}
}
