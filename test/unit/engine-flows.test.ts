import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { EngineBench } from '../support/engine.js';

const RAW = 101;
const B = '10.4.5.6';

function datagram(flow: number): Uint8Array {
  const src = `10.9.${flow >> 8}.${flow & 255}`;
  return build.ipv4({ src, dst: B, proto: 17 }, build.udp({ src, dst: B, srcPort: 1, dstPort: 2 }, build.bytes('x')));
}

test('expiry keeps up with any rate: what is due goes within the second, not 64 flows of it', () => {
  const bench = new EngineBench({ ringBytes: 1 << 21 });
  for (let flow = 0; flow < 3000; flow++) bench.send(datagram(flow), RAW);
  assert.equal(bench.engine.flows.active, 3000);
  bench.now += 100;
  for (let i = 0; i < 3000; i++) bench.send(datagram(5000), RAW);
  assert.equal(bench.engine.flows.active, 1);
  assert.equal(bench.counters[Counter.FlowsTimedOut], 3000);
  bench.close();
});

test('so it does when nothing arrives', () => {
  const bench = new EngineBench({ ringBytes: 1 << 21 });
  for (let flow = 0; flow < 3000; flow++) bench.send(datagram(flow), RAW);
  assert.equal(bench.engine.catchUp(), false);
  bench.engine.tick(bench.now + 100);
  while (bench.engine.catchUp());
  assert.equal(bench.engine.flows.active, 0);
  bench.close();
});

test('at the end every flow is reported, however many and however small the ring', () => {
  const bench = new EngineBench({ ringBytes: 1 << 16 });
  for (let flow = 0; flow < 5000; flow++) bench.send(datagram(flow), RAW);
  assert.equal(bench.drain(), 0);
  let reported = 0;
  for (let more = true; more; reported += bench.drain()) more = bench.engine.finishSome();
  assert.equal(reported, 5000);
  assert.equal(bench.counters[Counter.EventsLost], 0);
  bench.close();
});

test('a reader that has stopped costs the records, counted, and not the end', () => {
  const bench = new EngineBench({ ringBytes: 1 << 16 });
  for (let flow = 0; flow < 1000; flow++) bench.send(datagram(flow), RAW);
  bench.engine.finish();
  assert.equal(bench.engine.flows.active, 0);
  const reported = bench.drain();
  assert.ok(reported > 200);
  assert.equal(reported + bench.counters[Counter.EventsLost], 1000);
});
