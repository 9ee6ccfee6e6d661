import { APP_PROTO_NAMES, AppProto } from '../app-layer/buffers.js';
import type { EveConfig } from '../config/config.js';
import { FlowState } from '../flow/codes.js';
import { FLOW_END_NAMES, FLOW_STATE_NAMES, TCP_STATE_NAMES } from '../flow/names.js';
import { REASON_NAMES } from '../ring/verdict.js';
import type { Rule } from '../rules/rule.js';
import { communityId } from './community-id.js';
import type { EventRecord } from './event-decode.js';
import { EventVerdict, FlowFact, Has } from './event-layout.js';
import { anomalyName, EVE_PROTO, LINK_TYPE_NAMES, POLICY_NAMES, TUNNEL_NAMES, VERDICT_NAMES } from './names.js';
import { addressText, eveTime, printable } from './text.js';

/**
 * EVE records (user guide, "EVE JSON Format"): alert, drop, flow. One JSON object per line, fields in
 * Suricata 7's order, so that a text comparison with Suricata's log is meaningful. Built by hand: the order
 * is the format, and everything but rule text is numbers.
 */
const json = (text: string) => JSON.stringify(text);
const hasPorts = (proto: number) => proto === 6 || proto === 17 || proto === 132;
const isIcmp = (proto: number) => proto === 1 || proto === 58;

/** What an event's source number means: an interface or queue, or (a name with a slash) a capture file. */
const isFile = (name: string) => name.includes('/');

export function eveAlert(e: EventRecord, rule: Rule, config: EveConfig, source: string): string {
  let s = header(e, 'alert', config, source);
  s += `,"alert":${alertObject(e, rule, config, e.action)}`;
  if (config.alert.verdict && e.verdict !== EventVerdict.None) s += `,"verdict":${alertVerdict(e)}`;
  if ((e.has & Has.Outer) !== 0) s += tunnel(e);
  if ((e.has & Has.Flow) !== 0) {
    s += `${appProto(e)},"direction":"${direction(e)}"`;
    if (config.alert.flow) s += `,"flow":{${flowCounts(e)}${flowTuple(e)}}`;
  }
  if (e.payload.length > 0 && config.alert.payload) s += `,"payload":"${e.payload.toString('base64')}"`;
  if (e.payload.length > 0 && config.alert.payloadPrintable) s += `,"payload_printable":${json(printable(e.payload))}`;
  if (config.alert.payloadLength && (config.alert.payload || config.alert.payloadPrintable)) s += `,"payload_length":${e.payload.length}`;
  if (config.alert.payload || config.alert.payloadPrintable) s += ',"stream":0';
  if (config.alert.packet) s += packetBytes(e);
  return `${s}${trailer(config, source)}}`;
}

/** A decode or stream event of a packet. */
export function eveAnomaly(e: EventRecord, config: EveConfig, source: string): string {
  const name = anomalyName(e.event);
  let s = header(e, 'anomaly', config, source);
  if ((e.has & Has.Outer) !== 0) s += tunnel(e);
  if (config.anomaly.packetHeader) s += packetBytes(e);
  s += `${appProto(e)},"anomaly":{"type":"${name.startsWith('stream.') ? 'stream' : 'decode'}","event":"${name}"}`;
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

export function eveFlow(e: EventRecord, config: EveConfig, source: string): string {
  let s = `{"timestamp":"${eveTime(e.tsSec, e.tsNsec)}","flow_id":${e.flowId}${iface(source)},"event_type":"flow"${vlans(e)}`;
  s += `,"src_ip":"${addressText(e.ipVersion, e.src)}"`;
  if (hasPorts(e.proto)) s += `,"src_port":${e.srcPort}`;
  s += `,"dest_ip":"${addressText(e.ipVersion, e.dst)}"`;
  if (hasPorts(e.proto)) s += `,"dest_port":${e.dstPort}`;
  s += `,"proto":"${EVE_PROTO[e.proto]}","ip_v":${e.ipVersion}`;
  if (isIcmp(e.proto)) {
    s += `,"icmp_type":${e.icmpType},"icmp_code":${e.icmpCode}`;
    if ((e.flowFlags & FlowFact.Response) !== 0) s += `,"response_icmp_type":${e.respType},"response_icmp_code":${e.respCode}`;
  }
  s += community(e, config) + appProto(e);
  s += `,"flow":{${flowCounts(e)},"end":"${eveTime(e.lastSec, e.lastNsec)}","age":${Math.max(0, e.lastSec - e.startSec)}`;
  if ((e.flowFlags & FlowFact.Emergency) !== 0) s += ',"emergency":true';
  s += `,"state":"${FLOW_STATE_NAMES[e.state]}"`;
  if (e.state === FlowState.Bypassed) s += ',"bypass":"local"';
  s += `,"reason":"${FLOW_END_NAMES[e.endReason]}","alerted":${(e.flowFlags & FlowFact.Alerted) !== 0}`;
  if ((e.flowFlags & FlowFact.Dropped) !== 0) s += ',"action":"drop"';
  else if ((e.flowFlags & FlowFact.Passed) !== 0) s += ',"action":"pass"';
  if ((e.flowFlags & FlowFact.MidstreamPolicy) !== 0)
    s += `,"exception_policy":[{"target":"stream_midstream","policy":"${POLICY_NAMES[e.midstreamPolicy]}"}]`;
  s += '}';
  if (e.proto === 6) s += `,"tcp":{${tcpFacts(e)}}`;
  return `${s}${trailer(config, source)}}`;
}

/** Two records for a flow, one a direction; the second only when it had packets (user guide, "Netflow"). */
export function eveNetflow(e: EventRecord, config: EveConfig, source: string): string[] {
  const sides = [netflowSide(e, config, source, true)];
  if (e.pktsToClient > 0) sides.push(netflowSide(e, config, source, false));
  return sides;
}

function netflowSide(e: EventRecord, config: EveConfig, source: string, toServer: boolean): string {
  let s = `{"timestamp":"${eveTime(e.tsSec, e.tsNsec)}","flow_id":${e.flowId}${iface(source)},"event_type":"netflow"${vlans(e)}`;
  const side = (name: string, address: Uint32Array, port: number) =>
    `,"${name}_ip":"${addressText(e.ipVersion, address)}"${hasPorts(e.proto) ? `,"${name}_port":${port}` : ''}`;
  s += side('src', toServer ? e.src : e.dst, toServer ? e.srcPort : e.dstPort);
  s += side('dest', toServer ? e.dst : e.src, toServer ? e.dstPort : e.srcPort);
  s += `,"proto":"${EVE_PROTO[e.proto]}","ip_v":${e.ipVersion}`;
  if (isIcmp(e.proto)) s += `,"icmp_type":${e.icmpType},"icmp_code":${e.icmpCode}`;
  s += community(e, config) + appProto(e);
  const [packets, bytes] = toServer ? [e.pktsToServer, e.bytesToServer] : [e.pktsToClient, e.bytesToClient];
  s += `,"netflow":{"pkts":${packets},"bytes":${bytes},"start":"${eveTime(e.startSec, e.startNsec)}"`;
  s += `,"end":"${eveTime(e.lastSec, e.lastNsec)}","age":${Math.max(0, e.lastSec - e.startSec)}}`;
  if (e.proto === 6) {
    const flags = toServer ? e.tcpFlagsTs : e.tcpFlagsTc;
    s += `,"tcp":{"tcp_flags":"${hex(flags)}"`;
    for (const [name, bit] of TCP_FLAG_FIELDS) if ((flags & bit) !== 0) s += `,"${name}":true`;
    s += '}';
  }
  return `${s}${trailer(config, source)}}`;
}

function header(e: EventRecord, type: string, config: EveConfig, source: string): string {
  let s = `{"timestamp":"${eveTime(e.tsSec, e.tsNsec)}"`;
  if ((e.has & Has.Flow) !== 0) s += `,"flow_id":${e.flowId}`;
  s += iface(source);
  // A tunnelled or reassembled packet is not itself in the capture file: its number stands in "tunnel".
  if (e.pcapCount > 0 && e.tunnelDepth === 0 && (e.has & Has.Defragged) === 0) s += `,"pcap_cnt":${e.pcapCount}`;
  s += `,"event_type":"${type}"${vlans(e)}`;
  if (e.ipVersion !== 0) {
    const ports = hasPorts(e.proto);
    s += `,"src_ip":"${addressText(e.ipVersion, e.src)}","src_port":${ports ? e.srcPort : 0}`;
    s += `,"dest_ip":"${addressText(e.ipVersion, e.dst)}","dest_port":${ports ? e.dstPort : 0}`;
    s += `,"proto":"${EVE_PROTO[e.proto]}","ip_v":${e.ipVersion}`;
  }
  if (isIcmp(e.proto) && (e.has & Has.Icmp) !== 0) s += `,"icmp_type":${e.icmpType},"icmp_code":${e.icmpCode}`;
  const src = (e.has & Has.Outer) !== 0 ? TUNNEL_NAMES[e.encapsulation] : (e.has & Has.Defragged) !== 0 ? 'defrag' : 'wire/pcap';
  return `${s},"pkt_src":"${src}"${community(e, config)}${config.ethernet ? ether(e) : ''}`;
}

/** `aa:bb:...`: addresses of the Ethernet header. */
function ether(e: EventRecord): string {
  if ((e.has & Has.Ethernet) === 0) return '';
  const address = (bytes: Uint8Array) => Array.from(bytes, hex).join(':');
  return `,"ether":{"src_mac":"${address(e.etherSrc)}","dest_mac":"${address(e.etherDst)}"${e.ipVersion === 0 ? `,"ether_type":${e.etherType}` : ''}}`;
}

const iface = (source: string) => (source === '' || isFile(source) ? '' : `,"in_iface":${json(source)}`);

function trailer(config: EveConfig, source: string): string {
  return config.pcapFile && isFile(source) ? `,"pcap_filename":${json(source)}` : '';
}

function vlans(e: EventRecord): string {
  if (e.vlanDepth === 0) return '';
  return `,"vlan":[${e.vlan0}${e.vlanDepth > 1 ? `,${e.vlan1}` : ''}${e.vlanDepth > 2 ? `,${e.vlan2}` : ''}]`;
}

function community(e: EventRecord, config: EveConfig): string {
  if (!config.communityId) return '';
  const id = communityId(e, config.communityIdSeed);
  return id === '' ? '' : `,"community_id":"${id}"`;
}

/** Absent until recognition ended; `failed` when it found no protocol. */
const appProto = (e: EventRecord) => (e.appProto === AppProto.Unknown ? '' : `,"app_proto":"${APP_PROTO_NAMES[e.appProto]}"`);

const direction = (e: EventRecord) => (e.direction === 0 ? 'to_server' : 'to_client');

/** The constant part of a rule's alert object, made once per rule. */
const ruleText = new WeakMap<Rule, string>();

function alertObject(e: EventRecord, rule: Rule, config: EveConfig, action: number): string {
  let text = ruleText.get(rule);
  if (text === undefined) {
    text =
      `"gid":${rule.gid},"signature_id":${rule.sid},"rev":${rule.rev},"signature":${json(rule.msg)},` +
      `"category":${json(rule.category)},"severity":${rule.priority}`;
    ruleText.set(rule, text);
  }
  let more = rule.target === undefined ? '' : sourceAndTarget(e, rule.target === 'src_ip');
  if (config.alert.metadata) more += ruleMetadata(rule);
  if (config.alert.reference && rule.references.length > 0) more += `,"references":${JSON.stringify(rule.references)}`;
  if (config.alert.raw) more += `,"rule":${json(rule.text)}`;
  return `{"action":"${action === 1 ? 'blocked' : 'allowed'}",${text}${more}}`;
}

/** User guide, "target": the attacked side, and the other as its source. */
function sourceAndTarget(e: EventRecord, targetIsSource: boolean): string {
  if (e.ipVersion === 0) return '';
  const side = (address: Uint32Array, port: number) =>
    `{"ip":"${addressText(e.ipVersion, address)}"${hasPorts(e.proto) ? `,"port":${port}` : ''}}`;
  const [src, dst] = [side(e.src, e.srcPort), side(e.dst, e.dstPort)];
  return targetIsSource ? `,"source":${dst},"target":${src}` : `,"source":${src},"target":${dst}`;
}

/** What became of the packet, and whom its rejection was told. */
function alertVerdict(e: EventRecord): string {
  const action = `{"action":"${VERDICT_NAMES[e.verdict]}"`;
  if (e.rejectSides === 0) return `${action}}`;
  return `${action},"reject-target":"${SIDE_NAMES[e.rejectSides]}","reject":["${e.proto === 6 ? 'tcp-reset' : 'icmp-prohib'}"]}`;
}

/** By Side bits (src/ring/verdict.ts), as the packet that was rejected runs to the server. */
const SIDE_NAMES: readonly string[] = ['', 'to_client', 'to_server', 'both'];

const metadataText = new WeakMap<Rule, string>();

/** Keys sorted, each with the list of its values, as Suricata writes them. */
function ruleMetadata(rule: Rule): string {
  let text = metadataText.get(rule);
  if (text !== undefined) return text;
  const keys = Object.keys(rule.metadata).sort();
  text = keys.length === 0 ? '' : `,"metadata":{${keys.map((k) => `${json(k)}:${JSON.stringify(rule.metadata[k])}`).join(',')}}`;
  metadataText.set(rule, text);
  return text;
}

function tunnel(e: EventRecord): string {
  const ports = hasPorts(e.outerProto);
  let s = `,"tunnel":{"src_ip":"${addressText(e.outerIpVersion, e.outerSrc)}","src_port":${ports ? e.outerSrcPort : 0}`;
  s += `,"dest_ip":"${addressText(e.outerIpVersion, e.outerDst)}","dest_port":${ports ? e.outerDstPort : 0}`;
  s += `,"proto":"${EVE_PROTO[e.outerProto]}","depth":${e.tunnelDepth}`;
  if (e.pcapCount > 0) s += `,"pcap_cnt":${e.pcapCount}`;
  return `${s},"pkt_src":"wire/pcap"}`;
}

function flowCounts(e: EventRecord): string {
  return (
    `"pkts_toserver":${e.pktsToServer},"pkts_toclient":${e.pktsToClient},"bytes_toserver":${e.bytesToServer},` +
    `"bytes_toclient":${e.bytesToClient},"start":"${eveTime(e.startSec, e.startNsec)}"`
  );
}

function flowTuple(e: EventRecord): string {
  const s = `,"src_ip":"${addressText(e.ipVersion, e.flowSrc)}","dest_ip":"${addressText(e.ipVersion, e.flowDst)}"`;
  return hasPorts(e.flowProto) ? `${s},"src_port":${e.flowSrcPort},"dest_port":${e.flowDstPort}` : s;
}

const TCP_FLAG_FIELDS: readonly [string, number][] = [
  ['syn', 0x02],
  ['fin', 0x01],
  ['rst', 0x04],
  ['psh', 0x08],
  ['ack', 0x10],
  ['urg', 0x20],
  ['ecn', 0x40],
  ['cwr', 0x80],
];

const hex = (n: number) => n.toString(16).padStart(2, '0');

function tcpFacts(e: EventRecord): string {
  const all = e.tcpFlagsTs | e.tcpFlagsTc;
  let s = `"tcp_flags":"${hex(all)}","tcp_flags_ts":"${hex(e.tcpFlagsTs)}","tcp_flags_tc":"${hex(e.tcpFlagsTc)}"`;
  for (const [name, bit] of TCP_FLAG_FIELDS) if ((all & bit) !== 0) s += `,"${name}":true`;
  if ((e.flowFlags & FlowFact.TcpSession) !== 0) s += `,"state":"${TCP_STATE_NAMES[e.tcpState]}"`;
  return s;
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

/** User guide, "Verdict": reject rules also say whom they answer, and with what. */
function verdict(e: EventRecord, rule: Rule | undefined): string {
  if (rule === undefined || !rule.action.startsWith('reject')) return '{"action":"drop"}';
  const target = rule.action === 'rejectboth' ? 'both' : rule.action === 'rejectdst' ? 'to_server' : 'to_client';
  return `{"action":"drop","reject-target":"${target}","reject":["${e.proto === 6 ? 'tcp-reset' : 'icmp-prohib'}"]}`;
}
