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
        assert.ok(heap.used >= 10 * MIB, `${first}, then ${then}: ${got.length} pieces of ${size}`);
        heap.close();
      }
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
