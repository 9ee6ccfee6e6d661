import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listNamespaces, skipWithoutNamespaces, waitFor } from '../support/netns.js';

const MAIN = fileURLToPath(new URL('../../src/lab/main.js', import.meta.url));
const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill('SIGTERM');
});

interface Run {
  child: ChildProcess;
  /** Everything it printed so far. */
  output(): string;
  ended: Promise<number | null>;
}

function start(...args: string[]): Run {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
  }
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  return { child, output: () => text, ended };
}

const namespacesOf = (child: ChildProcess) => listNamespaces().filter((name) => name.startsWith(`sluice-${child.pid}-`));

test('npm start: benign traffic crosses, the attack does not, bulk runs, within 30 seconds', { skip: skipWithoutNamespaces }, async () => {
  const begun = performance.now();
  const run = start();
  const code = await run.ended;
  const output = run.output();
  assert.equal(code, 0, output);
  assert.match(output, /ok {6}the benign request crossed: 200/);
  assert.match(output, /ok {6}the attack was blocked: no answer/);
  assert.match(output, /ok {6}fast\.log tells of it: .*\[Drop\].*\[1:1000001:1\]/);
  assert.match(output, /ok {6}the bulk transfer ran: [\d.]+ Gbit\/s/);
  assert.match(output, /ok {6}Sluice stopped cleanly on SIGTERM/);
  assert.match(output, /\d+ s {2}[\d.]+ kpackets\/s .* Gbit\/s .*drops: .*rules 1/, 'the live line');
  assert.deepEqual(namespacesOf(run.child), []);
  assert.ok(performance.now() - begun < 30_000);
  const logs = /logs {4}(\S+)/.exec(output)![1];
  assert.match(readFileSync(`${logs}/fast.log`, 'utf8'), /1000001/);
});

test('Ctrl-C in the middle leaves no namespace and no process', { skip: skipWithoutNamespaces }, async () => {
  const run = start();
  await waitFor(() => run.output().includes('->'), { timeoutMs: 20_000, what: 'the first request' });
  assert.equal(namespacesOf(run.child).length, 3);
  run.child.kill('SIGINT');
  assert.equal(await run.ended, 130);
  assert.deepEqual(namespacesOf(run.child), []);
});

test('--keep leaves the lab up until Ctrl-C, then ends in order', { skip: skipWithoutNamespaces }, async () => {
  const run = start('--keep');
  await waitFor(() => run.output().includes('Ctrl-C here ends it'), { timeoutMs: 30_000, what: 'the lab to say how to enter it' });
  assert.match(run.output(), new RegExp(`ip netns exec sluice-${run.child.pid}-client curl`));
  assert.equal(namespacesOf(run.child).length, 3);
  run.child.kill('SIGINT');
  assert.equal(await run.ended, 0, run.output());
  assert.match(run.output(), /ok {6}Sluice stopped cleanly/);
  assert.deepEqual(namespacesOf(run.child), []);
});

test('without namespaces the same traffic is replayed from a capture', async () => {
  const run = start('--offline');
  const code = await run.ended;
  assert.equal(code, 0, run.output());
  assert.match(run.output(), /ok {6}the attack was blocked: .*\[Drop\].*:40002 /);
  assert.match(run.output(), /ok {6}nothing else was/);
});
