import { isIpOnly } from '../detect/plan.js';
import { Side } from '../ring/verdict.js';
import type { Rule, RuleAction } from '../rules/rule.js';

/** What a matching rule does. Codes from Drop on keep the packet from going on (IPS). */
export const enum Act {
  Alert = 0,
  Pass = 1,
  /** A pass rule on addresses alone is looked at once per flow, so it speaks for the whole flow. */
  PassFlow = 2,
  Drop = 3,
}

const SIDES: Record<RuleAction, number> = {
  pass: 0,
  alert: 0,
  drop: 0,
  reject: Side.Source,
  rejectsrc: Side.Source,
  rejectdst: Side.Destination,
  rejectboth: Side.Both,
};

/** The actions of a rule set by rule index, as numbers: nothing is looked up by name when a rule matches. */
export class RuleActions {
  readonly action: Uint8Array;
  /** Side: who is told of a rejected packet. */
  readonly sides: Uint8Array;
  readonly mark: Int32Array;
  readonly markMask: Int32Array;
  readonly bypass: Uint8Array;

  constructor(rules: Rule[]) {
    this.action = Uint8Array.from(rules, actOf);
    this.sides = Uint8Array.from(rules, (rule) => SIDES[rule.action]);
    this.mark = Int32Array.from(rules, (rule) => rule.nfqMark?.mark ?? 0);
    this.markMask = Int32Array.from(rules, (rule) => rule.nfqMark?.mask ?? 0);
    this.bypass = Uint8Array.from(rules, (rule) => (rule.bypass ? 1 : 0));
  }
}

function actOf(rule: Rule): Act {
  if (rule.action === 'pass') return isIpOnly(rule) ? Act.PassFlow : Act.Pass;
  return rule.action === 'alert' ? Act.Alert : Act.Drop;
}
