import { bufferSpec } from '../app-layer/catalogue.js';
import { Side } from '../ring/verdict.js';
import type { Rule, RuleAction } from '../rules/rule.js';
import { isIpOnly } from './plan.js';

/** What a matching rule does. Codes from Drop on keep the packet from going on (IPS). */
export const enum Act {
  Alert = 0,
  Pass = 1,
  Drop = 3,
}

/**
 * What a drop or pass holds for. User guide, "Rule Types and Categorization": rules on addresses and on application layers act on the
 * flow, rules on the stream act on it where there is one, rules on packets on the packet at hand.
 */
export const enum Scope {
  Packet = 0,
  Flow = 1,
  /** The flow, when its TCP session is followed. */
  Stream = 2,
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

/** The actions of a rule set by rule index, as numbers: nothing is looked up by name when a rule matches, nothing parsed for it. */
export class RuleActions {
  readonly action: Uint8Array;
  /** Side: who is told of a rejected packet. */
  readonly sides: Uint8Array;
  /** Scope */
  readonly scope: Uint8Array;
  readonly mark: Int32Array;
  readonly markMask: Int32Array;
  readonly bypass: Uint8Array;
  /** 1: a match is logged although it passes. */
  readonly alerts: Uint8Array;

  constructor(rules: Rule[]) {
    this.action = Uint8Array.from(rules, actOf);
    this.sides = Uint8Array.from(rules, (rule) => SIDES[rule.action]);
    this.scope = Uint8Array.from(rules, scopeOf);
    this.mark = Int32Array.from(rules, (rule) => rule.nfqMark?.mark ?? 0);
    this.markMask = Int32Array.from(rules, (rule) => rule.nfqMark?.mask ?? 0);
    this.alerts = Uint8Array.from(rules, (rule) => (rule.action !== 'pass' || rule.alert === true ? 1 : 0));
    this.bypass = Uint8Array.from(rules, (rule) => (rule.bypass ? 1 : 0));
  }
}

function actOf(rule: Rule): Act {
  return rule.action === 'pass' ? Act.Pass : rule.action === 'alert' ? Act.Alert : Act.Drop;
}

function scopeOf(rule: Rule): Scope {
  if (rule.buffers.some(({ buffer }) => !bufferSpec(buffer).packet)) return Scope.Flow;
  if (rule.appProto !== undefined || rule.header.some(({ kind }) => kind === 'app')) return looksAtPacket(rule) ? Scope.Packet : Scope.Flow;
  // A rule on addresses is asked once per flow and direction: what it drops it must drop whole.
  if (looksAtEnds(rule) || isIpOnly(rule)) return Scope.Flow;
  if (rule.payload.length === 0 || rule.proto === 'tcp-pkt') return Scope.Packet;
  const onPackets = rule.header.some((o) => o.kind === 'dsize' || (o.kind === 'flow' && o.stream === 'no_stream'));
  return onPackets ? Scope.Packet : Scope.Stream;
}

/** What another packet of the flow may have otherwise, beside its payload (Suricata's "packet properties"). */
function looksAtPacket(rule: Rule): boolean {
  return rule.header.some((o) => !OF_FLOW.has(o.kind));
}
const OF_FLOW: ReadonlySet<string> = new Set([
  'app',
  'flow',
  'flow.age',
  'flow.bytes',
  'flow.pkts',
  'flowbits',
  'flowint',
  'geoip',
  'hostbits',
  'ip_proto',
  'iprep',
  'l3_proto',
  'sameip',
  'xbits',
]);

/** Addresses, ports, protocol: what no packet of a flow has otherwise. */
function looksAtEnds(rule: Rule): boolean {
  return rule.payload.length === 0 && rule.buffers.length === 0 && rule.header.every((o) => o.kind === 'ip_proto');
}
