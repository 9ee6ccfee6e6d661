import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as build from '../../src/lab/packets.js';
import { Side } from '../../src/ring/verdict.js';
import { answerTo, decode } from '../support/answers.js';

const A = '10.1.2.3';
const B = '192.168.255.254';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';
const text = build.bytes('0123456789abcdef'.repeat(8));
const words = (address: string) => [...decode(build.ipv4({ src: address, dst: address, proto: 253 }, text)).p.src];

const udp4 = (body = text, options?: Uint8Array) =>
  build.ipv4({ src: A, dst: B, proto: 17, options, ttl: 9 }, build.udp({ src: A, dst: B, srcPort: 5000, dstPort: 53 }, body));
const udp6 = (body = text) =>
  build.ipv6(
    { src: A6, dst: B6, nextHeader: 17, extHeaders: [{ type: 60, body: build.hex('1e02 0000 0100') }], trafficClass: 3, flowLabel: 9 },
    build.udp({ src: A6, dst: B6, srcPort: 5000, dstPort: 53 }, body),
  );

test('the source of a datagram is told "port unreachable", with its header and 64 bytes', () => {
  for (const options of [undefined, build.hex('0101010101010101'), new Uint8Array(40).fill(1)]) {
    const frame = udp4(text, options);
    const header = 20 + (options?.length ?? 0);
    const answer = answerTo(frame, Side.Source);
    assert.ok(answer);
    const { p, bytes } = answer;
    assert.deepEqual([p.proto, p.icmpType, p.icmpCode], [1, 3, 3]);
    assert.deepEqual([p.src[0], p.dst[0]], [words(B)[0], words(A)[0]]);
    assert.deepEqual(bytes.subarray(28), frame.subarray(0, header + 64));
    assert.deepEqual(bytes.subarray(24, 28), new Uint8Array(4));
    assert.equal(bytes[6], 0x40, 'DF');
  }
  const frame = udp6();
  const answer = answerTo(frame, Side.Source);
  assert.ok(answer);
  assert.deepEqual([answer.p.proto, answer.p.icmpType, answer.p.icmpCode], [58, 1, 4]);
  assert.deepEqual([...answer.p.src], [...decode(frame).p.dst]);
  assert.deepEqual([...answer.p.dst], [...decode(frame).p.src]);
  assert.deepEqual(answer.bytes.subarray(48), frame.subarray(0, 48 + 64));
});

test('the quote ends with the packet or with what was captured, and leaves padding out', () => {
  const short = udp4(text.subarray(0, 3));
  assert.deepEqual(answerTo(build.padFrame(short, 60, 0xee), Side.Source)?.bytes.subarray(28), short);
  const cut = udp4();
  assert.deepEqual(answerTo(cut, Side.Source, 0, 101, 33)?.bytes.subarray(28), cut.subarray(0, 33));
  assert.equal(answerTo(cut, Side.Source, 0, 101, 27), undefined);
  // A long chain of extension headers: bounded, and still an answer.
  const long = build.ipv6(
    { src: A6, dst: B6, nextHeader: 17, extHeaders: [{ type: 60, body: build.concat(build.hex('1eff'), new Uint8Array(2036)) }] },
    build.udp({ src: A6, dst: B6, srcPort: 1, dstPort: 2 }, text),
  );
  assert.equal(answerTo(long, Side.Source)?.bytes.length, 40 + 8 + 256);
});

test('the destination gets a quote of what it could have sent: ports and addresses exchanged, checksums right', () => {
  for (const delivered of [0, 1] as const) {
    const four = answerTo(udp4(text, build.hex('01010101')), Side.Destination, delivered);
    assert.ok(four);
    assert.deepEqual([four.p.icmpType, four.p.icmpCode, four.p.src[0], four.p.dst[0]], [3, 3, words(A)[0], words(B)[0]]);
    const six = answerTo(udp6(), Side.Destination, delivered);
    assert.ok(six);
    assert.deepEqual([six.p.icmpType, six.p.icmpCode], [1, 4]);
    for (const [answer, head, from, to] of [
      [four, 28, words(B), words(A)],
      [six, 48, [...decode(udp6()).p.dst], [...decode(udp6()).p.src]],
    ] as const) {
      const { p, events } = decode(answer.bytes.slice(head));
      assert.deepEqual(events, []);
      assert.deepEqual([p.proto, p.srcPort, p.dstPort, p.payloadLen], [17, 53, 5000, 0]);
      assert.deepEqual([[...p.src], [...p.dst]], [from, to]);
      assert.equal(answer.bytes.length, head + p.ipLen);
    }
  }
});

test('a quoted UDP checksum that comes out as zero is written as all ones', () => {
  const quoted = (srcPort: number) => {
    const frame = build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, srcPort, dstPort: 53 }, text));
    return answerTo(frame, Side.Destination)?.bytes.slice(28) ?? new Uint8Array(28);
  };
  // Without the port, the complement of the sum is the port that makes it zero.
  const header = build.udp({ src: B, dst: A, srcPort: 53, dstPort: 0, checksum: 0 });
  const srcPort = build.checksumOf(build.onesSum(header, build.pseudoHeaderSum(B, A, 17, 8)));
  assert.deepEqual(quoted(srcPort).subarray(26), Uint8Array.of(0xff, 0xff));
  assert.deepEqual(quoted(srcPort - 1).subarray(26), Uint8Array.of(0, 1));
});

test('echo: the destination of a reply is quoted the request, and the other way round', () => {
  for (const [type, other] of [
    [0, 8],
    [8, 0],
  ]) {
    const answer = answerTo(build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type, rest: 0x00070001 }, text)), Side.Destination);
    assert.ok(answer);
    const { p, events } = decode(answer.bytes.slice(28));
    assert.deepEqual([events, p.icmpType, (p.mem[24] << 8) | p.mem[25]], [[], other, 7]);
  }
  for (const [type, other] of [
    [128, 129],
    [129, 128],
  ]) {
    const frame = build.ipv6({ src: A6, dst: B6, nextHeader: 58 }, build.icmp6({ src: A6, dst: B6, type, rest: 0x00070001 }, text));
    const answer = answerTo(frame, Side.Destination);
    assert.ok(answer);
    const { p, events } = decode(answer.bytes.slice(48));
    assert.deepEqual([events, p.icmpType], [[], other]);
  }
});

test('everything else is prohibited', () => {
  const four = (proto: number, body: Uint8Array) => build.ipv4({ src: A, dst: B, proto }, body);
  for (const frame of [
    four(1, build.icmp4({ type: 8 }, text)),
    four(132, build.sctp({ srcPort: 1, dstPort: 2 }, text)),
    four(47, build.gre({ proto: 0x88be }, text)),
    four(50, text),
    four(253, text.subarray(0, 3)),
  ]) {
    const answer = answerTo(frame, Side.Source);
    assert.deepEqual([answer?.p.icmpType, answer?.p.icmpCode], [3, 13]);
  }
  const six = answerTo(build.ipv6({ src: A6, dst: B6, nextHeader: 132 }, build.sctp({ srcPort: 1, dstPort: 2 }, text)), Side.Source);
  assert.deepEqual([six?.p.icmpType, six?.p.icmpCode], [1, 1]);
  const sctp = answerTo(four(132, build.sctp({ srcPort: 1, dstPort: 2, tag: 77 }, text)), Side.Destination);
  assert.deepEqual(sctp?.bytes.subarray(48), build.hex('0002 0001 0000004d'));
});

test('no ICMP answers an ICMP error, discovery, or an unknown type; of queries only echo has a counterpart', () => {
  for (let type = 0; type < 256; type++) {
    const answered = (frame: Uint8Array, side: Side.Source | Side.Destination = Side.Source) => answerTo(frame, side) !== undefined;
    const four = build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type }, text));
    assert.equal(answered(four), [0, 8, 13, 14, 15, 16, 17, 18].includes(type), `ICMP ${type}`);
    assert.equal(answered(four, Side.Destination), type === 0 || type === 8);
    const six = build.ipv6({ src: A6, dst: B6, nextHeader: 58 }, build.icmp6({ src: A6, dst: B6, type }, text));
    assert.equal(answered(six), type >= 128 && (type < 130 || type > 137) && type !== 143, `ICMPv6 ${type}`);
    assert.equal(answered(six, Side.Destination), type === 128 || type === 129);
  }
});

test('the first fragment of a datagram is answered, the others are not', () => {
  const [first, second] = build.fragmentIpv4(udp4(), [64]);
  const answer = answerTo(first, Side.Source);
  assert.deepEqual(answer?.bytes.subarray(28), first);
  assert.ok(answerTo(first, Side.Destination));
  for (const side of [Side.Source, Side.Destination] as const) assert.equal(answerTo(second, side), undefined);
});
