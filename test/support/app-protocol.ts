import { BUFFER_NAMES, Buffers } from '../../src/app-layer/buffers.js';
import { Parsed, type Protocol } from '../../src/app-layer/protocol.js';
import type { RecordNames } from '../../src/app-layer/record.js';
import { Sessions } from '../../src/app-layer/sessions.js';
import { STATE_DONE, Transactions, Tx } from '../../src/app-layer/transactions.js';
import { latin1, ObjectWriter } from './object-writer.js';

type Make = (sessions: Sessions, txs: Transactions, counters: Float64Array) => Protocol;

/** One session of a protocol, fed by hand. */
export class AppTalk {
  readonly sessions = new Sessions(4);
  readonly txs: Transactions;
  readonly counters = new Float64Array(4096);
  readonly protocol: Protocol;
  readonly session: number;
  readonly buffers = new Buffers();
  /** What every moment newly showed: `to_server tls.sni=example.org`. */
  readonly shown: string[] = [];
  parsed: Parsed = Parsed.Go;
  tx = -1;

  constructor(
    make: Make,
    private readonly names: RecordNames,
    heapBytes = 4 << 20,
  ) {
    this.txs = new Transactions(8, heapBytes, 1024, 4);
    this.protocol = make(this.sessions, this.txs, this.counters);
    this.session = this.sessions.take();
    this.protocol.open(this.session);
  }

  /** The next bytes, as one packet each. Nothing more is fed once the parser is done. */
  feed(direction: number, ...pieces: Uint8Array[]): this {
    for (const piece of pieces) {
      if (this.parsed !== Parsed.Go) return this;
      // Canaries round the piece: a parser that reads beyond it reads these.
      const mem = new Uint8Array(piece.length + 16).fill(0xa5);
      mem.set(piece, 8);
      this.packet(() => {
        this.parsed = this.protocol.data(this.session, direction, mem, 0, 8, piece.length);
      });
    }
    return this;
  }
  gap(direction: number, length: number): this {
    this.packet(() => {
      this.parsed = this.protocol.gap(this.session, direction, length);
    });
    return this;
  }
  finish(): this {
    if (this.parsed === Parsed.Go) for (const direction of [0, 1]) this.packet(() => this.protocol.finish(this.session, direction));
    return this;
  }
  /** The packet is inspected; what ended stays until the talk is over, so that it can be asked. */
  private packet(parse: () => void): void {
    const { txs, buffers } = this;
    txs.begin();
    this.protocol.begin();
    parse();
    if (this.tx < 0) this.tx = txs.first(this.session);
    for (let i = 0; i < txs.count; i++) {
      const direction = txs.moments[2 * i + 1];
      buffers.clear();
      this.protocol.select(txs.moments[2 * i], direction, buffers);
      for (let id = 0; id < BUFFER_NAMES.length; id++) {
        if (buffers.len[id] < 0 || buffers.fresh[id] === 0) continue;
        for (let at = id; at >= 0; at = buffers.next[at]) {
          const text = latin1(buffers.mem[at], buffers.off[at], buffers.len[at]);
          this.shown.push(`${direction === 0 ? 'to_server' : 'to_client'} ${BUFFER_NAMES[id]}=${text}`);
        }
      }
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: a record has whatever fields its protocol gives it
  record(): Record<string, any> {
    const writer = new ObjectWriter(this.names);
    if (this.tx >= 0) this.protocol.record(this.tx, writer);
    return writer.root;
  }
  /** By their place among the parser's words of a transaction. */
  events(names: readonly string[], word: number): string[] {
    if (this.tx < 0) return [];
    const at = this.tx * Tx.Words + Tx.Parser + word;
    return names.filter((_, i) => (this.txs.words[at + (i >> 5)] & (1 << (i & 31))) !== 0);
  }
  state(direction: number): number | 'done' {
    const state = this.txs.words[this.tx * Tx.Words + Tx.State + direction];
    return state === STATE_DONE ? 'done' : state;
  }
  /** Ends the flow. Bytes of the heap that are still taken: none may be. */
  close(): number {
    this.protocol.close(this.session);
    this.txs.closeAll(this.session);
    this.txs.clearEnded();
    return this.txs.heap.used;
  }
}

/** A stream cut at these places. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const edges = [0, ...[...places].sort((a, b) => a - b), bytes.length];
  const pieces: Uint8Array[] = [];
  for (let i = 1; i < edges.length; i++) if (edges[i] > edges[i - 1]) pieces.push(bytes.subarray(edges[i - 1], edges[i]));
  return pieces;
}
