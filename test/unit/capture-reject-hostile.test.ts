import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildAnswer, MAX_ANSWER, MAX_LINK_HEADER, wrapLink } from '../../src/capture/answer.js';
import { isOwnAnswer } from '../../src/capture/answer-stamp.js';
import * as build from '../../src/lab/packets.js';
import { packAnswer, Side } from '../../src/ring/verdict.js';
import { answerWord, decode } from '../support/answers.js';

const A = '10.1.2.3';
const B = '10.4.5.6';
const A6 = 'fe80::1';
const B6 = '2001:db8::1';
const text = build.bytes('0123456789abcdef'.repeat(6));
const ext = [
  { type: 0, body: build.hex('0502 0000 0100') },
  { type: 43, body: build.hex('02 00 00000000') },
  { type: 44, body: build.fragmentBody(7, 0, false) },
  { type: 60, body: build.hex('1e02 0000 0100') },
];
const ports = { srcPort: 1, dstPort: 2 };
const valid = [
  build.ipv4({ src: A, dst: B, proto: 6, options: new Uint8Array(12).fill(1) }, build.tcp({ src: A, dst: B, ...ports }, text)),
  build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, ...ports }, text)),
  build.ipv4({ src: A, dst: B, proto: 1 }, build.icmp4({ type: 8 }, text)),
  build.ipv4({ src: A, dst: B, proto: 132 }, build.sctp(ports, text)),
  build.ipv6({ src: A6, dst: B6, nextHeader: 6, extHeaders: ext }, build.tcp({ src: A6, dst: B6, ...ports }, text)),
  build.ipv6({ src: A6, dst: B6, nextHeader: 17, extHeaders: ext }, build.udp({ src: A6, dst: B6, ...ports }, text)),
  build.ipv6({ src: A6, dst: B6, nextHeader: 253, extHeaders: ext }, text.subarray(0, 3)),
  build.ipv6({ src: A6, dst: B6, nextHeader: 58 }, build.icmp6({ src: A6, dst: B6, type: 128 }, text)),
].flatMap((packet) => [build.ethernet({}, packet), build.ethernet({ vlans: [{ id: 1 }, { id: 2 }] }, packet)]);
const words = valid.map((frame) => answerWord(frame, 1));

/** Both functions on `bytes`, with `fill` all around: what they return and wrote, nothing else changed. */
function run(
  bytes: Uint8Array,
  word: number,
  side: Side.Source | Side.Destination,
  delivered: 0 | 1,
  room: number,
  at: number,
  fill: number,
) {
  const mem = new Uint8Array(64 + bytes.length + 20000).fill(fill);
  mem.set(bytes, 64);
  const before = mem.slice(0, 64 + bytes.length + 64);
  const out = new Uint8Array(room).fill(0x5a);
  const link = new Uint8Array(room).fill(0x5a);
  const n = buildAnswer(mem, 64, 64 + bytes.length, word, side, delivered, out, at);
  const l = wrapLink(mem, 64, 64 + bytes.length, word, side === Side.Source, link, at);
  assert.ok(Number.isInteger(n) && n >= 0 && n <= MAX_ANSWER && (n === 0 || at + n <= room), `answer of ${n}`);
  assert.ok(Number.isInteger(l) && l >= 0 && l <= MAX_LINK_HEADER && (l === 0 || at + l <= room), `link header of ${l}`);
  for (let i = 0; i < room; i++) {
    if (i < at || i >= at + n) assert.equal(out[i], 0x5a, `answer wrote byte ${i}`);
    if (i < at || i >= at + l) assert.equal(link[i], 0x5a, `link header wrote byte ${i}`);
  }
  assert.deepEqual(mem.subarray(0, before.length), before, 'the frame was changed');
  return { answer: out.slice(at, at + n), link: link.slice(at, at + l) };
}

function check(bytes: Uint8Array, word: number, side: Side.Source | Side.Destination, delivered: 0 | 1, room: number, at: number): void {
  const reference = run(bytes, word, side, delivered, room, at, 0x00);
  assert.deepEqual(run(bytes, word, side, delivered, room, at, 0xff), reference);
  assert.deepEqual(run(bytes, word, side, delivered, room, at, 0x45), reference);
  if (reference.answer.length === 0) return;
  // Whatever made it: it decodes without an event, its checksums are right, it is known again, and it is never answered itself.
  const { p, events } = decode(reference.answer);
  assert.deepEqual(events, []);
  assert.equal(p.csumInvalid, 0);
  assert.equal(isOwnAnswer(reference.answer, 0, reference.answer.length, 0), true);
  const again = packAnswer(Side.Both, 0, p.ipHeaderLen);
  for (const to of [Side.Source, Side.Destination] as const)
    assert.equal(buildAnswer(p.mem, 0, p.mem.length, again, to, 0, new Uint8Array(400), 0), 0);
}

const side = fc.constantFrom<Side.Source | Side.Destination>(Side.Source, Side.Destination);
const delivered = fc.constantFrom<0 | 1>(0, 1);
const room = fc.oneof({ weight: 3, arbitrary: fc.constant(400) }, fc.nat(200));

test('damaged packets, right or wrong answer words, any end: no throw, no byte outside', () => {
  const damage = fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 4 });
  const word = fc.oneof(
    fc.constant(-1),
    fc.integer(),
    fc.tuple(fc.nat(60), fc.nat(120)).map(([ip, t]) => packAnswer(Side.Both, ip, t)),
  );
  let answered = 0;
  fc.assert(
    fc.property(
      fc.nat(valid.length - 1),
      damage,
      word,
      fc.nat(400),
      side,
      delivered,
      room,
      fc.nat(30),
      (v, damages, w, cut, to, d, r, at) => {
        const whole = valid[v].slice();
        for (const [where, value] of damages) if (where < whole.length) whole[where] = value;
        const bytes = whole.subarray(0, cut > 200 ? whole.length : Math.min(cut, whole.length));
        check(bytes, w === -1 ? words[v] : w, to, d, r, at);
        if (run(bytes, words[v], to, d, 400, at, 0).answer.length > 0) answered++;
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(answered > 500, `only ${answered} answers: the property says little`);
});

test('what lies behind the captured bytes does not count, though it be the rest of the packet', () => {
  for (const [v, frame] of valid.entries()) {
    const { p } = decode(frame, 1);
    for (let end = 0; end < p.ipOff + p.ipHeaderLen; end++)
      assert.equal(buildAnswer(frame, 0, end, words[v], Side.Source, 0, new Uint8Array(400), 0), 0, `packet ${v} cut at ${end}`);
  }
});

test('random bytes, random words', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ minLength: 1, maxLength: 200 }).map((b) => {
      b[0] = 0x45 + (b[0] & 3);
      return b;
    }),
    fc.uint8Array({ minLength: 1, maxLength: 200 }).map((b) => {
      b[0] = 0x60;
      return b;
    }),
  );
  const word = fc.oneof(
    fc.integer(),
    fc.constantFrom(20, 24, 28, 40, 48, 56).map((t) => packAnswer(Side.Both, 0, t)),
  );
  fc.assert(
    fc.property(bytes, word, side, delivered, room, fc.nat(30), (b, w, to, d, r, at) => check(b, w, to, d, r, at)),
    { numRuns: 3000 },
  );
});

test('offsets outside the memory', () => {
  const frame = valid[0];
  const out = new Uint8Array(400);
  const word = words[0];
  for (const [from, end, at] of [
    [-1, frame.length, 0],
    [0, frame.length + 1, 0],
    [frame.length, frame.length, 0],
    [10, 5, 0],
    [0, 0, 0],
    [0, -5, 0],
    [0, frame.length, -1],
    [0, frame.length, 400],
    [0x7fffffff, frame.length, 0],
    [0, frame.length, 0x7fffffff],
  ]) {
    assert.equal(buildAnswer(frame, from, end, word, Side.Source, 0, out, at), 0);
    assert.equal(wrapLink(frame, from, end, word, true, out, at), 0);
  }
  assert.deepEqual(out, new Uint8Array(400));
});

test('isOwnAnswer on random bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: -5, max: 90 }), fc.integer({ min: -5, max: 90 }), (b, at, end) => {
      assert.equal(isOwnAnswer(b, at, end, 0), false);
    }),
  );
});
