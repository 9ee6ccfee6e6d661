import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamConfig } from '../../src/config/config.js';
import { defaultConfig } from '../../src/config/load.js';
import { FlowFlag, TcpState } from '../../src/flow/codes.js';
import * as build from '../../src/lab/packets.js';
import { Mode } from '../../src/ring/verdict.js';
import { TcpResult } from '../../src/stream/tcp-tracker.js';
import { EngineBench } from '../support/engine.js';
import { A, Conversation, F, P, type PacketFields, R, S } from './flow-fixture.js';

/** The last packet, which update called Invalid, is not forwarded. */
function refused(t: Conversation): boolean {
  return t.tracker.refuses(t.p);
}

/** Inline, between two interfaces: 0 on the client's side, 1 on the server's. */
class Bridged extends Conversation {
  override c(flags: number, seq: number, ack = 0, payload = 0, more: PacketFields = {}): number {
    return super.c(flags, seq, ack, payload, { bridged: 1, source: 0, ...more });
  }
  override s(flags: number, seq: number, ack = 0, payload = 0, more: PacketFields = {}): number {
    return super.s(flags, seq, ack, payload, { bridged: 1, source: 1, ...more });
  }
}

function opened(stream: Partial<StreamConfig> = {}): Conversation {
  const t = new Conversation(stream);
  t.open();
  return t;
}

test('inline, what is out of window is dropped; a bare SYN or RST, by which hosts find out, is not', () => {
  const t = opened();
  const cases: [number, number, number, number, boolean][] = [
    [P | A, 1001 + 60_000, 5001, 10, true],
    [A, 1001 + 60_000, 5001, 0, true],
    [F | A, 1001 + 60_000, 5001, 0, true],
    [P, 1001, 0, 10, true],
    [A, 1001, 5001 + 60_000, 0, true],
    [R, 1500, 0, 0, false],
    [R, 1500, 0, 5, true],
    [S, 2000, 0, 0, false],
    [S, 2000, 0, 5, true],
  ];
  for (const [flags, seq, ack, payload, drops] of cases) {
    assert.equal(t.c(flags, seq, ack, payload), TcpResult.Invalid);
    assert.equal(refused(t), drops, `${flags} ${seq} ${ack} ${payload}`);
    assert.equal(t.tracker.mayStand(t.p), false);
  }
  assert.equal(t.c(P | A, 1001, 5001, 10), TcpResult.Ok);
});

test('nothing is dropped where we may be wrong, or are told not to', () => {
  const off: [string, Partial<StreamConfig>, Partial<Conversation>][] = [
    ['drop-invalid: no', { dropInvalid: false }, {}],
    ['stream.inline: no', { inline: false }, {}],
    ['a listener', {}, { mode: Mode.Ids }],
    ['chosen by netfilter rules', {}, { selective: 1 }],
    ['async-oneside', { asyncOneside: true }, {}],
  ];
  for (const [name, stream, fields] of off) {
    const t = new Conversation(stream);
    Object.assign(t, fields);
    t.open();
    assert.equal(t.c(P | A, 1001 + 60_000, 5001, 10), TcpResult.Invalid, name);
    assert.equal(refused(t), false, name);
  }
  const picked = new Conversation({ midstream: true });
  picked.c(P | A, 1001, 5001, 10);
  picked.s(A, 5001, 1011);
  assert.equal(picked.c(P | A, 1001 + 0x7000_0000, 5001, 10), TcpResult.Invalid);
  assert.equal(refused(picked), false);
  assert.equal(picked.tracker.mayStand(picked.p), true, 'its bytes may be the stream');
  const none = new Conversation();
  assert.equal(none.c(R, 1000), TcpResult.Invalid);
  assert.equal(refused(none), false, 'no session at all');
});

test('in the name of the other side: neither acknowledges nor ends anything', () => {
  const t = new Bridged();
  t.open();
  t.c(P | A, 1001, 5001, 100);
  assert.equal(t.s(A, 5001, 1101, 0, { source: 0 }), TcpResult.Invalid);
  assert.equal(t.s(R, 5001, 0, 0, { source: 0 }), TcpResult.Invalid);
  assert.equal(t.state, TcpState.Established);
  assert.equal(t.c(R, 1101, 0, 0, { source: 1 }), TcpResult.Invalid);
  assert.equal(t.s(A, 5001, 1101), TcpResult.Ok);
  assert.equal(t.c(P | A, 1101, 5001, 10, { source: 2 }), TcpResult.Ok, 'another pair, the same side for all we know');
  const early = new Bridged();
  early.c(S, 1000);
  assert.equal(early.s(S | A, 5000, 1001, 0, { source: 0 }), TcpResult.Invalid);
  assert.equal(early.s(S | A, 7000, 1001), TcpResult.Ok);
});

test('a session that passes the bridge twice has no sides', () => {
  const t = new Bridged();
  for (const source of [0, 1]) t.c(S, 1000, 0, 0, { source });
  for (const source of [0, 1]) assert.equal(t.s(S | A, 5000, 1001, 0, { source }), TcpResult.Ok);
  for (const source of [0, 1]) assert.equal(t.c(P | A, 1001, 5001, 10, { source }), TcpResult.Ok);
  for (const source of [0, 1]) assert.equal(t.s(A, 5001, 1011, 0, { source }), TcpResult.Ok);
});

test('behind a session that was seen to end, nobody sends before the SYN was answered', () => {
  const t = opened();
  t.c(R, 1001);
  for (let seq = 9000; seq < 9002; seq++) {
    assert.equal(t.c(S, seq), TcpResult.Ok);
    assert.notEqual(t.flows.flags[t.p.flow] & FlowFlag.Successor, 0);
    assert.equal(t.c(P | A, 1001, 5001, 10), TcpResult.Invalid, 'the old numbers');
    assert.equal(refused(t), true);
    assert.equal(t.c(A, 1001, 5001), TcpResult.Ok);
    t.c(R, seq + 1);
  }
  assert.equal(t.c(S, 9500), TcpResult.Ok);
  assert.equal(t.s(S | A, 8000, 9501), TcpResult.Ok);
  assert.equal(t.c(P | A, 9501, 8001, 10), TcpResult.Ok);
  const first = new Conversation();
  first.c(S, 1000);
  assert.equal(first.c(P | A, 1001, 5001, 10), TcpResult.Ok, 'no session was here: its answer may take another way');
});

test('a server that has forgotten the session answers a SYN: the next SYN begins another', () => {
  const t = new Bridged();
  t.open();
  assert.equal(t.c(S, 90_000), TcpResult.Invalid);
  assert.equal(refused(t), false);
  assert.equal(t.s(S | A, 70_000, 90_001, 0, { source: 0 }), TcpResult.Invalid);
  assert.equal(t.state, TcpState.Established, 'not the server');
  assert.equal(t.s(S | A, 70_000, 90_001), TcpResult.Invalid);
  assert.equal(refused(t), true, 'the client sends its SYN again');
  assert.equal(t.c(S, 90_000), TcpResult.Ok);
  assert.equal(t.s(S | A, 70_000, 90_001), TcpResult.Ok);
  assert.equal(t.c(P | A, 90_001, 70_001, 10), TcpResult.Ok);
  assert.equal(t.established, 1);
});

test('the engine: inspected, dropped as a stream error, and no part of the stream', () => {
  for (const dropInvalid of [true, false]) {
    const config = defaultConfig();
    config.stream.dropInvalid = dropInvalid;
    const bench = new EngineBench({ rules: ['drop tcp any any -> any any (content:"evilword"; sid:1;)'], config, mode: Mode.Ips }, false);
    const send = (fromClient: boolean, flags: number, seq: number, ack: number, text = ''): string => {
      const [src, dst] = fromClient ? ['10.0.0.1', '10.0.0.2'] : ['10.0.0.2', '10.0.0.1'];
      const ports = fromClient ? { srcPort: 1000, dstPort: 4321 } : { srcPort: 4321, dstPort: 1000 };
      return bench.send(build.ipv4({ src, dst, proto: 6 }, build.tcp({ src, dst, ...ports, flags, seq, ack }, build.bytes(text))), 101);
    };
    send(true, S, 1000, 0);
    send(false, S | A, 5000, 1001);
    send(true, A, 1001, 5001);
    assert.equal(send(true, P | A, 1001, 5001, 'evil'), 'pass');
    assert.equal(send(true, P | A, 100_000, 5001, 'word'), dropInvalid ? 'drop: stream error' : 'pass');
    assert.equal(send(true, P | A, 1005, 5001, 'word'), 'drop: rules', 'what was seen elsewhere has not taken its place');
    bench.close();
  }
});
