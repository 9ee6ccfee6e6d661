import { defaultConfig } from '../../src/config/load.js';
import * as build from '../../src/lab/packets.js';
import { decodeEvent, EventRecord } from '../../src/output/event-decode.js';
import { EventType } from '../../src/output/event-layout.js';
import { Mode } from '../../src/ring/verdict.js';
import { EngineBench } from './engine.js';

const RAW = 101;
const CLIENT = '10.1.2.3';
const SERVER = '192.0.2.7';

export interface ConnectionOptions {
  mode?: Mode;
  rules: string[];
  /** Of the server. */
  port?: number;
  chunkSizes?: [number, number];
  depth?: number;
  memcap?: number;
  /** Another connection's engine, and the client's port on it. */
  bench?: EngineBench;
  clientPort?: number;
  /** Data in the client's SYN, which the server acknowledges (fast open). */
  early?: string;
  /** Its beginning is not seen; `oneside`: stream.async-oneside is on. */
  midstream?: { oneside: boolean };
}

/** A TCP connection through an engine, established: positions count from each side's first byte. */
export class Connection {
  readonly bench: EngineBench;
  /** First position behind what each side has sent. */
  readonly sent = [0, 0];
  private readonly port: number;

  private readonly clientPort: number;

  constructor({
    mode = Mode.Ips,
    rules,
    port = 4321,
    chunkSizes,
    depth,
    memcap,
    bench,
    clientPort = 40_000,
    early = '',
    midstream,
  }: ConnectionOptions) {
    const config = defaultConfig();
    config.outputs.eve.flow = false;
    config.outputs.eve.alert.payload = true;
    const { reassembly } = config.stream;
    config.stream.reassembly = {
      ...reassembly,
      chunkSizes: chunkSizes ?? reassembly.chunkSizes,
      depth: depth ?? reassembly.depth,
      memcap: memcap ?? 4 << 20,
    };
    config.stream.midstream = midstream !== undefined;
    config.stream.asyncOneside = midstream?.oneside === true;
    this.port = port;
    this.clientPort = clientPort;
    this.bench = bench ?? new EngineBench({ rules, config, mode }, false);
    if (midstream !== undefined) return;
    this.segment(0, 2, -1, 0, early);
    this.sent[0] = early.length;
    this.segment(1, 18, -1, early.length);
    if (early === '') this.segment(0, 16, 0, 0);
  }

  /** Data from the client; the verdict. */
  client(at: number, text: string | Uint8Array, acked = 0): string {
    return this.segment(0, 24, at, acked, text);
  }

  server(at: number, text: string | Uint8Array, acked = 0): string {
    return this.segment(1, 24, at, acked, text);
  }

  /** An ACK of what the client sent before that position. */
  ack(acked: number): string {
    return this.segment(1, 16, this.sent[1], acked);
  }

  segment(direction: number, flags: number, at: number, acked: number, text: string | Uint8Array = ''): string {
    const [src, dst] = direction === 0 ? [CLIENT, SERVER] : [SERVER, CLIENT];
    const [seq, ack] = direction === 0 ? [1001 + at, 5001 + acked] : [5001 + at, 1001 + acked];
    const { port, clientPort } = this;
    const ports = direction === 0 ? { srcPort: clientPort, dstPort: port } : { srcPort: port, dstPort: clientPort };
    const bytes = build.bytes(text);
    this.sent[direction] = Math.max(this.sent[direction], at + bytes.length);
    const segment = build.tcp({ src, dst, ...ports, flags, seq, ack: flags === 2 ? 0 : ack, window: 65535 }, bytes);
    return this.bench.send(build.ipv4({ src, dst, proto: 6 }, segment), RAW);
  }

  /** The payload as it would be forwarded. */
  payload(): Uint8Array {
    const p = this.bench.engine.packet;
    return p.mem.slice(p.payloadOff, p.payloadOff + p.payloadLen);
  }

  /** The alerts since the last call: sid's place among the rules, and the payload shown. */
  alerts(): { rule: number; payload: string; origin: number }[] {
    const { events } = this.bench;
    const record = new EventRecord();
    const found: { rule: number; payload: string; origin: number }[] = [];
    for (let at = events.peek(); at >= 0; at = events.peek()) {
      if (decodeEvent(events.bytes, events.view, at, events.length, record) && record.type === EventType.Alert)
        found.push({ rule: record.ruleIndex, payload: record.payload.toString('latin1'), origin: record.origin });
      events.release();
    }
    return found;
  }

  /** Ends it; the number of alerts there were. */
  close(): number {
    this.bench.close();
    return this.bench.alerts();
  }
}
