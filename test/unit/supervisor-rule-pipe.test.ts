import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { test } from 'node:test';
import type { RuleImage } from '../../src/supervisor/rule-image.js';
import { envelope, sendRules } from '../../src/supervisor/rule-pipe.js';

/** Reads the rules from descriptor 4 as a packet process does, and says their SHA-256. */
const CHILD = `
  const { receiveRules } = await import(process.argv[1]);
  const { createHash } = await import('node:crypto');
  process.once('message', (envelope) => {
    try {
      const image = receiveRules(4, envelope);
      const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
      process.send({ image: hash(image.bytes), shared: image.bytes.buffer instanceof SharedArrayBuffer,
        databases: image.databases.map((one) => [one.key, hash(one.bytes)]) }, () => process.exit(0));
    } catch (error) { process.send({ error: error.code }, () => process.exit(0)); }
  });
`;

const hash = async (bytes: Uint8Array) => (await import('node:crypto')).createHash('sha256').update(bytes).digest('hex');

function filled(bytes: Uint8Array): Uint8Array {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 2654435761) >>> 11;
  return bytes;
}

async function through(image: RuleImage, cut = false): Promise<Record<string, unknown>> {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', CHILD, new URL('../../src/supervisor/rule-pipe.js', import.meta.url).href],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'], serialization: 'advanced' },
  );
  const pipe = child.stdio.at(-1) as Writable;
  pipe.on('error', () => {});
  child.send(envelope(image));
  if (cut) pipe.end(image.bytes.subarray(0, 1000));
  else sendRules(pipe, image);
  return await new Promise((resolve) => child.once('message', (answer) => resolve(answer as Record<string, unknown>)));
}

test('an image of many pipe buffers arrives whole, in memory that threads can share', async () => {
  const image: RuleImage = {
    bytes: filled(new Uint8Array(new SharedArrayBuffer(5_000_000))),
    databases: [
      { key: 'a', bytes: filled(new Uint8Array(70_001)) },
      { key: 'none', bytes: new Uint8Array(0) },
      { key: 'b', bytes: filled(new Uint8Array(new SharedArrayBuffer(9))) },
    ],
  };
  const answer = await through(image);
  assert.equal(answer.image, await hash(image.bytes));
  assert.equal(answer.shared, true);
  assert.deepEqual(answer.databases, await Promise.all(image.databases.map(async ({ key, bytes }) => [key, await hash(bytes)])));
});

test('a supervisor that ends in the middle is an error, not a wait', async () => {
  const answer = await through({ bytes: new Uint8Array(100_000), databases: [] }, true);
  assert.equal(answer.error, 'SLUICE_SYSTEM');
});
