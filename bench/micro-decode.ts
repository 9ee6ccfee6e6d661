import { checksumsValid, InternetChecksum } from '../src/decode/checksum.js';
import { DecodeContext } from '../src/decode/context.js';
import { Decoder } from '../src/decode/decoder.js';
import { WorkerHash } from '../src/flow/symmetric-hash.js';
import { defaultConfig } from '../src/config/load.js';
import { Counter } from '../src/metrics/counters.js';
import { native } from '../src/native.js';
import { BATCH, type Group } from './micro-kit.js';
import { blank, type Frames, FULL_PAYLOAD, framesOf, SMALL_PAYLOAD, tcp6Frame, tcpFrame, text, udpFrame } from './micro-packets.js';

/** Where results go that nothing else keeps: a call whose result is unused may be left out by the compiler. */
const sink = new Int32Array(1);

function options(checksumValidation: boolean) {
  const { vxlanPorts, teredo, teredoPorts } = defaultConfig();
  return { vxlanPorts, teredo, teredoPorts, checksumValidation };
}

export const addon: Group = {
  name: 'addon',
  build: (add) => {
    add('empty call', () => {
      let sum = 0;
      for (let i = 0; i < BATCH; i++) sum = (sum + native.pcreLastStart()) | 0;
      sink[0] = sum;
    });
    return undefined;
  },
};

export const decode: Group = {
  name: 'decode',
  build: (add) => {
    const counters = new Float64Array(Counter.Count);
    const decoder = new Decoder(options(false), counters);
    const checking = new Decoder(options(true), counters);
    const p = blank();
    const small = text(SMALL_PAYLOAD, 1);
    const full = text(FULL_PAYLOAD, 2);
    const decoding = (frames: Frames, by = decoder) => {
      return () => {
        for (let i = 0; i < BATCH; i++) {
          frames.load(p, i);
          by.decode(p);
        }
      };
    };
    const udp64 = framesOf(BATCH, (flow) => udpFrame(flow, small));
    const tcp4 = framesOf(BATCH, (flow) => tcpFrame(flow, full));
    const tcp6 = framesOf(BATCH, (flow) => tcp6Frame(flow, full));
    const vlan = framesOf(BATCH, (flow) => udpFrame(flow, small, [{ id: 100 }]));
    add('(loading a frame into the packet, part of all below)', () => {
      for (let i = 0; i < BATCH; i++) udp64.load(p, i);
    });
    add('Ethernet/IPv4/UDP, 64 B', decoding(udp64));
    add('Ethernet/802.1Q/IPv4/UDP, 68 B', decoding(vlan));
    add('Ethernet/IPv4/TCP, 1,460 B payload', decoding(tcp4));
    add('Ethernet/IPv6/TCP, 1,460 B payload', decoding(tcp6));
    add('with checksums: IPv4/UDP, 64 B', decoding(udp64, checking));
    add('with checksums: IPv4/TCP, 1,460 B payload', decoding(tcp4, checking));
    return () => {
      for (const frames of [udp64, tcp4, tcp6, vlan]) frames.memory.close();
    };
  },
};

export const checksum: Group = {
  name: 'checksum',
  build: (add) => {
    const counters = new Float64Array(Counter.Count);
    const decoder = new Decoder(options(false), counters);
    const context = new DecodeContext(options(true), counters);
    const sums = new InternetChecksum();
    const udp64 = framesOf(1, (flow) => udpFrame(flow, text(SMALL_PAYLOAD, 1)));
    const tcp4 = framesOf(BATCH, (flow) => tcpFrame(flow, text(FULL_PAYLOAD, 2)));
    const m = tcp4.memory.bytes;
    const p = blank();
    udp64.load(p, 0);
    decoder.decode(p);
    const q = blank();
    tcp4.load(q, 0);
    decoder.decode(q);
    const summing = (length: number) => () => {
      let sum = 0;
      for (let i = 0; i < BATCH; i++) sum = (sum + sums.sum(m, tcp4.offset[i] + 14, length)) | 0;
      sink[0] = sum;
    };
    add('sum of 20 B', summing(20));
    add('sum of 64 B', summing(64));
    add('sum of 1,460 B', summing(FULL_PAYLOAD));
    add('IPv4 and UDP of a 64 B packet', () => {
      for (let i = 0; i < BATCH; i++) checksumsValid(context, sums, p);
    });
    add('IPv4 and TCP of a 1,460 B segment', () => {
      for (let i = 0; i < BATCH; i++) checksumsValid(context, sums, q);
    });
    return () => {
      udp64.memory.close();
      tcp4.memory.close();
    };
  },
};

export const workerHash: Group = {
  name: 'worker hash',
  build: (add) => {
    const hash = new WorkerHash(0x5eed);
    const udp64 = framesOf(BATCH, (flow) => udpFrame(flow, text(SMALL_PAYLOAD, 1)));
    const tcp6 = framesOf(BATCH, (flow) => tcp6Frame(flow, text(64, 2)));
    const hashing = (frames: Frames) => () => {
      const m = frames.memory.bytes;
      let sum = 0;
      for (let i = 0; i < BATCH; i++) sum = (sum + hash.hash(m, frames.offset[i], frames.length[i], 1)) | 0;
      sink[0] = sum;
    };
    add('IPv4/UDP', hashing(udp64));
    add('IPv6/TCP', hashing(tcp6));
    return () => {
      udp64.memory.close();
      tcp6.memory.close();
    };
  },
};
