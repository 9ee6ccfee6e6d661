import type { Packet } from '../../src/decode/packet.js';
import { Mode } from '../../src/ring/verdict.js';
import { Reassembler, type ReassemblyOptions } from '../../src/stream/reassembly/reassembler.js';
import type { StreamSink } from '../../src/stream/reassembly/sink.js';
import { TcpResult } from '../../src/stream/tcp-result.js';
import { A, Conversation, type PacketFields, S } from './flow-fixture.js';

/** What came out, by direction: bytes, and a marker for each gap. */
export class Heard implements StreamSink {
  readonly bytes: number[][] = [[], []];
  /** [position, length] in bytes. */
  readonly gaps: [number, number][][] = [[], []];
  readonly ended = [0, 0];
  readonly loose_: number[] = [];
  full = false;

  feed(_session: number, _slot: number, direction: number, mem: Uint8Array, _region: number, off: number, len: number): boolean {
    if (len <= 0) throw new Error('nothing was fed');
    for (let i = 0; i < len; i++) this.bytes[direction].push(mem[off + i]);
    return true;
  }
  hasRoom(): boolean {
    return !this.full;
  }
  gap(_session: number, direction: number, length: number): void {
    this.gaps[direction].push([this.bytes[direction].length, length]);
  }
  finishDirection(_session: number, direction: number): void {
    this.ended[direction]++;
  }
  loose(_slot: number, _direction: number, p: Packet, off: number, len: number): void {
    for (let i = 0; i < len; i++) this.loose_.push(p.mem[off + i]);
  }
  text(direction = 0): string {
    return String.fromCharCode(...this.bytes[direction]);
  }
}

export interface FlowOptions extends Partial<ReassemblyOptions> {
  mode?: Mode;
  isn?: number;
  selective?: number;
}

/** A TCP conversation put in order. */
export class Stream extends Conversation {
  readonly heard = new Heard();
  readonly r: Reassembler;
  /** What take said last; null: the tracker refused the packet. */
  taken: boolean | null = null;
  readonly isn: number;

  constructor(options: FlowOptions = {}) {
    super();
    this.r = new Reassembler(this.flows, this.counters, this.heard, {
      memcap: 1 << 20,
      depth: 0,
      chunkSizes: [2560, 2560],
      urgent: 'oob',
      inline: 'auto',
      hosts: [],
      ...options,
    });
    this.mode = options.mode ?? Mode.Ips;
    this.isn = options.isn ?? 1000;
    this.selective = options.selective ?? 0;
    const { ends, r } = this;
    const record = ends.flowEnded.bind(ends);
    ends.flowEnded = (flows, slot, reason) => {
      r.release(slot);
      record(flows, slot, reason);
    };
  }

  override open(): void {
    this.c(S, this.isn, 0, 0, { window: 65535 });
    this.s(S | A, 5000, (this.isn + 1) | 0, 0, { window: 65535 });
    this.c(A, (this.isn + 1) | 0, 5001, 0, { window: 65535 });
  }
  override send(fields: PacketFields): number {
    const result = super.send({ window: 65535, ...fields });
    this.taken = null;
    if (this.p.flow >= 0) this.flows.appState[this.p.flow] = 1;
    if (result !== TcpResult.Invalid) this.taken = this.r.take(this.p, false);
    return result;
  }
  client(at: number, data: string | Uint8Array, more: PacketFields = {}): void {
    const bytes = typeof data === 'string' ? Uint8Array.from(data, (c) => c.charCodeAt(0)) : data;
    this.c(A, (this.isn + 1 + at) | 0, 5001, 0, { data: bytes, ...more });
  }
  /** The server acknowledges `at` bytes. */
  ack(at: number): void {
    this.s(A, 5001, (this.isn + 1 + at) | 0);
  }
  /** Everything is given back. */
  get clean(): boolean {
    this.r.begin();
    return this.r.memuse === 0 && this.r.held.free === this.r.held.capacity && this.r.windows.active === 0;
  }
  end(): void {
    while (this.flows.tick(this.sec + 1_000_000));
  }
}
