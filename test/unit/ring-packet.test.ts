import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { native } from '../../src/native.js';
import { PacketRingConsumer, PacketRingProducer, RECORD_HEADER, Rec } from '../../src/ring/packet-ring.js';
import { pattern, RING } from '../support/ring-shape.js';

const PEER = fileURLToPath(new URL('../support/ring-peer.js', import.meta.url));
const CANARY = 0xa5;

function shared() {
  const fd = native.memfdCreate('ring-test', RING.bytes);
  const event = native.eventfd();
  const arena = native.mapFd(fd, RING.bytes);
  const mem = new Uint8Array(arena);
  for (const [from, to] of RING.canaries) mem.fill(CANARY, from, to);
  const words = new Int32Array(arena);
  return { fd, event, mem, words, ring: new PacketRingProducer(words, RING.at, RING.capacity, 256) };
}

function canariesWhole(mem: Uint8Array): boolean {
  return RING.canaries.every(([from, to]) => mem.subarray(from, to).every((byte) => byte === CANARY));
}

/** Seeded, so that a failure can be repeated. */
function random(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** Attached to the ring when it resolves; ended with the test at the latest. */
async function peer(t: TestContext, s: Shared, total: number, dieAfter = -1): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PEER, String(total), String(dieAfter)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', s.fd, s.event],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  return child;
}

type Shared = ReturnType<typeof shared>;

function push({ mem, words, ring }: Shared, sequence: number, length: number): boolean {
  const index = ring.reserve(length);
  if (index < 0) return false;
  words[(ring.at >> 2) + Rec.Seconds] = sequence;
  ring.source[index] = sequence;
  for (let i = 0; i < length; i++) mem[ring.at + RECORD_HEADER + i] = pattern(sequence, i);
  return true;
}

function publish({ words, ring }: Shared): void {
  if (!ring.publish()) return;
  if (Atomics.exchange(words, RING.workerFlag, 0) === 1) native.futexWake(words, RING.workerFlag);
}

test('two processes, random sizes, over a hundred laps: every byte, every verdict, in order', async (t) => {
  const s = shared();
  const { mem, words, ring, event } = s;
  const next = random(20261121);
  const lengths: number[] = [];
  for (let bytes = 0; bytes < RING.capacity * 110; ) {
    const length = next() % 10 === 0 ? next() % 9000 : 14 + (next() % 1500);
    lengths.push(length);
    bytes += length;
  }
  const child = await peer(t, s, lengths.length);
  const exit = once(child, 'exit');
  let sent = 0;
  let collected = 0;
  const deadline = Date.now() + 60_000;
  while (collected < lengths.length) {
    assert.ok(Date.now() < deadline, `stuck at ${collected} of ${lengths.length}`);
    while (sent < lengths.length && push(s, sent, lengths[sent])) sent++;
    publish(s);
    const done = ring.completed();
    assert.ok(done >= 0);
    for (let k = 0; k < done; k++) {
      const i = (ring.first + k) & ring.mask;
      const r = ring.recordAt[i] >> 2;
      assert.equal(ring.source[i], collected);
      assert.equal(words[r + Rec.Verdict], (ring.epoch << 8) | ((collected % 2) + 1));
      assert.equal(words[r + Rec.Mark], collected);
      assert.equal(words[r + Rec.MarkMask], ~collected);
      assert.equal(words[r + Rec.Answer], collected + 1);
      collected++;
    }
    ring.release(done);
    if (done === 0) {
      Atomics.store(words, 0, 1);
      if (ring.completed() === 0) native.sourceWait(new Int32Array(0), 0, event, 100);
      Atomics.store(words, 0, 0);
    }
  }
  assert.deepEqual(await exit, [0, null]);
  assert.ok(canariesWhole(mem));
});

test('a worker killed with a record taken: nothing is lost, a new one goes on in a new epoch', async (t) => {
  const s = shared();
  const { ring } = s;
  const dying = await peer(t, s, 100, 7);
  for (let i = 0; i < 20; i++) assert.ok(push(s, i, 100));
  publish(s);
  const [, signal] = (await once(dying, 'exit')) as [number, string];
  assert.equal(signal, 'SIGKILL');
  const done = ring.completed();
  assert.equal(done, 0, 'it died before it published');
  assert.equal(ring.inFlight, 20, 'all of them are still ours to decide');
  const old = ring.epoch;
  ring.reset();
  assert.notEqual(ring.epoch, old);
  assert.equal(ring.inFlight, 0);
  for (let i = 0; i < 30; i++) assert.ok(push(s, i, 200));
  publish(s);
  // The new worker attaches behind what was published before it came; capture then begins a new epoch for it.
  const child = await peer(t, s, 30);
  ring.reset();
  for (let i = 0; i < 30; i++) assert.ok(push(s, i, 200));
  publish(s);
  await once(child, 'message');
  assert.equal(ring.completed(), 30);
});

test('a late writer of an old epoch decides nothing', () => {
  const s = shared();
  const { words, ring } = s;
  const late = new PacketRingConsumer(words, RING.at, RING.capacity, RING.captureFlag, -1);
  late.attach();
  push(s, 0, 64);
  ring.publish();
  assert.ok(late.refresh());
  const at = late.next();
  ring.reset();
  push(s, 1, 64);
  ring.publish();
  late.decide(at, 1, 0, 0, 0, 0);
  late.publish();
  assert.equal(ring.completed(), 0);
  const word = words[(ring.recordAt[ring.first] >> 2) + Rec.Verdict];
  assert.notEqual(word >>> 8, ring.epoch, 'the verdict carries the old epoch');
});

test('a worker that claims the impossible is found out', () => {
  const s = shared();
  push(s, 0, 64);
  s.ring.publish();
  const doneWords = Array.from({ length: 8 }, (_, e) => (RING.at >> 2) + 48 + e * 16);
  for (const claim of [2, -1, 0x7fffffff, -0x80000000]) {
    for (const w of doneWords) Atomics.store(s.words, w, claim);
    assert.equal(s.ring.completed(), -1, `done = ${claim}`);
  }
});

test('full is refused, never overwritten; the room comes back (property)', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 14, max: 20_000 }), fc.constant(-1)), { maxLength: 300 }), (steps) => {
      const s = shared();
      const { ring, words, mem } = s;
      const worker = new PacketRingConsumer(words, RING.at, RING.capacity, RING.captureFlag, -1);
      worker.attach();
      let sequence = 0;
      let expected = 0;
      const lengths = new Map<number, number>();
      for (const step of steps) {
        if (step >= 0) {
          if (push(s, sequence, step)) lengths.set(sequence++, step);
          else assert.ok(!ring.hasRoom(step));
          continue;
        }
        ring.publish();
        if (worker.refresh())
          for (let at = worker.next(); at >= 0; at = worker.next()) {
            const id = words[(at >> 2) + Rec.Seconds];
            assert.equal(id, expected);
            const length = lengths.get(id) ?? -1;
            assert.equal(words[(at >> 2) + Rec.Captured], length);
            for (let i = 0; i < length; i++) if (mem[at + RECORD_HEADER + i] !== pattern(id, i)) assert.fail(`record ${id} byte ${i}`);
            worker.decide(at, 1, 0, 0, 0, 0);
            expected++;
          }
        worker.publish();
        ring.release(ring.completed());
      }
      assert.ok(canariesWhole(mem));
      native.closeFd(s.fd);
      native.closeFd(s.event);
    }),
    { numRuns: 60 },
  );
});

test('head and done wrap around 32 bits', () => {
  const s = shared();
  const { ring, words } = s;
  const worker = new PacketRingConsumer(words, RING.at, RING.capacity, RING.captureFlag, -1);
  // Two gibibytes of records in steps of the longest the ring takes.
  worker.attach();
  const length = 60_000;
  const laps = Math.ceil(2 ** 32 / 60_096) + 10;
  for (let i = 0; i < laps; i++) {
    assert.ok(ring.reserve(length) >= 0);
    ring.publish();
    assert.ok(worker.refresh());
    const at = worker.next();
    assert.ok(at >= 0);
    worker.decide(at, 1, 0, 0, 0, 0);
    worker.publish();
    assert.equal(ring.completed(), 1);
    ring.release(1);
  }
});
