import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { FlowFlag } from '../../src/flow/codes.js';
import { Talk } from './app-layer-fixture.js';
import { A, F, P, R, S } from './flow-fixture.js';

/** Only what netfilter rules chose is seen. */
function chosen(): Talk {
  const t = new Talk();
  t.selective = 1;
  return t;
}

test('only the packets of the client are seen (iptables -I INPUT --dport 21 -j NFQUEUE)', () => {
  const t = chosen();
  t.c(S, 1000);
  t.c(A, 1001, 5001);
  t.client(0, 'USER anony', { ack: 5021 });
  assert.equal(t.established, 1);
  t.client(10, 'mous\r\n', { ack: 5021 });
  assert.deepEqual(t.commands, ['USER|anonymous']);
});

test('only one side is seen and the first segments are reordered', () => {
  const t = chosen();
  t.c(S, 1000);
  t.client(5, 'anonymous\r\n');
  t.client(0, 'USER ');
  assert.deepEqual([t.commands, t.established], [['USER|anonymous'], 1]);
});

test('an early ACK with data, then the real handshake: the server takes other bytes with the same numbers', () => {
  for (const selective of [0, 1]) {
    for (const early of ['NOOP\r\nNOOP\r\n', 'XYZ /\r\nabcdefgh', 'USER good\r\n']) {
      const t = new Talk();
      t.selective = selective;
      t.c(S, 1000);
      t.client(0, early, { ack: 4711 });
      t.s(S | A, 5000, 1001);
      t.c(A, 1001, 5001);
      assert.equal(t.flows.flags[t.p.flow] & FlowFlag.AsyncOneside, 0);
      t.client(0, 'USER anonymous\r\n');
      assert.equal(t.established, 1);
      t.client(16, 'PASS x\r\n');
      assert.deepEqual(t.commands.slice(-2), ['USER|anonymous', 'PASS|x'], early);
    }
  }
});

test('many early packets until the flow counts as none of ours, then the real handshake', () => {
  const t = chosen();
  t.c(S, 1000);
  for (let i = 0; i < 12; i++) t.client(i, 'z', { ack: 4711 });
  assert.equal(t.appProto, AppProto.Failed);
  t.s(S | A, 5000, 1001);
  t.client(0, 'USER anonymous\r\n');
  assert.deepEqual(t.commands, ['USER|anonymous']);
});

test('early data that the server acknowledges is part of the stream (fast open)', () => {
  const t = new Talk();
  t.c(S, 1000, 0, 0, { data: Uint8Array.from('USER anon', (c) => c.charCodeAt(0)) });
  t.s(S | A, 5000, 1010);
  t.c(A, 1010, 5001);
  t.client(9, 'ymous\r\n');
  assert.deepEqual(t.commands, ['USER|anonymous']);
});

test('early data that is seen is inspected, whatever becomes of it', () => {
  const t = new Talk();
  t.c(S, 1000);
  t.client(0, 'USER anonymous\r\n', { ack: 4711 });
  assert.deepEqual([t.commands, t.established], [['USER|anonymous'], 0]);
});

test('one side only: a session that is replaced by one the server never took goes on', () => {
  const t = chosen();
  t.c(S, 1000);
  t.c(A, 1001, 5001);
  t.client(0, 'FEAT\r\n');
  t.c(F | A, 1007, 5001);
  t.c(S, 0x40000000);
  t.client(6, 'USER anonymous\r\n');
  assert.deepEqual([t.commands, t.established], [['FEAT', 'USER|anonymous'], 1]);
});

test('one side only: a SYN that never arrives in front of the real one', () => {
  const t = chosen();
  t.c(S, 1000);
  t.client(0, 'FEAT\r\n');
  t.c(S, 0x20000000);
  t.c(P | A, 0x20000001, 5001, 0, { data: Uint8Array.from('USER anon', (c) => c.charCodeAt(0)) });
  t.c(P | A, 0x2000000a, 5001, 0, { data: Uint8Array.from('ymous\r\n', (c) => c.charCodeAt(0)) });
  assert.ok(t.commands.includes('USER|anonymous'));
});

test('a packet without a session, or of a bypassed flow, is nothing to it', () => {
  const t = new Talk();
  t.client(0, 'USER x\r\n');
  assert.equal(t.result, 0);
  t.c(R, 1);
  assert.deepEqual([t.commands, t.app.active], [[], 0]);
});
