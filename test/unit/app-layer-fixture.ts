import { AppLayer, type AppLayerOptions, NO_ROOM } from '../../src/app-layer/app-layer.js';
import { AppProto, BufferId } from '../../src/app-layer/buffers.js';
import { PROTOCOLS } from '../../src/app-layer/protocols.js';
import type { FlowConfig, StreamConfig } from '../../src/config/config.js';
import type { ReassemblyOptions } from '../../src/stream/reassembly/reassembler.js';
import { TcpResult } from '../../src/stream/tcp-tracker.js';
import { A, Conversation, P, type PacketFields } from './flow-fixture.js';

export const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

export interface TalkOptions {
  app?: AppLayerOptions;
  stream?: Partial<StreamConfig>;
  flow?: Partial<FlowConfig>;
  port?: number;
  reassembly?: Partial<ReassemblyOptions>;
}

const FTP = PROTOCOLS.filter(({ proto }) => proto === AppProto.Ftp);

/** A TCP conversation that is parsed, by FTP alone unless others are named; `commands` holds what each packet completed, as `COMMAND|data` or `COMMAND`. */
export class Talk extends Conversation {
  readonly app: AppLayer;
  readonly commands: string[] = [];
  /** What update said last; null: it was not asked. */
  result: number | null = null;
  port: number;
  clientPort = 40000;

  constructor(options: TalkOptions = {}) {
    super(options.stream, options.flow);
    this.app = new AppLayer(this.flows, this.counters, {
      protocols: FTP,
      reassembly: { memcap: 1 << 20, depth: 0, chunkSizes: [256, 256], urgent: 'oob', hosts: [], inline: 'auto', ...options.reassembly },
      ...options.app,
    });
    this.port = options.port ?? 2121;
    const { ends, app } = this;
    const record = ends.flowEnded.bind(ends);
    ends.flowEnded = (flows, slot, reason) => {
      app.flowEnded(slot);
      record(flows, slot, reason);
    };
  }

  override c(flags: number, seq: number, ack = 0, payload = 0, more: PacketFields = {}): number {
    return super.c(flags, seq, ack, payload, { sport: this.clientPort, dport: this.port, ...more });
  }
  override s(flags: number, seq: number, ack = 0, payload = 0, more: PacketFields = {}): number {
    return super.s(flags, seq, ack, payload, { sport: this.port, dport: this.clientPort, ...more });
  }
  override send(fields: PacketFields): number {
    const result = super.send(fields);
    this.result = null;
    if (result !== TcpResult.Invalid) this.take(this.app.update(this.p));
    return result;
  }
  /** Reads the transactions that update or force returned. */
  take(count: number): void {
    this.result = count;
    for (let i = 0; i < count; i++) {
      this.app.select(i);
      // What was shown before is shown again when its transaction has an event.
      if (this.app.direction !== 0 || this.app.buffers.fresh[BufferId.FtpCommand] === 0) continue;
      const command = this.buffer(BufferId.FtpCommand);
      const data = this.buffer(BufferId.FtpCommandData);
      this.commands.push(data === null ? `${command}` : `${command}|${data}`);
    }
  }
  private buffer(id: BufferId): string | null {
    const { off, len, mem } = this.app.buffers;
    return len[id] < 0 ? null : text(mem[id].subarray(off[id], off[id] + len[id]));
  }

  /** Bytes `at` bytes behind the client's first one (1001). */
  client(at: number, bytes: string | Uint8Array, more: PacketFields = {}): void {
    this.c(P | A, 1001 + at, 5001, 0, { data: typeof bytes === 'string' ? latin1(bytes) : bytes, ...more });
  }
  server(at: number, bytes: string, ack = 1001): void {
    this.s(P | A, 5001 + at, ack, 0, { data: latin1(bytes) });
  }
  /** Takes a packet that had no room all the same. */
  force(): void {
    if (this.result === NO_ROOM) this.take(this.app.force(this.p));
  }
  get appProto(): number {
    return this.flows.appProto[this.p.flow];
  }
}

/** `at`: where the text begins in the stream. */
export interface Piece {
  at: number;
  bytes: Uint8Array;
}

/** The commands of a dialogue as anyone would read them. */
export function plainly(dialogue: string): string[] {
  const commands: string[] = [];
  for (const line of dialogue.split('\n').slice(0, -1)) {
    const m = /^[ \t]*([!-~]+)(?:[ \t]([\s\S]*))?$/.exec(line.replace(/\r+$/, ''));
    if (m !== null) commands.push(m[2] ? `${m[1].toUpperCase()}|${m[2]}` : m[1].toUpperCase());
  }
  return commands;
}
