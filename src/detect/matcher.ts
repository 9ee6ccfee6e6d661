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
import { BufferId } from '../app-layer/buffers.js';
import { bufferSpec } from '../app-layer/catalogue.js';
import { IpProto, type Packet } from '../decode/packet.js';
import type { ByteOption, PcreOption } from '../rules/byte-option.js';
import type { AddressRange, AddressSet, BufferTests, HeaderOption, PortSet, Rule } from '../rules/rule.js';
import { AddressMatcher, addressKey } from './addresses.js';
import { type BufferSource, type EmitContext, emitBuffer, setterNames } from './buffer.js';
import { operand } from './byte-tests.js';
import { changesDataset, defined, minimumLength, presence, variablesOf } from './chains.js';
import { Code, num } from './codegen.js';
import { DerivedBuffers } from './derived/derived.js';
import { packetBuffer } from './derived/packet-buffers.js';
import type { Inspection } from './search.js';
import { halfOf, isTwoSided } from './sides.js';
import { appProtoCode, appTest } from './tests/app.js';
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
  if (isTwoSided(rule)) {
    const toServer = compileMatcher(halfOf(rule, 0), addresses, compileRegex, derived);
    const toClient = compileMatcher(halfOf(rule, 1), addresses, compileRegex, derived);
    return (p, x) => (p.direction === 0 ? toServer(p, x) : toClient(p, x));
  }
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
  const lists = rule.buffers.map(
    (entry): List => ({
      name: entry.buffer,
      source: bufferSource(code, entry, derived, compileRegex),
      tests: entry.tests,
      multi: multiOf(entry),
      derived: entry.transforms.length > 0 ? derived.add(entry.buffer, entry.transforms, compileRegex) : -1,
    }),
  );
  // What a transform makes is worked out when it is asked for: after all else that can say no.
  for (const [i, list] of lists.entries()) if (rule.buffers[i].transforms.length === 0) need(there(rule.buffers[i], list));
  // Payload tests need a payload, negated ones too.
  if (rule.payload.length > 0) need(`p.opaque === 0 && p.payloadLen >= ${num(Math.max(1, minimumLength(rule.payload)))}`);
  for (const option of rule.header) for (const condition of headerTests(code, rule, option)) need(condition);
  const forward = endpoints(code, rule, addresses, 'src', 'dst');
  if (rule.bidirectional) {
    const backward = endpoints(code, rule, addresses, 'dst', 'src');
    if (forward !== '' || backward !== '')
      need(`${forward === '' ? 'true' : `(${forward})`} || ${backward === '' ? 'true' : `(${backward})`}`);
  } else if (forward !== '') need(forward);
  for (const [i, list] of lists.entries()) if (rule.buffers[i].transforms.length > 0) need(there(rule.buffers[i], list));
  emitBuffers(code, rule, lists, compileRegex);
  code.line('return 1;');
  return code;
}

/** The buffer is there, or is not, as its tests want it: a transaction's buffer is absent only when no more of it can come. */
function there({ buffer }: BufferTests, { source, tests, multi, derived }: List): string {
  const condition =
    multi < 0
      ? presence(tests, source.len, source.base)
      : presence(
          tests.slice(0, 1).filter((t) => t.kind === 'absent'),
          `x.buffers.len[${num(multi)}]`,
        );
  if (tests[0]?.kind !== 'absent' || bufferSpec(buffer).packet) return condition;
  if (!tests[0].orElse) return `x.complete === 1 && (${condition})`;
  const len = multi >= 0 ? `x.buffers.len[${num(multi)}]` : derived >= 0 ? `x.buffers.len[${num(bufferSpec(buffer).id)}]` : source.len;
  return `(x.complete === 1 || ${len} >= 0) && (${condition})`;
}

const PAYLOAD_NAME = 'content';
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
    return derivedSource(num(derived.add(buffer, transforms, compileRegex)));
  }
  if (spec.packet) {
    const { off, len } = packetBuffer(buffer);
    return { mem: 'p.mem', region: 'p.region', off: `${code.constant(off)}(p)`, len: `${code.constant(len)}(p)` };
  }
  if (spec.id < 0) throw new Error(`no parser fills ${buffer}`);
  return instanceSource(num(spec.id), spec.id);
}

/** Buffers of which only the end may be shown. */
const LONG: readonly BufferId[] = [BufferId.FileData, BufferId.HttpRequestBody, BufferId.HttpResponseBody];

/** One of the transaction's buffers, by its place in Buffers. */
function instanceSource(at: string, id: BufferId): BufferSource {
  const of = (field: string) => `x.buffers.${field}[${at}]`;
  return { mem: of('mem'), region: of('region'), off: of('off'), len: of('len'), ...(LONG.includes(id) && { base: of('base') }) };
}

/** BufferId of a buffer that a transaction may have several of; -1: any other. */
function multiOf({ buffer }: BufferTests): number {
  const spec = bufferSpec(buffer);
  return spec.multi ? spec.id : -1;
}

/**
 * A mention of a buffer that is there several times: its tests hold on one of them (user guide, "Multiple Buffer Matching"). They are
 * a function of their own, called for each:
 *
 *   let i0 = 33;
 *   while (i0 >= 0 && k4(p, x, i0) === 0) i0 = x.buffers.next[i0];
 *   if (i0 < 0) return 0;
 */
function emitInstances(context: EmitContext, list: List, n: number): void {
  const { code } = context;
  const inner = new Code();
  const names = setterNames(list.tests, 'w');
  if (names.size > 0) inner.line(`let ${[...names.values()].map((name) => `${name} = 0`).join(', ')};`);
  const source = list.derived < 0 ? instanceSource('i', list.multi) : derivedSource(num(list.derived), ', i');
  inner.line(`if (!(${presence(withoutAbsent(list.tests), source.len, source.base)})) return 0;`);
  const variables = new Map(context.variables);
  const own = new Set([...names.keys()].map((t) => defined(t)));
  const passed = [...new Set(list.tests.flatMap(variablesOf))]
    .filter((name) => !own.has(name))
    .map((name) => operand(variables, name).code);
  emitBuffer({ ...context, code: inner, positions: new Map(), variables, names, buffer: list.name }, source, withoutAbsent(list.tests));
  inner.line('return 1;');
  const matcher = code.constant(inner.build(['p', 'x', 'i', ...new Set(passed)], 0));
  const i = `i${num(n)}`;
  code.line(`let ${i} = ${num(list.multi)};`);
  code.line(`while (${i} >= 0 && ${matcher}(${['p', 'x', i, ...new Set(passed)].join(', ')}) === 0) ${i} = x.buffers.next[${i}];`);
  code.line(`if (${i} < 0) return 0;`);
}

const withoutAbsent = (tests: ByteOption[]): ByteOption[] => (tests[0]?.kind === 'absent' ? tests.slice(1) : tests);

function derivedSource(i: string, instance = ''): BufferSource {
  return {
    mem: `x.derived.mem[${i}]`,
    region: 'x.derived.region',
    off: `x.derived.off[${i}]`,
    len: `x.derived.length(${i}, p, x.buffers${instance})`,
  };
}

function headerTests(code: Code, rule: Rule, option: HeaderOption): string[] {
  if (option.kind === 'app') return [appTest(code, rule, option)];
  return isStateOption(option) ? stateTests(code, option, rule) : packetTests(code, option);
}

/** A rule's tests on one buffer. */
interface List {
  /** Keyword of the buffer; `content`: the payload, by Suricata's name in records. */
  name: string;
  source: BufferSource;
  tests: ByteOption[];
  /** See multiOf. */
  multi: number;
  /** Number of its transforms among the derived buffers; -1: none. */
  derived: number;
}

function emitBuffers(code: Code, rule: Rule, buffers: List[], compileRegex: (t: PcreOption) => number): void {
  if (rule.payload.length === 0 && rule.buffers.length === 0) return;
  const all = [...buffers];
  if (rule.payload.length > 0) all.push({ name: PAYLOAD_NAME, source: PAYLOAD_SOURCE, tests: rule.payload, multi: -1, derived: -1 });
  // What changes a dataset does so when all else holds.
  const changes = (list: List) => list.tests.some(changesDataset);
  const lists = [...all.filter((list) => !changes(list)), ...all.filter(changes)];
  const names = setterNames(
    lists.flatMap(({ tests }) => tests),
    'v',
  );
  const context: EmitContext = { code, compileRegex, positions: new Map(), variables: new Map(), names, buffer: PAYLOAD_NAME };
  const replaced = rule.payload.filter((t) => t.kind === 'content').filter((t) => t.replace !== undefined);
  for (const [i, t] of replaced.entries()) context.positions.set(t, `q${num(i)}`);
  const declared = [...context.positions.values(), ...names.values()];
  if (declared.length > 0) code.line(`let ${declared.map((name) => `${name} = 0`).join(', ')};`);
  for (const [n, list] of (names.size === 0 ? lists : settersFirst(lists)).entries()) {
    const { source, tests, multi } = list;
    const [first] = tests;
    if (source === PAYLOAD_SOURCE && names.size === 0) {
      emitBuffer(context, source, tests);
      continue;
    }
    if (first.kind === 'absent' && !first.orElse) continue;
    code.open(first.kind === 'absent' ? `if (${multi < 0 ? source.len : `x.buffers.len[${num(multi)}]`} >= 0) {` : '{');
    if (multi < 0) emitBuffer({ ...context, buffer: list.name }, source, tests);
    else emitInstances(context, list, n);
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
