import { Counter } from '../metrics/counters.js';
import { type Transactions, Tx } from './transactions.js';

/** Words that the owner has among those of its transaction. */
export const enum Held {
  /** Nodes of the heap + 1; 0: there are none. */
  First = 0,
  Last,
  /** Bytes kept; CUT: and there were more, which are lost. */
  Bytes,
  Words,
}

/** A node: the next one + 1, how many bytes, the bytes. */
const NODE_HEAD = 8;
const NODE_BYTES = 16384;
/** Most bytes one transaction holds back. */
const MOST_HELD = 65536;
const CUT = 1 << 30;

/**
 * What a client says before it knows whether the protocol will change (behind CONNECT or STARTTLS): it lies with the transaction that is
 * to be answered, and is parsed when the answer has said as what. The frame does so, behind the call of data that has called release.
 */
export class HeldBytes {
  /** The first node + 1 of what is to be parsed now (0: none), and whether bytes behind it are lost. */
  due = 0;
  isCut = false;
  private readonly heapWords: Int32Array;

  /** `word`: the first of its words, from the transaction's first. */
  constructor(
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    private readonly word: number,
  ) {
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  /** Something is held with the transaction. */
  has(tx: number): boolean {
    return this.txs.words[tx * Tx.Words + this.word + Held.Bytes] !== 0;
  }

  keep(tx: number, mem: Uint8Array, off: number, len: number): void {
    const { words, heap } = this.txs;
    const w = tx * Tx.Words + this.word;
    for (let at = off; at < off + len; ) {
      const bytes = words[w + Held.Bytes];
      if (bytes >= CUT) return;
      const n = Math.min(off + len - at, NODE_BYTES, MOST_HELD - bytes);
      const node = n > 0 ? this.txs.reserve(tx, NODE_HEAD + n) : -1;
      if (node < 0) {
        this.cut(tx);
        return;
      }
      this.heapWords[node >> 2] = 0;
      this.heapWords[(node >> 2) + 1] = n;
      for (let i = 0; i < n; i++) heap.bytes[node + NODE_HEAD + i] = mem[at + i];
      if (words[w] === 0) words[w] = node + 1;
      else this.heapWords[(words[w + Held.Last] - 1) >> 2] = node + 1;
      words[w + Held.Last] = node + 1;
      words[w + Held.Bytes] = bytes + n;
      at += n;
    }
  }

  /** The next bytes are missing, or there is no room for them: nothing behind is kept. */
  cut(tx: number): void {
    const at = tx * Tx.Words + this.word + Held.Bytes;
    if (this.txs.words[at] >= CUT) return;
    this.txs.words[at] |= CUT;
    this.counters[Counter.AppNoRoom]++;
  }

  /** The answer is here. Bytes of a transaction that ends with this packet stay until it is inspected. */
  release(tx: number): void {
    const { words } = this.txs;
    const w = tx * Tx.Words + this.word;
    this.due = words[w];
    this.isCut = words[w + Held.Bytes] >= CUT;
    words.fill(0, w, w + Held.Words);
  }

  /** Of a node + 1: the next one, where its bytes lie in the heap, how many they are. */
  next(node: number): number {
    return this.heapWords[(node - 1) >> 2];
  }
  offset(node: number): number {
    return node - 1 + NODE_HEAD;
  }
  length(node: number): number {
    return this.heapWords[((node - 1) >> 2) + 1];
  }
}
