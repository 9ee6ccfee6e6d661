import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, formatIpv4, formatIpv6 } from '../../src/decode/addresses.js';
import { Decoder } from '../../src/decode/decoder.js';
import { DECODE_EVENT_NAMES, DecodeEvent, decodeEventCode } from '../../src/decode/events.js';
import { LinkType } from '../../src/decode/link-types.js';
import { Packet, TcpFlag } from '../../src/decode/packet.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';

const A = '10.1.2.3';
const B = '192.168.255.254';
const A6 = 'fe80::88d1:4bb:492e:b104';
const B6 = '2001:db8::1';
const OPTIONS = { vxlanPorts: [4789], teredo: true, teredoPorts: [3544], checksumValidation: true };

function decode(
  bytes: Uint8Array,
  linkType = 1,
  counters = new Float64Array(Counter.Count),
): { p: Packet; decoder: Decoder; counters: Float64Array } {
  const decoder = new Decoder(OPTIONS, counters);
  const p = new Packet();
  p.mem = bytes;
  p.capLen = bytes.length;
  p.wireLen = bytes.length;
  p.linkType = linkType;
  decoder.decode(p);
  return { p, decoder, counters };
}

function events(p: Packet): string[] {
  return Array.from(p.events.subarray(0, p.eventCount), (code) => DECODE_EVENT_NAMES[code]);
}

function payload(p: Packet): string {
  return Buffer.from(p.mem.subarray(p.payloadOff, p.payloadOff + p.payloadLen)).toString('latin1');
}

const segment = (text = 'hello', more = {}) => build.tcp({ src: A, dst: B, srcPort: 4000, dstPort: 80, ...more }, build.bytes(text));
const datagram = (text = 'hello', more = {}) => build.udp({ src: A, dst: B, srcPort: 4000, dstPort: 53, ...more }, build.bytes(text));
const tcp4 = (text = 'hello', more = {}) => build.ipv4({ src: A, dst: B, proto: 6, ...more }, segment(text));
const udp4 = (text = 'hello', more = {}) => build.ipv4({ src: A, dst: B, proto: 17, ...more }, datagram(text));
const tcp6 = (extHeaders: build.ExtHeader[] = [], text = 'hello') =>
  build.ipv6({ src: A6, dst: B6, nextHeader: 6, extHeaders }, build.tcp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, build.bytes(text)));

test('Ethernet, IPv4 and TCP fields', () => {
  const options = build.hex('020405b4 0402 080a0000000100000000 01 030307');
  const frame = build.ethernet(
    {},
    build.ipv4(
      { src: A, dst: B, proto: 6, ttl: 17, tos: 0x2e, id: 0xbeef },
      build.tcp(
        {
          src: A,
          dst: B,
          srcPort: 40000,
          dstPort: 443,
          seq: 0xfffffffe,
          ack: 0x80000001,
          flags: build.TCP.syn | build.TCP.ece,
          window: 4096,
          options,
        },
        build.bytes('data'),
      ),
    ),
  );
  const { p, counters } = decode(frame);
  assert.deepEqual(events(p), []);
  assert.equal(p.ethOff, 0);
  assert.equal(p.etherType, 0x0800);
  assert.equal(p.ipVersion, 4);
  assert.equal(p.ipOff, 14);
  assert.equal(p.ipHeaderLen, 20);
  assert.equal(p.ipLen, 20 + 40 + 4);
  assert.equal(p.ttl, 17);
  assert.equal(p.tos, 0x2e);
  assert.equal(p.ipId, 0xbeef);
  assert.equal(formatAddress(4, p.src), A);
  assert.equal(formatAddress(4, p.dst), B);
  assert.equal(p.proto, 6);
  assert.equal(p.transportOff, 34);
  assert.equal(p.srcPort, 40000);
  assert.equal(p.dstPort, 443);
  assert.equal(p.tcpSeq >>> 0, 0xfffffffe);
  assert.equal(p.tcpAck >>> 0, 0x80000001);
  assert.equal(p.tcpFlags, TcpFlag.Syn | TcpFlag.Ece);
  assert.equal(p.tcpWindow, 4096);
  assert.equal(p.tcpHeaderLen, 40);
  assert.equal(payload(p), 'data');
  assert.equal(counters[Counter.Ipv4], 1);
  assert.equal(counters[Counter.Tcp], 1);
  assert.equal(counters[Counter.Invalid], 0);
});

test('Ethernet padding is not payload', () => {
  const frame = build.padFrame(build.ethernet({}, tcp4('')), 60, 0x41);
  const { p } = decode(frame);
  assert.equal(p.payloadLen, 0);
  assert.deepEqual(events(p), []);
});

test('VLAN stacks up to three tags, with their own TPIDs', () => {
  const vlans = [{ tpid: 0x88a8, id: 100, pcp: 5 }, { id: 200 }, { tpid: 0x9100, id: 4095 }];
  for (let depth = 0; depth <= 3; depth++) {
    const { p, counters } = decode(build.ethernet({ vlans: vlans.slice(0, depth) }, udp4()));
    assert.equal(p.vlanDepth, depth);
    assert.deepEqual(
      [p.vlan0, p.vlan1, p.vlan2],
      [100, 200, 4095].map((id, i) => (i < depth ? id : 0)),
    );
    assert.equal(payload(p), 'hello');
    assert.equal(counters[Counter.Vlan], depth > 0 ? 1 : 0);
  }
  const { p } = decode(build.ethernet({ vlans: [...vlans, { id: 1 }] }, udp4()));
  assert.deepEqual(events(p), ['decoder.vlan.too_many_layers']);
  assert.equal(p.ipVersion, 0);
});

test('MPLS, PPPoE and every link type reach the same UDP payload', () => {
  const ip = udp4('same');
  const sll = build.concat(build.hex('0000 0001 0006 020000000001 0000'), build.hex('0800'), ip);
  const sll2 = build.concat(build.hex('0800 0000 00000002 0001 00 06 0200000000010000'), ip);
  const cases: [string, Uint8Array, number][] = [
    ['mpls by nibble', build.ethernet({ etherType: 0x8847 }, build.mpls([{ label: 100 }, { label: 200 }], ip)), 1],
    ['mpls explicit null', build.ethernet({ etherType: 0x8848 }, build.mpls([{ label: 0 }], ip)), 1],
    ['pppoe', build.ethernet({ etherType: 0x8864 }, build.pppoe({}, ip)), 1],
    ['pppoe in vlan', build.ethernet({ etherType: 0x8864, vlans: [{ id: 7 }] }, build.pppoe({}, ip)), 1],
    ['vn-tag', build.ethernet({ etherType: 0x8926 }, build.concat(build.hex('00010002 0800'), ip)), 1],
    ['fabricpath', build.ethernet({ etherType: 0x8903 }, build.concat(build.hex('0000'), build.ethernet({ vlans: [{ id: 4 }] }, ip))), 1],
    ['802.1ah', build.ethernet({ etherType: 0x88e7 }, build.concat(build.hex('00000001'), build.ethernet({}, ip))), 1],
    ['raw 101', ip, 101],
    ['raw 12', ip, 12],
    ['raw 14', ip, 14],
    ['ipv4 228', ip, 228],
    ['null little-endian', build.concat(build.hex('02000000'), ip), 0],
    ['null big-endian', build.concat(build.hex('00000002'), ip), 0],
    ['loop', build.concat(build.hex('00000002'), ip), 108],
    ['sll', sll, 113],
    ['sll2', sll2, 276],
    ['ppp', build.concat(build.hex('0021'), ip), 9],
    ['ppp with hdlc', build.concat(build.hex('ff03 0021'), ip), 9],
    ['ppp compressed', build.concat(build.hex('21'), ip), 9],
  ];
  for (const [name, bytes, linkType] of cases) {
    const { p } = decode(bytes, linkType);
    assert.deepEqual(events(p), [], name);
    assert.equal(payload(p), 'same', name);
    assert.equal(p.dstPort, 53, name);
  }
  const six = build.ipv6(
    { src: A6, dst: B6, nextHeader: 17 },
    build.udp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, build.bytes('same')),
  );
  for (const [bytes, linkType] of [
    [six, 229],
    [build.concat(build.hex('1e000000'), six), 0],
    [build.concat(build.hex('0057'), six), 9],
    [build.ethernet({ etherType: 0x8847 }, build.mpls([{ label: 2 }], six)), 1],
  ] as const) {
    assert.equal(payload(decode(bytes, linkType).p), 'same');
  }
});

test('what is not IP is left alone without an event worth a drop', () => {
  const arp = decode(build.ethernet({ etherType: 0x0806 }, build.arp(A, B))).p;
  assert.deepEqual(events(arp), []);
  const llc = decode(build.ethernet({ etherType: 0x0026 }, new Uint8Array(60))).p;
  assert.deepEqual(events(llc), []);
  const other = decode(build.ethernet({ etherType: 0xfbb7 }, new Uint8Array(60))).p;
  assert.deepEqual(events(other), ['decoder.ethernet.unknown_ethertype']);
  for (const p of [arp, llc, other]) {
    assert.equal(p.ipVersion, 0);
    assert.equal(p.invalid, 0);
    assert.equal(p.transportOff, -1);
  }
});

test('IPv6 and its extension headers', () => {
  const padding = { type: build.PROTO.hopByHop, body: build.hex('0502 0000 0100') };
  const cases: [build.ExtHeader[], string[]][] = [
    [[], []],
    [[padding], []],
    [[padding, { type: build.PROTO.destOpts, body: build.hex('c910 00000000000000000000000000000000') }], []],
    [[{ type: build.PROTO.hopByHop, body: build.hex('1e02 0000 0100') }], ['decoder.ipv6.hopopts_unknown_opt']],
    [[{ type: build.PROTO.hopByHop, body: build.hex('0104 00000000') }], ['decoder.ipv6.hopopts_only_padding']],
    [[{ type: build.PROTO.destOpts, body: build.hex('0104 00000000') }], ['decoder.ipv6.dstopts_only_padding']],
    [
      [{ type: build.PROTO.destOpts, body: build.hex('1e02 0000 0100') }],
      ['decoder.ipv6.dstopts_unknown_opt', 'decoder.ipv6.zero_len_padn'].slice(0, 1),
    ],
    [[{ type: build.PROTO.destOpts, body: build.hex('1e20 0000 0000') }], ['decoder.ipv6.exthdr_invalid_optlen']],
    [[{ type: build.PROTO.routing, body: build.hex('00 00 00000000') }], ['decoder.ipv6.rh_type_0']],
    [[{ type: build.PROTO.ah, body: build.hex('0000 00000001 00000001 000000000000000000000000') }], []],
    [
      [{ type: build.PROTO.ah, body: build.hex('0001 00000001 00000001 000000000000000000000000') }],
      ['decoder.ipv6.exthdr_ah_res_not_null'],
    ],
    [[padding, padding], ['decoder.ipv6.exthdr_dupl_hh']],
    [[{ type: build.PROTO.fragment, body: build.fragmentBody(7, 0, false) }], ['decoder.ipv6.exthdr_useless_fh']],
  ];
  for (const [chain, expected] of cases) {
    const { p } = decode(build.ethernet({}, tcp6(chain)));
    assert.deepEqual(
      events(p).filter((e) => e !== 'decoder.ipv6.zero_len_padn'),
      expected,
      JSON.stringify(chain),
    );
    assert.equal(p.ipVersion, 6);
    assert.equal(p.proto, 6);
    assert.equal(p.dstPort, 2);
    assert.equal(payload(p), 'hello');
    assert.equal(p.ipOff + p.ipHeaderLen, p.transportOff);
    assert.equal(formatAddress(6, p.src), 'fe80:0000:0000:0000:88d1:04bb:492e:b104');
  }
});

test('a chain of extension headers is followed to its end, as hosts do', () => {
  const many = Array.from({ length: 150 }, () => ({ type: build.PROTO.destOpts, body: build.hex('0104 00000000') }));
  const { p } = decode(build.ethernet({}, tcp6(many)));
  assert.ok(events(p).includes('decoder.ipv6.exthdr_dupl_dh'));
  assert.equal(p.transportOff, 14 + 40 + 150 * 8);
  assert.equal(p.invalid, 0);
});

test('IPv6 headers that lie', () => {
  const cut = (bytes: Uint8Array, length: number) => bytes.subarray(0, length);
  const cases: [Uint8Array, string, number][] = [
    [cut(tcp6(), 39), 'decoder.ipv6.pkt_too_small', 0],
    [build.ipv6({ src: A6, dst: B6, nextHeader: 6, payloadLength: 500 }, new Uint8Array(20)), 'decoder.ipv6.trunc_pkt', 0],
    [build.ipv6({ src: A6, dst: B6, nextHeader: 60 }, build.hex('0605 0104 00000000')), 'decoder.ipv6.trunc_exthdr', 6],
    [build.ipv6({ src: A6, dst: B6, nextHeader: 60 }, build.hex('06')), 'decoder.ipv6.trunc_exthdr', 6],
    [build.ipv6({ src: A6, dst: B6, nextHeader: 1 }, new Uint8Array(20)), 'decoder.ipv6.icmpv4', 6],
  ];
  for (const [bytes, event, version] of cases) {
    const { p, counters } = decode(build.ethernet({ etherType: 0x86dd }, bytes));
    assert.deepEqual(events(p), [event]);
    assert.equal(p.ipVersion, version);
    assert.equal(p.transportOff, -1);
    assert.equal(p.invalid, 1);
    assert.equal(counters[Counter.Invalid], 1);
  }
  const none = decode(build.ipv6({ src: A6, dst: B6, nextHeader: 59 }, build.bytes('x')), 101).p;
  assert.deepEqual(events(none), ['decoder.ipv6.data_after_none_header']);
  assert.equal(none.invalid, 0);
});

test('IPv4 headers that lie', () => {
  const ip = (more: Partial<build.Ipv4Fields>, body = segment()) => build.ipv4({ src: A, dst: B, proto: 6, ...more }, body);
  const cases: [Uint8Array, string][] = [
    [ip({}).subarray(0, 19), 'decoder.ipv4.pkt_too_small'],
    [ip({ version: 5 }), 'decoder.ipv4.wrong_ip_version'],
    [ip({ headerLength: 16 }), 'decoder.ipv4.hlen_too_small'],
    [ip({ totalLength: 19 }), 'decoder.ipv4.iplen_smaller_than_hlen'],
    [ip({ totalLength: 1000 }), 'decoder.ipv4.trunc_pkt'],
  ];
  for (const [bytes, event] of cases) {
    const { p, counters } = decode(build.ethernet({ etherType: 0x0800 }, bytes));
    assert.deepEqual(events(p), [event]);
    assert.equal(p.ipVersion, 0);
    assert.equal(p.ipOff, -1);
    assert.equal(p.proto, 0);
    assert.deepEqual([...p.src], [0, 0, 0, 0]);
    assert.equal(counters[Counter.Invalid], 1);
  }
  const icmp6 = decode(ip({ proto: 58 }), 101).p;
  assert.deepEqual(events(icmp6), ['decoder.ipv4.icmpv6']);
});

test('IPv4 options: faults are named; only one that makes hosts refuse the packet makes it uninspectable', () => {
  const cases: [string, string[], boolean][] = [
    ['01010101 01010100', [], true],
    ['07070400000000 00', [], true],
    ['94040000 00000000', [], true],
    ['01010100', ['opt_pad_required'], true],
    ['8208f13500000000 01010100 00000000', ['opt_invalid_len'], true],
    // The packet of suricata-verify bug-7414: two bad lengths, no padding to 8.
    ['8208f1350000deadbeefaa00', ['opt_pad_required', 'opt_invalid_len', 'opt_invalid_len'], false],
    ['07070300000000 00', ['opt_malformed'], false],
    ['0708040000000000', ['opt_malformed'], true],
    ['440c0500 00000000 00000000 00000000', [], true],
    ['440c0502 00000000 00000000 00000000', ['opt_malformed'], true],
    ['440c0400 00000000 00000000 00000000', ['opt_malformed'], false],
    ['82040000', ['opt_pad_required', 'opt_invalid_len'], true],
    ['94040000 94040000', ['opt_duplicate'], true],
    ['1e04000000000000', ['opt_unknown'], true],
    ['0101010101010107', ['opt_eol_required'], true],
  ];
  for (const [options, expected, inspectable] of cases) {
    const { p, counters } = decode(build.ipv4({ src: A, dst: B, proto: 6, options: build.hex(options) }, segment('x')), 101);
    assert.deepEqual(
      events(p),
      expected.map((name) => `decoder.ipv4.${name}`),
      options,
    );
    assert.equal(p.ipVersion, inspectable ? 4 : 0);
    assert.equal(payload(p), inspectable ? 'x' : '');
    assert.equal(counters[Counter.Invalid], inspectable ? 0 : 1);
  }
});

test('TCP headers that lie, TCP options', () => {
  const ip = (body: Uint8Array) => build.ipv4({ src: A, dst: B, proto: 6 }, body);
  for (const [bytes, event] of [
    [segment('').subarray(0, 19), 'pkt_too_small'],
    [segment('', { headerLength: 16 }), 'invalid_optlen'],
    [segment('', { headerLength: 24 }), 'hlen_too_small'],
  ] as const) {
    const { p } = decode(ip(bytes), 101);
    assert.equal(events(p)[0], `decoder.tcp.${event}`);
    assert.equal(p.transportOff, -1);
    assert.equal(p.srcPort, 0);
    assert.equal(p.ipVersion, 4);
    assert.equal(p.payloadLen, bytes.length);
  }
  const cases: [string, string[]][] = [
    ['020405b4', []],
    ['0101080a0000000100000002', []],
    ['02030000', ['opt_invalid_len']],
    ['02080000', ['opt_invalid_len']],
    ['020405b4020405b4', ['opt_duplicate']],
    ['01010102', ['opt_invalid_len']],
    ['fd04aabb', []],
  ];
  for (const [options, expected] of cases) {
    const { p } = decode(ip(segment('x', { options: build.hex(options) })), 101);
    assert.deepEqual(
      events(p),
      expected.map((name) => `decoder.tcp.${name}`),
      options,
    );
    assert.equal(payload(p), 'x');
  }
});

test('UDP lengths', () => {
  const ip = (body: Uint8Array) => build.ipv4({ src: A, dst: B, proto: 17 }, body);
  const short = decode(ip(datagram('hello', { length: 8 + 3, checksum: 0 })), 101).p;
  assert.equal(payload(short), 'hel');
  assert.deepEqual(events(short), []);
  assert.deepEqual(events(decode(ip(datagram('hello', { length: 7 })), 101).p), ['decoder.udp.hlen_too_small']);
  assert.deepEqual(events(decode(ip(datagram('hello', { length: 100 })), 101).p), ['decoder.udp.pkt_too_small']);
  assert.deepEqual(events(decode(ip(datagram().subarray(0, 7)), 101).p), ['decoder.udp.pkt_too_small']);
  // Length 0: to the end in IPv6, where hosts take it; nothing in IPv4.
  assert.equal(decode(ip(datagram('hello', { length: 0 })), 101).p.transportOff, -1);
  const whole = build.udp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, build.bytes('hello'));
  const jumbo = decode(
    build.ipv6(
      { src: A6, dst: B6, nextHeader: 17 },
      whole.map((b, i) => (i === 4 || i === 5 ? 0 : b)),
    ),
    101,
  ).p;
  assert.equal(payload(jumbo), 'hello');
  assert.equal(jumbo.invalid, 0);
});

test('ICMP: type and code stand in for the ports', () => {
  const echo = decode(build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type: 8, rest: 0x12340001 }, build.bytes('ping'))), 101);
  assert.deepEqual(events(echo.p), []);
  assert.deepEqual([echo.p.icmpType, echo.p.icmpCode, echo.p.srcPort, echo.p.dstPort], [8, 0, 8, 0]);
  assert.equal(payload(echo.p), 'ping');
  assert.equal(echo.counters[Counter.Icmp], 1);
  const four = (type: number, code: number, body: Uint8Array = new Uint8Array(0)) =>
    events(decode(build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type, code }, body)), 101).p);
  assert.deepEqual(four(3, 3, tcp4()), []);
  assert.deepEqual(four(3, 99, tcp4()), ['decoder.icmpv4.unknown_code']);
  assert.deepEqual(four(77, 0), ['decoder.icmpv4.unknown_type']);
  assert.deepEqual(four(11, 0), []);
  assert.deepEqual(four(11, 0, new Uint8Array(19)), ['decoder.icmpv4.ipv4_trunc_pkt']);
  assert.deepEqual(four(11, 0, tcp6()), ['decoder.icmpv4.ipv4_unknown_ver']);
  const six = (type: number, code: number, body: Uint8Array = new Uint8Array(0), hopLimit = 64) =>
    decode(build.ipv6({ src: A6, dst: B6, nextHeader: 58, hopLimit }, build.icmp6({ src: A6, dst: B6, type, code }, body)), 101).p;
  assert.deepEqual(events(six(128, 0)), []);
  assert.equal(six(128, 0).icmpType, 128);
  assert.deepEqual(events(six(131, 0)), ['decoder.icmpv6.mld_message_with_invalid_hl']);
  assert.deepEqual(events(six(131, 0, new Uint8Array(16), 1)), []);
  assert.deepEqual(events(six(1, 0, new Uint8Array(39))), ['decoder.icmpv6.ipv6_trunc_pkt']);
  assert.deepEqual(events(six(1, 0, build.concat(tcp4(), new Uint8Array(20)))), ['decoder.icmpv6.ipv6_unknown_version']);
  assert.deepEqual(events(six(50, 0)), ['decoder.icmpv6.unassigned_type']);
  assert.deepEqual(events(six(200, 0)), ['decoder.icmpv6.experimentation_type']);
  assert.deepEqual(events(decode(build.ipv4({ src: A, dst: B, proto: 1 }, new Uint8Array(7)), 101).p), ['decoder.icmpv4.pkt_too_small']);
});

test('SCTP ports; protocols without a decoder keep the IP payload', () => {
  const { p, counters } = decode(
    build.ipv4({ src: A, dst: B, proto: 132 }, build.sctp({ srcPort: 5, dstPort: 6 }, build.bytes('chunk'))),
    101,
  );
  assert.deepEqual([p.srcPort, p.dstPort, payload(p)], [5, 6, 'chunk']);
  assert.equal(counters[Counter.Sctp], 1);
  const other = decode(build.ipv4({ src: A, dst: B, proto: 89 }, build.bytes('ospf')), 101).p;
  assert.deepEqual([other.proto, other.transportOff, payload(other)], [89, -1, 'ospf']);
});

test('fragments are published but not looked into', () => {
  const whole = tcp4('0123456789abcdef0123456789', { id: 9 });
  const [first, second] = build.fragmentIpv4(whole, [24]);
  const a = decode(build.ethernet({}, first));
  assert.deepEqual([a.p.isFragment, a.p.fragOffset, a.p.fragMore, a.p.transportOff, a.p.proto, a.p.payloadLen], [1, 0, 1, -1, 6, 24]);
  assert.equal(a.counters[Counter.Fragments], 1);
  assert.equal(a.counters[Counter.Tcp], 0);
  const b = decode(build.ethernet({}, second)).p;
  assert.deepEqual([b.isFragment, b.fragOffset, b.fragMore, b.ipId], [1, 24, 0, 9]);
  const [six] = build.fragmentIpv6(tcp6([], 'x'.repeat(60)), [16], 0xdeadbeef);
  const c = decode(build.ethernet({}, six)).p;
  assert.deepEqual(
    [c.isFragment, c.fragMore, c.ipId >>> 0, c.fragHeaderOff, c.ipHeaderLen, c.payloadLen, c.proto],
    [1, 1, 0xdeadbeef, 54, 48, 16, 6],
  );
});

test('stale fields of the packet before do not survive', () => {
  const counters = new Float64Array(Counter.Count);
  const decoder = new Decoder(OPTIONS, counters);
  const used = new Packet();
  const put = (p: Packet, bytes: Uint8Array, linkType = 1) => {
    p.mem = bytes;
    p.off = 0;
    p.capLen = bytes.length;
    p.wireLen = bytes.length;
    p.linkType = linkType;
    decoder.decode(p);
  };
  const frames = [
    build.ethernet({ vlans: [{ id: 3 }] }, tcp4()),
    build.ethernet({}, build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type: 8 }))),
    build.ethernet({}, build.ipv4({ src: A, dst: B, proto: 47 }, build.gre({}, tcp4()))),
    build.ethernet({}, build.fragmentIpv6(tcp6([], 'x'.repeat(60)), [16])[1]),
    build.ethernet({ etherType: 0x0806 }, build.arp(A, B)),
    build.ethernet({}, build.ipv4({ src: A, dst: B, proto: 6, totalLength: 9000 }, segment())),
    build.ethernet({}, udp4()),
    new Uint8Array(3),
  ];
  for (const before of frames)
    for (const frame of frames) {
      put(used, before);
      decoder.decodeInner(used);
      put(used, frame);
      const fresh = new Packet();
      put(fresh, frame);
      used.events.fill(0, used.eventCount);
      assert.deepEqual(used, fresh);
    }
});

test('event names and codes agree', () => {
  assert.equal(DECODE_EVENT_NAMES.length, DecodeEvent.Count);
  assert.equal(new Set(DECODE_EVENT_NAMES).size, DECODE_EVENT_NAMES.length);
  const some: [DecodeEvent, string][] = [
    [DecodeEvent.Ipv4PktTooSmall, 'ipv4.pkt_too_small'],
    [DecodeEvent.Ipv6FragInvalidLength, 'ipv6.frag_invalid_length'],
    [DecodeEvent.Icmpv6ExperimentationType, 'icmpv6.experimentation_type'],
    [DecodeEvent.TcpOptDuplicate, 'tcp.opt_duplicate'],
    [DecodeEvent.PppVjuPktTooSmall, 'ppp.vju_pkt_too_small'],
    [DecodeEvent.GreVersion1HdrTooBig, 'gre.version1_hdr_too_big'],
    [DecodeEvent.TooManyLayers, 'too_many_layers'],
    [DecodeEvent.Icmpv6InvalidChecksum, 'icmpv6.invalid_checksum'],
  ];
  for (const [code, name] of some) {
    assert.equal(DECODE_EVENT_NAMES[code], `decoder.${name}`);
    assert.equal(decodeEventCode(name), code);
    assert.equal(decodeEventCode(`decoder.${name}`), code);
  }
  assert.equal(decodeEventCode('ipv4.no_such_event'), 0);
});

test('link headers that lie', () => {
  const ether = (etherType: number, hex: string) => build.ethernet({ etherType }, build.hex(hex));
  const cases: [Uint8Array, number, string][] = [
    [new Uint8Array(13), 1, 'ethernet.pkt_too_small'],
    [ether(0x8100, '0001 08'), 1, 'vlan.header_too_small'],
    [ether(0x8926, '00000000 08'), 1, 'vntag.header_too_small'],
    [ether(0x8903, '0000'), 1, 'dce.pkt_too_small'],
    [ether(0x88e7, '00000000'), 1, 'ieee8021ah.header_too_small'],
    [ether(0x8926, '00000000 8926'.repeat(9)), 1, 'too_many_layers'],
    [ether(0x8847, '000001'), 1, 'mpls.header_too_small'],
    [ether(0x8847, '00064100'), 1, 'mpls.pkt_too_small'],
    [ether(0x8847, '00064100 0000000000'), 1, 'mpls.pkt_too_small'],
    [ether(0x8847, '00001100 45'), 1, 'mpls.bad_label_router_alert'],
    [ether(0x8847, '00003100 45'), 1, 'mpls.bad_label_implicit_null'],
    [ether(0x8847, '00004100 45'), 1, 'mpls.bad_label_reserved'],
    [ether(0x8847, '00064000'.repeat(70)), 1, 'too_many_layers'],
    [ether(0x8847, '00064100 9900'), 1, 'mpls.unknown_payload_type'],
    [ether(0x8864, '1100 0001 00'), 1, 'pppoe.pkt_too_small'],
    [ether(0x8864, '1109 0001 0002 0021'), 1, 'pppoe.wrong_code'],
    [ether(0x8864, '1100 0001 0040 0021'), 1, 'pppoe.pkt_too_small'],
    [ether(0x8863, '1109'), 1, 'pppoe.pkt_too_small'],
    [build.hex('00'), 9, 'ppp.pkt_too_small'],
    [build.hex('0021 45'), 9, 'ppp.ip4_pkt_too_small'],
    [build.hex('0057 60'), 9, 'ppp.ip6_pkt_too_small'],
    [build.hex('c021 0101'), 9, 'ppp.unsup_proto'],
    [build.hex('0202 0101'), 9, 'ppp.wrong_type'],
    [build.hex('020000'), 0, 'ltnull.pkt_too_small'],
    [build.hex('00000063'), 0, 'ltnull.unsupported_type'],
    [new Uint8Array(15), 113, 'sll.pkt_too_small'],
    [new Uint8Array(19), 276, 'sll2.pkt_too_small'],
    [build.hex('50'), 101, 'ipraw.invalid_ip_version'],
    [new Uint8Array(0), 101, 'ipv4.pkt_too_small'],
  ];
  for (const [bytes, linkType, event] of cases) {
    const { p } = decode(bytes, linkType);
    assert.deepEqual(events(p), [`decoder.${event}`]);
    assert.equal(p.ipVersion, 0);
  }
});

test('unknown link type', () => {
  const { p } = decode(new Uint8Array(64), LinkType.LinuxSll2 + 1000);
  assert.deepEqual(events(p), ['decoder.link.unsupported_type']);
});

test('addresses as text', () => {
  assert.equal(formatIpv4(0xc0a8fffe | 0), '192.168.255.254');
  assert.equal(formatIpv6(Int32Array.of(0, 0x20010db8, 0, 0x0000ffff, -1), 1), '2001:0db8:0000:0000:0000:ffff:ffff:ffff');
  assert.equal(formatAddress(0, new Int32Array(4)), '');
});
