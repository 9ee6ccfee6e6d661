import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfig } from '../../src/config/load.js';
import { Packet } from '../../src/decode/packet.js';
import * as build from '../../src/lab/packets.js';
import { FlowMacs, readFlowMacs } from '../../src/output/flow-macs.js';
import { Mode } from '../../src/ring/verdict.js';
import { EngineBench } from '../support/engine.js';

const A = '10.1.2.3';
const B = '10.4.5.6';
const RAW = 101;

test('checksum keywords look themselves where decode does not, unless nobody is to', () => {
  for (const [keywords, alerts] of [
    [true, 1],
    [false, 0],
  ] as const) {
    const config = defaultConfig();
    config.stream.checksumValidation = false;
    config.stream.checksumKeywords = keywords;
    const bench = new EngineBench({ rules: ['alert udp any any -> any any (udpv4-csum:invalid; sid:1;)'], config, mode: Mode.Ids }, false);
    const frame = build.ipv4({ src: A, dst: B, proto: 17 }, build.udp({ src: A, dst: B, srcPort: 1, dstPort: 2 }, Uint8Array.of(1, 2, 3)));
    bench.send(frame, RAW);
    assert.equal(bench.alerts(), 0);
    frame[26] ^= 0x55;
    bench.send(frame, RAW);
    assert.equal(bench.alerts(), alerts);
    bench.close();
  }
});

test('a reassembled datagram keeps the link header of its last fragment', () => {
  const bench = new EngineBench({});
  const ether = Uint8Array.of(2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0);
  const pieces = build.fragmentIpv4(
    build.ipv4({ src: A, dst: B, proto: 17, id: 9 }, build.udp({ src: A, dst: B, srcPort: 1, dstPort: 2 }, new Uint8Array(64))),
    build.evenCuts(72, 24),
  );
  for (const piece of pieces) bench.send(Uint8Array.of(...ether, ...piece));
  const p = bench.engine.packet;
  assert.deepEqual([p.defragged !== 0, p.linkHeaderLen, p.linkHeaderType], [true, 14, 1]);
  assert.deepEqual([...p.linkHeader.subarray(0, 14)], [...ether]);
  bench.close();
});

test('Ethernet addresses of a flow: each once, by side, in order of appearance, bounded', () => {
  const macs = new FlowMacs(2);
  const p = new Packet();
  const frame = (from: number, to: number, direction: 0 | 1, first = 0) => {
    p.mem = Uint8Array.of(2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0);
    p.ethOff = 0;
    p.flow = 1;
    p.direction = direction;
    p.flowNew = first;
    macs.add(p);
  };
  frame(0x13, 0x14, 0, 1);
  frame(0x12, 0x11, 1);
  frame(0x13, 0x14, 0);
  const out = new Uint8Array(256);
  const n = macs.write(1, out, 0);
  assert.equal(n, macs.length(1));
  const mac = (b: string) => `02:00:00:00:00:${b}`;
  assert.deepEqual(readFlowMacs(out.subarray(0, n)), { src: [mac('13'), mac('11')], dest: [mac('14'), mac('12')] });
  for (let i = 0; i < 40; i++) frame(i, i + 40, 0);
  assert.equal(readFlowMacs(out.subarray(0, macs.write(1, out, 0)))?.src.length, 8);
  frame(1, 2, 0, 1);
  assert.equal(macs.length(1), 14);
  // From a process that may be hostile.
  assert.equal(readFlowMacs(Uint8Array.of(200)), undefined);
  assert.equal(readFlowMacs(new Uint8Array(0)), undefined);
});
