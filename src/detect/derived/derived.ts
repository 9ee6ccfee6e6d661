/**
 * Buffers that transforms make of others: each chain of transforms on one buffer is worked out when the first rule asks, at most
 * once per packet or transaction, in memory the addon knows as a region.
 *
 *   arena   | chain 3's bytes, room to grow | chain 0's bytes, room to grow | spare, for inflating ... |
 *           0                                                               top
 *
 * A chain for which there is no room is absent, and counted in `lost`: the arena bounds the work of a packet, too.
 */
import { createHash } from 'node:crypto';
import type { Buffers } from '../../app-layer/buffers.js';
import { bufferSpec } from '../../app-layer/catalogue.js';
import type { Packet } from '../../decode/packet.js';
import { native } from '../../native.js';
import type { PcreOption } from '../../rules/byte-option.js';
import { base64Form, inflatedSize, sliceBounds, type Transform } from '../../rules/transform.js';
import { Inflater } from './inflate.js';
import { type PacketBuffer, packetBuffer } from './packet-buffers.js';
import * as steps from './steps.js';

/** Bytes of all chains of a packet or transaction; more when a rule asks for larger inflated data. */
export const ARENA = 1 << 20;
/** What a hash and a few dots need. */
const LEAST_ROOM = 64;

/** Works in arena[off, off + n); returns the new length, -1 for absent. `room` bytes are the chain's. */
type Step = (arena: Uint8Array, off: number, n: number, d: DerivedBuffers) => number;

interface Chain {
  /** BufferId, or -1 for a part of the packet. */
  id: number;
  part: PacketBuffer | null;
  steps: Step[];
  /** Bytes it may grow by; bytes it may need whatever goes in. */
  growth: number;
  least: number;
}

export class DerivedBuffers {
  /** By chain, after length() returned 0 or more. */
  mem: Uint8Array[] = [];
  region = -1;
  off = new Int32Array(16);
  /** Chains left out since this was last read and set to 0: no room. Regular expressions that hit a limit. */
  lost = 0;
  regexLimits = 0;

  private len = new Int32Array(16);
  private stamp = new Int32Array(16);
  private instance = new Int32Array(16);
  private now = 1;
  private readonly chains: Chain[] = [];
  private readonly byKey = new Map<string, number>();
  private arena: Uint8Array = EMPTY;
  private wanted = ARENA;
  private top = 0;
  readonly inflater = new Inflater();

  /** Number of the chain; the same buffer and transforms have one number. Throws for a transform that has no runtime. */
  add(buffer: string, transforms: readonly Transform[], compileRegex: (t: PcreOption) => number): number {
    const key = JSON.stringify([buffer, transforms]);
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const spec = bufferSpec(buffer);
    const chain: Chain = {
      id: spec.id,
      part: spec.packet ? packetBuffer(buffer) : null,
      steps: transforms.map((t) => compileStep(t, compileRegex)),
      growth: 0,
      least: LEAST_ROOM + transforms.length,
    };
    if (chain.id < 0 && chain.part === null) throw new Error(`no parser fills ${buffer}`);
    for (const { name, value } of transforms) {
      if (name === 'dotprefix') chain.growth++;
      if (name === 'gunzip' || name === 'zlib_deflate') chain.least = Math.max(chain.least, inflatedSize(value) + transforms.length);
    }
    const i = this.chains.push(chain) - 1;
    this.byKey.set(key, i);
    // Twice: what is inflated goes to the spare part first.
    this.wanted = Math.max(this.wanted, ARENA + 2 * chain.least);
    if (i >= this.off.length) this.grow();
    this.mem.push(this.arena);
    return i;
  }

  private grow(): void {
    const larger = (a: Int32Array) => {
      const b = new Int32Array(a.length * 2);
      b.set(a);
      return b;
    };
    this.off = larger(this.off);
    this.len = larger(this.len);
    this.stamp = larger(this.stamp);
    this.instance = larger(this.instance);
  }

  /** A new packet or transaction. */
  reset(): void {
    this.now = (this.now + 1) | 0;
    if (this.now === 0) {
      this.stamp.fill(0);
      this.now = 1;
    }
    this.top = 0;
  }

  /** Bytes of chain i; -1: absent. Its place is in mem[i], region, off[i] then. `instance`: of a buffer that may be there several times. */
  length(i: number, p: Packet, buffers: Buffers, instance = -1): number {
    if (this.stamp[i] === this.now && this.instance[i] === instance) return this.len[i];
    this.stamp[i] = this.now;
    this.instance[i] = instance;
    const n = this.derive(i, p, buffers, instance);
    this.len[i] = n;
    return n;
  }

  private derive(i: number, p: Packet, buffers: Buffers, instance: number): number {
    const chain = this.chains[i];
    const { part } = chain;
    const id = instance < 0 ? chain.id : instance;
    let n = part === null ? buffers.len[id] : part.len(p);
    if (n < 0) return -1;
    if (this.top === 0 && this.arena.length < this.wanted) this.allocate();
    const { arena, top } = this;
    const room = Math.max(n + chain.growth, chain.least);
    if (top + room > arena.length) {
      this.lost++;
      return -1;
    }
    copy(part === null ? buffers.mem[id] : p.mem, part === null ? buffers.off[id] : part.off(p), n, arena, top);
    this.top = top + room;
    for (let k = 0; k < chain.steps.length && n >= 0; k++) n = chain.steps[k](arena, top, n, this);
    this.off[i] = top;
    return n;
  }

  private allocate(): void {
    this.release();
    const memory = new ArrayBuffer(this.wanted);
    this.arena = new Uint8Array(memory);
    this.region = native.region(memory);
    this.mem.fill(this.arena);
  }

  /** Inflates arena[off, off + n) in place; 0 when it is no such data, -1 when there is no room. */
  inflate(format: 'gzip' | 'zlib', off: number, n: number, most: number): number {
    const { arena, top } = this;
    if (top + most > arena.length) {
      this.lost++;
      return -1;
    }
    const made = this.inflater.run(format, arena, off, n, arena, top, most);
    if (made <= 0) return 0;
    arena.copyWithin(off, top, top + made);
    return made;
  }

  private release(): void {
    if (this.region >= 0) native.regionRelease(this.region);
    this.region = -1;
    this.arena = EMPTY;
  }

  /** Gives the memory back; a later length() takes it anew. */
  close(): void {
    this.release();
    this.reset();
  }
}

const EMPTY = new Uint8Array(0);

/** Short ones by hand: a view costs more than the bytes. */
function copy(from: Uint8Array, off: number, n: number, to: Uint8Array, at: number): void {
  if (n > 256) to.set(from.subarray(off, off + n), at);
  else for (let i = 0; i < n; i++) to[at + i] = from[off + i];
}

function hash(algorithm: 'md5' | 'sha1' | 'sha256'): Step {
  return (arena, off, n) => {
    const digest = createHash(algorithm)
      .update(arena.subarray(off, off + n))
      .digest();
    arena.set(digest, off);
    return digest.length;
  };
}

const PLAIN: Readonly<Record<string, Step>> = {
  dotprefix: steps.dotPrefix,
  to_lowercase: steps.toLower,
  to_uppercase: steps.toUpper,
  to_md5: hash('md5'),
  to_sha1: hash('sha1'),
  to_sha256: hash('sha256'),
  url_decode: steps.urlDecode,
  strip_whitespace: steps.stripWhitespace,
  compress_whitespace: steps.compressWhitespace,
  header_lowercase: steps.headerLowercase,
  strip_pseudo_headers: steps.stripPseudoHeaders,
  domain: steps.domain,
  tld: steps.tld,
};

function compileStep({ name, value }: Transform, compileRegex: (t: PcreOption) => number): Step {
  switch (name) {
    case 'xor': {
      const key = Uint8Array.from(Buffer.from(value, 'hex'));
      return (arena, off, n) => steps.xor(arena, off, n, key);
    }
    case 'from_base64': {
      const { bytes, offset, mode } = base64Form(value);
      return (arena, off, n) => steps.fromBase64(arena, off, n, bytes, offset, mode);
    }
    case 'subslice': {
      const { from, to } = sliceBounds(value);
      return (arena, off, n) => steps.subslice(arena, off, n, from, to);
    }
    case 'gunzip':
    case 'zlib_deflate': {
      const most = inflatedSize(value);
      const format = name === 'gunzip' ? 'gzip' : 'zlib';
      return (_arena, off, n, d) => d.inflate(format, off, n, most);
    }
    case 'pcrexform': {
      const regex = compileRegex({ kind: 'pcre', pattern: value, negated: false, flags: '', relative: false });
      return (arena, off, n, d) => firstCapture(arena, off, n, d, regex);
    }
    default:
      if (!Object.hasOwn(PLAIN, name)) throw new Error(`transform ${name} has no runtime`);
      return PLAIN[name];
  }
}

/** pcrexform: what the first pair of parentheses took; without a match all stays as it is. */
function firstCapture(arena: Uint8Array, off: number, n: number, d: DerivedBuffers, regex: number): number {
  const end = native.pcreMatch(regex, d.region, off, n, 0);
  if (end < -1) {
    d.regexLimits++;
    return -1;
  }
  const from = end < 0 ? -1 : native.pcreLastGroup(0);
  const to = end < 0 ? -1 : native.pcreLastGroup(1);
  if (from < 0 || to < from || to > n) return n;
  arena.copyWithin(off, off + from, off + to);
  return to - from;
}
