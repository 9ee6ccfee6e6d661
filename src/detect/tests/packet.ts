/**
 * Tests on a packet's headers and its flow as source text: conditions on `p` (Packet) and `x` (Inspection), all of which must hold.
 *
 *   ttl:<5               p.ipVersion !== 0 | p.ttl < 5
 *   tcp.mss:<536         k0(p) >= 0 && k0(p) < 536                                   k0 reads the option (fields.ts)
 *   flow.pkts:both,>3    p.flow >= 0 | x.flows.pktsTs[p.flow] > 3 | x.flows.pktsTc[p.flow] > 3
 */
import { DecodeEvent } from '../../decode/events.js';
import { IpProto, type Packet } from '../../decode/packet.js';
import { Key, L4 } from '../../flow/layout.js';
import type {
  ChecksumKeyword,
  FlowCountOption,
  FlowOption,
  IpOptionName,
  NumberKeyword,
  NumberTest,
  PacketOption,
  StreamSizeOption,
  VlanIdOption,
} from '../../rules/packet-option.js';
import { type Code, num } from '../codegen.js';
import { wrongChecksum } from './checksums.js';
import { arpOpcode, hasIpOption, icmpId, icmpSeq, icmpV6Mtu, igmpType, tcpMss, tcpWindowScale, vlanId } from './fields.js';
import { numberTest } from './number.js';

export { numberTest } from './number.js';

const IS_TCP = `p.transportOff >= 0 && p.proto === ${num(IpProto.Tcp)}`;
const HAS_FLOW = 'p.flow >= 0';

/** Where a number is in the packet, and when it is there. */
const FIELDS: Partial<Record<NumberKeyword, { present?: string; value: string }>> = {
  dsize: { value: 'p.payloadLen' },
  ttl: { present: 'p.ipVersion !== 0', value: 'p.ttl' },
  tos: { present: 'p.ipVersion !== 0', value: 'p.tos' },
  // IPv6 has an identification in fragments only, of 32 bits: Suricata tests IPv4.
  id: { present: 'p.ipVersion === 4', value: 'p.ipId' },
  fragoffset: { present: 'p.ipVersion !== 0', value: '(p.fragOffset >> 3)' },
  itype: { present: 'p.icmpType >= 0', value: 'p.icmpType' },
  icode: { present: 'p.icmpType >= 0', value: 'p.icmpCode' },
  seq: { present: IS_TCP, value: '(p.tcpSeq >>> 0)' },
  ack: { present: IS_TCP, value: '(p.tcpAck >>> 0)' },
  window: { present: IS_TCP, value: 'p.tcpWindow' },
  'vlan.layers': { value: 'p.vlanDepth' },
  'flow.age': { present: HAS_FLOW, value: `(p.tsSec - x.flows.key[p.flow * ${num(Key.Words)} + ${num(Key.StartSec)}])` },
};

/** Fields that decode does not keep. */
const READERS: Partial<Record<NumberKeyword, (p: Packet) => number>> = {
  'tcp.mss': tcpMss,
  'tcp.wscale': tcpWindowScale,
  icmp_id: icmpId,
  icmp_seq: icmpSeq,
  'icmpv6.mtu': icmpV6Mtu,
  'igmp.type': igmpType,
  'arp.opcode': arpOpcode,
};

/** Conditions of one option, all of which must hold. */
export function packetTests(code: Code, o: PacketOption): string[] {
  switch (o.kind) {
    case 'ip_proto':
      return ['p.ipVersion !== 0', `p.proto ${{ '=': '===', '!': '!==', '<': '<', '>': '>' }[o.op]} ${num(o.proto)}`];
    case 'flags':
      return [IS_TCP, flagTest('p.tcpFlags', o.flags & ~o.ignore & 0xff, ~o.ignore & 0xff, o.modifier)];
    case 'fragbits':
      return ['p.ipVersion === 4', flagTest('p.mem[p.ipOff + 6]', o.bits, 0xe0, o.modifier)];
    case 'flow':
      return flowTests(o);
    case 'flow.pkts':
    case 'flow.bytes':
      return flowCountTests(o);
    case 'stream_size':
      return streamSizeTests(o);
    case 'vlan.id':
      return vlanTests(code, o);
    case 'ipopts':
      return [`${code.constant(hasIpOption)}(p, ${num(IP_OPTION_TYPES[o.option])})`];
    case 'sameip':
      return ['p.ipVersion !== 0', ...[0, 1, 2, 3].map((i) => `p.src[${i}] === p.dst[${i}]`)];
    case 'l3_proto':
      return [`p.ipVersion === ${num(o.version)}`];
    case 'csum':
      return checksumTests(code, o.keyword, o.valid);
    case 'decode-event':
      return [`p.eventCount > 0 && p.hasEvent(${num(o.code)})`];
    case 'stream-event':
      return [`p.streamEventCount > 0 && p.hasStreamEvent(${num(o.code)})`];
    case 'geoip':
      return ['false'];
    default:
      return fieldTests(code, o.kind, o.test);
  }
}

function fieldTests(code: Code, kind: NumberKeyword, test: NumberTest): string[] {
  const reader = READERS[kind];
  if (reader !== undefined) {
    const value = `${code.constant(reader)}(p)`;
    return [`${value} >= 0`, numberTest(value, test)];
  }
  const field = FIELDS[kind];
  if (field === undefined) throw new Error(`no test for ${kind}`);
  const condition = numberTest(field.value, test);
  return field.present === undefined ? [condition] : [field.present, condition];
}

/** `!`: not all of them, as Suricata has it. */
function flagTest(value: string, want: number, mask: number, modifier: '' | '+' | '*' | '!'): string {
  const flags = `(${value} & ${num(mask)})`;
  switch (modifier) {
    case '':
      return `${flags} === ${num(want)}`;
    case '+':
      return `(${flags} & ${num(want)}) === ${num(want)}`;
    case '*':
      return `(${flags} & ${num(want)}) !== 0`;
    case '!':
      return `(${flags} & ${num(want)}) !== ${num(want)}`;
  }
}

function flowTests(o: FlowOption): string[] {
  // Without a flow nobody knows a direction or a state: only `stateless` and `not_established` hold.
  // only_stream and no_stream hold for every packet until there are streams.
  const tests: string[] = [];
  if (o.direction !== undefined) tests.push(`p.flow >= 0 && p.direction === ${o.direction === 'to_server' ? '0' : '1'}`);
  if (o.state === 'established') tests.push('p.flow >= 0 && p.established === 1');
  if (o.state === 'not_established') tests.push('p.flow < 0 || p.established === 0');
  if (o.frag === 'only_frag') tests.push('p.defragged !== 0');
  if (o.frag === 'no_frag') tests.push('p.defragged === 0');
  return tests;
}

/** `both`: each of the two passes; `either`: one of them. */
function sides(first: string, second: string, side: string): string[] {
  if (side === 'both') return [first, second];
  if (side === 'either') return [`(${first}) || (${second})`];
  return [side === 'toserver' || side === 'client' ? first : second];
}

function flowCountTests(o: FlowCountOption): string[] {
  const name = o.kind === 'flow.pkts' ? 'pkts' : 'bytes';
  const of = (side: 'Ts' | 'Tc') => numberTest(`x.flows.${name}${side}[p.flow]`, o.test);
  return [HAS_FLOW, ...sides(of('Ts'), of('Tc'), o.side)];
}

/** From the sequence numbers of a side's SYN to the next one expected: the SYN counts as one, as in Suricata. */
function streamSizeTests(o: StreamSizeOption): string[] {
  const at = (word: number) => `x.flows.l4[p.flow * ${num(L4.Words)} + ${num(word)}]`;
  const of = (direction: 0 | 1) => numberTest(`((${at(L4.Next + direction)} - ${at(L4.Isn + direction)}) >>> 0)`, o.test);
  return [`${HAS_FLOW} && p.proto === ${num(IpProto.Tcp)}`, ...sides(of(0), of(1), o.side)];
}

function vlanTests(code: Code, o: VlanIdOption): string[] {
  const of = (layer: number) => `(${numberTest(`p.vlan${layer}`, o.test)})`;
  if (typeof o.layer === 'number') {
    const value = `${code.constant(vlanId)}(p, ${num(o.layer)})`;
    return [`${value} >= 0`, numberTest(value, o.test)];
  }
  if (o.layer === 'any') return [`(p.vlanDepth > 0 && ${of(0)}) || (p.vlanDepth > 1 && ${of(1)}) || (p.vlanDepth > 2 && ${of(2)})`];
  return [`p.vlanDepth > 0 && ${of(0)}`, `p.vlanDepth < 2 || ${of(1)}`, `p.vlanDepth < 3 || ${of(2)}`];
}

/** IPv4 option types (IANA ip-parameters); -1: any. */
const IP_OPTION_TYPES: Record<IpOptionName, number> = {
  any: -1,
  eol: 0,
  nop: 1,
  rr: 7,
  ts: 68,
  sec: 130,
  lsrr: 131,
  esec: 133,
  satid: 136,
  ssrr: 137,
};

const CHECKSUMS: Record<ChecksumKeyword, { version: 4 | 6; proto: number; event: number }> = {
  'ipv4-csum': { version: 4, proto: -1, event: DecodeEvent.Ipv4InvalidChecksum },
  'tcpv4-csum': { version: 4, proto: IpProto.Tcp, event: DecodeEvent.TcpInvalidChecksum },
  'tcpv6-csum': { version: 6, proto: IpProto.Tcp, event: DecodeEvent.TcpInvalidChecksum },
  'udpv4-csum': { version: 4, proto: IpProto.Udp, event: DecodeEvent.UdpInvalidChecksum },
  'udpv6-csum': { version: 6, proto: IpProto.Udp, event: DecodeEvent.UdpInvalidChecksum },
  'icmpv4-csum': { version: 4, proto: IpProto.Icmp, event: DecodeEvent.Icmpv4InvalidChecksum },
  'icmpv6-csum': { version: 6, proto: IpProto.IcmpV6, event: DecodeEvent.Icmpv6InvalidChecksum },
};

/** What nobody is to check (capture.checksum-validation, -k none) counts as valid, as in Suricata; without stream.checksum-validation we look ourselves. */
function checksumTests(code: Code, keyword: ChecksumKeyword, valid: boolean): string[] {
  const { version, proto, event } = CHECKSUMS[keyword];
  const tests = [`p.ipVersion === ${num(version)}`];
  if (proto >= 0) tests.push(`p.transportOff >= 0 && p.proto === ${num(proto)}`);
  const unseen = `p.csumUnseen !== 0 && ${code.constant(wrongChecksum)}(p) === ${num(event)}`;
  const seen = `p.csumInvalid !== 0 && p.hasEvent(${num(event)})`;
  tests.push(valid ? `!(${seen} || ${unseen})` : `${seen} || ${unseen}`);
  return tests;
}
