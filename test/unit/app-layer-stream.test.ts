import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NO_ROOM } from '../../src/app-layer/app-layer.js';
import { AppProto } from '../../src/app-layer/buffers.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import type { Reassembler } from '../../src/stream/reassembly/reassembler.js';
import { latin1, plainly, Talk } from './app-layer-fixture.js';
import { A, P, S } from './flow-fixture.js';

const word = fc.constantFrom('USER', 'pass', 'Retr', 'SITE', 'NOOP', 'XYZZY', 'auth', 'QUIT');
const line = fc
  .tuple(word, fc.option(fc.stringMatching(/^[ -~]{0,40}$/)), fc.constantFrom('\r\n', '\n', '\r\r\n'))
  .map(([w, data, end]) => (data === null ? w : `${w} ${data}`) + end);
const long = fc.integer({ min: 100, max: 4000 }).map((n) => `STOR ${'f'.repeat(n)}\r\n`);
const dialogue = fc
  .array(fc.oneof({ weight: 6, arbitrary: line }, { weight: 1, arbitrary: long }, fc.constant('\r\n')), { minLength: 1, maxLength: 8 })
  .map((lines) => `USER first\r\n${lines.join('')}`);

/** Cuts [0, length) into pieces, which overlap backwards and come again now and then. */
const cuts = fc.array(fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 40 }), fc.boolean()), {
  minLength: 1,
  maxLength: 40,
});

interface Segment {
  from: number;
  to: number;
}

function segmentsOf(length: number, plan: [number, number, boolean][]): Segment[] {
  const list: Segment[] = [];
  for (let at = 0, i = 0; at < length; i++) {
    const [n, back, again] = plan[i % plan.length];
    const to = Math.min(length, at + (i < plan.length ? n : 1400));
    const segment = { from: Math.max(0, at - back), to };
    list.push(segment);
    if (again) list.push(segment);
    at = to;
  }
  return list;
}

/** Moves each segment by up to `reach` places, as the random numbers say. */
function reordered(list: Segment[], by: number[], reach: number): Segment[] {
  return list
    .map((segment, i) => ({ segment, key: i + (by[i % by.length] % (reach + 1)) }))
    .sort((a, b) => a.key - b.key)
    .map((x) => x.segment);
}

function heard(text: string, segments: Segment[], mode: Mode): Talk {
  const t = new Talk();
  t.mode = mode;
  t.c(S, 1000);
  t.s(S | A, 5000, 1001, 0, { window: 65535 });
  t.c(A, 1001, 5001);
  const bytes = latin1(text);
  let acked = 0;
  for (const { from, to } of segments) {
    t.client(from, bytes.slice(from, to));
    assert.notEqual(t.result, NO_ROOM);
    acked = Math.max(acked, to);
    if (mode === Mode.Ids) t.s(A, 5001, 1001 + acked);
  }
  return t;
}

test('however a dialogue is cut, repeated, overlapped: the same commands, in IPS and in IDS', () => {
  fc.assert(
    fc.property(dialogue, cuts, fc.constantFrom(Mode.Ips, Mode.Ids), (text, plan, mode) => {
      const t = heard(text, segmentsOf(text.length, plan), mode);
      assert.deepEqual(t.commands, plainly(text));
      assert.equal(t.counters[Counter.AppGaps] + t.counters[Counter.AppNoRoom], 0);
    }),
    { numRuns: 300 },
  );
});

test('reordered by a few places: the same commands', () => {
  fc.assert(
    fc.property(
      dialogue,
      cuts,
      fc.array(fc.nat(20), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      (text, plan, by, reach) => {
        const t = heard(text, reordered(segmentsOf(text.length, plan), by, reach), Mode.Ips);
        assert.deepEqual(t.commands, plainly(text));
      },
    ),
    { numRuns: 300 },
  );
});

test('what was seen first counts, in order and out of order', () => {
  const t = new Talk();
  t.open();
  t.client(0, 'USER good');
  t.client(5, 'evil\r\n');
  t.client(16, 'WD two');
  t.client(17, 'XXXXX\r\n');
  assert.deepEqual(t.commands, ['USER|good']);
  t.client(11, 'ZZ\r\nC');
  assert.deepEqual(t.commands, ['USER|good', 'ZZ', 'CWD|two']);
});

test('numbers wrap round', () => {
  const t = new Talk();
  t.c(S, 0xfffffff8);
  t.s(S | A, 5000, 0xfffffff9);
  t.c(A, 0xfffffff9, 5001);
  const send = (at: number, text: string) => t.c(P | A, (0xfffffff9 + at) | 0, 5001, 0, { data: latin1(text) });
  send(0, 'USER');
  send(9, 'mous\r\n');
  send(4, ' anon');
  assert.deepEqual(t.commands, ['USER|anonmous']);
});

/** Three pages of 4,096 numbers may be held for what follows a hole. */
function narrow(mode = Mode.Ips): Talk {
  const t = new Talk({ reassembly: { memcap: 1 << 16 } });
  t.mode = mode;
  t.c(S, 1000);
  t.s(S | A, 5000, 1001, 0, { window: 65535 });
  t.c(A, 1001, 5001);
  t.client(0, 'FEAT\r\n');
  return t;
}

test('a hole, and no room behind it: inline the packet is refused, however long, until the hole is acknowledged', () => {
  const t = narrow();
  for (let i = 0; i < 3; i++) t.client(20 + 4096 * i, 'a');
  assert.equal(t.result, 0);
  for (let i = 1; i < 4; i++, t.sec += 2) {
    t.client(20 + 4096 * 3, 'USER late\r\n');
    assert.deepEqual([t.result, t.counters[Counter.AppNoRoom]], [NO_ROOM, i]);
  }
  t.s(A, 5001, 1001 + 20 + 4096 * 2 + 1);
  assert.equal(t.counters[Counter.AppGaps], 3);
  t.client(20 + 4096 * 2 + 1, '\r\nUSER late\r\n');
  assert.deepEqual([t.commands[0], t.commands.at(-1)], ['FEAT', 'USER|late']);
});

test('forced, the hole is skipped, and what fills it afterwards is looked at by itself', () => {
  const t = narrow();
  for (let i = 0; i < 3; i++) t.client(20 + 4096 * i, 'a');
  t.client(20 + 4096 * 3, 'USER late\r\n');
  assert.equal(t.result, NO_ROOM);
  t.force();
  assert.ok(t.commands.includes('USER|late'));
  t.client(6, 'USER hidden\r\n');
  assert.ok(t.commands.includes('USER|hidden'));
});

test('a hole that is filled after a refusal loses nothing', () => {
  const t = narrow();
  const text = `FEAT\r\n${'NOOP\r\n'.repeat(3000)}`;
  const send = (at: number) => t.client(at, text.slice(at, at + 1400));
  let at = 1406;
  for (send(at); t.result !== NO_ROOM; send(at)) at += 1400;
  send(6);
  for (; at < text.length; at += 1400) send(at);
  assert.deepEqual(t.commands, plainly(text));
});

test('a listener does not refuse: it skips the hole', () => {
  const t = narrow(Mode.Ids);
  for (let i = 0; i < 8; i++) {
    t.client(20 + 4096 * i, '\r\nUSER late\r\n');
    assert.notEqual(t.result, NO_ROOM);
  }
  assert.ok(t.counters[Counter.AppGaps] > 0);
  assert.ok(t.commands.includes('USER|late'));
});

test('what the server acknowledged is not waited for', () => {
  const t = new Talk();
  t.mode = Mode.Ids;
  t.open();
  t.client(0, 'FEAT\r\nUSER anon');
  t.server(0, '211 x\r\n', 1031);
  t.client(30, 'PASS x\r\n');
  assert.deepEqual(t.commands, ['FEAT']);
  t.s(A, 5008, 1039);
  assert.deepEqual(t.commands, ['FEAT', 'USER|anon', 'PASS|x']);
  assert.equal(t.counters[Counter.AppGaps], 1);
});

test('what follows a hole that is given up is taken whole, line buffer or not', () => {
  const t = new Talk({ app: { lineBuffers: 0 } });
  t.open();
  t.client(0, 'FEAT\r\n');
  t.client(20, 'a');
  t.client(50, '\r\nUSER held\r\n');
  t.client(70, `USER ${'x'.repeat(200)}`);
  t.s(A, 5001, 1001 + 275);
  assert.ok(t.commands.includes('USER|held'));
  assert.ok(t.commands.includes(`USER|${'x'.repeat(200)}`));
});

test('the pool of line buffers is empty: only lines in pieces beyond 128 bytes need one', () => {
  const t = new Talk({ app: { lineBuffers: 1 } });
  t.open();
  const start = (port: number) => {
    t.clientPort = port;
    t.c(S, 1000);
    t.s(S | A, 5000, 1001);
    t.c(A, 1001, 5001);
  };
  start(50001);
  t.client(0, `USER ${'x'.repeat(200)}`);
  assert.equal(t.result, 0);
  start(50002);
  t.client(0, `USER ${'y'.repeat(123)}`);
  assert.equal(t.result, 0, '128 bytes are kept without');
  t.client(128, 'z');
  assert.equal(t.result, NO_ROOM);
  t.client(128, 'z\r\n');
  assert.deepEqual(t.commands, [`USER|${'y'.repeat(123)}z`], 'the rest of the line comes at once');
  t.client(131, `USER ${'y'.repeat(200)}`);
  assert.equal(t.result, NO_ROOM);
  t.force();
  assert.deepEqual(t.commands.slice(1), [`USER|${'y'.repeat(200)}`], 'forced: as far as it goes');
  t.client(336, ' rest\r\nQUIT\r\n');
  assert.deepEqual(t.commands.slice(2), ['QUIT']);
  t.clientPort = 50001;
  t.client(205, '\r\n');
  t.clientPort = 50002;
  t.client(349, `USER ${'y'.repeat(200)}`);
  assert.equal(t.result, 0, 'the buffer was given back');
});

test('no session left: refused inline, failed if forced, and free again when flows end', () => {
  const t = new Talk({ app: { sessions: 1 } });
  t.open();
  t.client(0, 'USER x');
  const first = t.clientPort;
  t.clientPort = 50001;
  t.open();
  t.client(0, 'GET / HTTP\r\n');
  assert.equal(t.result, 0, 'what is none of ours needs none');
  t.clientPort = 50002;
  t.open();
  t.client(0, 'USER y\r\n');
  assert.equal(t.result, NO_ROOM);
  t.clientPort = first;
  t.client(6, '\r\n');
  t.c(4 | A, 1009, 5001);
  t.c(S, 77000);
  t.clientPort = 50002;
  t.client(0, 'USER y\r\n');
  assert.deepEqual(t.commands, ['USER|x', 'USER|y']);
});

test('random segments of random bytes: nothing is thrown, nothing leaks', () => {
  const segment = fc.record({
    at: fc.oneof(fc.integer({ min: -50, max: 6000 }), fc.integer({ min: -0x80000000, max: 0x7fffffff })),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom('USER a\r\n', 'FEAT', '220 (', '234 x\r\n', 'AUTH TLS\r\n').map(latin1),
    ),
    who: fc.boolean(),
    flags: fc.constantFrom(A, P | A, A | 1, S | A),
    port: fc.constantFrom(50000, 50001, 50002),
    sec: fc.nat(2),
    force: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(segment, { maxLength: 60 }),
      fc.constantFrom(Mode.Ips, Mode.Ids),
      fc.constantFrom(0, 1),
      fc.constantFrom(21, 2121),
      (segments, mode, selective, port) => {
        const t = new Talk({ port, app: { sessions: 2, lineBuffers: 1 }, reassembly: { memcap: 1 << 16 } });
        t.mode = mode;
        t.selective = selective;
        for (const client of [50000, 50001, 50002]) {
          t.clientPort = client;
          t.open();
        }
        for (const { at, bytes, who, flags, port: client, sec, force } of segments) {
          t.clientPort = client;
          t.sec += sec;
          if (who) t.c(flags, (1001 + at) | 0, 5001, 0, { data: bytes });
          else t.s(flags, (5001 + at) | 0, 1001, 0, { data: bytes });
          if (force) t.force();
          assert.ok(t.app.active <= 2);
        }
        while (t.flows.tick(t.sec + 100000));
        assert.deepEqual([t.flows.active, t.app.active], [0, 0]);
        assertAllFree(t);
      },
    ),
    { numRuns: 300 },
  );
});

/** After all flows have ended every pool is full again. */
function assertAllFree(t: Talk): void {
  const { order } = t.app as unknown as { order: Reassembler };
  order.begin();
  assert.deepEqual([order.memuse, order.windows.active, order.held.free], [0, 0, order.held.capacity]);
  t.sec += 200000;
  t.selective = 0;
  t.mode = Mode.Ips;
  t.clientPort = 60000;
  t.open();
  t.client(0, `FEAT ${'x'.repeat(300)}`);
  assert.deepEqual([t.result, t.appProto], [0, AppProto.Ftp]);
}
