import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimingWheel } from '../../src/flow/timing-wheel.js';
import { newTable, packet } from './flow-fixture.js';

/** Where 32 bits of seconds become negative: 2038-01-19. */
const END = 2 ** 31;

/** Seconds as a reader of captures gives them, and as others may. */
const READINGS: readonly [string, (sec: number) => number][] = [
  ['signed', (sec) => sec | 0],
  ['unsigned', (sec) => sec >>> 0],
];

/** Slots that the wheel gives at that time; fails when it does not come to an end. */
function due(wheel: TimingWheel, now: number): number[] {
  wheel.advance(now);
  const slots: number[] = [];
  for (let slot = wheel.next(); slot >= 0; slot = wheel.next()) slots.push(slot);
  assert.equal(wheel.isBehind(), false);
  return slots;
}

for (const [name, read] of READINGS) {
  test(`${name} seconds go past 2038: each slot comes in its second`, () => {
    const wheel = new TimingWheel(8);
    wheel.start(read(END - 5));
    for (let slot = 0; slot < 8; slot++) wheel.arm(slot, read(END - 5) + 1 + slot);
    for (let slot = 0; slot < 8; slot++) assert.deepEqual(due(wheel, read(END - 4 + slot)), [slot]);
  });

  test(`${name} seconds: a flow ends behind 2038 as before it`, () => {
    const { flows, ends } = newTable();
    flows.lookup(packet({ sport: 1, dport: 2, sec: read(END - 10) }));
    flows.lookup(packet({ sport: 3, dport: 4, sec: read(END + 5) }));
    while (flows.tick(read(END + 20)));
    assert.equal(ends.list.length, 0);
    while (flows.tick(read(END + 21)));
    assert.equal(ends.list.length, 1);
    while (flows.tick(read(END + 36)));
    assert.equal(ends.list.length, 2);
  });
}

test('a jump is one lap, however far and whichever way', () => {
  for (const jump of [1025, 1e6, END - 1, END, -END + 1, -1e9, -61]) {
    const wheel = new TimingWheel(2);
    wheel.start(1000);
    wheel.advance(1500);
    wheel.arm(0, 1700);
    assert.deepEqual(due(wheel, (1500 + jump) | 0), [0], `a jump of ${jump}`);
    wheel.arm(1, (1500 + jump + 1) | 0);
    assert.deepEqual(due(wheel, (1500 + jump + 1) | 0), [1]);
  }
});

test('the longest idle flow makes room, whichever side of 2038 it was seen on', () => {
  const { flows, ends } = newTable({ memcap: 1 << 13, hashSize: 16 });
  const old = 3;
  for (let i = 0; i < flows.capacity; i++) flows.lookup(packet({ sport: i + 1, dport: 1, sec: (i === old ? END - 2 : END + 1) | 0 }));
  assert.ok(flows.active > old + 1);
  flows.lookup(packet({ sport: 60_000, dport: 1, sec: (END + 2) | 0 }));
  assert.deepEqual(
    ends.list.map(({ srcPort }) => srcPort),
    [old + 1],
  );
});
