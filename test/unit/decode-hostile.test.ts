import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Decoder } from '../../src/decode/decoder.js';
import { Packet } from '../../src/decode/packet.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';

const A = '10.1.2.3';
const B = '10.4.5.6';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';
const LINKS = [0, 1, 9, 12, 14, 101, 108, 113, 228, 229, 276, 0x10000 | 0x8847, 0x10000 | 0x8100, 147];

/** Everything decode publishes, for every layer, with positions relative to the packet. */
interface Layer {
  [field: string]: number | number[];
}

const OFFSETS = ['ethOff', 'ipOff', 'transportOff', 'tunnelOff', 'fragHeaderOff', 'off'];

function snapshot(p: Packet, base: number): Layer {
  const out: Layer = {};
  for (const [field, value] of Object.entries(p)) {
    if (field === 'mem' || field === 'events') continue;
    if (typeof value === 'number') out[field] = OFFSETS.includes(field) && value >= 0 ? value - base : value;
    else out[field] = [...(value as Int32Array)];
  }
  out.payloadOff = p.payloadLen > 0 ? p.payloadOff - base : 0;
  out.events = [...p.events.subarray(0, p.eventCount)];
  return out;
}

/** Every published range lies in [off, off + capLen) of the layer. */
function checkRanges(p: Packet, off: number, end: number): void {
  const inside = (at: number, length: number, name: string) =>
    assert.ok(length >= 0 && at >= off && at + length <= end, `${name} ${at}+${length} outside [${off}, ${end})`);
  if (p.ethOff >= 0) inside(p.ethOff, 14, 'ethernet');
  if (p.ipVersion !== 0) {
    inside(p.ipOff, p.ipLen, 'ip');
    inside(p.ipOff, p.ipHeaderLen, 'ip header');
    inside(p.payloadOff, p.payloadLen, 'payload');
    assert.ok(p.payloadOff + p.payloadLen <= p.ipOff + p.ipLen, 'payload beyond the IP packet');
  } else {
    assert.equal(p.ipOff, -1);
    assert.equal(p.transportOff, -1);
    assert.equal(p.payloadLen, 0);
  }
  if (p.transportOff >= 0) {
    const header = p.proto === 6 ? p.tcpHeaderLen : p.proto === 132 ? 12 : 8;
    inside(p.transportOff, header, 'transport');
    assert.equal(p.transportOff + header, p.payloadOff);
  }
  if (p.fragHeaderOff >= 0) inside(p.fragHeaderOff, 8, 'fragment header');
  if (p.tunnelOff >= 0) inside(p.tunnelOff, p.tunnelLen, 'tunnel');
  for (const value of Object.values(p)) if (typeof value === 'number') assert.equal(value, value | 0, 'not an int32');
}

const counters = new Float64Array(Counter.Count);
const decoder = new Decoder({ vxlanPorts: [4789], teredo: true, teredoPorts: [], checksumValidation: true }, counters);
const packet = new Packet();

/** Decodes with `fill` all around the packet; checks ranges; returns all layers. */
function layers(bytes: Uint8Array, linkType: number, before: number, fill: number): Layer[] {
  const mem = new Uint8Array(before + bytes.length + 96).fill(fill);
  mem.set(bytes, before);
  packet.mem = mem;
  packet.off = before;
  packet.capLen = bytes.length;
  packet.wireLen = bytes.length;
  packet.linkType = linkType;
  decoder.decode(packet);
  const out: Layer[] = [];
  do {
    checkRanges(packet, packet.off, packet.off + packet.capLen);
    assert.ok(packet.off >= before && packet.off + packet.capLen <= before + bytes.length, 'layer outside the packet');
    out.push(snapshot(packet, before));
  } while (decoder.decodeInner(packet));
  return out;
}

function check(bytes: Uint8Array, linkType: number): void {
  const reference = layers(bytes, linkType, 64, 0x00);
  assert.deepEqual(layers(bytes, linkType, 64, 0xff), reference);
  assert.deepEqual(layers(bytes, linkType, 67, 0x45), reference);
  assert.deepEqual(layers(bytes, linkType, 0, 0x60), reference);
}

const text = build.bytes('0123456789abcdef0123456789abcdef');
const tcp4 = build.ipv4(
  { src: A, dst: B, proto: 6, options: build.hex('07070400000000 00') },
  build.tcp({ src: A, dst: B, srcPort: 1, dstPort: 2, options: build.hex('020405b4 0402 0101') }, text),
);
const tcp6 = build.ipv6(
  {
    src: A6,
    dst: B6,
    nextHeader: 6,
    extHeaders: [
      { type: 0, body: build.hex('0502 0000 0100') },
      { type: 43, body: build.hex('02 01 00000000') },
      { type: 51, body: build.hex('0000 00000001 00000001 000000000000000000000000') },
      { type: 60, body: build.hex('1e02 0000 0100') },
    ],
  },
  build.tcp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, text),
);
const udp4 = (dstPort: number, body: Uint8Array) =>
  build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, srcPort: 9, dstPort }, body));
const valid: [Uint8Array, number][] = [
  [build.ethernet({ vlans: [{ id: 1 }, { tpid: 0x88a8, id: 2 }] }, tcp4), 1],
  [build.ethernet({}, tcp6), 1],
  [build.ethernet({}, build.fragmentIpv4(tcp4, [24])[1]), 1],
  [build.ethernet({}, build.fragmentIpv6(tcp6, [24])[0]), 1],
  [build.ethernet({}, udp4(4789, build.vxlan(1, build.ethernet({}, tcp6)))), 1],
  [build.ethernet({}, udp4(3544, build.teredo(tcp6, { authentication: true, origin: true }))), 1],
  [build.ethernet({}, build.ipv4({ src: A, dst: B, proto: 47 }, build.gre({ key: 1, sequence: 2, checksum: 3 }, tcp4))), 1],
  [
    build.ethernet(
      {},
      build.ipv4({ src: A, dst: B, proto: 47 }, build.gre({ version: 1, sequence: 2 }, build.concat(build.hex('ff030021'), tcp4))),
    ),
    1,
  ],
  [
    build.ethernet(
      {},
      build.ipv4({ src: A, dst: B, proto: 47 }, build.concat(build.hex('4000 0800 00000000 0800 00 04 01020304 0000 00 00'), tcp4)),
    ),
    1,
  ],
  [build.ethernet({}, build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type: 3 }, tcp4))), 1],
  [build.ethernet({}, build.ipv6({ src: A6, dst: B6, nextHeader: 58 }, build.icmp6({ src: A6, dst: B6, type: 1 }, tcp6))), 1],
  [build.ethernet({}, build.ipv4({ src: A, dst: B, proto: 132 }, build.sctp({ srcPort: 1, dstPort: 2 }, text))), 1],
  [
    build.ethernet(
      { etherType: 0x8847 },
      build.mpls([{ label: 50 }, { label: 60 }], build.concat(new Uint8Array(4), build.ethernet({}, tcp4))),
    ),
    1,
  ],
  [build.ethernet({ etherType: 0x8864 }, build.pppoe({}, tcp4)), 1],
  [build.concat(build.hex('02000000'), tcp4), 0],
  [build.concat(build.hex('0000 0001 0006 020000000001 0000 0800'), tcp4), 113],
  [build.concat(build.hex('86dd 0000 00000002 0001 00 06 0200000000010000'), tcp6), 276],
];

test('valid packets cut at every byte', () => {
  for (const [bytes, linkType] of valid) for (let length = 0; length <= bytes.length; length++) check(bytes.subarray(0, length), linkType);
});

test('valid packets with any one byte changed to its extremes', () => {
  for (const [bytes, linkType] of valid)
    for (let i = 0; i < bytes.length; i++)
      for (const value of [0x00, 0xff, bytes[i] ^ 0x01, bytes[i] ^ 0x80]) {
        const changed = bytes.slice();
        changed[i] = value;
        check(changed, linkType);
      }
});

test('valid packets mutated in several places and cut', () => {
  fc.assert(
    fc.property(
      fc.nat(valid.length - 1),
      fc.array(fc.tuple(fc.nat(150), fc.nat(255)), { maxLength: 6 }),
      fc.nat(40),
      (which, changes, cut) => {
        const [bytes, linkType] = valid[which];
        const changed = bytes.slice(0, Math.max(0, bytes.length - cut));
        for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
        check(changed, linkType);
      },
    ),
    { numRuns: 2000 },
  );
});

test('random bytes as every link type', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(...LINKS), (bytes, linkType) => check(bytes, linkType)),
    { numRuns: 2000 },
  );
});

test('random bytes behind a plausible start', () => {
  const starts = [
    '000000000000000000000000 0800 45',
    '000000000000000000000000 86dd 60',
    '000000000000000000000000 8100',
    '000000000000000000000000 8847',
  ].map(build.hex);
  fc.assert(
    fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 120 }), (start, bytes) => {
      const whole = build.concat(start, bytes);
      // Make the length field fit now and then, so that what lies behind it is reached.
      if (start[12] === 0x08 && whole.length > 18) {
        whole[16] = 0;
        whole[17] = whole.length - 14;
      }
      check(whole, 1);
    }),
    { numRuns: 2000 },
  );
});
