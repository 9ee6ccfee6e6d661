import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkedContext } from '../../src/supervisor/rule-context.js';
import { buildImage } from '../../src/supervisor/rule-image.js';
import type { Engine } from '../../src/workers/engine.js';
import { RuleInbox, RuleOutbox } from '../../src/workers/rule-inbox.js';

const context = { addressGroups: {}, portGroups: {}, classifications: new Map(), references: new Map(), matchLimit: 1, depthLimit: 1 };

test('new rules are taken in two steps, so that packets pass in between; only then the thread answers', async () => {
  const image = buildImage({ rules: [], problems: [], files: [] }, checkedContext(context), undefined, 1, undefined, {}).bytes;
  let settled: (generation: number) => void = () => {};
  const reloaded = new Promise<number>((resolve) => {
    settled = resolve;
  });
  const outbox = new RuleOutbox((generation) => settled(generation));
  const { port, orders, ours } = outbox.add();
  const taken: number[] = [];
  const engine = { setRules: (_: unknown, generation: number) => taken.push(generation) } as unknown as Engine;
  const inbox = new RuleInbox(port, orders);
  assert.equal(inbox.waiting(), false);
  outbox.rules({ image, datasets: [], generation: 7 });
  assert.equal(inbox.waiting(), true);
  inbox.take(engine);
  assert.deepEqual([taken, inbox.waiting()], [[], true]);
  inbox.take(engine);
  assert.deepEqual([taken, inbox.waiting()], [[7], false]);
  assert.equal(await reloaded, 7);
  ours.close();
});
