import type { Rule } from '../rules/rule.js';
import type { EventRecord } from './event-decode.js';
import { FAST_PROTO } from './names.js';
import { addressText, fastTime, oneLine } from './text.js';

const FLAGS = [' ', ' [Drop] ', ' [wDrop] '] as const;

/**
 * One line of fast.log, without its end:
 * `MM/DD/YYYY-HH:MM:SS.uuuuuu  [Drop] [**] [gid:sid:rev] msg [**] [Classification: c] [Priority: n] {PROTO} a:p -> b:p`.
 * ICMP has type and code where the ports are. A packet without IP ends in its first bytes instead.
 */
export function fastLine(e: EventRecord, rule: Rule): string {
  const head =
    `${fastTime(e.tsSec, e.tsNsec)} ${FLAGS[e.dropFlag]}[**] [${rule.gid}:${rule.sid}:${rule.rev}] ${oneLine(rule.msg)} [**] ` +
    `[Classification: ${oneLine(rule.category) || '(null)'}] [Priority: ${rule.priority}]`;
  if (e.ipVersion === 0) return `${head} [**] [Raw pkt: ${rawBytes(e.packet)}]`;
  const icmp = e.proto === 1 || e.proto === 58;
  const ports = e.proto === 6 || e.proto === 17 || e.proto === 132;
  const from = icmp ? e.icmpType : ports ? e.srcPort : 0;
  const to = icmp ? e.icmpCode : ports ? e.dstPort : 0;
  return `${head} {${FAST_PROTO[e.proto]}} ${addressText(e.ipVersion, e.src)}:${from} -> ${addressText(e.ipVersion, e.dst)}:${to}`;
}

function rawBytes(packet: Uint8Array): string {
  let text = '';
  for (let i = 0; i < packet.length && i < 32; i++) text += `${packet[i].toString(16).toUpperCase().padStart(2, '0')} `;
  return text;
}
