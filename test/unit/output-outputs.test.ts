import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import { FlowEnd } from '../../src/flow/codes.js';
import { At } from '../../src/output/event-record.js';
import { Outputs } from '../../src/output/outputs.js';
import { Reason } from '../../src/ring/verdict.js';
import { type Bench, bench, eveConfig, outputConfig, rule, tcpPacket } from './output-fixture.js';

let directory = '';
afterEach(() => {
  if (directory !== '') rmSync(directory, { recursive: true, force: true });
  directory = '';
});

function outputs(config = outputConfig(), rules = [rule({ sid: 10 }), rule({ sid: 11 })]): Outputs {
  directory = mkdtempSync(join(tmpdir(), 'sluice-outputs-'));
  return new Outputs(config, rules, ['eth0', 'eth1'], directory, (line) => assert.fail(line));
}

/** Hands over everything in the ring, as the supervisor does. */
function drain(b: Bench, to: Outputs): void {
  for (let at = b.ring.peek(); at >= 0; at = b.ring.peek()) {
    to.handle(b.ring.bytes, b.ring.view, at, b.ring.length);
    b.ring.release();
  }
}

const read = (name: string) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n');
const events = () => read('eve.json').map((line) => JSON.parse(line));

function everything(b: Bench): void {
  const p = tcpPacket();
  b.flows.lookup(p);
  b.encoder.alert(p, b.flows, 1, 1, 1);
  b.encoder.drop(p, b.flows, Reason.Rule, 1);
  b.encoder.drop(p, b.flows, Reason.Decode, -1);
  b.encoder.flowEnded(b.flows, p.flow, FlowEnd.Timeout);
}

test('alerts, drops, flows and stats reach their logs', async () => {
  const out = outputs();
  const b = bench();
  everything(b);
  drain(b, out);
  out.stats({ timeMs: 1e12, uptime: 1, threads: [{ name: 'W#01', counters: b.counters }] });
  await out.close();
  assert.deepEqual(
    events().map((e) => e.event_type),
    ['alert', 'drop', 'drop', 'flow', 'stats'],
  );
  assert.deepEqual([events()[0].alert.signature_id, events()[1].drop.reason, events()[2].alert], [11, 'rules', undefined]);
  assert.equal(read('fast.log').length, 1);
  assert.match(read('fast.log')[0], / \[Drop\] \[\*\*\] \[1:11:1\]/);
  assert.equal(read('stats.log')[3].startsWith('Counter'), true);
  assert.deepEqual(out.lostLines(), { 'fast.log': 0, 'eve.json': 0, 'stats.log': 0 });
  assert.deepEqual([out.invalid, out.handled], [0, 4]);
});

test('what is not enabled is not written', async () => {
  const off = eveConfig();
  off.alert.enabled = false;
  off.drop.enabled = false;
  off.flow = false;
  off.stats.enabled = false;
  const disabled = { enabled: false, filename: 'no.log', append: true };
  const out = outputs(outputConfig({ eve: off, fast: disabled, stats: { ...disabled, totals: true, threads: false, nullValues: false } }));
  const b = bench();
  everything(b);
  drain(b, out);
  out.stats({ timeMs: 1e12, uptime: 1, threads: [] });
  await out.close();
  assert.equal(readFileSync(join(directory, 'eve.json'), 'utf8'), '');
  assert.equal(existsSync(join(directory, 'no.log')), false);
  assert.deepEqual(out.lostLines(), { 'eve.json': 0 });
});

test('rule and source numbers out of range are counted, not written', async () => {
  const out = outputs();
  const b = bench();
  const p = tcpPacket();
  b.encoder.alert(p, b.flows, 2, 0, 0);
  b.encoder.alert(p, b.flows, -1, 0, 0);
  b.encoder.drop(p, b.flows, Reason.Rule, 2);
  p.source = 2;
  b.encoder.alert(p, b.flows, 0, 0, 0);
  b.encoder.ruleGeneration = 5;
  p.source = 0;
  b.encoder.alert(p, b.flows, 0, 0, 0);
  drain(b, out);
  await out.close();
  assert.deepEqual([out.invalid, out.handled], [5, 0]);
  assert.equal(readFileSync(join(directory, 'fast.log'), 'utf8'), '');
});

test('after a reload, records of the generation before still find their rules', async () => {
  const out = outputs();
  const b = bench();
  const p = tcpPacket();
  b.encoder.alert(p, b.flows, 0, 0, 0);
  b.encoder.ruleGeneration = 1;
  b.encoder.alert(p, b.flows, 0, 0, 0);
  out.setRules([rule({ sid: 20 })], 1);
  drain(b, out);
  out.setRules([rule({ sid: 30 })], 2);
  b.encoder.ruleGeneration = 2;
  b.encoder.alert(p, b.flows, 0, 0, 0);
  b.encoder.ruleGeneration = 0;
  b.encoder.alert(p, b.flows, 0, 0, 0);
  drain(b, out);
  await out.close();
  assert.deepEqual(
    events().map((e) => e.alert.signature_id),
    [10, 20, 30],
  );
  assert.equal(out.invalid, 1);
});

test('SIGHUP: logs moved away are opened anew', async () => {
  const out = outputs();
  const b = bench();
  everything(b);
  drain(b, out);
  await new Promise<void>((resolve, reject) => {
    let tries = 0;
    const look = () => {
      if (existsSync(join(directory, 'fast.log')) && readFileSync(join(directory, 'fast.log'), 'utf8') !== '') resolve();
      else if (tries++ > 1000) reject(new Error('no fast.log'));
      else setTimeout(look, 5);
    };
    look();
  });
  renameSync(join(directory, 'fast.log'), join(directory, 'fast.log.1'));
  out.reopen();
  everything(b);
  drain(b, out);
  await out.close();
  assert.equal(read('fast.log.1').length, 1);
  assert.equal(read('fast.log').length, 1);
});

test('hostile records never throw, and what they make is valid JSON on one line', async () => {
  const config = outputConfig({ eve: eveConfig({ communityId: true, pcapFile: true }) });
  config.outputs.eve.alert.payload = true;
  config.outputs.eve.alert.payloadPrintable = true;
  config.outputs.eve.alert.packet = true;
  const out = outputs(config);
  const b = bench();
  everything(b);
  const good: Uint8Array[] = [];
  for (let at = b.ring.peek(); at >= 0; at = b.ring.peek()) {
    good.push(b.ring.bytes.slice(at, at + b.ring.length));
    b.ring.release();
  }
  const handle = (bytes: Uint8Array, offset: number, length: number) =>
    out.handle(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset, length);
  let tried = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer(), fc.integer(), (bytes, offset, length) => {
      handle(bytes, offset, length);
      handle(bytes, 0, bytes.length);
      tried += 2;
    }),
    { seed: 3 },
  );
  const change = fc.tuple(fc.nat({ max: At.Bytes + 10 }), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.nat({ max: good.length - 1 }), fc.array(change, { maxLength: 6 }), (which, changes) => {
      const bytes = good[which].slice();
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      handle(bytes, 0, bytes.length);
      tried++;
    }),
    { seed: 4, numRuns: 2000 },
  );
  await out.close();
  assert.equal(out.handled + out.invalid, tried);
  assert.ok(out.handled > 100 && out.invalid > 100);
  for (const line of read('eve.json')) JSON.parse(line);
  for (const line of read('fast.log')) assert.match(line, /^\d\d\/\d\d\/\d{4}-\d\d:\d\d:\d\d\.\d{6} /);
});
