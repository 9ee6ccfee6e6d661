import { Packet } from '../src/decode/packet.js';
import { type Bytes, bytes, ethernet, ipv4, ipv6, PROTO, TCP, tcp, udp, type VlanTag } from '../src/lab/packets.js';
import { native } from '../src/native.js';
import { Mode } from '../src/ring/verdict.js';

/** First second of packet time. */
export const START = 1_700_000_000;
/** Ethernet frames of 64 bytes carry this much UDP payload. */
export const SMALL_PAYLOAD = 64 - 14 - 20 - 8;
export const FULL_PAYLOAD = 1460;

/** Seeded, so that two runs measure the same packets. */
export function random(seed: number): (below: number) => number {
  let x = seed | 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

/** A permutation of 0..n-1: flows are not visited in the order in which they lie in memory. */
export function shuffled(n: number, seed = 7): Int32Array {
  const next = random(seed);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const k = next(i + 1);
    const v = order[i];
    order[i] = order[k];
    order[k] = v;
  }
  return order;
}

/** Lower-case text with a blank now and then: no literal of micro-detect occurs in it, since those hold digits. */
export function text(length: number, seed: number): Bytes {
  const next = random(seed);
  return Uint8Array.from({ length }, () => (next(7) === 0 ? 0x20 : 97 + next(26)));
}

export function client(flow: number): string {
  return `10.${(flow >> 16) & 255}.${(flow >> 8) & 255}.${flow & 255}`;
}

export function clientPort(flow: number): number {
  return 20_000 + (flow % 40_000);
}

const SERVER = '192.0.2.1';

export function udpFrame(flow: number, payload: Bytes, vlans: VlanTag[] = []): Bytes {
  const [src, dst] = [client(flow), SERVER];
  return ethernet({ vlans }, ipv4({ src, dst, proto: PROTO.udp }, udp({ src, dst, srcPort: clientPort(flow), dstPort: 9000 }, payload)));
}

/** NOP NOP timestamp: what nearly every segment carries. It echoes itself: a SYN+ACK with it answers a SYN with it. */
const TIMESTAMP = Uint8Array.of(1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 1, 0);

export function tcpFrame(
  flow: number,
  payload: Bytes,
  fields: { flags?: number; seq?: number; ack?: number; toClient?: boolean } = {},
): Bytes {
  const [src, dst] = fields.toClient ? [SERVER, client(flow)] : [client(flow), SERVER];
  const [srcPort, dstPort] = fields.toClient ? [80, clientPort(flow)] : [clientPort(flow), 80];
  const { flags = TCP.ack | TCP.psh, seq = 1001, ack = 5001 } = fields;
  return ethernet(
    {},
    ipv4({ src, dst, proto: PROTO.tcp }, tcp({ src, dst, srcPort, dstPort, flags, seq, ack, options: TIMESTAMP }, payload)),
  );
}

/** SYN, SYN+ACK, ACK, after which tcpFrame's default numbers are the next in order. */
export function handshake(flow: number): Bytes[] {
  const none = bytes();
  return [
    tcpFrame(flow, none, { flags: TCP.syn, seq: 1000, ack: 0 }),
    tcpFrame(flow, none, { flags: TCP.syn | TCP.ack, seq: 5000, ack: 1001, toClient: true }),
    tcpFrame(flow, none, { flags: TCP.ack }),
  ];
}

export function tcp6Frame(flow: number, payload: Bytes): Bytes {
  const [src, dst] = [`2001:db8::${(flow & 0xffff).toString(16)}`, '2001:db8:1::1'];
  return ethernet(
    {},
    ipv6({ src, dst, nextHeader: PROTO.tcp }, tcp({ src, dst, srcPort: clientPort(flow), dstPort: 80, options: TIMESTAMP }, payload)),
  );
}

/** A memfd's memory and its number in the addon, as the packet path knows it. */
export class Memory {
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly region: number;
  private readonly fd: number;

  constructor(size: number) {
    this.fd = native.memfdCreate('sluice-micro', size);
    this.buffer = native.mapFd(this.fd, size);
    this.bytes = new Uint8Array(this.buffer);
    this.region = native.region(this.buffer);
  }

  close(): void {
    native.regionRelease(this.region);
    native.closeFd(this.fd);
  }
}

/**
 * Frames side by side in one region, as records lie in a packet ring:
 *
 *   | 64 bytes for the header | frame, padded to 64 | 64 | frame ...
 */
export class Frames {
  readonly memory: Memory;
  readonly count: number;
  readonly offset: Int32Array;
  readonly length: Int32Array;
  private seconds = START;
  private nanoseconds = 0;

  constructor(list: Bytes[]) {
    this.count = list.length;
    this.offset = new Int32Array(list.length);
    this.length = Int32Array.from(list, (frame) => frame.length);
    let size = 0;
    for (let i = 0; i < list.length; i++) {
      this.offset[i] = size + 64;
      size += (64 + list[i].length + 63) & ~63;
    }
    this.memory = new Memory(size);
    for (let i = 0; i < list.length; i++) this.memory.bytes.set(list[i], this.offset[i]);
  }

  close(): void {
    this.memory.close();
  }

  /** Frame i into `p`, as the loops of src/workers do it; each packet is a microsecond after the last. */
  load(p: Packet, i: number): void {
    this.nanoseconds += 1000;
    if (this.nanoseconds >= 1_000_000_000) {
      this.nanoseconds = 0;
      this.seconds++;
    }
    p.mem = this.memory.bytes;
    p.region = this.memory.region;
    p.off = this.offset[i];
    p.capLen = this.length[i];
    p.wireLen = this.length[i];
    p.linkType = 1;
    p.tsSec = this.seconds;
    p.tsNsec = this.nanoseconds;
    p.source = 0;
    p.mode = Mode.Ips;
    p.csumNotReady = 0;
  }
}

export function each<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** One frame per flow, in shuffled order. */
export function framesOf(flows: number, make: (flow: number) => Bytes): Frames {
  return new Frames(Array.from(shuffled(flows), make));
}

/** A packet as decode leaves it. */
export function blank(): Packet {
  const p = new Packet();
  p.mode = Mode.Ips;
  p.tsSec = START;
  return p;
}
