import { type BufferSpec, bufferSpec } from '../../app-layer/catalogue.js';
import { APP_TRANSPORTS } from '../protocols.js';
import type { BufferTests, Rule } from '../rule.js';
import { RuleError } from '../rule-error.js';
import { checkTests } from './byte-checks.js';
import { largestPayload } from './packet.js';

/**
 * What a rule's options must satisfy together, whatever their order: the combinations
 * Suricata documents as impossible or refuses at load. Throws RuleError with the option at fault.
 */
export function checkRule(rule: Rule): void {
  checkTests(rule.payload, largestPayload(rule.header));
  for (const { tests } of rule.buffers) checkTests(tests, Number.POSITIVE_INFINITY);
  if (rule.buffers.length > 0) checkBuffers(rule);
  if (rule.transactional === true) checkTransactional(rule);
  if (rule.payload.some((o) => o.kind === 'content' && o.replace !== undefined)) checkReplace(rule);
}

/** Tests of one packet, where a transaction may span several (Suricata: "packet specific matches"). */
const PACKET_TESTS = new Set(
  (
    'dsize ttl tos id fragoffset fragbits ipopts itype icode icmp_id icmp_seq icmpv6.mtu igmp.type arp.opcode flags seq ack window ' +
    'tcp.mss tcp.wscale csum decode-event stream-event'
  ).split(' '),
);

/** Headers under which other protocols travel. */
const CARRIED: Readonly<Record<string, readonly string[]>> = {
  doh2: ['doh2', 'dns', 'http2', 'http'],
  smb: ['smb', 'dcerpc'],
};

/** A rule on buffers is matched once per transaction: all it looks at must belong to one protocol and one direction. */
function checkBuffers(rule: Rule): void {
  const all = rule.buffers.map(({ buffer, way }) => ({ spec: bufferSpec(buffer), way: way ?? WAYS[bufferSpec(buffer).way] }));
  const specs = all.filter(({ spec }) => !spec.packet);
  if (specs.length === 0) return;
  const [{ spec: first }] = specs;
  const header = all.find(({ spec }) => spec.packet && !FLOW_FACTS.has(spec.name));
  if (header !== undefined) throw packetSpecific(header.spec.name, first.name);
  let protos: readonly string[] = rule.appProto === undefined ? first.protos : (CARRIED[rule.appProto] ?? [rule.appProto]);
  for (const { spec } of specs) {
    const both = spec.protos.filter((proto) => protos.includes(proto));
    if (both.length === 0) {
      const reason =
        rule.appProto === undefined
          ? `${first.name} to ${protos[0]}: no flow has both protocols`
          : `and the rule's header says ${rule.appProto}`;
      throw new RuleError(spec.name, `belongs to ${spec.protos[0]}, ${reason}`);
    }
    protos = both;
  }
  checkTransport(rule, first.name, protos);
  checkWays(rule, specs);
  for (const { kind } of rule.header) if (PACKET_TESTS.has(kind)) throw packetSpecific(kind, first.name);
}

/** Buffers of a packet that are the same for a flow's every packet of a direction. */
const FLOW_FACTS = new Set(['ip.src', 'ip.dst', 'pkt_data']);

function packetSpecific(option: string, buffer: string): RuleError {
  return new RuleError(option, `tests one packet and cannot be combined with ${buffer}, which tests a transaction`);
}

function checkTransport(rule: Rule, buffer: string, protos: readonly string[]): void {
  const transports = protos.map((proto) => APP_TRANSPORTS.get(proto) ?? 'tcp');
  if (['ip', 'ipv4', 'ipv6'].includes(rule.proto) || transports.includes('ip')) return;
  if (transports.some((transport) => rule.proto === transport || rule.proto === `${transport}-stream`)) return;
  throw new RuleError(
    buffer,
    `belongs to ${protos[0]}, which runs over ${transports[0]}: the header ${rule.proto} never has it, write ${protos[0]}`,
  );
}

const WAYS = ['to_server', 'to_client', undefined] as const;

/** Directions of buffers agree with each other and with `flow`; a rule with => has both. */
function checkWays(rule: Rule, specs: { spec: BufferSpec; way: BufferTests['way'] }[]): void {
  if (rule.transactional === true) return;
  const directed = specs.filter(({ way }) => way !== undefined);
  for (const { spec, way } of directed) {
    if (way !== directed[0].way) throw conflict(spec, way, `${directed[0].spec.name} ${directed[0].way}`);
    for (const option of rule.header) {
      if (option.kind === 'flow' && option.direction !== undefined && option.direction !== way) {
        throw conflict(spec, way, `flow:${option.direction} the other way`);
      }
    }
  }
}

/** `=>`: something of each direction, and nothing that could be of either (user guide, "Transactional rules"). */
function checkTransactional(rule: Rule): void {
  const ways = rule.header.flatMap((o) =>
    o.kind !== 'app' ? [] : o.way !== undefined ? [o.way] : o.keyword === 'urilen' ? [WAYS[0]] : [],
  );
  for (const { buffer, way } of rule.buffers) {
    const spec = bufferSpec(buffer);
    const side = way ?? WAYS[spec.way];
    if (side === undefined)
      throw new RuleError(spec.name, 'may be sent by both sides: with => write which, to_server or to_client, behind a colon');
    ways.push(side);
  }
  if (rule.payload.length > 0) throw new RuleError('content', 'tests one packet: a rule with => tests the buffers of a transaction');
  if (!ways.includes('to_server') || !ways.includes('to_client'))
    throw new RuleError('', 'a rule with => needs tests of both directions; for one, write ->');
}

function conflict(spec: BufferSpec, way: BufferTests['way'], other: string): RuleError {
  return new RuleError(spec.name, `is sent ${way}, ${other}: a rule has one direction`);
}

/** Rewriting needs the packet itself (Suricata: a packet keyword). */
function checkReplace(rule: Rule): void {
  if (rule.buffers.length > 0) {
    throw new RuleError('replace', `rewrites one packet and cannot be combined with ${rule.buffers[0].buffer}, which tests a transaction`);
  }
  if (rule.proto === 'tcp-stream' || rule.header.some((o) => o.kind === 'flow' && o.stream === 'only_stream')) {
    throw new RuleError('replace', 'rewrites one packet and cannot be combined with tcp-stream or flow:only_stream');
  }
}
