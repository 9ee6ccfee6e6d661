/**
 * One rule as one function: 1 when the packet matches, else 0. Cheap tests come first.
 *
 *   drop tcp 10.0.0.0/8 any -> any [80,8080:8090] (flow:to_server,established; dsize:>20; content:"ab"; sid:7;)
 *
 *   function rule_7(p, x) {
 *     if (p.proto !== 6) return 0;
 *     if (p.transportOff < 0 || (p.proto !== 6 && ...)) return 0;           // the rule names ports
 *     if (p.flow < 0 || p.direction !== 0) return 0;
 *     if (p.flow < 0 || p.established !== 1) return 0;
 *     if (p.payloadLen < 2) return 0;
 *     if (!(p.payloadLen > 20)) return 0;
 *     if (!((p.dstPort === 80 || p.dstPort >= 8080 && p.dstPort <= 8090) && (p.ipVersion === 4 && (p.src[0] & -16777216) === 167772160))) return 0;
 *     const mem = p.mem, o = p.payloadOff, end = o + p.payloadLen;
 *     if (k0(x, mem, o, end - 2, k1, k2) < 0) return 0;                     // buffer.ts
 *     if (x.budget < 0) return 0;
 *     return 1;
 *   }
 *
 * A rule with `ftp.command; content:"USER";` also has
 *
 *     if (!(x.buffers.len[0] >= 4)) return 0;
 *     {
 *       const mem = x.buffers.mem[0], o = x.buffers.off[0], end = o + x.buffers.len[0];
 *       ...
 *     }
 *
 * and one with `content:"ab"; replace:"cd";` ends in
 *
 *     x.replacements.record(q0, k3);                                        // q0: where "ab" was found
 */
import { APP_PROTO_NAMES } from '../app-layer/buffers.js';
import { bufferSpec } from '../app-layer/catalogue.js';
import { IpProto, type Packet } from '../decode/packet.js';
import type { AppOption } from '../rules/app-option.js';
import type { ByteOption, PcreOption } from '../rules/byte-option.js';
import type { AddressRange, AddressSet, BufferTests, HeaderOption, PortSet, Rule } from '../rules/rule.js';
import { AddressMatcher, addressKey } from './addresses.js';
import { type BufferSource, type EmitContext, emitBuffer, setterNames } from './buffer.js';
import { defined, minimumLength, presence, variablesOf } from './chains.js';
import { Code, num } from './codegen.js';
import { DerivedBuffers } from './derived/derived.js';
import { packetBuffer } from './derived/packet-buffers.js';
import type { Inspection } from './search.js';
import { packetTests } from './tests/packet.js';
import { isStateOption, stateTests } from './tests/state.js';

export type Matcher = (p: Packet, x: Inspection) => number;

/** Address lists already made ready, by what is in them: thousands of rules share $HOME_NET. */
export type AddressCache = Map<string, AddressMatcher>;

/** `derived` is that of the Inspection the matcher will be called with. */
export function compileMatcher(
  rule: Rule,
  addresses: AddressCache,
  compileRegex: (t: PcreOption) => number,
  derived?: DerivedBuffers,
): Matcher {
  return emitMatcher(rule, addresses, compileRegex, derived).build(['p', 'x'], rule.sid) as Matcher;
}

/** The code before it becomes a function. */
export function emitMatcher(
  rule: Rule,
  addresses: AddressCache,
  compileRegex: (t: PcreOption) => number,
  derived = new DerivedBuffers(),
): Code {
  const code = new Code();
  const need = (condition: string) => code.line(`if (!(${condition})) return 0;`);
  const proto = protoTest(rule);
  if (proto !== '') need(proto);
  if (!rule.srcPorts.any || !rule.dstPorts.any) {
    need(`p.transportOff >= 0 && (p.proto === ${num(IpProto.Tcp)} || p.proto === ${num(IpProto.Udp)} || p.proto === ${num(IpProto.Sctp)})`);
  }
  if (rule.appProto !== undefined) need(`p.appProto === ${num(appProtoCode(rule.appProto))}`);
  const lists = rule.buffers.map((entry) => ({ source: bufferSource(code, entry, derived, compileRegex), tests: entry.tests }));
  // What a transform makes is worked out when it is asked for: after all else that can say no.
  for (const [i, { source, tests }] of lists.entries()) if (rule.buffers[i].transforms.length === 0) need(presence(tests, source.len));
  // Payload tests need a payload, negated ones too.
  if (rule.payload.length > 0) need(`p.payloadLen >= ${num(Math.max(1, minimumLength(rule.payload)))}`);
  for (const option of rule.header) for (const condition of headerTests(code, rule, option)) need(condition);
  const forward = endpoints(code, rule, addresses, 'src', 'dst');
  if (rule.bidirectional) {
    const backward = endpoints(code, rule, addresses, 'dst', 'src');
    if (forward !== '' || backward !== '')
      need(`${forward === '' ? 'true' : `(${forward})`} || ${backward === '' ? 'true' : `(${backward})`}`);
  } else if (forward !== '') need(forward);
  for (const [i, { source, tests }] of lists.entries()) if (rule.buffers[i].transforms.length > 0) need(presence(tests, source.len));
  emitBuffers(code, rule, lists, compileRegex);
  code.line('return 1;');
  return code;
}

const PAYLOAD_SOURCE: BufferSource = { mem: 'p.mem', region: 'p.region', off: 'p.payloadOff', len: 'p.payloadLen' };

/** A buffer of the transaction under inspection, a part of the packet, or what transforms make of either; its length is -1 when there is none. */
function bufferSource(
  code: Code,
  { buffer, transforms }: BufferTests,
  derived: DerivedBuffers,
  compileRegex: (t: PcreOption) => number,
): BufferSource {
  const spec = bufferSpec(buffer);
  if (transforms.length > 0) {
    const i = num(derived.add(buffer, transforms, compileRegex));
    return {
      mem: `x.derived.mem[${i}]`,
      region: 'x.derived.region',
      off: `x.derived.off[${i}]`,
      len: `x.derived.length(${i}, p, x.buffers)`,
    };
  }
  if (spec.packet) {
    const { off, len } = packetBuffer(buffer);
    return { mem: 'p.mem', region: 'p.region', off: `${code.constant(off)}(p)`, len: `${code.constant(len)}(p)` };
  }
  if (spec.id < 0) throw new Error(`no parser fills ${buffer}`);
  const of = (field: string) => `x.buffers.${field}[${num(spec.id)}]`;
  return { mem: of('mem'), region: of('region'), off: of('off'), len: of('len') };
}

function headerTests(code: Code, rule: Rule, option: HeaderOption): string[] {
  if (option.kind === 'app') return [appTest(option)];
  return isStateOption(option) ? stateTests(code, option, rule) : packetTests(code, option);
}

/** Unknown protocols pass no test, negated ones neither: nothing is known yet. */
function appTest({ keyword, value, negated }: AppOption): string {
  if (keyword !== 'app-layer-protocol') throw new Error(`${keyword} has no runtime`);
  const code = num(appProtoCode(value));
  return negated ? `p.appProto > 0 && p.appProto !== ${code}` : `p.appProto === ${code}`;
}

/** A rule's tests on one buffer. */
interface List {
  source: BufferSource;
  tests: ByteOption[];
}

function emitBuffers(code: Code, rule: Rule, buffers: List[], compileRegex: (t: PcreOption) => number): void {
  if (rule.payload.length === 0 && rule.buffers.length === 0) return;
  const lists = [...buffers];
  if (rule.payload.length > 0) lists.push({ source: PAYLOAD_SOURCE, tests: rule.payload });
  const names = setterNames(
    lists.flatMap(({ tests }) => tests),
    'v',
  );
  const context: EmitContext = { code, compileRegex, positions: new Map(), variables: new Map(), names };
  const replaced = rule.payload.filter((t) => t.kind === 'content').filter((t) => t.replace !== undefined);
  for (const [i, t] of replaced.entries()) context.positions.set(t, `q${num(i)}`);
  const declared = [...context.positions.values(), ...names.values()];
  if (declared.length > 0) code.line(`let ${declared.map((name) => `${name} = 0`).join(', ')};`);
  for (const { source, tests } of names.size === 0 ? lists : settersFirst(lists)) {
    const [first] = tests;
    if (source === PAYLOAD_SOURCE && names.size === 0) {
      emitBuffer(context, source, tests);
      continue;
    }
    if (first.kind === 'absent' && !first.orElse) continue;
    code.open(first.kind === 'absent' ? `if (${source.len} >= 0) {` : '{');
    emitBuffer(context, source, tests);
    code.close();
  }
  code.line('if (x.budget < 0) return 0;');
  // The last first: where two overlap, the one written first is written over the other.
  for (const t of replaced.reverse()) code.line(`x.replacements.record(${context.positions.get(t)}, ${code.constant(t.replace)});`);
}

/** Lists that set a variable before those that look at it; otherwise in the order given. */
function settersFirst(lists: List[]): List[] {
  const waiting = [...lists];
  const sorted: List[] = [];
  while (waiting.length > 0) {
    const others = (list: List) => waiting.filter((other) => other !== list).flatMap(({ tests }) => tests.map(defined));
    const ready = waiting.findIndex((list) => !list.tests.some((t) => variablesOf(t).some((name) => others(list).includes(name))));
    sorted.push(...waiting.splice(Math.max(ready, 0), 1));
  }
  return sorted;
}

function appProtoCode(name: string): number {
  const code = APP_PROTO_NAMES.indexOf(name);
  if (code < 0) throw new Error(`no application protocol is called ${name}`);
  return code;
}

function protoTest(rule: Rule): string {
  switch (rule.proto) {
    case 'pkthdr':
      return '';
    case 'ip':
      return 'p.ipVersion !== 0';
    case 'ipv4':
      return 'p.ipVersion === 4';
    case 'ipv6':
      return 'p.ipVersion === 6';
    case 'udp':
      return `p.proto === ${num(IpProto.Udp)}`;
    case 'sctp':
      return `p.proto === ${num(IpProto.Sctp)}`;
    case 'icmp':
      return `p.proto === ${num(IpProto.Icmp)} || p.proto === ${num(IpProto.IcmpV6)}`;
    case 'icmpv4':
      return `p.proto === ${num(IpProto.Icmp)}`;
    case 'icmpv6':
      return `p.proto === ${num(IpProto.IcmpV6)}`;
    default:
      return `p.proto === ${num(IpProto.Tcp)}`;
  }
}

/** The rule's source side at `from` and destination side at `to`, as one condition; '' when both are any. */
function endpoints(code: Code, rule: Rule, addresses: AddressCache, from: 'src' | 'dst', to: 'src' | 'dst'): string {
  return [
    portTest(code, rule.dstPorts, `p.${to}Port`),
    portTest(code, rule.srcPorts, `p.${from}Port`),
    addressTest(code, rule.src, addresses, `p.${from}`),
    addressTest(code, rule.dst, addresses, `p.${to}`),
  ]
    .filter((t) => t !== '')
    .map((t) => `(${t})`)
    .join(' && ');
}

/** Up to this many ranges are written out; more become a table of 65,536 flags. */
const INLINE_RANGES = 6;

function portTest(code: Code, set: PortSet, port: string): string {
  if (set.any) return '';
  if (set.ranges.length === 0) return 'false';
  if (set.ranges.length <= INLINE_RANGES) {
    return set.ranges
      .map(([first, last]) => (first === last ? `${port} === ${num(first)}` : `(${port} >= ${num(first)} && ${port} <= ${num(last)})`))
      .join(' || ');
  }
  return `${code.constant(portTable(set))}[${port}] === 1`;
}

const portTables = new WeakMap<PortSet, Uint8Array>();

function portTable(set: PortSet): Uint8Array {
  let table = portTables.get(set);
  if (table === undefined) {
    table = new Uint8Array(65536);
    for (const [first, last] of set.ranges) table.fill(1, first, last + 1);
    portTables.set(set, table);
  }
  return table;
}

function addressTest(code: Code, set: AddressSet, cache: AddressCache, address: string): string {
  if (set.any) return '';
  if (set.ranges.length === 0) return 'false';
  const prefix = set.ranges.length === 1 ? prefixOf(set.ranges[0]) : null;
  if (prefix !== null) {
    return `p.ipVersion === 4 && ${prefix.mask === -1 ? `${address}[0]` : `(${address}[0] & ${num(prefix.mask)})`} === ${num(prefix.word)}`;
  }
  const key = addressKey(set);
  let matcher = cache.get(key);
  if (matcher === undefined) {
    matcher = new AddressMatcher(set);
    cache.set(key, matcher);
  }
  return `${code.constant(matcher)}.has(${address}, p.ipVersion)`;
}

/** An IPv4 range that is one prefix, as signed words. */
function prefixOf(range: AddressRange): { word: number; mask: number } | null {
  if (range.family !== 4) return null;
  const first = Buffer.from(range.first).readInt32BE(0);
  const last = Buffer.from(range.last).readInt32BE(0);
  const host = first ^ last;
  // host must be 0...01...1, and the first address must have zeros there.
  if ((host & (host + 1)) !== 0 || (first & host) !== 0) return null;
  return { word: first, mask: ~host };
}
