import type { FlowConfig, FlowTimeouts, StreamConfig } from '../../src/config/config.js';
import { IpProto, Packet, TcpFlag } from '../../src/decode/packet.js';
import type { FlowEnd } from '../../src/flow/codes.js';
import { type FlowEndSink, FlowTable, type FlowTableOptions } from '../../src/flow/flow-table.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { TcpTracker } from '../../src/stream/tcp-tracker.js';

/** Shared by the flow and stream tests: a table with a fixed seed, and packets filled in by hand. */
export function timeouts(values: Partial<FlowTimeouts> = {}): FlowTimeouts {
  return {
    new: 30,
    established: 300,
    closed: 10,
    bypassed: 100,
    emergencyNew: 5,
    emergencyEstablished: 100,
    emergencyClosed: 2,
    emergencyBypassed: 50,
    ...values,
  };
}

export function flowConfig(values: Partial<FlowConfig> = {}): FlowConfig {
  return {
    memcap: 1 << 20,
    memcapPolicy: 'ignore',
    hashSize: 1024,
    prealloc: 100,
    emergencyRecovery: 30,
    vlanUse: true,
    timeouts: { default: timeouts(), tcp: timeouts({ new: 60, established: 600, closed: 20 }), udp: timeouts(), icmp: timeouts() },
    ...values,
  };
}

export function streamConfig(values: Partial<StreamConfig> = {}): StreamConfig {
  return {
    memcap: 1 << 20,
    memcapPolicy: 'ignore',
    checksumValidation: true,
    inline: 'auto',
    midstream: false,
    midstreamPolicy: 'ignore',
    asyncOneside: false,
    reassembly: { memcap: 1 << 20, depth: 0, chunkSizes: [2560, 2560], urgent: 'oob', hosts: [] },
    ...values,
  };
}

export interface Ended {
  slot: number;
  id: number;
  reason: FlowEnd;
  pktsTs: number;
  pktsTc: number;
  srcPort: number;
  dstPort: number;
}

export class Ends implements FlowEndSink {
  readonly list: Ended[] = [];
  flowEnded(flows: FlowTable, slot: number, reason: FlowEnd): void {
    this.list.push({
      slot,
      id: flows.flowId(slot),
      reason,
      pktsTs: flows.pktsTs[slot],
      pktsTc: flows.pktsTc[slot],
      srcPort: flows.srcPort(slot),
      dstPort: flows.dstPort(slot),
    });
  }
}

export const SEED = Int32Array.of(0x1234567, -0x7654321, 0x3bd39e10, 0x51ed270b, -0x1e3779b9, 0x27d4eb2f, 100, 7);
export const START = 1_700_000_000;

export function newTable(values: Partial<FlowConfig> = {}, options: FlowTableOptions = {}) {
  const counters = new Float64Array(Counter.Count);
  const ends = new Ends();
  const flows = new FlowTable(flowConfig(values), counters, ends, { seed: SEED, ...options });
  return { flows, counters, ends };
}

export interface PacketFields {
  src?: number | number[];
  dst?: number | number[];
  sport?: number;
  dport?: number;
  proto?: number;
  version?: number;
  vlans?: number[];
  depth?: number;
  sec?: number;
  nsec?: number;
  wire?: number;
  icmp?: [number, number];
  flags?: number;
  seq?: number;
  ack?: number;
  window?: number;
  payload?: number;
  /** The payload itself. */
  data?: Uint8Array;
  mode?: Mode;
  selective?: number;
  bridged?: number;
  source?: number;
}

const shared = new Packet();

/** One packet object, filled anew for every call as decode does. */
export function packet(f: PacketFields): Packet {
  const p = shared;
  p.bridged = f.bridged ?? 0;
  p.source = f.source ?? 0;
  p.mem = f.data ?? new Uint8Array(0);
  p.payloadOff = 0;
  p.transportOff = -1;
  p.ipVersion = f.version ?? 4;
  p.src.fill(0);
  p.dst.fill(0);
  p.src.set(typeof f.src === 'object' ? f.src : [f.src ?? 0x0a000001]);
  p.dst.set(typeof f.dst === 'object' ? f.dst : [f.dst ?? 0x0a000002]);
  p.proto = f.proto ?? IpProto.Udp;
  p.srcPort = f.sport ?? 0;
  p.dstPort = f.dport ?? 0;
  const vlans = f.vlans ?? [];
  p.vlanDepth = vlans.length;
  p.vlan0 = vlans[0] ?? 0;
  p.vlan1 = vlans[1] ?? 0;
  p.vlan2 = vlans[2] ?? 0;
  p.tunnelDepth = f.depth ?? 0;
  p.tsSec = f.sec ?? START;
  p.tsNsec = f.nsec ?? 0;
  p.wireLen = f.wire ?? 100;
  p.icmpType = f.icmp?.[0] ?? -1;
  p.icmpCode = f.icmp?.[1] ?? -1;
  p.tcpFlags = f.flags ?? 0;
  p.tcpSeq = (f.seq ?? 0) | 0;
  p.tcpAck = (f.ack ?? 0) | 0;
  p.tcpWindow = f.window ?? 8192;
  p.tcpHeaderLen = p.proto === IpProto.Tcp ? 20 : 0;
  p.payloadLen = f.data?.length ?? f.payload ?? 0;
  p.selective = f.selective ?? 0;
  p.mode = f.mode ?? Mode.Ips;
  p.established = 0;
  p.streamEventCount = 0;
  return p;
}

/** The answer to a packet: both ends exchanged. */
export function reverse(f: PacketFields): PacketFields {
  return { ...f, src: f.dst ?? 0x0a000002, dst: f.src ?? 0x0a000001, sport: f.dport, dport: f.sport };
}

export const S = TcpFlag.Syn;
export const A = TcpFlag.Ack;
export const F = TcpFlag.Fin;
export const R = TcpFlag.Rst;
export const P = TcpFlag.Psh;

/** A TCP conversation: `c` sends from the client, `s` from the server, through table and tracker. */
export class Conversation {
  readonly flows: FlowTable;
  readonly counters: Float64Array;
  readonly ends: Ends;
  readonly tracker: TcpTracker;
  sec = START;
  mode: Mode = Mode.Ips;
  selective = 0;
  /** The packet as it came out. */
  p = shared;

  constructor(stream: Partial<StreamConfig> = {}, flow: Partial<FlowConfig> = {}) {
    const t = newTable(flow);
    this.flows = t.flows;
    this.counters = t.counters;
    this.ends = t.ends;
    this.tracker = new TcpTracker(streamConfig(stream), this.flows, this.counters);
  }

  c(flags: number, seq: number, ack = 0, payload = 0, more: PacketFields = {}): number {
    return this.send({ src: 0x0a000001, dst: 0x0a000002, sport: 40000, dport: 80, flags, seq, ack, payload, ...more });
  }
  s(flags: number, seq: number, ack = 0, payload = 0, more: PacketFields = {}): number {
    return this.send({ src: 0x0a000002, dst: 0x0a000001, sport: 80, dport: 40000, flags, seq, ack, payload, ...more });
  }
  send(fields: PacketFields): number {
    this.p = packet({ proto: IpProto.Tcp, sec: this.sec, mode: this.mode, selective: this.selective, ...fields });
    this.flows.lookup(this.p);
    return this.tracker.update(this.p);
  }
  /** SYN, SYN+ACK, ACK; client starts at 1000, server at 5000. */
  open(): void {
    this.c(S, 1000);
    this.s(S | A, 5000, 1001);
    this.c(A, 1001, 5001);
  }
  get state(): number {
    return this.flows.tcpState[this.p.flow];
  }
  get flowState(): number {
    return this.flows.state[this.p.flow];
  }
  /** p.established of the last packet. */
  get established(): number {
    return this.p.established;
  }
}
