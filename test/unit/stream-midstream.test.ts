import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowFlag, FlowState, TcpState } from '../../src/flow/codes.js';
import { Counter } from '../../src/metrics/counters.js';
import { TcpResult } from '../../src/stream/tcp-tracker.js';
import { A, Conversation, F, P, R, S } from './flow-fixture.js';

test('midstream off: every packet without a session is reported, nothing is tracked', () => {
  const t = new Conversation();
  assert.equal(t.s(S | A, 5000, 1001), TcpResult.Midstream);
  for (let i = 0; i < 3; i++) {
    assert.equal(t.c(P | A, 1001, 5001, 50), TcpResult.Midstream);
    assert.equal(t.s(P | A, 5001, 1051, 50), TcpResult.Midstream);
  }
  assert.equal(t.c(F | A, 1051, 5051), TcpResult.Midstream);
  assert.deepEqual([t.state, t.flowState, t.established, t.flows.active], [TcpState.None, FlowState.New, 0, 1]);
  assert.deepEqual([t.counters[Counter.TcpSessions], t.counters[Counter.TcpMidstream]], [0, 0]);
});

test('a RST, a null packet, a SYN+FIN without a session are invalid, with midstream or without', () => {
  for (const midstream of [false, true]) {
    const t = new Conversation({ midstream });
    assert.equal(t.c(R, 1000), TcpResult.Invalid);
    assert.equal(t.c(0, 1000), TcpResult.Invalid);
    assert.equal(t.c(S | F, 1000), midstream ? TcpResult.Invalid : TcpResult.Midstream);
    assert.equal(t.state, TcpState.None);
  }
});

test('midstream on: data is picked up and established at once', () => {
  const t = new Conversation({ midstream: true });
  assert.equal(t.c(P | A, 1001, 5001, 50), TcpResult.MidstreamPickup);
  assert.deepEqual([t.state, t.flowState, t.established], [TcpState.Established, FlowState.Established, 1]);
  assert.notEqual(t.flows.flags[t.p.flow] & FlowFlag.Midstream, 0);
  assert.deepEqual([t.counters[Counter.TcpSessions], t.counters[Counter.TcpMidstream]], [1, 1]);
  assert.equal(t.s(P | A, 5001, 1051, 60_000), TcpResult.Ok);
  assert.equal(t.established, 1);
  assert.equal(t.c(A, 1051, 65_001), TcpResult.Ok);
  // Unknown scales: a small window may mean a large one.
  assert.equal(t.s(P | A, 65_001, 1051, 60_000, { window: 4 }), TcpResult.Ok);
  t.c(F | A, 1051, 125_001);
  assert.equal(t.state, TcpState.CloseWait);
});

test('midstream on: an ACK alone is picked up, and the next packet is established', () => {
  const t = new Conversation({ midstream: true });
  assert.equal(t.s(A, 5001, 1001), TcpResult.MidstreamPickup);
  assert.equal(t.established, 0);
  assert.equal(t.c(P | A, 1001, 5001, 10), TcpResult.Ok);
  assert.equal(t.established, 1);
});

test('midstream on: from the SYN+ACK, with the direction put right', () => {
  const t = new Conversation({ midstream: true });
  assert.equal(t.s(S | A, 5000, 1001), TcpResult.MidstreamPickup);
  assert.deepEqual([t.state, t.p.direction, t.established], [TcpState.SynRecv, 1, 0]);
  assert.equal(t.c(A, 1001, 5001), TcpResult.Ok);
  assert.deepEqual([t.state, t.p.direction], [TcpState.Established, 0]);
  assert.equal(t.flows.srcPort(t.p.flow), 40000);
  assert.equal(t.c(P | A, 1001, 5001, 10), TcpResult.Ok);
  assert.equal(t.established, 1);
});

test('midstream on: a FIN with data is picked up closing, one without is not', () => {
  const t = new Conversation({ midstream: true });
  assert.equal(t.c(F | A, 1001, 5001), TcpResult.Invalid);
  assert.equal(t.c(F | A, 1001, 5001, 20), TcpResult.MidstreamPickup);
  assert.equal(t.state, TcpState.CloseWait);
});

test('midstream on: a RST must fit all the same', () => {
  const t = new Conversation({ midstream: true });
  t.c(P | A, 1001, 5001, 50);
  assert.equal(t.s(R, 4000), TcpResult.Invalid);
  assert.equal(t.s(R, 5001), TcpResult.Ok);
  assert.equal(t.state, TcpState.Closed);
});

test('async-oneside: only the client is seen', () => {
  const t = new Conversation({ asyncOneside: true });
  t.c(S, 1000);
  assert.equal(t.c(P | A, 1001, 5001, 100), TcpResult.Ok);
  assert.deepEqual([t.state, t.established], [TcpState.Established, 1]);
  assert.equal(t.c(P | A, 1101, 9001, 100), TcpResult.Ok);
  assert.equal(t.established, 1);
  assert.equal(t.c(R, 7), TcpResult.Invalid);
  t.c(F | A, 1201, 9001);
  assert.equal(t.flowState, FlowState.Closed);
});

test('async-oneside: only the server is seen, from its SYN+ACK on', () => {
  const t = new Conversation({ asyncOneside: true });
  assert.equal(t.s(S | A, 5000, 1001), TcpResult.MidstreamPickup);
  assert.equal(t.s(P | A, 5001, 1400, 80), TcpResult.Ok);
  assert.deepEqual([t.state, t.p.direction, t.established], [TcpState.Established, 1, 1]);
  assert.equal(t.s(P | A, 5081, 2000, 80), TcpResult.Ok);
});

test('async-oneside does not pick up data without a SYN or SYN+ACK', () => {
  const t = new Conversation({ asyncOneside: true });
  assert.equal(t.c(P | A, 1001, 5001, 50), TcpResult.Midstream);
});
