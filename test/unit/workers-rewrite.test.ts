import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InternetChecksum, writeTransportChecksum } from '../../src/decode/checksum.js';
import * as build from '../../src/lab/packets.js';
import { canRewrite, fixChecksums } from '../../src/workers/rewrite.js';
import { decode } from '../support/answers.js';

const A = '10.1.2.3';
const B = '192.168.255.254';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';
const dst60 = [{ type: 60, body: build.hex('1e02 0000 0100') }];
const ports = { srcPort: 1, dstPort: 2 };

const makers: ((body: Uint8Array) => Uint8Array)[] = [
  (body) => build.ipv4({ src: A, dst: B, proto: 6, options: build.hex('01010101') }, build.tcp({ src: A, dst: B, ...ports }, body)),
  (body) => build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, ...ports }, body)),
  (body) => build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type: 8 }, body)),
  (body) => build.ipv6({ src: A6, dst: B6, nextHeader: 6, extHeaders: dst60 }, build.tcp({ src: A6, dst: B6, ...ports }, body)),
  (body) => build.ipv6({ src: A6, dst: B6, nextHeader: 17 }, build.udp({ src: A6, dst: B6, ...ports }, body)),
  (body) => build.ipv6({ src: A6, dst: B6, nextHeader: 58 }, build.icmp6({ src: A6, dst: B6, type: 128 }, body)),
];

test('whatever the payload becomes, the packet is what a sender would have made of it', () => {
  fc.assert(
    fc.property(
      fc.nat(makers.length - 1),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.uint8Array(),
      fc.nat(),
      (m, body, into, at) => {
        const { p } = decode(build.ethernet({ vlans: [{ id: 5 }] }, makers[m](body)), 1);
        const wanted = body.slice();
        const from = at % body.length;
        wanted.set(into.subarray(0, body.length - from), from);
        p.mem.set(wanted, p.payloadOff);
        assert.equal(fixChecksums(p), true);
        assert.deepEqual(p.mem, build.ethernet({ vlans: [{ id: 5 }] }, makers[m](wanted)));
      },
    ),
  );
});

test('UDP without a checksum keeps none; a computed zero is sent as all ones', () => {
  const none = decode(
    build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, ...ports, checksum: 0 }, build.bytes('abcd'))),
  ).p;
  none.mem.set(build.bytes('wxyz'), none.payloadOff);
  assert.equal(fixChecksums(none), true);
  assert.deepEqual(none.mem.subarray(26, 28), Uint8Array.of(0, 0));
  // Two bytes that make the sum come out as zero.
  const zero = build.checksumOf(
    build.onesSum(build.udp({ src: A, dst: B, ...ports, checksum: 0 }, new Uint8Array(2)), build.pseudoHeaderSum(A, B, 17, 10)),
  );
  const p = decode(build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, ...ports }, build.bytes('ab')))).p;
  p.mem[p.payloadOff] = zero >>> 8;
  p.mem[p.payloadOff + 1] = zero;
  assert.equal(fixChecksums(p), true);
  assert.deepEqual(p.mem.subarray(26, 28), Uint8Array.of(0xff, 0xff));
  assert.deepEqual(decode(p.mem).events, []);
});

test('a partial checksum is left', () => {
  for (const make of makers) {
    const { p } = decode(make(build.bytes('abcdef')));
    p.csumPartial = 1;
    p.mem[p.payloadOff] ^= 0xff;
    const before = p.mem.slice();
    assert.equal(fixChecksums(p), true);
    assert.deepEqual(p.mem, before);
  }
});

test('a super-packet', () => {
  const body = new Uint8Array(65000).map((_, i) => i * 7);
  const { p } = decode(makers[0](body));
  body[64999] = p.mem[p.payloadOff + 64999] = 0x55;
  assert.equal(fixChecksums(p), true);
  assert.deepEqual(p.mem, makers[0](body));
});

test('what cannot be rewritten is left as it is', () => {
  const text = build.bytes('abcdefghijklmnopqrstuvwxyz');
  const tcp = makers[0](text);
  const refused = (bytes: Uint8Array, change: (p: ReturnType<typeof decode>['p']) => void, why: string) => {
    const { p } = decode(bytes);
    change(p);
    const before = p.mem.slice();
    assert.equal(canRewrite(p), false, why);
    assert.equal(fixChecksums(p), false, why);
    assert.deepEqual(p.mem, before, why);
  };
  const as = () => {};
  assert.equal(canRewrite(decode(tcp).p), true);
  refused(tcp, (p) => (p.defragged = 1), 'reassembled');
  refused(tcp, (p) => (p.tunnelDepth = 1), 'in a tunnel');
  refused(tcp, (p) => p.wireLen++, 'truncated');
  for (const fragment of build.fragmentIpv4(tcp, [24])) refused(fragment, as, 'fragment');
  refused(build.ipv4({ src: A, dst: B, proto: 132 }, build.sctp(ports, text)), as, 'SCTP');
  refused(build.ipv4({ src: A, dst: B, proto: 253 }, text), as, 'unknown protocol');
  refused(build.ipv4({ src: A, dst: B, proto: 6 }, text.subarray(0, 10)), as, 'TCP header cut');
  refused(build.arp(A, B), as, 'no IP');
  const wrong = makers[0](text);
  wrong[wrong.length - 1] ^= 1;
  refused(wrong, as, 'wrong checksum');
  const routing = (left: number) => [
    { type: 0, body: build.hex('0502 0000 0100') },
    { type: 51, body: build.hex('0000 00000001 00000001 000000000000000000000000') },
    { type: 43, body: build.concat(Uint8Array.of(2, left, 0, 0, 0, 0), build.address(B6)) },
  ];
  const routed = (left: number) =>
    build.ipv6({ src: A6, dst: B6, nextHeader: 6, extHeaders: routing(left) }, build.tcp({ src: A6, dst: B6, ...ports }, text));
  assert.equal(canRewrite(decode(routed(0)).p), true);
  refused(routed(1), as, 'destination still to come');
});

test('writeTransportChecksum says which protocols it knows', () => {
  const sum = new InternetChecksum();
  assert.equal(writeTransportChecksum(sum, decode(makers[0](build.bytes('ab'))).p), true);
  assert.equal(writeTransportChecksum(sum, decode(build.ipv4({ src: A, dst: B, proto: 132 }, build.sctp(ports))).p), false);
});
