/**
 * Which worker gets a packet: the one question the capture process asks about its bytes. Both directions of a
 * flow, and all fragments of a datagram, get the same number. Ethernet with up to three VLAN tags or raw IP, IPv4
 * and IPv6 (RFC 8200 extension headers walked), ports of TCP, UDP, SCTP; an ICMPv4 "destination unreachable"
 * goes where the flow it quotes goes. Anything else, and anything cut short, is 0 or falls back to the addresses.
 *
 * The fragment cache, 4,096 sets of 4 entries: the first fragment alone has ports, so it leaves its number for the
 * others; one that overtakes it leaves the number of the addresses, which then holds for all.
 *
 *   | source | destination | id | proto, version | number | seconds of last use |
 *
 * A set that is full of live entries gives its oldest up. From then on, for as long as a datagram lives, a later
 * fragment that is not in the cache may be the rest of one that was: no number is right for it (UNKNOWN), and an
 * inline capture drops it, or an attacker could part a datagram over two workers of which neither sees the whole.
 */
const TYPE_IPV4 = 0x0800;
const TYPE_IPV6 = 0x86dd;
const MAX_TAGS = 3;
export const LINK_ETHERNET = 1;
export const LINK_RAW_IP = 101;

/** hash() of a fragment whose datagram's number was forgotten under pressure. */
export const UNKNOWN = -1;

const SETS = 4096;
const WAYS = 4;
const ENTRY_WORDS = 6;
const enum Entry {
  Src = 0,
  Dst = 1,
  Id = 2,
  Proto = 3,
  Number = 4,
  Seconds = 5,
}
/** Seconds after which hosts have given a datagram up (RFC 791: 15, RFC 8200: 60). */
const LIFETIME = 60;

/** Offset of the IP header, or -1. */
function ipOffset(mem: Uint8Array, off: number, end: number, linkType: number): number {
  if (linkType === LINK_RAW_IP) return off;
  if (linkType !== LINK_ETHERNET || off + 14 > end) return -1;
  let at = off + 12;
  let type = (mem[at] << 8) | mem[at + 1];
  for (let i = 0; i < MAX_TAGS && (type === 0x8100 || type === 0x88a8 || type === 0x9100); i++) {
    at += 4;
    if (at + 2 > end) return -1;
    type = (mem[at] << 8) | mem[at + 1];
  }
  return type === TYPE_IPV4 || type === TYPE_IPV6 ? at + 2 : -1;
}

function word(mem: Uint8Array, at: number): number {
  return (mem[at] << 24) | (mem[at + 1] << 16) | (mem[at + 2] << 8) | mem[at + 3];
}

/** One word from the four of an IPv6 address. */
function fold6(mem: Uint8Array, at: number): number {
  let h = Math.imul(word(mem, at) ^ 0x2c1b3c6d, 0x297a2d39);
  h = Math.imul((h ^ (h >>> 15)) + word(mem, at + 4), 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 15)) + word(mem, at + 8), 0xc2b2ae35);
  return ((h ^ (h >>> 15)) + word(mem, at + 12)) | 0;
}

/** Both endpoints through the same bijection, then their sum: exchanging them changes nothing. Non-negative. */
function mix(src: number, srcPort: number, dst: number, dstPort: number, seed: number): number {
  let a = Math.imul(src ^ seed, 0x9e3779b1);
  let b = Math.imul(dst ^ seed, 0x9e3779b1);
  a = Math.imul((a ^ (a >>> 15)) + srcPort, 0x85ebca77);
  b = Math.imul((b ^ (b >>> 15)) + dstPort, 0x85ebca77);
  let h = ((a ^ (a >>> 13)) + (b ^ (b >>> 13))) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return (h ^ (h >>> 15)) & 0x7fffffff;
}

function hasPorts(proto: number): boolean {
  return proto === 6 || proto === 17 || proto === 132;
}

export class WorkerHash {
  private readonly cache = new Int32Array(SETS * WAYS * ENTRY_WORDS);
  private now = 0;
  /** When a live entry was last given up. */
  private evicted = -2 * LIFETIME;

  /** `seed`: the same for all capture threads of a run, or the directions of a flow may part. */
  constructor(private readonly seed = 0) {
    for (let at = 0; at < this.cache.length; at += ENTRY_WORDS) this.cache[at + Entry.Seconds] = -2 * LIFETIME;
  }

  /**
   * Number of a packet of `len` bytes at mem[off]; `linkType` is LINK_ETHERNET or LINK_RAW_IP, `seconds` the packet's
   * time. UNKNOWN: see above; only for fragments.
   */
  hash(mem: Uint8Array, off: number, len: number, linkType: number, seconds: number): number {
    this.now = seconds;
    const end = off + len;
    if (off < 0 || len < 0 || end > mem.length) return 0;
    const ip = ipOffset(mem, off, end, linkType);
    if (ip < 0 || ip >= end) return 0;
    const version = mem[ip] >> 4;
    if (version === 4) return this.hash4(mem, ip, end);
    return version === 6 ? this.hash6(mem, ip, end) : 0;
  }

  private hash4(mem: Uint8Array, ip: number, end: number): number {
    if (ip + 20 > end) return 0;
    const src = word(mem, ip + 12);
    const dst = word(mem, ip + 16);
    const proto = mem[ip + 9];
    const transport = ip + ((mem[ip] & 15) << 2);
    const fragment = (mem[ip + 6] << 8) | mem[ip + 7];
    if ((fragment & 0x3fff) !== 0) {
      const first = (fragment & 0x1fff) === 0;
      const number = this.withPorts(mem, first ? transport : -1, end, proto, src, dst);
      return this.fragment(src, dst, (mem[ip + 4] << 8) | mem[ip + 5], proto, number, first);
    }
    if (proto === 1) return this.icmp4(mem, transport, end, src, dst);
    return this.withPorts(mem, transport, end, proto, src, dst);
  }

  private hash6(mem: Uint8Array, ip: number, end: number): number {
    if (ip + 40 > end) return 0;
    const src = fold6(mem, ip + 8);
    const dst = fold6(mem, ip + 24);
    let next = mem[ip + 6];
    let at = ip + 40;
    // Every header moves `at` by 8 bytes or more: the packet's end ends the loop.
    for (;;) {
      if (next === 44) {
        if (at + 8 > end) break;
        const fragment = (mem[at + 2] << 8) | mem[at + 3];
        const proto = mem[at];
        if ((fragment & 0xfff9) !== 0) {
          const first = (fragment & 0xfff8) === 0;
          const number = this.withPorts(mem, first && hasPorts(proto) ? at + 8 : -1, end, proto, src, dst);
          return this.fragment(src, dst, word(mem, at + 4), 0x100, number, first);
        }
        next = proto;
        at += 8;
      } else if (next === 0 || next === 43 || next === 60) {
        if (at + 2 > end) break;
        next = mem[at];
        at += (mem[at + 1] + 1) << 3;
      } else if (next === 51) {
        if (at + 2 > end) break;
        next = mem[at];
        at += (mem[at + 1] + 2) << 2;
      } else return this.withPorts(mem, at, end, next, src, dst);
    }
    return mix(src, 0, dst, 0, this.seed);
  }

  private withPorts(mem: Uint8Array, transport: number, end: number, proto: number, src: number, dst: number): number {
    if (transport < 0 || transport + 4 > end || !hasPorts(proto)) return mix(src, 0, dst, 0, this.seed);
    const srcPort = (mem[transport] << 8) | mem[transport + 1];
    const dstPort = (mem[transport + 2] << 8) | mem[transport + 3];
    return mix(src, srcPort, dst, dstPort, this.seed);
  }

  private icmp4(mem: Uint8Array, transport: number, end: number, src: number, dst: number): number {
    const quoted = transport + 8;
    if (quoted + 20 > end || mem[transport] !== 3 || mem[quoted] >> 4 !== 4) return mix(src, 0, dst, 0, this.seed);
    const later = (((mem[quoted + 6] << 8) | mem[quoted + 7]) & 0x1fff) !== 0;
    const ports = later ? -1 : quoted + ((mem[quoted] & 15) << 2);
    return this.withPorts(mem, ports, end, mem[quoted + 9], word(mem, quoted + 12), word(mem, quoted + 16));
  }

  /** The number all fragments of a datagram share: the one its first to arrive left. */
  private fragment(src: number, dst: number, id: number, proto: number, number: number, first: boolean): number {
    const { cache, now } = this;
    let h = Math.imul(src ^ id ^ this.seed, 0x9e3779b1);
    h = Math.imul((h ^ (h >>> 15)) + dst, 0x85ebca77);
    h = Math.imul((h ^ (h >>> 13)) + proto, 0x21f0aaad);
    const set = ((h ^ (h >>> 16)) & (SETS - 1)) * WAYS * ENTRY_WORDS;
    let oldest = set;
    for (let way = 0; way < WAYS; way++) {
      const at = set + way * ENTRY_WORDS;
      const live = ((now - cache[at + Entry.Seconds]) | 0) <= LIFETIME;
      if (live && cache[at] === src && cache[at + Entry.Dst] === dst && cache[at + Entry.Id] === id && cache[at + Entry.Proto] === proto) {
        cache[at + Entry.Seconds] = now;
        return cache[at + Entry.Number];
      }
      if (cache[at + Entry.Seconds] < cache[oldest + Entry.Seconds]) oldest = at;
    }
    if (!first && ((now - this.evicted) | 0) <= LIFETIME) return UNKNOWN;
    if (((now - cache[oldest + Entry.Seconds]) | 0) <= LIFETIME) this.evicted = now;
    cache[oldest] = src;
    cache[oldest + Entry.Dst] = dst;
    cache[oldest + Entry.Id] = id;
    cache[oldest + Entry.Proto] = proto;
    cache[oldest + Entry.Number] = number;
    cache[oldest + Entry.Seconds] = now;
    return number;
  }
}
