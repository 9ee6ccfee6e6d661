import { Buffers } from '../../src/app-layer/buffers.js';
import { BUFFERS } from '../../src/app-layer/catalogue.js';
import { IpProto, Packet } from '../../src/decode/packet.js';
import { Detector } from '../../src/detect/detector.js';
import type { Flows } from '../../src/detect/flows.js';
import { FlowProto } from '../../src/flow/codes.js';
import { Key, L4 } from '../../src/flow/flow-table.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { ruleContext } from '../../src/rules/context.js';
import { parseRule } from '../../src/rules/parser.js';
import type { Rule } from '../../src/rules/rule.js';

const CONTEXT = ruleContext({ addressGroups: { HOME_NET: '[10.0.0.0/8,fd00::/8]', EXTERNAL_NET: '!$HOME_NET' } });

/** Rules from text; `sid` is given to those without one. */
export function rules(...texts: string[]): Rule[] {
  return texts.map((text, i) => {
    const full = /\bsid:/.test(text) ? text : text.replace(/\)\s*$/, ` sid:${i + 1};)`);
    return parseRule(full, { file: 'test.rules', line: i + 1 }, CONTEXT);
  });
}

/** Memory registered with the addon that packets lie in: PAD bytes of it before and after every payload. */
const PAD = 16;
const BUFFER = new ArrayBuffer(1 << 17);
const MEMORY = new Uint8Array(BUFFER);
const REGION = native.region(BUFFER);

export interface PacketSpec {
  proto?: number;
  src?: string;
  dst?: string;
  sport?: number;
  dport?: number;
  payload?: string | Uint8Array;
  flow?: number;
  direction?: 0 | 1;
  established?: number;
  flags?: number;
  ttl?: number;
  itype?: number;
  icode?: number;
  sec?: number;
  nsec?: number;
  fragment?: boolean;
  defragged?: number;
  invalid?: number;
  appProto?: number;
  /** No IP at all. */
  notIp?: boolean;
}

/** One packet as decode and flow would leave it. The payload's surroundings are full of 'A's and zeros to trip over. */
export function packet(spec: PacketSpec = {}): Packet {
  const p = new Packet();
  const payload = typeof spec.payload === 'string' ? Buffer.from(spec.payload, 'latin1') : (spec.payload ?? new Uint8Array(0));
  MEMORY.fill(0x41, 0, PAD);
  MEMORY.set(payload, PAD);
  MEMORY.fill(0x61, PAD + payload.length, 2 * PAD + payload.length);
  p.mem = MEMORY;
  p.region = REGION;
  p.payloadOff = PAD;
  p.payloadLen = payload.length;
  p.tsSec = spec.sec ?? 1000;
  p.tsNsec = spec.nsec ?? 0;
  p.flow = spec.flow ?? -1;
  p.direction = spec.direction ?? 0;
  p.established = spec.established ?? 0;
  p.invalid = spec.invalid ?? 0;
  p.appProto = spec.appProto ?? 0;
  if (spec.notIp) return p;
  p.ipVersion = (spec.src ?? '').includes(':') ? 6 : 4;
  p.proto = spec.proto ?? IpProto.Udp;
  p.ttl = spec.ttl ?? 64;
  p.defragged = spec.defragged ?? 0;
  setAddress(p.src, spec.src ?? '10.0.0.1');
  setAddress(p.dst, spec.dst ?? '192.0.2.1');
  if (spec.fragment) {
    p.isFragment = 1;
    return p;
  }
  p.transportOff = 0;
  p.srcPort = spec.sport ?? 40000;
  p.dstPort = spec.dport ?? 53;
  p.tcpFlags = spec.flags ?? 0;
  if (p.proto === IpProto.Icmp || p.proto === IpProto.IcmpV6) {
    p.icmpType = spec.itype ?? 8;
    p.icmpCode = spec.icode ?? 0;
    p.srcPort = p.icmpType;
    p.dstPort = p.icmpCode;
  }
  return p;
}

/** Another registered memory, for the buffers of a transaction. */
const TRANSACTION = new ArrayBuffer(1 << 16);
const TRANSACTION_MEMORY = new Uint8Array(TRANSACTION);
const TRANSACTION_REGION = native.region(TRANSACTION);

/** Buffers of one transaction by name, as an application layer would leave them; those not named are absent. */
export function buffers(named: Record<string, string | Uint8Array | undefined>): Buffers {
  const found = new Buffers();
  let at = PAD;
  for (const [name, value] of Object.entries(named)) {
    if (value === undefined) continue;
    const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    TRANSACTION_MEMORY.fill(0x41, at - PAD, at);
    TRANSACTION_MEMORY.set(bytes, at);
    TRANSACTION_MEMORY.fill(0x61, at + bytes.length, at + bytes.length + PAD);
    found.set(BUFFERS.find((b) => b.name === name)!.id, TRANSACTION_MEMORY, TRANSACTION_REGION, at, bytes.length);
    at += bytes.length + 2 * PAD;
  }
  return found;
}

function setAddress(words: Int32Array, text: string): void {
  if (!text.includes(':')) {
    words[0] = text.split('.').reduce((word, part) => (word << 8) | Number(part), 0);
    return;
  }
  const [head, tail = ''] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const groups = text.includes('::') ? [...left, ...Array(8 - left.length - right.length).fill('0'), ...right] : left;
  const parts = groups.map((g) => Number.parseInt(g, 16));
  for (let w = 0; w < 4; w++) words[w] = (parts[2 * w] << 16) | parts[2 * w + 1];
}

export function flows(slots = 4): Flows {
  const key = new Int32Array(slots * Key.Words);
  for (let s = 0; s < slots; s++) key[s * Key.Words + Key.IdLow] = s + 1;
  return {
    flags: new Int32Array(slots),
    key,
    l4: new Int32Array(slots * L4.Words),
    pktsTs: new Uint32Array(slots),
    pktsTc: new Uint32Array(slots),
    bytesTs: new Float64Array(slots),
    bytesTc: new Float64Array(slots),
    appProtos: new Uint8Array(slots * FlowProto.Count),
  };
}

/** A detector with what a test wants to look at. */
export class Bench {
  readonly counters = new Float64Array(Counter.Count);
  readonly flows = flows();
  readonly detector: Detector;

  constructor(
    readonly rules: Rule[],
    options: { thresholdEntries?: number; pcreMatchLimit?: number } = {},
  ) {
    this.detector = new Detector(
      rules,
      { pcreMatchLimit: options.pcreMatchLimit ?? 3500, pcreDepthLimit: 1500, thresholdEntries: options.thresholdEntries ?? 1024 },
      this.counters,
    );
  }

  /** sids that match, in the order reported; `~` before one that makes no alert. */
  sids(p: Packet): string {
    return this.named(this.detector.inspect(p, this.flows));
  }

  /** The same for a transaction. */
  transaction(p: Packet, found: Buffers): string {
    return this.named(this.detector.transactions.inspect(p, this.flows, found));
  }

  private named(n: number): string {
    return Array.from(
      this.detector.matches.subarray(0, n),
      (r, i) => `${this.detector.silent[i] === 1 ? '~' : ''}${this.rules[r].sid}`,
    ).join(' ');
  }
}

/** Whether one rule matches one packet. */
export function hits(rule: string, spec: PacketSpec): boolean {
  const bench = new Bench(rules(rule));
  const matched = bench.sids(packet(spec)) !== '';
  if (bench.detector.broken.length > 0) throw new Error(bench.detector.broken[0].reason);
  bench.detector.close();
  return matched;
}
