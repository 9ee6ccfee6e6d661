import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Packet } from '../../src/decode/packet.js';
import * as build from '../../src/lab/packets.js';
import { Side } from '../../src/ring/verdict.js';
import { answerTo } from '../support/answers.js';

const A = '10.1.2.3';
const B = '192.168.255.254';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';
const SEQ = 0xfffffff0;
const ACK = 0x81234567;
const { syn, ack, fin, rst, psh } = build.TCP;
const text = build.bytes('USER anonymous\r\n');

type Maker = (flags: number, payload?: Uint8Array, options?: Uint8Array) => Uint8Array;

const v4: Maker = (flags, payload, options) =>
  build.ipv4(
    { src: A, dst: B, proto: 6, options: build.hex('01010101') },
    build.tcp({ src: A, dst: B, srcPort: 40000, dstPort: 21, seq: SEQ, ack: flags & ack ? ACK : 0, flags, options }, payload),
  );
const v6: Maker = (flags, payload, options) =>
  build.ipv6(
    {
      src: A6,
      dst: B6,
      nextHeader: 6,
      extHeaders: [
        { type: 0, body: build.hex('0502 0000 0100') },
        { type: 43, body: build.hex('02 00 00000000') },
        { type: 51, body: build.hex('0000 00000001 00000001 000000000000000000000000') },
        { type: 44, body: build.fragmentBody(7, 0, false) },
        { type: 60, body: build.hex('1e02 0000 0100') },
      ],
    },
    build.tcp({ src: A6, dst: B6, srcPort: 40000, dstPort: 21, seq: SEQ, ack: flags & ack ? ACK : 0, flags, options }, payload),
  );

function numbers(p: Packet) {
  return { flags: p.tcpFlags, seq: p.tcpSeq >>> 0, ack: p.tcpAck >>> 0 };
}

for (const [version, make, from, to] of [
  ['IPv4', v4, A, B],
  ['IPv6', v6, A6, B6],
] as const) {
  const send = (frame: Uint8Array, side: Side.Source | Side.Destination, delivered: 0 | 1 = 0) => {
    const answer = answerTo(frame, side, delivered);
    assert.ok(answer);
    const { p } = answer;
    const words = (text: string) => {
      const b = build.address(text);
      return [0, 4, 8, 12].map((i) => (i < b.length ? (b[i] << 24) | (b[i + 1] << 16) | (b[i + 2] << 8) | b[i + 3] : 0));
    };
    const back = side === Side.Source;
    assert.equal(p.proto, 6);
    assert.equal(p.payloadLen, 0);
    assert.deepEqual([...p.src], words(back ? to : from));
    assert.deepEqual([...p.dst], words(back ? from : to));
    assert.deepEqual([p.srcPort, p.dstPort], back ? [21, 40000] : [40000, 21]);
    return numbers(p);
  };

  test(`${version}: the source gets the number it has acknowledged`, () => {
    for (const delivered of [0, 1] as const) {
      assert.deepEqual(send(make(ack | psh, text), Side.Source, delivered), { flags: rst, seq: ACK, ack: 0 });
      assert.deepEqual(send(make(syn | ack), Side.Source, delivered), { flags: rst, seq: ACK, ack: 0 });
    }
  });

  test(`${version}: a source in SYN-SENT gets its own number acknowledged`, () => {
    assert.deepEqual(send(make(syn), Side.Source), { flags: rst | ack, seq: 0, ack: SEQ + 1 });
    assert.deepEqual(send(make(syn, text), Side.Source), { flags: rst | ack, seq: 0, ack: 1 });
    assert.deepEqual(send(make(fin, text.subarray(0, 3)), Side.Source), { flags: rst | ack, seq: 0, ack: SEQ + 4 });
  });

  test(`${version}: the destination gets the number it waits for, with and without this packet`, () => {
    const data = make(ack | psh, text, build.hex('0101080a0000000100000002'));
    assert.deepEqual(send(data, Side.Destination, 0), { flags: rst | ack, seq: SEQ, ack: ACK });
    assert.deepEqual(send(data, Side.Destination, 1), { flags: rst | ack, seq: 0, ack: ACK });
    assert.deepEqual(send(make(fin | ack, text), Side.Destination, 1), { flags: rst | ack, seq: 1, ack: ACK });
    assert.deepEqual(send(make(syn | ack), Side.Destination, 1), { flags: rst | ack, seq: SEQ + 1, ack: ACK });
    assert.deepEqual(send(make(syn), Side.Destination, 1), { flags: rst, seq: SEQ + 1, ack: 0 });
    assert.deepEqual(send(make(syn), Side.Destination, 0), { flags: rst, seq: SEQ, ack: 0 });
  });

  test(`${version}: a RST is never answered`, () => {
    for (const flags of [rst, rst | ack, rst | syn])
      for (const side of [Side.Source, Side.Destination] as const) assert.equal(answerTo(make(flags), side), undefined);
  });

  test(`${version}: a super-packet counts whole, though only its beginning was captured`, () => {
    const big = make(ack, new Uint8Array(65000));
    const headers = big.length - 65000;
    const answer = answerTo(big, Side.Destination, 1, 101, headers + 20);
    assert.ok(answer);
    assert.equal(answer.p.tcpSeq >>> 0, (SEQ + 65000) % 2 ** 32);
    assert.equal(answerTo(big, Side.Destination, 1, 101, headers - 1), undefined);
  });
}

test('of a fragmented segment only what does not depend on its length is answered', () => {
  const whole = build.ipv4(
    { src: A, dst: B, proto: 6 },
    build.tcp({ src: A, dst: B, srcPort: 1, dstPort: 2, seq: SEQ, ack: ACK }, new Uint8Array(100)),
  );
  const [first, second] = build.fragmentIpv4(whole, [64]);
  assert.equal((answerTo(first, Side.Source)?.p.tcpSeq ?? 0) >>> 0, ACK);
  assert.equal((answerTo(first, Side.Destination, 0)?.p.tcpSeq ?? 0) >>> 0, SEQ);
  assert.equal(answerTo(first, Side.Destination, 1), undefined);
  const [synFirst] = build.fragmentIpv4(
    build.ipv4({ src: A, dst: B, proto: 6 }, build.tcp({ src: A, dst: B, srcPort: 1, dstPort: 2, flags: syn }, new Uint8Array(100))),
    [64],
  );
  assert.equal(answerTo(synFirst, Side.Source), undefined);
  for (const side of [Side.Source, Side.Destination] as const) assert.equal(answerTo(second, side), undefined);
  const whole6 = build.ipv6(
    { src: A6, dst: B6, nextHeader: 6 },
    build.tcp({ src: A6, dst: B6, srcPort: 1, dstPort: 2, seq: SEQ, ack: ACK }, new Uint8Array(100)),
  );
  const [first6, second6] = build.fragmentIpv6(whole6, [64]);
  assert.equal((answerTo(first6, Side.Source)?.p.tcpSeq ?? 0) >>> 0, ACK);
  assert.equal(answerTo(first6, Side.Destination, 1), undefined);
  assert.equal(answerTo(second6, Side.Source), undefined);
});

test('no answer to or from a group, everybody, nobody; none past an unfinished routing header', () => {
  const segment = (src: string, dst: string) => build.tcp({ src, dst, srcPort: 1, dstPort: 2 });
  const four = (src: string, dst: string) => build.ipv4({ src, dst, proto: 6 }, segment(src, dst));
  const six = (src: string, dst: string, left = -1) =>
    build.ipv6(
      {
        src,
        dst,
        nextHeader: 6,
        extHeaders: left < 0 ? [] : [{ type: 43, body: build.concat(Uint8Array.of(2, left, 0, 0, 0, 0), build.address(B6)) }],
      },
      segment(src, dst),
    );
  assert.ok(answerTo(four('127.0.0.1', '127.0.0.1'), Side.Source));
  assert.ok(answerTo(six('::1', '::1'), Side.Source));
  assert.ok(answerTo(six(A6, B6, 0), Side.Source));
  for (const frame of [
    four('0.0.0.0', B),
    four('0.1.2.3', B),
    four(A, '0.0.0.0'),
    four('224.0.0.1', B),
    four(A, '239.1.1.1'),
    four(A, '255.255.255.255'),
    four('255.255.255.255', B),
    six('::', B6),
    six(A6, '::'),
    six('ff02::1', B6),
    six(A6, 'ff0e::1'),
    six(A6, B6, 1),
  ])
    for (const side of [Side.Source, Side.Destination] as const) assert.equal(answerTo(frame, side), undefined);
});
