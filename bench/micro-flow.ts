import { defaultConfig } from '../src/config/load.js';
import { Decoder } from '../src/decode/decoder.js';
import { IpProto, type Packet, TcpFlag } from '../src/decode/packet.js';
import { FlowTable } from '../src/flow/flow-table.js';
import { Counter } from '../src/metrics/counters.js';
import { TcpTracker } from '../src/stream/tcp-tracker.js';
import { decoderOptions } from './micro-decode.js';
import { BATCH, type Group } from './micro-kit.js';
import {
  blank,
  clientPort,
  Frames,
  FULL_PAYLOAD,
  framesOf,
  handshake,
  SMALL_PAYLOAD,
  START,
  shuffled,
  tcpFrame,
  text,
  udpFrame,
} from './micro-packets.js';

const SERVER = 0xc0000201 | 0;
const SEED = Int32Array.of(0x1234567, 0x2345678, 0x3456789, 0x456789a, 0x56789ab, 0x6789abc, 1, 2);
const small = text(SMALL_PAYLOAD, 1);

function table(): FlowTable {
  const { flow } = defaultConfig();
  return new FlowTable({ ...flow, memcap: 256 << 20 }, new Float64Array(Counter.Count), { flowEnded: () => {} }, { seed: SEED });
}

/** What lookup reads of `count` UDP flows, in shuffled order: without decode, without the frames' memory. */
class Keys {
  private readonly address: Int32Array;
  private readonly port: Int32Array;
  private at = 0;

  constructor(private readonly count: number) {
    this.address = Int32Array.from(shuffled(count), (flow) => 0x0a000000 | flow);
    this.port = this.address.map((address) => clientPort(address & 0xffffff));
  }

  /** The next packet, at a time that moves on. */
  load(p: Packet): void {
    const at = this.at;
    this.at = at + 1 === this.count ? 0 : at + 1;
    p.src[0] = this.address[at];
    p.srcPort = this.port[at];
    p.tsNsec = (p.tsNsec + 1) & 0x1fffffff;
  }
}

function udpPacket(): Packet {
  const p = blank();
  p.ipVersion = 4;
  p.proto = IpProto.Udp;
  p.dst[0] = SERVER;
  p.dstPort = 9000;
  p.transportOff = 0;
  p.wireLen = 64;
  return p;
}

export const flow: Group = {
  name: 'flow',
  cases: (add) => {
    const looking = (count: number) => () => {
      const flows = table();
      const keys = new Keys(count);
      const p = udpPacket();
      const run = () => {
        for (let i = 0; i < BATCH; i++) {
          keys.load(p);
          flows.lookup(p);
        }
      };
      for (let i = 0; i < count; i += BATCH) run();
      return run;
    };
    add('lookup, 100 flows', looking(100));
    add('lookup, 10,000 flows', looking(10_000));
    add('lookup, 100,000 flows', looking(100_000));
    add('a new flow and its end', () => {
      const flows = table();
      const p = udpPacket();
      let port = 0;
      return () => {
        for (let i = 0; i < BATCH; i++) {
          port = (port + 1) & 0xffff;
          p.srcPort = port;
          flows.lookup(p);
        }
        flows.endAll();
      };
    });
  },
};

/** Decode and lookup together, as measured before anything was built (design.md, section 1). */
export const decodeFlow: Group = {
  name: 'decode + flow',
  cases: (add, after) => {
    const running = (count: number, make: (flow: number) => Uint8Array) => () => {
      const decoder = new Decoder(decoderOptions(false), new Float64Array(Counter.Count));
      const flows = table();
      const frames = framesOf(count, make);
      after(() => frames.close());
      const p = blank();
      let at = 0;
      const run = () => {
        for (let i = 0; i < BATCH; i++) {
          frames.load(p, at);
          at = at + 1 === count ? 0 : at + 1;
          decoder.decode(p);
          flows.lookup(p);
        }
      };
      for (let i = 0; i < count; i += BATCH) run();
      return run;
    };
    const udp = (n: number) => udpFrame(n, small);
    const tcp = (n: number) => tcpFrame(n, small);
    add('IPv4/UDP, 100 flows', running(100, udp));
    add('IPv4/TCP, 100 flows', running(100, tcp));
    add('IPv4/TCP, 10,000 flows', running(10_000, tcp));
    add('IPv4/TCP, 54,000 flows', running(54_000, tcp));
  },
};

export const tcp: Group = {
  name: 'tcp tracker',
  cases: (add) => {
    add('established: data, ACK, data, ACK in order', () => {
      const counters = new Float64Array(Counter.Count);
      const flows = table();
      const tracker = new TcpTracker(defaultConfig().stream, flows, counters);
      const decoder = new Decoder(decoderOptions(false), counters);
      const p = blank();
      const slots = new Int32Array(BATCH);
      const opening = new Frames(Array.from(shuffled(BATCH)).flatMap(handshake));
      for (let i = 0; i < opening.count; i++) {
        opening.load(p, i);
        decoder.decode(p);
        flows.lookup(p);
        tracker.update(p);
        slots[(i / 3) | 0] = p.flow;
      }
      opening.close();
      const seq = new Int32Array(BATCH).fill(1001);
      p.tsSec = START;
      p.tcpFlags = TcpFlag.Ack;
      return () => {
        for (let i = 0; i < BATCH; i += 2) {
          p.flow = slots[i];
          p.direction = 0;
          p.payloadLen = FULL_PAYLOAD;
          p.tcpSeq = seq[i];
          p.tcpAck = 5001;
          tracker.update(p);
          seq[i] = (seq[i] + FULL_PAYLOAD) | 0;
          p.direction = 1;
          p.payloadLen = 0;
          p.tcpSeq = 5001;
          p.tcpAck = seq[i];
          tracker.update(p);
        }
      };
    });
  },
};
