import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { Detector } from '../../src/detect/detector.js';
import { loadDataset, saveDataset } from '../../src/detect/state/dataset-file.js';
import { Added, DatasetTable, DatasetType, MAX_VALUE } from '../../src/detect/state/dataset-table.js';
import { ProcessDatasets, saveDumps } from '../../src/detect/state/process-datasets.js';
import { StateStore } from '../../src/detect/state/store.js';
import { Counter } from '../../src/metrics/counters.js';
import type { DatasetSpec } from '../../src/rules/datasets.js';
import { flows, type PacketSpec, packet, rules } from '../support/detect.js';

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'));
const folder = mkdtempSync(join(tmpdir(), 'sluice-datasets-'));
let files = 0;
const file = (text: string) => {
  const path = join(folder, `set-${files++}.csv`);
  writeFileSync(path, text);
  return path;
};
const spec = (parts: Partial<DatasetSpec> = {}): DatasetSpec => ({
  name: 'a',
  type: 'string',
  load: '',
  save: '',
  memcap: 1 << 20,
  hashsize: 64,
  dynamic: true,
  changes: true,
  ...parts,
});
const values = (table: DatasetTable) => {
  const found: string[] = [];
  table.each((value, reputation) => found.push(`${Buffer.from(value).toString('latin1')}=${reputation}`));
  return found.sort();
};

test('a table holds what was put in and not taken out, as a Map would', () => {
  const step = fc.record({
    op: fc.constantFrom('add', 'remove', 'find'),
    value: fc.string({ minLength: 1, maxLength: 40 }),
    n: fc.nat(65535),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, plain) => {
      const memory = DatasetTable.create(DatasetType.String, 1 << 20, 64);
      const table = new DatasetTable(plain ? new Uint8Array(new Uint8Array(memory)).buffer : memory, true);
      const model = new Map<string, number>();
      for (const { op, value, n } of steps) {
        const v = Buffer.from(value);
        const key = v.toString('hex');
        // Neighbours must not matter.
        const mem = Uint8Array.of(7, ...v, 7);
        if (op === 'add') {
          assert.equal(table.add(mem, 1, v.length, n), model.has(key) ? Added.Known : Added.New);
          if (!model.has(key)) model.set(key, n);
        } else if (op === 'remove') assert.equal(table.remove(mem, 1, v.length), model.delete(key));
        else assert.equal(table.find(mem, 1, v.length), model.get(key) ?? -1);
        assert.equal(table.count, model.size);
      }
      const left = new Map<string, number>();
      assert.equal(
        table.each((value, n) => left.set(Buffer.from(value).toString('hex'), n)),
        model.size,
      );
      assert.deepEqual(new Map([...left].sort()), new Map([...model].sort()));
      const copy = new DatasetTable(DatasetTable.from(table.used(), 1 << 20));
      for (const [key, n] of model) assert.equal(copy.find(Uint8Array.from(Buffer.from(key, 'hex')), 0, key.length / 2), n);
    }),
    { seed: 1, numRuns: 60 },
  );
});

test('a full table refuses, keeps what it has, and uses the room of what was taken out', () => {
  const table = new DatasetTable(DatasetTable.create(DatasetType.Md5, 8192, 64), true);
  const value = (i: number) => new Uint8Array(createHash('md5').update(String(i)).digest());
  let n = 0;
  while (table.add(value(n), 0, 16) === Added.New) n++;
  assert.ok(n > 100 && n < 300, String(n));
  for (let i = 0; i < n; i++) assert.equal(table.find(value(i), 0, 16), 0);
  assert.equal(table.find(value(n), 0, 16), -1);
  assert.equal(table.remove(value(3), 0, 16), true);
  assert.equal(table.add(value(n), 0, 16), Added.New);
  assert.equal(table.add(value(n + 1), 0, 16), Added.Full);
});

test('values of another length are never in a set of fixed length; addresses of both kinds are in ip', () => {
  const md5 = new DatasetTable(DatasetTable.create(DatasetType.Md5, 1 << 16, 64), true);
  assert.equal(md5.add(bytes('x'.repeat(15)), 0, 15), Added.Full);
  const ip = new DatasetTable(DatasetTable.create(DatasetType.Ip, 1 << 16, 64), true);
  assert.equal(ip.add(Uint8Array.of(10, 0, 0, 1), 0, 4), Added.New);
  assert.equal(ip.find(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1), 0, 16), 0);
  assert.equal(ip.find(new Uint8Array(5), 0, 5), -1);
  const text = new DatasetTable(DatasetTable.create(DatasetType.String, 1 << 20, 64), true);
  assert.equal(text.add(new Uint8Array(MAX_VALUE), 0, MAX_VALUE), Added.New);
  assert.equal(text.add(new Uint8Array(MAX_VALUE + 1), 0, MAX_VALUE + 1), Added.Full);
  assert.equal(text.add(new Uint8Array(0), 0, 0), Added.Full);
});

test('what a hostile process hands back is walked without harm', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(200), fc.integer()), { maxLength: 60 }), (writes) => {
      const table = new DatasetTable(DatasetTable.create(DatasetType.String, 8192, 64), true);
      for (let i = 0; i < 20; i++) table.add(bytes(`value ${i}`), 0, 7);
      const used = table.used();
      const words = new Int32Array(used.buffer);
      // Past the magic word, which refuses all else.
      for (const [at, value] of writes) words[1 + (at % (words.length - 1))] = value;
      const problems = saveDumps([{ name: 'h', used }], [spec({ name: 'h', save: join(folder, 'hostile.csv') })]);
      assert.ok(problems.length <= 1);
    }),
    { seed: 1, numRuns: 100 },
  );
  assert.match(saveDumps([{ name: 'h', used: new Uint8Array(3) }], [spec({ name: 'h', save: join(folder, 'h.csv') })])[0], /damaged/);
  assert.equal(existsSync(join(folder, 'h.csv')), false);
  // Only what our own rules say is written.
  assert.deepEqual(saveDumps([{ name: 'other', used: new Uint8Array(3) }], [spec({ name: 'h', save: join(folder, 'h.csv') })]), []);
});

test('two threads put the same values in: each is new once', { timeout: 30_000 }, async () => {
  const memory = DatasetTable.create(DatasetType.String, 4 << 20, 64);
  const table = new DatasetTable(memory, true);
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.url).then(({ DatasetTable }) => {
      const table = new DatasetTable(workerData.memory);
      let fresh = 0;
      for (let i = 0; i < 20000; i++) if (table.add(Buffer.from('value ' + i), 0, ('value ' + i).length) === 1) fresh++;
      parentPort.postMessage(fresh);
    });`;
  const url = new URL('../../src/detect/state/dataset-table.js', import.meta.url).href;
  const fresh = await Promise.all(
    [0, 1].map(
      () =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(source, { eval: true, workerData: { memory, url } });
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  assert.equal(fresh[0] + fresh[1], 20_000);
  assert.equal(table.count, 20_000);
});

test('files: base64, hex and addresses, with and without reputation; what is none is named with its line', () => {
  const load = (type: DatasetSpec['type'], text: string) => {
    const memory = loadDataset(spec({ type, load: file(text) }));
    return typeof memory === 'string' ? memory : new DatasetTable(memory);
  };
  const text = load('string', 'Y3VybC83LjQzLjA=\n\n# comment\nYQ==,300\r\n') as DatasetTable;
  assert.deepEqual(values(text), ['a=300', 'curl/7.43.0=0']);
  assert.equal((load('md5', `${'0aF1'.repeat(8)}\n`) as DatasetTable).count, 1);
  assert.equal((load('sha256', 'ab'.repeat(32)) as DatasetTable).count, 1);
  const ip = load('ip', '1.2.3.4\n::ffff:1.2.3.4\n2001:db8::1\n') as DatasetTable;
  assert.equal(ip.count, 2);
  assert.match(load('md5', '\nxyz\n') as string, /:2 is no md5/);
  assert.match(load('string', 'a b') as string, /:1 is no base64/);
  assert.match(load('ipv4', '1.2.3.4,65536') as string, /reputation/);
  assert.match(load('ip', '1.2.3') as string, /is no ip/);
  assert.match(loadDataset(spec({ load: join(folder, 'missing') })) as string, /cannot be read/);
  const many = Array.from({ length: 2000 }, (_, i) => Buffer.from(`value ${i}`).toString('base64')).join('\n');
  assert.match(loadDataset(spec({ load: file(many), memcap: 16_384 })) as string, /memcap/);
});

test('a state file begins empty, is written whole, and says the same when it is read again', () => {
  const path = join(folder, 'deep', 'state.csv');
  for (const [type, value, line] of [
    ['string', bytes('example.com'), 'ZXhhbXBsZS5jb20='],
    ['md5', new Uint8Array(16).fill(0xab), 'ab'.repeat(16)],
    ['ipv4', Uint8Array.of(1, 2, 3, 4), '1.2.3.4'],
    ['ip', Uint8Array.of(1, 2, 3, 4), '1.2.3.4'],
    ['ip', Uint8Array.of(0, 4, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6), '0004:0005:0000:0000:0000:0000:0000:0006'],
  ] as const) {
    const own = spec({ type, load: `${path}.${line.length}`, save: `${path}.${line.length}` });
    const table = new DatasetTable(loadDataset(own) as SharedArrayBuffer);
    table.add(value, 0, value.length);
    assert.equal(saveDataset(own, table), '');
    assert.equal(readFileSync(own.save, 'latin1'), `${line}\n`);
    const again = new DatasetTable(loadDataset(own) as SharedArrayBuffer);
    assert.equal(again.find(value, 0, value.length), 0);
    writeFileSync(own.save, '');
  }
  assert.ok(readdirSync(join(folder, 'deep')).every((name) => !name.endsWith('.tmp')));
  assert.match(
    saveDataset(spec({ save: '/proc/no/such' }), new DatasetTable(DatasetTable.create(DatasetType.String, 8192, 1))),
    /not saved/,
  );
});

/** A detector with sets, and packets whose payload is the buffer. */
class Sets {
  readonly counters = new Float64Array(Counter.Count);
  readonly store = new StateStore({ counters: this.counters });
  readonly process = new ProcessDatasets();
  detector: Detector;
  private all;

  constructor(texts: string[], specs: DatasetSpec[]) {
    this.all = rules(...texts.map((t) => `alert udp any any -> any any (${t})`));
    this.use(specs);
    this.detector = this.make();
  }

  use(specs: DatasetSpec[]): void {
    this.store.datasets.use(
      this.process.take(specs.map((s) => ({ spec: s, used: new DatasetTable(loadDataset(s) as SharedArrayBuffer).used() }))),
    );
  }

  make(): Detector {
    this.detector = new Detector(this.all, { pcreMatchLimit: 3500, pcreDepthLimit: 1500, thresholdEntries: 64 }, this.counters, this.store);
    return this.detector;
  }

  on(payload: string, more: PacketSpec = {}): string {
    const n = this.detector.inspect(packet({ payload, ...more }), flows());
    assert.equal(this.detector.broken.length, 0, this.detector.broken[0]?.reason);
    return Array.from(this.detector.matches.subarray(0, n), (r) => this.all[r].sid).join(' ');
  }
}

test('set holds once, isset and isnotset see it, unset takes it out', () => {
  const b = new Sets(
    [
      'content:"!"; pkt_data; dataset:set,A;',
      'content:"-"; pkt_data; dataset:unset,a;',
      'pkt_data; dataset:isset,a;',
      'pkt_data; dataset:isnotset,a;',
    ],
    [spec()],
  );
  assert.equal(b.on('x!-'), '1 2 4', 'in the order of the rules: put in, taken out, not there');
  assert.equal(b.on('x!'), '1 3');
  assert.equal(b.on('x!'), '3');
  assert.equal(b.on('x'), '4');
  assert.equal(b.on(''), '', 'an empty buffer is in no set');
});

test('a rule changes its set only when all else of it holds', () => {
  const b = new Sets(
    ['pkt_data; dataset:set,a; content:"yes"; ip.src; content:"|0a 00 00 01|"; dataset:isset,b;', 'pkt_data; dataset:isset,a;'],
    [spec(), spec({ name: 'b', type: 'ipv4', load: file('10.0.0.1\n') })],
  );
  assert.equal(b.on('no'), '');
  assert.equal(b.on('yes', { src: '10.0.0.2' }), '');
  const table = b.store.datasets.get('a')!;
  assert.equal(table.count, 0);
});

test('transforms are looked up as they come out; both tests of one rule on one set', () => {
  const path = file(`${createHash('md5').update('evil').digest('hex')}\n`);
  const b = new Sets(
    [
      'pkt_data; to_md5; dataset:isset,md5;',
      'pkt_data; to_lowercase; to_sha256; dataset:isnotset,sha; dataset:set,sha;',
      'content:"|00|"; pkt_data; dataset:isset,nowhere;',
    ],
    [spec({ name: 'md5', type: 'md5', load: path }), spec({ name: 'sha', type: 'sha256' })],
  );
  assert.equal(b.on('evil'), '1 2');
  assert.equal(b.on('EVIL'), '');
  assert.equal(b.on('evil\0'), '2');
});

test('a full set adds nothing more and says so', () => {
  const b = new Sets(['pkt_data; dataset:set,a;'], [spec({ memcap: 4096 })]);
  let added = 0;
  for (let i = 0; i < 2000; i++) if (b.on(`value ${i}`) === '1') added++;
  assert.ok(added > 10 && added < 500, String(added));
  assert.equal(b.counters[Counter.DatasetFull], 2000 - added);
});

test('datarep compares the reputation of what is in the list', () => {
  const path = file(
    `${Buffer.from('bad').toString('base64')},300\n${Buffer.from('ok').toString('base64')},10\n${Buffer.from('zero').toString('base64')},0\n`,
  );
  const b = new Sets(
    ['pkt_data; datarep:r,>,200;', 'pkt_data; datarep:r,<,200;', 'pkt_data; datarep:r,==,300;', 'pkt_data; datarep:r,>,0;'],
    [spec({ name: 'r', load: path, dynamic: false, changes: false })],
  );
  assert.equal(b.on('bad'), '1 3 4');
  assert.equal(b.on('ok'), '2 4');
  assert.equal(b.on('zero'), '2');
  assert.equal(b.on('none'), '');
});

test('new rules: dynamic sets go on, static ones are read again, and at the end those with a file are handed over', () => {
  const path = file('YQ==\n');
  const state = join(folder, 'kept.csv');
  const sets = [spec({ name: 'a', load: state, save: state }), spec({ name: 'l', load: path, dynamic: false, changes: false })];
  const b = new Sets(['pkt_data; dataset:set,a;', 'pkt_data; dataset:isset,l;'], sets);
  assert.equal(b.on('a'), '1 2');
  writeFileSync(path, 'Yg==\n');
  b.use(sets);
  b.make();
  assert.equal(b.on('a'), '');
  assert.equal(b.on('b'), '1 2');
  const dumps = b.process.dump();
  assert.deepEqual(
    dumps.map(({ name }) => name),
    ['a'],
  );
  assert.deepEqual(saveDumps(dumps, sets), []);
  assert.deepEqual(readFileSync(state, 'latin1').trim().split('\n').sort(), ['YQ==', 'Yg==']);
});
