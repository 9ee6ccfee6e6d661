import { protocolOf } from '../app-layer/flow-protocols.js';
import { IpProto, type Packet } from '../decode/packet.js';
import { FlowFlag, FlowProto, TcpState } from '../flow/codes.js';
import { type FlowTable, Key, L4 } from '../flow/flow-table.js';
import { At, Encapsulation, EVENT_VERSION, EventType, FlowFact, Has, Origin } from './event-layout.js';
import type { FlowMacs } from './flow-macs.js';

/** Link types of a bare IP packet (tcpdump.org, LINKTYPE_*). */
const ETHERNET = 1;
const LINKTYPE_IPV4 = 228;
const LINKTYPE_IPV6 = 229;

/** The fixed part of event records (event-layout.ts), filled in from packets and flows. Nothing is allocated per call. */
export class RecordFields {
  /** Generation of the rules `ruleIndex` refers to; set it when the worker takes a new rule set. */
  ruleGeneration = 0;
  /** The moment of writing for flow records: the worker's packet time. 0: the flow's last packet. */
  nowSec = 0;
  nowNsec = 0;
  /** Ethernet addresses of flows; null: nobody logs them. */
  macs: FlowMacs | null = null;
  /** Code of stream.midstream-policy. */
  midstreamPolicy = 0;
  /** The records that follow are about a flow that ends: no packet is at hand. */
  atFlowEnd = false;
  // The packet around the one under inspection (see `outer`)
  private outerKind = 0;
  private outerProto = 0;
  private outerIpVersion = 0;
  private outerSrcPort = 0;
  private outerDstPort = 0;
  private readonly outerSrc = new Int32Array(4);
  private readonly outerDst = new Int32Array(4);

  constructor(
    protected readonly view: DataView,
    protected readonly bytes: Uint8Array,
  ) {}

  /**
   * Remembers the packet around a tunnelled one; call it before decoding goes inside (p.tunnelOff >= 0).
   * Used by the alerts and drops of packets with tunnelDepth > 0 that follow.
   */
  outer(p: Packet): void {
    this.outerProto = p.proto;
    this.outerIpVersion = p.ipVersion;
    this.outerSrcPort = p.srcPort;
    this.outerDstPort = p.dstPort;
    for (let i = 0; i < 4; i++) {
      this.outerSrc[i] = p.src[i];
      this.outerDst[i] = p.dst[i];
    }
    if (p.proto === IpProto.Gre) this.outerKind = Encapsulation.Gre;
    else if (p.proto === IpProto.Udp) this.outerKind = p.tunnelLinkType === 1 ? Encapsulation.Vxlan : Encapsulation.Teredo;
    // Named by the packet outside, as in Suricata.
    else this.outerKind = p.ipVersion === 6 ? Encapsulation.Ipv6 : Encapsulation.Ipv4;
  }

  /** The fixed part of the record of a flow that ends. */
  protected flowRecord(at: number, flows: FlowTable, slot: number): void {
    const view = this.view;
    this.bytes.fill(0, at, at + At.Bytes);
    view.setUint8(at + At.Type, EventType.Flow);
    view.setUint8(at + At.Version, EVENT_VERSION);
    view.setUint8(at + At.IpVersion, flows.ipVersion(slot));
    view.setInt32(at + At.Source, flows.source[slot], true);
    const now = this.nowSec !== 0;
    view.setUint32(at + At.TsSec, now ? this.nowSec : flows.lastSec[slot], true);
    view.setUint32(at + At.TsNsec, now ? this.nowNsec : flows.lastNsec[slot], true);
    view.setInt32(at + At.RuleIndex, -1, true);
    view.setInt32(at + At.TxId, -1, true);
    const proto = flows.proto(slot);
    view.setUint8(at + At.Proto, proto);
    view.setUint8(at + At.TunnelDepth, flows.tunnelDepth(slot));
    const vlans = flows.vlanDepth[slot];
    view.setUint8(at + At.VlanDepth, Math.min(vlans, 3));
    if (vlans > 0) view.setUint16(at + At.Vlan0, flows.vlan(slot, 0), true);
    if (vlans > 1) view.setUint16(at + At.Vlan1, flows.vlan(slot, 1), true);
    if (vlans > 2) view.setUint16(at + At.Vlan2, flows.vlan(slot, 2), true);
    let has = Has.Flow;
    const k = slot * Key.Words;
    for (let i = 0; i < 4; i++) {
      view.setInt32(at + At.Src + i * 4, flows.key[k + Key.Client + i], true);
      view.setInt32(at + At.Dst + i * 4, flows.key[k + Key.Server + i], true);
    }
    if (proto === IpProto.Icmp || proto === IpProto.IcmpV6) {
      has |= Has.Icmp;
      const first = flows.l4[slot * L4.Words + L4.Icmp];
      view.setUint8(at + At.IcmpType, first >> 8);
      view.setUint8(at + At.IcmpCode, first);
    } else {
      view.setUint16(at + At.SrcPort, flows.srcPort(slot), true);
      view.setUint16(at + At.DstPort, flows.dstPort(slot), true);
    }
    view.setUint8(at + At.Flags, has);
    this.flow(at, flows, slot);
  }

  /** The record is told from the other side than that of its packet. */
  protected swapEthernet(at: number): void {
    const { bytes } = this;
    for (let i = 0; i < 6; i++) {
      const byte = bytes[at + At.EtherDst + i];
      bytes[at + At.EtherDst + i] = bytes[at + At.EtherSrc + i];
      bytes[at + At.EtherSrc + i] = byte;
    }
  }

  protected packet(at: number, p: Packet, flows: FlowTable, type: number, ruleIndex: number): void {
    const view = this.view;
    const mem = p.mem;
    this.bytes.fill(0, at, at + At.Bytes);
    view.setUint8(at + At.Type, type);
    view.setUint8(at + At.Version, EVENT_VERSION);
    view.setUint8(at + At.Mode, p.mode);
    view.setUint8(at + At.Origin, this.atFlowEnd ? Origin.FlowEnd : 0);
    view.setUint8(at + At.IpVersion, p.ipVersion);
    view.setInt32(at + At.Source, p.source, true);
    view.setUint32(at + At.TsSec, p.tsSec, true);
    view.setUint32(at + At.TsNsec, p.tsNsec, true);
    view.setUint32(at + At.PcapCount, p.pcapCount, true);
    view.setInt32(at + At.RuleIndex, ruleIndex, true);
    view.setUint32(at + At.RuleGeneration, this.ruleGeneration, true);
    view.setUint8(at + At.Direction, p.direction);
    view.setUint8(at + At.Proto, p.proto);
    view.setUint8(at + At.TunnelDepth, p.tunnelDepth);
    view.setUint8(at + At.VlanDepth, Math.min(p.vlanDepth, 3));
    view.setUint16(at + At.Vlan0, p.vlan0, true);
    view.setUint16(at + At.Vlan1, p.vlan1, true);
    view.setUint16(at + At.Vlan2, p.vlan2, true);
    view.setUint16(at + At.SrcPort, p.srcPort, true);
    view.setUint16(at + At.DstPort, p.dstPort, true);
    for (let i = 0; i < 4; i++) {
      view.setInt32(at + At.Src + i * 4, p.src[i], true);
      view.setInt32(at + At.Dst + i * 4, p.dst[i], true);
    }
    view.setUint32(at + At.IpLen, p.ipLen, true);
    view.setUint8(at + At.Ttl, p.ttl);
    view.setUint8(at + At.Tos, p.tos);
    view.setUint16(at + At.IpId, p.ipId, true);
    view.setUint32(at + At.TcpSeq, p.tcpSeq, true);
    view.setUint32(at + At.TcpAck, p.tcpAck, true);
    view.setUint16(at + At.TcpWindow, p.tcpWindow, true);
    view.setUint8(at + At.TcpFlags, p.tcpFlags);
    view.setUint32(at + At.WireLen, p.wireLen, true);
    // What was put together from fragments begins with its IP header.
    view.setUint32(at + At.LinkType, p.defragged === 0 ? p.linkType : p.ipVersion === 6 ? LINKTYPE_IPV6 : LINKTYPE_IPV4, true);
    view.setInt32(at + At.TxId, -1, true);
    let has = p.defragged !== 0 ? Has.Defragged : 0;
    view.setUint16(at + At.EtherType, p.etherType, true);
    const eth = p.ethOff;
    if (eth >= 0 && eth + 14 <= mem.length) {
      has |= Has.Ethernet;
      for (let i = 0; i < 12; i++) view.setUint8(at + At.EtherDst + i, mem[eth + i]);
    } else if (p.defragged !== 0 && p.linkHeaderType === ETHERNET && p.linkHeaderLen >= 14) {
      has |= Has.Ethernet;
      for (let i = 0; i < 12; i++) view.setUint8(at + At.EtherDst + i, p.linkHeader[i]);
    } else if (this.macs !== null && p.flow >= 0 && this.macs.pair(p.flow, p.direction, this.bytes, at + At.EtherDst)) has |= Has.Ethernet;
    const ip = p.ipOff;
    if (p.ipVersion === 6 && ip >= 0 && ip + 4 <= mem.length)
      view.setUint32(at + At.FlowLabel, ((mem[ip + 1] & 0x0f) << 16) | (mem[ip + 2] << 8) | mem[ip + 3], true);
    if (p.icmpType >= 0) {
      has |= Has.Icmp;
      view.setUint8(at + At.IcmpType, p.icmpType);
      view.setUint8(at + At.IcmpCode, p.icmpCode);
    }
    // Header fields Packet does not hold, from the bytes it points to.
    const l4 = p.transportOff;
    if (l4 >= 0) {
      has |= Has.Transport;
      if (p.proto === IpProto.Tcp && l4 + 20 <= mem.length) {
        view.setUint8(at + At.TcpReserved, mem[l4 + 12] & 0x0f);
        view.setUint16(at + At.TcpUrgent, (mem[l4 + 18] << 8) | mem[l4 + 19], true);
      } else if (p.proto === IpProto.Udp && l4 + 8 <= mem.length) {
        view.setUint16(at + At.UdpLen, (mem[l4 + 4] << 8) | mem[l4 + 5], true);
      } else if (isEcho(p.proto, p.icmpType) && l4 + 8 <= mem.length) {
        has |= Has.IcmpEcho;
        view.setUint16(at + At.IcmpId, (mem[l4 + 4] << 8) | mem[l4 + 5], true);
        view.setUint16(at + At.IcmpSeq, (mem[l4 + 6] << 8) | mem[l4 + 7], true);
      }
    }
    if (p.tunnelDepth > 0 && this.outerKind !== 0) {
      has |= Has.Outer;
      view.setUint8(at + At.Encapsulation, this.outerKind);
      view.setUint8(at + At.OuterProto, this.outerProto);
      view.setUint8(at + At.OuterIpVersion, this.outerIpVersion);
      view.setUint16(at + At.OuterSrcPort, this.outerSrcPort, true);
      view.setUint16(at + At.OuterDstPort, this.outerDstPort, true);
      for (let i = 0; i < 4; i++) {
        view.setInt32(at + At.OuterSrc + i * 4, this.outerSrc[i], true);
        view.setInt32(at + At.OuterDst + i * 4, this.outerDst[i], true);
      }
    }
    if (p.flow >= 0) {
      has |= Has.Flow;
      this.flow(at, flows, p.flow);
    }
    view.setUint8(at + At.Flags, has);
  }

  protected flow(at: number, flows: FlowTable, slot: number): void {
    const view = this.view;
    const k = slot * Key.Words;
    const key = flows.key;
    const proto = flows.proto(slot);
    const flags = flows.flags[slot];
    let facts = 0;
    if ((flags & FlowFlag.Alerted) !== 0) facts |= FlowFact.Alerted;
    if ((flags & FlowFlag.Dropped) !== 0) facts |= FlowFact.Dropped;
    if ((flags & FlowFlag.Passed) !== 0) facts |= FlowFact.Passed;
    if ((flags & FlowFlag.Emergency) !== 0) facts |= FlowFact.Emergency;
    if ((flags & FlowFlag.MidstreamPolicy) !== 0) {
      facts |= FlowFact.MidstreamPolicy;
      view.setUint8(at + At.MidstreamPolicy, this.midstreamPolicy);
    }
    if (proto === IpProto.Tcp) {
      view.setUint8(at + At.TcpState, flows.tcpState[slot]);
      if (flows.tcpState[slot] !== TcpState.None) facts |= FlowFact.TcpSession;
    } else if (proto === IpProto.Icmp || proto === IpProto.IcmpV6) {
      const answer = flows.l4[slot * L4.Words + L4.IcmpAnswer];
      if (answer >= 0) {
        facts |= FlowFact.Response;
        view.setUint8(at + At.RespType, answer >> 8);
        view.setUint8(at + At.RespCode, answer);
      }
    }
    view.setUint8(at + At.AppProto, protocolOf(flows, slot));
    const protos = slot * FlowProto.Count;
    view.setUint8(at + At.AppProtoTs, flows.appProtos[protos + FlowProto.ToServer]);
    view.setUint8(at + At.AppProtoTc, flows.appProtos[protos + FlowProto.ToClient]);
    view.setUint8(at + At.AppProtoOriginal, flows.appProtos[protos + FlowProto.Original]);
    view.setUint8(at + At.AppProtoExpected, flows.appProtos[protos + FlowProto.Expected]);
    view.setFloat64(at + At.FlowId, flows.flowId(slot), true);
    view.setFloat64(at + At.PktsToServer, flows.pktsTs[slot], true);
    view.setFloat64(at + At.PktsToClient, flows.pktsTc[slot], true);
    view.setFloat64(at + At.BytesToServer, flows.bytesTs[slot], true);
    view.setFloat64(at + At.BytesToClient, flows.bytesTc[slot], true);
    view.setUint32(at + At.StartSec, key[k + Key.StartSec], true);
    view.setUint32(at + At.StartNsec, key[k + Key.StartNsec], true);
    view.setUint32(at + At.LastSec, flows.lastSec[slot], true);
    view.setUint32(at + At.LastNsec, flows.lastNsec[slot], true);
    view.setUint8(at + At.State, flows.state[slot]);
    view.setUint8(at + At.FlowFlags, facts);
    view.setUint8(at + At.TcpFlagsTs, flows.tcpFlagsTs[slot]);
    view.setUint8(at + At.TcpFlagsTc, flows.tcpFlagsTc[slot]);
    for (let i = 0; i < 4; i++) {
      view.setInt32(at + At.FlowSrc + i * 4, key[k + Key.Client + i], true);
      view.setInt32(at + At.FlowDst + i * 4, key[k + Key.Server + i], true);
    }
    view.setUint8(at + At.FlowProto, proto);
    view.setUint16(at + At.FlowSrcPort, flows.srcPort(slot), true);
    view.setUint16(at + At.FlowDstPort, flows.dstPort(slot), true);
  }
}

/** Echo request and reply (RFC 792, RFC 4443): the messages with an identifier and a sequence number. */
function isEcho(proto: number, type: number): boolean {
  return proto === IpProto.Icmp ? type === 8 || type === 0 : proto === IpProto.IcmpV6 && (type === 128 || type === 129);
}
