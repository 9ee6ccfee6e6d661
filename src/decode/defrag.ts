import type { DefragConfig } from '../config/config.js';
import { Counter } from '../metrics/counters.js';
import { Mode } from '../ring/verdict.js';
import { DecodeEvent } from './events.js';
import { CHUNK_COST, FragmentArena, MAX_CHUNKS } from './fragment-arena.js';
import { LinkType } from './link-types.js';
import type { Packet } from './packet.js';

/** What became of a fragment. */
export const enum DefragResult {
  /** Kept; the datagram is not whole yet. */
  Waiting = 0,
  /** The packet now views the whole datagram: decode it again. */
  Complete = 1,
  /** No room (memcap, trackers or maxFrags): not kept, counted in Counter.DefragMemcap. */
  Memcap = 2,
  /** The fragment cannot belong to any datagram; an event of the packet says why. */
  Error = 3,
  /** It belongs to a datagram that was dropped when it was whole (see condemn). */
  Condemned = 4,
}

/** Bytes of an IPv4 datagram, of an IPv6 payload. */
const MAX_DATAGRAM = 65535;

/*
 * A tracker is TRACKER_WORDS int32 words (number 0 is "none"):
 *
 *   0   4   8  9            10  11 | 12   13    14    15      16    17    18      19     20        24
 *   src dst id ver/proto/dp vlans  | next older newer created units total highest header fragments | chunk table
 *   `-------- the key -----------' |
 *
 * next: in the same bucket. older, newer: by age. created: packet time. units: of 8 bytes, present. total: bytes of
 * payload, -1 while the last fragment is out. highest: end of the furthest fragment. header: its length, 0 = first
 * fragment is out.
 */
const enum T {
  Src = 0,
  Dst = 4,
  Id = 8,
  Key = 9,
  Vlan = 10,
  Vlan2 = 11,
  Next = 12,
  Older = 13,
  Newer = 14,
  Created = 15,
  Units = 16,
  Total = 17,
  Highest = 18,
  HeaderLen = 19,
  Fragments = 20,
  Chunks = 24,
}
const TRACKER_WORDS = T.Chunks + MAX_CHUNKS;
/** An IPv4 header with options, or the fixed IPv6 header. */
const HEADER_BYTES = 64;
const KEY_WORDS = 12;
/** T.Units of a datagram that was dropped: a mark without data. */
const CONDEMNED = -1;
/** Datagrams inside datagrams that one packet can complete. */
const MAX_COMPLETED = 16;

/** What memcap is charged per tracker; CHUNK_COST per chunk. */
const TRACKER_COST = TRACKER_WORDS * 4 + HEADER_BYTES;
/** Trackers looked at for expiry per fragment added: tick() does the rest. */
const EXPIRE_PER_ADD = 4;

/**
 * IPv4 and IPv6 reassembly (RFC 791 3.2, RFC 8200 4.5), one per thread. Datagrams are told apart by version,
 * addresses, identification, protocol (IPv4), VLAN ids and tunnel depth.
 *
 * - Overlap: the bytes that came first win, and frag_overlap is recorded on the packet. In IPS mode a fragment with other
 *   bytes than those is an Error: hosts differ in which they take, so the second must not reach them.
 * - A fragment that disagrees with an earlier one about the datagram's end: Error, frag_overlap; the rest stays.
 * - Timeout: config.timeout seconds of packet time after the first fragment.
 * - Full (memcap, trackers, maxFrags): the new fragment is refused; what is held stays until its timeout.
 */
export class Defragmenter {
  /** The buffer reassembled datagrams lie in, and the addon's number for it. Valid until the next Complete. */
  readonly mem: Uint8Array;
  readonly region: number;
  /** Bytes charged against memcap, datagrams and fragments held. */
  memuse = 0;
  active = 0;
  fragments = 0;
  /** Datagrams completed since the caller last set this to 0: the ones condemn() speaks of. */
  completed = 0;

  private readonly arena: FragmentArena;
  private readonly trackers: Int32Array;
  private readonly headers: Uint8Array;
  private readonly buckets: Int32Array;
  private readonly bucketMask: number;
  private readonly seed = (Math.random() * 0x7fffffff) | 0;
  private readonly key = new Int32Array(KEY_WORDS);
  private readonly completedKeys = new Int32Array(KEY_WORDS * MAX_COMPLETED);
  /** Free trackers are linked through Next; those above `trackersUsed` were never used. */
  private freeTracker = 0;
  private trackersUsed = 0;
  private oldest = 0;
  private newest = 0;
  private readonly maxTrackers: number;
  private readonly maxFragments: number;
  private readonly memcap: number;
  private readonly timeout: number;

  constructor(
    config: DefragConfig,
    private readonly counters: Float64Array,
  ) {
    this.memcap = config.memcap;
    this.timeout = config.timeout;
    this.maxFragments = config.maxFrags;
    this.maxTrackers = Math.max(1, Math.min(config.trackers, Math.floor(config.memcap / TRACKER_COST)));
    this.arena = new FragmentArena(Math.floor(config.memcap / CHUNK_COST));
    this.mem = this.arena.mem;
    this.region = this.arena.region;
    this.trackers = new Int32Array((this.maxTrackers + 1) * TRACKER_WORDS);
    this.headers = new Uint8Array((this.maxTrackers + 1) * HEADER_BYTES);
    const buckets = 1 << (32 - Math.clz32(Math.min(this.maxTrackers, 65536) - 1 || 1));
    this.buckets = new Int32Array(buckets);
    this.bucketMask = buckets - 1;
  }

  /** Gives the buffer's number back to the addon. */
  close(): void {
    this.arena.close();
  }

  /**
   * Takes a decoded packet with isFragment set. On Complete, mem, region, off, capLen, wireLen and linkType of
   * p are those of the datagram (an IP header without fragmentation, then the payload); call decode(p) next.
   */
  add(p: Packet): number {
    this.expire(p.tsSec, EXPIRE_PER_ADD);
    const v6 = p.ipVersion === 6;
    const from = p.fragOffset;
    let length = p.payloadLen;
    // RFC 791 counts all but the last fragment in units of 8; IPv4 stacks cut the excess, IPv6 refuses (RFC 8200 4.5).
    if (p.fragMore !== 0 && (length & 7) !== 0) {
      if (v6) length = -1;
      else length &= ~7;
    }
    const end = from + p.payloadLen;
    if (end + (v6 ? 0 : p.ipHeaderLen) > MAX_DATAGRAM)
      return this.refuse(p, v6 ? DecodeEvent.Ipv6FragPktTooLarge : DecodeEvent.Ipv4FragPktTooLarge);
    if (length < 0 || p.isFragment === 0) return DefragResult.Error;
    if (length === 0) return this.refuse(p, v6 ? DecodeEvent.Ipv6FragIgnored : DecodeEvent.Ipv4FragIgnored);
    return this.insert(p, from, from + length);
  }

  /**
   * The packet that completed the last `completed` datagrams was dropped: their other fragments have been forwarded, so
   * whoever sends the last one again would complete them behind our back. Remembers them for the timeout.
   */
  condemn(nowSec: number): void {
    const known = this.completed < MAX_COMPLETED ? this.completed : MAX_COMPLETED;
    for (let c = 0; c < known; c++) {
      for (let i = 0; i < KEY_WORDS; i++) this.key[i] = this.completedKeys[c * KEY_WORDS + i];
      const tracker = this.create(this.bucketOf(this.key, 0), nowSec);
      if (tracker === 0) this.counters[Counter.DefragMemcap]++;
      else this.trackers[tracker * TRACKER_WORDS + T.Units] = CONDEMNED;
    }
  }

  /** Forgets datagrams whose time has passed. `nowSec`: packet time. */
  tick(nowSec: number): void {
    this.expire(nowSec, this.active);
  }

  private note(p: Packet, event: number): void {
    p.addEvent(event);
    this.counters[Counter.DecodeEvents + event]++;
  }

  private refuse(p: Packet, event: number): number {
    this.note(p, event);
    return DefragResult.Error;
  }

  private full(): number {
    this.counters[Counter.DefragMemcap]++;
    return DefragResult.Memcap;
  }

  private insert(p: Packet, from: number, end: number): number {
    if (this.fragments >= this.maxFragments) return this.full();
    const bucket = this.fillKey(p);
    let tracker = this.find(bucket);
    if (tracker !== 0 && this.expired(tracker, p.tsSec)) {
      this.release(tracker);
      tracker = 0;
    }
    if (tracker === 0) {
      tracker = this.create(bucket, p.tsSec);
      if (tracker === 0) return this.full();
    }
    const t = this.trackers;
    const at = tracker * TRACKER_WORDS;
    if (t[at + T.Units] === CONDEMNED) return DefragResult.Condemned;
    const total = t[at + T.Total];
    const last = p.fragMore === 0;
    if (last ? (total >= 0 && total !== end) || t[at + T.Highest] > end : total >= 0 && end > total) {
      return this.refuse(p, p.ipVersion === 6 ? DecodeEvent.Ipv6FragOverlap : DecodeEvent.Ipv4FragOverlap);
    }
    if (p.mode === Mode.Ips && this.arena.contradicts(t, at + T.Chunks, p.mem, p.payloadOff, from, end)) {
      return this.refuse(p, p.ipVersion === 6 ? DecodeEvent.Ipv6FragOverlap : DecodeEvent.Ipv4FragOverlap);
    }
    const cost = this.arena.missing(t, at + T.Chunks, from, end) * CHUNK_COST;
    if (this.memuse + cost > this.memcap) {
      if (t[at + T.Fragments] === 0) this.release(tracker);
      return this.full();
    }
    this.memuse += cost;
    this.arena.reserve(t, at + T.Chunks, from, end);
    if (last) t[at + T.Total] = end;
    if (end > t[at + T.Highest]) t[at + T.Highest] = end;
    t[at + T.Fragments]++;
    this.fragments++;
    if (from === 0 && t[at + T.HeaderLen] === 0) this.keepHeader(tracker, p);
    const units = (end - from + 7) >> 3;
    const fresh = this.arena.store(t, at + T.Chunks, p.mem, p.payloadOff, from, end);
    if (fresh < units) this.note(p, p.ipVersion === 6 ? DecodeEvent.Ipv6FragOverlap : DecodeEvent.Ipv4FragOverlap);
    t[at + T.Units] += fresh;
    const whole = t[at + T.Total];
    if (whole < 0 || t[at + T.Units] < (whole + 7) >> 3) return DefragResult.Waiting;
    return this.complete(tracker, p);
  }

  /** Writes the key of p's datagram to `key`; returns its bucket. */
  private fillKey(p: Packet): number {
    const k = this.key;
    for (let i = 0; i < 4; i++) {
      k[T.Src + i] = p.src[i];
      k[T.Dst + i] = p.dst[i];
    }
    k[T.Id] = p.ipId;
    k[T.Key] = p.ipVersion | ((p.ipVersion === 4 ? p.proto : 0) << 4) | (p.tunnelDepth << 12);
    k[T.Vlan] = p.vlan0 | (p.vlan1 << 12) | (p.vlanDepth << 24);
    k[T.Vlan2] = p.vlan2;
    return this.bucketOf(k, 0);
  }

  private bucketOf(words: Int32Array, at: number): number {
    let h = this.seed;
    for (let i = at; i < at + KEY_WORDS; i++) {
      h = Math.imul(h ^ words[i], 0x9e3779b1);
      h ^= h >>> 15;
    }
    return h & this.bucketMask;
  }

  private find(bucket: number): number {
    const t = this.trackers;
    const k = this.key;
    for (let tracker = this.buckets[bucket]; tracker !== 0; tracker = t[tracker * TRACKER_WORDS + T.Next]) {
      const at = tracker * TRACKER_WORDS;
      let i = 0;
      while (i < KEY_WORDS && t[at + i] === k[i]) i++;
      if (i === KEY_WORDS) return tracker;
    }
    return 0;
  }

  /** A new tracker for `key`, youngest in age; 0 when there is no room. */
  private create(bucket: number, nowSec: number): number {
    if (this.active >= this.maxTrackers || this.memuse + TRACKER_COST > this.memcap) return 0;
    const t = this.trackers;
    let tracker = this.freeTracker;
    if (tracker !== 0) this.freeTracker = t[tracker * TRACKER_WORDS + T.Next];
    else tracker = ++this.trackersUsed;
    const at = tracker * TRACKER_WORDS;
    for (let i = 0; i < KEY_WORDS; i++) t[at + i] = this.key[i];
    t[at + T.Next] = this.buckets[bucket];
    this.buckets[bucket] = tracker;
    t[at + T.Older] = this.newest;
    t[at + T.Newer] = 0;
    if (this.newest !== 0) t[this.newest * TRACKER_WORDS + T.Newer] = tracker;
    else this.oldest = tracker;
    this.newest = tracker;
    t[at + T.Created] = nowSec;
    t[at + T.Units] = 0;
    t[at + T.Total] = -1;
    t[at + T.Highest] = 0;
    t[at + T.HeaderLen] = 0;
    t[at + T.Fragments] = 0;
    this.active++;
    this.memuse += TRACKER_COST;
    return tracker;
  }

  /** Unlinks a tracker and frees it and its chunks. */
  private release(tracker: number): void {
    const t = this.trackers;
    const at = tracker * TRACKER_WORDS;
    this.memuse -= this.arena.release(t, at + T.Chunks, t[at + T.Highest]) * CHUNK_COST;
    this.unlink(tracker, at);
    this.fragments -= t[at + T.Fragments];
    this.active--;
    this.memuse -= TRACKER_COST;
    t[at + T.Next] = this.freeTracker;
    this.freeTracker = tracker;
  }

  private unlink(tracker: number, at: number): void {
    const t = this.trackers;
    const bucket = this.bucketOf(t, at);
    if (this.buckets[bucket] === tracker) this.buckets[bucket] = t[at + T.Next];
    else {
      let before = this.buckets[bucket];
      while (t[before * TRACKER_WORDS + T.Next] !== tracker) before = t[before * TRACKER_WORDS + T.Next];
      t[before * TRACKER_WORDS + T.Next] = t[at + T.Next];
    }
    const older = t[at + T.Older];
    const newer = t[at + T.Newer];
    if (older !== 0) t[older * TRACKER_WORDS + T.Newer] = newer;
    else this.oldest = newer;
    if (newer !== 0) t[newer * TRACKER_WORDS + T.Older] = older;
    else this.newest = older;
  }

  /** The first fragment's header is the datagram's. IPv6 extension headers before the fragment header are left out. */
  private keepHeader(tracker: number, p: Packet): void {
    const length = p.ipVersion === 6 ? 40 : p.ipHeaderLen;
    const to = tracker * HEADER_BYTES;
    for (let i = 0; i < length; i++) this.headers[to + i] = p.mem[p.ipOff + i];
    if (p.ipVersion === 6) this.headers[to + 6] = p.proto;
    this.trackers[tracker * TRACKER_WORDS + T.HeaderLen] = length;
  }

  private complete(tracker: number, p: Packet): number {
    const { mem, trackers } = this;
    const at = tracker * TRACKER_WORDS;
    const total = trackers[at + T.Total];
    const headerLen = trackers[at + T.HeaderLen];
    const v6 = p.ipVersion === 6;
    // The first fragment's header may be longer than that of the one that was checked.
    if (!v6 && headerLen + total > MAX_DATAGRAM) {
      this.release(tracker);
      return this.refuse(p, DecodeEvent.Ipv4FragPktTooLarge);
    }
    for (let i = 0; i < headerLen; i++) mem[i] = this.headers[tracker * HEADER_BYTES + i];
    this.arena.gather(trackers, at + T.Chunks, total, headerLen);
    if (v6) {
      mem[4] = total >> 8;
      mem[5] = total;
    } else finishIpv4(mem, headerLen, headerLen + total);
    this.release(tracker);
    if (this.completed < MAX_COMPLETED)
      for (let i = 0; i < KEY_WORDS; i++) this.completedKeys[this.completed * KEY_WORDS + i] = this.key[i];
    this.completed++;
    this.counters[Counter.Reassembled]++;
    p.mem = mem;
    p.region = this.region;
    p.off = 0;
    p.capLen = headerLen + total;
    p.wireLen = headerLen + total;
    p.linkType = LinkType.Raw;
    p.defragged = 2;
    return DefragResult.Complete;
  }

  /** Releases up to `most` datagrams whose time is over, oldest first. */
  private expire(nowSec: number, most: number): void {
    for (let i = 0; i < most && this.oldest !== 0 && this.expired(this.oldest, nowSec); i++) this.release(this.oldest);
  }

  /** A clock that jumped back by more than the timeout counts too: another capture file, say. */
  private expired(tracker: number, nowSec: number): boolean {
    const age = (nowSec - this.trackers[tracker * TRACKER_WORDS + T.Created]) | 0;
    return age >= this.timeout || age < -this.timeout;
  }
}

/** Total length, no fragmentation, checksum. */
function finishIpv4(mem: Uint8Array, headerLen: number, length: number): void {
  mem[2] = length >> 8;
  mem[3] = length;
  mem[6] = 0;
  mem[7] = 0;
  mem[10] = 0;
  mem[11] = 0;
  let sum = 0;
  for (let i = 0; i < headerLen; i += 2) sum += (mem[i] << 8) | mem[i + 1];
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
  mem[10] = sum >> 8;
  mem[11] = sum;
}
