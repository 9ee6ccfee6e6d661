import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FrameFlag, FrameWord } from '../../src/capture/frames.js';
import { type Bytes, concat, ETHERTYPE, ethernet, ipv4, ipv6, PROTO, udp } from '../../src/lab/packets.js';
import { native } from '../../src/native.js';
import {
  attribute,
  be32,
  be64,
  FAMILY,
  LOG_PACKET,
  logHeader,
  message,
  NFQA,
  NFULA,
  QUEUE_PACKET,
  queueHeader,
  vlanTag,
} from '../support/nfnetlink-messages.js';

/** Verbs of the addon for this test alone: what a socket makes of one datagram. */
type Parse = (region: number, offset: number, length: number, frames: Int32Array) => number;
const { queueParse, logParse } = native as unknown as { queueParse: Parse; logParse: Parse };

interface Parsed {
  word: (w: FrameWord) => number;
  bytes: Bytes;
}

/** The datagram in memory of exactly its length: whatever is read beyond it, AddressSanitizer sees. */
function parse(verb: Parse, datagram: Bytes, room = 64): Parsed[] {
  const buffer = new ArrayBuffer(datagram.length);
  const mem = new Uint8Array(buffer);
  mem.set(datagram);
  const region = native.region(buffer);
  const words = new Int32Array(room * FrameWord.Words).fill(-7);
  const count = verb(region, 0, datagram.length, words);
  native.regionRelease(region);
  return Array.from({ length: count }, (_, i) => {
    const word = (w: FrameWord) => words[i * FrameWord.Words + w];
    assert.equal(word(FrameWord.Region), region);
    const [at, length] = [word(FrameWord.Offset), word(FrameWord.Captured)];
    assert.ok(at >= 0 && length >= 0 && at + length <= datagram.length, `frame ${i}: ${length} bytes at ${at} of ${datagram.length}`);
    assert.ok(word(FrameWord.Lead) >= 0 && word(FrameWord.Lead) <= length);
    assert.ok(word(FrameWord.Wire) >= length);
    return { word, bytes: mem.slice(at, at + length) };
  });
}

const MACS = { src: '02:00:00:00:00:01', dst: '02:00:00:00:00:02' };
const [src, dst] = ['10.0.0.1', '10.0.0.2'];
const PACKET = ipv4({ src, dst, proto: PROTO.udp }, udp({ src, dst, srcPort: 1, dstPort: 2 }, Buffer.from('payload')));
const six = { src: 'fd00::1', dst: 'fd00::2' };
const PACKET6 = ipv6({ ...six, nextHeader: PROTO.udp }, udp({ ...six, srcPort: 1, dstPort: 2 }, Buffer.from('payload')));

const queue = (family: number, protocol: number, attributes: Bytes[], id = 5) =>
  message(QUEUE_PACKET, family, [queueHeader(id, protocol), ...attributes]);

describe('packets of a queue', () => {
  test('everything a message says', () => {
    const [frame] = parse(
      queueParse,
      queue(
        FAMILY.ipv4,
        ETHERTYPE.ipv4,
        [
          attribute(NFQA.inDevice, be32(3)),
          attribute(NFQA.outDevice, be32(4)),
          attribute(NFQA.mark, be32(0x80000001)),
          attribute(NFQA.timestamp, concat(be64(1_700_000_000), be64(999_999))),
          attribute(NFQA.payload, PACKET),
        ],
        0xfffffffe,
      ),
    );
    assert.deepEqual(frame.bytes, PACKET);
    const expected: [FrameWord, number][] = [
      [FrameWord.Captured, PACKET.length],
      [FrameWord.Wire, PACKET.length],
      [FrameWord.Flags, FrameFlag.CsumValid],
      [FrameWord.Seconds, 1_700_000_000],
      [FrameWord.Nanoseconds, 999_999_000],
      [FrameWord.Socket, 0],
      [FrameWord.Link, 101],
      [FrameWord.PacketId, -2],
      [FrameWord.Mark, 0x80000001 | 0],
      [FrameWord.InDevice, 3],
      [FrameWord.OutDevice, 4],
      [FrameWord.Lead, 0],
    ];
    for (const [w, value] of expected) assert.equal(frame.word(w), value, `word ${w}`);
  });

  test('the ports of a bridge win over the bridge', () => {
    const devices = [NFQA.inDevice, NFQA.outDevice, NFQA.physInDevice, NFQA.physOutDevice].map((type, i) => attribute(type, be32(10 + i)));
    const [frame] = parse(queueParse, queue(FAMILY.ipv4, ETHERTYPE.ipv4, [...devices, attribute(NFQA.payload, PACKET)]));
    assert.deepEqual([frame.word(FrameWord.InDevice), frame.word(FrameWord.OutDevice)], [12, 13]);
  });

  test('checksums: not filled in, not verified, settled', () => {
    for (const [info, flags] of [
      [1, FrameFlag.CsumNotReady],
      [3, FrameFlag.CsumNotReady],
      [4, 0],
      [6, 0],
      [2, FrameFlag.CsumValid],
    ]) {
      const [frame] = parse(
        queueParse,
        queue(FAMILY.ipv4, ETHERTYPE.ipv4, [attribute(NFQA.skbInfo, be32(info)), attribute(NFQA.payload, PACKET)]),
      );
      assert.equal(frame.word(FrameWord.Flags), flags, `NFQA_SKB_INFO ${info}`);
    }
  });

  test('the beginning of a longer packet', () => {
    const [frame] = parse(
      queueParse,
      queue(FAMILY.ipv6, ETHERTYPE.ipv6, [attribute(NFQA.capLen, be32(70_000)), attribute(NFQA.payload, PACKET6)]),
    );
    assert.equal(frame.word(FrameWord.Captured), PACKET6.length);
    assert.equal(frame.word(FrameWord.Wire), 70_000);
    assert.equal(frame.word(FrameWord.Flags), FrameFlag.CsumValid | FrameFlag.Truncated);
    assert.equal(frame.word(FrameWord.Link), 101);
  });

  test('no payload, or no more than its head: handed up all the same, so that it is answered', () => {
    const none = parse(queueParse, queue(FAMILY.ipv4, ETHERTYPE.ipv4, []))[0];
    assert.deepEqual([none.word(FrameWord.PacketId), none.word(FrameWord.Captured)], [5, 0]);
    assert.ok(none.word(FrameWord.Flags) & FrameFlag.Truncated);
    const cut = parse(queueParse, queue(FAMILY.ipv4, ETHERTYPE.ipv4, [attribute(NFQA.payload, PACKET)]).subarray(0, -10))[0];
    assert.equal(cut.word(FrameWord.PacketId), 5);
    assert.ok(cut.word(FrameWord.Flags) & FrameFlag.Truncated);
    assert.equal(
      PACKET.subarray(0, cut.bytes.length).every((byte, i) => byte === cut.bytes[i]),
      true,
    );
  });

  test('bridge family: link header and tag put back, whatever the tag protocol', () => {
    const whole = (vlans: { tpid?: number; id: number; pcp?: number }[]) => ethernet({ ...MACS, vlans }, PACKET);
    const bridged = (tag: Bytes[], link: Bytes) =>
      parse(queueParse, queue(FAMILY.bridge, ETHERTYPE.ipv4, [...tag, attribute(NFQA.l2Header, link), attribute(NFQA.payload, PACKET)]))[0];
    const plain = bridged([], whole([]).subarray(0, 14));
    assert.deepEqual([plain.bytes, plain.word(FrameWord.Link), plain.word(FrameWord.Lead)], [whole([]), 1, 14]);
    for (const tpid of [ETHERTYPE.qinq, 0x8100]) {
      const tagged = bridged([vlanTag(NFQA.vlan, tpid, 0x6005)], whole([]).subarray(0, 14));
      assert.deepEqual([tagged.bytes, tagged.word(FrameWord.Lead)], [whole([{ tpid, id: 5, pcp: 3 }]), 18]);
      assert.equal(tagged.word(FrameWord.Wire), PACKET.length + 18);
    }
    const inner = bridged([vlanTag(NFQA.vlan, ETHERTYPE.qinq, 7)], whole([{ id: 9 }]).subarray(0, 18));
    assert.deepEqual(inner.bytes, whole([{ tpid: ETHERTYPE.qinq, id: 7 }, { id: 9 }]));
  });

  test('without a link header: what it is says the EtherType', () => {
    const [arp] = parse(queueParse, queue(FAMILY.bridge, ETHERTYPE.arp, [attribute(NFQA.payload, Buffer.alloc(28))]));
    assert.equal(arp.word(FrameWord.Link), 0x10000 | ETHERTYPE.arp);
    const short = queue(FAMILY.bridge, ETHERTYPE.ipv4, [attribute(NFQA.l2Header, Buffer.alloc(13)), attribute(NFQA.payload, PACKET)]);
    assert.equal(parse(queueParse, short)[0].word(FrameWord.Link), 101);
  });

  test('other messages, and a packet without an id, are no frames', () => {
    const error = message(2, 0, [new Uint8Array(16)]);
    const config = message(QUEUE_PACKET | 2, 0, []);
    const noId = message(QUEUE_PACKET, FAMILY.ipv4, [attribute(NFQA.payload, PACKET)]);
    const frames = parse(
      queueParse,
      concat(error, config, noId, message(LOG_PACKET, FAMILY.ipv4, []), queue(FAMILY.ipv4, ETHERTYPE.ipv4, [])),
    );
    assert.deepEqual(
      frames.map(({ word }) => word(FrameWord.PacketId)),
      [5],
    );
  });
});

describe('packets of a log group', () => {
  const log = (protocol: number, payload: Bytes, more: Bytes[] = [], family: number = FAMILY.ipv4) =>
    message(LOG_PACKET, family, [logHeader(protocol), ...more, attribute(NFULA.payload, payload)]);
  const DONE = message(3, 0, []);

  test('several in a datagram', () => {
    const packets = [PACKET, PACKET6, PACKET.subarray(0, 21)];
    const datagram = concat(
      ...packets.map((packet, i) => {
        const more = [attribute(NFULA.sequence, be32(i)), attribute(NFULA.mark, be32(i)), attribute(NFULA.prefix, Buffer.from('abc\0'))];
        const one = log(packet[0] >> 4 === 4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6, packet, more);
        return one;
      }),
      DONE,
    );
    const frames = parse(logParse, datagram);
    assert.deepEqual(
      frames.map(({ bytes, word }) => [bytes, word(FrameWord.PacketId), word(FrameWord.Mark), word(FrameWord.Link)]),
      packets.map((packet, i) => [packet, i, i, 101]),
    );
    assert.equal(parse(logParse, datagram, 2).length, 2);
  });

  test('longer than what was copied: the IP header tells', () => {
    const [four] = parse(logParse, log(ETHERTYPE.ipv4, PACKET.subarray(0, 25)));
    assert.deepEqual([four.word(FrameWord.Captured), four.word(FrameWord.Wire)], [25, PACKET.length]);
    const [sixth] = parse(logParse, log(ETHERTYPE.ipv6, PACKET6.subarray(0, 41), [], FAMILY.ipv6));
    assert.deepEqual([sixth.word(FrameWord.Captured), sixth.word(FrameWord.Wire)], [41, PACKET6.length]);
    for (const frame of [four, sixth]) assert.equal(frame.word(FrameWord.Flags), FrameFlag.Truncated | FrameFlag.CsumValid);
  });

  test('bridge family: a link header never reaches into the message before', () => {
    const link = ethernet(MACS, PACKET).subarray(0, 14);
    const one = log(ETHERTYPE.ipv4, PACKET, [vlanTag(NFULA.vlan, 0x8100, 5), attribute(NFULA.l2Header, link)], FAMILY.bridge);
    const frames = parse(logParse, concat(one, one, one));
    for (const frame of frames) assert.deepEqual(frame.bytes, ethernet({ ...MACS, vlans: [{ id: 5 }] }, PACKET));
    assert.equal(frames.length, 3);
    // A payload before its link header leaves no room ahead of it for one so long.
    const long = message(LOG_PACKET, FAMILY.bridge, [
      attribute(NFULA.payload, PACKET),
      logHeader(ETHERTYPE.ipv4),
      attribute(NFULA.l2Header, new Uint8Array(60)),
    ]);
    const [before, after] = parse(logParse, concat(log(ETHERTYPE.ipv4, PACKET), long));
    assert.deepEqual([before.bytes, after.bytes], [PACKET, PACKET]);
  });
});

describe('hostile messages (property)', () => {
  const types = fc.oneof(fc.integer({ min: 0, max: 24 }), fc.integer({ min: 0, max: 0xffff }));
  const value = fc.oneof(fc.uint8Array({ maxLength: 24 }), fc.constant(PACKET), fc.constant(PACKET6));
  const lying = fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    fc.integer({ min: 0, max: 80 }),
    fc.integer({ min: 0, max: 0xffff }),
  );
  const attributes = fc.tuple(types, value, lying).map(([type, bytes, length]) => attribute(type, bytes, length));
  const known = fc.constantFrom(
    queueHeader(1, ETHERTYPE.ipv4),
    vlanTag(NFQA.vlan, 0x8100, 1),
    vlanTag(NFULA.vlan, 0x8100, 1),
    attribute(NFQA.l2Header, new Uint8Array(14)),
    attribute(NFULA.l2Header, new Uint8Array(18)),
    attribute(NFQA.payload, PACKET),
    attribute(NFULA.payload, PACKET6),
  );
  const messages = fc
    .tuple(
      fc.constantFrom(QUEUE_PACKET, LOG_PACKET, QUEUE_PACKET, LOG_PACKET, 2, 3, QUEUE_PACKET | 1),
      fc.constantFrom(...Object.values(FAMILY)),
      fc.array(fc.oneof(attributes, { weight: 2, arbitrary: known }), { maxLength: 8 }),
      fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 0xffffffff })),
    )
    .map(([type, family, all, length]) => message(type, family, all, length));
  const datagram = fc
    .tuple(
      fc.array(messages, { maxLength: 4 }),
      fc.uint8Array({ maxLength: 20 }),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
      fc.nat(400),
    )
    .map(([all, rest, changes, cut]) => {
      const whole = concat(...all, rest);
      for (const [at, byte] of changes) if (whole.length > 0) whole[at % whole.length] = byte;
      return cut < whole.length ? whole.slice(0, whole.length - (cut % 64)) : whole;
    })
    .filter((bytes) => bytes.length > 0);

  test('no frame reaches outside its datagram, and nothing outside is written', () => {
    let frames = 0;
    fc.assert(
      fc.property(datagram, fc.integer({ min: 1, max: 8 }), (bytes, room) => {
        for (const verb of [queueParse, logParse]) {
          frames += parse(verb, bytes, room).length;
          // The same in the middle of other memory, at any alignment.
          const around = new Uint8Array(bytes.length + 71).fill(0xa5);
          around.set(bytes, 35);
          const region = native.region(around.buffer);
          verb(region, 35, bytes.length, new Int32Array(room * FrameWord.Words));
          native.regionRelease(region);
          assert.ok([...around.subarray(0, 35), ...around.subarray(35 + bytes.length)].every((byte) => byte === 0xa5));
        }
      }),
      { numRuns: 2000 },
    );
    assert.ok(frames > 300, `only ${frames} frames: the messages are too hostile to test much`);
  });

  test('a region that is not there, and arrays too short, are refused', () => {
    const region = native.region(new ArrayBuffer(64));
    assert.throws(() => queueParse(region, 32, 33, new Int32Array(16)), { code: 'EINVAL' });
    assert.throws(() => queueParse(9999, 0, 1, new Int32Array(16)), { code: 'EINVAL' });
    assert.equal(queueParse(region, 0, 64, new Int32Array(15)), 0);
  });
});
