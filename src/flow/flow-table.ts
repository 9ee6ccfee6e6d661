import { randomFillSync } from 'node:crypto';
import type { FlowConfig } from '../config/config.js';
import { IpProto, type Packet, TcpFlag } from '../decode/packet.js';
import { Counter } from '../metrics/counters.js';
import { FlowEnd, FlowFlag, FlowState, NoFlow, TcpMask, TcpState, TimeoutClass } from './codes.js';
import { FLOW_BYTES, FlowColumns } from './flow-columns.js';
import { FlowHash } from './flow-hash.js';
import { FlowIds } from './flow-ids.js';
import { FlowIndex } from './flow-index.js';
import { type EndSink, FlowLives } from './flow-lives.js';
import { embeddedIpv4, icmpPorts, isIcmpV4Error } from './icmp.js';
import { HAS_VLAN, IPV6, L4 } from './layout.js';

export { Key, L4 } from './layout.js';

/** Told of every flow that ends; the slot is still readable during the call, and must not be kept. */
export type FlowEndSink = EndSink<FlowTable>;

const INDEX_ENTRY_BYTES = 8;
/** Due flows looked at per tick: at least a batch of packets, so that expiry keeps up with creation. */
const TICK_BUDGET = 64;

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
export class FlowTable extends FlowColumns {
  /**
   * 1: a flow that begins with a SYN+ACK has that packet's receiver as client. Set by the TCP tracker where such
   * sessions are picked up; where they are not, the flow's client is the sender of its first packet, as in Suricata.
   * A packet that netfilter rules chose (p.selective) counts as picked up in any case.
   */
  reverseSynAck = 0;
  private readonly hasher: FlowHash;
  private readonly index: FlowIndex;
  private readonly lives: FlowLives<FlowTable>;
  private readonly ids: FlowIds;
  private readonly vlanMask: number;
  private readonly depthMask: number;
  private readonly indexBytes: number;

  constructor(
    config: FlowConfig,
    private readonly counters: Float64Array,
    onEnd: FlowEndSink,
    options: FlowTableOptions = {},
  ) {
    const size = indexSize(config);
    super(Math.max(1, Math.min(Math.floor((config.memcap - size * INDEX_ENTRY_BYTES) / FLOW_BYTES), Math.floor((size * 3) / 4))));
    const seed = options.seed ?? randomFillSync(new Int32Array(8));
    this.hasher = new FlowHash(seed);
    this.ids = new FlowIds(options.thread ?? 0, seed[6], seed[7]);
    this.vlanMask = config.vlanUse ? -1 : 0;
    this.depthMask = config.recursionUse === false ? 0 : -1;
    this.index = new FlowIndex(size, this.key, this.hot);
    this.lives = new FlowLives(config, this, this.index, counters, onEnd);
    this.indexBytes = size * INDEX_ENTRY_BYTES;
    counters[Counter.FlowMemuse] = this.indexBytes;
  }

  /** Flows at present. */
  get active(): number {
    return this.lives.active;
  }
  get emergency(): number {
    return this.lives.emergency;
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
    const found = this.index.find(hash, p.src, p.dst, ports, meta, vlan01, vlan2);
    p.flowNew = 0;
    let successor = 0;
    if (found >= 0) {
      const slot = found >> 1;
      const direction = found & 1;
      const idle = (p.tsSec - this.lastSec[slot]) | 0;
      if (idle !== 0 && idle > this.lives.timeoutOf(slot)) this.lives.timeOut(slot);
      else if (proto === IpProto.Tcp && this.isReuse(p, slot, direction)) {
        const flags = this.flags[slot];
        if ((flags & BOTH_SEEN) === BOTH_SEEN || (flags & FlowFlag.Successor) !== 0) successor = FlowFlag.Successor;
        this.lives.end(slot, FlowEnd.TcpReuse);
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
    const more = this.lives.tick(nowSec, budget);
    this.counters[Counter.FlowMemuse] = this.indexBytes + this.active * FLOW_BYTES;
    return more;
  }

  /** Shutdown: reports and frees every live flow. */
  endAll(): void {
    while (this.endSome(this.capacity));
  }

  /** Shutdown in steps: reports and frees up to `budget` live flows. Returns true when there are more. */
  endSome(budget: number): boolean {
    return this.lives.endSome(budget);
  }

  /** Changes the state, and with it the timeout. A bypassed flow stays bypassed. */
  setState(slot: number, state: FlowState): void {
    if (this.state[slot] === state || this.state[slot] === FlowState.Bypassed) return;
    this.state[slot] = state;
    this.lives.rearm(slot);
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

  private create(p: Packet, hash: number, ports: number, meta: number): number {
    p.flow = -1;
    p.direction = 0;
    p.established = 0;
    const { lives, counters } = this;
    const slot = lives.take(p.tsSec);
    if (slot < 0) {
      counters[Counter.FlowMemcap]++;
      return NoFlow.Memcap;
    }
    const tcp = p.proto === IpProto.Tcp;
    const pickedUp = (this.reverseSynAck | p.selective) !== 0;
    const swapped = tcp && pickedUp && (p.tcpFlags & TcpMask.Start) === (TcpFlag.Syn | TcpFlag.Ack);
    this.setKey(slot, p, swapped, ports, meta, hash);
    this.ids.assign(slot, this.key, this.idHigh);
    this.clear(slot, p);
    if (lives.emergency !== 0) this.flags[slot] = FlowFlag.Emergency;
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
    counters[Counter.FlowsTotal]++;
    this.index.insert(hash, slot);
    lives.begin(slot);
    p.flow = slot;
    p.flowNew = 1;
    p.direction = swapped ? 1 : 0;
    this.count(p, slot, p.direction);
    return slot;
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
    const found = this.index.find(this.hasher.hash(src, dst, ports, meta, vlan01, vlan2), src, dst, ports, meta, vlan01, vlan2);
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
    if ((p.tcpFlags & TcpMask.Start) !== TcpFlag.Syn || p.csumInvalid !== 0) return false;
    const state = this.tcpState[slot];
    if (state === TcpState.None) return true;
    if (direction === 0 && this.l4[slot * L4.Words + L4.Isn] === p.tcpSeq) return false;
    // Nobody follows a bypassed session to its end: whether this one is another, only inspecting it tells.
    if ((this.flags[slot] & (FlowFlag.Bypassed | FlowFlag.Dropped)) === FlowFlag.Bypassed) return true;
    return state === TcpState.TimeWait || state === TcpState.LastAck || state === TcpState.Closing || state === TcpState.Closed;
  }
}

/** Entries of the index, a power of two: at least hash-size, enough for what memcap has room for, at most a quarter of it. */
function indexSize(config: FlowConfig): number {
  const wanted = Math.max(1, Math.floor(config.memcap / (FLOW_BYTES + 2 * INDEX_ENTRY_BYTES)));
  let size = 2;
  while (size < config.hashSize || size * 3 < wanted * 4) size *= 2;
  while (size > 2 && size * INDEX_ENTRY_BYTES * 4 > config.memcap) size /= 2;
  return size;
}

const QUOTED_SRC = new Int32Array(4);
const QUOTED_DST = new Int32Array(4);
