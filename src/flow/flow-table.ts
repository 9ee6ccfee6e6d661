import { randomFillSync } from 'node:crypto';
import type { FlowConfig, FlowTimeouts } from '../config/config.js';
import { IpProto, type Packet, TcpFlag } from '../decode/packet.js';
import { Counter } from '../metrics/counters.js';
import { FlowEnd, FlowFlag, FlowProto, FlowState, NoFlow, TcpState, TimeoutClass } from './codes.js';
import { FlowHash } from './flow-hash.js';
import { FlowIndex } from './flow-index.js';
import { embeddedIpv4, icmpPorts, isIcmpV4Error } from './icmp.js';
import { HAS_VLAN, Hot, IPV6, Key, L4 } from './layout.js';
import { BACKWARD_TOLERANCE, TimingWheel } from './timing-wheel.js';

export { Key, L4 } from './layout.js';

/** Told of every flow that ends; the slot is still readable during the call, and must not be kept. */
export interface FlowEndSink {
  flowEnded(flows: FlowTable, slot: number, reason: FlowEnd): void;
}

/** Bytes of state per flow, the hash index (8 bytes per entry) not included. */
export const FLOW_BYTES = Key.Words * 4 + Hot.Words * 4 + L4.Words * 4 + 10 * 4 + 2 * 8 + 19;
const INDEX_ENTRY_BYTES = 8;
/** Slots looked at when a flow is wanted and none is free, and per tick in emergency mode. */
const EMERGENCY_SCAN = 32;
/** Due flows looked at per tick: at least a batch of packets, so that expiry keeps up with creation. */
const TICK_BUDGET = 64;
const TCP_START_MASK = TcpFlag.Syn | TcpFlag.Ack | TcpFlag.Rst | TcpFlag.Fin;
const NEVER_TIMES_OUT = 0x3fffffff;

export interface FlowTableOptions {
  /** Number of this thread, 0 to 127: part of the flow id. */
  thread?: number;
  /** Eight words that key the hash and seed the ids; random unless a test needs the same ones again. */
  seed?: Int32Array;
}

const BOTH_SEEN = FlowFlag.SeenTs | FlowFlag.SeenTc;

/**
 * The flows of one thread. A slot is valid until the next call of lookup, tick or endAll.
 * config.memcap is this table's share: the caller divides it among the threads.
 */
export class FlowTable {
  /** Most flows at once, from memcap. */
  readonly capacity: number;
  active = 0;
  emergency = 0;
  /**
   * 1: a flow that begins with a SYN+ACK has that packet's receiver as client. Set by the TCP tracker where such
   * sessions are picked up; where they are not, the flow's client is the sender of its first packet, as in Suricata.
   * A packet that netfilter rules chose (p.selective) counts as picked up in any case.
   */
  reverseSynAck = 0;

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

  private readonly hot: Int32Array;
  /** The same memory as pktsTs, pktsTc: int32 increments stay out of floating point. */
  private readonly pktsTsWords: Int32Array;
  private readonly pktsTcWords: Int32Array;
  private readonly idHigh: Int32Array;
  private readonly timeoutClass: Uint8Array;
  private readonly freeNext: Int32Array;
  private readonly hasher: FlowHash;
  private readonly index: FlowIndex;
  private readonly wheel: TimingWheel;
  /** Seconds by emergency << 4 | class << 2 | state. */
  private readonly timeouts = new Int32Array(32);
  private readonly vlanMask: number;
  private readonly depthMask: number;
  private readonly recoveryFree: number;
  private readonly indexBytes: number;
  private freeHead = -1;
  private highWater = 0;
  private hand = 0;
  private endHand = 0;
  private idCounter: number;
  private idEpoch: number;

  constructor(
    config: FlowConfig,
    private readonly counters: Float64Array,
    private readonly onEnd: FlowEndSink,
    options: FlowTableOptions = {},
  ) {
    const seed = options.seed ?? randomFillSync(new Int32Array(8));
    this.hasher = new FlowHash(seed);
    this.idCounter = seed[6] | 0;
    this.idEpoch = (((options.thread ?? 0) & 127) << 14) | (seed[7] & 0x3fff);
    this.vlanMask = config.vlanUse ? -1 : 0;
    this.depthMask = config.recursionUse === false ? 0 : -1;

    const wanted = Math.max(1, Math.floor(config.memcap / (FLOW_BYTES + 2 * INDEX_ENTRY_BYTES)));
    let size = 2;
    while (size < config.hashSize || size * 3 < wanted * 4) size *= 2;
    while (size > 2 && size * INDEX_ENTRY_BYTES * 4 > config.memcap) size /= 2;
    this.indexBytes = size * INDEX_ENTRY_BYTES;
    const fitting = Math.floor((config.memcap - this.indexBytes) / FLOW_BYTES);
    const n = Math.max(1, Math.min(fitting, Math.floor((size * 3) / 4)));
    this.capacity = n;
    this.recoveryFree = Math.min(n, Math.max(1, Math.ceil((n * config.emergencyRecovery) / 100)));

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
    this.freeNext = new Int32Array(n);
    this.index = new FlowIndex(size);
    this.wheel = new TimingWheel(n);
    this.setTimeouts(TimeoutClass.Default, config.timeouts.default);
    this.setTimeouts(TimeoutClass.Tcp, config.timeouts.tcp);
    this.setTimeouts(TimeoutClass.Udp, config.timeouts.udp);
    this.setTimeouts(TimeoutClass.Icmp, config.timeouts.icmp);
    counters[Counter.FlowMemuse] = this.indexBytes;
  }

  /**
   * Finds or makes the flow of an IP packet (no fragment) and counts the packet in it. Sets p.flow, p.direction,
   * p.flowNew and, TCP's handshake aside, p.established. Returns the slot or a NoFlow code (p.flow is then -1).
   */
  lookup(p: Packet): number {
    const proto = p.proto;
    let ports = 0;
    if (proto === IpProto.Tcp || proto === IpProto.Udp || proto === IpProto.Sctp) ports = (p.srcPort << 16) | (p.dstPort & 0xffff);
    else if (proto === IpProto.Icmp || proto === IpProto.IcmpV6) {
      if (proto === IpProto.Icmp && isIcmpV4Error(p.icmpType)) return this.lookupIcmpError(p);
      ports = icmpPorts(proto, p.icmpType, p.icmpCode);
    } else if (proto !== IpProto.Esp && proto !== (p.ipVersion === 4 ? IpProto.Ipv6 : IpProto.IpIp)) return this.noFlow(p);
    const vlan01 = ((p.vlan0 << 16) | p.vlan1) & this.vlanMask;
    const vlan2 = p.vlan2 & this.vlanMask;
    let meta = (proto & 0xff) | (p.ipVersion === 6 ? IPV6 : 0) | ((p.tunnelDepth & this.depthMask) << 9);
    if ((vlan01 | vlan2) !== 0) meta |= HAS_VLAN;
    const hash = this.hasher.hash(p.src, p.dst, ports, meta, vlan01, vlan2);
    const found = this.find(hash, p.src, p.dst, ports, meta, vlan01, vlan2);
    p.flowNew = 0;
    let successor = 0;
    if (found >= 0) {
      const slot = found >> 1;
      const direction = found & 1;
      const idle = (p.tsSec - this.lastSec[slot]) | 0;
      if (idle !== 0 && idle > this.timeoutOf(slot)) {
        this.counters[Counter.FlowsTimedOut]++;
        this.end(slot, FlowEnd.Timeout);
      } else if (proto === IpProto.Tcp && this.isReuse(p, slot, direction)) {
        const flags = this.flags[slot];
        if ((flags & BOTH_SEEN) === BOTH_SEEN || (flags & FlowFlag.Successor) !== 0) successor = FlowFlag.Successor;
        this.end(slot, FlowEnd.TcpReuse);
      } else {
        p.flow = slot;
        p.direction = direction;
        this.count(p, slot, direction);
        return slot;
      }
    }
    const created = this.create(p, hash, ports, meta);
    if (successor !== 0 && created >= 0) this.flags[created] |= successor;
    return created;
  }

  /** Ends up to `budget` flows whose time is over. Returns true when more may be due: call again. */
  tick(nowSec: number, budget = TICK_BUDGET): boolean {
    const wheel = this.wheel;
    wheel.advance(nowSec);
    const now = wheel.now;
    for (let i = 0; i < budget; i++) {
      const slot = wheel.next();
      if (slot < 0) break;
      // Time went back by more than reordering: the flow's idle time starts over.
      if (((this.lastSec[slot] - now) | 0) > BACKWARD_TOLERANCE) this.lastSec[slot] = now;
      const deadline = this.lastSec[slot] + this.timeoutOf(slot);
      wheel.arm(slot, deadline + 1);
      if (now > deadline) {
        this.counters[Counter.FlowsTimedOut]++;
        this.end(slot, FlowEnd.Timeout);
      }
    }
    if (this.emergency !== 0) this.emergencyTick(now);
    this.counters[Counter.FlowMemuse] = this.indexBytes + this.active * FLOW_BYTES;
    return wheel.isBehind();
  }

  /** Shutdown: reports and frees every live flow. */
  endAll(): void {
    while (this.endSome(this.capacity));
  }

  /** Shutdown in steps: reports and frees up to `budget` live flows. Returns true when there are more. */
  endSome(budget: number): boolean {
    let slot = this.endHand;
    for (let left = budget; left > 0 && this.active > 0; slot++) {
      if (slot >= this.highWater) slot = 0;
      if (!this.isLive(slot)) continue;
      this.end(slot, FlowEnd.Shutdown);
      left--;
    }
    this.endHand = this.active > 0 ? slot : 0;
    return this.active > 0;
  }

  isLive(slot: number): boolean {
    return slot >= 0 && slot < this.highWater && this.wheel.isArmed(slot);
  }

  /** Changes the state, and with it the timeout. A bypassed flow stays bypassed. */
  setState(slot: number, state: FlowState): void {
    if (this.state[slot] === state || this.state[slot] === FlowState.Bypassed) return;
    this.state[slot] = state;
    this.wheel.disarm(slot);
    this.arm(slot);
  }

  /** No further inspection: the flow's outcome is final. */
  bypass(slot: number): void {
    this.flags[slot] |= FlowFlag.Bypassed;
    this.setState(slot, FlowState.Bypassed);
  }

  /**
   * What was sent so far was not what the endpoints took: the application layer is to be recognised again. State that
   * src/app-layer keeps of the flow it restarts itself.
   */
  restartApp(slot: number): void {
    this.appProbe[slot] = 0;
    if (this.appState[slot] === 0) this.appProto[slot] = 0;
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

  /** Returns slot << 1 | direction, or -1. */
  private find(hash: number, src: Int32Array, dst: Int32Array, ports: number, meta: number, vlan01: number, vlan2: number): number {
    const entries = this.index.entries;
    const mask = this.index.mask;
    const hot = this.hot;
    const src0 = src[0];
    const dst0 = dst[0];
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const slotPlus1 = entries[at + 1];
      if (slotPlus1 === 0) return -1;
      if (entries[at] !== hash) continue;
      const slot = slotPlus1 - 1;
      const h = slot * Hot.Words;
      if (hot[h + Hot.Meta] !== meta) continue;
      if (meta < 0 && !this.sameVlan(slot, vlan01, vlan2)) continue;
      const client = hot[h + Hot.Client];
      const server = hot[h + Hot.Server];
      const flowPorts = hot[h + Hot.Ports];
      if (client === src0 && server === dst0 && flowPorts === ports) {
        if ((meta & IPV6) === 0 || this.sameTail(slot, src, dst)) return slot << 1;
      }
      if (client === dst0 && server === src0 && flowPorts === ((ports << 16) | (ports >>> 16))) {
        if ((meta & IPV6) === 0 || this.sameTail(slot, dst, src)) return (slot << 1) | 1;
      }
    }
  }

  private sameVlan(slot: number, vlan01: number, vlan2: number): boolean {
    const k = slot * Key.Words;
    return this.key[k + Key.Vlan01] === vlan01 && this.key[k + Key.Vlan2] === vlan2;
  }

  /** IPv6: the words after the first. */
  private sameTail(slot: number, client: Int32Array, server: Int32Array): boolean {
    const key = this.key;
    const k = slot * Key.Words;
    return (
      key[k + 1] === client[1] &&
      key[k + 2] === client[2] &&
      key[k + 3] === client[3] &&
      key[k + Key.Server + 1] === server[1] &&
      key[k + Key.Server + 2] === server[2] &&
      key[k + Key.Server + 3] === server[3]
    );
  }

  private count(p: Packet, slot: number, direction: number): void {
    let flags = this.flags[slot];
    if (direction === 0) {
      this.pktsTsWords[slot]++;
      this.bytesTs[slot] += p.wireLen;
      flags |= FlowFlag.SeenTs;
    } else {
      this.pktsTcWords[slot]++;
      this.bytesTc[slot] += p.wireLen;
      flags |= FlowFlag.SeenTc;
    }
    this.flags[slot] = flags;
    this.touch(p, slot);
    if (p.proto === IpProto.Tcp) {
      if (direction === 0) this.tcpFlagsTs[slot] |= p.tcpFlags;
      else this.tcpFlagsTc[slot] |= p.tcpFlags;
      p.established = (flags & FlowFlag.TcpEstablished) !== 0 ? 1 : 0;
      return;
    }
    if ((flags & (FlowFlag.SeenTs | FlowFlag.SeenTc)) !== (FlowFlag.SeenTs | FlowFlag.SeenTc)) {
      p.established = 0;
      return;
    }
    p.established = 1;
    if (this.state[slot] === FlowState.New) {
      this.setState(slot, FlowState.Established);
      if (direction === 1 && p.icmpType >= 0) this.l4[slot * L4.Words + L4.IcmpAnswer] = (p.icmpType << 8) | p.icmpCode;
    }
  }

  /** Moves the time of the last packet, never back by less than a jump. */
  private touch(p: Packet, slot: number): void {
    const ahead = (p.tsSec - this.lastSec[slot]) | 0;
    if (ahead < 0) {
      if (ahead >= -BACKWARD_TOLERANCE) return;
    } else if (ahead === 0 && p.tsNsec <= this.lastNsec[slot]) return;
    this.lastSec[slot] = p.tsSec;
    this.lastNsec[slot] = p.tsNsec;
  }

  private create(p: Packet, hash: number, ports: number, meta: number): number {
    p.flow = -1;
    p.direction = 0;
    p.established = 0;
    const wheel = this.wheel;
    wheel.start(p.tsSec);
    let slot = this.freeHead;
    if (slot < 0 && this.highWater >= this.capacity) {
      if (!this.makeRoom(p.tsSec)) {
        this.counters[Counter.FlowMemcap]++;
        return NoFlow.Memcap;
      }
      slot = this.freeHead;
    }
    if (slot >= 0) this.freeHead = this.freeNext[slot];
    else slot = this.highWater++;

    const tcp = p.proto === IpProto.Tcp;
    const pickedUp = (this.reverseSynAck | p.selective) !== 0;
    const swapped = tcp && pickedUp && (p.tcpFlags & TCP_START_MASK) === (TcpFlag.Syn | TcpFlag.Ack);
    const key = this.key;
    const k = slot * Key.Words;
    const client = swapped ? p.dst : p.src;
    const server = swapped ? p.src : p.dst;
    for (let i = 0; i < 4; i++) {
      key[k + Key.Client + i] = client[i];
      key[k + Key.Server + i] = server[i];
    }
    key[k + Key.Ports] = swapped ? (ports << 16) | (ports >>> 16) : ports;
    key[k + Key.Proto] = meta & ~HAS_VLAN;
    const hot = this.hot;
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
    this.assignId(slot, k);
    this.flags[slot] = this.emergency !== 0 ? FlowFlag.Emergency : 0;
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
    const counters = this.counters;
    let timeoutClass: TimeoutClass = TimeoutClass.Default;
    if (tcp) {
      timeoutClass = TimeoutClass.Tcp;
      counters[Counter.FlowsTcp]++;
    } else if (p.proto === IpProto.Udp) {
      timeoutClass = TimeoutClass.Udp;
      counters[Counter.FlowsUdp]++;
    } else if (p.proto === IpProto.Icmp || p.proto === IpProto.IcmpV6) {
      timeoutClass = TimeoutClass.Icmp;
      counters[Counter.FlowsIcmp]++;
    }
    this.timeoutClass[slot] = timeoutClass;
    this.index.insert(hash, slot);
    this.arm(slot);
    this.active++;
    counters[Counter.FlowsTotal]++;
    counters[Counter.FlowsActive] = this.active;
    p.flow = slot;
    p.flowNew = 1;
    p.direction = swapped ? 1 : 0;
    this.count(p, slot, p.direction);
    return slot;
  }

  /** 32 bits of a counter, stirred one to one, under 7 bits of thread and 14 bits of start and laps. */
  private assignId(slot: number, k: number): void {
    this.idCounter = (this.idCounter + 1) | 0;
    if (this.idCounter === 0) this.idEpoch = (this.idEpoch & ~0x3fff) | ((this.idEpoch + 1) & 0x3fff);
    let id = Math.imul(this.idCounter, 0x9e3779b1);
    id = Math.imul(id ^ (id >>> 15), 0x85ebca77);
    this.key[k + Key.IdLow] = id ^ (id >>> 16);
    this.idHigh[slot] = this.idEpoch;
  }

  private noFlow(p: Packet): number {
    p.flow = -1;
    p.flowNew = 0;
    p.direction = 0;
    p.established = 0;
    return NoFlow.NotWanted;
  }

  /**
   * An ICMPv4 error belongs to the flow of the packet it quotes. It is counted there but makes no state, and never
   * makes a flow. Its direction: to the sender of the quoted packet.
   */
  private lookupIcmpError(p: Packet): number {
    const at = embeddedIpv4(p);
    if (at < 0) return this.noFlow(p);
    const mem = p.mem;
    const transport = at + ((mem[at] & 15) << 2);
    const src = QUOTED_SRC;
    const dst = QUOTED_DST;
    src[0] = (mem[at + 12] << 24) | (mem[at + 13] << 16) | (mem[at + 14] << 8) | mem[at + 15];
    dst[0] = (mem[at + 16] << 24) | (mem[at + 17] << 16) | (mem[at + 18] << 8) | mem[at + 19];
    const ports = (mem[transport] << 24) | (mem[transport + 1] << 16) | (mem[transport + 2] << 8) | mem[transport + 3];
    const vlan01 = ((p.vlan0 << 16) | p.vlan1) & this.vlanMask;
    const vlan2 = p.vlan2 & this.vlanMask;
    const meta = mem[at + 9] | ((p.tunnelDepth & this.depthMask) << 9) | ((vlan01 | vlan2) !== 0 ? HAS_VLAN : 0);
    const found = this.find(this.hasher.hash(src, dst, ports, meta, vlan01, vlan2), src, dst, ports, meta, vlan01, vlan2);
    if (found < 0) return this.noFlow(p);
    const slot = found >> 1;
    p.flow = slot;
    p.flowNew = 0;
    p.direction = (found & 1) ^ 1;
    p.established = this.state[slot] === FlowState.Established ? 1 : 0;
    if (p.direction === 0) {
      this.pktsTsWords[slot]++;
      this.bytesTs[slot] += p.wireLen;
    } else {
      this.pktsTcWords[slot]++;
      this.bytesTc[slot] += p.wireLen;
    }
    this.touch(p, slot);
    return slot;
  }

  /** A SYN on a known tuple: a new session unless it repeats the old one's, or the old one is still going on. */
  private isReuse(p: Packet, slot: number, direction: number): boolean {
    // No host takes a segment with a wrong checksum: it must not make the table forget a session, and its verdict.
    if ((p.tcpFlags & TCP_START_MASK) !== TcpFlag.Syn || p.csumInvalid !== 0) return false;
    const state = this.tcpState[slot];
    if (state === TcpState.None) return true;
    if (direction === 0 && this.l4[slot * L4.Words + L4.Isn] === p.tcpSeq) return false;
    // Nobody follows a bypassed session to its end: whether this one is another, only inspecting it tells.
    if ((this.flags[slot] & (FlowFlag.Bypassed | FlowFlag.Dropped)) === FlowFlag.Bypassed) return true;
    return state === TcpState.TimeWait || state === TcpState.LastAck || state === TcpState.Closing || state === TcpState.Closed;
  }

  private timeoutOf(slot: number): number {
    return this.timeouts[(this.emergency << 4) | (this.timeoutClass[slot] << 2) | this.state[slot]];
  }

  private arm(slot: number): void {
    this.wheel.arm(slot, this.lastSec[slot] + this.timeoutOf(slot) + 1);
  }

  private end(slot: number, reason: FlowEnd): void {
    this.onEnd.flowEnded(this, slot, reason);
    this.wheel.disarm(slot);
    this.index.remove(this.key[slot * Key.Words + Key.Hash], slot);
    this.freeNext[slot] = this.freeHead;
    this.freeHead = slot;
    this.active--;
    this.counters[Counter.FlowsActive] = this.active;
  }

  /**
   * No slot is free. Looks at a bounded stretch of the table for a flow whose emergency timeout is over, else for
   * the longest idle one that is new or closed and carries no verdict. Established, dropped and passed flows are
   * never evicted: a flood of new flows must not make the table forget them.
   */
  private makeRoom(nowSec: number): boolean {
    if (this.emergency === 0) {
      this.emergency = 1;
      this.counters[Counter.FlowEmergencyEntered]++;
    }
    let victim = -1;
    for (let i = 0; i < EMERGENCY_SCAN; i++) {
      const slot = this.hand;
      this.hand = slot + 1 < this.highWater ? slot + 1 : 0;
      if (this.expireInEmergency(slot, nowSec)) return true;
      if (this.state[slot] !== FlowState.New && this.state[slot] !== FlowState.Closed) continue;
      if ((this.flags[slot] & (FlowFlag.Dropped | FlowFlag.Passed)) !== 0) continue;
      if (victim < 0 || this.lastSec[slot] < this.lastSec[victim]) victim = slot;
    }
    if (victim < 0) return false;
    this.end(victim, FlowEnd.Forced);
    return true;
  }

  private expireInEmergency(slot: number, nowSec: number): boolean {
    if (!this.wheel.isArmed(slot) || ((nowSec - this.lastSec[slot]) | 0) <= this.timeoutOf(slot)) return false;
    this.counters[Counter.FlowsTimedOut]++;
    this.end(slot, FlowEnd.Timeout);
    return true;
  }

  private emergencyTick(nowSec: number): void {
    const steps = Math.min(EMERGENCY_SCAN, this.highWater);
    for (let i = 0; i < steps; i++) {
      const slot = this.hand;
      this.hand = slot + 1 < this.highWater ? slot + 1 : 0;
      this.expireInEmergency(slot, nowSec);
    }
    if (this.capacity - this.active >= this.recoveryFree) {
      this.emergency = 0;
      this.counters[Counter.FlowEmergencyOver]++;
    }
  }

  private setTimeouts(timeoutClass: TimeoutClass, t: FlowTimeouts): void {
    const normal = [t.new, t.established, t.closed, t.bypassed];
    const emergency = [t.emergencyNew, t.emergencyEstablished, t.emergencyClosed, t.emergencyBypassed];
    for (let state = 0; state < FlowState.Count; state++) {
      this.timeouts[(timeoutClass << 2) | state] = Math.min(normal[state], NEVER_TIMES_OUT);
      this.timeouts[16 | (timeoutClass << 2) | state] = Math.min(emergency[state], normal[state], NEVER_TIMES_OUT);
    }
  }
}

const QUOTED_SRC = new Int32Array(4);
const QUOTED_DST = new Int32Array(4);

/** Flags of the direction to the server; those to the client are one bit above. */
const TO_SERVER = FlowFlag.SeenTs | FlowFlag.IpOnlyTs;

function exchange(one: Uint32Array | Uint8Array | Float64Array, other: Uint32Array | Uint8Array | Float64Array, at: number): void {
  const value = one[at];
  one[at] = other[at];
  other[at] = value;
}
