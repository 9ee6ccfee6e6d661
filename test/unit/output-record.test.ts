import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppProto } from '../../src/app-layer/buffers.js';
import { Packet } from '../../src/decode/packet.js';
import { FlowEnd, FlowFlag, TcpState } from '../../src/flow/codes.js';
import { Counter } from '../../src/metrics/counters.js';
import { decodeEvent, EventRecord } from '../../src/output/event-decode.js';
import { At, EventType, FlowFact, Has, MAX_PACKET_BYTES } from '../../src/output/event-record.js';
import { EventRing } from '../../src/ring/event-ring.js';
import { Reason } from '../../src/ring/verdict.js';
import { bench, tcpPacket } from './output-fixture.js';

const u = (n: number) => n >>> 0;
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const port = fc.integer({ min: 0, max: 65535 });
const byte = fc.integer({ min: 0, max: 255 });

/** A packet with anything in it that decode could put there. */
const packets = fc
  .record({
    version: fc.constantFrom(4, 6),
    proto: fc.constantFrom(6, 17, 1, 58, 132, 47),
    src: fc.array(int32, { minLength: 4, maxLength: 4 }),
    dst: fc.array(int32, { minLength: 4, maxLength: 4 }),
    ports: fc.tuple(port, port),
    ts: fc.tuple(fc.integer({ min: 0, max: 2 ** 31 - 1 }), fc.integer({ min: 0, max: 999_999_999 })),
    seq: fc.tuple(int32, int32),
    small: fc.tuple(byte, byte, byte, byte),
    vlans: fc.array(fc.integer({ min: 0, max: 4095 }), { maxLength: 3 }),
    pcapCount: fc.nat(),
    payload: fc.uint8Array({ maxLength: 200 }),
    source: fc.nat({ max: 3 }),
  })
  .map((v) => {
    const p = new Packet();
    p.mem = new Uint8Array(60 + v.payload.length);
    p.mem.set(v.payload, 60);
    p.capLen = p.mem.length;
    p.wireLen = p.mem.length;
    p.ipVersion = v.version;
    p.ipOff = 0;
    p.ipLen = p.mem.length;
    p.proto = v.proto;
    for (let i = 0; i < (v.version === 4 ? 1 : 4); i++) {
      p.src[i] = v.src[i];
      p.dst[i] = v.dst[i];
    }
    [p.srcPort, p.dstPort] = v.ports;
    [p.tsSec, p.tsNsec] = v.ts;
    [p.tcpSeq, p.tcpAck] = v.seq;
    [p.ttl, p.tos, p.tcpFlags] = v.small;
    if (v.proto === 1 || v.proto === 58) [p.icmpType, p.icmpCode] = [v.small[2], v.small[3]];
    p.vlanDepth = v.vlans.length;
    [p.vlan0 = 0, p.vlan1 = 0, p.vlan2 = 0] = v.vlans;
    p.pcapCount = v.pcapCount;
    p.source = v.source;
    p.transportOff = 40;
    p.payloadOff = 60;
    p.payloadLen = v.payload.length;
    return p;
  });

test('an alert comes out of the ring as it went in', () => {
  fc.assert(
    fc.property(packets, fc.nat(), fc.boolean(), fc.nat({ max: 2 }), (p, ruleIndex, blocked, dropFlag) => {
      const b = bench();
      b.flows.lookup(p);
      b.encoder.alert(p, b.flows, ruleIndex, blocked ? 1 : 0, dropFlag);
      const e = b.take();
      assert.equal(e.type, EventType.Alert);
      assert.deepEqual([e.ruleIndex, e.action, e.dropFlag, e.reason], [ruleIndex, blocked ? 1 : 0, dropFlag, 0]);
      assert.deepEqual([e.tsSec, e.tsNsec, e.pcapCount, e.source], [u(p.tsSec), p.tsNsec, p.pcapCount, p.source]);
      assert.deepEqual([...e.src], [...p.src].map(u));
      assert.deepEqual([...e.dst], [...p.dst].map(u));
      assert.deepEqual([e.srcPort, e.dstPort, e.proto, e.ipVersion], [p.srcPort, p.dstPort, p.proto, p.ipVersion]);
      assert.deepEqual([e.tcpSeq, e.tcpAck, e.ttl, e.tos, e.tcpFlags], [u(p.tcpSeq), u(p.tcpAck), p.ttl, p.tos, p.tcpFlags]);
      assert.deepEqual([e.vlanDepth, e.vlan0, e.vlan1, e.vlan2], [p.vlanDepth, p.vlan0, p.vlan1, p.vlan2]);
      assert.equal((e.has & Has.Flow) !== 0, p.flow >= 0);
      if (p.flow >= 0) {
        assert.equal(e.flowId, b.flows.flowId(p.flow));
        assert.deepEqual([e.pktsToServer + e.pktsToClient, e.bytesToServer + e.bytesToClient], [1, p.wireLen]);
        assert.deepEqual([e.startSec, e.startNsec], [u(p.tsSec), p.tsNsec]);
        assert.deepEqual([...(e.direction === 0 ? e.flowSrc : e.flowDst)], [...p.src].map(u));
      }
      assert.deepEqual([...e.payload], [...p.mem.subarray(p.payloadOff, p.payloadOff + p.payloadLen)]);
      assert.deepEqual([...e.packet], [...p.mem]);
      assert.equal(b.ring.peek(), -1);
    }),
    { seed: 1 },
  );
});

test('payload and packet are bounded by the options', () => {
  const b = bench({ payloadBufferSize: 3, packet: false });
  const p = tcpPacket('hello');
  b.encoder.alert(p, b.flows, 0, 0, 0);
  const e = b.take();
  assert.equal(e.payload.toString(), 'hel');
  assert.equal(e.packet.length, 0);

  const whole = bench();
  p.mem = new Uint8Array(MAX_PACKET_BYTES + 100);
  p.capLen = p.mem.length;
  whole.encoder.alert(p, whole.flows, 0, 0, 0);
  assert.equal(whole.take().packet.length, MAX_PACKET_BYTES);
});

test('positions outside the packet memory are left out, not read', () => {
  const b = bench();
  const p = tcpPacket();
  p.payloadOff = p.mem.length - 1;
  p.payloadLen = 5;
  p.capLen = p.mem.length + 1;
  p.transportOff = p.mem.length - 2;
  b.encoder.alert(p, b.flows, 0, 0, 0);
  const e = b.take();
  assert.deepEqual([e.payload.length, e.packet.length, e.tcpUrgent], [0, 0, 0]);
});

test('a drop carries reason and rule; facts of the header come from the bytes', () => {
  const b = bench();
  const p = tcpPacket();
  p.proto = 17;
  p.mem.set([0, 33], p.transportOff + 4);
  b.encoder.drop(p, b.flows, Reason.Rule, 9);
  const e = b.take();
  assert.deepEqual([e.type, e.reason, e.ruleIndex, e.action, e.udpLen], [EventType.Drop, Reason.Rule, 9, 1, 33]);
  b.encoder.drop(p, b.flows, Reason.Decode, -1);
  assert.equal(b.take().ruleIndex, -1);
});

test('a flow record carries the flow, seen from its client', () => {
  const b = bench();
  const p = tcpPacket();
  p.vlanDepth = 1;
  p.vlan0 = 7;
  p.tcpFlags = 2;
  p.source = 3;
  b.flows.lookup(p);
  const slot = p.flow;
  b.flows.tcpState[slot] = TcpState.SynSent;
  b.flows.flags[slot] |= FlowFlag.Alerted | FlowFlag.Dropped;
  b.encoder.nowSec = p.tsSec + 60;
  b.encoder.flowEnded(b.flows, slot, FlowEnd.Shutdown);
  const e = b.take();
  assert.deepEqual([e.type, e.endReason, e.tcpState, e.ruleIndex, e.source], [EventType.Flow, FlowEnd.Shutdown, TcpState.SynSent, -1, 3]);
  assert.equal(e.flowFlags, FlowFact.Alerted | FlowFact.Dropped | FlowFact.TcpSession);
  assert.deepEqual([...e.src, e.srcPort, e.dstPort, e.vlan0, e.vlanDepth], [...[...p.src].map(u), 40000, 80, 7, 1]);
  assert.deepEqual([e.tsSec, e.lastSec, e.tcpFlagsTs, e.pktsToServer], [p.tsSec + 60, p.tsSec, 2, 1]);
});

test('alert, drop and flow carry the application protocol of the flow, and 0 without a flow', () => {
  const b = bench();
  const p = tcpPacket();
  b.encoder.alert(p, b.flows, 0, 0, 0);
  assert.equal(b.take().appProto, AppProto.Unknown);
  b.flows.lookup(p);
  for (let proto = 0; proto < AppProto.Count; proto++) {
    b.flows.appProto[p.flow] = proto;
    b.encoder.alert(p, b.flows, 0, 0, 0);
    b.encoder.drop(p, b.flows, Reason.Rule, 0);
    b.encoder.flowEnded(b.flows, p.flow, FlowEnd.Timeout);
    assert.deepEqual([b.take().appProto, b.take().appProto, b.take().appProto], [proto, proto, proto]);
  }
});

test('a full ring counts the loss and goes on', () => {
  const b = bench({ packet: false }, 1024);
  const p = tcpPacket();
  for (let i = 0; i < 10; i++) b.encoder.alert(p, b.flows, i, 0, 0);
  let seen = 0;
  while (b.ring.peek() >= 0) {
    b.ring.release();
    seen++;
  }
  assert.ok(seen > 0);
  assert.equal(b.counters[Counter.EventsLost], 10 - seen);
  b.encoder.drop(p, b.flows, Reason.Rule, 0);
  assert.equal(b.take().type, EventType.Drop);
});

test('drop.flows start: a dropped flow is reported once per direction, what a rule drops always', () => {
  const b = bench({ dropFlows: 'start' });
  const p = tcpPacket();
  b.flows.lookup(p);
  const counts = () => {
    let n = 0;
    for (; b.ring.peek() >= 0; n++) b.ring.release();
    return n;
  };
  b.encoder.drop(p, b.flows, Reason.Rule, 0);
  b.encoder.drop(p, b.flows, Reason.FlowDropped, -1);
  assert.equal(counts(), 1);
  p.direction = 1;
  b.encoder.drop(p, b.flows, Reason.FlowDropped, -1);
  b.encoder.drop(p, b.flows, Reason.FlowDropped, -1);
  assert.equal(counts(), 1);
  b.encoder.drop(p, b.flows, Reason.Rule, 0);
  assert.equal(counts(), 1);
});

test('the decoder refuses what is no record, and never throws', () => {
  const b = bench();
  const p = tcpPacket();
  b.flows.lookup(p);
  b.encoder.alert(p, b.flows, 0, 0, 0);
  const at = b.ring.peek();
  const good = b.ring.bytes.slice(at, at + b.ring.length);
  const accepted = (bytes: Uint8Array, offset: number, length: number) =>
    decodeEvent(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset, length, new EventRecord());
  assert.equal(accepted(good, 0, good.length), true);
  assert.equal(accepted(good, 0, good.length - 1), false);
  for (const [offset, length] of [
    [-1, 300],
    [0, 10],
    [0, 1e9],
    [1e9, 300],
    [NaN, 300],
    [0, NaN],
    [0.5, 300],
  ])
    assert.equal(accepted(good, offset, length), false);
  const spoilt: [number, number[]][] = [
    [At.Type, [0]],
    [At.Type, [9]],
    [At.Version, [1]],
    [At.Event, [1]],
    [At.Verdict, [4]],
    [At.RejectSides, [4]],
    [At.MidstreamPolicy, [7]],
    [At.Mode, [7]],
    [At.IpVersion, [5]],
    [At.TsNsec, [255, 255, 255, 255]],
    [At.RuleIndex, [254, 255, 255, 255]],
    [At.Action, [2]],
    [At.DropFlag, [3]],
    [At.Reason, [200]],
    [At.Direction, [2]],
    [At.VlanDepth, [4]],
    [At.State, [99]],
    [At.TcpState, [99]],
    [At.EndReason, [4]],
    [At.FlowId, [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]],
    [At.BytesToServer, [0, 0, 0, 0, 0, 0, 0xf0, 0xff]],
    [At.PayloadLen, [255, 255, 255, 255]],
    [At.PacketLen, [255, 255, 255, 255]],
    [At.AppProto, [AppProto.Count]],
    [At.AppProto, [255]],
  ];
  for (const [offset, values] of spoilt) {
    const bad = good.slice();
    bad.set(values, offset);
    assert.equal(accepted(bad, 0, bad.length), false, `offset ${offset}`);
  }
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: good.length - 1 }), byte), { maxLength: 20 }), (changes) => {
      const bytes = good.slice();
      for (const [offset, value] of changes) bytes[offset] = value;
      accepted(bytes, 0, bytes.length);
    }),
    { seed: 2, numRuns: 500 },
  );
});

test('the view a ring gives stays inside its own memory', () => {
  const buffer = new ArrayBuffer(2 * EventRing.bytesFor(1024));
  const ring = new EventRing(buffer, 1024, EventRing.bytesFor(1024));
  assert.equal(decodeEvent(ring.bytes, ring.view, 1100, 300, new EventRecord()), false);
});
