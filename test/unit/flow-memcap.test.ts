import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowEnd, FlowFlag, FlowState, NoFlow } from '../../src/flow/codes.js';
import { FLOW_BYTES } from '../../src/flow/flow-columns.js';
import { Counter } from '../../src/metrics/counters.js';
import { newTable, packet, reverse, START } from './flow-fixture.js';

function full(sec = START) {
  const t = newTable({ memcap: 1 << 15, hashSize: 16 });
  for (let i = 0; i < t.flows.capacity; i++) t.flows.lookup(packet({ sport: i, dport: 1, sec }));
  assert.equal(t.flows.active, t.flows.capacity);
  return t;
}

/** Memory that grows with the table, of the object and of what it is made of. */
function buffersOf(made: object, seen = new Set<object>(), found = new Set<ArrayBufferLike>()): Set<ArrayBufferLike> {
  if (seen.has(made)) return found;
  seen.add(made);
  for (const value of Object.values(made)) {
    if (ArrayBuffer.isView(value)) {
      if (value.byteLength > 8192) found.add(value.buffer);
    } else if (typeof value === 'object' && value !== null) buffersOf(value, seen, found);
  }
  return found;
}

test('the table stays within memcap, and holds a million flows in 400 MB', () => {
  for (const memcap of [1, 1000, 1 << 15, 1 << 20, 32 << 20, 128 << 20, 400_000_000]) {
    for (const hashSize of [16, 65536]) {
      const { flows, counters } = newTable({ memcap, hashSize });
      let sum = 0;
      for (const b of buffersOf(flows)) sum += b.byteLength;
      assert.ok(flows.capacity >= 1);
      assert.ok(memcap < 1000 || sum <= memcap, `${sum} bytes for memcap ${memcap}`);
      assert.ok(memcap < 1 << 20 || sum > memcap * 0.7, `memcap ${memcap} is made use of: ${sum}`);
      assert.ok(memcap !== 400_000_000 || flows.capacity >= 1_000_000, `${flows.capacity} flows in 400 MB`);
      assert.ok(counters[Counter.FlowMemuse] <= Math.max(memcap, 64));
    }
  }
});

test('a million flows live at once in 400 MB', () => {
  const { flows } = newTable({ memcap: 400_000_000, hashSize: 65536 });
  for (let i = 0; i < 1_000_000; i++) flows.lookup(packet({ src: i, sport: i & 0xffff, dport: 443 }));
  assert.equal(flows.active, 1_000_000);
  assert.equal(flows.emergency, 0);
  const p = packet(reverse({ src: 123_456, sport: 123_456 & 0xffff, dport: 443 }));
  flows.lookup(p);
  assert.deepEqual([p.flowNew, p.direction], [0, 1]);
});

test('memory in use follows the live flows', () => {
  const { flows, counters } = newTable();
  flows.tick(START);
  const empty = counters[Counter.FlowMemuse];
  for (let i = 0; i < 10; i++) flows.lookup(packet({ sport: i, dport: 1 }));
  flows.tick(START);
  assert.equal(counters[Counter.FlowMemuse] - empty, 10 * FLOW_BYTES);
});

test('a full table enters emergency mode and evicts new flows, the longest idle of those it looks at', () => {
  const { flows, ends, counters } = full();
  const p = packet({ sport: 60000, dport: 1, sec: START + 1 });
  assert.ok(flows.lookup(p) >= 0);
  assert.equal(p.flowNew, 1);
  assert.equal(flows.emergency, 1);
  assert.equal(counters[Counter.FlowEmergencyEntered], 1);
  assert.deepEqual(
    ends.list.map((e) => e.reason),
    [FlowEnd.Forced],
  );
  assert.notEqual(flows.flags[p.flow] & FlowFlag.Emergency, 0);
  assert.equal(flows.active, flows.capacity);
});

test('in emergency mode the emergency timeouts hold', () => {
  const { flows, ends, counters } = full();
  assert.ok(flows.lookup(packet({ sport: 60000, dport: 1, sec: START + 6 })) >= 0);
  assert.equal(ends.list[0].reason, FlowEnd.Timeout);
  for (let i = 0; i < 200; i++) flows.tick(START + 6);
  assert.equal(flows.emergency, 0);
  assert.equal(counters[Counter.FlowEmergencyOver], 1);
  // Once enough are free the normal timeouts hold again, and spare the rest.
  assert.ok(flows.active <= flows.capacity * 0.7 && flows.active > flows.capacity * 0.4, `${flows.active} of ${flows.capacity}`);
  assert.ok(ends.list.every((e) => e.reason === FlowEnd.Timeout));
});

test('emergency mode ends when enough flows are free, not before', () => {
  const { flows, counters } = full();
  flows.lookup(packet({ sport: 60000, dport: 1, sec: START + 1 }));
  // Keep 80 % in use: 20 % free is below emergency-recovery 30.
  const keep = Math.ceil(flows.capacity * 0.8);
  for (let i = 0; i < keep; i++) flows.lookup(packet({ sport: i, dport: 1, sec: START + 5 }));
  for (let i = 0; i < 200; i++) flows.tick(START + 8);
  assert.equal(flows.emergency, 1);
  assert.ok(flows.active >= keep && flows.active <= keep + 1);
  for (let i = 0; i < 200; i++) flows.tick(START + 11);
  assert.equal(flows.emergency, 0);
  assert.deepEqual([counters[Counter.FlowEmergencyEntered], counters[Counter.FlowEmergencyOver]], [1, 1]);
});

test('established, dropped and passed flows are never evicted: then there is no flow to be had', () => {
  const { flows, ends, counters } = full();
  for (let i = 0; i < flows.capacity; i++) {
    if (i % 3 === 0) flows.setState(i, FlowState.Established);
    else if (i % 3 === 1) flows.drop(i, 1);
    else flows.flags[i] |= FlowFlag.Passed;
  }
  const p = packet({ sport: 60000, dport: 1, sec: START + 1 });
  assert.equal(flows.lookup(p), NoFlow.Memcap);
  assert.equal(p.flow, -1);
  assert.equal(counters[Counter.FlowMemcap], 1);
  assert.equal(ends.list.length, 0);
  // Known flows go on.
  const known = packet({ sport: 1, dport: 1, sec: START + 1 });
  assert.ok(flows.lookup(known) >= 0);
  assert.equal(known.flowNew, 0);
});

test('a flood of new flows leaves the established ones alone', () => {
  const { flows } = newTable({ memcap: 1 << 15, hashSize: 16 });
  for (let i = 0; i < 20; i++) {
    flows.lookup(packet({ sport: i, dport: 1 }));
    flows.lookup(packet(reverse({ sport: i, dport: 1 })));
  }
  for (let i = 0; i < 5000; i++) flows.lookup(packet({ sport: i, dport: 2, sec: START + 1 }));
  for (let i = 0; i < 20; i++) {
    const p = packet({ sport: i, dport: 1, sec: START + 2 });
    flows.lookup(p);
    assert.deepEqual([p.flowNew, p.established], [0, 1]);
  }
});

test('the first reason of a drop stays', () => {
  const { flows } = newTable();
  const slot = flows.lookup(packet({ sport: 1, dport: 1 }));
  flows.drop(slot, 3);
  flows.drop(slot, 5);
  assert.equal(flows.dropReason[slot], 3);
});
