/**
 * Finds, for one packet, the rules of a set whose header may fit, without walking the set.
 *
 *   rule ──► the one header field that tells it best from its siblings
 *              dst port │ src port │ ICMP type │ TCP flags │ src address │ dst address │ (none: `rest`)
 *
 *   packet ──► port groups, type and flags tables, address intervals ──► candidates
 *
 * Each rule is filed under one field only, so it comes up at most once (a bidirectional rule twice).
 * The field is chosen by how many siblings share the rule's value there and how much traffic that value
 * stands for: rules that differ by port are told apart by port, those that differ by address by address.
 */
import type { IpProto, Packet } from '../decode/packet.js';
import { numberPasses } from '../rules/numbers.js';
import type { FlagsOption } from '../rules/packet-option.js';
import type { PortSet, Rule } from '../rules/rule.js';
import { addressKey, addressShare, portKey, portShare } from './addresses.js';
import { AddressIndex, NumberIndex } from './intervals.js';

const enum Field {
  DstPort = 0,
  SrcPort,
  IcmpType,
  Flags,
  Src,
  Dst,
  Count,
}

/** Up to this many rules, looking at all is cheaper than asking the indexes. */
const SMALL = 2;

interface Choice {
  field: Field;
  /** Equal for rules that the field cannot tell apart. */
  key: string;
  /** Estimated fraction of packets that pass, weighted to compare fields. */
  weight: number;
}

export class RuleIndex {
  private readonly rest: Int32Array;
  private readonly dstPort: NumberIndex | null = null;
  private readonly srcPort: NumberIndex | null = null;
  private readonly icmpType: NumberIndex | null = null;
  private readonly flags: NumberIndex | null = null;
  private readonly src4: AddressIndex | null = null;
  private readonly src6: AddressIndex | null = null;
  private readonly dst4: AddressIndex | null = null;
  private readonly dst6: AddressIndex | null = null;
  readonly size: number;

  /** `items[i]` is what `collect` reports for `rules[i]`. */
  constructor(rules: Rule[], items: number[]) {
    this.size = rules.length;
    if (rules.length <= SMALL) {
      this.rest = Int32Array.from(items);
      return;
    }
    const choices = rules.map(choicesOf);
    const siblings = new Map<string, number>();
    for (const list of choices) for (const c of list) siblings.set(`${c.field} ${c.key}`, (siblings.get(`${c.field} ${c.key}`) ?? 0) + 1);

    const numbers = Array.from({ length: Field.Src }, () => ({ first: [] as number[], last: [] as number[], item: [] as number[] }));
    const addresses = Array.from({ length: 4 }, () => ({ first: [] as Uint8Array[], last: [] as Uint8Array[], item: [] as number[] }));
    const rest: number[] = [];
    const addNumbers = (field: Field, ranges: [number, number][], item: number) => {
      for (const [first, last] of merged(ranges)) {
        numbers[field].first.push(first);
        numbers[field].last.push(last);
        numbers[field].item.push(item);
      }
    };
    const addAddresses = (field: Field, rule: Rule, item: number) => {
      for (const range of (field === Field.Src ? rule.src : rule.dst).ranges) {
        const put = (f: Field) => {
          const list = addresses[(f === Field.Src ? 0 : 2) + (range.family === 4 ? 0 : 1)];
          list.first.push(range.first);
          list.last.push(range.last);
          list.item.push(item);
        };
        put(field);
        if (rule.bidirectional) put(field === Field.Src ? Field.Dst : Field.Src);
      }
    };
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      let best: Choice | null = null;
      let bestCost = rules.length;
      for (const c of choices[i]) {
        const cost = siblings.get(`${c.field} ${c.key}`)! * c.weight;
        if (cost < bestCost) {
          best = c;
          bestCost = cost;
        }
      }
      if (best === null) rest.push(items[i]);
      else if (best.field === Field.DstPort || best.field === Field.SrcPort) {
        const ranges = (best.field === Field.DstPort ? rule.dstPorts : rule.srcPorts).ranges;
        addNumbers(best.field, ranges, items[i]);
        if (rule.bidirectional) addNumbers(best.field === Field.DstPort ? Field.SrcPort : Field.DstPort, ranges, items[i]);
      } else if (best.field === Field.IcmpType) addNumbers(best.field, valuesOf(rule, Field.IcmpType), items[i]);
      else if (best.field === Field.Flags) addNumbers(best.field, valuesOf(rule, Field.Flags), items[i]);
      else addAddresses(best.field, rule, items[i]);
    }

    this.rest = Int32Array.from(rest);
    const numberIndex = (field: Field, size: number) => {
      const { first, last, item } = numbers[field];
      return item.length === 0 ? null : new NumberIndex(size, first, last, item);
    };
    const addressIndex = (which: number, words: 1 | 4) => {
      const { first, last, item } = addresses[which];
      return item.length === 0 ? null : new AddressIndex(words, first, last, item);
    };
    this.dstPort = numberIndex(Field.DstPort, 65536);
    this.srcPort = numberIndex(Field.SrcPort, 65536);
    this.icmpType = numberIndex(Field.IcmpType, 256);
    this.flags = numberIndex(Field.Flags, 256);
    this.src4 = addressIndex(0, 1);
    this.src6 = addressIndex(1, 4);
    this.dst4 = addressIndex(2, 1);
    this.dst6 = addressIndex(3, 4);
  }

  /** Appends the candidates for a packet to out[n..); returns the new n. */
  collect(p: Packet, out: Int32Array, n: number): number {
    const { rest } = this;
    for (let i = 0; i < rest.length; i++) out[n++] = rest[i];
    if (this.size <= SMALL) return n;
    if (p.transportOff >= 0) {
      if (p.proto === (6 as IpProto.Tcp) || p.proto === (17 as IpProto.Udp) || p.proto === (132 as IpProto.Sctp)) {
        if (this.dstPort !== null) n = this.dstPort.collect(p.dstPort & 0xffff, out, n);
        if (this.srcPort !== null) n = this.srcPort.collect(p.srcPort & 0xffff, out, n);
        if (this.flags !== null && p.proto === (6 as IpProto.Tcp)) n = this.flags.collect(p.tcpFlags & 0xff, out, n);
      } else if (this.icmpType !== null && p.icmpType >= 0) n = this.icmpType.collect(p.icmpType & 0xff, out, n);
    }
    if (p.ipVersion === 4) {
      if (this.src4 !== null) n = this.src4.collect(p.src, out, n);
      if (this.dst4 !== null) n = this.dst4.collect(p.dst, out, n);
    } else if (p.ipVersion === 6) {
      if (this.src6 !== null) n = this.src6.collect(p.src, out, n);
      if (this.dst6 !== null) n = this.dst6.collect(p.dst, out, n);
    }
    return n;
  }
}

function choicesOf(rule: Rule): Choice[] {
  const list: Choice[] = [];
  const ports = (field: Field, set: PortSet) => {
    if (!set.any) list.push({ field, key: portKey(set), weight: Math.sqrt(portShare(set)) });
  };
  ports(Field.DstPort, rule.dstPorts);
  ports(Field.SrcPort, rule.srcPorts);
  for (const field of [Field.IcmpType, Field.Flags]) {
    const values = valuesOf(rule, field);
    if (values.length === 0) continue;
    const count = values.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    if (count < 256) list.push({ field, key: values.join(), weight: Math.sqrt(count / 256) });
  }
  if (!rule.src.any) list.push({ field: Field.Src, key: addressKey(rule.src), weight: addressShare(rule.src) ** 0.25 });
  if (!rule.dst.any) list.push({ field: Field.Dst, key: addressKey(rule.dst), weight: addressShare(rule.dst) ** 0.25 });
  return list;
}

/** The values of a one-byte field that pass the rule's tests of it, as ranges; [] when it has no such test. */
function valuesOf(rule: Rule, field: Field): [number, number][] {
  const tests = rule.header.filter((o) => o.kind === (field === Field.IcmpType ? 'itype' : 'flags'));
  if (tests.length === 0) return [];
  const ranges: [number, number][] = [];
  for (let v = 0; v < 256; v++) {
    const fits = tests.every((o) => (o.kind === 'itype' ? numberPasses(o.test, v) : flagsPass(o as FlagsOption, v)));
    if (fits) ranges.push([v, v]);
  }
  return ranges.length === 0 ? [[0, 0]] : merged(ranges);
}

/** User guide, "flags": exact; `+` all of them and any others; `*` any of them; `!` not all of them. */
export function flagsPass(o: FlagsOption, tcpFlags: number): boolean {
  const v = tcpFlags & ~o.ignore & 0xff;
  const want = o.flags & ~o.ignore & 0xff;
  switch (o.modifier) {
    case '+':
      return (v & want) === want;
    case '*':
      return (v & want) !== 0;
    case '!':
      return (v & want) !== want;
    default:
      return v === want;
  }
}

/** Sorted, disjoint, and without touching neighbours. */
function merged(ranges: [number, number][]): [number, number][] {
  const out: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const previous = out.at(-1);
    if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else out.push([first, last]);
  }
  return out;
}
