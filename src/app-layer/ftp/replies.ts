import { BufferId, type Buffers } from '../buffers.js';
import { replyCode } from '../lines.js';
import type { RecordWriter } from '../record.js';
import { type Transactions, Tx } from '../transactions.js';
import { FtpBit, FtpTx } from './layout.js';

/**
 * What servers answer, in the heap: a transaction's lines in order, each
 *
 *   | next line + 1 | length | the line as it was sent, without CR and LF |
 */
const HEAD = 8;
/** Lines that a transaction keeps. */
const MOST_LINES = 32;

export class FtpReplies {
  private readonly heapWords: Int32Array;

  constructor(private readonly txs: Transactions) {
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  /** One more line, mem[off, end). Bytes that were kept. */
  add(tx: number, mem: Uint8Array, off: number, end: number): number {
    const { words, heap } = this.txs;
    const at = tx * Tx.Words;
    if (words[at + FtpTx.ReplyCount]++ >= MOST_LINES) return 0;
    const length = end - off;
    const line = this.txs.reserve(tx, HEAD + length);
    if (line < 0) return 0;
    this.heapWords[line >> 2] = 0;
    this.heapWords[(line >> 2) + 1] = length;
    for (let i = 0; i < length; i++) heap.bytes[line + HEAD + i] = mem[off + i];
    const last = words[at + FtpTx.LastReply] - 1;
    if (last < 0) words[at + FtpTx.Replies] = line + 1;
    else this.heapWords[last >> 2] = line + 1;
    words[at + FtpTx.LastReply] = line + 1;
    return HEAD + length;
  }

  /** ftp.completion_code, ftp.reply: one instance per line that has one. */
  select(tx: number, buffers: Buffers): void {
    const { bytes, region } = this.txs.heap;
    for (let line = this.first(tx); line >= 0; line = this.behind(line)) {
      const length = this.heapWords[(line >> 2) + 1];
      const from = line + HEAD;
      const code = replyCode(bytes, from, length) > 0 ? 4 : 0;
      if (code > 0) buffers.add(BufferId.FtpCompletionCode, bytes, region, from, 3);
      if (length > code) buffers.add(BufferId.FtpReply, bytes, region, from + code, length - code);
    }
  }

  /** The arrays `codes` and `texts` of the record. The first is left out when it would be empty. */
  record(tx: number, writer: RecordWriter, codes: number, texts: number): void {
    const { bytes } = this.txs.heap;
    let count = 0;
    for (let line = this.first(tx); line >= 0; line = this.behind(line)) {
      if (replyCode(bytes, line + HEAD, this.heapWords[(line >> 2) + 1]) <= 0) continue;
      if (count++ === 0) writer.array(codes);
      writer.text(-1, bytes, line + HEAD, 3);
    }
    if (count > 0) writer.end();
    if (this.first(tx) < 0) return;
    writer.array(texts);
    for (let line = this.first(tx); line >= 0; line = this.behind(line)) {
      const length = this.heapWords[(line >> 2) + 1];
      const from = replyCode(bytes, line + HEAD, length) > 0 ? 4 : 0;
      if (length > from) writer.text(-1, bytes, line + HEAD + from, length - from);
    }
    writer.end();
  }

  isCut(tx: number): boolean {
    const at = tx * Tx.Words;
    return this.txs.words[at + FtpTx.ReplyCount] > MOST_LINES || (this.txs.words[at + FtpTx.Bits] & FtpBit.ReplyCut) !== 0;
  }

  private first(tx: number): number {
    return this.txs.words[tx * Tx.Words + FtpTx.Replies] - 1;
  }

  private behind(line: number): number {
    return this.heapWords[line >> 2] - 1;
  }
}
