import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FlowEnd } from '../../src/flow/codes.js';
import { FlowIndex } from '../../src/flow/flow-index.js';
import { newTable, packet, reverse, START } from './flow-fixture.js';

/** Tuples are not looked at here. */
const NONE = new Int32Array(0);

/** Slots with this hash, in the order a lookup would meet them. */
function slotsOf(index: FlowIndex, hash: number): number[] {
  const found: number[] = [];
  for (let at = (hash << 1) & index.mask; index.entries[at + 1] !== 0; at = (at + 2) & index.mask) {
    if (index.entries[at] === hash) found.push(index.entries[at + 1] - 1);
  }
  return found;
}

test('hash index against a model: colliding and wrapping runs survive any removal', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: -3, max: 18 }), fc.boolean()), { maxLength: 200 }), (operations) => {
      const index = new FlowIndex(16, NONE, NONE);
      const model = new Map<number, number>();
      let next = 0;
      for (const [hash, remove] of operations) {
        if (remove || model.size === 12) {
          const victim = [...model.entries()].find(([, h]) => h === hash) ?? [...model.entries()][0];
          if (!victim) continue;
          index.remove(victim[1], victim[0]);
          model.delete(victim[0]);
        } else {
          index.insert(hash, next);
          model.set(next++, hash);
        }
        for (const [slot, h] of model) assert.ok(slotsOf(index, h).includes(slot));
        assert.equal(index.entries.filter((_, i) => i % 2 === 1).filter((s) => s !== 0).length, model.size);
      }
    }),
  );
});

test('removing what is not there changes nothing', () => {
  const index = new FlowIndex(8, NONE, NONE);
  index.insert(5, 1);
  index.remove(5, 2);
  index.remove(6, 1);
  assert.deepEqual(slotsOf(index, 5), [1]);
});

interface Model {
  last: number;
  pkts: [number, number];
  client: number;
  established: boolean;
}

test('flow table against a Map: random packets, answers, pauses, ticks and jumps', () => {
  const operation = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('packet' as const), flow: fc.integer({ min: 0, max: 40 }), back: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 0, max: 40 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 290, max: 5000 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('tick' as const), budget: fc.integer({ min: 1, max: 8 }) }) },
  );
  fc.assert(
    fc.property(fc.array(operation, { minLength: 20, maxLength: 300 }), (operations) => {
      const { flows, ends } = newTable({ memcap: 1 << 16, hashSize: 64 });
      const model = new Map<number, Model>();
      let now = START;
      let ended = 0;
      const limit = (m: Model) => (m.established ? 300 : 30);
      const settle = () => {
        // What the table ended, the model must agree was idle for too long.
        for (; ended < ends.list.length; ended++) {
          const e = ends.list[ended];
          const port = (e.srcPort === 53 ? e.dstPort : e.srcPort) - 2000;
          const m = model.get(port);
          assert.ok(m !== undefined, 'a flow ended that the model does not know');
          assert.deepEqual([e.srcPort, e.pktsTs, e.pktsTc], [m.client, ...m.pkts]);
          assert.equal(e.reason, FlowEnd.Timeout);
          assert.ok(now - m.last > limit(m), 'ended before its time');
          model.delete(port);
        }
      };
      for (const op of operations) {
        if (op.kind === 'wait') now += op.seconds;
        else if (op.kind === 'tick') {
          flows.tick(now, op.budget);
          settle();
        } else {
          const forward = { sport: 2000 + op.flow, dport: 53, sec: now };
          const p = packet(op.back ? reverse(forward) : forward);
          const slot = flows.lookup(p);
          settle();
          let m = model.get(op.flow);
          assert.equal(p.flowNew, m ? 0 : 1);
          if (!m) {
            m = { last: now, pkts: [0, 0], client: op.back ? 53 : forward.sport, established: false };
            model.set(op.flow, m);
          }
          const direction = (m.client === 53) === op.back ? 0 : 1;
          assert.equal(p.direction, direction);
          m.pkts[direction]++;
          m.last = now;
          if (m.pkts[0] > 0 && m.pkts[1] > 0) m.established = true;
          assert.deepEqual([flows.pktsTs[slot], flows.pktsTc[slot]], m.pkts);
          assert.equal(p.established, m.established ? 1 : 0);
        }
        assert.equal(flows.active, model.size);
      }
      for (let i = 0; flows.tick(now, 16) && i < 10000; i++);
      settle();
      for (const m of model.values()) assert.ok(now - m.last <= limit(m), 'a flow outlived its timeout');
      const live = flows.active;
      flows.endAll();
      assert.equal(ends.list.length - ended, live);
      assert.ok(ends.list.slice(ended).every((e) => e.reason === FlowEnd.Shutdown));
      assert.equal(flows.active, 0);
    }),
    { numRuns: 150 },
  );
});

test('churn far beyond the capacity: no slot is lost, none is used twice', () => {
  const { flows, ends } = newTable({ memcap: 1 << 15, hashSize: 16 });
  let now = START;
  for (let round = 0; round < 50; round++) {
    const slots = new Set<number>();
    for (let i = 0; i < flows.capacity; i++) slots.add(flows.lookup(packet({ sport: i, dport: round, sec: now })));
    assert.equal(slots.size, flows.capacity);
    assert.ok(!slots.has(-1));
    now += 31;
    while (flows.tick(now));
    assert.equal(flows.active, 0);
  }
  assert.equal(ends.list.length, 50 * flows.capacity);
});
