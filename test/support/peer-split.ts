import { bytes, concat, ethernet, ipv4, PROTO, TCP, tcp } from '../../src/lab/packets.js';
import { PacketSocket } from './packet-socket.js';

/** Why no plain host takes a segment, or who it is from. */
export type Flaw =
  | ''
  /** A wrong checksum. */
  | 'sum'
  /** Its time to live ends before the server. */
  | 'ttl'
  /** A timestamp that is too old (RFC 7323, 5). */
  | 'paws'
  /** A signature of the TCP MD5 option, which nobody agreed on. */
  | 'md5'
  /** Numbers out of the window. */
  | 'far'
  /** No ACK flag. */
  | 'noack'
  /** An acknowledgement of what was never sent. */
  | 'ack'
  /** An option whose length makes no sense: hosts read no further options, and take the segment. */
  | 'option'
  /** In two IP fragments, the second first. */
  | 'fragments'
  /** In the server's name: acknowledges all up to `at`. */
  | 'spoof';

export interface Segment {
  /** Position of the first byte, from the first of the stream. */
  at: number;
  text: string;
  /** Bits of TCP; default PSH and ACK. */
  flags?: number;
  urgent?: number;
  flaw?: Flaw;
  /** How far its timestamp lies behind that of the packet before. */
  back?: number;
  /** Until the server acknowledged something, or a few milliseconds are over. */
  wait?: boolean;
}

export interface SplitPlan {
  port: number;
  timestamps: boolean;
  /** What the SYN carries. */
  syn: string;
  segments: Segment[];
}

/** Of a host that is not there: no kernel answers in its place. */
export const SPLIT_ADDRESS = '10.99.0.77';
export const SPLIT_MAC = '02:54:00:00:00:77';
/** Below this, a packet does not reach the server (the test's netfilter rule). */
export const SPLIT_TTL = 5;

const OLD = 1_000_000;
const ISN = 0x7fff_fff0;
const WAIT_MS = 15;
const HANDSHAKE_MS = 500;
const AT_ONCE = 24;

interface Line {
  plan: SplitPlan;
  /** The server's next number, its last acknowledgement, its last timestamp; 0 bytes seen: no answer yet. */
  next: number;
  acked: number;
  echo: number;
  /** Its own timestamp. */
  clock: number;
  open: boolean;
  woken: (() => void) | undefined;
}

/** A TCP client made of raw frames, which sends segments as it was told. */
export class SplitPeer {
  private readonly socket = new PacketSocket('eth0', 8192);
  private readonly lines = new Map<number, Line>();
  private id = 0;

  constructor(
    private readonly serverMac: string,
    private readonly server: string,
    private readonly serverPort: number,
  ) {
    setInterval(() => this.poll(), 1);
  }

  /** Carries the plans out, a few at once; how many connections were opened. */
  async run(plans: readonly SplitPlan[]): Promise<number> {
    let at = 0;
    let opened = 0;
    const work = async () => {
      while (at < plans.length) if (await this.connection(plans[at++])) opened++;
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return opened;
  }

  private async connection(plan: SplitPlan): Promise<boolean> {
    const line: Line = { plan, next: 0, acked: ISN, echo: 0, clock: 5_000_000, open: false, woken: undefined };
    this.lines.set(plan.port, line);
    this.send(line, { at: -1, text: plan.syn, flags: TCP.syn });
    await this.wake(line, HANDSHAKE_MS);
    if (!line.open) return false;
    this.send(line, { at: 0, text: '', flags: TCP.ack });
    for (const segment of plan.segments) {
      this.send(line, segment);
      if (segment.wait === true) await this.wake(line, WAIT_MS);
    }
    // Acknowledges what the server sent; a last chance for it to say what it has.
    await this.wake(line, WAIT_MS);
    return true;
  }

  private wake(line: Line, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      line.woken = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private send(line: Line, { at, text, flags = TCP.psh | TCP.ack, urgent, flaw = '', back = -1 }: Segment): void {
    const { plan } = line;
    const isSyn = (flags & TCP.syn) !== 0 && at === -1;
    const [src, dst] = flaw === 'spoof' ? [this.server, SPLIT_ADDRESS] : [SPLIT_ADDRESS, this.server];
    const ports = flaw === 'spoof' ? { srcPort: this.serverPort, dstPort: plan.port } : { srcPort: plan.port, dstPort: this.serverPort };
    const seq = (ISN + 1 + at + (flaw === 'far' ? 0x20000000 : 0)) >>> 0;
    const ack = isSyn ? 0 : (line.next + (flaw === 'ack' ? 0x20000000 : 0)) >>> 0;
    const numbers = flaw === 'spoof' ? { seq: line.next, ack: (ISN + 1 + at) >>> 0 } : { seq, ack };
    line.clock -= back;
    this.id++;
    const options: Uint8Array[] = [];
    if (isSyn) options.push(Uint8Array.of(2, 4, 5, 0xb4));
    if (plan.timestamps && flaw !== 'spoof') {
      const value = flaw === 'paws' ? line.clock - OLD : line.clock;
      options.push(Uint8Array.of(1, 1, 8, 10, ...word(value), ...word(line.echo)));
    }
    if (flaw === 'option') options.push(Uint8Array.of(1, 1, 1, 77, 0, 1, 2, 3));
    if (flaw === 'md5') options.push(Uint8Array.of(1, 1, 19, 18), new Uint8Array(16).fill(7));
    const segment = tcp(
      {
        src,
        dst,
        ...ports,
        ...numbers,
        flags: flaw === 'noack' ? flags & ~TCP.ack : flags,
        window: 60_000,
        urgent,
        options: concat(...options),
      },
      bytes(text),
    );
    if (flaw === 'sum') segment[16] ^= 0x55;
    const ip = { src, dst, proto: PROTO.tcp, ttl: flaw === 'ttl' ? SPLIT_TTL - 2 : 64, id: this.id & 0xffff };
    const link = { src: SPLIT_MAC, dst: this.serverMac };
    if (flaw === 'fragments' && segment.length > 24) {
      this.socket.send(ethernet(link, ipv4({ ...ip, fragOffset: 16 }, segment.slice(16))));
      this.socket.send(ethernet(link, ipv4({ ...ip, mf: true }, segment.slice(0, 16))));
    } else this.socket.send(ethernet(link, ipv4(ip, segment)));
  }

  private poll(): void {
    this.socket.receive((mem, at, length) => this.take(mem.subarray(at, at + length)));
  }

  private take(frame: Uint8Array): void {
    if (frame.length < 54 || frame[12] !== 8 || frame[13] !== 0 || frame[23] !== PROTO.tcp) return;
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const t = 14 + (frame[14] & 15) * 4;
    if (view.getUint16(t) !== this.serverPort) return;
    const line = this.lines.get(view.getUint16(t + 2));
    if (line === undefined) return;
    const flags = frame[t + 13];
    if ((flags & TCP.rst) !== 0) return;
    if (line.plan.timestamps) this.readEcho(line, view, t);
    if ((flags & TCP.syn) !== 0) {
      if (line.open) return;
      line.next = (view.getUint32(t + 4) + 1) >>> 0;
      line.open = true;
    }
    line.acked = view.getUint32(t + 8);
    line.woken?.();
  }

  private readEcho(line: Line, view: DataView, t: number): void {
    const end = t + (view.getUint8(t + 12) >> 4) * 4;
    for (let at = t + 20; at < end; ) {
      const kind = view.getUint8(at);
      if (kind === 0) return;
      if (kind === 8) line.echo = view.getUint32(at + 2);
      at += kind === 1 ? 1 : Math.max(2, view.getUint8(at + 1));
    }
  }
}

function word(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}
