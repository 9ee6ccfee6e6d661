/** EVE records of flows: flow, netflow. See eve.ts. */
import type { EveConfig } from '../config/config.js';
import { FlowState } from '../flow/codes.js';
import { FLOW_END_NAMES, FLOW_STATE_NAMES, TCP_STATE_NAMES } from '../flow/names.js';
import { appProto, community, flowCounts, hasPorts, hex, iface, isIcmp, state, trailer, vlans } from './eve-parts.js';
import type { EventRecord } from './event-decode.js';
import { FlowFact } from './event-layout.js';
import { readFlowMacs } from './flow-macs.js';
import { EVE_PROTO, POLICY_NAMES } from './names.js';
import { addressText, eveTime } from './text.js';

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
  s += community(e, config) + (config.ethernet ? flowEther(e) : '') + appProto(e);
  s += `,"flow":{${flowCounts(e)},"end":"${eveTime(e.lastSec, e.lastNsec)}","age":${Math.max(0, e.lastSec - e.startSec)}`;
  if ((e.flowFlags & FlowFact.Emergency) !== 0) s += ',"emergency":true';
  s += `,"state":"${FLOW_STATE_NAMES[e.state]}"`;
  if (e.state === FlowState.Bypassed) s += ',"bypass":"local"';
  s += `,"reason":"${FLOW_END_NAMES[e.endReason]}","alerted":${(e.flowFlags & FlowFact.Alerted) !== 0}`;
  if ((e.flowFlags & FlowFact.Dropped) !== 0) s += ',"action":"drop"';
  else if ((e.flowFlags & FlowFact.Passed) !== 0) s += ',"action":"pass"';
  if ((e.flowFlags & FlowFact.MidstreamPolicy) !== 0)
    s += `,"exception_policy":[{"target":"stream_midstream","policy":"${POLICY_NAMES[e.midstreamPolicy]}"}]`;
  s += `}${state(e, config)}`;
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
  s += state(e, config) + community(e, config) + appProto(e);
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

/** All addresses seen on both sides of the flow. */
function flowEther(e: EventRecord): string {
  const macs = readFlowMacs(e.payload);
  if (macs === undefined || macs.src.length + macs.dest.length === 0) return '';
  return `,"ether":{"dest_macs":${JSON.stringify(macs.dest)},"src_macs":${JSON.stringify(macs.src)}}`;
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

function tcpFacts(e: EventRecord): string {
  const all = e.tcpFlagsTs | e.tcpFlagsTc;
  let s = `"tcp_flags":"${hex(all)}","tcp_flags_ts":"${hex(e.tcpFlagsTs)}","tcp_flags_tc":"${hex(e.tcpFlagsTc)}"`;
  for (const [name, bit] of TCP_FLAG_FIELDS) if ((all & bit) !== 0) s += `,"${name}":true`;
  if ((e.flowFlags & FlowFact.TcpSession) !== 0) s += `,"state":"${TCP_STATE_NAMES[e.tcpState]}"`;
  return s;
}
