import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InternetChecksum } from '../../src/decode/checksum.js';
import { Decoder } from '../../src/decode/decoder.js';
import { DECODE_EVENT_NAMES } from '../../src/decode/events.js';
import { Packet } from '../../src/decode/packet.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';

const A = '10.1.2.3';
const B = '192.168.255.254';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';

function decode(bytes: Uint8Array, at = 0, validate = true, notReady = 0): { p: Packet; events: string[]; counters: Float64Array } {
  const counters = new Float64Array(Counter.Count);
  const decoder = new Decoder({ vxlanPorts: [], teredo: false, teredoPorts: [], checksumValidation: validate }, counters);
  const p = new Packet();
  p.mem = new Uint8Array(bytes.length + at + 5).fill(0xa5);
  p.mem.set(bytes, at);
  p.off = at;
  p.capLen = bytes.length;
  p.wireLen = bytes.length;
  p.linkType = 101;
  p.csumNotReady = notReady;
  decoder.decode(p);
  return { p, events: Array.from(p.events.subarray(0, p.eventCount), (code) => DECODE_EVENT_NAMES[code]), counters };
}

const payload = build.bytes('some payload of odd length.');
const makers: [string, (body: Uint8Array) => Uint8Array][] = [
  [
    'tcp',
    (body) =>
      build.ipv4({ src: A, dst: B, proto: 6, options: build.hex('01010101') }, build.tcp({ src: A, dst: B, srcPort: 1, dstPort: 2 }, body)),
  ],
  ['udp', (body) => build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, srcPort: 1, dstPort: 2 }, body))],
  ['icmpv4', (body) => build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type: 8 }, body))],
  ['tcp', (body) => build.ipv6({ src: A6, dst: B6, nextHeader: 6 }, build.tcp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, body))],
  ['udp', (body) => build.ipv6({ src: A6, dst: B6, nextHeader: 17 }, build.udp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, body))],
  ['icmpv6', (body) => build.ipv6({ src: A6, dst: B6, nextHeader: 58 }, build.icmp6({ src: A6, dst: B6, type: 128 }, body))],
];

test('right checksums pass at every alignment and length', () => {
  for (const [name, make] of makers)
    for (let length = 0; length < 20; length++)
      for (let at = 0; at < 8; at++) {
        const { p, events } = decode(make(payload.subarray(0, length)), at);
        assert.deepEqual(
          events.filter((e) => e.endsWith('checksum')),
          [],
          `${name} ${length} ${at}`,
        );
        assert.equal(p.csumInvalid, 0);
      }
});

test('one changed bit of the payload is noticed, named and counted', () => {
  for (const [name, make] of makers)
    for (let i = 1; i <= payload.length; i++) {
      const bytes = make(payload);
      bytes[bytes.length - i] ^= 0x10;
      const { p, events, counters } = decode(bytes, i & 7);
      assert.ok(events.includes(`decoder.${name}.invalid_checksum`), name);
      assert.equal(p.csumInvalid, 1);
      assert.equal(p.invalid, 0);
      assert.equal(counters[Counter.TcpInvalidChecksum], name === 'tcp' ? 1 : 0);
    }
});

test('the IPv4 header has its own', () => {
  const bytes = makers[1][1](payload);
  bytes[8] ^= 1;
  assert.deepEqual(decode(bytes).events, ['decoder.ipv4.invalid_checksum']);
});

test('no validation when switched off, when left to hardware, for fragments, for UDP without a checksum', () => {
  const bytes = makers[0][1](payload);
  bytes[bytes.length - 1] ^= 1;
  assert.deepEqual(
    decode(bytes, 0, false).events.filter((e) => e.endsWith('checksum')),
    [],
  );
  assert.deepEqual(
    decode(bytes, 0, true, 1).events.filter((e) => e.endsWith('checksum')),
    [],
  );
  const [fragment] = build.fragmentIpv4(build.ipv4({ src: A, dst: B, proto: 6 }, bytes), [24]);
  assert.deepEqual(decode(fragment).events, []);
  const none4 = build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, srcPort: 1, dstPort: 2, checksum: 0 }, payload));
  assert.deepEqual(decode(none4).events, []);
  const none6 = build.ipv6(
    { src: A6, dst: B6, nextHeader: 17 },
    build.udp({ src: A6, dst: B6, srcPort: 1, dstPort: 2, checksum: 0 }, payload),
  );
  assert.deepEqual(decode(none6).events, ['decoder.udp.invalid_checksum']);
});

test('a routing header with segments left: the transport checksum is for another destination', () => {
  const last = '2001:db8::99';
  const segment = build.tcp({ src: A6, dst: last, srcPort: 1, dstPort: 2 }, payload);
  const routing = (left: number) => [
    { type: build.PROTO.routing, body: build.concat(Uint8Array.of(2, left, 0, 0, 0, 0), build.address(last)) },
  ];
  assert.deepEqual(decode(build.ipv6({ src: A6, dst: B6, nextHeader: 6, extHeaders: routing(1) }, segment)).events, []);
  assert.deepEqual(decode(build.ipv6({ src: A6, dst: B6, nextHeader: 6, extHeaders: routing(0) }, segment)).events, [
    'decoder.tcp.invalid_checksum',
  ]);
});

test('the fast sum equals the plain one', () => {
  const fast = new InternetChecksum();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(9), fc.nat(9), (data, skip, cut) => {
      const outer = new Uint8Array(data.length + 7);
      const m = outer.subarray(skip % 4, (skip % 4) + data.length);
      m.set(data);
      const at = Math.min(skip, data.length);
      const length = Math.max(0, data.length - at - cut);
      const plain = ~build.checksumOf(build.onesSum(m.subarray(at, at + length))) & 0xffff;
      assert.equal(fast.sum(m, at, length), plain);
    }),
  );
  const big = new Uint8Array(65535).fill(0xff);
  assert.equal(fast.sum(big, 0, 65535), ~build.checksumOf(build.onesSum(big)) & 0xffff);
});
