/**
 * What is looked at before a rule's function is called: a call into code that ran long ago costs more than these words do.
 * Nothing is decided here that the function would not decide: a rule that is let through is tested in full.
 *
 *   rank * 4   | least payload (16) | Need bits (16) | dst port last (16) | first (16) | src port last | first | most payload |
 */
import type { Packet } from '../decode/packet.js';
import type { PortSet, Rule } from '../rules/rule.js';

/** What a packet must have. */
const enum Need {
  Flow = 1,
  Established = 2,
  NotEstablished = 4,
  Ipv4 = 8,
  Ipv6 = 16,
  Tcp = 32,
  Udp = 64,
}

export const PRECHECK_WORDS = 4;
const ANY_PORT = 0xffff << 16;

/** The table for rules in order of rank. */
export function precheckTable(rules: readonly Rule[]): Int32Array {
  const table = new Int32Array(rules.length * PRECHECK_WORDS);
  for (let rank = 0; rank < rules.length; rank++) table.set(wordsOf(rules[rank]), rank * PRECHECK_WORDS);
  return table;
}

/** The bits of Need that hold for a packet. */
export function haveBits(p: Packet): number {
  return (
    (p.flow < 0 ? Need.NotEstablished : p.established === 1 ? Need.Flow | Need.Established : Need.Flow | Need.NotEstablished) |
    (p.ipVersion === 4 ? Need.Ipv4 : p.ipVersion === 6 ? Need.Ipv6 : 0) |
    (p.proto === 6 ? Need.Tcp : p.proto === 17 ? Need.Udp : 0)
  );
}

function wordsOf(rule: Rule): [number, number, number, number] {
  let need = rule.proto === 'tcp' ? Need.Tcp : rule.proto === 'udp' ? Need.Udp : 0;
  let least = 0;
  let most = 0x7fffffff;
  for (const o of rule.header) {
    if (o.kind === 'flow') {
      if (o.direction !== undefined) need |= Need.Flow;
      if (o.state === 'established') need |= Need.Flow | Need.Established;
      if (o.state === 'not_established') need |= Need.NotEstablished;
    }
    if (o.kind === 'dsize' && o.test.op === '=') [least, most] = [Math.max(least, o.test.a), Math.min(most, o.test.a)];
    if (o.kind === 'dsize' && o.test.op === '<') most = Math.min(most, o.test.a - 1);
    if (o.kind === 'dsize' && o.test.op === '>') least = Math.max(least, o.test.a + 1);
  }
  for (const o of rule.payload) {
    // Behind base64_data and the like it is other bytes that are looked at.
    if (o.kind !== 'content' && o.kind !== 'pcre') break;
    if (o.kind === 'content' && !o.negated) least = Math.max(least, o.pattern.length);
  }
  if (!rule.bidirectional) {
    if (only(rule, 4)) need |= Need.Ipv4;
    else if (only(rule, 6)) need |= Need.Ipv6;
  }
  const bounds = (set: PortSet) => (rule.bidirectional ? ANY_PORT : hull(set));
  return [(Math.min(least, 0xffff) << 16) | need, bounds(rule.dstPorts), bounds(rule.srcPorts), most];
}

/** Whether one side of the rule has addresses of one family only. */
function only(rule: Rule, family: 4 | 6): boolean {
  return [rule.src, rule.dst].some((set) => !set.any && set.ranges.length > 0 && set.ranges.every((r) => r.family === family));
}

function hull(set: PortSet): number {
  if (set.any || set.ranges.length === 0) return ANY_PORT;
  let first = 0xffff;
  let last = 0;
  for (const [from, to] of set.ranges) {
    first = Math.min(first, from);
    last = Math.max(last, to);
  }
  return (last << 16) | first;
}
