import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowEnd, FlowFlag, FlowState, TcpState } from '../../src/flow/codes.js';
import { L4 } from '../../src/flow/flow-table.js';
import { Counter } from '../../src/metrics/counters.js';
import { Mode } from '../../src/ring/verdict.js';
import { TcpResult } from '../../src/stream/tcp-tracker.js';
import { A, Conversation, F, P, R, S, START } from './flow-fixture.js';

test('three-way handshake: states, flow states, and when a packet counts as established', () => {
  const t = new Conversation();
  assert.equal(t.c(S, 1000), TcpResult.Ok);
  assert.deepEqual([t.state, t.flowState, t.established], [TcpState.SynSent, FlowState.New, 0]);
  assert.equal(t.s(S | A, 5000, 1001), TcpResult.Ok);
  assert.deepEqual([t.state, t.flowState, t.established], [TcpState.SynRecv, FlowState.New, 0]);
  assert.equal(t.c(A, 1001, 5001), TcpResult.Ok);
  assert.deepEqual([t.state, t.flowState], [TcpState.Established, FlowState.Established]);
  assert.equal(t.established, 0, 'the ACK alone is still the handshake');
  assert.equal(t.c(P | A, 1001, 5001, 100), TcpResult.Ok);
  assert.equal(t.established, 1);
  t.s(A, 5001, 1101);
  assert.equal(t.established, 1);
  assert.equal(t.counters[Counter.TcpSessions], 1);
  assert.equal(t.counters[Counter.TcpMidstream], 0);
});

test('a last ACK that carries data is established itself (the ACK alone was lost)', () => {
  const t = new Conversation();
  t.c(S, 1000);
  t.s(S | A, 5000, 1001);
  assert.equal(t.c(P | A, 1001, 5001, 50), TcpResult.Ok);
  assert.deepEqual([t.state, t.established], [TcpState.Established, 1]);
  assert.equal(t.flows.l4[t.p.flow * L4.Words + L4.Next], 1051);
});

test('numbers wrap round', () => {
  const t = new Conversation();
  t.c(S, 0xffffffff);
  t.s(S | A, 0x7fffffff, 0);
  assert.equal(t.c(P | A, 0, 0x80000000, 10), TcpResult.Ok);
  assert.equal(t.state, TcpState.Established);
  assert.equal(t.s(P | A, 0x80000000, 10, 20), TcpResult.Ok);
  assert.equal(t.flows.l4[t.p.flow * L4.Words + L4.Next + 1], 0x80000014 | 0);
});

test('retransmitted SYN, SYN+ACK and ACK change nothing', () => {
  const t = new Conversation();
  t.c(S, 1000);
  assert.equal(t.c(S, 1000), TcpResult.Ok);
  t.s(S | A, 5000, 1001);
  assert.equal(t.s(S | A, 5000, 1001), TcpResult.Ok);
  assert.equal(t.c(S, 1000), TcpResult.Ok);
  assert.equal(t.state, TcpState.SynRecv);
  t.c(A, 1001, 5001);
  assert.equal(t.s(S | A, 5000, 1001), TcpResult.Ok, 'after the handshake too');
  assert.equal(t.c(A, 1001, 5001), TcpResult.Ok);
  assert.deepEqual([t.state, t.flows.active, t.counters[Counter.TcpSessions]], [TcpState.Established, 1, 1]);
});

test('wrong numbers in the handshake are invalid and change nothing', () => {
  const t = new Conversation();
  t.c(S, 1000);
  assert.equal(t.s(S | A, 5000, 1000), TcpResult.Invalid, 'acknowledges nothing');
  assert.equal(t.s(S | A, 5000, 1002), TcpResult.Invalid, 'acknowledges too much');
  assert.equal(t.state, TcpState.SynSent);
  t.s(S | A, 5000, 1001);
  assert.equal(t.c(A, 1001, 5002), TcpResult.Invalid);
  assert.equal(t.c(A, 1001, 5000), TcpResult.Invalid);
  assert.equal(t.c(P | A, 1001 + 9000, 5001, 10), TcpResult.Invalid, 'data beyond the window');
  assert.equal(t.c(S, 2000), TcpResult.Invalid, 'another SYN after the answer');
  assert.equal(t.c(S | F, 1000), TcpResult.Invalid);
  assert.equal(t.state, TcpState.SynRecv);
  assert.equal(t.c(A, 1001, 5001), TcpResult.Ok);
});

test('data before the handshake is complete is not established', () => {
  const t = new Conversation();
  t.c(S, 1000);
  assert.equal(t.c(P | A, 1001, 5001, 100), TcpResult.Ok);
  assert.deepEqual([t.state, t.established], [TcpState.SynSent, 0]);
  assert.equal(t.c(P, 1001, 0, 100), TcpResult.Invalid, 'no ACK at all');
});

test('two SYNs before the answer: the answer tells which counts', () => {
  for (const first of [true, false]) {
    const t = new Conversation();
    t.c(S, 1000);
    assert.equal(t.c(S, 9000), TcpResult.Ok);
    const isn = first ? 1000 : 9000;
    assert.equal(t.s(S | A, 5000, isn + 1), TcpResult.Ok);
    assert.equal(t.c(P | A, isn + 1, 5001, 10), TcpResult.Ok);
    assert.deepEqual([t.state, t.established], [TcpState.Established, 1]);
    assert.equal(t.flows.l4[t.p.flow * L4.Words + L4.Isn], isn);
  }
});

test('two SYN+ACKs: the ACK tells which counts', () => {
  for (const first of [true, false]) {
    const t = new Conversation();
    t.c(S, 1000);
    t.s(S | A, 5000, 1001);
    assert.equal(t.s(S | A, 7000, 1001), TcpResult.Ok);
    const isn = first ? 5000 : 7000;
    assert.equal(t.c(P | A, 1001, isn + 1, 10), TcpResult.Ok);
    assert.equal(t.state, TcpState.Established);
    assert.equal(t.s(P | A, isn + 1, 1011, 10), TcpResult.Ok);
    assert.equal(t.flows.l4[t.p.flow * L4.Words + L4.Isn + 1], isn);
  }
});

test('simultaneous open (RFC 9293, 3.5)', () => {
  const t = new Conversation();
  t.c(S, 1000);
  assert.equal(t.s(S, 5000), TcpResult.Ok);
  assert.equal(t.state, TcpState.SynRecv);
  assert.equal(t.c(S | A, 1000, 5001), TcpResult.Ok);
  assert.equal(t.state, TcpState.SynRecv);
  assert.equal(t.s(S | A, 5000, 1001), TcpResult.Ok);
  assert.deepEqual([t.state, t.established, t.flows.active], [TcpState.Established, 0, 1]);
  t.c(P | A, 1001, 5001, 10);
  assert.equal(t.established, 1);
});

test('split handshakes, of four and of five packets', () => {
  for (const five of [false, true]) {
    const t = new Conversation();
    t.c(S, 1000);
    if (five) assert.equal(t.s(A, 1, 1001), TcpResult.Ok);
    assert.equal(t.s(S, 3000), TcpResult.Ok);
    assert.equal(t.c(S | A, 1000, 3001), TcpResult.Ok);
    assert.equal(t.s(A, 3001, 1001), TcpResult.Ok);
    assert.equal(t.state, TcpState.Established);
    assert.equal(t.c(P | A, 1001, 3001, 4), TcpResult.Ok);
    assert.equal(t.established, 1);
  }
});

test('fast open: data in the SYN, acknowledged or not (RFC 7413)', () => {
  for (const ack of [1001, 1101]) {
    const t = new Conversation();
    t.c(S, 1000, 0, 100);
    assert.equal(t.s(S | A, 5000, ack), TcpResult.Ok);
    assert.equal(t.c(P | A, ack, 5001, 50), TcpResult.Ok);
    assert.deepEqual([t.state, t.established], [TcpState.Established, 1]);
  }
});

test('a server that speaks before the last ACK was seen: inline only after fast open', () => {
  for (const [mode, data] of [
    [Mode.Ids, 0],
    [Mode.Ips, 30],
    [Mode.Ips, 0],
  ]) {
    const t = new Conversation();
    t.mode = mode;
    t.c(S, 1000, 0, data);
    t.s(S | A, 5000, 1001 + data);
    const isGood = mode === Mode.Ids || data > 0;
    assert.equal(t.s(P | A, 5001, 1001 + data, 40), isGood ? TcpResult.Ok : TcpResult.Invalid);
    assert.equal(t.tracker.refuses(t.p), mode === Mode.Ips);
    assert.equal(t.c(A, 1001 + data, isGood ? 5041 : 5001), TcpResult.Ok);
    assert.equal(t.state, TcpState.Established);
  }
});

test('a server that speaks before the last ACK was seen', () => {
  const t = new Conversation();
  t.mode = Mode.Ids;
  t.c(S, 1000);
  t.s(S | A, 5000, 1001);
  assert.equal(t.s(P | A, 5001, 1001, 40), TcpResult.Ok);
  assert.equal(t.established, 0);
  assert.equal(t.c(A, 1001, 5041), TcpResult.Ok);
  assert.equal(t.state, TcpState.Established);
});

test('the last ACK lost on the way to us: a listener infers it, inline it cannot have happened', () => {
  for (const mode of [Mode.Ids, Mode.Ips]) {
    const t = new Conversation();
    t.mode = mode;
    t.c(S, 1000);
    t.s(S | A, 5000, 1001);
    t.s(P | A, 5001, 1301, 40);
    assert.equal(t.state, mode === Mode.Ids ? TcpState.Established : TcpState.SynRecv);
    if (mode === Mode.Ids) assert.equal(t.c(P | A, 1301, 5041, 10), TcpResult.Ok);
  }
});

test('RST in the handshake: must fit', () => {
  const refused = new Conversation();
  refused.c(S, 1000);
  assert.equal(refused.s(R | A, 0, 999), TcpResult.Invalid);
  assert.equal(refused.s(R, 0), TcpResult.Invalid, 'a RST that acknowledges nothing');
  assert.equal(refused.state, TcpState.SynSent);
  assert.equal(refused.s(R | A, 0, 1001), TcpResult.Ok);
  assert.deepEqual([refused.state, refused.flowState], [TcpState.Closed, FlowState.Closed]);
  assert.equal(refused.flows.flags[refused.p.flow] & FlowFlag.TcpEstablished, 0);

  const scan = new Conversation();
  scan.c(S, 1000);
  scan.s(S | A, 5000, 1001);
  assert.equal(scan.c(R, 77), TcpResult.Invalid);
  assert.equal(scan.state, TcpState.SynRecv);
  assert.equal(scan.c(R, 1001), TcpResult.Ok);
  assert.equal(scan.state, TcpState.Closed);
});

test('a SYN on a session that is over begins a new flow', () => {
  const t = new Conversation();
  t.open();
  const id = t.flows.flowId(t.p.flow);
  t.c(R | A, 1001, 5001);
  assert.equal(t.state, TcpState.Closed);
  assert.equal(t.c(S, 90000), TcpResult.Ok);
  assert.deepEqual([t.p.flowNew, t.state, t.established], [1, TcpState.SynSent, 0]);
  assert.deepEqual(
    t.ends.list.map((e) => [e.id, e.reason, e.pktsTs, e.pktsTc]),
    [[id, FlowEnd.TcpReuse, 3, 1]],
  );
  assert.notEqual(t.flows.flowId(t.p.flow), id);
  assert.equal(t.counters[Counter.TcpSessions], 2);
  assert.equal(t.flows.pktsTs[t.p.flow], 1);
});

test('the old server may be the new client', () => {
  const t = new Conversation();
  t.open();
  t.c(R | A, 1001, 5001);
  assert.equal(t.s(S, 70000), TcpResult.Ok);
  assert.deepEqual([t.p.flowNew, t.p.direction, t.flows.srcPort(t.p.flow)], [1, 0, 80]);
});

test('a SYN on a live session, or one that repeats the old number, begins nothing', () => {
  const t = new Conversation();
  t.open();
  assert.equal(t.c(S, 90000), TcpResult.Invalid);
  assert.deepEqual([t.flows.active, t.ends.list.length, t.state], [1, 0, TcpState.Established]);
  t.c(R | A, 1001, 5001);
  t.c(S, 1000);
  assert.equal(t.ends.list.length, 0);
});

test('a flow that was dropped without a session lets a new SYN begin afresh', () => {
  const t = new Conversation();
  assert.equal(t.c(P | A, 1000, 5000, 10), TcpResult.Midstream);
  t.flows.drop(t.p.flow, 9);
  assert.equal(t.c(S, 2000), TcpResult.Ok);
  assert.deepEqual([t.p.flowNew, t.flows.flags[t.p.flow] & FlowFlag.Dropped], [1, 0]);
});

test('a handshake that never ends times out as new', () => {
  const t = new Conversation();
  t.c(S, 1000);
  t.s(S | A, 5000, 1001);
  while (t.flows.tick(START + 60));
  assert.equal(t.ends.list.length, 0);
  while (t.flows.tick(START + 61));
  assert.equal(t.ends.list.length, 1);
});

test('a RST of a client that still waits for its SYN+ACK refuses some segment, not the session', () => {
  for (const mode of [Mode.Ips, Mode.Ids]) {
    const t = new Conversation();
    t.mode = mode;
    t.c(S, 1000);
    // Linux answers so what does not echo its timestamp.
    t.s(F | A, 0, 1001);
    assert.equal(t.c(R, 1001), TcpResult.Ok);
    assert.equal(t.state, TcpState.SynSent);
    t.s(S | A, 5000, 1001);
    t.c(A, 1001, 5001);
    t.c(P | A, 1001, 5001, 10);
    assert.deepEqual([t.state, t.established], [TcpState.Established, 1]);
    assert.equal(t.s(P | A, 5001, 1011, 10), TcpResult.Ok);
    assert.equal(t.established, 1);
  }
});

test('a RST of the server before the handshake is complete may not have reached the client: its SYN+ACK counts', () => {
  for (const mode of [Mode.Ips, Mode.Ids]) {
    for (const earlier of [false, true]) {
      const t = new Conversation();
      t.mode = mode;
      t.c(S, 1000);
      if (earlier) t.s(S | A, 7000, 1001);
      t.s(R | A, earlier ? 7001 : 0, 1001);
      assert.equal(t.state, TcpState.Closed);
      assert.equal(t.s(S | A, 5000, 1001), TcpResult.Ok);
      assert.equal(t.flowState, FlowState.New);
      t.c(A, 1001, 5001);
      assert.equal(t.state, TcpState.Established);
      assert.equal(t.s(P | A, 5001, 1001, 10), TcpResult.Ok);
      assert.equal(t.established, 1);
    }
  }
});

test('what the client reset stays closed', () => {
  const t = new Conversation();
  t.open();
  t.c(R | A, 1001, 5001);
  t.s(S | A, 5000, 1001);
  assert.equal(t.state, TcpState.Closed);
});
