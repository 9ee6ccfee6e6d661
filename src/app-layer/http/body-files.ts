import { randomBytes } from 'node:crypto';
import { FileState, type Files } from '../files/files.js';
import { type Transactions, Tx } from '../transactions.js';
import { HttpEvent } from './events.js';
import { F, type FlowWords, Own, TxFlags } from './flow.js';
import { isMultipart, Multipart } from './multipart.js';
import type { Pairs } from './pairs.js';
import { Ranges } from './ranges.js';
import type { HttpView } from './view.js';

/** Nobody makes two files one that lies among another's pieces. */
const SEEDS = new Int32Array(new Uint8Array(randomBytes(8)).buffer);

/** The files that bodies are: a body is one, or several parts (multipart.ts), or a piece of one (ranges.ts). */
export class BodyFiles {
  /** By 2 * transaction + direction: the file that the body is, + 1; 0: none. */
  private readonly fileOf: Int32Array;
  private readonly multipart: Multipart;
  private readonly ranges: Ranges;

  constructor(
    private readonly flows: FlowWords,
    private readonly txs: Transactions,
    private readonly pairs: Pairs,
    private readonly view: HttpView,
    private readonly files: Files,
  ) {
    this.fileOf = new Int32Array(2 * txs.capacity);
    this.multipart = new Multipart(txs.heap, files, pairs);
    this.ranges = new Ranges(files);
  }

  /** A new packet. */
  begin(): void {
    this.ranges.packet();
  }

  /** A new transaction. */
  clear(tx: number): void {
    this.fileOf[2 * tx] = 0;
    this.fileOf[2 * tx + 1] = 0;
  }

  /** The first byte of a body is there, or known to be missing. May be called again. */
  open(f: number, tx: number, direction: number): void {
    const { view } = this;
    if (this.fileOf[2 * tx + direction] !== 0 || this.flows.words[f + F.Multipart] !== 0) return;
    const { bytes } = this.txs.heap;
    if (direction === 0) {
      const type = view.typeOf(tx);
      if (type > 0 && isMultipart(bytes, view.words[type], view.words[type + 1])) {
        const parts = this.multipart.begin(bytes, view.words[type], view.words[type + 1]);
        this.flows.words[f + F.Multipart] = parts;
        if (parts !== 0) {
          this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] |= TxFlags.Parts;
          return;
        }
        this.pairs.event(tx, HttpEvent.MultipartGeneric);
      }
    }
    const name = view.nameOf(tx, direction);
    const file = this.files.open(tx, direction, bytes, name > 0 ? view.words[name] : 0, name > 0 ? view.words[name + 1] : 0, true);
    this.fileOf[2 * tx + direction] = file + 1;
    if (direction === 0) return;
    if (view.range(tx)) {
      this.files.range(file, view.rangeFrom, view.rangeTo);
      if (view.rangeSize > 0 && this.ranges.begin(file, tx, this.keyOf(tx), view.rangeFrom, view.rangeTo, view.rangeSize))
        this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] |= TxFlags.Ranged;
    }
    if (view.isRangeInvalid) this.pairs.event(tx, HttpEvent.RangeInvalid);
  }

  /** The next bytes of a body, behind `open`. */
  data(f: number, tx: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): void {
    const parts = this.flows.words[f + F.Multipart];
    if (parts !== 0) {
      this.multipart.data(parts - 1, tx, mem, region, off, len);
      return;
    }
    const file = this.fileOf[2 * tx + direction] - 1;
    this.files.data(file, mem, region, off, len);
    if (direction === 1 && this.isRanged(tx)) this.ranges.data(file, mem, off, len);
  }

  /** `missing` bytes are missing. */
  gap(f: number, tx: number, direction: number, missing: number): void {
    this.files.gap(this.fileOf[2 * tx + direction] - 1, missing);
    this.endRange(tx, direction, false);
    if (this.flows.words[f + F.Multipart] !== 0) this.multipart.gap(this.flows.words[f + F.Multipart] - 1, missing);
  }

  /** More comes than is inspected. */
  cut(f: number, tx: number, direction: number): void {
    this.files.close(this.fileOf[2 * tx + direction] - 1, FileState.Truncated);
    this.endRange(tx, direction, false);
    if (this.flows.words[f + F.Multipart] !== 0) this.multipart.cut(this.flows.words[f + F.Multipart] - 1);
  }

  /** The body has ended; may be called again. */
  end(f: number, tx: number, state: FileState): void {
    const flow = this.flows.words;
    if (flow[f + F.Multipart] !== 0) this.multipart.finish(flow[f + F.Multipart] - 1, tx, state === FileState.Closed);
    flow[f + F.Multipart] = 0;
    if (tx < 0) return;
    const direction = ((f / F.Words) | 0) & 1;
    this.files.close(this.fileOf[2 * tx + direction] - 1, state);
    this.endRange(tx, direction, state === FileState.Closed);
  }

  private isRanged(tx: number): boolean {
    return (this.txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] & TxFlags.Ranged) !== 0;
  }

  /** 53 bits of the file's host, path and size. */
  private keyOf(tx: number): number {
    const { view } = this;
    const high = view.resource(tx, SEEDS[0] ^ view.rangeSize);
    const low = view.resource(tx, SEEDS[1] ^ view.rangeSize);
    return (high >>> 0) * 0x200000 + (low >>> 11);
  }

  private endRange(tx: number, direction: number, isWhole: boolean): void {
    if (direction === 0 || !this.isRanged(tx)) return;
    const name = this.view.nameOf(tx, 1);
    const { words } = this.view;
    this.ranges.end(this.fileOf[2 * tx + 1] - 1, isWhole, this.txs.heap.bytes, name > 0 ? words[name] : 0, name > 0 ? words[name + 1] : 0);
  }
}
