import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerLimit, Responder } from '../../src/capture/reject.js';
import * as build from '../../src/lab/packets.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { Side } from '../../src/ring/verdict.js';
import { answerTo, answerWord, decode } from '../support/answers.js';

interface Sent {
  how: 'route' | 'link';
  bytes: Uint8Array;
  interface: number;
}

/** A Responder whose answers end here instead of on the wire. */
function setup(rate = 1000) {
  const sent: Sent[] = [];
  const counters = new Float64Array(Counter.Count);
  let memory = new ArrayBuffer(0);
  const state = { errno: 0 };
  const send = (how: Sent['how']) => (region: number, offset: number, length: number, device: number) => {
    assert.equal(region, 77);
    sent.push({ how, bytes: new Uint8Array(memory.slice(offset, offset + length)), interface: device });
    return state.errno;
  };
  const original = { ...native };
  Object.assign(native, {
    region: (buffer: ArrayBuffer) => {
      memory = buffer;
      return 77;
    },
    rawSend: send('route'),
    linkSend: send('link'),
  });
  const responder = new Responder(counters, rate);
  const count = () => [counters[Counter.RejectsSent], counters[Counter.RejectsLimited], counters[Counter.RejectsFailed]];
  return { responder, sent, count, state, memory: () => new Uint8Array(memory), restore: () => Object.assign(native, original) };
}

const A = '10.1.2.3';
const B = '10.4.5.6';
const packet = build.ipv4(
  { src: A, dst: B, proto: 6 },
  build.tcp({ src: A, dst: B, srcPort: 1, dstPort: 2, seq: 5, ack: 9 }, build.bytes('text')),
);
const frame = build.ethernet({ vlans: [{ id: 5 }] }, packet);
const word = answerWord(packet);
const frameWord = answerWord(frame, 1);

test('routed: one packet for each side asked', () => {
  const { responder, sent, count, restore } = setup();
  try {
    for (const side of [Side.Source, Side.Destination, Side.Both])
      responder.respondRouted(packet, 0, packet.length, answerWord(packet, 101, side), 1, 100, 3);
    const source = answerTo(packet, Side.Source, 1)?.bytes;
    const destination = answerTo(packet, Side.Destination, 1)?.bytes;
    assert.deepEqual(
      sent.map((s) => s.bytes),
      [source, destination, source, destination],
    );
    assert.ok(sent.every((s) => s.how === 'route' && s.interface === 3));
    assert.deepEqual(count(), [4, 0, 0]);
  } finally {
    restore();
  }
});

test('bridge: by the port of each side, routed where the host itself is the side', () => {
  const { responder, sent, count, restore } = setup();
  try {
    responder.respondLinkByIndex(frame, 0, frame.length, frameWord, 0, 100, 4, 5);
    assert.deepEqual(
      sent.map((s) => [s.how, s.interface]),
      [
        ['link', 4],
        ['link', 5],
      ],
    );
    const [toSource, toDestination] = sent.map((s) => decode(s.bytes, 1).p);
    assert.deepEqual([toSource.vlan0, toSource.dst[0], toSource.tcpSeq], [5, decode(packet).p.src[0], 9]);
    assert.deepEqual([toDestination.vlan0, toDestination.dst[0], toDestination.tcpSeq], [5, decode(packet).p.dst[0], 5]);
    sent.length = 0;
    responder.respondLinkByIndex(frame, 0, frame.length, frameWord, 0, 100, 4, 0);
    responder.respondLinkByIndex(frame, 0, frame.length, frameWord, 0, 100, 0, 5);
    assert.deepEqual(
      sent.map((s) => [s.how, s.interface, s.bytes[s.how === 'link' ? 18 : 0]]),
      [
        ['link', 4, 0x45],
        ['route', 4, 0x45],
        ['route', 5, 0x45],
        ['link', 5, 0x45],
      ],
    );
    assert.deepEqual(count(), [6, 0, 0]);
  } finally {
    restore();
  }
});

test('a frame for a socket lies behind an empty virtio_net_hdr', () => {
  const { responder, sent, count, memory, restore } = setup();
  try {
    for (const side of [Side.Source, Side.Destination] as const) {
      assert.equal(responder.frame(frame, 0, frame.length, frameWord, side, 0, 100), true);
      const { offset, length } = responder;
      const { p, events } = decode(memory().slice(offset, offset + length), 1);
      assert.deepEqual([events, p.vlan0, p.tcpFlags & 4], [[], 5, 4]);
      assert.deepEqual(memory().slice(offset - 10, offset), new Uint8Array(10));
    }
    // No Ethernet header before IP: nothing to send on a link.
    assert.equal(responder.frame(packet, 0, packet.length, word, Side.Source, 0, 100), false);
    assert.deepEqual(count(), [2, 0, 1]);
    assert.equal(sent.length, 0);
  } finally {
    restore();
  }
});

test('what cannot be answered, and what the kernel refuses, is counted as failed', () => {
  const { responder, sent, count, state, restore } = setup(1);
  try {
    responder.respondRouted(packet, 0, packet.length, 0x7fffffff, 0, 100, 0);
    responder.respondLinkByIndex(frame, 0, frame.length, 0x7fffffff, 0, 100, 4, 5);
    assert.equal(sent.length, 0);
    assert.deepEqual(count(), [0, 0, 4]);
    // None of these took from the one answer allowed.
    state.errno = 101;
    responder.respondRouted(packet, 0, packet.length, answerWord(packet, 101, Side.Source), 0, 100, 0);
    assert.deepEqual(count(), [0, 0, 5]);
    assert.equal(sent.length, 1);
    responder.respondRouted(packet, 0, packet.length, 0, 0, 100, 0);
    assert.deepEqual(count(), [0, 0, 5]);
  } finally {
    restore();
  }
});

test('no more answers a second than allowed', () => {
  const { responder, sent, count, restore } = setup(3);
  try {
    for (let i = 0; i < 4; i++) responder.respondRouted(packet, 0, packet.length, word, 0, 100, 0);
    assert.deepEqual([sent.length, count()], [3, [3, 5, 0]]);
    responder.respondLinkByIndex(frame, 0, frame.length, frameWord, 0, 101, 4, 5);
    assert.equal(responder.frame(frame, 0, frame.length, frameWord, Side.Source, 0, 101), true);
    assert.equal(responder.frame(frame, 0, frame.length, frameWord, Side.Source, 0, 101), false);
    assert.deepEqual(count(), [6, 6, 0]);
  } finally {
    restore();
  }
});

test('the allowance: anew with each second, not by going back one, but by a clock that was set back', () => {
  const limit = new AnswerLimit(2);
  assert.deepEqual(
    [10, 10, 10, 11, 10, 11, 10, 11, 12, 11, 12].map((second) => limit.take(second)),
    [true, true, false, true, true, false, false, false, true, true, false],
  );
  assert.deepEqual(
    [5, 5, 5, 6].map((second) => limit.take(second)),
    [true, true, false, true],
  );
  const none = new AnswerLimit(0);
  assert.deepEqual(
    [1, 2, 3].map((second) => none.take(second)),
    [false, false, false],
  );
});
