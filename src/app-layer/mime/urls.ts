import { Counter } from '../../metrics/counters.js';
import { type Transactions, Tx } from '../transactions.js';
import { LONGEST_URL, M, MOST_LISTED_BYTES, MOST_URLS, Seen } from './layout.js';
import { lower } from './parameters.js';

const COLON = 0x3a;
const SLASH = 0x2f;
/** A node of a list: the next one's offset + 1, bytes. */
export const NODE_HEAD = 8;

/** By byte: 1 for what ends a word in which a URL may stand. */
const ENDS = new Uint8Array(256).fill(1, 0, 0x21);
for (const c of '"\'<>') ENDS[c.charCodeAt(0)] = 1;

/** URLs in decoded text that comes in pieces: a word that a piece breaks off is kept until it is whole. */
export class UrlFinder {
  private readonly schemes: readonly Uint8Array[];
  private readonly heapWords: Int32Array;
  /** Number of the packet. */
  packet = 0;

  constructor(
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    schemes: readonly string[],
    private readonly withScheme: boolean,
  ) {
    this.schemes = schemes.map((scheme) => Uint8Array.from(scheme, (c) => c.charCodeAt(0)));
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  /** c: the message's words. */
  scan(tx: number, c: number, mem: Uint8Array, off: number, len: number): void {
    const end = off + len;
    let at = off;
    if (this.heapWords[c + M.TokenLen] > 0) {
      while (at < end && ENDS[mem[at]] === 0) at++;
      this.carry(tx, c, mem, off, at);
      if (at === end) return;
      this.finish(tx, c);
    }
    while (at < end) {
      if (ENDS[mem[at]] === 1) {
        at++;
        continue;
      }
      const from = at;
      let colon = -1;
      for (; at < end && ENDS[mem[at]] === 0; at++) if (colon < 0 && mem[at] === COLON) colon = at;
      if (at === end) this.carry(tx, c, mem, from, at);
      else if (colon >= 0) this.look(tx, c, mem, from, colon, at);
    }
  }

  /** The text has ended, or what comes next does not follow it. */
  finish(tx: number, c: number): void {
    const n = this.heapWords[c + M.TokenLen];
    if (n === 0) return;
    this.heapWords[c + M.TokenLen] = 0;
    const at = this.heapWords[c + M.Token] - 1;
    this.look(tx, c, this.txs.heap.bytes, at, at, at + n);
  }

  private carry(tx: number, c: number, mem: Uint8Array, from: number, to: number): void {
    const { heapWords, txs } = this;
    if (heapWords[c + M.Token] === 0) {
      const at = txs.reserve(tx, LONGEST_URL);
      if (at < 0) {
        this.counters[Counter.AppNoRoom]++;
        return;
      }
      heapWords[c + M.Token] = at + 1;
    }
    const had = heapWords[c + M.TokenLen];
    const n = Math.min(to - from, LONGEST_URL - had);
    const at = heapWords[c + M.Token] - 1 + had;
    const { bytes } = txs.heap;
    for (let i = 0; i < n; i++) bytes[at + i] = mem[from + i];
    heapWords[c + M.TokenLen] = had + n;
  }

  private look(tx: number, c: number, mem: Uint8Array, from: number, colon: number, end: number): void {
    const to = Math.min(end, from + LONGEST_URL);
    for (let at = colon; at + 3 < to; at++) {
      if (mem[at] !== COLON || mem[at + 1] !== SLASH || mem[at + 2] !== SLASH) continue;
      for (const scheme of this.schemes) {
        if (at - from < scheme.length || !endsWith(mem, at, scheme)) continue;
        const begin = this.withScheme ? at - scheme.length : at + 3;
        this.keep(tx, c, mem, begin, to - begin);
        return;
      }
    }
  }

  /** The last one found is the first of the list. */
  private keep(tx: number, c: number, mem: Uint8Array, off: number, len: number): void {
    const { txs, heapWords } = this;
    const hasRoom = heapWords[c + M.UrlCount] < MOST_URLS && txs.words[tx * Tx.Words + Tx.Kept] < MOST_LISTED_BYTES;
    const node = hasRoom ? txs.reserve(tx, NODE_HEAD + len) : -1;
    if (node < 0) {
      this.counters[Counter.AppInstancesLost]++;
      return;
    }
    heapWords[node >> 2] = heapWords[c + M.Urls];
    heapWords[(node >> 2) + 1] = len;
    const { bytes } = txs.heap;
    for (let i = 0; i < len; i++) bytes[node + NODE_HEAD + i] = mem[off + i];
    heapWords[c + M.Urls] = node + 1;
    heapWords[c + M.UrlCount]++;
    if (heapWords[c + M.Stamp] !== this.packet) heapWords[c + M.Changed] = 0;
    heapWords[c + M.Stamp] = this.packet;
    heapWords[c + M.Changed] |= Seen.Urls;
    txs.moment(tx, 0);
  }
}

function endsWith(mem: Uint8Array, end: number, scheme: Uint8Array): boolean {
  const from = end - scheme.length;
  for (let i = 0; i < scheme.length; i++) if (lower(mem[from + i]) !== scheme[i]) return false;
  return true;
}
