import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decoder, MAX_TUNNEL_DEPTH } from '../../src/decode/decoder.js';
import { DECODE_EVENT_NAMES } from '../../src/decode/events.js';
import { Packet } from '../../src/decode/packet.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';

const A = '10.1.2.3';
const B = '192.168.255.254';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';

function open(bytes: Uint8Array, teredoPorts = [3544]) {
  const counters = new Float64Array(Counter.Count);
  const decoder = new Decoder({ vxlanPorts: [4789, 8472], teredo: true, teredoPorts, checksumValidation: true }, counters);
  const p = new Packet();
  p.mem = bytes;
  p.capLen = bytes.length;
  p.wireLen = bytes.length;
  p.region = 7;
  p.tsSec = 99;
  p.source = 3;
  decoder.decode(p);
  return { p, decoder, counters };
}

const events = (p: Packet) => Array.from(p.events.subarray(0, p.eventCount), (code) => DECODE_EVENT_NAMES[code]);
const inner4 = build.ipv4(
  { src: '1.1.1.1', dst: '2.2.2.2', proto: 17 },
  build.udp({ src: '1.1.1.1', dst: '2.2.2.2', srcPort: 5, dstPort: 6 }, build.bytes('inner')),
);
const inner6 = build.ipv6(
  { src: B6, dst: A6, nextHeader: 17 },
  build.udp({ src: B6, dst: A6, srcPort: 5, dstPort: 6 }, build.bytes('inner')),
);
const in4 = (proto: number, body: Uint8Array) => build.ethernet({ vlans: [{ id: 42 }] }, build.ipv4({ src: A, dst: B, proto }, body));
const in6 = (nextHeader: number, body: Uint8Array) =>
  build.ethernet({ vlans: [{ id: 42 }] }, build.ipv6({ src: A6, dst: B6, nextHeader }, body));
const udp = (dstPort: number, body: Uint8Array, srcPort = 999) => build.udp({ src: A, dst: B, srcPort, dstPort }, body);
const frame = build.ethernet({ vlans: [{ id: 77 }] }, inner4);

const tunnels: [string, Uint8Array, number][] = [
  ['4in4', in4(4, inner4), 42],
  ['6in4', in4(41, inner6), 42],
  ['4in6', in6(4, inner4), 42],
  ['6in6', in6(41, inner6), 42],
  ['gre', in4(47, build.gre({}, inner4)), 42],
  ['gre with everything', in4(47, build.gre({ checksum: 1, key: 2, sequence: 3 }, inner6)), 42],
  ['gre over ipv6', in6(47, build.gre({}, inner4)), 42],
  ['gre ethernet', in4(47, build.gre({ proto: 0x6558 }, frame)), 77],
  ['gre mpls', in4(47, build.gre({ proto: 0x8847 }, build.mpls([{ label: 99 }], inner4))), 42],
  ['gre vlan', in4(47, build.gre({ proto: 0x8100 }, build.concat(build.hex('004d 0800'), inner4))), 77],
  ['pptp', in4(47, build.gre({ version: 1, sequence: 1, ack: 2 }, build.concat(build.hex('ff03 0021'), inner4))), 42],
  ['erspan II', in4(47, build.gre({ proto: 0x88be, sequence: 1 }, build.concat(build.hex('1000 0000 0000 0000'), frame))), 77],
  ['vxlan', in4(17, udp(4789, build.vxlan(5, frame))), 77],
  ['vxlan on another port', in4(17, udp(8472, build.vxlan(5, build.ethernet({}, inner6)))), 42],
  ['teredo', in4(17, udp(3544, build.teredo(inner6))), 42],
  ['teredo from the server', in4(17, udp(1024, build.teredo(inner6, { origin: true }), 3544)), 42],
  ['teredo with both indications', in4(17, udp(3544, build.teredo(inner6, { authentication: true, origin: true }))), 42],
  [
    'ethernet in mpls',
    build.ethernet({ etherType: 0x8847, vlans: [{ id: 42 }] }, build.mpls([{ label: 99 }], build.concat(new Uint8Array(4), frame))),
    77,
  ],
];

test('every tunnel leads to the inner packet', () => {
  for (const [name, bytes, vlan] of tunnels) {
    const { p, decoder, counters } = open(bytes);
    assert.deepEqual(events(p), [], name);
    assert.ok(p.tunnelOff > 0, name);
    assert.equal(p.tunnelOff + p.tunnelLen, bytes.length, name);
    assert.equal(p.vlan0, 42, name);
    assert.equal(decoder.decodeInner(p), true, name);
    assert.deepEqual(events(p), [], name);
    assert.equal(p.tunnelDepth, 1);
    assert.equal(p.dstPort, 6, name);
    assert.equal(Buffer.from(p.mem.subarray(p.payloadOff, p.payloadOff + p.payloadLen)).toString(), 'inner', name);
    assert.equal(p.vlan0, vlan, name);
    assert.equal(p.vlanDepth, 1, name);
    assert.equal(p.mem, bytes);
    assert.deepEqual([p.region, p.tsSec, p.source], [7, 99, 3]);
    assert.equal(counters[Counter.Tunnels], 1);
    assert.equal(decoder.decodeInner(p), false, name);
  }
});

test('what only looks like a tunnel is not one', () => {
  const cases = [
    in4(17, udp(4788, build.vxlan(5, frame))),
    in4(17, udp(999, build.vxlan(5, frame), 4789)),
    in4(17, udp(4789, build.concat(new Uint8Array(8), frame))),
    in4(17, udp(4789, build.bytes('short'))),
    in4(17, udp(3544, inner6.subarray(0, inner6.length - 1))),
    in4(17, udp(3544, inner4)),
    in4(17, udp(3545, inner6)),
    in4(47, build.gre({ proto: 0x1234 }, inner4)),
    in4(6, inner4),
  ];
  for (const bytes of cases) {
    const { p, decoder } = open(bytes);
    assert.equal(p.tunnelOff, -1);
    assert.equal(decoder.decodeInner(p), false);
  }
  // No list of ports: any.
  assert.ok(open(in4(17, udp(3545, inner6)), []).p.tunnelOff > 0);
});

test('malformed tunnel headers are named', () => {
  const cases: [Uint8Array, string][] = [
    [in4(47, build.hex('0000')), 'gre.pkt_too_small'],
    [in4(47, build.hex('0002 0800 00')), 'gre.wrong_version'],
    [in4(47, build.hex('0100 0800')), 'gre.version0_recur'],
    [in4(47, build.hex('0008 0800')), 'gre.version0_flags'],
    [in4(47, build.hex('b000 0800 00000000')), 'gre.version0_hdr_too_big'],
    [in4(47, build.hex('4000 0800 00000000 0800 00 09')), 'gre.version0_malformed_sre_hdr'],
    [in4(47, build.hex('a001 880b 00000000')), 'gre.version1_chksum'],
    [in4(47, build.hex('6001 880b 00000000')), 'gre.version1_route'],
    [in4(47, build.hex('2801 880b 00000000')), 'gre.version1_ssr'],
    [in4(47, build.hex('2101 880b 00000000')), 'gre.version1_recur'],
    [in4(47, build.hex('2009 880b 00000000')), 'gre.version1_flags'],
    [in4(47, build.hex('0001 880b 00000000')), 'gre.version1_no_key'],
    [in4(47, build.hex('2001 0800 00000000')), 'gre.version1_wrong_protocol'],
    [in4(47, build.hex('3001 880b 00000000')), 'gre.version1_hdr_too_big'],
    [in6(4, inner4.subarray(0, 19)), 'ipv6.ipv4_in_ipv6_too_small'],
    [in6(4, inner6), 'ipv6.ipv4_in_ipv6_wrong_version'],
    [in6(41, inner6.subarray(0, 39)), 'ipv6.ipv6_in_ipv6_too_small'],
    [in6(41, build.concat(inner4, inner4)), 'ipv6.ipv6_in_ipv6_wrong_version'],
    [in4(47, build.gre({ proto: 0x88be, sequence: 1 }, build.hex('1000'))), 'erspan.header_too_small'],
    [in4(47, build.gre({ proto: 0x88be, sequence: 1 }, new Uint8Array(30))), 'erspan.unsupported_version'],
  ];
  for (const [bytes, event] of cases) {
    const { p } = open(bytes);
    assert.deepEqual(events(p), [`decoder.${event}`]);
    assert.equal(p.tunnelOff, -1, event);
    assert.equal(p.invalid, 1, event);
  }
});

test('GRE source routes are skipped', () => {
  const header = build.hex('4000 0800 00000000 0800 00 04 01020304 0000 00 00');
  const { p, decoder } = open(in4(47, build.concat(header, inner4)));
  assert.equal(decoder.decodeInner(p), true);
  assert.equal(p.dstPort, 6);
});

test('nesting is bounded', () => {
  let packet = inner4;
  for (let i = 0; i < MAX_TUNNEL_DEPTH + 1; i++) packet = build.ipv4({ src: A, dst: B, proto: 4 }, packet);
  const { p, decoder, counters } = open(build.ethernet({}, packet));
  for (let i = 0; i < MAX_TUNNEL_DEPTH; i++) {
    assert.deepEqual(events(p), []);
    assert.equal(decoder.decodeInner(p), true);
  }
  assert.equal(p.tunnelDepth, MAX_TUNNEL_DEPTH);
  assert.equal(p.ipVersion, 4);
  assert.deepEqual(events(p), ['decoder.too_many_layers']);
  assert.equal(decoder.decodeInner(p), false);
  assert.equal(counters[Counter.Invalid], 1);
  assert.equal(counters[Counter.Tunnels], MAX_TUNNEL_DEPTH);
});
