import { defaultConfig } from '../src/config/load.js';
import { IpProto, TcpFlag } from '../src/decode/packet.js';
import { FlowFlag, TcpState } from '../src/flow/codes.js';
import { FlowTable, L4 } from '../src/flow/flow-table.js';
import { Counter } from '../src/metrics/counters.js';
import { native } from '../src/native.js';
import { Mode } from '../src/ring/verdict.js';
import { Reassembler } from '../src/stream/reassembly/reassembler.js';
import { BATCH, type Group } from './micro-kit.js';
import { blank, clientPort, FULL_PAYLOAD, SMALL_PAYLOAD, START } from './micro-packets.js';

const SEED = Int32Array.of(0x1234567, 0x2345678, 0x3456789, 0x456789a, 0x56789ab, 0x6789abc, 1, 2);

interface Shape {
  mode: Mode;
  length: number;
  /** Inline: the other side's ACK comes behind each segment. Else: behind every second one. */
  oneside?: boolean;
  watched?: boolean;
  /** Pairs of segments come the wrong way round. */
  swapped?: boolean;
}

/** Segments of BATCH flows, each at the place it has in its stream. */
export const reassembly: Group = {
  name: 'reassembly',
  cases: (add, after) => {
    const running = (shape: Shape) => () => {
      const { flow, stream } = defaultConfig();
      const counters = new Float64Array(Counter.Count);
      const flows = new FlowTable({ ...flow, memcap: 16 << 20 }, counters, { flowEnded: () => {} }, { seed: SEED });
      const sink = { feed: () => true, hasRoom: () => true, gap: () => {}, finishDirection: () => {} };
      const reassembler = new Reassembler(flows, counters, sink, {
        ...stream.reassembly,
        memcap: 64 << 20,
        depth: 0,
        inline: 'auto',
      });
      const buffer = new ArrayBuffer(65_536);
      const region = native.region(buffer);
      after(() => {
        reassembler.close();
        native.regionRelease(region);
      });
      const p = blank();
      p.mem = new Uint8Array(buffer);
      p.region = region;
      p.ipVersion = 4;
      p.proto = IpProto.Tcp;
      p.tsSec = START;
      p.mode = shape.mode;
      const slots = new Int32Array(BATCH);
      for (let i = 0; i < BATCH; i++) {
        p.src[0] = 0x0a000000 | i;
        p.dst[0] = 0xc0000201 | 0;
        p.srcPort = clientPort(i);
        p.dstPort = 80;
        const slot = flows.lookup(p);
        slots[i] = slot;
        flows.tcpState[slot] = TcpState.Established;
        flows.flags[slot] |= FlowFlag.TcpEstablished | (shape.oneside ? FlowFlag.AsyncOneside : 0);
        flows.l4[slot * L4.Words + L4.Isn] = 1000;
        flows.l4[slot * L4.Words + L4.Ack + 1] = 1001;
        flows.appState[slot] = 1;
        if (shape.watched) reassembler.watch(slot, 0, true);
      }
      let seq = 1001;
      p.tcpFlags = TcpFlag.Ack;
      const n = shape.length;
      const send = (slot: number, number: number) => {
        p.flow = slot;
        p.direction = 0;
        p.payloadLen = n;
        p.tcpSeq = number;
        reassembler.take(p, false);
      };
      return () => {
        for (let i = 0; i < BATCH; i += 2) {
          const slot = slots[i];
          send(slot, shape.swapped ? (seq + n) | 0 : seq);
          send(slot, shape.swapped ? seq : (seq + n) | 0);
          if (shape.oneside) continue;
          flows.l4[slot * L4.Words + L4.Ack + 1] = (seq + 2 * n) | 0;
          p.direction = 1;
          p.payloadLen = 0;
          reassembler.take(p, false);
        }
        seq = (seq + 2 * n) | 0;
      };
    };
    add('inline, in order, nobody acknowledges, 1,460 bytes', running({ mode: Mode.Ips, length: FULL_PAYLOAD, oneside: true }));
    add('inline, in order, 64 bytes, an ACK for two', running({ mode: Mode.Ips, length: SMALL_PAYLOAD }));
    add('inline, in order, 1,460 bytes, an ACK for two', running({ mode: Mode.Ips, length: FULL_PAYLOAD }));
    add('inline, with a window, 1,460 bytes', running({ mode: Mode.Ips, length: FULL_PAYLOAD, watched: true }));
    add('inline, in pairs the wrong way round', running({ mode: Mode.Ips, length: FULL_PAYLOAD, swapped: true }));
    add('a listener, 1,460 bytes, an ACK for two', running({ mode: Mode.Ids, length: FULL_PAYLOAD }));
  },
};
