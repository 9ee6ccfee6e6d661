import assert from 'node:assert/strict';
import { BUFFER_NAMES, type BufferId, Buffers } from '../../src/app-layer/buffers.js';
import { Files } from '../../src/app-layer/files/files.js';
import { FILE_NAMES, writeFile } from '../../src/app-layer/files/record.js';
import { HTTP_EVENTS } from '../../src/app-layer/http/events.js';
import { Own, TxFlags } from '../../src/app-layer/http/flow.js';
import { type HttpLimits, HttpProtocol } from '../../src/app-layer/http/http.js';
import { HTTP_NAMES } from '../../src/app-layer/http/view.js';
import { Parsed } from '../../src/app-layer/protocol.js';
import { Sessions } from '../../src/app-layer/sessions.js';
import { Transactions, Tx, TxFlag } from '../../src/app-layer/transactions.js';
import { Counter } from '../../src/metrics/counters.js';
import { latin1, ObjectWriter } from './object-writer.js';

/** What one transaction showed: by direction and buffer the last bytes seen; bodies put together of what each moment added. */
export interface Seen {
  id: number;
  buffers: Record<string, string[]>[];
  /** file.data, by direction: all of it, from overlapping windows. */
  body: string[];
  events: string[];
  record: Record<string, unknown> | null;
  /** Only of another reading than the flow's own. */
  isReading: boolean;
}

export interface SeenFile {
  name: string;
  data: string;
  state: string;
  size: number;
}

const HEAP = 64 << 20;

/** One HttpProtocol with one session, and memory that packets lie in. */
export class HttpHarness {
  readonly sessions = new Sessions(4);
  readonly txs: Transactions;
  readonly counters = new Float64Array(Counter.Count);
  readonly http: HttpProtocol;
  readonly buffers = new Buffers();
  readonly seen: Seen[] = [];
  /** Of transactions that ended: their files, with what was shown of each. */
  readonly files: SeenFile[] = [];
  private readonly shown = new Map<number, string>();
  parsed: Parsed = Parsed.Go;
  session: number;
  private readonly byTx = new Map<number, Seen>();

  constructor(limits: HttpLimits = {}, heap = HEAP) {
    this.txs = new Transactions(2048, heap, 4096, 4);
    this.http = new HttpProtocol(this.sessions, this.txs, this.counters, limits, new Files(this.txs, this.counters, 1024));
    this.session = this.sessions.take();
    this.http.open(this.session);
  }

  /** A packet with bytes of one direction; none: the direction ends. */
  packet(direction: number, bytes: Uint8Array | string): void {
    const mem = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    this.begin();
    if (this.parsed === Parsed.Go) {
      if (mem.length === 0) this.http.finish(this.session, direction);
      else this.parsed = this.http.data(this.session, direction, mem, 7, 0, mem.length);
    }
    this.settle();
  }

  gap(direction: number, length: number): void {
    this.begin();
    this.parsed = this.http.gap(this.session, direction, length);
    this.settle();
  }

  /** The flow ends: what is open is recorded. */
  end(): void {
    this.begin();
    this.http.finish(this.session, 0);
    this.http.finish(this.session, 1);
    this.settle();
    this.begin();
    this.txs.closeAll(this.session);
    this.settle();
    this.http.close(this.session);
    this.begin();
  }

  private begin(): void {
    this.txs.begin();
    this.http.begin();
    this.http.files.begin();
  }

  private settle(): void {
    const { txs } = this;
    this.http.files.keep();
    this.lookAtFiles();
    for (let i = 0; i < txs.count; i++) this.look(txs.moments[2 * i], txs.moments[2 * i + 1]);
    for (let i = 0; i < txs.count; i++) if (txs.isDone(txs.moments[2 * i])) txs.close(txs.moments[2 * i]);
    for (let i = 0; i < txs.endedCount; i++) this.ended(txs.ended[i]);
  }

  private of(tx: number): Seen {
    let seen = this.byTx.get(tx);
    if (seen === undefined) {
      seen = { id: txId(this.txs, tx), buffers: [{}, {}], body: ['', ''], events: [], record: null, isReading: isReading(this.txs, tx) };
      this.byTx.set(tx, seen);
      this.seen.push(seen);
    }
    return seen;
  }

  private look(tx: number, direction: number): void {
    const { buffers } = this;
    const seen = this.of(tx);
    buffers.clear();
    this.http.select(tx, direction, buffers);
    for (let id = 0; id < BUFFER_NAMES.length; id++) {
      if (buffers.len[id] < 0 || buffers.fresh[id] === 0) continue;
      const values: string[] = [];
      for (let at = id; at >= 0; at = buffers.next[at]) values.push(latin1(buffers.mem[at], buffers.off[at], buffers.len[at]));
      const name = BUFFER_NAMES[id as BufferId];
      seen.buffers[direction][name] = values;
      if (name === 'file.data') seen.body[direction] = merge(seen.body[direction], values[0]);
    }
  }

  /** Windows of the files that got bytes: what is new stands behind what was shown before. */
  private lookAtFiles(): void {
    const { txs, buffers } = this;
    const { files } = this.http;
    for (let tx = txs.first(this.session); tx >= 0; tx = txs.behind(tx)) {
      for (let file = files.first(tx); file >= 0; file = files.behind(file)) {
        const had = this.shown.get(file) ?? '';
        const fresh = files.size[file] - had.length;
        if (fresh <= 0) continue;
        buffers.clear();
        if (!files.selectFile(file, buffers)) continue;
        const id = BUFFER_NAMES.indexOf('file.data');
        const all = latin1(buffers.mem[id], buffers.off[id], buffers.len[id]);
        assert.ok(all.length >= fresh);
        this.shown.set(file, had + all.slice(all.length - fresh));
      }
    }
  }

  private filesEnded(tx: number): void {
    const { files } = this.http;
    for (let file = files.first(tx); file >= 0; file = files.behind(file)) {
      const writer = new ObjectWriter(FILE_NAMES);
      writeFile(files, file, 0, writer);
      const { filename, state, size } = writer.root as { filename?: string; state: string; size: number };
      this.files.push({ name: filename ?? '', data: this.shown.get(file) ?? '', state, size });
      this.shown.delete(file);
    }
  }

  private ended(tx: number): void {
    this.filesEnded(tx);
    const seen = this.of(tx);
    const { words } = this.txs;
    const at = tx * Tx.Words + Tx.Parser + Own.Events;
    seen.events = HTTP_EVENTS.filter((_, bit) => (words[at + (bit >> 5)] & (1 << (bit & 31))) !== 0);
    const writer = new ObjectWriter(HTTP_NAMES);
    this.http.record(tx, writer);
    seen.record = writer.root;
    words[tx * Tx.Words + Tx.Flags] |= TxFlag.Logged;
    this.byTx.delete(tx);
  }
}

function txId(txs: Transactions, tx: number): number {
  return txs.words[tx * Tx.Words + Tx.Id];
}

/** The window begins with the last 4 KiB seen at most: all of it when there was less. */
function merge(body: string, window: string): string {
  const known = Math.min(body.length, 4096);
  return body + window.slice(known);
}

function isReading(txs: Transactions, tx: number): boolean {
  return (txs.words[tx * Tx.Words + Tx.Parser + Own.Flags] & TxFlags.Reading) !== 0;
}
