import { ethernet, ipv4, PROTO, udp } from '../../src/lab/packets.js';
import { PacketSocket } from './packet-socket.js';

/**
 * Raw frames for a peer process: sends what it is told, keeps what it receives from senders whose MAC
 * address begins with MARK, and does the books of numbered datagrams (below).
 *
 *   Ethernet 14 | IPv4 20 | UDP 8 | "SLQ1" | flow u32 | sequence u32 | padding ...
 *   0             14        34      42       46         50
 */
export const MARK = '02:53';
export const RAW_SOURCE = `${MARK}:00:00:00:01`;
/** No host's: a receiving stack ignores it, so nothing answers. */
export const RAW_DESTINATION = `${MARK}:00:00:00:02`;

const MAGIC = 0x534c5131;
const MAGIC_AT = 42;
const KEEP = 10_000;
const POLL_MS = 2;
/** Behind by more than this, a stream goes on from now: no burst may overrun the kernel's backlog. */
const MAX_BEHIND = 256;

export interface StreamOptions {
  flows: number;
  /** Datagrams per second, all flows together. */
  pps: number;
  /** Ends by itself after so many; default: at halt(). */
  count?: number;
  /** Frame length, bytes. */
  length?: number;
  /** First source port. */
  port?: number;
  /** A number for the source and destination addresses: 10.99.<net>.1 to 10.99.<net>.2. */
  net?: number;
}

/** What became of numbered datagrams here. */
export interface Numbered {
  received: number;
  /** Sequence not above its flow's last. */
  disordered: number;
  /** Runs of missing sequence numbers, all flows together. */
  holes: number;
  byFlow: Record<string, number>;
  /** Longest time between two arrivals, milliseconds (kernel time stamps). */
  maxGapMs: number;
  /** Longest frame of any sender, marked or not. */
  maxLength: number;
  kernelDrops: number;
}

export class RawPeer {
  private readonly socket: PacketSocket;
  private kept: Uint8Array[] = [];
  private readonly last = new Map<number, number>();
  private numbered: Numbered = empty();
  private lastArrival = 0;
  private stop: (() => void) | undefined;
  private streamed = 0;

  constructor(iface: string) {
    this.socket = new PacketSocket(iface, 16_384);
    setInterval(() => this.poll(), POLL_MS);
  }

  send(frames: Uint8Array[]): void {
    for (const frame of frames) this.socket.send(frame);
  }

  /** Paced numbered datagrams; resolves with how many were sent. */
  stream(options: StreamOptions): Promise<number> {
    const { flows, pps, count = Number.MAX_SAFE_INTEGER, length = 128, port = 20_000, net = 1 } = options;
    const src = `10.99.${net}.1`;
    const dst = `10.99.${net}.2`;
    const templates = Array.from({ length: flows }, (_, flow) => {
      const body = new Uint8Array(length - MAGIC_AT);
      const segment = udp({ src, dst, srcPort: port + flow, dstPort: 9999, checksum: 0 }, body);
      return ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, ipv4({ src, dst, proto: PROTO.udp }, segment));
    });
    const sequences = new Array<number>(flows).fill(0);
    this.streamed = 0;
    let origin = performance.now();
    let base = 0;
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        const now = performance.now();
        let due = Math.min(Math.floor(((now - origin) * pps) / 1000) - base, count - this.streamed);
        if (due > MAX_BEHIND) {
          origin = now;
          base = 0;
          due = MAX_BEHIND;
        } else base += due;
        const lengths: number[] = [];
        for (let i = 0; i < due; i++) {
          const flow = (this.streamed + i) % flows;
          this.socket.put(i, templates[flow]);
          this.socket.put32(i, MAGIC_AT, MAGIC);
          this.socket.put32(i, MAGIC_AT + 4, port + flow);
          this.socket.put32(i, MAGIC_AT + 8, ++sequences[flow]);
          lengths.push(length);
        }
        try {
          this.socket.transmit(lengths);
        } catch (error) {
          clearInterval(timer);
          reject(error);
        }
        this.streamed += due;
        if (this.streamed >= count) this.stop?.();
      }, POLL_MS);
      this.stop = () => {
        clearInterval(timer);
        this.stop = undefined;
        resolve(this.streamed);
      };
    });
  }

  halt(): void {
    this.stop?.();
  }

  /** Frames kept so far, oldest first. */
  frames(): Uint8Array[] {
    return this.kept;
  }

  books(): Numbered {
    this.numbered.kernelDrops += this.socket.drops();
    return this.numbered;
  }

  /** Forgets all that was received. */
  reset(): void {
    this.poll();
    this.kept = [];
    this.numbered = empty();
    this.last.clear();
    this.lastArrival = 0;
  }

  private poll(): void {
    this.socket.receive((mem, at, length, ms) => {
      if (length > this.numbered.maxLength) this.numbered.maxLength = length;
      if (length < 14 || mem[at + 6] !== 0x02 || mem[at + 7] !== 0x53) return;
      if (length >= MAGIC_AT + 12 && read32(mem, at + MAGIC_AT) === MAGIC)
        this.account(read32(mem, at + MAGIC_AT + 4), read32(mem, at + MAGIC_AT + 8), ms);
      else if (this.kept.length < KEEP) this.kept.push(mem.slice(at, at + length));
    });
  }

  private account(flow: number, sequence: number, ms: number): void {
    const n = this.numbered;
    n.received++;
    n.byFlow[flow] = (n.byFlow[flow] ?? 0) + 1;
    const last = this.last.get(flow) ?? 0;
    if (sequence <= last) n.disordered++;
    else {
      if (sequence > last + 1) n.holes++;
      this.last.set(flow, sequence);
    }
    if (this.lastArrival > 0 && ms - this.lastArrival > n.maxGapMs) n.maxGapMs = ms - this.lastArrival;
    this.lastArrival = ms;
  }
}

function empty(): Numbered {
  return { received: 0, disordered: 0, holes: 0, byFlow: {}, maxGapMs: 0, maxLength: 0, kernelDrops: 0 };
}

function read32(mem: Uint8Array, at: number): number {
  return ((mem[at] << 24) | (mem[at + 1] << 16) | (mem[at + 2] << 8) | mem[at + 3]) >>> 0;
}
