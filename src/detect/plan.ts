/**
 * Sorts rules into what the packet path asks for: by protocol class and direction, and within that into
 * rules found by content, rules found by header, and rules that need only addresses.
 *
 *   rank      position of a rule in action order; everything in this folder speaks of ranks
 *   group     class * 2 + direction (0 to server, 1 to client); a rule is in every group it can match in
 *
 * Rules on application layer buffers are in none of these. They are asked for once per transaction, by
 *
 *   transaction group     app-layer protocol * 2 + direction; a rule is in every one that has its buffers
 */
import { AppProto } from '../app-layer/buffers.js';
import { IpProto } from '../decode/packet.js';
import type { Rule } from '../rules/rule.js';
import { eventOf } from './event-index.js';
import { appEventOf, isTransactionRule, literalOf, PAYLOAD, transactionGroups } from './literal.js';
import { protoFits } from './protocol-fit.js';
import { portsTellMore } from './selectivity.js';
import { halfOf, isTwoSided } from './sides.js';
import { ACTION_ORDER, evaluationOrder } from './state/order.js';
import { StreamTrait, streamTraits } from './stream-traits.js';

/** What Vectorscan databases and header indexes are split by. */
export const enum ProtoClass {
  Tcp = 0,
  Udp,
  Icmp,
  Sctp,
  /** Any other protocol over IP. */
  Other,
  /** Not IP, or a header that cannot be read: only `pkthdr` rules look. */
  None,
  Count,
}

/** IP protocol number → ProtoClass. */
export const PROTO_CLASS = new Uint8Array(256).fill(ProtoClass.Other);
PROTO_CLASS[IpProto.Tcp] = ProtoClass.Tcp;
PROTO_CLASS[IpProto.Udp] = ProtoClass.Udp;
PROTO_CLASS[IpProto.Icmp] = ProtoClass.Icmp;
PROTO_CLASS[IpProto.IcmpV6] = ProtoClass.Icmp;
PROTO_CLASS[IpProto.Sctp] = ProtoClass.Sctp;

export interface Group {
  /** Ranks. */
  content: number[];
  header: number[];
  ipOnly: number[];
  /** Those of `header` that look at the stream. */
  stream: number[];
  /** Bytes of the longest literal of those of `content` that do; 0: there are none. */
  longest: number;
}

export interface TransactionGroup {
  /** Ranks by the buffer their literal lies in: BufferId, then PAYLOAD. */
  content: number[][];
  /** Rules without a literal. */
  header: number[];
  /** Rules on an event and no buffer. */
  events: number[];
}

export interface Plan {
  /** Rank → index in the rules given. */
  order: Int32Array;
  /** Rules by rank. */
  rules: Rule[];
  /** Ranks below this are pass rules. */
  passCount: number;
  groups: Group[];
  /** Rules found by a decode or stream event (event-index.ts): in no group. */
  events: number[];
  transactions: TransactionGroup[];
}

/** `actionOrder`: as in suricata.yaml. */
export function compileRules(rules: Rule[], actionOrder: readonly string[] = ACTION_ORDER): Plan {
  const order = evaluationOrder(rules, actionOrder);
  const plan: Plan = {
    order,
    rules: Array.from(order, (i) => rules[i]),
    passCount: rules.filter((r) => r.action === 'pass').length,
    groups: Array.from({ length: ProtoClass.Count * 2 }, () => ({ content: [], header: [], ipOnly: [], stream: [], longest: 0 })),
    events: [],
    transactions: Array.from({ length: AppProto.Count * 2 }, () => ({
      content: Array.from({ length: PAYLOAD + 1 }, () => []),
      header: [],
      events: [],
    })),
  };
  for (let rank = 0; rank < plan.rules.length; rank++) {
    const rule = plan.rules[rank];
    if (rule.inert !== undefined) continue;
    const literal = literalOf(rule);
    if (eventOf(rule) !== undefined && !isTransactionRule(rule)) {
      plan.events.push(rank);
      continue;
    }
    if (isTwoSided(rule)) {
      for (let direction = 0; direction < 2; direction++) fileTransactions(plan, halfOf(rule, direction), rank);
      continue;
    }
    if (isTransactionRule(rule)) {
      fileTransactions(plan, rule, rank);
      continue;
    }
    const kind = literal !== null && !portsTellMore(rule, literal.bytes) ? 'content' : isIpOnly(rule) ? 'ipOnly' : 'header';
    const traits = streamTraits(rule);
    for (const protoClass of classesOf(rule)) {
      for (let direction = 0; direction < 2; direction++) {
        if (!goes(rule, direction)) continue;
        const group = plan.groups[protoClass * 2 + direction];
        if (traits === 0 || kind === 'content' || (traits & StreamTrait.Only) === 0) group[kind].push(rank);
        if (traits === 0 || protoClass !== ProtoClass.Tcp) continue;
        if (kind === 'content') group.longest = Math.max(group.longest, literal!.bytes.length);
        else group.stream.push(rank);
      }
    }
  }
  return plan;
}

function fileTransactions(plan: Plan, rule: Rule, rank: number): void {
  const literal = literalOf(rule);
  for (const index of transactionGroups(rule)) {
    const group = plan.transactions[index];
    const list = appEventOf(rule) !== undefined && rule.buffers.length === 0 ? group.events : group.header;
    (literal === null || list === group.events ? list : group.content[literal.buffer]).push(rank);
  }
}

/**
 * User guide, "Rule Types and Categorization": a rule on addresses (and protocol) alone is matched once per
 * flow and direction. Ports, `flow`, any other test, an application protocol, or a negated address make it a packet rule.
 */
export function isIpOnly(rule: Rule): boolean {
  return (
    rule.payload.length === 0 &&
    rule.buffers.length === 0 &&
    rule.appProto === undefined &&
    rule.srcPorts.any &&
    rule.dstPorts.any &&
    rule.proto !== 'pkthdr' &&
    !hasNegatedAddress(rule) &&
    rule.header.every((o) => o.kind === 'ip_proto' || o.kind === 'iprep')
  );
}

function hasNegatedAddress(rule: Rule): boolean {
  return rule.src.negated === true || rule.dst.negated === true || rule.text.split('(', 1)[0].includes('!');
}

function goes(rule: Rule, direction: number): boolean {
  return rule.header.every((o) => o.kind !== 'flow' || o.direction === undefined || (o.direction === 'to_server') === (direction === 0));
}

function classesOf(rule: Rule): ProtoClass[] {
  const classes = new Set<ProtoClass>();
  // Ports exist in three protocols: elsewhere a rule that names one cannot match.
  const ported = !rule.srcPorts.any || !rule.dstPorts.any;
  for (let proto = 0; proto < 256; proto++) {
    const protoClass = PROTO_CLASS[proto] as ProtoClass;
    if (ported && protoClass !== ProtoClass.Tcp && protoClass !== ProtoClass.Udp && protoClass !== ProtoClass.Sctp) continue;
    if (protoFits(rule, proto)) classes.add(protoClass);
  }
  if (rule.proto === 'pkthdr') classes.add(ProtoClass.None);
  return [...classes];
}
