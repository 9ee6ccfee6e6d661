import { createHash } from 'node:crypto';

/**
 * Community ID version 1: "1:" + base64(SHA1(seed . address . address . protocol . 0 . port . port)), the
 * endpoints ordered so that both directions give the same text. Specification: Corelight, community-id-spec.
 */

/** Message type -> the type that answers it: such a pair is one flow. All others are one-way (spec: "as Zeek"). */
const ICMP4_PAIRS = pairs([8, 0], [13, 14], [15, 16], [10, 9], [17, 18]);
const ICMP6_PAIRS = pairs([128, 129], [133, 134], [135, 136], [130, 131], [144, 145], [139, 140]);

function pairs(...list: [number, number][]): Map<number, number> {
  return new Map(list.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]));
}

export interface Endpoints {
  ipVersion: number;
  /** Words as in EventRecord.src. */
  src: Uint32Array;
  dst: Uint32Array;
  proto: number;
  srcPort: number;
  dstPort: number;
  icmpType: number;
  icmpCode: number;
}

/** `seed` 0..65535. '' when the packet is not IP. */
export function communityId(e: Endpoints, seed: number): string {
  if (e.ipVersion !== 4 && e.ipVersion !== 6) return '';
  const size = e.ipVersion === 4 ? 4 : 16;
  const a = addressBytes(e.src, size);
  const b = addressBytes(e.dst, size);
  let first = e.srcPort;
  let second = e.dstPort;
  let ports = e.proto === 6 || e.proto === 17 || e.proto === 132;
  let oneWay = false;
  if (e.proto === 1 || e.proto === 58) {
    const answer = (e.proto === 1 ? ICMP4_PAIRS : ICMP6_PAIRS).get(e.icmpType);
    first = e.icmpType;
    second = answer ?? e.icmpCode;
    oneWay = answer === undefined;
    ports = true;
  }
  const order = Buffer.compare(a, b);
  const swap = !oneWay && (order > 0 || (order === 0 && ports && first > second));
  const input = Buffer.alloc(2 + 2 * size + 2 + (ports ? 4 : 0));
  let at = input.writeUInt16BE(seed & 0xffff, 0);
  at += (swap ? b : a).copy(input, at);
  at += (swap ? a : b).copy(input, at);
  at = input.writeUInt8(e.proto, at) + 1;
  if (ports) {
    at = input.writeUInt16BE(swap ? second : first, at);
    input.writeUInt16BE(swap ? first : second, at);
  }
  return `1:${createHash('sha1').update(input).digest('base64')}`;
}

function addressBytes(words: Uint32Array, size: number): Buffer {
  const out = Buffer.alloc(size);
  for (let i = 0; i < size / 4; i++) out.writeUInt32BE(words[i], i * 4);
  return out;
}
