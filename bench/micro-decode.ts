import { defaultConfig } from '../src/config/load.js';
import { checksumsValid, InternetChecksum } from '../src/decode/checksum.js';
import { DecodeContext, type DecoderOptions } from '../src/decode/context.js';
import { Decoder } from '../src/decode/decoder.js';
import { WorkerHash } from '../src/flow/symmetric-hash.js';
import { Counter } from '../src/metrics/counters.js';
import { native } from '../src/native.js';
import { BATCH, type Group } from './micro-kit.js';
import { blank, type Frames, FULL_PAYLOAD, framesOf, SMALL_PAYLOAD, tcp6Frame, tcpFrame, text, udpFrame } from './micro-packets.js';

/** Where results go that nothing else keeps: a call whose result is unused may be left out by the compiler. */
const sink = new Int32Array(1);
const small = text(SMALL_PAYLOAD, 1);
const full = text(FULL_PAYLOAD, 2);

/** The default configuration's. */
export function decoderOptions(checksumValidation: boolean): DecoderOptions {
  const { vxlanPorts, teredo, teredoPorts } = defaultConfig();
  return { vxlanPorts, teredo, teredoPorts, checksumValidation };
}

export const addon: Group = {
  name: 'addon',
  cases: (add) => {
    add('empty call', () => () => {
      let sum = 0;
      for (let i = 0; i < BATCH; i++) sum = (sum + native.pcreLastStart()) | 0;
      sink[0] = sum;
    });
  },
};

export const decode: Group = {
  name: 'decode',
  cases: (add, after) => {
    const counters = new Float64Array(Counter.Count);
    const p = blank();
    const decoding = (make: (flow: number) => Uint8Array, checksums = false) => {
      return () => {
        const decoder = new Decoder(decoderOptions(checksums), counters);
        const frames = framesOf(BATCH, make);
        after(() => frames.close());
        return () => {
          for (let i = 0; i < BATCH; i++) {
            frames.load(p, i);
            decoder.decode(p);
          }
        };
      };
    };
    add('(loading a frame into the packet, part of what follows)', () => {
      const frames = framesOf(BATCH, (flow) => udpFrame(flow, small));
      after(() => frames.close());
      return () => {
        for (let i = 0; i < BATCH; i++) frames.load(p, i);
      };
    });
    const udp = (flow: number) => udpFrame(flow, small);
    const tcp = (flow: number) => tcpFrame(flow, full);
    add('IPv4/UDP, 64 B', decoding(udp));
    add(
      '802.1Q/IPv4/UDP, 68 B',
      decoding((flow) => udpFrame(flow, small, [{ id: 100 }])),
    );
    add('IPv4/TCP, 1,460 B', decoding(tcp));
    add(
      'IPv6/TCP, 1,460 B',
      decoding((flow) => tcp6Frame(flow, full)),
    );
    add('IPv4/UDP, 64 B, and its checksums', decoding(udp, true));
    add('IPv4/TCP, 1,460 B, and its checksums', decoding(tcp, true));
  },
};

export const checksum: Group = {
  name: 'checksum',
  cases: (add, after) => {
    const counters = new Float64Array(Counter.Count);
    const decoder = new Decoder(decoderOptions(false), counters);
    const context = new DecodeContext(decoderOptions(true), counters);
    const sums = new InternetChecksum();
    const frames = framesOf(BATCH, (flow) => tcpFrame(flow, full));
    after(() => frames.close());
    const summing = (length: number) => () => () => {
      const m = frames.memory.bytes;
      let sum = 0;
      for (let i = 0; i < BATCH; i++) sum = (sum + sums.sum(m, frames.offset[i] + 14, length)) | 0;
      sink[0] = sum;
    };
    add('sum of 20 B', summing(20));
    add('sum of 64 B', summing(64));
    add('sum of 1,460 B', summing(FULL_PAYLOAD));
    const checking = (make: (flow: number) => Uint8Array) => () => {
      const one = framesOf(1, make);
      after(() => one.close());
      const p = blank();
      one.load(p, 0);
      decoder.decode(p);
      return () => {
        for (let i = 0; i < BATCH; i++) checksumsValid(context, sums, p);
      };
    };
    add(
      'IPv4 and UDP of a 64 B packet',
      checking((flow) => udpFrame(flow, small)),
    );
    add(
      'IPv4 and TCP of a 1,460 B segment',
      checking((flow) => tcpFrame(flow, full)),
    );
  },
};

export const workerHash: Group = {
  name: 'worker hash',
  cases: (add, after) => {
    const hash = new WorkerHash(0x5eed);
    const hashing = (make: (flow: number) => Uint8Array) => () => {
      const frames: Frames = framesOf(BATCH, make);
      after(() => frames.close());
      return () => {
        const m = frames.memory.bytes;
        let sum = 0;
        for (let i = 0; i < BATCH; i++) sum = (sum + hash.hash(m, frames.offset[i], frames.length[i], 1, 1000)) | 0;
        sink[0] = sum;
      };
    };
    add(
      'IPv4/UDP',
      hashing((flow) => udpFrame(flow, small)),
    );
    add(
      'IPv6/TCP',
      hashing((flow) => tcp6Frame(flow, small)),
    );
  },
};
