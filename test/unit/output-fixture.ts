import type { Config, FlowConfig, OutputsConfig } from '../../src/config/config.js';
import { Packet } from '../../src/decode/packet.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import { BLOCK_FLOATS } from '../../src/metrics/counters.js';
import { decodeEvent, EventRecord } from '../../src/output/event-decode.js';
import { type EncoderOptions, EventEncoder } from '../../src/output/event-record.js';
import { EventRing } from '../../src/ring/event-ring.js';
import type { Rule } from '../../src/rules/rule.js';

/** Shared by the output tests: a worker's side (packet, flow table, encoder, ring) and defaults for config and rules. */
export interface Bench {
  counters: Float64Array;
  flows: FlowTable;
  ring: EventRing;
  encoder: EventEncoder;
  /** The next record of the ring, decoded; throws when there is none or it is refused. */
  take(): EventRecord;
}

const timeouts = {
  new: 30,
  established: 300,
  closed: 10,
  bypassed: 100,
  emergencyNew: 10,
  emergencyEstablished: 100,
  emergencyClosed: 5,
  emergencyBypassed: 50,
};

export function flowConfig(): FlowConfig {
  return {
    memcap: 1 << 20,
    memcapPolicy: 'ignore',
    hashSize: 256,
    prealloc: 0,
    emergencyRecovery: 30,
    vlanUse: true,
    timeouts: { default: timeouts, tcp: timeouts, udp: timeouts, icmp: timeouts },
  };
}

export function bench(options: Partial<EncoderOptions> = {}, capacity = 1 << 20): Bench {
  const counters = new Float64Array(BLOCK_FLOATS);
  const flows = new FlowTable(flowConfig(), counters, { flowEnded() {} }, { seed: new Int32Array(8).fill(7) });
  const ring = new EventRing(new ArrayBuffer(EventRing.bytesFor(capacity)), capacity);
  const encoder = new EventEncoder(ring, counters, { payload: true, packet: true, payloadBufferSize: 4096, ...options });
  return {
    counters,
    flows,
    ring,
    encoder,
    take() {
      const at = ring.peek();
      if (at < 0) throw new Error('the ring is empty');
      const record = new EventRecord();
      const ok = decodeEvent(ring.bytes, ring.view, at, ring.length, record);
      ring.release();
      if (!ok) throw new Error('the record was refused');
      return record;
    },
  };
}

export function eveConfig(over: Partial<OutputsConfig['eve']> = {}): OutputsConfig['eve'] {
  return {
    enabled: true,
    filename: 'eve.json',
    append: true,
    communityId: false,
    communityIdSeed: 0,
    pcapFile: false,
    ethernet: false,
    prefix: '',
    alert: {
      enabled: true,
      payload: false,
      payloadPrintable: false,
      payloadLength: false,
      packet: false,
      metadata: true,
      reference: false,
      raw: false,
      flow: true,
      verdict: false,
      taggedPackets: true,
      payloadBufferSize: 4096,
    },
    anomaly: { decode: false, stream: false, applayer: false, packetHeader: false },
    drop: { enabled: true, alerts: true, flows: 'all', verdict: true },
    flow: true,
    netflow: false,
    stats: { enabled: true, totals: true, threads: false, deltas: false, nullValues: true },
    ...over,
  };
}

/** As much of a Config as the output folder reads. */
export function outputConfig(over: Partial<OutputsConfig> = {}): Config {
  return {
    stats: { enabled: true, interval: 8 },
    outputs: {
      fast: { enabled: true, filename: 'fast.log', append: true },
      eve: eveConfig(),
      stats: { enabled: true, filename: 'stats.log', append: true, totals: true, threads: false, nullValues: false },
      ...over,
    },
  } as Config;
}

export function rule(over: Partial<Rule> = {}): Rule {
  const any = { any: true, ranges: [] };
  return {
    action: 'alert',
    proto: 'tcp',
    src: any,
    srcPorts: any,
    bidirectional: false,
    dst: any,
    dstPorts: any,
    msg: 'test rule',
    sid: 1,
    rev: 1,
    gid: 1,
    classtype: '',
    category: '',
    priority: 3,
    references: [],
    metadata: {},
    noalert: false,
    header: [],
    payload: [],
    buffers: [],
    effects: [],
    bypass: false,
    file: 'test.rules',
    line: 1,
    text: '',
    ...over,
  };
}

/** `1.2.3.4` or eight groups of IPv6 to Packet's words. */
export function words(address: string): number[] {
  if (!address.includes(':')) return [address.split('.').reduce((word, byte) => (word << 8) | Number(byte), 0), 0, 0, 0];
  const groups = address.split(':').map((group) => Number.parseInt(group, 16));
  return [0, 2, 4, 6].map((i) => (groups[i] << 16) | groups[i + 1]);
}

/** A TCP packet of 24 bytes payload-less header and some payload, enough for the encoder. */
export function tcpPacket(payload = 'hello'): Packet {
  const p = new Packet();
  const header = 14 + 20 + 20;
  p.mem = new Uint8Array(header + payload.length);
  p.mem.set(Buffer.from(payload), header);
  p.mem[34 + 12] = 0x50;
  p.capLen = p.mem.length;
  p.wireLen = p.mem.length;
  p.tsSec = 1_700_000_000;
  p.tsNsec = 123_456_789;
  p.ethOff = 0;
  p.etherType = 0x0800;
  p.ipVersion = 4;
  p.ipOff = 14;
  p.ipHeaderLen = 20;
  p.ipLen = p.mem.length - 14;
  p.ttl = 64;
  p.tos = 2;
  p.ipId = 4711;
  p.src.set(words('192.168.1.1'));
  p.dst.set(words('10.0.0.2'));
  p.proto = 6;
  p.transportOff = 34;
  p.srcPort = 40000;
  p.dstPort = 80;
  p.tcpFlags = 0x18;
  p.tcpSeq = -2;
  p.tcpAck = 5;
  p.tcpWindow = 501;
  p.tcpHeaderLen = 20;
  p.payloadOff = header;
  p.payloadLen = payload.length;
  return p;
}
