/**
 * What is looked at before a rule's function is called: a call into code that ran long ago costs more than these words do.
 * Nothing is decided here that the function would not decide: a rule that is let through is tested in full.
 *
 *   rank * 8   | least payload (16) | Need bits (16) | dst port last (16) | first (16) | src port last | first | most payload |
 *              | address bits | mask of facts | facts (proto << 8 | TCP flags) | payload byte: position (16) | mask (8) | value (8) |
 *
 * Address bits: 2 * i, the source lies in set i; 2 * i + 1, the destination does. The sets most rules name ($HOME_NET and its like)
 * are asked once per packet and side, when the first candidate wants to know.
 */
import type { Packet } from '../decode/packet.js';
import type { ContentOption } from '../rules/byte-option.js';
import type { AddressSet, HeaderOption, PortSet, Rule } from '../rules/rule.js';
import { AddressMatcher, addressKey } from './addresses.js';
import { isRelative, minimumLength } from './chains.js';
import { byteShare } from './selectivity.js';
import { isTwoSided } from './sides.js';
import type { FlowVars } from './state/flow-vars.js';

/** What a packet must have. */
const enum Need {
  Flow = 1,
  Established = 2,
  NotEstablished = 4,
  Ipv4 = 8,
  Ipv6 = 16,
  /** Some flowbit or flowint of its flow is set: asked at each rule, for the rule before may have set it. */
  FlowVars = 32,
}

const enum Word {
  Need = 0,
  DstPorts,
  SrcPorts,
  MostPayload,
  Addresses,
  Mask,
  Facts,
  Byte,
  Count,
}

const ANY_PORT = 0xffff << 16;
const ANY_BYTE = -1;
/** Two bits each in a word. */
const MOST_SETS = 16;
/** An address set of fewer rules is left to them. */
const SHARED = 4;
const LAST_POSITION = 0x7fff;

/** What rules are judged by, in order of rank. Read only, and shared. */
export interface PrecheckTable {
  words: Int32Array;
  addresses: AddressMatcher[];
}

export function precheckTable(all: readonly Rule[]): PrecheckTable {
  const rules = all.map((rule) => (isTwoSided(rule) ? eitherSide(rule) : rule));
  const sets = sharedSets(rules);
  const numbers = new Map(sets.map((set, i) => [addressKey(set), i]));
  const words = new Int32Array(rules.length * Word.Count);
  for (let rank = 0; rank < rules.length; rank++) words.set(wordsOf(rules[rank], numbers), rank * Word.Count);
  return { words, addresses: sets.map((set) => new AddressMatcher(set)) };
}

/** What holds for both of the rules that a two-sided one is. */
function eitherSide(rule: Rule): Rule {
  return { ...rule, bidirectional: true, header: [] };
}

/** The table with what is known of the packet at hand; one a thread. */
export class Precheck {
  private readonly words: Int32Array;
  private readonly addresses: AddressMatcher[];
  private lacks = 0;
  private facts = 0;
  /** Address bits that were worked out for this packet, and those that hold. */
  private known = 0;
  private holds = 0;

  constructor(
    table: PrecheckTable,
    private readonly flowVars: FlowVars,
  ) {
    this.words = table.words;
    this.addresses = table.addresses;
  }

  /** Before the first passes() of a packet. */
  begin(p: Packet): void {
    this.lacks = ~haveBits(p) & 0xffff;
    this.facts = ((p.proto & 0xff) << 8) | (p.tcpFlags & 0xff);
    this.known = this.holds = 0;
  }

  /** False: the rule of this rank cannot match. */
  passes(rank: number, p: Packet): boolean {
    const { words } = this;
    const at = rank * Word.Count;
    const need = words[at];
    if ((need & this.lacks) !== 0 || p.payloadLen < need >>> 16 || p.payloadLen > words[at + Word.MostPayload]) return false;
    if ((this.facts & words[at + Word.Mask]) !== words[at + Word.Facts]) return false;
    const dst = words[at + Word.DstPorts];
    const src = words[at + Word.SrcPorts];
    if (p.dstPort < (dst & 0xffff) || p.dstPort > dst >>> 16 || p.srcPort < (src & 0xffff) || p.srcPort > src >>> 16) return false;
    const byte = words[at + Word.Byte];
    if (byte !== ANY_BYTE && (p.mem[p.payloadOff + (byte >>> 16)] & (byte >>> 8)) !== (byte & 0xff)) return false;
    if ((need & Need.FlowVars) !== 0 && this.flowVars.any(p.flow) === 0) return false;
    const addresses = words[at + Word.Addresses];
    return addresses === 0 || this.inside(addresses, p);
  }

  /** False: no packet of this flow and direction can match either. */
  mayPass(rank: number, p: Packet): boolean {
    const { words } = this;
    const at = rank * Word.Count;
    if ((words[at] & this.lacks & (Need.Ipv4 | Need.Ipv6)) !== 0) return false;
    if (((this.facts ^ words[at + Word.Facts]) & words[at + Word.Mask] & 0xff00) !== 0) return false;
    const dst = words[at + Word.DstPorts];
    const src = words[at + Word.SrcPorts];
    if (p.dstPort < (dst & 0xffff) || p.dstPort > dst >>> 16 || p.srcPort < (src & 0xffff) || p.srcPort > src >>> 16) return false;
    const addresses = words[at + Word.Addresses];
    return addresses === 0 || this.inside(addresses, p);
  }

  private inside(bits: number, p: Packet): boolean {
    let open = bits & ~this.known;
    while (open !== 0) {
      const i = 31 - Math.clz32(open);
      open &= ~(1 << i);
      this.known |= 1 << i;
      if (this.addresses[i >> 1].has((i & 1) === 0 ? p.src : p.dst, p.ipVersion)) this.holds |= 1 << i;
      else return false;
    }
    return (bits & ~this.holds) === 0;
  }
}

/** Whether the words say all that the test says: behind passes() it holds. */
export function inPrecheck(o: HeaderOption): boolean {
  if (o.kind === 'flow') return o.stream === undefined && o.frag === undefined;
  return o.kind === 'dsize' && (o.test.op === '=' || o.test.op === '<' || o.test.op === '>');
}

/** The bits of Need that hold for a packet; of FlowVars only that it may hold. */
function haveBits(p: Packet): number {
  return (
    (p.flow < 0
      ? Need.NotEstablished
      : p.established === 1
        ? Need.Flow | Need.Established | Need.FlowVars
        : Need.Flow | Need.NotEstablished | Need.FlowVars) | (p.ipVersion === 4 ? Need.Ipv4 : p.ipVersion === 6 ? Need.Ipv6 : 0)
  );
}

function wordsOf(rule: Rule, sets: ReadonlyMap<string, number>): number[] {
  const words = new Array<number>(Word.Count).fill(0);
  let need = 0;
  // Payload tests need a payload, negated ones too (matcher.ts).
  let least = rule.payload.length > 0 ? Math.max(1, minimumLength(rule.payload)) : 0;
  let most = 0x7fffffff;
  for (const o of rule.header) {
    if (o.kind === 'flow') {
      if (o.direction !== undefined) need |= Need.Flow;
      if (o.state === 'established') need |= Need.Flow | Need.Established;
      if (o.state === 'not_established') need |= Need.NotEstablished;
    }
    if (o.kind === 'flowbits' && o.op === 'isset') need |= Need.Flow | Need.FlowVars;
    if (o.kind === 'dsize' && o.test.op === '=') [least, most] = [Math.max(least, o.test.a), Math.min(most, o.test.a)];
    if (o.kind === 'dsize' && o.test.op === '<') most = Math.min(most, o.test.a - 1);
    if (o.kind === 'dsize' && o.test.op === '>') least = Math.max(least, o.test.a + 1);
  }
  if (only(rule, 4)) need |= Need.Ipv4;
  else if (only(rule, 6)) need |= Need.Ipv6;
  const byte = byteOf(rule);
  if (byte !== ANY_BYTE) least = Math.max(least, (byte >>> 16) + 1);
  words[Word.Need] = (Math.min(least, 0xffff) << 16) | need;
  words[Word.DstPorts] = rule.bidirectional ? ANY_PORT : hull(rule.dstPorts);
  words[Word.SrcPorts] = rule.bidirectional ? ANY_PORT : hull(rule.srcPorts);
  words[Word.MostPayload] = most;
  words[Word.Byte] = byte;
  [words[Word.Mask], words[Word.Facts]] = factsOf(rule);
  if (!rule.bidirectional) {
    const src = sets.get(addressKey(rule.src));
    const dst = sets.get(addressKey(rule.dst));
    words[Word.Addresses] = (src === undefined ? 0 : 1 << (2 * src)) | (dst === undefined ? 0 : 2 << (2 * dst));
  }
  return words;
}

const PROTO: Partial<Record<Rule['proto'], number>> = { tcp: 6, 'tcp-pkt': 6, 'tcp-stream': 6, udp: 17, icmpv4: 1, icmpv6: 58, sctp: 132 };

/** Mask and value of proto << 8 | TCP flags. */
function factsOf(rule: Rule): [number, number] {
  let mask = 0;
  let value = 0;
  const set = (bits: number, to: number) => {
    mask |= bits;
    value = (value & ~bits) | to;
  };
  const proto = PROTO[rule.proto];
  if (proto !== undefined) set(0xff00, proto << 8);
  for (const o of rule.header) {
    if (o.kind === 'ip_proto' && o.op === '=') set(0xff00, o.proto << 8);
    if (o.kind !== 'flags') continue;
    const want = o.flags & ~o.ignore & 0xff;
    if (o.modifier === '') set(0xff00 | (~o.ignore & 0xff), 0x600 | want);
    if (o.modifier === '+') set(0xff00 | want, 0x600 | want);
  }
  return [mask, value];
}

/** The rarest byte that some content wants at one place of the payload, as a word; ANY_BYTE: none does. */
function byteOf(rule: Rule): number {
  let best = ANY_BYTE;
  let share = 1;
  for (const t of rule.payload) {
    const at = t.kind === 'content' ? placeOf(t) : -1;
    if (t.kind !== 'content' || at < 0) continue;
    for (let i = 0; i < t.pattern.length && at + i <= LAST_POSITION; i++) {
      const b = t.pattern[i];
      if (byteShare(b, -1) >= share) continue;
      share = byteShare(b, -1);
      const letter = t.nocase && b >= 0x61 && b <= 0x7a;
      best = ((at + i) << 16) | (letter ? 0xdf00 | (b & 0xdf) : 0xff00 | b);
    }
  }
  return best;
}

/** Where in the payload a content must stand, -1: there are several places, or it depends. */
function placeOf(t: ContentOption): number {
  if (t.negated || isRelative(t) || t.endswith) return -1;
  if (t.startswith) return 0;
  return t.depth === t.pattern.length && typeof (t.offset ?? 0) === 'number' ? ((t.offset as number | undefined) ?? 0) : -1;
}

/** The address sets that most rules name, any left out. */
function sharedSets(rules: readonly Rule[]): AddressSet[] {
  const found = new Map<string, { set: AddressSet; rules: number }>();
  for (const rule of rules) {
    if (rule.bidirectional) continue;
    for (const set of [rule.src, rule.dst]) {
      if (set.any) continue;
      const key = addressKey(set);
      const one = found.get(key);
      if (one === undefined) found.set(key, { set, rules: 1 });
      else one.rules++;
    }
  }
  return [...found.values()]
    .filter((one) => one.rules >= SHARED)
    .sort((a, b) => b.rules - a.rules)
    .slice(0, MOST_SETS)
    .map(({ set }) => set);
}

/** Whether one side of the rule has addresses of one family only: a packet has one family on both. */
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
