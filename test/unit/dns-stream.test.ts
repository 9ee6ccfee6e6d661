import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Parsed } from '../../src/app-layer/protocol.js';
import { bytes, DnsTalk, framed, hex, join, message, question, record } from '../support/dns.js';

const QUERY = message({ questions: [question('www.example.org')] });
const ANSWER = message({
  flags: 0x8180,
  questions: [question('www.example.org')],
  answers: [record('*12', 1, bytes('abcd')), record('*16', 16, bytes('\x03abc'))],
});
const BIG = message({
  flags: 0x8180,
  questions: [question('big.example')],
  answers: Array.from({ length: 90 }, (_, i) => record(`h${i}.*12`, 16, new Uint8Array(200).fill(1).fill(199, 0, 1))),
});
const STREAM = join(framed(ANSWER), framed(BIG), hex('0000'), framed(ANSWER), framed(hex('0102')), framed(ANSWER));

const whole = once(STREAM);

function once(...pieces: Uint8Array[]) {
  const talk = new DnsTalk().stream();
  for (const piece of pieces) talk.packet(1, piece);
  const { seen } = talk;
  talk.dns.close(talk.session);
  talk.start();
  assert.equal(talk.txs.heap.used, 0, 'all pieces are given back');
  talk.close();
  return seen;
}

test('messages of a stream, wherever it is cut', () => {
  assert.deepEqual(
    whole.map(({ id, events }) => [id, events]),
    [
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 1],
      [3, 0],
    ],
  );
  const small = join(framed(QUERY), framed(ANSWER));
  const expected = once(small);
  for (let cut = 1; cut < small.length; cut++) assert.deepEqual(once(small.subarray(0, cut), small.subarray(cut)), expected);
});

test('byte by byte', () => {
  assert.deepEqual(once(...Array.from(STREAM.subarray(0, 700), (b) => Uint8Array.of(b))), once(STREAM.subarray(0, 700)));
});

test('any cuts', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(STREAM.length - 1), { maxLength: 12 }), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), STREAM.length];
      const pieces = at.slice(1).map((end, i) => STREAM.subarray(at[i], end));
      assert.deepEqual(once(...pieces.filter((piece) => piece.length > 0)), whole);
    }),
    { numRuns: 60 },
  );
});

test('both directions by themselves, numbered together', () => {
  const talk = new DnsTalk().stream();
  const query = framed(QUERY);
  const answer = framed(ANSWER);
  talk.packet(0, query.subarray(0, 20)).packet(1, answer.subarray(0, 1)).packet(0, query.subarray(20)).packet(1, answer.subarray(1));
  assert.deepEqual(
    talk.seen.map((s) => [s.id, s.direction, s.record.type, s.events]),
    [
      [0, 0, 'request', 0],
      [1, 1, 'response', 0],
    ],
  );
  talk.close();
});

test('the longest message', () => {
  const long = join(QUERY, new Uint8Array(0xffff - QUERY.length));
  const talk = new DnsTalk().stream();
  const stream = join(framed(long), framed(QUERY));
  for (let at = 0; at < stream.length; at += 1448) talk.packet(0, stream.subarray(at, at + 1448));
  assert.deepEqual(
    talk.seen.map((s) => s.buffers['dns.query']),
    [['www.example.org'], ['www.example.org']],
  );
  talk.close();
});

test('after a gap within a message what is there of it counts, and the next one is found by its length', () => {
  const talk = new DnsTalk().stream();
  const big = framed(BIG);
  talk.packet(1, big.subarray(0, 1000));
  talk.start();
  talk.dns.gap(talk.session, 1, 500);
  talk.look();
  talk.packet(1, big.subarray(1500), framed(ANSWER));
  assert.deepEqual(
    talk.seen.map((s) => [s.events, s.buffers['dns.queries.rrname'][0]]),
    [
      [1, 'big.example'],
      [0, 'www.example.org'],
    ],
  );
  talk.close();
});

test('after a gap of unknown length the stream goes on where a message seems to begin', () => {
  const talk = new DnsTalk().stream();
  talk.packet(1, framed(ANSWER));
  talk.dns.gap(talk.session, 1, 0);
  talk.packet(1, bytes('the rest of something else, which is no message at all')).packet(1, framed(ANSWER));
  assert.equal(talk.seen.length, 2);
  assert.equal(talk.last, Parsed.Go);
  talk.close();
});

test('the end of a direction ends its message', () => {
  const talk = new DnsTalk().stream();
  talk.packet(0, framed(QUERY).subarray(0, 32));
  talk.start();
  talk.dns.finish(talk.session, 0);
  talk.look();
  assert.deepEqual(talk.seen[0].buffers['dns.query'], ['www.example.org']);
  assert.equal(talk.seen[0].events, 1);
  talk.close();
});

test('no room to put a message together: what there is of it is read, and the next one is found', () => {
  const talk = new DnsTalk({ heap: 1 << 16 }).stream();
  const hold: number[] = [];
  for (let piece = talk.txs.heap.take(512); piece >= 0; piece = talk.txs.heap.take(512)) hold.push(piece);
  const big = framed(BIG);
  talk.packet(1, big.subarray(0, 1000)).packet(1, big.subarray(1000), framed(ANSWER));
  assert.deepEqual(
    talk.seen.map((s) => [s.events, s.buffers['dns.queries.rrname'][0]]),
    [
      [1, 'big.example'],
      [0, 'www.example.org'],
    ],
  );
  for (const piece of hold) talk.txs.heap.give(piece, 512);
  // Room for the beginning, not for more.
  const half = new DnsTalk({ heap: 1 << 16 }).stream();
  half.packet(1, big.subarray(0, 400));
  const taken: number[] = [];
  for (let piece = half.txs.heap.take(1024); piece >= 0; piece = half.txs.heap.take(1024)) taken.push(piece);
  half.packet(1, big.subarray(400, 2000)).packet(1, big.subarray(2000), framed(ANSWER));
  assert.deepEqual(
    half.seen.map((s) => [s.events, s.buffers['dns.queries.rrname'][0]]),
    [
      [1, 'big.example'],
      [0, 'www.example.org'],
    ],
  );
  talk.close();
  half.close();
});

test('garbage behind a message is given up', () => {
  const talk = new DnsTalk().stream();
  talk.packet(0, framed(QUERY));
  for (let i = 0; i < 20 && talk.last === Parsed.Go; i++) talk.packet(0, framed(bytes(`line ${i} of a text`)));
  assert.equal(talk.last, Parsed.Failed);
  talk.close();
});

test('garbage before the first message hides nothing, and costs nothing in the end', () => {
  const talk = new DnsTalk().stream();
  for (let i = 0; i < 40; i++) talk.packet(0, framed(bytes(`line ${i} of a text`)));
  assert.equal(talk.last, Parsed.Go);
  const before = talk.seen.length;
  assert.ok(before <= 16, `${before} transactions`);
  talk.packet(0, framed(QUERY));
  assert.equal(talk.seen.length, before + 1);
  talk.close();
});
