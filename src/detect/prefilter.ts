/**
 * The multi-pattern prefilter of one buffer (the payload of a protocol class, or one of an application layer) and one direction: each rule lends its most
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
import type { Rule } from '../rules/rule.js';
import type { Databases, LiteralSets } from './databases.js';
import { FewLiterals } from './few-literals.js';
import { type Literal, literalKey, literalOf } from './literal.js';
import { PortGate } from './port-gate.js';
import { RuleIndex } from './rule-index.js';

const NO_HITS = new Uint32Array(0);
/** More rules than this on one literal are indexed by header. */
const BUCKET = 8;

export class Prefilter {
  /** Handle of this thread: set by open(). */
  database = -1;
  /** Bytes of the shortest literal: a shorter buffer is not scanned. */
  readonly minLength: number;
  private readonly gate: PortGate | null;
  private readonly start: Int32Array;
  private readonly items: Int32Array;
  private readonly indexes: (RuleIndex | null)[];
  private hits = NO_HITS;
  private native!: Native;
  /** Of its literals among the LiteralSets, and how many they are. */
  private readonly set: number;
  private readonly ids: number;
  private readonly few: FewLiterals | null;

  /**
   * `rules` have their literal (literalOf) in the one buffer this is for. What is made here is only read afterwards, so that
   * threads can share it (pack.ts); what a thread needs for itself is made by open().
   */
  constructor(sets: LiteralSets, rules: Rule[], ranks: number[]) {
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
    this.set = sets.add(literals);
    this.ids = literals.length;
    this.minLength = Math.min(...literals.map((l) => l.bytes.length));
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
    this.gate = PortGate.of(rules);
  }

  /** What belongs to the thread that scans. */
  open(native: Native, databases: Databases): void {
    this.native = native;
    this.database = databases.open(this.set);
    this.hits = new Uint32Array(this.ids);
  }

  /** Whether any rule could apply to a packet with `length` bytes in this buffer: spares the scan. */
  wants(p: Packet, length: number): boolean {
    if (length < this.minLength) return false;
    return this.gate === null || this.gate.opens(p);
  }

  /** Scans mem[offset, offset + length), whose number is `region`, and appends the candidates to out[n..); returns the new n. */
  collect(p: Packet, mem: Uint8Array, region: number, offset: number, length: number, out: Int32Array, n: number): number {
    const { hits, few } = this;
    if (few !== null && length <= few.maxLength && !few.mayOccur(mem, offset, offset + length)) return n;
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
