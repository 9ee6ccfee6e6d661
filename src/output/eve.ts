/**
 * EVE records (user guide, "EVE JSON Format") of packets: alert, anomaly, packet, drop; those of flows are in eve-flow.ts. One JSON
 * object per line, fields in Suricata 7's order, so that a text comparison with Suricata's log is meaningful. Built by hand: the order
 * is the format, and everything but rule text is numbers.
 */

import { APP_PROTO_NAMES, AppProto } from '../app-layer/buffers.js';
import type { EveConfig } from '../config/config.js';
import { REASON_NAMES } from '../ring/verdict.js';
import type { Rule } from '../rules/rule.js';
import { alertFilesJson, appRecordBeside, appRecordJson, appRecordType, fileRecordJson } from './app-record.js';
import { dnsView, wantedFields } from './app-view.js';
import { appProto, community, flowCounts, hasPorts, hex, iface, isIcmp, json, state, trailer, vlans } from './eve-parts.js';
import { alertObject, alertVerdict, verdict } from './eve-rule.js';
import type { EventRecord } from './event-decode.js';
import { EventVerdict, Has, Origin } from './event-layout.js';
import { APP_EVENT_BASE, anomalyName, anomalyType, EVE_PROTO, LINK_TYPE_NAMES, TUNNEL_NAMES } from './names.js';
import { addressText, eveTime, printable } from './text.js';
import { forwardedFor } from './xff.js';

export function eveAlert(e: EventRecord, rule: Rule, config: EveConfig, source: string): string {
  const client = forwardedFor(e, config.alert.xff);
  let s = header(e, 'alert', config, source, config.alert.xff?.mode === 'overwrite' ? client : '');
  if (e.txId >= 0) s += `,"tx_id":${e.txId}`;
  if ((e.origin & Origin.Guessed) !== 0) s += ',"tx_guessed":true';
  s += `,"alert":${alertObject(e, rule, config, e.action, client === '' || config.alert.xff?.mode === 'overwrite' ? '' : client)}`;
  if (config.alert.verdict && e.verdict !== EventVerdict.None) s += `,"verdict":${alertVerdict(e)}`;
  if ((e.has & Has.Outer) !== 0) s += tunnel(e);
  if (config.alert.appLayer !== false && e.app.length > 0) s += appObject(e);
  const files = config.alert.appLayer === false ? '' : alertFilesJson(e.files);
  if (files !== '') s += `,"files":${files}`;
  if ((e.has & Has.Flow) !== 0) {
    s += `${appProto(e)},"direction":"${direction(e)}"`;
    if (config.alert.flow) s += `,"flow":{${flowCounts(e)}${flowTuple(e)}}`;
  }
  if (e.payload.length > 0 && config.alert.payload) s += `,"payload":"${e.payload.toString('base64')}"`;
  if (e.payload.length > 0 && config.alert.payloadPrintable) s += `,"payload_printable":${json(printable(e.payload))}`;
  if (config.alert.payloadLength && (config.alert.payload || config.alert.payloadPrintable)) s += `,"payload_length":${e.payload.length}`;
  if (config.alert.payload || config.alert.payloadPrintable) s += `,"stream":${(e.origin & Origin.Stream) === 0 ? 0 : 1}`;
  if (config.alert.packet) s += packetBytes(e);
  return `${s}${trailer(config, source)}}`;
}

/** Types whose records say themselves which transaction they are about, or of which a flow has one. */
const WITHOUT_TX_ID = new Set(['dns', 'tls']);

/** An application layer transaction that is complete; '' when what it brings is no record. */
export function eveApp(e: EventRecord, config: EveConfig, source: string): string {
  const type = appRecordType(e.appProto);
  let object = appRecordJson(e.appProto, e.app, wantedFields(type, config));
  if (type === 'dns' && config.dns !== undefined && object !== '') object = dnsView(object, config.dns);
  const beside = appRecordBeside(e.appProto, e.app);
  if (object === '' || (object === '{}' && beside === '')) return '';
  const client = forwardedFor(e, config.xff);
  if (client !== '' && config.xff?.mode === 'extra-data') object = `${object.slice(0, -1)},"xff":"${client}"}`;
  const id = WITHOUT_TX_ID.has(type) ? '' : `,"tx_id":${e.txId}`;
  return `${header(e, type, config, source, config.xff?.mode === 'overwrite' ? client : '')}${id},"${type}":${object}${beside}${trailer(config, source)}}`;
}

/** A file; '' for bytes that are no record of one. */
export function eveFile(e: EventRecord, config: EveConfig, source: string): string {
  const file = e.packet.length === 0 ? '' : fileRecordJson(e.packet);
  if (file === '') return '';
  // As in Suricata: what it would say of FTP-DATA, the file says.
  const object = e.appProto === AppProto.FtpData ? '' : appObject(e);
  const client = forwardedFor(e, config.xff);
  const beside = client !== '' && config.xff?.mode === 'extra-data' ? `,"xff":"${client}"` : '';
  const s = header(e, 'fileinfo', config, source, config.xff?.mode === 'overwrite' ? client : '');
  return `${s}${beside}${object}${appProto(e)},"fileinfo":${file}${trailer(config, source)}}`;
}

/** `,"http":{...}`. */
function appObject(e: EventRecord): string {
  const object = appRecordJson(e.appProto, e.app);
  const beside = appRecordBeside(e.appProto, e.app);
  if (object === '' || (object === '{}' && beside === '')) return '';
  const type = appRecordType(e.appProto);
  return `,"${type}":${object}${beside}`;
}

/** An event of a packet, of a flow's protocol or of a transaction. */
export function eveAnomaly(e: EventRecord, config: EveConfig, source: string): string {
  const name = anomalyName(e.event, e.appProto);
  const type = anomalyType(e.event);
  let s = header(e, 'anomaly', config, source);
  if ((e.has & Has.Outer) !== 0) s += tunnel(e);
  if (config.anomaly.packetHeader) s += packetBytes(e);
  if (type === 'applayer') {
    if (e.txId >= 0) s += `,"tx_id":${e.txId}`;
    const proto = e.appProto === AppProto.Unknown ? '' : `"app_proto":"${APP_PROTO_NAMES[e.appProto]}",`;
    const layer = e.event < APP_EVENT_BASE ? 'proto_detect' : 'proto_parser';
    s += `,"anomaly":{${proto}"type":"applayer","event":"${name}","layer":"${layer}"}`;
  } else s += `${appProto(e)},"anomaly":{"type":"${type}","event":"${name}"}`;
  return `${s}${trailer(config, source)}}`;
}

/** A packet logged because its flow or host is tagged (user guide, "tag"). */
export function evePacket(e: EventRecord, config: EveConfig, source: string): string {
  return `${header(e, 'packet', config, source)}${packetBytes(e)}${trailer(config, source)}}`;
}

function packetBytes(e: EventRecord): string {
  if (e.packet.length === 0) return '';
  const name = LINK_TYPE_NAMES[e.linkType];
  const info = `{"linktype":${e.linkType}${name === undefined ? '' : `,"linktype_name":"${name}"`}}`;
  return `,"packet":"${e.packet.toString('base64')}","packet_info":${info}`;
}

/** `rule` undefined: no rule caused the drop. */
export function eveDrop(e: EventRecord, rule: Rule | undefined, config: EveConfig, source: string): string {
  let s = header(e, 'drop', config, source);
  if ((e.has & Has.Outer) !== 0) s += tunnel(e);
  if ((e.has & Has.Flow) !== 0) s += `${appProto(e)},"direction":"${direction(e)}"`;
  s += `,"drop":{${dropFacts(e)}"reason":${json(REASON_NAMES[e.reason])}}`;
  if (config.drop.verdict) s += `,"verdict":${verdict(e, rule)}`;
  if (rule !== undefined && config.drop.alerts) s += `,"alert":${alertObject(e, rule, config, 1)}`;
  return `${s}${trailer(config, source)}}`;
}

/** `client`: whom to name in place of the flow's client; '': nobody. */
function header(e: EventRecord, type: string, config: EveConfig, source: string, client = ''): string {
  let s = `{"timestamp":"${eveTime(e.tsSec, e.tsNsec)}"`;
  if ((e.has & Has.Flow) !== 0) s += `,"flow_id":${e.flowId}`;
  s += iface(source);
  // A tunnelled or reassembled packet is not itself in the capture file: its number stands in "tunnel".
  if (e.pcapCount > 0 && e.tunnelDepth === 0 && (e.has & Has.Defragged) === 0) s += `,"pcap_cnt":${e.pcapCount}`;
  s += `,"event_type":"${type}"${vlans(e)}`;
  if (e.ipVersion !== 0) {
    const ports = hasPorts(e.proto);
    const src = client !== '' && e.direction === 0 ? client : addressText(e.ipVersion, e.src);
    const dst = client !== '' && e.direction === 1 ? client : addressText(e.ipVersion, e.dst);
    s += `,"src_ip":"${src}","src_port":${ports ? e.srcPort : 0},"dest_ip":"${dst}","dest_port":${ports ? e.dstPort : 0}`;
    s += `,"proto":"${EVE_PROTO[e.proto]}","ip_v":${e.ipVersion}`;
  }
  if (isIcmp(e.proto) && (e.has & Has.Icmp) !== 0) s += `,"icmp_type":${e.icmpType},"icmp_code":${e.icmpCode}`;
  return `${s},"pkt_src":"${packetSource(e)}"${state(e, config)}${community(e, config)}${config.ethernet ? ether(e) : ''}`;
}

function packetSource(e: EventRecord): string {
  if ((e.origin & Origin.FlowEnd) !== 0) return 'stream (flow timeout)';
  return (e.has & Has.Outer) !== 0 ? TUNNEL_NAMES[e.encapsulation] : (e.has & Has.Defragged) !== 0 ? 'defrag' : 'wire/pcap';
}

/** `aa:bb:...`: addresses of the Ethernet header. */
function ether(e: EventRecord): string {
  if ((e.has & Has.Ethernet) === 0) return '';
  const address = (bytes: Uint8Array) => Array.from(bytes, hex).join(':');
  return `,"ether":{"src_mac":"${address(e.etherSrc)}","dest_mac":"${address(e.etherDst)}"${e.ipVersion === 0 ? `,"ether_type":${e.etherType}` : ''}}`;
}

const direction = (e: EventRecord) => (e.direction === 0 ? 'to_server' : 'to_client');

function tunnel(e: EventRecord): string {
  const ports = hasPorts(e.outerProto);
  let s = `,"tunnel":{"src_ip":"${addressText(e.outerIpVersion, e.outerSrc)}","src_port":${ports ? e.outerSrcPort : 0}`;
  s += `,"dest_ip":"${addressText(e.outerIpVersion, e.outerDst)}","dest_port":${ports ? e.outerDstPort : 0}`;
  s += `,"proto":"${EVE_PROTO[e.outerProto]}","depth":${e.tunnelDepth}`;
  if (e.pcapCount > 0) s += `,"pcap_cnt":${e.pcapCount}`;
  return `${s},"pkt_src":"wire/pcap"}`;
}

function flowTuple(e: EventRecord): string {
  const s = `,"src_ip":"${addressText(e.ipVersion, e.flowSrc)}","dest_ip":"${addressText(e.ipVersion, e.flowDst)}"`;
  return hasPorts(e.flowProto) ? `${s},"src_port":${e.flowSrcPort},"dest_port":${e.flowDstPort}` : s;
}

/** Header facts of the dropped packet, each with its comma. IPv6 has its own names for three of them. */
function dropFacts(e: EventRecord): string {
  let s = '';
  if (e.ipVersion === 4) s = `"len":${e.ipLen},"tos":${e.tos},"ttl":${e.ttl},"ipid":${e.ipId},`;
  else if (e.ipVersion === 6) s = `"len":${Math.max(0, e.ipLen - 40)},"tc":${e.tos},"hoplimit":${e.ttl},"flowlbl":${e.flowLabel},`;
  if ((e.has & Has.Transport) === 0) return s;
  if (e.proto === 6) {
    const f = e.tcpFlags;
    s += `"tcpseq":${e.tcpSeq},"tcpack":${e.tcpAck},"tcpwin":${e.tcpWindow},"syn":${(f & 2) !== 0},"ack":${(f & 16) !== 0},`;
    s += `"psh":${(f & 8) !== 0},"rst":${(f & 4) !== 0},"urg":${(f & 32) !== 0},"fin":${(f & 1) !== 0},`;
    s += `"tcpres":${e.tcpReserved},"tcpurgp":${e.tcpUrgent},`;
  } else if (e.proto === 17) {
    s += `"udplen":${e.udpLen},`;
  } else if ((e.has & Has.IcmpEcho) !== 0) {
    s += `"icmp_id":${e.icmpId},"icmp_seq":${e.icmpSeq},`;
  }
  return s;
}
