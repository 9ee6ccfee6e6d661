import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultConfig } from '../../src/config/load.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { AlertQueue, QUEUE_ROOM } from '../../src/workers/alert-queue.js';
import { EngineBench } from '../support/engine.js';

test('by rank; rows of one rank stay in the order they came in, each with all of its columns', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: QUEUE_ROOM }), (ranks) => {
      const queue = new AlertQueue();
      for (const [i, rank] of ranks.entries()) queue.push(1000 + i, rank, i & 3, i & 1, i - 1, i & 1);
      queue.sort();
      const expected = ranks.map((rank, i) => ({ rank, i })).sort((a, b) => a.rank - b.rank || a.i - b.i);
      assert.equal(queue.count, ranks.length);
      for (const [row, { rank, i }] of expected.entries()) {
        assert.deepEqual(
          [queue.rank[row], queue.rule[row], queue.changed[row], queue.silent[row], queue.tx[row], queue.direction[row]],
          [rank, 1000 + i, i & 3, i & 1, i - 1, i & 1],
        );
      }
    }),
  );
});

const ENDS = { src: '192.0.2.7', dst: '10.4.5.6' };
const datagram = (payload: string) =>
  build.ipv4({ ...ENDS, proto: 17 }, build.udp({ ...ENDS, srcPort: 7, dstPort: 2 }, build.bytes(payload)));
const RAW = 101;

test('packet-alert-max: the first by rank are logged, the others counted; what they do is done all the same', () => {
  const config = { ...defaultConfig(), packetAlertMax: 2, actionOrder: ['alert', 'pass', 'drop', 'reject'] };
  const rules = [1, 2, 3].map((sid) => `alert udp any any -> any any (content:"x"; sid:${sid};)`);
  const bench = new EngineBench({ rules: [...rules, 'drop udp any any -> any any (content:"x"; sid:4;)'], config, mode: Mode.Ips });
  assert.equal(bench.send(datagram('x'), RAW), 'drop: rules');
  assert.equal(bench.counters[Counter.Alerts], 2);
  assert.equal(bench.counters[Counter.AlertsOverflow], 2);
  bench.close();
});

test('more matches than the queue has room for are all carried out', () => {
  const rules = Array.from({ length: QUEUE_ROOM + 20 }, (_, i) => `alert udp any any -> any any (content:"x"; sid:${i + 1};)`);
  const bench = new EngineBench({ rules: [...rules, 'drop udp any any -> any any (content:"xy"; sid:9999;)'], mode: Mode.Ips });
  assert.equal(bench.send(datagram('x'), RAW), 'pass');
  const { counters } = bench;
  assert.equal(counters[Counter.Alerts] + counters[Counter.AlertsOverflow], QUEUE_ROOM + 20);
  assert.equal(bench.send(datagram('xy'), RAW), 'drop: rules');
  bench.close();
});

test('alerts before a pass rule are logged, what comes behind it is not carried out', () => {
  const config = { ...defaultConfig(), actionOrder: ['alert', 'pass', 'drop', 'reject'] };
  const bench = new EngineBench({
    rules: [
      'drop udp any any -> any any (content:"x"; sid:1;)',
      'pass udp any any -> any any (content:"x"; sid:2;)',
      'alert udp any any -> any any (content:"x"; sid:3;)',
    ],
    config,
    mode: Mode.Ips,
  });
  assert.equal(bench.send(datagram('x'), RAW), 'pass');
  assert.equal(bench.counters[Counter.Alerts], 1);
  bench.close();
});
