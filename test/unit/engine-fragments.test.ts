import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as build from '../../src/lab/packets.js';
import { Mode } from '../../src/ring/verdict.js';
import { EngineBench } from '../support/engine.js';

const A = '10.1.2.3';
const B = '10.4.5.6';
const RAW = 101;
const EVIL = 'drop udp any any -> any any (content:"EVIL"; sid:1;)';
const body = (word: string) =>
  Uint8Array.from({ length: 64 }, (_, i) => (i >= 32 && i < 32 + word.length ? word.charCodeAt(i - 32) : 0x2e));
const datagram = (word: string, id = 7) =>
  build.fragmentIpv4(
    build.ipv4({ src: A, dst: B, proto: 17, id }, build.udp({ src: A, dst: B, srcPort: 1, dstPort: 2 }, body(word))),
    build.evenCuts(72, 24),
  );

test('the fragment that completes a bad datagram is dropped, and so it is when it comes again', () => {
  const bench = new EngineBench({ rules: [EVIL] });
  const [first, second, last] = datagram('EVIL');
  assert.equal(bench.send(first, RAW), 'pass');
  assert.equal(bench.send(second, RAW), 'pass');
  assert.equal(bench.send(last, RAW), 'drop: rules');
  for (const again of [last, second, first, last]) assert.equal(bench.send(again, RAW), 'drop: flow drop');
  // Another datagram of the same pair is another matter, and the mark does not outlive the timeout.
  assert.equal(bench.send(datagram('good', 8)[0], RAW), 'pass');
  bench.now += 61;
  assert.equal(bench.send(last, RAW), 'pass');
  bench.close();
});

test('a bad datagram inside a fragmented one: neither can be completed by sending its end again', () => {
  const bench = new EngineBench({ rules: [EVIL] });
  const inner = datagram('EVIL');
  const outer = (packet: Uint8Array, id: number) =>
    build.fragmentIpv4(build.ipv4({ src: '192.0.2.1', dst: '192.0.2.2', proto: 4, id }, packet), build.evenCuts(packet.length, 24));
  inner.slice(0, -1).forEach((piece, i) => {
    for (const part of outer(piece, 100 + i)) assert.equal(bench.send(part, RAW), 'pass');
  });
  const end = outer(inner[2], 200);
  for (const part of end.slice(0, -1)) assert.equal(bench.send(part, RAW), 'pass');
  const last = end[end.length - 1];
  assert.equal(bench.send(last, RAW), 'drop: rules');
  assert.equal(bench.send(last, RAW), 'drop: flow drop');
  bench.close();
});

test('inline, a fragment that contradicts what was inspected is not forwarded; a mere repetition is', () => {
  const bench = new EngineBench({ rules: [EVIL] });
  const good = datagram('good');
  const evil = datagram('EVIL');
  assert.equal(bench.send(good[1], RAW), 'pass');
  assert.equal(bench.send(good[1], RAW), 'pass');
  assert.equal(bench.send(evil[1], RAW), 'drop: defrag error');
  assert.equal(bench.send(good[0], RAW), 'pass');
  assert.equal(bench.send(good[2], RAW), 'pass');
  bench.close();
});

test('a listener keeps the first bytes and passes everything', () => {
  const bench = new EngineBench({ rules: [EVIL], mode: Mode.Ids });
  const evil = datagram('EVIL');
  for (const piece of [datagram('good')[1], ...evil, ...evil]) assert.equal(bench.send(piece, RAW), 'pass');
  bench.close();
});

test('a fragment whose header is damaged does not stand in for the good one', () => {
  const bench = new EngineBench({ rules: [EVIL] });
  const damaged = datagram('good')[1].slice();
  damaged[10] ^= 0xff;
  const evil = datagram('EVIL');
  assert.equal(bench.send(damaged, RAW), 'pass');
  assert.equal(bench.send(evil[0], RAW), 'pass');
  assert.equal(bench.send(evil[1], RAW), 'pass');
  assert.equal(bench.send(evil[2], RAW), 'drop: rules');
  bench.close();
});

test('a policy applied to a fragment leaves the flow of the packet before alone', () => {
  const bench = new EngineBench({
    config: { defrag: { enabled: true, memcap: 1 << 20, memcapPolicy: 'drop-flow', trackers: 1, maxFrags: 100, timeout: 60 } },
  });
  const packet = build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, srcPort: 5, dstPort: 6 }, body('good')));
  assert.equal(bench.send(datagram('good', 1)[0], RAW), 'pass');
  assert.equal(bench.send(packet, RAW), 'pass');
  assert.equal(bench.send(datagram('good', 2)[0], RAW), 'drop: defrag memcap');
  assert.equal(bench.send(packet, RAW), 'pass');
  bench.close();
});
