import { AppProto, appProtoOf } from '../app-layer/buffers.js';
import type { Protocol } from '../app-layer/protocol.js';
import type { Config } from '../config/config.js';
import { IpProto, type Packet } from '../decode/packet.js';
import { FlowFlag, TcpState } from '../flow/codes.js';
import { type FlowTable, Key, L4 } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import type { EventRing } from '../ring/event-ring.js';
import { Reason } from '../ring/verdict.js';
import { AppRecordWriter } from './app-record.js';
import { At, Encapsulation, EVENT_VERSION, EventType, FlowFact, Has, MAX_PACKET_BYTES } from './event-layout.js';
import { FLOW_MACS_BYTES, FlowMacs } from './flow-macs.js';
import { STREAM_EVENT_BASE } from './names.js';

export * from './event-layout.js';

/** Bytes of a packet without IP that every alert carries: fast.log prints them as "Raw pkt". */
const RAW_BYTES = 32;

export interface EncoderOptions {
  payload: boolean;
  packet: boolean;
  /** Most payload bytes in a record. */
  payloadBufferSize: number;
  /** `start`: of the packets dropped because their flow is, one per direction (eve `drop.flows`). Default `all`. */
  dropFlows?: 'all' | 'start';
  /** false: nobody writes drop records, so none are made. Default true. */
  drops?: boolean;
  /** false: nobody writes flow records, so none are made. Default true. */
  flows?: boolean;
  /** Decode events, stream events: whether somebody writes records of them. Default false. */
  anomalies?: { decode: boolean; stream: boolean; packetHeader: boolean };
  /** Flow records have the flow's Ethernet addresses. Default false. */
  macs?: boolean;
  /** Somebody writes records of tagged packets. Default false. */
  tagged?: boolean;
  /** AppProtos whose transactions somebody writes records of; whether alerts have the record of their transaction. Default none, false. */
  app?: readonly number[];
  appAlerts?: boolean;
  /** Files are logged. */
  files?: boolean;
}

/** Few transactions are open when a flow ends, and most have little to say. */
const ENDING_BYTES = 4096;

/** Link types of a bare IP packet (tcpdump.org, LINKTYPE_*). */
const ETHERNET = 1;
const LINKTYPE_IPV4 = 228;
const LINKTYPE_IPV6 = 229;

/** Bytes of the packet in an anomaly record (eve `packethdr`). */
const ANOMALY_BYTES = 32;

/** Drops already reported per flow and direction: direct-mapped, so a collision costs one record too many. */
const DROP_LOGGED = 8192;

/**
 * Writes event records into a worker's ring. Nothing is allocated per call; a full ring counts
 * Counter.EventsLost and returns.
 */
export class EventEncoder {
  /** Generation of the rules `ruleIndex` refers to; set it when the worker takes a new rule set. */
  ruleGeneration = 0;
  /** The moment of writing for flow records: the worker's packet time. 0: the flow's last packet. */
  nowSec = 0;
  nowNsec = 0;
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly payloadMax: number;
  private readonly packets: boolean;
  private readonly drops: boolean;
  private readonly flowRecords: boolean;
  private readonly dropStart: boolean;
  private readonly decodeAnomalies: boolean;
  private readonly streamAnomalies: boolean;
  private readonly taggedPackets: boolean;
  private readonly anomalyBytes: number;
  /** Ethernet addresses of flows; null: nobody logs them. */
  macs: FlowMacs | null = null;
  private readonly wantsMacs: boolean;
  /** Code of stream.midstream-policy. */
  midstreamPolicy = 0;
  /** EventVerdict and sides told of a rejection, for the alerts that follow: the engine knows before it reports them. */
  verdict = 0;
  rejectSides = 0;
  private readonly appTypes = new Uint8Array(AppProto.Count);
  private readonly appAlerts: boolean;
  private readonly files: boolean;
  private readonly fileRecord = new AppRecordWriter();
  /** For the records of transactions that end with a flow. */
  private readonly appRoom: number;
  private readonly record = new AppRecordWriter();
  /** Of the transaction that alerts are about: its parser, and whether `record` holds it already. */
  private txParser: Protocol | null = null;
  private tx = -1;
  private txId = -1;
  private isWritten = false;
  private readonly dropLogged = new Float64Array(DROP_LOGGED).fill(-1);
  // The packet around the one under inspection (see `outer`)
  private outerKind = 0;
  private outerProto = 0;
  private outerIpVersion = 0;
  private outerSrcPort = 0;
  private outerDstPort = 0;
  private readonly outerSrc = new Int32Array(4);
  private readonly outerDst = new Int32Array(4);

  static options(config: Config): EncoderOptions {
    const eves = [config.outputs.eve, ...(config.outputs.otherEves ?? [])].filter((eve) => eve.enabled);
    const alerts = eves.filter((eve) => eve.alert.enabled);
    const drops = eves.filter((eve) => eve.drop.enabled);
    return {
      payload: alerts.some((eve) => eve.alert.payload || eve.alert.payloadPrintable),
      packet: alerts.some((eve) => eve.alert.packet),
      payloadBufferSize: Math.max(0, ...alerts.map((eve) => eve.alert.payloadBufferSize)),
      dropFlows: drops.some((eve) => eve.drop.flows === 'all') ? 'all' : 'start',
      drops: drops.length > 0,
      flows: eves.some((eve) => eve.flow || eve.netflow),
      anomalies: {
        decode: eves.some((eve) => eve.anomaly.decode),
        stream: eves.some((eve) => eve.anomaly.stream),
        packetHeader: eves.some((eve) => eve.anomaly.packetHeader),
      },
      macs: eves.some((eve) => eve.flow && eve.ethernet),
      tagged: alerts.some((eve) => eve.alert.taggedPackets),
      app: eves.flatMap((eve) => (eve.app ?? []).map(appProtoOf)),
      files: eves.some((eve) => eve.files === true),
      appAlerts: alerts.some((eve) => eve.alert.appLayer !== false),
    };
  }

  constructor(
    private readonly ring: EventRing,
    private readonly counters: Float64Array,
    options: EncoderOptions,
  ) {
    this.view = ring.view;
    this.bytes = ring.bytes;
    this.payloadMax = options.payload ? Math.max(0, Math.trunc(options.payloadBufferSize)) : 0;
    this.packets = options.packet;
    this.drops = options.drops !== false;
    this.flowRecords = options.flows !== false;
    this.dropStart = options.dropFlows === 'start';
    this.decodeAnomalies = options.anomalies?.decode === true;
    this.streamAnomalies = options.anomalies?.stream === true;
    this.taggedPackets = options.tagged === true;
    this.appAlerts = options.appAlerts === true;
    this.files = options.files === true;
    this.appRoom = this.files || (options.app ?? []).length > 0 ? ENDING_BYTES : 0;
    for (const proto of options.app ?? []) this.appTypes[proto] = 1;
    this.wantsMacs = options.macs === true;
    this.anomalyBytes = options.anomalies?.packetHeader === true ? ANOMALY_BYTES : 0;
  }

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

  /** `action` 0 allowed, 1 blocked; `dropFlag` 0 none, 1 [Drop], 2 [wDrop]. */
  alert(p: Packet, flows: FlowTable, ruleIndex: number, action: number, dropFlag: number): void {
    let payload = Math.min(p.payloadLen, this.payloadMax);
    if (payload < 0 || p.payloadOff < 0 || p.payloadOff + payload > p.mem.length) payload = 0;
    const packet = this.packetBytes(p);
    const app = this.txParser === null ? 0 : this.appRecord();
    const link = packet === 0 || p.defragged === 0 ? 0 : Math.min(p.linkHeaderLen, MAX_PACKET_BYTES - packet);
    const at = this.ring.reserve(At.Bytes + payload + link + packet + app);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, EventType.Alert, ruleIndex);
    this.view.setUint8(at + At.Action, action);
    this.view.setUint8(at + At.DropFlag, dropFlag);
    this.view.setUint8(at + At.Verdict, this.verdict);
    this.view.setUint8(at + At.RejectSides, this.rejectSides);
    this.view.setUint32(at + At.PayloadLen, payload, true);
    this.view.setUint32(at + At.PacketLen, link + packet, true);
    if (link > 0) this.view.setUint32(at + At.LinkType, p.linkHeaderType, true);
    let to = at + At.Bytes;
    if (payload > 0) this.copy(p.mem, p.payloadOff, payload, to);
    to += payload;
    if (link > 0) this.copy(p.linkHeader, 0, link, to);
    to += link;
    if (packet > 0) this.copy(p.mem, p.off, packet, to);
    if (this.txParser !== null) this.appPart(at, this.txParser.proto, this.txId, to + packet, app);
    this.ring.commit();
  }

  /** The alerts that follow are about this transaction; `parser` null: about the packet again. */
  about(parser: Protocol | null, tx: number, id: number): void {
    this.txParser = parser;
    this.tx = tx;
    this.txId = id;
    this.isWritten = false;
  }

  /** A transaction is complete. `p`: a packet of its flow, whose time it is. */
  transaction(p: Packet, flows: FlowTable, parser: Protocol, tx: number, id: number): void {
    const files = this.files && parser.file !== undefined;
    if (this.appTypes[parser.proto] === 0 && !files) return;
    this.write(parser, tx);
    // Records are told from the client's side mostly, files from that of who sends them.
    const side = parser.side === undefined ? 0 : parser.side(tx);
    if (this.appTypes[parser.proto] !== 0 && this.record.length > 0) this.ended(EventType.App, p, flows, parser, id, side, 0);
    for (let direction = 0; files && direction < 2; direction++) {
      this.fileRecord.reset();
      parser.file!(tx, direction, this.fileRecord);
      if (this.fileRecord.length > 0) this.ended(EventType.File, p, flows, parser, id, direction, this.fileRecord.length);
    }
  }

  private ended(type: EventType, p: Packet, flows: FlowTable, parser: Protocol, id: number, direction: number, file: number): void {
    const { record, view } = this;
    const at = this.ring.reserve(At.Bytes + file + record.length);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, type, -1);
    if (p.direction !== direction) {
      for (let i = 0; i < 4; i++) {
        view.setInt32(at + At.Src + i * 4, p.dst[i], true);
        view.setInt32(at + At.Dst + i * 4, p.src[i], true);
      }
      view.setUint16(at + At.SrcPort, p.dstPort, true);
      view.setUint16(at + At.DstPort, p.srcPort, true);
    }
    if (file > 0) {
      view.setUint32(at + At.PacketLen, file, true);
      this.copy(this.fileRecord.bytes, 0, file, at + At.Bytes);
    }
    this.appPart(at, parser.proto, id, at + At.Bytes + file, record.length);
    this.ring.commit();
  }

  /** Length of the record of the transaction that alerts are about. */
  private appRecord(): number {
    if (!this.appAlerts || this.txParser === null) return 0;
    if (!this.isWritten) this.write(this.txParser, this.tx);
    this.isWritten = true;
    return this.record.length;
  }

  private write(parser: Protocol, tx: number): void {
    const { record } = this;
    record.reset();
    parser.record(tx, record);
    if (record.cut) this.counters[Counter.AppRecordsCut]++;
  }

  private appPart(at: number, proto: number, id: number, to: number, length: number): void {
    this.view.setInt32(at + At.TxId, id, true);
    this.view.setUint8(at + At.AppProto, proto);
    this.view.setUint32(at + At.AppLen, length, true);
    if (length > 0) this.copy(this.record.bytes, 0, length, to);
  }

  /** `ruleIndex` -1: no rule caused it. */
  drop(p: Packet, flows: FlowTable, reason: number, ruleIndex: number): void {
    if (!this.drops) return;
    if (this.dropStart && p.flow >= 0 && this.alreadyReported(p, flows) && reason === Reason.FlowDropped) return;
    const at = this.ring.reserve(At.Bytes);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, EventType.Drop, ruleIndex);
    this.view.setUint8(at + At.Action, 1);
    this.view.setUint8(at + At.Reason, reason);
    this.ring.commit();
  }

  /** One record for each event of the packet that somebody writes. */
  anomalies(p: Packet, flows: FlowTable): void {
    if (this.decodeAnomalies) for (let i = 0; i < p.eventCount; i++) this.anomaly(p, flows, p.events[i]);
    if (this.streamAnomalies) for (let i = 0; i < p.streamEventCount; i++) this.anomaly(p, flows, p.streamEvents[i] + STREAM_EVENT_BASE);
  }

  private anomaly(p: Packet, flows: FlowTable, code: number): void {
    const bytes = this.anomalyBytes === 0 || p.off < 0 || p.off + p.capLen > p.mem.length ? 0 : Math.min(p.capLen, this.anomalyBytes);
    const at = this.ring.reserve(At.Bytes + bytes);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, EventType.Anomaly, -1);
    this.view.setUint16(at + At.Event, code, true);
    this.view.setUint32(at + At.PacketLen, bytes, true);
    if (bytes > 0) this.copy(p.mem, p.off, bytes, at + At.Bytes);
    this.ring.commit();
  }

  /** A packet of a tagged flow or host (keyword `tag`), with its bytes. */
  tagged(p: Packet, flows: FlowTable): void {
    if (!this.taggedPackets) return;
    const bytes = p.off < 0 || p.capLen <= 0 || p.off + p.capLen > p.mem.length ? 0 : Math.min(p.capLen, MAX_PACKET_BYTES);
    const at = this.ring.reserve(At.Bytes + bytes);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
    this.packet(at, p, flows, EventType.Packet, -1);
    this.view.setUint32(at + At.PacketLen, bytes, true);
    if (bytes > 0) this.copy(p.mem, p.off, bytes, at + At.Bytes);
    this.ring.commit();
  }

  /** `slots`: of the flow table whose packets come. */
  watchMacs(slots: number): void {
    if (this.wantsMacs) this.macs = new FlowMacs(slots);
  }

  /** Flow records that are sure to fit the ring now; without anybody to write them, any number. */
  flowRoom(): number {
    return this.flowRecords ? this.ring.room(At.Bytes + (this.macs === null ? 0 : FLOW_MACS_BYTES) + this.appRoom) : 0x7fffffff;
  }

  /** A flow left the table; call it before the slot is cleared. `endReason`: a FlowEnd code. Fits FlowEndSink. */
  flowEnded(flows: FlowTable, slot: number, endReason: number): void {
    if (!this.flowRecords) return;
    const macs = this.macs === null ? 0 : this.macs.length(slot);
    const at = this.ring.reserve(At.Bytes + macs);
    if (at < 0) {
      this.counters[Counter.EventsLost]++;
      return;
    }
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
    view.setUint8(at + At.EndReason, endReason);
    if (this.macs !== null) {
      view.setUint32(at + At.PayloadLen, macs, true);
      this.macs.write(slot, this.bytes, at + At.Bytes);
    }
    this.ring.commit();
  }

  /** True when a drop of this flow and direction was reported before; remembers it either way. */
  private alreadyReported(p: Packet, flows: FlowTable): boolean {
    const at = (p.flow * 2 + (p.direction & 1)) & (DROP_LOGGED - 1);
    const id = flows.flowId(p.flow);
    const known = this.dropLogged[at] === id;
    this.dropLogged[at] = id;
    return known;
  }

  private packetBytes(p: Packet): number {
    if (p.off < 0 || p.capLen <= 0 || p.off + p.capLen > p.mem.length) return 0;
    const most = this.packets ? MAX_PACKET_BYTES : p.ipVersion === 0 ? RAW_BYTES : 0;
    return Math.min(p.capLen, most);
  }

  private copy(from: Uint8Array, offset: number, length: number, to: number): void {
    const bytes = this.bytes;
    // A plain loop: `subarray` would allocate. Alerts are rare, payloads are short.
    for (let i = 0; i < length; i++) bytes[to + i] = from[offset + i];
  }

  private packet(at: number, p: Packet, flows: FlowTable, type: number, ruleIndex: number): void {
    const view = this.view;
    const mem = p.mem;
    this.bytes.fill(0, at, at + At.Bytes);
    view.setUint8(at + At.Type, type);
    view.setUint8(at + At.Version, EVENT_VERSION);
    view.setUint8(at + At.Mode, p.mode);
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
    }
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

  private flow(at: number, flows: FlowTable, slot: number): void {
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
    view.setUint8(at + At.AppProto, flows.appProto[slot]);
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
