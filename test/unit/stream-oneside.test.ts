import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { FlowFlag, FlowState, TcpState } from '../../src/flow/codes.js';
import { L4 } from '../../src/flow/flow-table.js';
import { Counter } from '../../src/metrics/counters.js';
import { TcpResult } from '../../src/stream/tcp-tracker.js';
import { A, Conversation, F, P, R, S } from './flow-fixture.js';

/** A queue: netfilter rules chose the packets. */
function queued(): Conversation {
  const t = new Conversation();
  t.selective = 1;
  return t;
}

const oneside = (t: Conversation) => (t.flows.flags[t.p.flow] & FlowFlag.AsyncOneside) !== 0;

test('the client alone: SYN, then its ACK establishes', () => {
  const t = queued();
  t.c(S, 1000);
  assert.equal(t.c(A, 1001, 5001), TcpResult.Ok);
  assert.deepEqual([t.state, t.flowState, t.established, oneside(t)], [TcpState.Established, FlowState.Established, 0, true]);
  t.c(P | A, 1001, 5001, 10);
  assert.equal(t.established, 1);
  assert.equal(t.c(R, 7), TcpResult.Invalid);
  t.c(F | A, 1011, 5001);
  assert.equal(t.flowState, FlowState.Closed);
});

test('packets that nobody chose need stream.async-oneside for that', () => {
  const t = new Conversation();
  t.c(S, 1000);
  t.c(A, 1001, 5001);
  t.c(P | A, 1001, 5001, 10);
  assert.deepEqual([t.state, t.established], [TcpState.SynSent, 0]);
});

test('the server alone: from its SYN+ACK, direction right, no midstream policy asked for', () => {
  const t = queued();
  assert.equal(t.s(S | A, 5000, 1001), TcpResult.Ok);
  assert.deepEqual([t.p.direction, t.flows.srcPort(t.p.flow), t.state], [1, 40000, TcpState.SynRecv]);
  assert.equal(t.s(P | A, 5001, 1001, 20), TcpResult.Ok);
  assert.deepEqual([t.state, t.established, oneside(t)], [TcpState.Established, 1, true]);
  assert.equal(t.s(P | A, 5021, 1400, 20), TcpResult.Ok);
  assert.deepEqual([t.counters[Counter.TcpSessions], t.counters[Counter.TcpMidstream]], [1, 0]);
});

test('the server first, then the client: an ordinary session', () => {
  const t = queued();
  t.s(S | A, 5000, 1001);
  assert.equal(t.c(A, 1001, 5001), TcpResult.Ok);
  assert.deepEqual([t.state, oneside(t)], [TcpState.Established, false]);
  assert.equal(t.c(P | A, 1001, 5001, 10), TcpResult.Ok);
  assert.equal(t.s(P | A, 5001, 1011, 10), TcpResult.Ok);
  assert.equal(t.c(P | A, 0x30000000, 5011, 10), TcpResult.Invalid, 'windows count');
});

test('with the configuration that asks for it, a SYN+ACK alone is still a pick-up', () => {
  for (const stream of [{ midstream: true }, { asyncOneside: true }]) {
    const t = new Conversation(stream);
    t.selective = 1;
    assert.equal(t.s(S | A, 5000, 1001), TcpResult.MidstreamPickup);
  }
});

test('an early ACK does not switch the checks off: the SYN+ACK leads back into the handshake', () => {
  for (const queue of [true, false]) {
    const t = queue ? queued() : new Conversation({ asyncOneside: true });
    t.c(S, 1000);
    t.c(P | A, 1001, 4711, 300);
    assert.equal(oneside(t), true);
    t.flows.appProto[t.p.flow] = AppProto.Failed;
    assert.equal(t.s(S | A, 5000, 1001), TcpResult.Ok);
    assert.deepEqual([t.state, t.flowState, t.established, oneside(t)], [TcpState.SynRecv, FlowState.New, 0, false]);
    assert.equal(t.flows.flags[t.p.flow] & FlowFlag.TcpEstablished, 0);
    assert.equal(t.flows.l4[t.p.flow * L4.Words + L4.Next], 1001);
    assert.equal(t.flows.appProto[t.p.flow], AppProto.Unknown);
    assert.equal(t.c(A, 1001, 5002), TcpResult.Invalid, 'as in any handshake');
    assert.equal(t.c(A, 1001, 5001), TcpResult.Ok);
    assert.deepEqual([t.state, t.flowState], [TcpState.Established, FlowState.Established]);
    assert.equal(t.c(P | A, 1001, 5001, 10), TcpResult.Ok);
    assert.equal(t.established, 1);
    assert.equal(t.c(P | A, 0x30000000, 5001, 10), TcpResult.Invalid);
    assert.equal(t.c(R, 1301), TcpResult.Invalid, 'a number nobody expects');
  }
});

test('an early FIN or RST does not end it either', () => {
  for (const [flags, seq] of [
    [F | A, 1001],
    [R, 1001],
  ]) {
    const t = queued();
    t.c(S, 1000);
    t.c(A, 1001, 4711);
    t.c(flags, seq, 4711);
    assert.equal(t.state, TcpState.Closed);
    t.s(S | A, 5000, 1001);
    t.c(P | A, 1001, 5001, 10);
    assert.deepEqual([t.state, t.established, t.flows.active], [TcpState.Established, 1, 1]);
  }
});

test('a SYN+ACK that answers no SYN of the client changes nothing', () => {
  const t = queued();
  t.c(S, 1000);
  t.c(P | A, 1001, 4711, 300);
  for (const ack of [1000, 1302, 0]) t.s(S | A, 5000, ack);
  t.s(A, 5000, 1001);
  assert.deepEqual([t.state, oneside(t)], [TcpState.Established, true]);
  t.c(P | A, 1301, 4711, 10);
  assert.equal(t.established, 1);
});

test('data with numbers of a session whose SYN was replaced is established all the same', () => {
  const t = queued();
  t.c(S, 1000);
  assert.equal(t.c(P | A, 0x30000000, 5001, 10), TcpResult.Ok);
  assert.equal(t.established, 1);
});
