import assert from 'node:assert/strict';
import { ftruncateSync } from 'node:fs';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { PACKET_RING_HEADER, PacketRingConsumer, PacketRingProducer, Rec } from '../../src/ring/packet-ring.js';

test('shared memory cannot be cut short or grown by a process that holds its descriptor', () => {
  const fd = native.memfdCreate('sluice-test', 8192);
  try {
    const words = new Int32Array(native.mapFd(fd, 8192));
    words[2047] = 7;
    for (const bytes of [0, 4096, 16384]) assert.throws(() => ftruncateSync(fd, bytes), { code: 'EPERM' });
    assert.equal(words[2047], 7);
  } finally {
    native.closeFd(fd);
  }
});

test('a worker does not take records of an epoch other than its own', () => {
  const capacity = 4096;
  const words = new Int32Array(new SharedArrayBuffer(PACKET_RING_HEADER + capacity + 64));
  const producer = new PacketRingProducer(words, 0, capacity, 16);
  const consumer = new PacketRingConsumer(words, 0, capacity, (PACKET_RING_HEADER + capacity) >> 2, -1);
  consumer.attach();
  producer.reserve(100);
  producer.publish();
  // As when a new capture process has begun to write where the old one's records were.
  words[(producer.at >> 2) + Rec.Epoch] = producer.epoch + 1;
  assert.equal(consumer.refresh(), true);
  assert.equal(consumer.next(), -1);
  producer.reserve(100);
  producer.publish();
  assert.equal(consumer.refresh(), true);
  assert.equal(consumer.next(), producer.at);
});
