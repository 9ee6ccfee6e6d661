import { BUFFER_NAMES, type Buffers } from '../../src/app-layer/buffers.js';
import { type DnsLimits, DnsProtocol } from '../../src/app-layer/dns/dns.js';
import type { DnsEveOptions } from '../../src/app-layer/dns/options.js';
import { DNS_NAMES } from '../../src/app-layer/dns/record.js';
import { Parsed } from '../../src/app-layer/protocol.js';
import { Sessions } from '../../src/app-layer/sessions.js';
import { Transactions, Tx, TxFlag } from '../../src/app-layer/transactions.js';
import { escaped, type Json, ObjectWriter } from './object-writer.js';

export const bytes = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
export const latin1 = (mem: Uint8Array) => String.fromCharCode(...mem);
export const hex = (text: string) => Uint8Array.from(text.replace(/\s/g, '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

export type { Json } from './object-writer.js';

/** What a moment brought: buffers by keyword, the record, events. */
export interface Seen {
  id: number;
  direction: number;
  buffers: Record<string, string[]>;
  record: Json;
  events: number;
  opcode: number;
  rcode: number;
  types: number[];
  logged: boolean;
}

/** One DNS parser and a stream or datagrams for it. */
export class DnsTalk {
  readonly sessions = new Sessions(8);
  readonly counters = new Float64Array(512);
  readonly txs: Transactions;
  readonly dns: DnsProtocol;
  readonly seen: Seen[] = [];
  session = -1;
  last = Parsed.Go;

  constructor({ limits = {}, capacity = 32768, heap = 1 << 22 }: { limits?: DnsLimits; capacity?: number; heap?: number } = {}) {
    this.txs = new Transactions(capacity, heap);
    this.dns = new DnsProtocol(this.sessions, this.txs, this.counters, limits);
  }

  stream(): this {
    this.session = this.sessions.take();
    this.dns.open(this.session);
    return this;
  }
  /** A packet with these pieces; what it brought is in `seen`. */
  packet(direction: number, ...pieces: Uint8Array[]): this {
    this.start();
    for (const piece of pieces) {
      if (this.last === Parsed.Failed) break;
      // Not at 0, and surrounded by what is not its own.
      const mem = new Uint8Array(piece.length + 24).fill(0xee);
      mem.set(piece, 12);
      this.last = this.dns.data(this.session, direction, mem, this.region++, 12, piece.length);
    }
    return this.look();
  }
  start(): void {
    this.txs.closeAll(this.session);
    this.txs.begin();
    this.dns.begin();
  }
  look(): this {
    for (let i = 0; i < this.txs.count; i++) {
      const tx = this.txs.moments[2 * i];
      const direction = this.txs.moments[2 * i + 1];
      const buffers: Record<string, string[]> = {};
      const catcher = {
        add: (id: number, mem: Uint8Array, _region: number, off: number, len: number) => {
          if (off < 0 || len < 0 || off + len > mem.length) throw new Error(`buffer ${BUFFER_NAMES[id]} outside its memory`);
          buffers[BUFFER_NAMES[id]] ??= [];
          buffers[BUFFER_NAMES[id]].push(latin1(mem.slice(off, off + len)));
        },
      };
      this.dns.select(tx, direction, catcher as unknown as Buffers);
      const writer = new ObjectWriter(DNS_NAMES, escaped);
      this.dns.record(tx, writer);
      const { words } = this.txs;
      this.seen.push({
        id: words[tx * Tx.Words + Tx.Id],
        direction,
        buffers,
        record: writer.done(),
        events: this.dns.events(tx),
        opcode: this.dns.opcode(tx),
        rcode: this.dns.rcode(tx),
        types: [...this.dns.types.subarray(0, this.dns.loadTypes(tx))],
        logged: (words[tx * Tx.Words + Tx.Flags] & TxFlag.Logged) !== 0,
      });
    }
    return this;
  }
  /** Records of the current packet by these options. */
  recordsOf(options: DnsEveOptions): Json[] {
    const records = [];
    for (let i = 0; i < this.txs.count; i++) {
      const tx = this.txs.moments[2 * i];
      for (let k = 0; k < this.dns.records(tx, options); k++) {
        const writer = new ObjectWriter(DNS_NAMES, escaped);
        this.dns.recordOf(tx, k, options, writer);
        records.push(writer.done());
      }
    }
    return records;
  }
  close(): void {
    this.dns.release();
    this.txs.heap.close();
  }

  private region = 1000;
}

/** A name on the wire; `*N` at its end is a pointer to offset N. */
export function name(text: string): Uint8Array {
  const parts: number[] = [];
  for (const label of text.split('.').filter((part) => part !== '')) {
    if (label.startsWith('*')) {
      const to = Number(label.slice(1));
      return Uint8Array.from([...parts, 0xc0 | (to >> 8), to & 255]);
    }
    parts.push(label.length, ...bytes(label));
  }
  return Uint8Array.from([...parts, 0]);
}

export function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

export function words(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((v) => [(v >> 8) & 255, v & 255]));
}

export interface Parts {
  id?: number;
  flags?: number;
  counts?: [number, number, number, number];
  questions?: Uint8Array[];
  answers?: Uint8Array[];
  authorities?: Uint8Array[];
  additionals?: Uint8Array[];
}

export function message({
  id = 1,
  flags = 0x100,
  counts,
  questions = [],
  answers = [],
  authorities = [],
  additionals = [],
}: Parts): Uint8Array {
  const sections = [questions, answers, authorities, additionals];
  return join(words(id, flags, ...(counts ?? sections.map((part) => part.length))), ...sections.flat());
}

export function question(qname: string, type = 1, kind = 1): Uint8Array {
  return join(name(qname), words(type, kind));
}

export function record(owner: string, type: number, data: Uint8Array, ttl = 60, length = data.length): Uint8Array {
  return join(name(owner), words(type, 1, ttl >>> 16, ttl & 0xffff, length), data);
}

/** With the length a stream has before it. */
export function framed(body: Uint8Array): Uint8Array {
  return join(words(body.length), body);
}
