import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { compileSets, LiteralSets } from '../../src/detect/databases.js';
import { Detector } from '../../src/detect/detector.js';
import { pack, unpack } from '../../src/detect/pack.js';
import { PREPARED_CLASSES, type Prepared, prepareRules } from '../../src/detect/prepare.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { flows, packet, rules } from '../support/detect.js';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
const literal = (text: string, nocase = false) => ({ bytes: bytes(text), nocase });
const built = (sets: LiteralSets) => compileSets(native, sets.sets, 2);

test('what is packed comes back: values, classes, typed arrays in place, one object where there was one', () => {
  class Point {
    private readonly sum: Int32Array;
    cache = 7;
    constructor(readonly x: number) {
      this.sum = Int32Array.of(x, -1);
    }
    first(): number {
      return this.sum[0];
    }
  }
  const classes = [{ make: Point, own: ['cache'] }];
  const table = Uint16Array.from({ length: 1000 }, (_, i) => i);
  const value = {
    a: [1, null, undefined, 'text'],
    m: new Map([[1, { b: 2 }]]),
    p: new Point(5),
    t: table,
    again: table,
    e: new Uint8Array(0),
  };
  const packed = pack(value, classes);
  const shared = new Uint8Array(new SharedArrayBuffer(packed.length));
  shared.set(packed);
  const back = unpack<typeof value>(shared, classes);
  assert.deepEqual(back.a, value.a);
  assert.deepEqual(back.m, value.m);
  assert.deepEqual([...back.t], [...table]);
  assert.equal(back.t, back.again);
  assert.equal(back.t.buffer, shared.buffer as ArrayBufferLike);
  assert.ok(back.p instanceof Point);
  assert.equal(back.p.first(), 5);
  assert.equal(back.p.cache, undefined as unknown as number);
  assert.throws(() => pack({ d: new Date() }, classes), /cannot pack a Date/);
});

test('bytes that are not ours are refused', () => {
  const packed = pack({ a: new Uint8Array(100) }, []);
  assert.throws(() => unpack(new Uint8Array(8), []), /not a packed rule set/);
  assert.throws(
    () =>
      unpack(
        Uint8Array.from(packed, (b, i) => (i === 0 ? b ^ 1 : b)),
        [],
      ),
    /not a packed rule set/,
  );
  assert.throws(() => unpack(packed.slice(0, packed.length - 8), []), /beyond its end/);
});

test('a detector from shared memory finds what a detector from rules finds', () => {
  const loaded = rules(
    'alert tcp any any -> any 80 (content:"one"; sid:1;)',
    'alert tcp any any -> any any (content:"|00|two"; nocase; sid:2;)',
    'alert tcp 10.0.0.0/8 any -> any any (sid:3;)',
    'alert udp any any -> any any (content:"one"; sid:4;)',
    'drop tcp any any -> any any (flags:S; sid:5;)',
    ...Array.from({ length: 40 }, (_, i) => `alert tcp any any -> any ${i + 100} (content:"shared"; sid:${i + 100};)`),
  );
  const prepared = prepareRules(loaded);
  const packed = pack(prepared, PREPARED_CLASSES);
  const options = { pcreMatchLimit: 3500, pcreDepthLimit: 1500, thresholdEntries: 1024 };
  const direct = new Detector(loaded, options, new Float64Array(Counter.Count));
  const shared = new Detector(loaded, options, new Float64Array(Counter.Count), undefined, unpack<Prepared>(packed, PREPARED_CLASSES));
  const sids = (d: Detector, payload: string, dport: number) => {
    const n = d.inspect(packet({ proto: 6, flags: 0x18, payload, dport, src: '10.1.2.3' }), flows());
    return Array.from(d.matches.subarray(0, n), (i) => loaded[i].sid).join(' ');
  };
  for (const [payload, dport, expected] of [
    ['xx one', 80, '1'],
    ['xx\0TWO', 80, '2'],
    ['shared', 117, '117'],
    ['shared', 99, ''],
  ] as const) {
    assert.equal(sids(shared, payload, dport), sids(direct, payload, dport));
    if (expected !== '') assert.ok(sids(shared, payload, dport).split(' ').includes(expected), `${payload} ${dport}`);
  }
  direct.close();
  shared.close();
});

test('databases are compiled in threads, stored as bytes, and opened again', () => {
  const sets = new LiteralSets();
  assert.equal(sets.add([literal('abc'), literal('XyZ', true)]), 0);
  assert.equal(sets.add([literal('\0\0zero')]), 1);
  assert.equal(sets.add([literal('abc'), literal('XyZ', true)]), 0);
  assert.notEqual(sets.sets[0].key, sets.sets[1].key);
  const [first, second] = built(sets);
  const memory = bytes('..xyz..abc\0\0zero');
  const region = native.region(memory.buffer);
  const out = new Uint32Array(2);
  const one = native.matchOpen(first.key, first.bytes, 2);
  assert.equal(native.matchScan(one, region, 0, memory.length, out), 2);
  assert.deepEqual([...out].sort(), [0, 1]);
  const two = native.matchOpen(second.key, second.bytes, 1);
  assert.equal(native.matchScan(two, region, 0, memory.length, out), 1);
  // The process has it: no bytes are needed while somebody holds it.
  const again = native.matchOpen(first.key, new Uint8Array(0), 2);
  native.matchFree(one);
  assert.equal(native.matchScan(again, region, 0, memory.length, out), 2);
  native.matchFree(again);
  native.matchFree(two);
  assert.throws(() => native.matchOpen(first.key, new Uint8Array(0), 2), /no database given/);
});

test('another thread of the process shares it', async () => {
  const sets = new LiteralSets();
  sets.add([literal('needle')]);
  const [made] = built(sets);
  const mine = native.matchOpen(made.key, made.bytes, 1);
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     import(workerData.native).then(({ native }) => {
       const handle = native.matchOpen(workerData.key, new Uint8Array(0), 1);
       const memory = new Uint8Array(Buffer.from('a needle in hay'));
       parentPort.postMessage(native.matchScan(handle, native.region(memory.buffer), 0, memory.length, new Uint32Array(1)));
     });`,
    { eval: true, workerData: { key: made.key, native: new URL('../../src/native.js', import.meta.url).href } },
  );
  const found = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await worker.terminate();
  native.matchFree(mine);
  assert.equal(found, 1);
});

test('damaged databases are refused, wrong numbers of ids end in "treat as all"', () => {
  const sets = new LiteralSets();
  sets.add([literal('abc'), literal('def')]);
  const [{ bytes: good }] = built(sets);
  for (let at = 0; at < good.length; at += 97) {
    const bad = new Uint8Array(good);
    bad[at] ^= 0x5a;
    let handle = -1;
    try {
      handle = native.matchOpen(`bad ${at}`, bad, 2);
    } catch (error) {
      assert.match((error as Error).message, /damaged|another version/);
    }
    if (handle >= 0) native.matchFree(handle);
  }
  for (const length of [0, 1, 20, good.length - 1]) assert.throws(() => native.matchOpen(`cut ${length}`, good.subarray(0, length), 2));
  const short = native.matchOpen('too few ids', good, 1);
  const memory = bytes('abcdef');
  assert.equal(native.matchScan(short, native.region(memory.buffer), 0, 6, new Uint32Array(8)), -1);
  native.matchFree(short);
  assert.throws(() => native.matchBuild([{ bytes: bytes('ab'), lengths: Uint32Array.of(3), nocase: new Uint8Array(1) }], 1), /set 0/);
  assert.deepEqual(
    typeof native.matchBuild([{ bytes: new Uint8Array(0), lengths: Uint32Array.of(0), nocase: new Uint8Array(1) }], 1)[0],
    'string',
  );
  assert.deepEqual(native.matchBuild([], 4), []);
});
