import { parseNumberTest, printNumberTest, UINT16_MAX, UINT32_MAX } from '../numbers.js';
import type { NumberKeyword, PacketOption } from '../packet-option.js';
import type { HeaderOption } from '../rule.js';
import { RuleError } from '../rule-error.js';
import { shorten } from '../text.js';
import { printEvent } from './events.js';
import { FLOW_OPTIONS, printFlow, printSide } from './flow.js';
import { IP_OPTIONS, printIpOption } from './ip.js';
import type { OptionSpec, OptionTable, RuleState } from './option.js';
import { printTcpFlags, TCP_OPTIONS } from './tcp.js';

export { flagLetters } from './tcp.js';

/** A keyword that compares one number with those of 0 to `max`. */
export function numberOption(kind: NumberKeyword, max: number, extra: Partial<OptionSpec> = {}): OptionSpec {
  return { value: 'required', apply: (state, value) => addNumber(state, kind, value, max), ...extra };
}

function addNumber(state: RuleState, kind: NumberKeyword, value: string, max: number): void {
  state.rule.header.push({ kind, test: parseNumberTest(kind, value, max) });
}

/** Keywords whose number Suricata also takes in double quotes: `icmp_id:"300"`. */
function quotedNumber(kind: NumberKeyword, max: number): OptionSpec {
  return { value: 'required', apply: (state, value) => addNumber(state, kind, value.replace(/^"\s*(.*?)\s*"$/, '$1'), max) };
}

/** Tests on headers and flow state (user guide, "IP/TCP/ICMP Keywords", "Flow Keywords", "dsize"). */
export const PACKET_OPTIONS: OptionTable = {
  dsize: numberOption('dsize', UINT16_MAX, { once: true }),
  ttl: numberOption('ttl', 255),
  id: quotedNumber('id', UINT16_MAX),
  fragoffset: quotedNumber('fragoffset', 8191),
  tos: { value: 'required', apply: (state, value) => addNumber(state, 'tos', value.replace(/^(!?\s*)x/i, '$10x'), 255) },
  itype: numberOption('itype', 255),
  icode: numberOption('icode', 255),
  icmp_id: quotedNumber('icmp_id', UINT16_MAX),
  icmp_seq: quotedNumber('icmp_seq', UINT16_MAX),
  'icmpv6.mtu': numberOption('icmpv6.mtu', UINT32_MAX),
  'igmp.type': numberOption('igmp.type', 255),
  'arp.opcode': { value: 'required', apply: arpOpcode },
  seq: numberOption('seq', UINT32_MAX),
  'tcp.seq': numberOption('seq', UINT32_MAX),
  ack: numberOption('ack', UINT32_MAX),
  'tcp.ack': numberOption('ack', UINT32_MAX),
  window: numberOption('window', UINT16_MAX),
  'tcp.window': numberOption('window', UINT16_MAX),
  'tcp.mss': numberOption('tcp.mss', UINT16_MAX),
  'tcp.wscale': numberOption('tcp.wscale', 255),
  'vlan.layers': numberOption('vlan.layers', 3),
  'vlan.id': { value: 'required', apply: vlanId },
  'flow.age': numberOption('flow.age', UINT32_MAX),
  ...IP_OPTIONS,
  ...TCP_OPTIONS,
  ...FLOW_OPTIONS,
};

const ARP_OPCODES: ReadonlyMap<string, number> = new Map(
  Object.entries({ request: 1, reply: 2, request_reverse: 3, reply_reverse: 4, inarp_request: 8, inarp_reply: 9 }),
);

/** A number or one of the names of RFC 826, 903, 2390. */
function arpOpcode(state: RuleState, value: string): void {
  const match = /^(!?)\s*([a-z_]+)$/i.exec(value);
  const code = match === null ? undefined : ARP_OPCODES.get(match[2].toLowerCase());
  addNumber(state, 'arp.opcode', code === undefined ? value : `${match![1]}${code}`, UINT16_MAX);
}

/** `[op]id[,layer]`: layer 0 is the outermost tag, -1 the innermost; without one, any. */
function vlanId({ rule }: RuleState, value: string): void {
  const match = /^([^,]+?)\s*(?:,\s*(any|all|-?\d+)\s*)?$/i.exec(value);
  if (match === null)
    throw new RuleError('vlan.id', `takes an id and perhaps ,layer (0 to 2, -1 to -3, any, all), got "${shorten(value)}"`);
  const word = (match[2] ?? 'any').toLowerCase();
  const layer = word === 'any' || word === 'all' ? word : Number(word);
  if (typeof layer === 'number' && (layer < -3 || layer > 2)) {
    throw new RuleError('vlan.id', `a packet has at most 3 tags: the layer is 0 to 2 or -1 to -3, got ${layer}`);
  }
  // 0 and 4095 are no ids of networks (IEEE 802.1Q, 9.6); 0 stands in priority tags.
  rule.header.push({ kind: 'vlan.id', test: parseNumberTest('vlan.id', match[1], 4095), layer: Object.is(layer, -0) ? 0 : layer });
}

/** Largest payload a rule's dsize admits; 65535 without one. */
export function largestPayload(header: readonly HeaderOption[]): number {
  for (const option of header) {
    if (option.kind !== 'dsize') continue;
    const { op, a, b } = option.test;
    if (op === '=' || op === '<=') return a;
    if (op === '<') return a - 1;
    if (op === '<>') return b - 1;
  }
  return UINT16_MAX;
}

/** Canonical text. */
export function printPacketOption(option: PacketOption): string {
  switch (option.kind) {
    case 'flow':
      return printFlow(option);
    case 'flow.pkts':
    case 'flow.bytes':
    case 'stream_size':
      return printSide(option);
    case 'flags':
      return printTcpFlags(option);
    case 'decode-event':
    case 'stream-event':
      return printEvent(option);
    case 'vlan.id':
      return `vlan.id:${printNumberTest(option.test)}${option.layer === 'any' ? '' : `,${option.layer}`}`;
    case 'ip_proto':
    case 'ipopts':
    case 'sameip':
    case 'geoip':
    case 'l3_proto':
    case 'csum':
    case 'fragbits':
      return printIpOption(option);
    default:
      return `${option.kind}:${printNumberTest(option.test)}`;
  }
}
