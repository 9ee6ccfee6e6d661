/**
 * Which of many intervals hold a value: a segment tree over the sorted boundaries of all intervals.
 *
 *   boundaries        0      53  54        80  81        443 444      (first, last + 1 of each interval)
 *   leaves (groups)   |  0   | 1 |    2    | 3 |    4    | 5 |   6
 *   tree                     an interval lies at the O(log n) nodes that cover its leaves exactly;
 *                            a look-up walks from the leaf to the root and takes every list on the way
 *
 * So a look-up touches only items that do hold the value, whatever the number loaded, and no overlap of
 * wide and narrow intervals makes the memory grow beyond O(n log n).
 */

/** Items by leaf: built with leaf numbers, asked with leaf numbers. */
export class SegmentTree {
  private readonly leaves: number;
  /** Node n holds items[start[n] .. start[n + 1]). Node 1 is the root, leaf i is node leaves + i. */
  private readonly start: Int32Array;
  private readonly items: Int32Array;
  /** 1: some node between this leaf and the root holds something. */
  private readonly any: Uint8Array;

  /** Intervals of leaves, inclusive: first[i]..last[i] holds item[i]. */
  constructor(leafCount: number, first: number[], last: number[], item: number[]) {
    let leaves = 1;
    while (leaves < leafCount) leaves *= 2;
    this.leaves = leaves;
    const lists: number[][] = Array.from({ length: 2 * leaves }, () => []);
    for (let i = 0; i < item.length; i++) {
      let l = first[i] + leaves;
      let r = last[i] + leaves + 1;
      for (; l < r; l >>= 1, r >>= 1) {
        if (l & 1) lists[l++].push(item[i]);
        if (r & 1) lists[--r].push(item[i]);
      }
    }
    this.start = new Int32Array(2 * leaves + 1);
    for (let n = 0; n < lists.length; n++) this.start[n + 1] = this.start[n] + lists[n].length;
    this.items = Int32Array.from(lists.flat());
    this.any = new Uint8Array(leaves);
    for (let leaf = 0; leaf < leafCount; leaf++)
      for (let node = leaf + leaves; node > 0; node >>= 1) if (lists[node].length > 0) this.any[leaf] = 1;
  }

  /** Appends the items of a leaf to out[n..); returns the new n. */
  collect(leaf: number, out: Int32Array, n: number): number {
    if (this.any[leaf] === 0) return n;
    const { start, items } = this;
    for (let node = (leaf + this.leaves) | 0; node > 0; node >>= 1) {
      const end = start[node + 1];
      for (let i = start[node]; i < end; i++) out[n++] = items[i];
    }
    return n;
  }
}

/** Intervals over 0..size-1 (ports: 65,536; ICMP types and TCP flags: 256). */
export class NumberIndex {
  /** Value → group. */
  private readonly group: Uint16Array;
  private readonly tree: SegmentTree;

  constructor(size: number, first: number[], last: number[], item: number[]) {
    const starts = new Uint8Array(size + 1);
    starts[0] = 1;
    for (let i = 0; i < item.length; i++) {
      starts[first[i]] = 1;
      starts[last[i] + 1] = 1;
    }
    this.group = new Uint16Array(size);
    let g = -1;
    for (let v = 0; v < size; v++) {
      if (starts[v] === 1) g++;
      this.group[v] = g;
    }
    this.tree = new SegmentTree(
      g + 1,
      first.map((v) => this.group[v]),
      last.map((v) => this.group[v]),
      item,
    );
  }

  collect(value: number, out: Int32Array, n: number): number {
    return this.tree.collect(this.group[value], out, n);
  }
}

/**
 * Intervals over addresses of `words` 32-bit words (1 for IPv4, 4 for IPv6), found by binary search.
 * Words are stored with the sign bit flipped: then a signed comparison orders them as unsigned.
 */
export class AddressIndex {
  private readonly words: number;
  private readonly count: number;
  private readonly boundaries: Int32Array;
  private readonly tree: SegmentTree;

  /** first[i]..last[i] inclusive, big-endian bytes. */
  constructor(words: 1 | 4, first: Uint8Array[], last: Uint8Array[], item: number[]) {
    this.words = words;
    const keys = new Map<string, Int32Array>();
    const add = (bytes: Uint8Array | null) => {
      if (bytes !== null) keys.set(Buffer.from(bytes).toString('hex'), flipped(bytes));
    };
    add(new Uint8Array(words * 4));
    for (let i = 0; i < item.length; i++) {
      add(first[i]);
      add(successor(last[i]));
    }
    const sorted = [...keys.entries()].sort((a, b) => (a[0] < b[0] ? -1 : 1));
    this.count = sorted.length;
    this.boundaries = new Int32Array(this.count * words);
    for (let i = 0; i < sorted.length; i++) this.boundaries.set(sorted[i][1], i * words);
    this.tree = new SegmentTree(
      this.count,
      first.map((a) => this.leaf(flipped(a), 0)),
      last.map((a) => this.leaf(flipped(a), 0)),
      item,
    );
  }

  /** `address`: the words of a packet's address (not flipped). */
  collect(address: Int32Array, out: Int32Array, n: number): number {
    return this.tree.collect(this.leaf(address, FLIP), out, n);
  }

  /** The last boundary not above the address whose words are xored with `flip`. */
  private leaf(address: Int32Array, flip: number): number {
    const { boundaries, words } = this;
    let low = 0;
    let high = this.count;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      let above = false;
      for (let w = 0; w < words; w++) {
        const a = address[w] ^ flip;
        const b = boundaries[middle * words + w];
        if (a !== b) {
          above = b > a;
          break;
        }
      }
      if (above) high = middle;
      else low = middle;
    }
    return low;
  }
}

const FLIP = 0x80000000 | 0;

/** Big-endian bytes as words with the sign bit flipped. */
export function flipped(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = new Int32Array(bytes.length >> 2);
  for (let w = 0; w < words.length; w++) words[w] = view.getInt32(w * 4) ^ FLIP;
  return words;
}

/** The address after this one; null after the last. */
function successor(bytes: Uint8Array): Uint8Array | null {
  const next = bytes.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    next[i] = (next[i] + 1) & 0xff;
    if (next[i] !== 0) return next;
  }
  return null;
}
