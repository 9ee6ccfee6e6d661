import { IpProto, type Packet } from '../decode/packet.js';
import { FlowFlag, FlowProto, FlowState, TcpState } from './codes.js';
import { HAS_VLAN, Hot, Key, L4 } from './layout.js';
import { BACKWARD_TOLERANCE } from './timing-wheel.js';

/** Bytes per flow of the columns, and of FlowLives. */
export const FLOW_BYTES = Key.Words * 4 + Hot.Words * 4 + L4.Words * 4 + 10 * 4 + 2 * 8 + 19;

/** Flags of the direction to the server; those to the client are one bit above. */
const TO_SERVER = FlowFlag.SeenTs | FlowFlag.IpOnlyTs;

/** What is known of each flow, one array each, by slot. FlowTable says which slots are flows. */
export class FlowColumns {
  // By slot. Ts = to server, Tc = to client.
  readonly key: Int32Array;
  readonly flags: Int32Array;
  readonly state: Uint8Array;
  readonly dropReason: Uint8Array;
  /** Packet.source of the first packet. */
  readonly source: Uint16Array;
  /** Number of VLAN tags of the first packet. */
  readonly vlanDepth: Uint8Array;
  readonly lastSec: Int32Array;
  readonly lastNsec: Int32Array;
  readonly pktsTs: Uint32Array;
  readonly pktsTc: Uint32Array;
  readonly bytesTs: Float64Array;
  readonly bytesTc: Float64Array;
  /** TCP flags seen, or-ed. */
  readonly tcpFlagsTs: Uint8Array;
  readonly tcpFlagsTc: Uint8Array;
  readonly tcpState: Uint8Array;
  /** Window scale shifts, and the tracker's own bits (src/stream). */
  readonly tcpScaleTs: Uint8Array;
  readonly tcpScaleTc: Uint8Array;
  readonly tcpBits: Uint8Array;
  readonly l4: Int32Array;
  /** AppProto, and the bits and state number (0: none) that src/app-layer keeps while it does not know, or parses. */
  readonly appProto: Uint8Array;
  readonly appProbe: Uint8Array;
  readonly appState: Int32Array;
  /** AppProtos of each flow, FlowProto.Count of them: what src/app-layer found beside appProto. */
  readonly appProtos: Uint8Array;
  /** Rejected flow: Side (src/ring/verdict.ts) in the low two bits, how many answers were sent above them. */
  readonly answers: Uint8Array;

  /** See layout.ts: for looking flows up. */
  readonly hot: Int32Array;
  /** The same memory as pktsTs, pktsTc: int32 increments stay out of floating point. */
  readonly pktsTsWords: Int32Array;
  readonly pktsTcWords: Int32Array;
  readonly idHigh: Int32Array;
  readonly timeoutClass: Uint8Array;

  /** `capacity`: most flows at once. */
  constructor(readonly capacity: number) {
    const n = capacity;
    // Zero pages cost nothing until touched, so the whole capacity is reserved at once.
    this.key = new Int32Array(n * Key.Words);
    this.l4 = new Int32Array(n * L4.Words);
    this.flags = new Int32Array(n);
    this.state = new Uint8Array(n);
    this.dropReason = new Uint8Array(n);
    this.source = new Uint16Array(n);
    this.vlanDepth = new Uint8Array(n);
    this.lastSec = new Int32Array(n);
    this.lastNsec = new Int32Array(n);
    this.pktsTs = new Uint32Array(n);
    this.pktsTc = new Uint32Array(n);
    this.pktsTsWords = new Int32Array(this.pktsTs.buffer);
    this.pktsTcWords = new Int32Array(this.pktsTc.buffer);
    this.bytesTs = new Float64Array(n);
    this.bytesTc = new Float64Array(n);
    this.tcpFlagsTs = new Uint8Array(n);
    this.tcpFlagsTc = new Uint8Array(n);
    this.tcpState = new Uint8Array(n);
    this.tcpScaleTs = new Uint8Array(n);
    this.tcpScaleTc = new Uint8Array(n);
    this.tcpBits = new Uint8Array(n);
    this.appProto = new Uint8Array(n);
    this.appProbe = new Uint8Array(n);
    this.appState = new Int32Array(n);
    this.appProtos = new Uint8Array(n * FlowProto.Count);
    this.answers = new Uint8Array(n);
    this.hot = new Int32Array(n * Hot.Words);
    this.idHigh = new Int32Array(n);
    this.timeoutClass = new Uint8Array(n);
  }

  /** The tuple of a flow that begins; `swapped`: the packet's sender is the server. */
  setKey(slot: number, p: Packet, swapped: boolean, ports: number, meta: number, hash: number): void {
    const { key, hot } = this;
    const k = slot * Key.Words;
    const client = swapped ? p.dst : p.src;
    const server = swapped ? p.src : p.dst;
    for (let i = 0; i < 4; i++) {
      key[k + Key.Client + i] = client[i];
      key[k + Key.Server + i] = server[i];
    }
    key[k + Key.Ports] = swapped ? (ports << 16) | (ports >>> 16) : ports;
    key[k + Key.Proto] = meta & ~HAS_VLAN;
    const h = slot * Hot.Words;
    hot[h + Hot.Client] = client[0];
    hot[h + Hot.Server] = server[0];
    hot[h + Hot.Ports] = key[k + Key.Ports];
    hot[h + Hot.Meta] = meta;
    key[k + Key.Vlan01] = (p.vlan0 << 16) | p.vlan1;
    key[k + Key.Vlan2] = p.vlan2;
    key[k + Key.Hash] = hash;
    key[k + Key.StartSec] = p.tsSec;
    key[k + Key.StartNsec] = p.tsNsec;
  }

  /** Nothing is known of the flow but its first packet, which is not counted yet. */
  clear(slot: number, p: Packet): void {
    this.flags[slot] = 0;
    this.state[slot] = FlowState.New;
    this.dropReason[slot] = 0;
    this.source[slot] = p.source;
    this.vlanDepth[slot] = p.vlanDepth;
    this.lastSec[slot] = p.tsSec;
    this.lastNsec[slot] = p.tsNsec;
    this.pktsTs[slot] = 0;
    this.pktsTc[slot] = 0;
    this.bytesTs[slot] = 0;
    this.bytesTc[slot] = 0;
    this.tcpFlagsTs[slot] = 0;
    this.tcpFlagsTc[slot] = 0;
    this.tcpState[slot] = TcpState.None;
    this.tcpScaleTs[slot] = 0;
    this.tcpScaleTc[slot] = 0;
    this.tcpBits[slot] = 0;
    this.appProto[slot] = 0;
    this.appProbe[slot] = 0;
    this.appState[slot] = 0;
    this.appProtos.fill(0, slot * FlowProto.Count, (slot + 1) * FlowProto.Count);
    this.answers[slot] = 0;
    this.l4.fill(0, slot * L4.Words, slot * L4.Words + L4.Words);
    if (p.proto === IpProto.Icmp || p.proto === IpProto.IcmpV6) {
      this.l4[slot * L4.Words + L4.Icmp] = (p.icmpType << 8) | p.icmpCode;
      this.l4[slot * L4.Words + L4.IcmpAnswer] = -1;
    }
  }

  /** Moves the time of the last packet, never back by less than a jump. */
  touch(p: Packet, slot: number): void {
    const ahead = (p.tsSec - this.lastSec[slot]) | 0;
    if (ahead < 0) {
      if (ahead >= -BACKWARD_TOLERANCE) return;
    } else if (ahead === 0 && p.tsNsec <= this.lastNsec[slot]) return;
    this.lastSec[slot] = p.tsSec;
    this.lastNsec[slot] = p.tsNsec;
  }

  /** All later packets of the flow are dropped; the first reason stays. */
  drop(slot: number, reason: number): void {
    if ((this.flags[slot] & FlowFlag.Dropped) !== 0) return;
    this.flags[slot] |= FlowFlag.Dropped;
    this.dropReason[slot] = reason;
  }

  /** The client is the server. What src/stream and src/app-layer keep of the flow beside these arrays they turn themselves. */
  swap(slot: number): void {
    const { key, hot, flags } = this;
    const k = slot * Key.Words;
    const h = slot * Hot.Words;
    for (let i = 0; i < 4; i++) {
      const word = key[k + Key.Client + i];
      key[k + Key.Client + i] = key[k + Key.Server + i];
      key[k + Key.Server + i] = word;
    }
    const ports = key[k + Key.Ports];
    key[k + Key.Ports] = (ports << 16) | (ports >>> 16);
    hot[h + Hot.Client] = key[k + Key.Client];
    hot[h + Hot.Server] = key[k + Key.Server];
    hot[h + Hot.Ports] = key[k + Key.Ports];
    const ts = flags[slot] & TO_SERVER;
    const tc = flags[slot] & (TO_SERVER << 1);
    flags[slot] = (flags[slot] & ~(TO_SERVER | (TO_SERVER << 1))) | (ts << 1) | (tc >> 1);
    exchange(this.pktsTs, this.pktsTc, slot);
    exchange(this.bytesTs, this.bytesTc, slot);
    exchange(this.tcpFlagsTs, this.tcpFlagsTc, slot);
    exchange(this.tcpScaleTs, this.tcpScaleTc, slot);
    if (this.proto(slot) !== IpProto.Tcp) return;
    const { l4 } = this;
    for (let i = slot * L4.Words; i < (slot + 1) * L4.Words; i += 2) {
      const word = l4[i];
      l4[i] = l4[i + 1];
      l4[i + 1] = word;
    }
  }

  // For output; not for the packet path.

  /** Unique among the flows of all threads (53 bits: exact as a JSON number). */
  flowId(slot: number): number {
    return this.idHigh[slot] * 2 ** 32 + (this.key[slot * Key.Words + Key.IdLow] >>> 0);
  }
  proto(slot: number): number {
    return this.key[slot * Key.Words + Key.Proto] & 0xff;
  }
  ipVersion(slot: number): number {
    return (this.key[slot * Key.Words + Key.Proto] & 0x100) !== 0 ? 6 : 4;
  }
  tunnelDepth(slot: number): number {
    return this.key[slot * Key.Words + Key.Proto] >>> 9;
  }
  /** Client's port; 0 where the protocol has none. ICMP: see L4.Icmp. */
  srcPort(slot: number): number {
    return this.key[slot * Key.Words + Key.Ports] >>> 16;
  }
  dstPort(slot: number): number {
    return this.key[slot * Key.Words + Key.Ports] & 0xffff;
  }
  /** VLAN id, outermost first; `depth` below vlanDepth[slot]. */
  vlan(slot: number, depth: number): number {
    const at = slot * Key.Words;
    if (depth === 0) return this.key[at + Key.Vlan01] >>> 16;
    return depth === 1 ? this.key[at + Key.Vlan01] & 0xffff : this.key[at + Key.Vlan2];
  }
}

function exchange(one: Uint32Array | Uint8Array | Float64Array, other: Uint32Array | Uint8Array | Float64Array, at: number): void {
  const value = one[at];
  one[at] = other[at];
  other[at] = value;
}
