/**
 * Which rules on payload look at streams, too, and how. User guide, "Rule Types and Categorization": a rule that needs the stream sees
 * bytes in order, wherever segments begin and end.
 */
import { bufferSpec } from '../app-layer/catalogue.js';
import type { ByteOption } from '../rules/byte-option.js';
import type { HeaderOption, Rule } from '../rules/rule.js';
import { moves } from './chains.js';
import { isTransactionRule, literalOf } from './literal.js';
import { protoFits } from './protocol-fit.js';

/** Bits of RankColumns.stream. */
export const enum StreamTrait {
  /** It is matched on the stream. */
  Stream = 1,
  /** And on no packet. */
  Only = 2,
  /** More bytes than those it is found by may make it match: it waits for them. */
  Waits = 4,
  /** It asks where in the stream something stands: only a window that begins with the stream can tell. */
  Anchored = 8,
  /** A listener's answer (reject) comes too late when the bytes are acknowledged: it looks at packets, too. */
  AtOnce = 16,
}

const TCP = 6;

/** StreamTrait bits of a rule; 0: it is about packets. */
export function streamTraits(rule: Rule): number {
  const { payload, header, proto } = rule;
  if (payload.length === 0 || proto === 'tcp-pkt' || proto === 'pkthdr' || !protoFits(rule, TCP) || isTransactionRule(rule)) return 0;
  if (rule.buffers.some(({ buffer }) => bufferSpec(buffer).packet) || !header.every(isOfFlow) || !payload.every(isOfStream)) return 0;
  let traits: number = StreamTrait.Stream;
  if (proto === 'tcp-stream' || header.some((o) => o.kind === 'flow' && o.stream === 'only_stream')) traits |= StreamTrait.Only;
  if (waits(rule)) traits |= StreamTrait.Waits;
  if (isAnchored(payload)) traits |= StreamTrait.Anchored;
  if (rule.action.startsWith('reject')) traits |= StreamTrait.AtOnce;
  return traits;
}

/** Bits of RankColumns.mixed. */
export const enum MixedTrait {
  /** A rule on transactions whose payload tests look at the stream's window. */
  Stream = 1,
  /** They count from the first byte: of a packet, or of the stream. */
  Anchored = 2,
}

/** MixedTrait bits of a rule; 0: it has no payload tests beside its buffers, or asks something of the packet they are on. */
export function mixedTraits(rule: Rule): number {
  const { payload, header, proto } = rule;
  if (payload.length === 0 || proto === 'tcp-pkt' || !protoFits(rule, TCP) || !isTransactionRule(rule)) return 0;
  if (rule.buffers.some(({ buffer }) => bufferSpec(buffer).packet) || !header.every(isOfFlow) || !payload.every(isOfStream)) return 0;
  return isAnchored(payload) ? MixedTrait.Stream | MixedTrait.Anchored : MixedTrait.Stream;
}

/** The test asks about the flow, or about all its packets: not about one. */
function isOfFlow(o: HeaderOption): boolean {
  switch (o.kind) {
    case 'flow':
      return o.stream !== 'no_stream' && o.frag === undefined;
    case 'ip_proto':
    case 'sameip':
    case 'geoip':
    case 'l3_proto':
    case 'iprep':
    case 'stream_size':
    case 'flow.pkts':
    case 'flow.bytes':
    case 'flow.age':
    case 'vlan.id':
    case 'vlan.layers':
    case 'flowbits':
    case 'flowint':
    case 'xbits':
    case 'hostbits':
    case 'app':
      return true;
    default:
      return false;
  }
}

/** The test is about bytes, wherever a packet begins. What would change the packet, or a set, or is a whole message, is left to packets. */
function isOfStream(t: ByteOption): boolean {
  switch (t.kind) {
    case 'content':
      return t.replace === undefined;
    case 'rpc':
    case 'ftpbounce':
    case 'entropy':
    case 'dataset':
    case 'datarep':
      return false;
    default:
      return true;
  }
}

function waits(rule: Rule): boolean {
  const [first] = rule.payload;
  if (rule.payload.length > 1 || first.kind !== 'content') return true;
  return literalOf(rule)?.bytes.length !== first.pattern.length;
}

/** `^` that is not escaped, and not in a class. */
const AT_START = /(?:^|[^\\[])\^|\\A/;

/** Some test counts from the first byte. */
export function isAnchored(tests: readonly ByteOption[]): boolean {
  let moved = false;
  for (const t of tests) {
    switch (t.kind) {
      case 'content':
        if (t.offset !== undefined || t.depth !== undefined || t.startswith) return true;
        if (!moved && (t.within !== undefined || (t.distance ?? 0) !== 0)) return true;
        break;
      case 'pcre':
        if (!(t.relative && moved) && (t.flags.includes('A') || AT_START.test(t.pattern))) return true;
        break;
      case 'isdataat':
      case 'asn1':
      case 'base64_decode':
        if (!(t.relative && moved)) return true;
        break;
      case 'byte_jump':
        if (!(t.field.relative && moved) || t.from === 'beginning') return true;
        break;
      case 'byte_test':
      case 'byte_extract':
      case 'byte_math':
        if (!(t.field.relative && moved)) return true;
        break;
      default:
        return true;
    }
    moved ||= moves(t);
  }
  return false;
}
