import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AppHeap, MOST_KEPT } from '../../src/app-layer/heap.js';

const MIB = 1 << 20;

function fill(heap: AppHeap, length: number): number[] {
  const pieces: number[] = [];
  for (let piece = heap.take(length); piece >= 0; piece = heap.take(length)) pieces.push(piece);
  return pieces;
}

describe('heap of transactions', () => {
  it('memory that was full of pieces of one size is there for any other afterwards', () => {
    for (const first of [64, 1000, 4096, MOST_KEPT])
      for (const then of [64, 700, 20_000, MOST_KEPT]) {
        const heap = new AppHeap(16 * MIB);
        const pieces = fill(heap, first);
        // In no particular order.
        for (let i = 0; i < pieces.length; i++) heap.give(pieces[(i * 7919) % pieces.length], first);
        assert.equal(heap.used, 0);
        const got = fill(heap, then);
        const size = heap.used / got.length;
        assert.ok(heap.used >= 15 * MIB, `${first}, then ${then}: ${got.length} pieces of ${size}`);
        heap.close();
      }
  });

  it('however long small pieces come and go, what is left is there for large ones', () => {
    const heap = new AppHeap(4 * MIB);
    const taken: [at: number, length: number][] = [];
    const owner = new Int32Array((4 * MIB) >> 6);
    let seed = 1;
    const random = (most: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
      return Math.floor((seed / 0x80000000) * most);
    };
    for (let step = 1; step <= 300_000; step++) {
      // Waves: the heap fills, and empties again.
      if (taken.length > 0 && random(100) < (step % 40_000 < 20_000 ? 40 : 60)) {
        const i = random(taken.length);
        const [at, length] = taken[i];
        taken[i] = taken[taken.length - 1];
        taken.pop();
        owner.fill(0, at >> 6, (at + length) >> 6);
        heap.give(at, length);
        continue;
      }
      const length = 64 << random(6);
      const at = heap.take(length);
      if (at < 0) continue;
      for (let i = at >> 6; i < (at + length) >> 6; i++) {
        assert.equal(owner[i], 0, `step ${step}`);
        owner[i] = step;
      }
      taken.push([at, length]);
    }
    for (const [at, length] of taken) heap.give(at, length);
    assert.equal(heap.used, 0);
    assert.ok(fill(heap, MOST_KEPT).length >= 60, 'of 64 blocks 4 may be loose');
    heap.close();
  });

  it('pieces never overlap, whatever is taken and given back', () => {
    const step = fc.tuple(fc.integer({ min: 1, max: MOST_KEPT }), fc.nat());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const heap = new AppHeap(MIB);
        const taken = new Map<number, number>();
        let used = 0;
        const bytes = new Uint8Array(MIB >> 6);
        for (const [length, choice] of steps) {
          const size = Math.max(64, 1 << (32 - Math.clz32(length - 1)));
          if (choice % 3 === 0 && taken.size > 0) {
            const at = [...taken.keys()][choice % taken.size];
            const was = taken.get(at)!;
            heap.give(at, was);
            taken.delete(at);
            const given = Math.max(64, 1 << (32 - Math.clz32(was - 1)));
            bytes.fill(0, at >> 6, (at + given) >> 6);
            used -= given;
            continue;
          }
          const at = heap.take(length);
          if (at < 0) continue;
          assert.equal(at % size, 0);
          for (let i = at >> 6; i < (at + size) >> 6; i++) assert.equal(bytes[i]++, 0);
          taken.set(at, length);
          used += size;
        }
        assert.equal(heap.used, used);
        heap.close();
      }),
      { numRuns: 100 },
    );
  });
});
