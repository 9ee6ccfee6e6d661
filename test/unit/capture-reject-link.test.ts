import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildAnswer, wrapLink } from '../../src/capture/answer.js';
import { isOwnAnswer } from '../../src/capture/answer-stamp.js';
import * as build from '../../src/lab/packets.js';
import { packAnswer, Side } from '../../src/ring/verdict.js';
import { answerTo, answerWord, decode } from '../support/answers.js';

const A = '10.1.2.3';
const B = '192.168.255.254';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';
const MAC_A = '020000000001';
const MAC_B = '020000000002';
const tcp4 = build.ipv4({ src: A, dst: B, proto: 6 }, build.tcp({ src: A, dst: B, srcPort: 1, dstPort: 2 }, build.bytes('text')));
const tcp6 = build.ipv6({ src: A6, dst: B6, nextHeader: 6 }, build.tcp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, build.bytes('text')));
const udp4 = build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, srcPort: 1, dstPort: 2 }, build.bytes('text')));

function wrap(frame: Uint8Array, back: boolean, word = answerWord(frame, 1), room = 200): Uint8Array {
  const mem = build.concat(new Uint8Array(3).fill(0xa5), frame, new Uint8Array(50).fill(0xa5));
  const out = new Uint8Array(7 + room).fill(0x5a);
  const length = wrapLink(mem, 3, 3 + frame.length, word, back, out, 7);
  for (let i = 0; i < out.length; i++) if (i < 7 || i >= 7 + length) assert.equal(out[i], 0x5a, `byte ${i} written`);
  return out.slice(7, 7 + length);
}

test('an answer travels under the link header of the packet, back with the addresses exchanged', () => {
  for (const vlans of [
    [],
    [{ id: 5, pcp: 3 }],
    [
      { id: 7, tpid: 0x88a8 },
      { id: 5, tpid: 0x8100 },
    ],
    [{ id: 1, tpid: 0x9100 }, { id: 2 }, { id: 3 }],
  ])
    for (const packet of [tcp4, tcp6, udp4])
      for (const side of [Side.Source, Side.Destination] as const) {
        const frame = build.padFrame(build.ethernet({ src: MAC_A, dst: MAC_B, vlans }, packet), 90, 0xee);
        const back = side === Side.Source;
        const answer = answerTo(frame, side, 0, 1);
        assert.ok(answer);
        const { p, events } = decode(build.concat(wrap(frame, back), answer.bytes), 1);
        assert.deepEqual(events, []);
        assert.deepEqual(
          p.mem.slice(0, 12),
          back ? build.concat(build.mac(MAC_A), build.mac(MAC_B)) : build.concat(build.mac(MAC_B), build.mac(MAC_A)),
        );
        assert.deepEqual([p.vlanDepth, p.vlan0, p.vlan1, p.vlan2], [vlans.length, ...[0, 1, 2].map((i) => vlans[i]?.id ?? 0)]);
        assert.deepEqual(p.mem.slice(12, 14 + vlans.length * 4), frame.slice(12, 14 + vlans.length * 4));
        assert.deepEqual(p.mem.slice(p.ipOff), answer.bytes);
      }
});

test('no link header but Ethernet and VLAN tags is copied, and none of a group', () => {
  const empty = new Uint8Array(0);
  assert.deepEqual(wrap(build.ethernet({ etherType: 0x8847 }, build.mpls([{ label: 50 }], tcp4)), true), empty);
  assert.deepEqual(wrap(build.ethernet({ etherType: 0x8864 }, build.pppoe({}, tcp4)), true), empty);
  assert.deepEqual(wrap(build.ethernet({ dst: 'ffffffffffff' }, tcp4), true), empty);
  assert.deepEqual(wrap(build.ethernet({ dst: '01005e000001' }, tcp4), false), empty);
  assert.deepEqual(wrap(build.ethernet({ src: '030000000001' }, tcp4), false), empty);
  const frame = build.ethernet({}, tcp4);
  for (const at of [0, 12, 13, 15, 18, 34, 46, 50, frame.length, 0x7fff])
    assert.deepEqual(wrap(frame, true, packAnswer(Side.Source, at, 20)), empty, `IP header at ${at}`);
  assert.deepEqual(wrap(build.ethernet({ etherType: 0x86dd }, tcp4), true, packAnswer(Side.Source, 14, 20)), empty);
  assert.deepEqual(wrap(frame, true, answerWord(frame, 1), 13), empty);
  assert.equal(wrap(frame, true, answerWord(frame, 1), 14).length, 14);
});

test('an offset that does not fit the answer word asks for no answer', () => {
  assert.equal(packAnswer(Side.Both, 0x7fff, 0x3fff), 0x7fffffff);
  assert.equal(packAnswer(Side.Source, 14, 20), 1 | (14 << 2) | (20 << 17));
  for (const [ip, transport] of [
    [0x8000, 20],
    [-1, 20],
    [14, 0x4000],
    [14, -1],
  ])
    assert.equal(packAnswer(Side.Both, ip, transport), 0);
  assert.equal(packAnswer(0 as Side, 14, 20), 0);
});

test('an answer is known again where this host makes it, nothing else is', () => {
  const udp6 = build.ipv6({ src: A6, dst: B6, nextHeader: 17 }, build.udp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }));
  for (const packet of [tcp4, tcp6, udp4, udp6]) {
    assert.equal(isOwnAnswer(packet, 0, packet.length, 0), false);
    for (const side of [Side.Source, Side.Destination] as const) {
      const bytes = answerTo(packet, side)?.bytes;
      assert.ok(bytes);
      const mem = build.concat(new Uint8Array(5), bytes, new Uint8Array(5));
      assert.equal(isOwnAnswer(mem, 5, 5 + bytes.length, 0), true);
      assert.equal(isOwnAnswer(mem, 5, 5 + bytes.length, 1), true);
      assert.equal(isOwnAnswer(mem, 5, 5 + bytes.length, 2), false, 'from outside');
      for (const end of [mem.length, 5 + bytes.length - 1, 5, mem.length + 1]) assert.equal(isOwnAnswer(mem, 5, end, 0), false);
      // Lengths, fragment field, flags, numbers, quote: a change anywhere but in addresses, TTL and IP checksum is noticed.
      const ignored =
        packet[0] >> 4 === 4 ? [1, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19] : [7, ...Array.from({ length: 32 }, (_, i) => 8 + i)];
      for (let i = 0; i < bytes.length; i++) {
        mem[5 + i] ^= 0x41;
        assert.equal(isOwnAnswer(mem, 5, 5 + bytes.length, 0), ignored.includes(i), `byte ${i}`);
        mem[5 + i] ^= 0x41;
      }
    }
  }
  // What the kernel itself says looks the same but for the stamp.
  const reset = build.ipv4({ src: A, dst: B, proto: 6, df: true, id: 0 }, build.tcp({ src: A, dst: B, srcPort: 1, dstPort: 2, flags: 4 }));
  assert.equal(isOwnAnswer(reset, 0, reset.length, 0), false);
});

test('the same frame has the same answer: nothing is remembered', () => {
  const out = new Uint8Array(400);
  const word = answerWord(tcp4);
  const first = buildAnswer(tcp4, 0, tcp4.length, word, Side.Source, 0, out, 0);
  const copy = out.slice();
  buildAnswer(tcp6, 0, tcp6.length, answerWord(tcp6), Side.Destination, 1, out, 100);
  assert.equal(buildAnswer(tcp4, 0, tcp4.length, word, Side.Source, 0, out, 0), first);
  assert.deepEqual(out.slice(0, first), copy.slice(0, first));
});
