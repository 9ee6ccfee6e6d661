import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IpProto } from '../../src/decode/packet.js';
import { FlowEnd, FlowState } from '../../src/flow/codes.js';
import { Counter } from '../../src/metrics/counters.js';
import { flowConfig, newTable, type PacketFields, packet, reverse, START, timeouts } from './flow-fixture.js';

const UDP: PacketFields = { sport: 1000, dport: 53 };

function drain(flows: { tick(now: number): boolean }, now: number): void {
  while (flows.tick(now));
}

test('each protocol and state has its own timeout, and lives through the last second of it', () => {
  const config = flowConfig();
  config.timeouts = {
    default: timeouts({ new: 11, established: 12, closed: 13, bypassed: 14 }),
    tcp: timeouts({ new: 21, established: 22, closed: 23, bypassed: 24 }),
    udp: timeouts({ new: 31, established: 32, closed: 33, bypassed: 34 }),
    icmp: timeouts({ new: 41, established: 42, closed: 43, bypassed: 44 }),
  };
  const protocols: [PacketFields, number][] = [
    [{ proto: IpProto.Sctp, sport: 1, dport: 2 }, 11],
    [{ proto: IpProto.Tcp, sport: 1, dport: 2 }, 21],
    [UDP, 31],
    [{ proto: IpProto.Icmp, icmp: [8, 0] }, 41],
  ];
  for (const [fields, base] of protocols) {
    for (const state of [FlowState.New, FlowState.Established, FlowState.Closed, FlowState.Bypassed]) {
      const { flows, ends, counters } = newTable(config);
      const slot = flows.lookup(packet(fields));
      if (state === FlowState.Bypassed) flows.bypass(slot);
      else flows.setState(slot, state);
      drain(flows, START + base + state);
      assert.equal(ends.list.length, 0, `${base}, state ${state}`);
      drain(flows, START + base + state + 1);
      assert.deepEqual(
        ends.list.map((e) => e.reason),
        [FlowEnd.Timeout],
      );
      assert.equal(counters[Counter.FlowsTimedOut], 1);
    }
  }
});

test('a packet postpones the end without moving the flow', () => {
  const { flows, ends } = newTable();
  flows.lookup(packet(UDP));
  for (let t = 20; t <= 200; t += 20) {
    flows.lookup(packet({ ...UDP, sec: START + t }));
    drain(flows, START + t);
  }
  assert.equal(ends.list.length, 0);
  drain(flows, START + 231);
  assert.equal(ends.list.length, 1);
  assert.equal(ends.list[0].pktsTs, 11);
});

test('a state with a shorter timeout takes effect at once', () => {
  const { flows, ends } = newTable();
  const slot = flows.lookup(packet({ proto: IpProto.Tcp, sport: 1, dport: 2 }));
  flows.setState(slot, FlowState.Established);
  drain(flows, START + 5);
  flows.setState(slot, FlowState.Closed);
  drain(flows, START + 20);
  assert.equal(ends.list.length, 0);
  drain(flows, START + 21);
  assert.equal(ends.list.length, 1);
});

test('a bypassed flow stays bypassed', () => {
  const { flows } = newTable();
  const slot = flows.lookup(packet(UDP));
  flows.bypass(slot);
  flows.lookup(packet(reverse(UDP)));
  flows.setState(slot, FlowState.Closed);
  assert.equal(flows.state[slot], FlowState.Bypassed);
});

test('a packet that comes after the timeout begins a new flow, whether or not the wheel got there', () => {
  const { flows, ends } = newTable();
  flows.lookup(packet(UDP));
  const id = flows.flowId(0);
  const p = packet({ ...reverse(UDP), sec: START + 31 });
  const slot = flows.lookup(p);
  assert.deepEqual([p.flowNew, p.direction, flows.srcPort(slot)], [1, 0, 53]);
  assert.deepEqual(
    ends.list.map((e) => [e.id, e.reason]),
    [[id, FlowEnd.Timeout]],
  );
  assert.notEqual(flows.flowId(slot), id);
});

test('the budget bounds one tick, the rest comes with the next ones', () => {
  const { flows, ends } = newTable();
  for (let i = 0; i < 100; i++) flows.lookup(packet({ sport: i, dport: 1 }));
  assert.equal(flows.tick(START + 31, 30), true);
  assert.equal(ends.list.length, 30);
  assert.equal(flows.tick(START + 31, 30), true);
  assert.equal(ends.list.length, 60);
  while (flows.tick(START + 31, 30));
  assert.equal(ends.list.length, 100);
  assert.equal(flows.tick(START + 31), false);
});

test('a flow used while its list is being worked off is not lost', () => {
  const { flows, ends } = newTable();
  for (let i = 0; i < 50; i++) flows.lookup(packet({ sport: i, dport: 1 }));
  flows.tick(START + 31, 10);
  // These leave the pending list from its middle: ended and begun anew.
  for (let i = 0; i < 50; i += 7) flows.lookup(packet({ sport: i, dport: 1, sec: START + 31 }));
  drain(flows, START + 31);
  assert.equal(ends.list.length, 50);
  assert.equal(flows.active, 8);
  drain(flows, START + 62);
  assert.equal(flows.active, 0);
});

test('a timeout longer than the wheel', () => {
  const config = flowConfig();
  config.timeouts.udp = timeouts({ new: 5000 });
  const { flows, ends } = newTable(config);
  flows.lookup(packet(UDP));
  for (let t = 0; t <= 5000; t += 250) drain(flows, START + t);
  assert.equal(ends.list.length, 0);
  drain(flows, START + 5001);
  assert.equal(ends.list.length, 1);
});

test('a jump forward costs the flows, not the seconds', () => {
  const { flows, ends } = newTable();
  for (let i = 0; i < 200; i++) flows.lookup(packet({ sport: i, dport: 1 }));
  let ticks = 0;
  while (flows.tick(START + 400_000_000)) ticks++;
  assert.equal(ends.list.length, 200);
  assert.ok(ticks <= 200 / 64 + 2, `${ticks} ticks`);
});

test('a jump back keeps the flows and lets them end in the new time', () => {
  const { flows, ends } = newTable();
  for (let i = 0; i < 200; i++) flows.lookup(packet({ sport: i, dport: 1 }));
  const back = START - 1_000_000;
  let ticks = 0;
  while (flows.tick(back)) ticks++;
  assert.ok(ticks <= 200 / 64 + 2, `${ticks} ticks`);
  assert.equal(ends.list.length, 0);
  const p = packet({ sport: 5, dport: 1, sec: back + 1 });
  flows.lookup(p);
  assert.equal(p.flowNew, 0);
  drain(flows, back + 30);
  assert.equal(ends.list.length, 0);
  drain(flows, back + 31);
  assert.equal(ends.list.length, 199);
  drain(flows, back + 32);
  assert.equal(ends.list.length, 200);
});

test('a packet from before a jump back, and the flow of a packet that jumped', () => {
  const { flows } = newTable();
  const slot = flows.lookup(packet({ ...UDP, sec: START }));
  flows.lookup(packet({ ...UDP, sec: START - 100_000 }));
  assert.equal(flows.lastSec[slot], START - 100_000);
});

test('time a little back stands still', () => {
  const { flows, ends } = newTable();
  flows.lookup(packet(UDP));
  drain(flows, START + 29);
  drain(flows, START + 1);
  flows.lookup(packet({ sport: 9, dport: 9, sec: START + 1 }));
  drain(flows, START + 31);
  assert.equal(ends.list.length, 1);
  drain(flows, START + 32);
  assert.equal(ends.list.length, 2);
});

test('endAll reports every live flow once, as shutdown', () => {
  const { flows, ends } = newTable();
  for (let i = 0; i < 20; i++) flows.lookup(packet({ sport: i, dport: 1 }));
  flows.endAll();
  flows.endAll();
  assert.equal(ends.list.length, 20);
  assert.ok(ends.list.every((e) => e.reason === FlowEnd.Shutdown));
  assert.ok(flows.lookup(packet(UDP)) >= 0);
});
