import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Transactions } from '../../src/app-layer/transactions.js';

const txs = new Transactions(8, 1 << 16, 4, 4);
after(() => txs.heap.close());

test('a pair stands once among the moments of a packet, and again with the next', () => {
  const tx = txs.open(0, 1, 0);
  for (const direction of [0, 1, 0, 1]) assert.equal(txs.moment(tx, direction), true);
  assert.deepEqual([...txs.moments.subarray(0, 2 * txs.count)], [tx, 0, tx, 1]);
  txs.begin();
  assert.equal(txs.count, 0);
  assert.equal(txs.moment(tx, 1), true);
  assert.equal(txs.count, 1);
});

test('a record that is due is forgotten with the packet', () => {
  txs.begin();
  for (let i = 0; i < 20; i++) txs.log(0);
  assert.equal(txs.dueCount, 16);
  txs.begin();
  assert.equal(txs.dueCount, 0);
});
