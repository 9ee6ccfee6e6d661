import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

process.env.TZ = 'UTC';

import { APP_PROTO_NAMES, AppProto } from '../../src/app-layer/buffers.js';
import { IpProto, Packet } from '../../src/decode/packet.js';
import { FlowFlag } from '../../src/flow/codes.js';
import { type FlowTable, Key, L4 } from '../../src/flow/flow-table.js';
import { FLOW_END_NAMES, FLOW_STATE_NAMES, TCP_STATE_NAMES } from '../../src/flow/names.js';
import { ROOT } from '../../src/native.js';
import { eveAlert } from '../../src/output/eve.js';
import { eveFlow } from '../../src/output/eve-flow.js';
import { fastLine } from '../../src/output/fast.js';
import { EVE_PROTO } from '../../src/output/names.js';
import { bench, eveConfig, rule, words } from './output-fixture.js';

/**
 * Every alert and flow record Suricata 7.0.6 wrote for the reference capture is taken apart, put into a packet and a
 * flow, sent through encoder, ring and decoder, and must come out as the same text.
 */
const REFERENCE = join(process.env.SLUICE_SHARED ?? join(ROOT, '..', 'shared'), 'reference');
const EVE = `${REFERENCE}/mixed-a.suricata-7.0.6.eve.json.xz`;
const FAST = `${REFERENCE}/mixed-a.suricata-7.0.6.fast.log`;
const skip = existsSync(EVE) ? false : 'skipped: the reference data is not on this machine';

// biome-ignore lint/suspicious/noExplicitAny: parsed JSON
type Json = any;

const lines =
  skip === false
    ? execFileSync('xzcat', [EVE], { maxBuffer: 1 << 29 })
        .toString()
        .split('\n')
    : [];
const of = (type: string): Json[] => lines.filter((l) => l.includes(`"event_type":"${type}"`)).map((l) => JSON.parse(l));

/** What this slice has no source for: most application layers, flowbits, streams, rule targets, tunnel parents. */
const LATER = new Set(
  'app_proto_ts app_proto_tc app_proto_orig app_proto_expected metadata tx_id http dns tls files fileinfo smtp email ssh ftp ftp_data smb krb5 snmp dcerpc sip nfs tftp rdp mqtt ike quic rfb modbus dnp3 enip bittorrent_dht pgsql ldap websocket http2 parent_id spi'.split(
    ' ',
  ),
);
const LATER_TCP = new Set(['ts_max_regions', 'tc_max_regions', 'ts_gap', 'tc_gap']);

/** Suricata 8 adds `ip_v`, behind `proto`, and calls protocol 4 by another name. */
function thisSlice(record: Json): Json {
  const kept: Json = {};
  for (const [key, value] of Object.entries(record)) {
    if (LATER.has(key)) continue;
    kept[key] = key === 'proto' && value === 'IPv4' ? 'IP-in-IP' : value;
    if (key === 'proto' && record.src_ip !== undefined) kept.ip_v = record.src_ip.includes(':') ? 6 : 4;
  }
  if (!APP_PROTO_NAMES.includes(kept.app_proto)) delete kept.app_proto;
  if (kept.tcp !== undefined) kept.tcp = Object.fromEntries(Object.entries(kept.tcp).filter(([key]) => !LATER_TCP.has(key)));
  if (kept.alert !== undefined) {
    kept.alert = { ...kept.alert };
    delete kept.alert.source;
    delete kept.alert.target;
  }
  return kept;
}

function time(text: string): [number, number] {
  const [whole, fraction] = text.slice(0, -5).split('.');
  return [Date.parse(`${whole}Z`) / 1000, Number(fraction) * 1000];
}

const protoNumber = (name: string) => EVE_PROTO.indexOf(name);
const versionOf = (address: string) => (address.includes(':') ? 6 : 4);

function setFlow(flows: FlowTable, slot: number, r: Json): void {
  const flow = r.flow;
  const k = slot * Key.Words;
  const client = flow.src_ip ?? r.src_ip;
  flows.key.set(words(client), k + Key.Client);
  flows.key.set(words(flow.dest_ip ?? r.dest_ip), k + Key.Server);
  flows.key[k + Key.Ports] = ((flow.src_port ?? r.src_port ?? 0) << 16) | (flow.dest_port ?? r.dest_port ?? 0);
  flows.key[k + Key.Proto] = protoNumber(r.proto) | (versionOf(client) === 6 ? 0x100 : 0);
  const vlan: number[] = r.vlan ?? [];
  flows.vlanDepth[slot] = vlan.length;
  flows.key[k + Key.Vlan01] = ((vlan[0] ?? 0) << 16) | (vlan[1] ?? 0);
  flows.key[k + Key.Vlan2] = vlan[2] ?? 0;
  flows.key[k + Key.IdLow] = (r.flow_id % 2 ** 32) | 0;
  (flows as unknown as { idHigh: Int32Array }).idHigh[slot] = Math.trunc(r.flow_id / 2 ** 32);
  [flows.key[k + Key.StartSec], flows.key[k + Key.StartNsec]] = time(flow.start);
  flows.pktsTs[slot] = flow.pkts_toserver;
  flows.pktsTc[slot] = flow.pkts_toclient;
  flows.bytesTs[slot] = flow.bytes_toserver;
  flows.bytesTc[slot] = flow.bytes_toclient;
  flows.l4[slot * L4.Words + L4.Icmp] = (r.icmp_type << 8) | r.icmp_code;
  flows.l4[slot * L4.Words + L4.IcmpAnswer] = r.response_icmp_type === undefined ? -1 : (r.response_icmp_type << 8) | r.response_icmp_code;
  if (flow.end !== undefined) {
    [flows.lastSec[slot], flows.lastNsec[slot]] = time(flow.end);
    flows.state[slot] = FLOW_STATE_NAMES.indexOf(flow.state);
    flows.flags[slot] = flow.alerted ? FlowFlag.Alerted : 0;
  }
  flows.appProto[slot] = Math.max(AppProto.Unknown, APP_PROTO_NAMES.indexOf(r.app_proto));
  flows.tcpState[slot] = 0;
  if (r.tcp !== undefined) {
    flows.tcpFlagsTs[slot] = Number.parseInt(r.tcp.tcp_flags_ts, 16);
    flows.tcpFlagsTc[slot] = Number.parseInt(r.tcp.tcp_flags_tc, 16);
    flows.tcpState[slot] = r.tcp.state === undefined ? 0 : TCP_STATE_NAMES.indexOf(r.tcp.state);
  }
}

function setPacket(p: Packet, r: Json): void {
  [p.tsSec, p.tsNsec] = time(r.timestamp);
  p.proto = protoNumber(r.proto);
  p.ipVersion = versionOf(r.src_ip);
  p.src.set(words(r.src_ip));
  p.dst.set(words(r.dest_ip));
  p.srcPort = r.src_port;
  p.dstPort = r.dest_port;
  p.icmpType = r.icmp_type ?? -1;
  p.icmpCode = r.icmp_code ?? -1;
  p.transportOff = 0;
  const vlan: number[] = r.vlan ?? [];
  p.vlanDepth = vlan.length;
  [p.vlan0 = 0, p.vlan1 = 0, p.vlan2 = 0] = vlan;
}

function ruleOf(alert: Json) {
  return rule({
    gid: alert.gid,
    sid: alert.signature_id,
    rev: alert.rev,
    msg: alert.signature,
    category: alert.category,
    priority: alert.severity,
    metadata: alert.metadata ?? {},
  });
}

test('every flow record of the reference', { skip }, () => {
  const b = bench();
  const config = eveConfig();
  let compared = 0;
  let ftp = 0;
  for (const r of of('flow')) {
    setFlow(b.flows, 0, r);
    [b.encoder.nowSec, b.encoder.nowNsec] = time(r.timestamp);
    b.encoder.flowEnded(b.flows, 0, FLOW_END_NAMES.indexOf(r.flow.reason));
    const line = eveFlow(b.take(), config, '');
    assert.equal(line, JSON.stringify(thisSlice(r)));
    if (line.includes('"app_proto":"ftp"')) ftp++;
    compared++;
  }
  assert.deepEqual([compared, ftp], [20998, 58]);
});

test('every alert record and fast.log line of the reference', { skip }, () => {
  const b = bench({ packet: false });
  const config = eveConfig();
  const fast: string[] = [];
  let streams = 0;
  for (const r of of('alert')) {
    const p = new Packet();
    setPacket(p, r);
    p.pcapCount = r.pcap_cnt ?? r.tunnel?.pcap_cnt ?? 0;
    p.defragged = r.pkt_src === 'defrag' ? 1 : 0;
    if (r.flow !== undefined) {
      setFlow(b.flows, 0, r);
      p.flow = 0;
      p.direction = r.direction === 'to_server' ? 0 : 1;
    }
    if (r.tunnel !== undefined) {
      const outer = new Packet();
      setPacket(outer, { ...r.tunnel, timestamp: r.timestamp });
      outer.tunnelLinkType = r.pkt_src.startsWith('vxlan') ? 1 : 101;
      b.encoder.outer(outer);
      p.tunnelDepth = r.tunnel.depth;
    }
    b.encoder.alert(p, b.flows, 0, 0, 0);
    const e = b.take();
    fast.push(fastLine(e, ruleOf(r.alert)));
    const expected = thisSlice(r);
    // Alerts on a pseudo packet of the stream engine say so in pkt_src: there is no stream engine yet.
    if (r.pkt_src.startsWith('stream')) {
      streams++;
      expected.pkt_src = 'wire/pcap';
    }
    // Geneve is not among the tunnels Sluice decodes; its packet went in as the other UDP tunnel.
    if (r.pkt_src === 'geneve encapsulation') expected.pkt_src = 'teredo tunnel';
    assert.equal(eveAlert(e, ruleOf(r.alert), config, ''), JSON.stringify(expected));
  }
  assert.equal(fast.length, 1328);
  assert.ok(streams < 100, `${streams} alerts on stream pseudo packets`);
  const wanted = readFileSync(FAST, 'utf8').trimEnd().split('\n');
  assert.deepEqual(fast.sort(), wanted.sort());
});

test('protocol numbers used above exist', () => {
  assert.equal(protoNumber('TCP'), IpProto.Tcp);
  assert.equal(protoNumber('IPv6-ICMP'), IpProto.IcmpV6);
});
