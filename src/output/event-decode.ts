import { APP_PROTO_NAMES } from '../app-layer/buffers.js';
import { FLOW_END_NAMES, FLOW_STATE_NAMES, TCP_STATE_NAMES } from '../flow/names.js';
import { REASON_NAMES } from '../ring/verdict.js';
import { At, EVENT_VERSION, EventType, EventVerdict, Has } from './event-layout.js';
import { anomalyName, POLICY_NAMES, TUNNEL_NAMES } from './names.js';

/**
 * The decoded record: the fields of the layout in event-layout.ts, by the same names. One instance is
 * reused for every record. `payload` and `packet` are copies (the writer of the shared memory may be hostile
 * and change it between two reads), empty when the record has none.
 */
export class EventRecord {
  type = 0;
  mode = 0;
  ipVersion = 0;
  source = 0;
  tsSec = 0;
  tsNsec = 0;
  pcapCount = 0;
  ruleIndex = -1;
  ruleGeneration = 0;
  action = 0;
  dropFlag = 0;
  reason = 0;
  direction = 0;
  proto = 0;
  tunnelDepth = 0;
  vlanDepth = 0;
  has = 0;
  vlan0 = 0;
  vlan1 = 0;
  vlan2 = 0;
  srcPort = 0;
  dstPort = 0;
  icmpType = 0;
  icmpCode = 0;
  readonly src = new Uint32Array(4);
  readonly dst = new Uint32Array(4);
  ipLen = 0;
  ttl = 0;
  tos = 0;
  ipId = 0;
  flowLabel = 0;
  tcpSeq = 0;
  tcpAck = 0;
  tcpWindow = 0;
  tcpFlags = 0;
  tcpReserved = 0;
  tcpUrgent = 0;
  udpLen = 0;
  icmpId = 0;
  icmpSeq = 0;
  wireLen = 0;
  linkType = 0;
  txId = -1;
  appProto = 0;
  /** Of the directions, before a change of protocol, announced for one; 0: none. */
  appProtoTs = 0;
  appProtoTc = 0;
  appProtoOriginal = 0;
  appProtoExpected = 0;
  flowId = 0;
  pktsToServer = 0;
  pktsToClient = 0;
  bytesToServer = 0;
  bytesToClient = 0;
  startSec = 0;
  startNsec = 0;
  lastSec = 0;
  lastNsec = 0;
  state = 0;
  tcpState = 0;
  endReason = 0;
  flowFlags = 0;
  tcpFlagsTs = 0;
  tcpFlagsTc = 0;
  respType = 0;
  respCode = 0;
  readonly flowSrc = new Uint32Array(4);
  readonly flowDst = new Uint32Array(4);
  flowProto = 0;
  flowSrcPort = 0;
  flowDstPort = 0;
  encapsulation = 0;
  outerProto = 0;
  outerIpVersion = 0;
  outerSrcPort = 0;
  outerDstPort = 0;
  readonly outerSrc = new Uint32Array(4);
  readonly outerDst = new Uint32Array(4);
  payload: Buffer = EMPTY;
  packet: Buffer = EMPTY;
  etherType = 0;
  readonly etherDst = new Uint8Array(6);
  readonly etherSrc = new Uint8Array(6);
  /** Code of the decode or stream event of an anomaly. */
  event = 0;
  /** EventVerdict */
  verdict = 0;
  /** Sides (src/ring/verdict.ts) that were told of a rejected packet. */
  rejectSides = 0;
  midstreamPolicy = 0;
  /** Bits of Origin. */
  origin = 0;
  /** Of the transaction: see app-record.ts. */
  app: Buffer = EMPTY;
  /** What rules have left on the flow: see state-record.ts. */
  remembered: Buffer = EMPTY;
  /** Files of the transaction that an alert is about: see alertFilesJson. */
  files: Buffer = EMPTY;
}

const EMPTY = Buffer.alloc(0);
const NSEC = 1_000_000_000;

const isIp = (version: number) => version === 4 || version === 6;
const isCount = (n: number) => Number.isSafeInteger(n) && n >= 0;

/**
 * Reads one record. The bytes come from a process that parses hostile traffic, so every length, code and
 * number is checked: false means "not a record", and `out` must not be used. Never throws.
 * Rule and source numbers are checked by the caller, who knows the tables.
 */
export function decodeEvent(bytes: Uint8Array, view: DataView, at: number, length: number, out: EventRecord): boolean {
  if (!Number.isInteger(at) || !Number.isInteger(length) || at < 0 || length < At.Bytes) return false;
  if (at + length > view.byteLength || at + length > bytes.length) return false;
  const type = view.getUint8(at + At.Type);
  if (type < EventType.Alert || type > EventType.File || view.getUint8(at + At.Version) !== EVENT_VERSION) return false;
  out.type = type;
  out.mode = view.getUint8(at + At.Mode);
  out.ipVersion = view.getUint8(at + At.IpVersion);
  out.source = view.getInt32(at + At.Source, true);
  out.tsSec = view.getUint32(at + At.TsSec, true);
  out.tsNsec = view.getUint32(at + At.TsNsec, true);
  out.pcapCount = view.getUint32(at + At.PcapCount, true);
  out.ruleIndex = view.getInt32(at + At.RuleIndex, true);
  out.ruleGeneration = view.getUint32(at + At.RuleGeneration, true);
  out.action = view.getUint8(at + At.Action);
  out.dropFlag = view.getUint8(at + At.DropFlag);
  out.reason = view.getUint8(at + At.Reason);
  out.direction = view.getUint8(at + At.Direction);
  out.proto = view.getUint8(at + At.Proto);
  out.tunnelDepth = view.getUint8(at + At.TunnelDepth);
  out.vlanDepth = view.getUint8(at + At.VlanDepth);
  out.has = view.getUint8(at + At.Flags);
  if (out.mode > 1 || (out.ipVersion !== 0 && !isIp(out.ipVersion)) || out.tsNsec >= NSEC || out.ruleIndex < -1) return false;
  if (out.action > 1 || out.dropFlag > 2 || out.reason >= REASON_NAMES.length || out.direction > 1 || out.vlanDepth > 3) return false;
  out.vlan0 = view.getUint16(at + At.Vlan0, true);
  out.vlan1 = view.getUint16(at + At.Vlan1, true);
  out.vlan2 = view.getUint16(at + At.Vlan2, true);
  out.srcPort = view.getUint16(at + At.SrcPort, true);
  out.dstPort = view.getUint16(at + At.DstPort, true);
  out.icmpType = view.getUint8(at + At.IcmpType);
  out.icmpCode = view.getUint8(at + At.IcmpCode);
  words(view, at + At.Src, out.src);
  words(view, at + At.Dst, out.dst);
  out.ipLen = view.getUint32(at + At.IpLen, true);
  out.ttl = view.getUint8(at + At.Ttl);
  out.tos = view.getUint8(at + At.Tos);
  out.ipId = view.getUint16(at + At.IpId, true);
  out.flowLabel = view.getUint32(at + At.FlowLabel, true) & 0xfffff;
  out.tcpSeq = view.getUint32(at + At.TcpSeq, true);
  out.tcpAck = view.getUint32(at + At.TcpAck, true);
  out.tcpWindow = view.getUint16(at + At.TcpWindow, true);
  out.tcpFlags = view.getUint8(at + At.TcpFlags);
  out.tcpReserved = view.getUint8(at + At.TcpReserved);
  out.tcpUrgent = view.getUint16(at + At.TcpUrgent, true);
  out.udpLen = view.getUint16(at + At.UdpLen, true);
  out.icmpId = view.getUint16(at + At.IcmpId, true);
  out.icmpSeq = view.getUint16(at + At.IcmpSeq, true);
  out.wireLen = view.getUint32(at + At.WireLen, true);
  out.linkType = view.getUint32(at + At.LinkType, true);
  out.txId = view.getInt32(at + At.TxId, true);
  out.appProto = view.getUint8(at + At.AppProto);
  out.appProtoTs = view.getUint8(at + At.AppProtoTs);
  out.appProtoTc = view.getUint8(at + At.AppProtoTc);
  out.appProtoOriginal = view.getUint8(at + At.AppProtoOriginal);
  out.appProtoExpected = view.getUint8(at + At.AppProtoExpected);
  if (Math.max(out.appProtoTs, out.appProtoTc, out.appProtoOriginal, out.appProtoExpected) >= APP_PROTO_NAMES.length) return false;
  out.etherType = view.getUint16(at + At.EtherType, true);
  out.event = view.getUint16(at + At.Event, true);
  for (let i = 0; i < 6; i++) {
    out.etherDst[i] = view.getUint8(at + At.EtherDst + i);
    out.etherSrc[i] = view.getUint8(at + At.EtherSrc + i);
  }
  out.verdict = view.getUint8(at + At.Verdict);
  out.rejectSides = view.getUint8(at + At.RejectSides);
  out.origin = view.getUint8(at + At.Origin);
  out.midstreamPolicy = view.getUint8(at + At.MidstreamPolicy);
  if (out.midstreamPolicy >= POLICY_NAMES.length) return false;
  if (out.appProto >= APP_PROTO_NAMES.length || out.verdict > EventVerdict.Drop || out.rejectSides > 3) return false;
  if (type === EventType.Anomaly ? anomalyName(out.event, out.appProto) === '' : out.event !== 0) return false;
  if ((out.has & Has.Flow) !== 0 && !decodeFlow(view, at, out)) return false;
  if ((out.has & Has.Outer) !== 0 && !decodeOuter(view, at, out)) return false;
  if (type === EventType.Flow && ((out.has & Has.Flow) === 0 || out.ipVersion === 0)) return false;
  const payload = view.getUint32(at + At.PayloadLen, true);
  const packet = view.getUint32(at + At.PacketLen, true);
  const app = view.getUint32(at + At.AppLen, true);
  const state = view.getUint32(at + At.StateLen, true);
  const files = view.getUint32(at + At.FilesLen, true);
  if (At.Bytes + payload + packet + app + state + files > length) return false;
  if (type >= EventType.App && ((out.has & Has.Flow) === 0 || out.ipVersion === 0)) return false;
  const start = at + At.Bytes;
  out.payload = payload === 0 ? EMPTY : Buffer.from(bytes.slice(start, start + payload));
  out.packet = packet === 0 ? EMPTY : Buffer.from(bytes.slice(start + payload, start + payload + packet));
  const appStart = start + payload + packet;
  out.app = app === 0 ? EMPTY : Buffer.from(bytes.slice(appStart, appStart + app));
  const stateStart = appStart + app;
  out.remembered = state === 0 ? EMPTY : Buffer.from(bytes.slice(stateStart, stateStart + state));
  const filesStart = stateStart + state;
  out.files = files === 0 ? EMPTY : Buffer.from(bytes.slice(filesStart, filesStart + files));
  return true;
}

function decodeFlow(view: DataView, at: number, out: EventRecord): boolean {
  out.flowId = view.getFloat64(at + At.FlowId, true);
  out.pktsToServer = view.getFloat64(at + At.PktsToServer, true);
  out.pktsToClient = view.getFloat64(at + At.PktsToClient, true);
  out.bytesToServer = view.getFloat64(at + At.BytesToServer, true);
  out.bytesToClient = view.getFloat64(at + At.BytesToClient, true);
  out.startSec = view.getUint32(at + At.StartSec, true);
  out.startNsec = view.getUint32(at + At.StartNsec, true);
  out.lastSec = view.getUint32(at + At.LastSec, true);
  out.lastNsec = view.getUint32(at + At.LastNsec, true);
  out.state = view.getUint8(at + At.State);
  out.tcpState = view.getUint8(at + At.TcpState);
  out.endReason = view.getUint8(at + At.EndReason);
  out.flowFlags = view.getUint8(at + At.FlowFlags);
  out.tcpFlagsTs = view.getUint8(at + At.TcpFlagsTs);
  out.tcpFlagsTc = view.getUint8(at + At.TcpFlagsTc);
  out.respType = view.getUint8(at + At.RespType);
  out.respCode = view.getUint8(at + At.RespCode);
  words(view, at + At.FlowSrc, out.flowSrc);
  words(view, at + At.FlowDst, out.flowDst);
  out.flowProto = view.getUint8(at + At.FlowProto);
  out.flowSrcPort = view.getUint16(at + At.FlowSrcPort, true);
  out.flowDstPort = view.getUint16(at + At.FlowDstPort, true);
  return (
    isCount(out.flowId) &&
    isCount(out.pktsToServer) &&
    isCount(out.pktsToClient) &&
    isCount(out.bytesToServer) &&
    isCount(out.bytesToClient) &&
    isIp(out.ipVersion) &&
    out.startNsec < NSEC &&
    out.lastNsec < NSEC &&
    out.state < FLOW_STATE_NAMES.length &&
    out.tcpState < TCP_STATE_NAMES.length &&
    out.endReason < FLOW_END_NAMES.length
  );
}

function decodeOuter(view: DataView, at: number, out: EventRecord): boolean {
  out.encapsulation = view.getUint8(at + At.Encapsulation);
  out.outerProto = view.getUint8(at + At.OuterProto);
  out.outerIpVersion = view.getUint8(at + At.OuterIpVersion);
  out.outerSrcPort = view.getUint16(at + At.OuterSrcPort, true);
  out.outerDstPort = view.getUint16(at + At.OuterDstPort, true);
  words(view, at + At.OuterSrc, out.outerSrc);
  words(view, at + At.OuterDst, out.outerDst);
  return out.encapsulation > 0 && out.encapsulation < TUNNEL_NAMES.length && isIp(out.outerIpVersion);
}

function words(view: DataView, at: number, out: Uint32Array): void {
  for (let i = 0; i < 4; i++) out[i] = view.getUint32(at + i * 4, true);
}
