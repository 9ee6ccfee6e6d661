import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Der } from '../../src/app-layer/tls/der.js';
import { TLS_NAMES } from '../../src/app-layer/tls/eve.js';
import { TLS_EVENTS } from '../../src/app-layer/tls/events.js';
import { Side } from '../../src/app-layer/tls/layout.js';
import { TlsStore } from '../../src/app-layer/tls/store.js';
import { TlsProtocol } from '../../src/app-layer/tls/tls.js';
import { AppTalk, cutAt } from '../support/app-protocol.js';
import * as t from '../support/tls-bytes.js';

type Sent = readonly [direction: number, bytes: Uint8Array];

const talk = (heap?: number) => new AppTalk((sessions, txs, counters) => new TlsProtocol(sessions, txs, counters), TLS_NAMES, heap);

const SAN = [t.der(0x82, 'bar.example'), t.der(0x87, [192, 0, 2, 7]), t.der(0xa4, t.name(['CN', 'dir']))];
const CERT = t.certificate({ names: SAN });
const FULL = { extensions: [t.sni('bar.example'), t.alpn('h2', 'http/1.1'), t.groups(29, 23), t.points(0), t.signatures(0x403)] };
const BODY = t.clientHello(FULL);

const SESSIONS: readonly (readonly Sent[])[] = [
  [
    [0, t.record(22, BODY)],
    [1, t.record(22, t.bytes(t.serverHello(0xc02f, [t.alpn('h2')]), t.certificates(CERT, CERT), t.message(12, 1, 2, 3), t.message(14)))],
    [0, t.bytes(t.record(22, t.bytes(t.certificates(CERT), t.message(16, 1, 2))), t.CIPHER_SPEC, t.record(22, t.RANDOM))],
    [1, t.bytes(t.CIPHER_SPEC, t.record(22, t.RANDOM), t.record(23, t.RANDOM))],
  ],
  [
    [
      0,
      t.bytes(
        t.record(22, BODY.subarray(0, 3)),
        t.record(22, BODY.subarray(3, 60)),
        t.record(21, t.bytes(1, 0)),
        t.record(22, BODY.subarray(60)),
      ),
    ],
    [1, t.bytes(t.CIPHER_SPEC, t.record(22, t.serverHello(0x1301, [t.extension(43, 3, 4)])), t.record(23, t.RANDOM))],
  ],
  [
    [0, t.bytes(0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16, [1, 0, 0x80, 0, 0, 4], t.RANDOM.subarray(0, 16))],
    [1, t.record(22, t.bytes(t.serverHello(4, [], 0x0301), t.certificates(CERT)), 0x0301)],
    [0, t.bytes(t.record(24, t.bytes(1, 0x40, 0)), t.record(24, t.bytes(2, 0, 0, 1)))],
  ],
];

/** All that is known at the end, and what was shown on the way; what depends on the packets' sizes is left out. */
function outcome(sent: readonly Sent[], cuts: (bytes: Uint8Array) => Uint8Array[]) {
  const a = talk();
  for (const [direction, bytes] of sent) a.feed(direction, ...cuts(bytes));
  a.finish();
  const events = a.events(TLS_EVENTS, 1).filter((event) => event !== 'too_many_records_in_packet');
  const result = {
    parsed: a.parsed,
    record: a.record(),
    events,
    shown: [...new Set(a.shown)].sort(),
    states: a.tx < 0 ? [] : [a.state(0), a.state(1)],
    repeats: repeats(a),
  };
  assert.equal(a.close(), 0, 'bytes of the heap are lost');
  return result;
}
const whole = (bytes: Uint8Array) => [bytes];

/** A direction said hello, or sent a certificate, more than once. */
function repeats(a: AppTalk): boolean {
  if (a.tx < 0) return false;
  const store = new TlsStore(a.txs, a.counters);
  return [0, 1].some((direction) => {
    const side = store.side(a.tx, direction);
    return store.heap[side + Side.Hellos] > 1 || store.heap[side + Side.Certificates] > 1;
  });
}

test('it makes no difference where a stream is cut in two', () => {
  for (const sent of SESSIONS) {
    const want = outcome(sent, whole);
    assert.ok(want.shown.length > 0);
    const longest = Math.max(...sent.map(([, bytes]) => bytes.length));
    for (let at = 1; at < longest; at++)
      assert.deepEqual(
        outcome(sent, (bytes) => cutAt(bytes, [Math.min(at, bytes.length)])),
        want,
        `cut at ${at}`,
      );
    assert.deepEqual(
      outcome(sent, (bytes) => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))),
      want,
      'byte by byte',
    );
  }
});

interface Change {
  at: number;
  how: 'set' | 'insert' | 'delete' | 'repeat' | 'cut';
  value: number;
}
const change = fc.record<Change>({
  at: fc.nat(4000),
  how: fc.constantFrom('set', 'set', 'set', 'insert', 'delete', 'repeat', 'cut'),
  value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0x84, 0x30, 0xff), fc.nat(255)),
});

function changed(bytes: Uint8Array, { at, how, value }: Change): Uint8Array {
  const i = bytes.length === 0 ? 0 : at % bytes.length;
  const before = bytes.subarray(0, i);
  const after = bytes.subarray(i);
  if (how === 'insert') return t.bytes(before, value, after);
  if (how === 'delete') return t.bytes(before, after.subarray(1 + (value & 7)));
  if (how === 'repeat') return t.bytes(before, after, after);
  if (how === 'cut') return t.bytes(before);
  const copy = Uint8Array.from(bytes);
  if (copy.length > 0) copy[i] = value;
  return copy;
}

test('changed sessions are read to the end or refused, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SESSIONS),
      fc.array(fc.tuple(fc.nat(3), change), { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(2000), { maxLength: 8 }),
      (sent, changes, cuts) => {
        const hurt = sent.map(([direction, bytes], i): Sent => {
          let now = bytes;
          for (const [which, one] of changes) if (which % sent.length === i) now = changed(now, one);
          return [direction, now];
        });
        const { shown: inPieces, ...got } = outcome(hurt, (bytes) =>
          cutAt(
            bytes,
            cuts.map((at) => Math.min(at, bytes.length)),
          ),
        );
        const { shown, ...want } = outcome(hurt, whole);
        assert.deepEqual(got, want);
        // A packet shows its last hello and its last certificate. Of more than one in a packet a cut shows the others, too.
        if (want.repeats)
          assert.deepEqual(
            shown.filter((text) => !inPieces.includes(text)),
            [],
          );
        else assert.deepEqual(inPieces, shown);
      },
    ),
    { numRuns: 1500 },
  );
});

test('any certificate is read to an end', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .tuple(fc.constantFrom(0x30, 0x31, 2, 6, 0x0c, 0x17, 0x18, 0x1e, 0xa0, 0xa3, 4), fc.uint8Array({ maxLength: 20 }))
      .map(([tag, body]) => t.der(tag, body)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, wrapped) => {
      const inside = t.bytes(...pieces);
      const cert = wrapped ? t.der(0x30, t.der(0x30, inside)) : inside;
      const a = talk();
      a.feed(0, t.record(22, BODY)).feed(1, t.record(22, t.bytes(t.serverHello(1), t.certificates(cert))));
      a.record();
      assert.equal(a.finish().close(), 0);
    }),
    { numRuns: 500 },
  );
});

test('hostile DER', () => {
  const der = new Der();
  const read = (...bytes: number[]) => der.read(Uint8Array.from(bytes), 0, bytes.length);
  assert.equal(read(0x30, 0x80, 0, 0), false, 'indefinite');
  assert.equal(read(0x30, 0xff, 0, 0), false, 'reserved');
  assert.equal(read(0x30, 0x85, 0, 0, 0, 0, 1, 0), false, 'five bytes of length');
  assert.equal(read(0x30, 0x84, 0xff, 0xff, 0xff, 0xff), false, 'four gigabytes');
  assert.equal(read(0x1f, 0x81, 0), false, 'a tag of several bytes');
  assert.equal(read(0x30, 2, 0), false, 'beyond the end');
  assert.equal(read(0x30), false);
  assert.equal(read(0x30, 0x82, 0, 1, 7), true, 'longer than need be');
  assert.deepEqual([der.from, der.to], [4, 5]);

  const nested = (depth: number) => {
    let inside = t.bytes();
    for (let i = 0; i < depth; i++) inside = t.der(0x30, inside);
    return inside;
  };
  const events = (cert: Uint8Array) => {
    const a = talk()
      .feed(0, t.record(22, BODY))
      .feed(1, t.record(22, t.bytes(t.serverHello(1), t.certificates(cert))));
    return a.events(TLS_EVENTS, 1);
  };
  assert.deepEqual(events(nested(4000)), ['certificate_invalid_serial']);
  assert.deepEqual(events(t.bytes(0x30, 0x80, CERT, 0, 0)), ['certificate_invalid_der']);
  assert.deepEqual(events(t.certificate({ subject: t.der(0x30, t.der(0x31, t.bytes(0x30, 0x20))) })), ['certificate_invalid_x509name']);
  assert.deepEqual(events(t.certificate({ validity: t.der(0x30, t.der(0x17, '991399999999Z')) })), ['certificate_invalid_date']);
  assert.deepEqual(events(t.certificate({ names: [t.bytes(0x82, 0x7f, 1)] })), ['certificate_invalid_extensions']);
});

test('no more is kept than twice what was sent', () => {
  const a = talk();
  a.feed(0, t.record(22, t.bytes(1, 0xff, 0xff, 0xff, 3, 3)));
  assert.ok(a.txs.heap.used <= 4096, `${a.txs.heap.used} bytes for six`);
  for (let i = 0; i < 40; i++) a.feed(0, t.record(22, new Uint8Array(16000)));
  assert.ok(a.txs.heap.used <= 4 * 65536, `${a.txs.heap.used} bytes`);
  assert.equal(a.close(), 0);
});

test('a message without room is left out, and counted', () => {
  const a = talk(65536);
  const big = t.certificate({ names: Array.from({ length: 1500 }, (_, i) => t.der(0x82, `name-${i}.example`)) });
  a.feed(0, t.record(22, BODY));
  const flight = t.bytes(t.serverHello(1), t.certificates(big));
  for (let at = 0; at < flight.length; at += 16000) a.feed(1, t.record(22, flight.subarray(at, at + 16000)));
  assert.ok(a.counters.some((count) => count > 0));
  a.record();
  assert.equal(a.finish().close(), 0);
});

test('holes', () => {
  const server = SESSIONS[0][1][1];
  for (let at = 0; at < server.length; at += 3) {
    for (const length of [1, 40, 1000, 0]) {
      const a = talk().feed(0, t.record(22, BODY)).feed(1, server.subarray(0, at)).gap(1, length);
      a.feed(1, server.subarray(length === 0 ? server.length : Math.min(at + length, server.length)));
      assert.equal(a.record().sni, 'bar.example');
      assert.equal(a.finish().close(), 0);
    }
  }
  // A hole in the certificate costs what lies behind it, and no more.
  const at = Buffer.from(server).indexOf('Foo', 0, 'latin1') + 200;
  const a = talk()
    .feed(0, t.record(22, BODY))
    .feed(1, server.subarray(0, at))
    .gap(1, 50)
    .feed(1, server.subarray(at + 50));
  assert.equal(a.record().issuerdn, 'C=US, O=Foo, Inc., CN=root');
  assert.equal(a.record().ja3s.string, '771,49199,16');
});

test('64 KiB of anything cost little', () => {
  const one = t.bytes(0x31, 0x0c, 0x30, 0x0a, 6, 3, 0x2a, 0x86, 0x48, 0x0c, 3, 0x61, 0x62, 0x63);
  const dn = t.der(0x30, ...Array.from({ length: 4000 }, () => one));
  const inRecords = (bytes: Uint8Array) =>
    t.bytes(
      ...cutAt(
        bytes,
        [16000, 32000, 48000].filter((at) => at < bytes.length),
      ).map((part) => t.record(22, part)),
    );
  const ciphers = Array.from({ length: 31000 }, (_, i) => (i * 7919) & 0xffff);
  const hostile: Record<string, Sent> = {
    'empty records': [0, t.bytes(...Array.from({ length: 13000 }, () => t.record(23, t.bytes())))],
    'one name': [1, inRecords(t.bytes(t.serverHello(1), t.certificates(t.certificate({ subject: dn }))))],
    'alternative names': [
      1,
      inRecords(
        t.bytes(t.serverHello(1), t.certificates(t.certificate({ names: Array.from({ length: 12000 }, () => t.der(0x82, 'ab')) }))),
      ),
    ],
    'cipher suites': [0, inRecords(t.clientHello({ ciphers }))],
    'small messages': [
      0,
      t.bytes(...Array.from({ length: 4 }, () => t.record(22, t.bytes(...Array.from({ length: 4000 }, () => t.message(4)))))),
    ],
    'one byte a record': [0, t.bytes(...Array.from({ length: 10000 }, () => t.record(22, t.bytes(4))))],
  };
  // By what a simple loop over 64 KiB takes here and now: 0.06 ms where this was measured, the worst of these 0.9 ms.
  const loop = new Uint8Array(65536).fill(1);
  for (const [what, [direction, bytes]] of Object.entries(hostile)) {
    let best = Number.POSITIVE_INFINITY;
    let unit = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 30; run++) {
      const a = talk(1 << 20);
      if (direction === 1) a.feed(0, t.record(22, BODY));
      const mem = bytes.slice();
      a.txs.begin();
      best = Math.min(
        best,
        millis(() => a.protocol.data(a.session, direction, mem, 0, 0, mem.length)),
      );
      unit = Math.min(
        unit,
        millis(() => sum(loop)),
      );
    }
    if (process.env.SHOW) console.log(what, bytes.length, best.toFixed(3), unit.toFixed(3), 'ms');
    assert.ok(best < 100 * unit, `${what}: ${best} ms, a loop ${unit} ms`);
  }
});

function millis(work: () => void): number {
  const began = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - began) / 1e6;
}

function sum(bytes: Uint8Array): number {
  let h = 0;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i], 0x5bd1e995);
  return h;
}
