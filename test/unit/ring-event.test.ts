import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventRing } from '../../src/ring/event-ring.js';

const CAPACITY = 4096;

test('records come out whole and in order; a full ring refuses (property)', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 1500 }), fc.constant(-1)), { maxLength: 400 }), (steps) => {
      const buffer = new ArrayBuffer(64 + EventRing.bytesFor(CAPACITY) + 64);
      const all = new Uint8Array(buffer);
      all.fill(0xa5, 0, 64).fill(0xa5, 64 + EventRing.bytesFor(CAPACITY));
      const producer = new EventRing(buffer, CAPACITY, 64);
      const consumer = new EventRing(buffer, CAPACITY, 64);
      const queue: { length: number; fill: number }[] = [];
      let n = 0;
      for (const step of steps) {
        if (step >= 0) {
          const at = producer.reserve(step);
          if (at < 0) continue;
          const fill = ++n & 0xff;
          producer.bytes.fill(fill, at, at + step);
          producer.commit();
          queue.push({ length: step, fill });
          continue;
        }
        const at = consumer.peek();
        const expected = queue.shift();
        if (expected === undefined) {
          assert.equal(at, -1);
          continue;
        }
        assert.equal(consumer.length, expected.length);
        assert.ok(consumer.bytes.subarray(at, at + expected.length).every((byte) => byte === expected.fill));
        consumer.release();
      }
      assert.ok(all.subarray(0, 64).every((b) => b === 0xa5) && all.subarray(64 + EventRing.bytesFor(CAPACITY)).every((b) => b === 0xa5));
    }),
  );
});

test('a producer that lies about lengths is not believed', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), fc.integer(), (head, tail, length) => {
      const buffer = new ArrayBuffer(EventRing.bytesFor(CAPACITY));
      const words = new Int32Array(buffer);
      const ring = new EventRing(buffer, CAPACITY);
      words[0] = head;
      words[16] = tail;
      words.fill(length, 32);
      const at = ring.peek();
      if (at >= 0) assert.ok(ring.length >= 0 && at + ring.length <= buffer.byteLength);
    }),
  );
});

test('an abandoned reservation is not seen', () => {
  const ring = new EventRing(new ArrayBuffer(EventRing.bytesFor(CAPACITY)), CAPACITY);
  ring.reserve(100);
  assert.equal(ring.peek(), -1);
});
