import type { Packet } from '../../decode/packet.js';
import type { Rule } from '../../rules/rule.js';
import type { Effect } from '../../rules/state-option.js';
import type { Flows } from '../flows.js';
import { type RankColumns, rankColumns } from '../rank-columns.js';
import { BIT_TRACKS } from './bits.js';
import { bitKey, flowKey } from './names.js';
import type { StateStore } from './store.js';
import { Metric, Scope } from './tags.js';

const enum Op {
  SetVar = 0,
  UnsetVar,
  ToggleVar,
  AddVar,
  SubVar,
  SetBit,
  UnsetBit,
  ToggleBit,
}

/** Words of a tag: scope, metric, count. */
const TAG = 3;
const METRICS = { packets: Metric.Packets, bytes: Metric.Bytes, seconds: Metric.Seconds } as const;

/** Words of one step: op, key, number, key of the flowint that stands for the number (0: none). For bits: op, row of `bitKeys`, expire, track. */
const STEP = 4;

/**
 * What matches change, by rank (see plan.ts): the steps of a rule lie in a row of one array, from first[rank] to first[rank + 1].
 */
export class Effects {
  /** 1: a match of the rule changes something. */
  readonly has: Uint8Array;
  /** 1: it tags. */
  readonly tags: Uint8Array;
  private readonly tagRows = new Map<number, Int32Array>();
  private readonly first: Int32Array;
  private readonly steps: Int32Array;
  private readonly bitKeys: Int32Array[] = [];

  constructor(
    rules: Rule[],
    readonly store: StateStore,
    { stateful }: RankColumns = rankColumns(rules),
  ) {
    const steps: number[] = [];
    const n = rules.length;
    this.has = new Uint8Array(n);
    this.tags = new Uint8Array(n);
    this.first = new Int32Array(n + 1);
    let filled = 0;
    for (const rank of stateful) {
      const { effects } = rules[rank];
      this.first.fill(steps.length, filled, rank + 1);
      filled = rank + 1;
      for (const effect of effects) steps.push(...this.step(effect));
      if (steps.length > this.first[rank]) this.has[rank] = 1;
      const tags = effects.flatMap((e) =>
        e.kind !== 'tag'
          ? []
          : [e.scope === 'session' ? Scope.Session : e.side === 'src' ? Scope.Source : Scope.Destination, METRICS[e.metric], e.count],
      );
      if (tags.length === 0) continue;
      this.tags[rank] = 1;
      this.tagRows.set(rank, Int32Array.from(tags));
    }
    this.first.fill(steps.length, filled);
    this.steps = Int32Array.from(steps);
  }

  /** The rule has matched; thresholds are asked afterwards. */
  apply(rank: number, p: Packet, _flows: Flows): void {
    const { steps, bitKeys } = this;
    const { flowVars, bits } = this.store;
    const slot = p.flow;
    const end = this.first[rank + 1];
    for (let i = this.first[rank]; i < end; i += STEP) {
      const key = steps[i + 1];
      const variable = steps[i + 3];
      const op = steps[i];
      if (op < Op.SetBit) {
        if (slot < 0) continue;
        const value = variable === 0 ? steps[i + 2] : flowVars.get(slot, variable);
        switch (op) {
          case Op.SetVar:
            flowVars.set(slot, key, value);
            break;
          case Op.UnsetVar:
            flowVars.remove(slot, key);
            break;
          case Op.ToggleVar:
            if (flowVars.has(slot, key) === 1) flowVars.remove(slot, key);
            else flowVars.set(slot, key, 1);
            break;
          case Op.AddVar:
            flowVars.set(slot, key, flowVars.get(slot, key) + value);
            break;
          default:
            // What is not there stays so; below 0 it wraps, both as in Suricata.
            if (flowVars.has(slot, key) === 1) flowVars.set(slot, key, flowVars.get(slot, key) - value);
        }
        continue;
      }
      if (op === Op.SetBit) bits.set(p, bitKeys[key], variable, steps[i + 2]);
      else if (op === Op.UnsetBit) bits.unset(p, bitKeys[key], variable);
      else bits.toggle(p, bitKeys[key], variable, steps[i + 2]);
    }
  }

  /** The rule has matched, and thresholds let it. */
  tag(rank: number, p: Packet, flows: Flows): void {
    const row = this.tagRows.get(rank);
    if (row === undefined) return;
    for (let i = 0; i < row.length; i += TAG) this.store.tags.set(p, flows, row[i], row[i + 1], row[i + 2]);
  }

  private step(effect: Effect): number[] {
    switch (effect.kind) {
      case 'flowbits':
        return [{ set: Op.SetVar, unset: Op.UnsetVar, toggle: Op.ToggleVar }[effect.op], flowKey('flowbits', effect.name), 1, 0];
      case 'flowint': {
        const { value } = effect;
        const op = { '=': Op.SetVar, '+': Op.AddVar, '-': Op.SubVar }[effect.op];
        const key = flowKey('flowint', effect.name);
        return typeof value === 'number' ? [op, key, value | 0, 0] : [op, key, 0, flowKey('flowint', value)];
      }
      case 'xbits':
      case 'hostbits': {
        const op = { set: Op.SetBit, unset: Op.UnsetBit, toggle: Op.ToggleBit }[effect.op];
        return [op, this.bitKeys.push(bitKey(effect.name)) - 1, effect.expire, BIT_TRACKS[effect.track]];
      }
      default:
        return [];
    }
  }
}
