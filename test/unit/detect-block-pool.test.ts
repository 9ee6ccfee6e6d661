import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Block, BlockPool } from '../../src/detect/block-pool.js';

const BLOCKS = 8;

/** Numbers of the blocks of a list. */
function blocksOf(pool: BlockPool, head: number): number[] {
  const list: number[] = [];
  for (let block = head; block > 0; block = pool.words[(block - 1) * Block.Words]) list.push(block);
  return list;
}

test('blocks of lists against a model: none is in two places, none is lost', () => {
  const step = fc.tuple(fc.constantFrom('take', 'giveFirst', 'giveAll'), fc.nat(2));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const pool = new BlockPool(BLOCKS);
      const heads = [0, 0, 0];
      const model: number[][] = [[], [], []];
      for (const [what, i] of steps) {
        if (what === 'take') {
          const at = pool.take(heads[i]);
          assert.equal(at < 0, model.flat().length === BLOCKS);
          if (at < 0) continue;
          assert.equal(pool.words[at + 1], 0);
          pool.words.fill(-1, at + 2, at + 2 + Block.Room);
          heads[i] = at / Block.Words + 1;
          model[i].unshift(heads[i]);
        } else if (what === 'giveAll') {
          pool.giveAll(heads[i]);
          heads[i] = 0;
          model[i] = [];
        } else if (heads[i] !== 0) {
          heads[i] = pool.giveFirst(heads[i]);
          model[i].shift();
        }
        for (let k = 0; k < 3; k++) assert.deepEqual(blocksOf(pool, heads[k]), model[k]);
        assert.equal(new Set(model.flat()).size, model.flat().length);
      }
    }),
  );
});

test('clear makes all blocks free', () => {
  const pool = new BlockPool(2);
  assert.deepEqual([pool.take(0), pool.take(1), pool.take(2)], [0, Block.Words, -1]);
  pool.clear();
  assert.deepEqual([pool.take(0), pool.take(1), pool.take(2)], [0, Block.Words, -1]);
});
