import { Line } from './layout.js';
import { ignoresBounds, newWins, Overlap } from './overlap.js';
import type { Pages } from './pages.js';

/** Most segments with a bound between them, per direction. */
export const MOST_NODES = 2048;
/** Longest payload of a packet. */
const MOST_PAYLOAD = 65536;
/** Stretches of one packet that are to be overwritten. */
const MOST_REPAIRS = 512;

/** What Held.insert found, bit by bit. */
export const enum Inserted {
  /** Bytes that were there already; others than those that were there. */
  Overlap = 1,
  Different = 2,
}

/**
 * Which bytes of a direction are held: segments by sequence number that do not overlap, their bytes in Pages. Those of an
 * overlap go to one of the two by the host's policy, and the other is cut: so do the hosts.
 *
 *   Line.Head ─► node ─next─► node ─next─► -1        [begin, end) by node
 *
 * Where the policy does not ask for bounds (inline: first), neighbours become one node.
 */
export class Held {
  /** Nodes that can be taken. */
  free: number;
  /**
   * Stretches of the packet's payload that differ from what was seen first, as triples: where in the packet's memory,
   * where in Pages.bytes, how many bytes. To be copied over the packet before it is forwarded.
   */
  readonly repairs = new Int32Array(3 * MOST_REPAIRS);
  repairCount = 0;
  /** 1: there are more than the list can name. */
  repairsLost = 0;
  private readonly begin: Int32Array;
  private readonly end: Int32Array;
  private readonly next: Int32Array;
  private freeHead = -1;
  private highWater = 0;

  constructor(
    readonly capacity: number,
    private readonly lines: Int32Array,
    private readonly pages: Pages,
  ) {
    this.free = capacity;
    this.begin = new Int32Array(capacity);
    this.end = new Int32Array(capacity);
    this.next = new Int32Array(capacity);
  }

  /** Number of the first byte held; there must be one. */
  first(at: number): number {
    return this.begin[this.lines[at + Line.Head] - 1];
  }

  /** Whether room for a segment is certain: nodes, not pages. */
  hasRoom(at: number): boolean {
    const nodes = this.lines[at + Line.Nodes];
    return nodes < MOST_NODES && this.free > nodes + 1;
  }

  /** Adds bytes behind all that is held (the caller has seen that it is so, and that there is room). */
  append(at: number, seq: number, mem: Uint8Array, region: number, off: number, len: number, policy: number): void {
    const { lines } = this;
    this.pages.write(at, seq, mem, region, off, len);
    const last = (seq + len) | 0;
    const tail = lines[at + Line.Tail] - 1;
    if (tail >= 0 && this.end[tail] === seq && ignoresBounds(policy)) this.end[tail] = last;
    else this.link(at, tail, seq, last);
    lines[at + Line.End] = last;
  }

  /**
   * Takes a segment, wherever it lies; `from`: the first number that still matters. `repair`: what differs from bytes held
   * is noted as to be overwritten. Returns Inserted bits.
   */
  insert(
    at: number,
    seq: number,
    from: number,
    mem: Uint8Array,
    region: number,
    off: number,
    len: number,
    policy: number,
    repair: boolean,
  ): number {
    const { begin, end, next, lines } = this;
    const last = (seq + len) | 0;
    // Numbers from here on are distances from seq.
    let at0 = (from - seq) | 0;
    if (at0 < 0) at0 = 0;
    let found = 0;
    let before = -1;
    let node = lines[at + Line.Head] - 1;
    let mine = at0;
    while (at0 < len && node >= 0) {
      const nodeBegin = (begin[node] - seq) | 0;
      const nodeEnd = (end[node] - seq) | 0;
      if (nodeBegin >= len) break;
      if (nodeEnd <= at0) {
        before = node;
        node = next[node];
        continue;
      }
      if (nodeBegin > at0) at0 = nodeBegin;
      const to = nodeEnd < len ? nodeEnd : len;
      found |= Inserted.Overlap;
      const same = this.pages.equal(at, (seq + at0) | 0, mem, off + at0, to - at0);
      if (!same) {
        found |= Inserted.Different;
        if (repair) this.noteRepairs(at, (seq + at0) | 0, off + at0, to - at0);
      }
      if (policy === Overlap.Last) {
        // The new bytes lie where the old ones lay.
        if (mine < at0) {
          before = this.put(at, before, seq, mine, at0, mem, region, off, policy);
          // The two are one now.
          node = before;
        }
        if (!same) this.pages.write(at, (seq + at0) | 0, mem, region, off + at0, to - at0);
        mine = to;
      } else if (newWins(policy, -nodeBegin, (last - end[node]) | 0)) {
        if (nodeBegin < 0) {
          // Its end is ours.
          end[node] = (seq + at0) | 0;
          mine = at0;
          before = node;
        } else if (nodeEnd > len) {
          begin[node] = last;
          at0 = len;
          break;
        } else {
          const gone = node;
          node = next[node];
          this.unlink(at, before, gone);
          at0 = to;
          continue;
        }
        node = next[node];
        at0 = to;
        continue;
      } else {
        if (mine < at0) {
          before = this.put(at, before, seq, mine, at0, mem, region, off, policy);
          if (ignoresBounds(policy)) node = before;
        }
        mine = to;
      }
      at0 = to;
      if (nodeEnd > len) break;
      before = node;
      node = next[node];
    }
    if (mine < len) this.put(at, before, seq, mine, len, mem, region, off, policy);
    const tail = lines[at + Line.Tail] - 1;
    if (tail >= 0) lines[at + Line.End] = end[tail];
    return found;
  }

  /** Holds bytes [from, to) of the segment, between nodes. Returns the node they are part of. */
  private put(
    at: number,
    before: number,
    seq: number,
    from: number,
    to: number,
    mem: Uint8Array,
    region: number,
    off: number,
    policy: number,
  ): number {
    const { begin, end, next, lines } = this;
    this.pages.write(at, (seq + from) | 0, mem, region, off + from, to - from);
    const first = (seq + from) | 0;
    const last = (seq + to) | 0;
    const merges = ignoresBounds(policy);
    let node: number;
    if (merges && before >= 0 && end[before] === first) {
      node = before;
      end[node] = last;
    } else node = this.link(at, before, first, last);
    const after = next[node];
    if (merges && after >= 0 && begin[after] === last) {
      end[node] = end[after];
      next[node] = next[after];
      if (lines[at + Line.Tail] === after + 1) lines[at + Line.Tail] = node + 1;
      this.give(at, after);
    }
    return node;
  }

  /** Number after the last byte held in order from `seq` on, at most `limit`: `seq` itself when it is not held. */
  inOrder(at: number, seq: number, limit: number): number {
    const { begin, end, next } = this;
    let to = seq;
    for (let node = this.lines[at + Line.Head] - 1; node >= 0 && ((limit - to) | 0) > 0; node = next[node]) {
      if (((begin[node] - to) | 0) > 0) break;
      if (((end[node] - to) | 0) > 0) to = end[node];
    }
    return ((to - limit) | 0) > 0 ? limit : to;
  }

  /** First number held beyond `seq` (which is not held itself). */
  firstBeyond(at: number, seq: number): number {
    let node = this.lines[at + Line.Head] - 1;
    while (node >= 0 && ((this.end[node] - seq) | 0) <= 0) node = this.next[node];
    return node < 0 ? seq : this.begin[node];
  }

  /** Nothing before `seq` matters any more. */
  trim(at: number, seq: number): void {
    const { begin, end, next, lines } = this;
    let node = lines[at + Line.Head] - 1;
    while (node >= 0 && ((end[node] - seq) | 0) <= 0) {
      const after = next[node];
      lines[at + Line.Head] = after + 1;
      this.give(at, node);
      node = after;
    }
    if (node < 0) {
      lines[at + Line.Tail] = 0;
      this.pages.releaseAll(at);
      return;
    }
    // One that grows for ever (no bound matters in it) must not fall behind by half of all numbers.
    if (((seq - begin[node]) | 0) > MOST_PAYLOAD) begin[node] = seq;
    this.pages.trim(at, ((begin[node] - seq) | 0) > 0 ? begin[node] : seq);
  }

  releaseAll(at: number): void {
    const { lines } = this;
    for (let node = lines[at + Line.Head] - 1; node >= 0; ) {
      const after = this.next[node];
      this.give(at, node);
      node = after;
    }
    lines[at + Line.Head] = 0;
    lines[at + Line.Tail] = 0;
    this.pages.releaseAll(at);
  }

  private noteRepairs(at: number, seq: number, off: number, len: number): void {
    const { repairs, pages } = this;
    for (let done = 0; done < len; done += pages.run) {
      const from = pages.locate(at, (seq + done) | 0, len - done);
      if (this.repairCount === MOST_REPAIRS) {
        this.repairsLost = 1;
        return;
      }
      const i = 3 * this.repairCount++;
      repairs[i] = off + done;
      repairs[i + 1] = from;
      repairs[i + 2] = pages.run;
    }
  }

  private link(at: number, before: number, first: number, last: number): number {
    const { next, lines } = this;
    let node = this.freeHead;
    if (node < 0) node = this.highWater++;
    else this.freeHead = next[node];
    this.free--;
    this.begin[node] = first;
    this.end[node] = last;
    if (before < 0) {
      next[node] = lines[at + Line.Head] - 1;
      lines[at + Line.Head] = node + 1;
    } else {
      next[node] = next[before];
      next[before] = node;
    }
    if (next[node] < 0) lines[at + Line.Tail] = node + 1;
    lines[at + Line.Nodes]++;
    return node;
  }

  private unlink(at: number, before: number, node: number): void {
    const { next, lines } = this;
    if (before < 0) lines[at + Line.Head] = next[node] + 1;
    else next[before] = next[node];
    if (next[node] < 0) lines[at + Line.Tail] = before + 1;
    this.give(at, node);
  }

  private give(at: number, node: number): void {
    this.next[node] = this.freeHead;
    this.freeHead = node;
    this.free++;
    this.lines[at + Line.Nodes]--;
  }
}
