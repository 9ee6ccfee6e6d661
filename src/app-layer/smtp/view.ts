import { BufferId, type Buffers } from '../buffers.js';
import type { AppMemory } from '../memory.js';
import { Header, M, Seen } from '../mime/layout.js';
import { MD5_WORDS } from '../mime/md5.js';
import type { MimeParser } from '../mime/mime.js';
import { NODE_HEAD } from '../mime/urls.js';
import { type Transactions, Tx } from '../transactions.js';
import { T, TxSeen } from './layout.js';
import type { Mails } from './mails.js';

/** Headers that are buffers. */
const SHOWN: readonly [Header, BufferId][] = [
  [Header.From, BufferId.EmailFrom],
  [Header.To, BufferId.EmailTo],
  [Header.Cc, BufferId.EmailCc],
  [Header.Subject, BufferId.EmailSubject],
  [Header.Date, BufferId.EmailDate],
  [Header.MessageId, BufferId.EmailMessageId],
  [Header.XMailer, BufferId.EmailXMailer],
];
const HEX = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0));

/** Buffers of transactions. */
export class SmtpView {
  private readonly heapWords: Int32Array;

  constructor(
    private readonly txs: Transactions,
    private readonly memory: AppMemory,
    private readonly mails: Mails,
    private readonly mime: MimeParser,
  ) {
    this.heapWords = new Int32Array(txs.heap.bytes.buffer);
  }

  /** Those of the client's direction; the server's has none. */
  select(tx: number, buffers: Buffers): void {
    const { words } = this.txs;
    const { bytes, region } = this.txs.heap;
    const at = tx * Tx.Words;
    const changed = this.mails.fresh(tx);
    if (words[at + T.HeloLen] > 0)
      buffers.set(BufferId.SmtpHelo, bytes, region, words[at + T.Helo] - 1, words[at + T.HeloLen], changed & TxSeen.Helo);
    this.list(buffers, BufferId.SmtpMailFrom, words[at + T.Senders], changed & TxSeen.MailFrom);
    this.list(buffers, BufferId.SmtpRcptTo, words[at + T.Rcpt], changed & TxSeen.Rcpt);
    if (words[at + T.Mime] !== 0) this.message(words[at + T.Mime], buffers);
  }

  private message(c: number, buffers: Buffers): void {
    const { heapWords, memory } = this;
    const { bytes, region } = this.txs.heap;
    const changed = this.mime.fresh(c);
    for (let i = 0; i < SHOWN.length; i++) {
      const header = c + M.Headers + 2 * SHOWN[i][0];
      if (heapWords[header] !== 0)
        buffers.set(SHOWN[i][1], bytes, region, heapWords[header] - 1, heapWords[header + 1], changed & Seen.Headers);
    }
    this.list(buffers, BufferId.EmailReceived, heapWords[c + M.Received], changed & Seen.Received);
    this.list(buffers, BufferId.EmailUrl, heapWords[c + M.Urls], changed & Seen.Urls);
    // Beside those of the files themselves.
    if ((changed & Seen.Names) !== 0) this.list(buffers, BufferId.FileName, heapWords[c + M.Names], 1);
    const digest = heapWords[c + M.Md5 + MD5_WORDS] - 1;
    if (digest < 0) return;
    const to = memory.scratch(32);
    if (to < 0) return;
    for (let i = 0; i < 32; i++) memory.bytes[to + i] = HEX[(bytes[digest + (i >> 1)] >> (i & 1 ? 0 : 4)) & 15];
    buffers.set(BufferId.EmailBodyMd5, memory.bytes, memory.region, to, 32, changed & Seen.Md5);
  }

  private list(buffers: Buffers, id: BufferId, first: number, changed: number): void {
    const { heapWords } = this;
    const { bytes, region } = this.txs.heap;
    for (let node = first - 1; node >= 0; node = heapWords[node >> 2] - 1)
      buffers.add(id, bytes, region, node + NODE_HEAD, heapWords[(node >> 2) + 1]);
    if (first !== 0 && changed === 0) buffers.fresh[id] = 0;
  }
}
