import { Counter } from '../metrics/counters.js';
import { Block, BlockPool } from './block-pool.js';
import { StreamArrivals } from './stream-arrivals.js';
import { Mark } from './stream-marks.js';
import { StreamTrait } from './stream-traits.js';

/** Of a block; two words each. */
const ENTRIES = Block.Room / 2;
/** Most blocks of a direction. */
const MOST_BLOCKS = 8;

/** Kinds of entries. */
const WAITS = 0;
const MATCHED = 1;
const NEW = 2;
/** Bits of a kind beside a rank. */
const KIND_SHIFT = 2;
const KIND_MASK = 3;

/** Sequence number that nothing is: no entry. */
export const NOT_MATCHED = Number.NEGATIVE_INFINITY;

/**
 * What rules on streams know of a direction of a flow. Ranks mean something with one set of rules only: see clear().
 *
 *   Mark.Head ─► | next + 1 | count | (rank * 4 + kind, number) x 7 | ─► block ─► 0   (BlockPool)   line: flow slot * 2 + direction
 *
 *   waits      its literal was seen, what else it asks for was not: it is tried with each new piece, until bytes before the number
 *              have left the window
 *   matched    it does not look at bytes before the number again: the same bytes never match twice
 *   new        a listener found its literal in a packet that ends at the number: it is tried once, when that is delivered
 *
 * Only the block at the head has room. Without any the direction is scanned anew with each piece, as far as its window goes: nothing is
 * missed, but a rule may match the same bytes again. Counted.
 */
export class StreamRules {
  /** What a listener need not scan when it is delivered. */
  readonly arrivals: StreamArrivals;
  /** By line: see stream-marks.ts. */
  readonly marks: Int32Array;
  private readonly pool: BlockPool;
  private readonly words: Int32Array;
  /** Of the packet whose rules are noted: its line, the number behind its bytes, the traits of rules that wait; 1: the window begins with the stream. */
  private line = -1;
  private number = 0;
  private kept = 0;
  private fromStart = 0;
  /** Rules on streams are not for the packet: see leavesToStream. */
  private leaves = false;
  /** A listener's packet that is delivered later, and not scanned then. */
  private arrives = false;

  constructor(
    lines: number,
    private readonly counters: Float64Array,
    blocks = 16384,
  ) {
    this.marks = new Int32Array(lines * Mark.Words);
    this.arrivals = new StreamArrivals(this.marks);
    this.pool = new BlockPool(blocks);
    this.words = this.pool.words;
  }

  /**
   * A packet's rules will be noted; `number`: behind its last byte. What it does not deliver itself is scanned when it is delivered.
   * `leaves`: a listener's, of an established session.
   */
  begin(line: number, number: number, inOrder: boolean, fromStart: boolean, leaves: boolean): void {
    this.leaves = leaves;
    this.arrives = false;
    this.line = line;
    this.number = number;
    // At another place in the stream than in the packet an anchored rule may match.
    this.kept = inOrder ? StreamTrait.Waits | StreamTrait.Only | StreamTrait.Anchored : 0;
    this.fromStart = fromStart ? 1 : 0;
  }

  /** A listener's packet was scanned (`arrivals`): what its rules wait for is its delivery. Behind `begin`. */
  arrive(): void {
    this.arrives = true;
  }

  /**
   * A listener leaves rules on streams to the stream: bytes count when they are acknowledged, and only those that are. Rules that ask
   * for a place look at packets, too, as in Suricata, and so do those whose answer cannot wait. Before a session is established nothing
   * is acknowledged, and perhaps never will be.
   */
  leavesToStream(traits: number): boolean {
    return this.leaves && (traits & (StreamTrait.Stream | StreamTrait.Anchored | StreamTrait.AtOnce)) === StreamTrait.Stream;
  }

  /** A candidate that the packet alone does not satisfy. */
  failed(rank: number, traits: number): void {
    if (this.arrives) {
      this.hold(rank);
      return;
    }
    if ((traits & this.kept) === 0 || ((traits & StreamTrait.Anchored) !== 0 && this.fromStart === 0)) return;
    if (!this.seen(this.line, rank, this.number)) this.keep(this.line, (rank << KIND_SHIFT) | WAITS, this.number);
  }

  /** A rule that matches the packet. For a listener the same bytes may match on the stream, too, if the rule asks for a place. */
  matched(rank: number, traits: number): void {
    if (!this.leaves || (traits & StreamTrait.AtOnce) !== 0) this.match(this.line, rank, this.number);
    else if (this.arrives) this.hold(rank);
  }

  /** Not all rules of the packet were tried. */
  cut(): void {
    if (this.arrives) this.arrivals.forget(this.line);
    else this.marks[this.line * Mark.Words + Mark.Rescan] = 1;
  }

  private hold(rank: number): void {
    if (!this.add(this.line, (rank << KIND_SHIFT) | NEW, this.number)) this.arrivals.forget(this.line);
  }

  isEmpty(line: number): boolean {
    return this.marks[line * Mark.Words + Mark.Head] === 0;
  }

  /** Whether the whole window is to be scanned now; asked once for each piece. What waits will be found by that. */
  takeRescan(line: number): boolean {
    if (this.marks[line * Mark.Words + Mark.Rescan] === 0) return false;
    this.marks[line * Mark.Words + Mark.Rescan] = 0;
    return true;
  }

  /**
   * Appends the ranks that wait, and those that a packet before number `end` brought, to out[n ..), and forgets what is about bytes
   * before number `start`; returns the new n.
   */
  collect(line: number, start: number, end: number, out: Int32Array, n: number): number {
    const { words } = this;
    for (let block = this.marks[line * Mark.Words + Mark.Head]; block > 0; ) {
      const at = (block - 1) * Block.Words;
      const next = words[at];
      // From the last: what takes the place of a removed one has been seen.
      for (let i = words[at + 1] - 1; i >= 0; i--) {
        const entry = at + 2 + 2 * i;
        const kind = words[entry] & KIND_MASK;
        if (kind === NEW) {
          if (((words[entry + 1] - end) | 0) > 0) continue;
          out[n++] = words[entry] >> KIND_SHIFT;
          this.remove(line, entry);
        } else if (((words[entry + 1] - start) | 0) <= 0) this.remove(line, entry);
        else if (kind === WAITS) out[n++] = words[entry] >> KIND_SHIFT;
      }
      block = next;
    }
    return n;
  }

  /** The number from which the rule looks; NOT_MATCHED: any. */
  from(line: number, rank: number): number {
    const entry = this.find(line, (rank << KIND_SHIFT) | MATCHED);
    return entry < 0 ? NOT_MATCHED : this.words[entry + 1];
  }

  /** The rule waits, until what came before `number` has left the window; if it waits already, that stands. */
  wait(line: number, rank: number, number: number): void {
    if (this.find(line, (rank << KIND_SHIFT) | WAITS) < 0) this.keep(line, (rank << KIND_SHIFT) | WAITS, number);
  }

  /** The literal of the rule was found again, before `number`: if it waits, it waits on. */
  seen(line: number, rank: number, number: number): boolean {
    const entry = this.find(line, (rank << KIND_SHIFT) | WAITS);
    if (entry < 0) return false;
    this.words[entry + 1] = number;
    return true;
  }

  /** The rule is done with what came before `number`. */
  match(line: number, rank: number, number: number): void {
    const waits = this.find(line, (rank << KIND_SHIFT) | WAITS);
    if (waits >= 0) this.remove(line, waits);
    const entry = this.find(line, (rank << KIND_SHIFT) | MATCHED);
    if (entry < 0) this.keep(line, (rank << KIND_SHIFT) | MATCHED, number);
    else if (((number - this.words[entry + 1]) | 0) > 0) this.words[entry + 1] = number;
  }

  /** The direction begins anew, or ends. */
  forget(line: number): void {
    this.arrivals.forget(line);
    if (this.marks[line * Mark.Words + Mark.Head] === 0 && this.marks[line * Mark.Words + Mark.Rescan] === 0) return;
    this.pool.giveAll(this.marks[line * Mark.Words + Mark.Head]);
    this.marks[line * Mark.Words + Mark.Head] = 0;
    this.marks[line * Mark.Words + Mark.Rescan] = 0;
  }

  /** New rules: what was remembered of the old ones goes. */
  clear(): void {
    const { marks } = this;
    for (let at = 0; at < marks.length; at += Mark.Words) marks[at + Mark.Head] = marks[at + Mark.Rescan] = marks[at + Mark.Tail] = 0;
    this.pool.clear();
  }

  private find(line: number, key: number): number {
    const { words } = this;
    for (let block = this.marks[line * Mark.Words + Mark.Head]; block > 0; ) {
      const at = (block - 1) * Block.Words;
      const end = at + 2 + 2 * words[at + 1];
      for (let i = at + 2; i < end; i += 2) if (words[i] === key) return i;
      block = words[at];
    }
    return -1;
  }

  private keep(line: number, key: number, number: number): void {
    if (this.add(line, key, number)) return;
    this.marks[line * Mark.Words + Mark.Rescan] = 1;
    this.counters[Counter.StreamRescans]++;
  }

  /** False: no room. */
  private add(line: number, key: number, number: number): boolean {
    const { words, marks } = this;
    const mark = line * Mark.Words + Mark.Head;
    let at = (marks[mark] - 1) * Block.Words;
    if (marks[mark] === 0 || words[at + 1] === ENTRIES) {
      at = this.isFull(line) ? -1 : this.pool.take(marks[mark]);
      if (at < 0) return false;
      marks[mark] = at / Block.Words + 1;
    }
    const entry = at + 2 + 2 * words[at + 1]++;
    words[entry] = key;
    words[entry + 1] = number;
    return true;
  }

  /** The last entry of the head takes its place. */
  private remove(line: number, entry: number): void {
    const { words, marks } = this;
    const mark = line * Mark.Words + Mark.Head;
    const at = (marks[mark] - 1) * Block.Words;
    const last = at + 2 * words[at + 1]--;
    words[entry] = words[last];
    words[entry + 1] = words[last + 1];
    if (words[at + 1] === 0) marks[mark] = this.pool.giveFirst(marks[mark]);
  }

  private isFull(line: number): boolean {
    let blocks = 0;
    for (let block = this.marks[line * Mark.Words + Mark.Head]; block > 0; block = this.words[(block - 1) * Block.Words]) blocks++;
    return blocks >= MOST_BLOCKS;
  }
}

/** Most ranks that collect() gives. */
export const MOST_STREAM_WAITING = MOST_BLOCKS * ENTRIES;
