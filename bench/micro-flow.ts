import { defaultConfig } from '../src/config/load.js';
import { Decoder } from '../src/decode/decoder.js';
import { IpProto, type Packet, TcpFlag } from '../src/decode/packet.js';
import { FlowTable } from '../src/flow/flow-table.js';
import { Counter } from '../src/metrics/counters.js';
import { TcpTracker } from '../src/stream/tcp-tracker.js';
import { BATCH, type Group } from './micro-kit.js';
import { blank, clientPort, Frames, FULL_PAYLOAD, framesOf, handshake, SMALL_PAYLOAD, START, shuffled, tcpFrame, text, udpFrame } from './micro-packets.js';

const NO_SINK = { flowEnded: () => {} };
const SEED = Int32Array.of(0x1234567, 0x2345678, 0x3456789, 0x456789a, 0x56789ab, 0x6789abc, 1, 2);
const SERVER = 0xc0000201 | 0;

function table(): FlowTable {
  const config = defaultConfig();
  return new FlowTable({ ...config.flow, memcap: 256 * 1024 * 1024 }, new Float64Array(Counter.Count), NO_SINK, { seed: SEED });
}

/** Address and port of the packets of `count` flows, in shuffled order. */
class Tuples {
  readonly address: Int32Array;
  readonly port: Int32Array;
  private at = 0;

  constructor(readonly count: number) {
    this.address = Int32Array.from(shuffled(count), (flow) => 0x0a000000 | flow);
    this.port = this.address.map((address) => clientPort(address & 0xffffff));
  }

  /** The next packet's key, and a time that moves on. */
  load(p: Packet): void {
    const at = this.at;
    this.at = at + 1 === this.count ? 0 : at + 1;
    p.src[0] = this.address[at];
    p.srcPort = this.port[at];
    p.tsNsec = (p.tsNsec + 1) & 0x1fffffff;
  }
}

function udpKey(): Packet {
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
  build: (add) => {
    const looking = (count: number) => {
      const flows = table();
      const tuples = new Tuples(count);
      const p = udpKey();
      for (let i = 0; i < count; i++) {
        tuples.load(p);
        flows.lookup(p);
      }
      return () => {
        for (let i = 0; i < BATCH; i++) {
          tuples.load(p);
          flows.lookup(p);
        }
      };
    };
    add('lookup, 100 flows', looking(100));
    add('lookup, 10,000 flows', looking(10_000));
    add('lookup, 100,000 flows', looking(100_000));

    const fresh = table();
    const p = udpKey();
    let port = 0;
    let address = 0;
    // One flow in, one out: new ones past the capacity would measure the emergency mode.
    add('new flow and its end', () => {
      for (let i = 0; i < BATCH; i++) {
        port = (port + 1) & 0xffff;
        if (port === 0) address++;
        p.src[0] = address;
        p.srcPort = port;
        fresh.lookup(p);
      }
      fresh.endAll();
    });
    return undefined;
  },
};

/** Decode and lookup, as measured before anything was built (design.md, section 1). */
export const decodeFlow: Group = {
  name: 'decode + flow',
  build: (add) => {
    const kept: Frames[] = [];
    const running = (count: number, tcp: boolean) => {
      const { vxlanPorts, teredo, teredoPorts } = defaultConfig();
      const decoder = new Decoder({ vxlanPorts, teredo, teredoPorts, checksumValidation: false }, new Float64Array(Counter.Count));
      const flows = table();
      const payload = text(SMALL_PAYLOAD, 1);
      const frames = framesOf(count, (n) => (tcp ? tcpFrame(n, payload) : udpFrame(n, payload)));
      kept.push(frames);
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
    add('IPv4/UDP, 100 flows', running(100, false));
    add('IPv4/TCP, 100 flows', running(100, true));
    add('IPv4/TCP, 10,000 flows', running(10_000, true));
    add('IPv4/TCP, 54,000 flows', running(54_000, true));
    return () => {
      for (const frames of kept) frames.memory.close();
    };
  },
};

export const tcp: Group = {
  name: 'tcp tracker',
  build: (add) => {
    const config = defaultConfig();
    const counters = new Float64Array(Counter.Count);
    const flows = table();
    const tracker = new TcpTracker(config.stream, flows, counters);
    const decoder = new Decoder({ vxlanPorts: [], teredo: false, teredoPorts: [], checksumValidation: false }, counters);
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
    opening.memory.close();
    const seq = new Int32Array(BATCH).fill(1001);
    p.tsSec = START;
    p.tcpFlags = TcpFlag.Ack;
    add('data and its ACK, established, in order', () => {
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
    });
    return undefined;
  },
};
