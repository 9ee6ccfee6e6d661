import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TcpState } from '../../src/flow/codes.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { EngineBench } from '../support/engine.js';

const A = '10.1.2.3';
const B = '10.4.5.6';
const RAW = 101;
const { syn, ack, rst, fin } = build.TCP;

function segment(flags: number, seq: number, ackNo: number, text = '', back = false): Uint8Array {
  const [src, dst, srcPort, dstPort] = back ? [B, A, 80, 1000] : [A, B, 1000, 80];
  return build.ipv4(
    { src, dst, proto: 6 },
    build.tcp({ src, dst, srcPort, dstPort, seq, ack: ackNo, flags, window: 5000 }, build.bytes(text)),
  );
}
const damaged = (packet: Uint8Array) => packet.map((b, i) => (i === 20 + 16 ? b ^ 0xff : b));

function session(bench: EngineBench): void {
  for (const packet of [segment(syn, 99, 0), segment(syn | ack, 499, 100, '', true), segment(ack, 100, 500)])
    assert.equal(bench.send(packet, RAW), 'pass');
}

test('a segment with a wrong checksum does not begin, move or end a session', () => {
  const bench = new EngineBench();
  bench.send(damaged(segment(syn, 99, 0)), RAW);
  assert.equal(bench.counters[Counter.TcpSessions], 0);
  session(bench);
  const { flows, packet } = bench.engine;
  const flow = packet.flow;
  assert.equal(flows.tcpState[flow], TcpState.Established);
  const before = Array.from(flows.l4);
  for (const bad of [segment(rst, 100, 0), segment(fin | ack, 100, 500), segment(ack, 100, 500, 'hello'), segment(syn, 7, 0)]) {
    assert.equal(bench.send(damaged(bad), RAW), 'pass');
    assert.equal(packet.flow, flow);
  }
  assert.equal(flows.tcpState[flow], TcpState.Established);
  assert.deepEqual(Array.from(flows.l4), before);
  bench.send(segment(rst, 100, 0), RAW);
  assert.equal(flows.tcpState[flow], TcpState.Closed);
  bench.close();
});

test('nor does a damaged SYN make the table forget a closed session and its verdict', () => {
  const bench = new EngineBench({ rules: ['drop tcp any any -> any any (content:"EVIL"; sid:1;)'] });
  session(bench);
  bench.send(segment(rst, 500, 0, '', true), RAW);
  assert.equal(bench.send(segment(ack, 100, 500, 'EVIL'), RAW), 'drop: rules');
  assert.equal(bench.send(damaged(segment(syn, 7, 0)), RAW), 'drop: flow drop');
  assert.equal(bench.send(segment(ack, 104, 500, 'more'), RAW), 'drop: flow drop');
  assert.equal(bench.send(segment(syn, 7, 0), RAW), 'pass');
  bench.close();
});
