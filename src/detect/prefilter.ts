/**
 * The multi-pattern prefilter of one buffer, one protocol class and one direction: each rule lends its most
 * telling literal, one Vectorscan pass over the buffer says which of them occur, and only their rules are
 * evaluated.
 *
 *   literal id     0              1                     2
 *   bucket       [ 17 | 203 ]   [ RuleIndex: 900 rules ] [ 5 ]       numbers are ranks (see plan.ts)
 *
 * Many rules on one literal ("GET /", one rule per port) would all be evaluated at every hit: such a bucket
 * is a RuleIndex, asked by the packet's header first.
 */
import type { Packet } from '../decode/packet.js';
import type { Native } from '../native.js';
import type { ContentOption, Rule } from '../rules/rule.js';
import { FewLiterals } from './few-literals.js';
import { RuleIndex } from './rule-index.js';

export interface Literal {
  bytes: Uint8Array;
  nocase: boolean;
}

/** The first bytes of a longer content are enough to be found by. */
const MAX_LITERAL = 64;

function literalKey(l: Literal): string {
  return `${l.nocase ? 'i' : 'c'}${l.bytes.length}:${Buffer.from(l.bytes).toString('latin1')}`;
}

/** How much a literal tells: rare and varied bytes more, common and repeated ones less. */
function quality(bytes: Uint8Array): number {
  const seen = new Uint8Array(256);
  let score = 0;
  for (const b of bytes) {
    if (seen[b] === 1) score += 1;
    else if (b === 0 || b === 0x20 || b === 0xff || b === 0x0d || b === 0x0a) score += 2;
    else score += b < 0x80 ? 4 : 5;
    seen[b] = 1;
  }
  return score;
}

/**
 * The literal a rule is found by: its fast_pattern, else its best positive content; null without one.
 * User guide, "Suricata Fast Pattern Determination Explained"; the measure is ours, it changes no verdict.
 */
export function literalOf(rule: Rule): Literal | null {
  let best: ContentOption | null = null;
  for (const o of rule.payload) {
    if (o.kind !== 'content' || o.negated || o.pattern.length === 0) continue;
    if (o.fastPattern || o.fastPatternOnly) {
      best = o;
      break;
    }
    if (best === null || quality(o.pattern) > quality(best.pattern)) best = o;
  }
  if (best === null) return null;
  const chop = best.fastPatternChop;
  const part = chop === undefined ? best.pattern : best.pattern.subarray(chop.offset, chop.offset + chop.length);
  return { bytes: (part.length > 0 ? part : best.pattern).subarray(0, MAX_LITERAL), nocase: best.nocase };
}

/** Compiled databases of one thread by what is in them: groups with the same literals share one. */
export class Databases {
  private readonly handles = new Map<string, number>();

  constructor(private readonly native: Native) {}

  compile(literals: Literal[]): number {
    const key = literals.map(literalKey).join('');
    let handle = this.handles.get(key);
    if (handle === undefined) {
      handle = this.native.matchCompile(
        literals.map((l) => l.bytes),
        Uint8Array.from(literals, (l) => (l.nocase ? 1 : 0)),
        Uint32Array.from(literals, (_, i) => i),
      );
      this.handles.set(key, handle);
    }
    return handle;
  }

  free(): void {
    for (const handle of this.handles.values()) this.native.matchFree(handle);
    this.handles.clear();
  }
}

/** More rules than this on one literal are indexed by header. */
const BUCKET = 8;

export class Prefilter {
  readonly database: number;
  /** Bytes of the shortest literal: a shorter buffer is not scanned. */
  readonly minLength: number;
  /** 1 at the destination (source) ports that some rule is about; null when a rule is about all. */
  private readonly dstGate: Uint8Array | null = null;
  private readonly srcGate: Uint8Array | null = null;
  private readonly start: Int32Array;
  private readonly items: Int32Array;
  private readonly indexes: (RuleIndex | null)[];
  private readonly hits: Uint32Array;
  private readonly few: FewLiterals | null;

  constructor(
    private readonly native: Native,
    databases: Databases,
    rules: Rule[],
    ranks: number[],
  ) {
    const ids = new Map<string, number>();
    const literals: Literal[] = [];
    const members: number[][] = [];
    for (let i = 0; i < rules.length; i++) {
      const literal = literalOf(rules[i])!;
      const key = literalKey(literal);
      let id = ids.get(key);
      if (id === undefined) {
        id = literals.length;
        ids.set(key, id);
        literals.push(literal);
        members.push([]);
      }
      members[id].push(i);
    }
    this.database = databases.compile(literals);
    this.minLength = Math.min(...literals.map((l) => l.bytes.length));
    this.hits = new Uint32Array(literals.length);
    this.few = FewLiterals.of(literals);
    this.indexes = members.map((m) =>
      m.length <= BUCKET
        ? null
        : new RuleIndex(
            m.map((i) => rules[i]),
            m.map((i) => ranks[i]),
          ),
    );
    const lists = members.map((m) => (m.length <= BUCKET ? m.map((i) => ranks[i]) : []));
    this.start = new Int32Array(literals.length + 1);
    for (let id = 0; id < lists.length; id++) this.start[id + 1] = this.start[id] + lists[id].length;
    this.items = Int32Array.from(lists.flat());

    if (rules.every((r) => !r.srcPorts.any || !r.dstPorts.any)) {
      this.dstGate = new Uint8Array(65536);
      this.srcGate = new Uint8Array(65536);
      for (const rule of rules) {
        const byDst = !rule.dstPorts.any;
        for (const [first, last] of (byDst ? rule.dstPorts : rule.srcPorts).ranges) {
          if (byDst || rule.bidirectional) this.dstGate.fill(1, first, last + 1);
          if (!byDst || rule.bidirectional) this.srcGate.fill(1, first, last + 1);
        }
      }
    }
  }

  /** Whether any rule could apply to a packet with `length` bytes in this buffer: spares the scan. */
  wants(p: Packet, length: number): boolean {
    if (length < this.minLength) return false;
    return this.dstGate === null || this.dstGate[p.dstPort] === 1 || this.srcGate![p.srcPort] === 1;
  }

  /** Scans region[offset, offset + length), which is the memory of `p`, and appends the candidates to out[n..); returns the new n. */
  collect(p: Packet, region: number, offset: number, length: number, out: Int32Array, n: number): number {
    const { hits, few } = this;
    if (few !== null && length <= few.maxLength && !few.mayOccur(p.mem, offset, offset + length)) return n;
    let count = this.native.matchScan(this.database, region, offset, length, hits);
    if (count === 0) return n;
    if (count < 0) {
      // The scan failed: every literal may occur.
      count = hits.length;
      for (let i = 0; i < count; i++) hits[i] = i;
    }
    const { start, items, indexes } = this;
    for (let i = 0; i < count; i++) {
      const id = hits[i];
      const end = start[id + 1];
      for (let k = start[id]; k < end; k++) out[n++] = items[k];
      const index = indexes[id];
      if (index !== null) n = index.collect(p, out, n);
    }
    return n;
  }
}
