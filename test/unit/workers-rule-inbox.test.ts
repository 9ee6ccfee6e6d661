import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkedContext } from '../../src/supervisor/rule-context.js';
import { buildImage } from '../../src/supervisor/rule-image.js';
import type { Engine } from '../../src/workers/engine.js';
import { type Refusal, RuleInbox, RuleOutbox } from '../../src/workers/rule-inbox.js';

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

/** Threads that are told of new rules; `fails`: those whose engine cannot take them. */
async function refused(image: Uint8Array, threads: number, fails: (thread: number) => boolean) {
  const answers: [number, Refusal | undefined][] = [];
  let settled = () => {};
  const done = new Promise<void>((resolve) => {
    settled = resolve;
  });
  const outbox = new RuleOutbox((generation, refusal) => {
    answers.push([generation, refusal]);
    settled();
  });
  const lines = Array.from({ length: threads }, () => outbox.add());
  const inboxes = lines.map(({ port, orders }) => new RuleInbox(port, orders));
  outbox.rules({ image, datasets: [], generation: 3 });
  inboxes.forEach((inbox, thread) => {
    const engine = {
      setRules: () => {
        if (fails(thread)) throw new Error(`thread ${thread} cannot`);
      },
    } as unknown as Engine;
    for (let turn = 0; turn < 2 && inbox.waiting(); turn++) inbox.take(engine);
    assert.equal(inbox.waiting(), false, 'it goes on');
  });
  await done;
  for (const { ours } of lines) ours.close();
  return answers;
}

test('rules that a thread cannot take: it goes on with the old ones, and says so', async () => {
  const image = buildImage({ rules: [], problems: [], files: [] }, checkedContext(context), undefined, 1, undefined, {}).bytes;
  assert.deepEqual(await refused(image, 3, (thread) => thread > 0), [[3, { threads: 2, of: 3, reason: 'thread 1 cannot' }]]);
  assert.deepEqual(await refused(image, 2, () => false), [[3, undefined]]);
  const [[generation, refusal]] = await refused(Uint8Array.of(1, 2, 3), 2, () => false);
  assert.equal(generation, 3);
  assert.deepEqual([refusal?.threads, refusal?.of], [2, 2]);
  assert.ok((refusal?.reason ?? '') !== '');
});
