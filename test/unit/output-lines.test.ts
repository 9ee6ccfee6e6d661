import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.TZ = 'UTC';

import { APP_PROTO_NAMES, AppProto } from '../../src/app-layer/buffers.js';
import { DecodeEvent } from '../../src/decode/events.js';
import { FlowEnd, FlowFlag, FlowState } from '../../src/flow/codes.js';
import { communityId } from '../../src/output/community-id.js';
import { eveAlert, eveAnomaly, eveDrop, evePacket } from '../../src/output/eve.js';
import { eveFlow, eveNetflow } from '../../src/output/eve-flow.js';
import { EventVerdict } from '../../src/output/event-layout.js';
import { fastLine } from '../../src/output/fast.js';
import { EVE_PROTO, FAST_PROTO } from '../../src/output/names.js';
import { addressText, eveTime, printable } from '../../src/output/text.js';
import { Reason } from '../../src/ring/verdict.js';
import { StreamEvent } from '../../src/stream/events.js';
import { bench, eveConfig, rule, tcpPacket, words } from './output-fixture.js';

const wdrop = rule({ sid: 99999, msg: 'FTP anonymous login attempt', category: 'Attempted Information Leak', priority: 2 });

function alertRecord(dropFlag = 0, change: (p: ReturnType<typeof tcpPacket>) => void = () => {}, action = 0) {
  const b = bench();
  const p = tcpPacket();
  change(p);
  if (p.ipVersion !== 0) b.flows.lookup(p);
  b.encoder.alert(p, b.flows, 0, action, dropFlag);
  return b.take();
}

test('fast.log: [Drop] and [wDrop] stand between two single spaces, no flag is two spaces', () => {
  const start = '11/14/2023-22:13:20.123456 ';
  const rest =
    '[**] [1:99999:1] FTP anonymous login attempt [**] [Classification: Attempted Information Leak] [Priority: 2] {TCP} 192.168.1.1:40000 -> 10.0.0.2:80';
  assert.equal(fastLine(alertRecord(0), wdrop), `${start} ${rest}`);
  assert.equal(fastLine(alertRecord(1), wdrop), `${start} [Drop] ${rest}`);
  assert.equal(fastLine(alertRecord(2), wdrop), `${start} [wDrop] ${rest}`);
});

test('fast.log: (null) without a classification, ICMP type and code for ports, number without a protocol name', () => {
  assert.match(fastLine(alertRecord(), rule()), /\[Classification: \(null\)\] \[Priority: 3\]/);
  const icmp = alertRecord(0, (p) => {
    p.proto = 1;
    p.icmpType = 8;
    p.icmpCode = 1;
  });
  assert.match(fastLine(icmp, rule()), / \{ICMP\} 192\.168\.1\.1:8 -> 10\.0\.0\.2:1$/);
  const odd = alertRecord(0, (p) => {
    p.proto = 170;
  });
  assert.match(fastLine(odd, rule()), / \{PROTO:170\} 192\.168\.1\.1:0 -> 10\.0\.0\.2:0$/);
  assert.equal(EVE_PROTO[170], '170');
  assert.equal(EVE_PROTO[10], '010');
  assert.equal(FAST_PROTO[6], 'TCP');
});

test('fast.log: a packet without IP shows its first bytes', () => {
  const e = alertRecord(0, (p) => {
    p.ipVersion = 0;
    p.mem.set([0xde, 0xad, 1]);
  });
  assert.match(fastLine(e, rule()), /\[Priority: 3\] \[\*\*\] \[Raw pkt: DE AD 01 (00 ){29}\]$/);
});

test('fast.log: a rule message with line ends makes one line', () => {
  assert.equal(fastLine(alertRecord(), rule({ msg: 'a\nb\r{"x"' })).split(/[\r\n]/).length, 1);
});

test('eve alert: payload, packet, interface, pcap number, metadata sorted', () => {
  const e = alertRecord(
    1,
    (p) => {
      p.pcapCount = 7;
      p.vlanDepth = 2;
      p.vlan0 = 10;
      p.vlan1 = 20;
    },
    1,
  );
  const alert = { ...eveConfig().alert, payload: true, payloadPrintable: true, packet: true };
  const line = eveAlert(e, rule({ msg: 'say "hi"', metadata: { b: ['2'], a: ['1', 'x'] } }), eveConfig({ alert, pcapFile: true }), 'eth0');
  const r = JSON.parse(line);
  assert.deepEqual(Object.keys(r), [
    'timestamp',
    'flow_id',
    'in_iface',
    'pcap_cnt',
    'event_type',
    'vlan',
    'src_ip',
    'src_port',
    'dest_ip',
    'dest_port',
    'proto',
    'ip_v',
    'pkt_src',
    'alert',
    'direction',
    'flow',
    'payload',
    'payload_printable',
    'stream',
    'packet',
    'packet_info',
  ]);
  assert.deepEqual(r.alert, {
    action: 'blocked',
    gid: 1,
    signature_id: 1,
    rev: 1,
    signature: 'say "hi"',
    category: '',
    severity: 3,
    metadata: { a: ['1', 'x'], b: ['2'] },
  });
  assert.deepEqual(Object.keys(r.alert.metadata), ['a', 'b']);
  assert.deepEqual([r.in_iface, r.pcap_cnt, r.vlan], ['eth0', 7, [10, 20]]);
  assert.equal(Buffer.from(r.payload, 'base64').toString(), 'hello');
  assert.deepEqual([r.payload_printable, r.stream, r.packet_info], ['hello', 0, { linktype: 1, linktype_name: 'EN10MB' }]);
  assert.equal(
    JSON.parse(eveAlert(e, rule({ metadata: { a: ['1'] } }), eveConfig({ alert: { ...alert, metadata: false } }), '')).alert.metadata,
    undefined,
  );
});

test('eve: a source with a slash is a capture file, not an interface', () => {
  const e = alertRecord();
  const r = JSON.parse(eveAlert(e, rule(), eveConfig({ pcapFile: true }), '/tmp/x.pcap'));
  assert.deepEqual([r.in_iface, r.pcap_filename], [undefined, '/tmp/x.pcap']);
});

test('eve drop: IPv4 and TCP header, reason, verdict, the alert behind it', () => {
  const b = bench();
  const p = tcpPacket();
  p.mem[34 + 12] = 0x5a;
  p.mem.set([1, 2], 34 + 18);
  b.flows.lookup(p);
  b.encoder.drop(p, b.flows, Reason.Rule, 3);
  const e = b.take();
  const r = JSON.parse(eveDrop(e, wdrop, eveConfig(), 'eth1'));
  assert.deepEqual(Object.keys(r), [
    'timestamp',
    'flow_id',
    'in_iface',
    'event_type',
    'src_ip',
    'src_port',
    'dest_ip',
    'dest_port',
    'proto',
    'ip_v',
    'pkt_src',
    'direction',
    'drop',
    'verdict',
    'alert',
  ]);
  assert.equal(
    JSON.stringify(r.drop),
    '{"len":45,"tos":2,"ttl":64,"ipid":4711,"tcpseq":4294967294,"tcpack":5,"tcpwin":501,"syn":false,"ack":true,"psh":true,"rst":false,"urg":false,"fin":false,"tcpres":10,"tcpurgp":258,"reason":"rules"}',
  );
  assert.deepEqual([r.event_type, r.verdict, r.alert.action, r.alert.signature_id], ['drop', { action: 'drop' }, 'blocked', 99999]);
  const quiet = JSON.parse(eveDrop(e, wdrop, eveConfig({ drop: { enabled: true, alerts: false, flows: 'all', verdict: false } }), ''));
  assert.deepEqual([quiet.alert, quiet.verdict], [undefined, undefined]);
  const reject = (action: 'reject' | 'rejectdst' | 'rejectboth') => JSON.parse(eveDrop(e, rule({ action }), eveConfig(), '')).verdict;
  assert.deepEqual(reject('reject'), { action: 'drop', 'reject-target': 'to_client', reject: ['tcp-reset'] });
  assert.equal(reject('rejectdst')['reject-target'], 'to_server');
  assert.equal(reject('rejectboth')['reject-target'], 'both');
});

test('reject: blocked in both modes, [Drop] inline, [wDrop] where Sluice only listens', () => {
  const reject = rule({ action: 'reject', sid: 7 });
  for (const [dropFlag, mark] of [
    [1, '[Drop]'],
    [2, '[wDrop]'],
  ] as const) {
    const e = alertRecord(dropFlag, undefined, 1);
    assert.ok(fastLine(e, reject).includes(` ${mark} [**] [1:7:1] `));
    assert.equal(JSON.parse(eveAlert(e, reject, eveConfig(), 'NFQ#0')).alert.action, 'blocked');
  }
  assert.equal(JSON.parse(eveAlert(alertRecord(2), wdrop, eveConfig(), 'NFLOG#2')).alert.action, 'allowed');
});

test('eve: the queue or log group a packet came from is its in_iface', () => {
  for (const name of ['NFQ#0', 'NFLOG#2']) assert.equal(JSON.parse(eveAlert(alertRecord(), rule(), eveConfig(), name)).in_iface, name);
});

test('eve: app_proto in alert, drop and flow, where Suricata has it; absent while unknown', () => {
  const lines = (proto: AppProto) => {
    const b = bench();
    const p = tcpPacket();
    b.flows.lookup(p);
    b.flows.appProto[p.flow] = proto;
    b.encoder.alert(p, b.flows, 0, 0, 0);
    b.encoder.drop(p, b.flows, Reason.Rule, 0);
    b.encoder.flowEnded(b.flows, p.flow, FlowEnd.Timeout);
    const config = eveConfig();
    return [eveAlert(b.take(), rule(), config, ''), eveDrop(b.take(), rule(), config, ''), eveFlow(b.take(), config, '')];
  };
  for (const line of lines(AppProto.Unknown)) assert.ok(!('app_proto' in JSON.parse(line)), line);
  for (const line of lines(AppProto.Failed)) assert.equal(JSON.parse(line).app_proto, 'failed');
  const [alert, drop, flow] = lines(AppProto.Ftp);
  assert.match(alert, /\},"app_proto":"ftp","direction":"to_server","flow":\{/);
  assert.match(drop, /"pkt_src":"wire\/pcap","app_proto":"ftp","direction":"to_server","drop":\{/);
  assert.match(flow, /"proto":"TCP","ip_v":4,"app_proto":"ftp","flow":\{/);
  assert.equal(APP_PROTO_NAMES.length, AppProto.Count);
});

test('eve alert: verdict, sides told, target, references, text, Ethernet addresses, each where asked for', () => {
  const b = bench();
  const p = tcpPacket();
  p.ethOff = 0;
  p.mem.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0], 0);
  b.flows.lookup(p);
  b.encoder.verdict = EventVerdict.Drop;
  b.encoder.rejectSides = 3;
  b.encoder.alert(p, b.flows, 0, 1, 1);
  const e = b.take();
  const r = rule({ target: 'dest_ip', references: ['url,example.org'], text: 'alert tcp ...', metadata: { k: ['v'] } });
  const alert = { ...eveConfig().alert, verdict: true, reference: true, raw: true, metadata: false, flow: false };
  const full = JSON.parse(eveAlert(e, r, eveConfig({ alert, ethernet: true }), ''));
  assert.deepEqual(full.verdict, { action: 'drop', 'reject-target': 'both', reject: ['tcp-reset'] });
  assert.deepEqual(full.ether, { src_mac: '02:00:00:00:00:02', dest_mac: '02:00:00:00:00:01' });
  assert.deepEqual(
    [full.alert.references, full.alert.rule, full.alert.metadata, full.flow],
    [['url,example.org'], r.text, undefined, undefined],
  );
  assert.deepEqual(full.alert.source, { ip: full.src_ip, port: full.src_port });
  assert.deepEqual(full.alert.target, { ip: full.dest_ip, port: full.dest_port });
  const plain = JSON.parse(eveAlert(e, rule(), eveConfig(), ''));
  assert.deepEqual([plain.verdict, plain.ether, plain.alert.references, plain.alert.source], [undefined, undefined, undefined, undefined]);
});

test('eve anomaly: one record for each decode and stream event that is wanted', () => {
  const names = (decode: boolean, stream: boolean) => {
    const b = bench({ anomalies: { decode, stream, packetHeader: true } });
    const p = tcpPacket();
    p.addEvent(DecodeEvent.Ipv4OptInvalid);
    p.addStreamEvent(StreamEvent.PktInvalidTimestamp);
    b.encoder.anomalies(p, b.flows);
    const found: [string, string][] = [];
    while (b.ring.peek() >= 0) {
      const config = eveConfig({ anomaly: { decode, stream, applayer: false, packetHeader: true } });
      const { event_type, anomaly, packet } = JSON.parse(eveAnomaly(b.take(), config, ''));
      assert.equal(event_type, 'anomaly');
      assert.ok(Buffer.from(packet, 'base64').length <= 32);
      found.push([anomaly.type, anomaly.event]);
    }
    return found;
  };
  const decode = ['decode', 'decoder.ipv4.opt_invalid'];
  const stream = ['stream', 'stream.pkt_invalid_timestamp'];
  assert.deepEqual(names(true, true), [decode, stream]);
  assert.deepEqual(names(true, false), [decode]);
  assert.deepEqual(names(false, true), [stream]);
  assert.deepEqual(names(false, false), []);
});

test('eve packet: a tagged packet with its bytes, only when somebody writes it', () => {
  const quiet = bench();
  quiet.encoder.tagged(tcpPacket(), quiet.flows);
  assert.ok(quiet.ring.peek() < 0);
  const b = bench({ tagged: true });
  const p = tcpPacket();
  b.encoder.tagged(p, b.flows);
  const r = JSON.parse(evePacket(b.take(), eveConfig(), '/captures/a.pcap'));
  assert.equal(r.event_type, 'packet');
  assert.deepEqual(Buffer.from(r.packet, 'base64'), Buffer.from(p.mem.subarray(p.off, p.off + p.capLen)));
  assert.deepEqual(r.packet_info, { linktype: 1, linktype_name: 'EN10MB' });
});

test('eve flow: the midstream policy that was applied', () => {
  const b = bench();
  const p = tcpPacket();
  b.flows.lookup(p);
  b.encoder.midstreamPolicy = 3;
  b.flows.flags[p.flow] |= FlowFlag.MidstreamPolicy;
  b.encoder.flowEnded(b.flows, p.flow, FlowEnd.Timeout);
  const { flow } = JSON.parse(eveFlow(b.take(), eveConfig(), ''));
  assert.deepEqual(flow.exception_policy, [{ target: 'stream_midstream', policy: 'pass_flow' }]);
});

test('eve netflow: a record for each direction that had packets', () => {
  const b = bench();
  const p = tcpPacket();
  b.flows.lookup(p);
  b.encoder.flowEnded(b.flows, p.flow, FlowEnd.Timeout);
  const e = b.take();
  e.pktsToServer = 3;
  e.bytesToServer = 300;
  e.pktsToClient = 0;
  const one = eveNetflow(e, eveConfig(), '').map((line) => JSON.parse(line));
  assert.equal(one.length, 1);
  assert.deepEqual([one[0].event_type, one[0].netflow.pkts, one[0].netflow.bytes], ['netflow', 3, 300]);
  e.pktsToClient = 2;
  const two = eveNetflow(e, eveConfig(), '').map((line) => JSON.parse(line));
  assert.deepEqual([two[1].src_ip, two[1].dest_ip, two[1].netflow.pkts], [two[0].dest_ip, two[0].src_ip, 2]);
});

test('eve drop: UDP, ICMP echo and IPv6 have their own fields; a packet without IP only the reason', () => {
  const drop = (change: (p: ReturnType<typeof tcpPacket>) => void) => {
    const b = bench();
    const p = tcpPacket();
    change(p);
    b.encoder.drop(p, b.flows, Reason.FlowMemcap, -1);
    return JSON.parse(eveDrop(b.take(), undefined, eveConfig(), ''));
  };
  const udp = drop((p) => {
    p.proto = 17;
    p.mem.set([0, 20], 34 + 4);
  });
  assert.deepEqual(udp.drop, { len: 45, tos: 2, ttl: 64, ipid: 4711, udplen: 20, reason: 'flow memcap' });
  assert.equal(udp.alert, undefined);
  const echo = drop((p) => {
    p.proto = 1;
    p.icmpType = 8;
    p.icmpCode = 0;
    p.mem.set([0, 5, 0, 6], 34 + 4);
  });
  assert.deepEqual([echo.drop.icmp_id, echo.drop.icmp_seq, echo.icmp_type, echo.src_port], [5, 6, 8, 0]);
  const v6 = drop((p) => {
    p.ipVersion = 6;
    p.mem.set([0x60, 0x0a, 0xbc, 0xde], 14);
    p.src.set(words('2001:0db8:0000:0000:0000:0000:0000:0001'));
  });
  assert.deepEqual([v6.drop.len, v6.drop.tc, v6.drop.hoplimit, v6.drop.flowlbl], [5, 2, 64, 0xabcde]);
  assert.equal(v6.src_ip, '2001:0db8:0000:0000:0000:0000:0000:0001');
  const raw = drop((p) => {
    p.ipVersion = 0;
    p.transportOff = -1;
  });
  assert.deepEqual([raw.drop, raw.src_ip, raw.proto], [{ reason: 'flow memcap' }, undefined, undefined]);
});

test('eve flow: bypass, emergency and action', () => {
  const b = bench();
  const p = tcpPacket();
  b.flows.lookup(p);
  b.flows.flags[p.flow] |= FlowFlag.Emergency | FlowFlag.Passed;
  b.flows.state[p.flow] = FlowState.Bypassed;
  b.encoder.flowEnded(b.flows, p.flow, FlowEnd.Forced);
  const r = JSON.parse(eveFlow(b.take(), eveConfig(), ''));
  assert.deepEqual(Object.keys(r.flow).slice(-7), ['age', 'emergency', 'state', 'bypass', 'reason', 'alerted', 'action']);
  assert.deepEqual([r.flow.state, r.flow.bypass, r.flow.reason, r.flow.action], ['bypassed', 'local', 'forced', 'pass']);
});

test('community id: the baseline of the specification', () => {
  // corelight/community-id-spec, baseline/baseline_deflt.json (seed 0) and baseline_seed1.json; ICMP: type and its answer, or code
  const cases: [number, string, string, number, number, string, number][] = [
    [6, '128.232.110.120', '66.35.250.204', 34855, 80, '1:LQU9qZlK+B5F3KDmev6m5PMibrg=', 0],
    [6, '66.35.250.204', '128.232.110.120', 80, 34855, '1:LQU9qZlK+B5F3KDmev6m5PMibrg=', 0],
    [17, '192.168.1.52', '8.8.8.8', 54585, 53, '1:d/FP5EW3wiY1vCndhwleRRKHowQ=', 0],
    [132, '192.168.170.8', '192.168.170.56', 7, 7, '1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=', 0],
    [1, '192.168.0.89', '192.168.0.1', 8, 0, '1:X0snYXpgwiv9TZtqg64sgzUn6Dk=', 0],
    [1, '192.168.0.1', '192.168.0.89', 0, 0, '1:X0snYXpgwiv9TZtqg64sgzUn6Dk=', 0],
    [1, '10.0.0.1', '10.0.0.2', 11, 0, '1:YHxtAirCG//0OzkcVAukqKQN9xM=', 0],
    [46, '10.1.12.1', '10.1.12.2', 0, 0, '1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=', 0],
    [46, '10.1.12.2', '10.1.12.1', 0, 0, '1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=', 0],
    [
      6,
      '2001:0470:e5bf:dead:4957:2174:e82c:4887',
      '2607:f8b0:400c:0c03:0000:0000:0000:001a',
      63943,
      25,
      '1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=',
      0,
    ],
    [58, 'fe80:0000:0000:0000:0200:86ff:fe05:80da', 'fe80:0000:0000:0000:0260:97ff:fe07:69ea', 135, 0, '1:dGHyGvjMfljg6Bppwm3bg0LO8TY=', 0],
    [58, 'fe80:0000:0000:0000:0260:97ff:fe07:69ea', 'fe80:0000:0000:0000:0200:86ff:fe05:80da', 136, 0, '1:dGHyGvjMfljg6Bppwm3bg0LO8TY=', 0],
    [58, '3ffe:0501:1800:2345:0000:0000:0000:0002', '3ffe:0507:0000:0001:0200:86ff:fe05:80da', 3, 0, '1:2ObVBgIn28oZvibYZhZMBgh7WdQ=', 0],
    [58, 'fe80:0000:0000:0000:0200:86ff:fe05:80da', 'ff02:0000:0000:0000:0000:0000:0000:0002', 133, 0, '1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0=', 0],
    [58, 'fe80:0000:0000:0000:0200:86ff:fe05:80da', 'fe80:0000:0000:0000:0260:97ff:fe07:69ea', 135, 0, '1:kHa1FhMYIT6Ym2Vm2AOtoOARDzY=', 1],
  ];
  for (const [proto, src, dst, a, b, expected, seed] of cases) {
    const e = {
      ipVersion: src.includes(':') ? 6 : 4,
      src: Uint32Array.from(words(src)),
      dst: Uint32Array.from(words(dst)),
      proto,
      srcPort: a,
      dstPort: b,
      icmpType: a,
      icmpCode: b,
    };
    assert.equal(communityId(e, seed), expected, `${proto} ${src}`);
  }
  const line = eveAlert(alertRecord(), rule(), eveConfig({ communityId: true }), '');
  assert.match(line, /"pkt_src":"wire\/pcap","community_id":"1:[A-Za-z0-9+/]{27}=","alert"/);
});

test('text: addresses, times, printable bytes', () => {
  assert.equal(addressText(4, Uint32Array.of(0xffffffff, 0, 0, 0)), '255.255.255.255');
  assert.equal(addressText(6, Uint32Array.of(0x20010db8, 0, 0, 1)), '2001:0db8:0000:0000:0000:0000:0000:0001');
  assert.equal(eveTime(1_700_000_000, 999), '2023-11-14T22:13:20.000000+0000');
  assert.equal(eveTime(4_294_967_295, 999_999_999), '2106-02-07T06:28:15.999999+0000');
  assert.equal(printable(Buffer.from([0x41, 0, 10, 13, 0x7f, 0xff, 0x22])), 'A.\n\r.."');
});
