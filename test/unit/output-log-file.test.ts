import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { LogFile } from '../../src/output/log-file.js';

const cleanups: (() => void)[] = [];
afterEach(() => {
  while (cleanups.length > 0) cleanups.pop()?.();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-log-'));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Polls a condition; the test runner's own limit ends a wait that never does. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('the condition did not come true');
}

function log(path: string, over: { maxBytes?: number; append?: boolean; retryMs?: number } = {}) {
  const problems: string[] = [];
  const file = new LogFile({ name: 'test.log', path, append: true, retryMs: 10, onProblem: (line) => problems.push(line), ...over });
  return { file, problems };
}

const text = (path: string) => readFileSync(path, 'utf8');

test('lines arrive whole and in order, and close waits for them', async () => {
  const path = join(folder(), 'x.log');
  const { file, problems } = log(path);
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${'é'.repeat(i % 50)}`);
  for (const line of lines) file.write(line);
  await file.close();
  assert.equal(text(path), `${lines.join('\n')}\n`);
  assert.deepEqual([file.lost, file.written, problems], [0, 20_000, []]);
  file.write('after the end');
  assert.equal(file.lost, 1);
  await file.close();
});

test('append keeps what is there, no append empties it once', async () => {
  const path = join(folder(), 'x.log');
  writeFileSync(path, 'old\n');
  const kept = log(path);
  kept.file.write('new');
  await kept.file.close();
  assert.equal(text(path), 'old\nnew\n');
  const emptied = log(path, { append: false });
  emptied.file.write('one');
  await until(() => emptied.file.written === 1);
  emptied.file.reopen();
  emptied.file.write('two');
  await emptied.file.close();
  assert.equal(text(path), 'one\ntwo\n');
});

test('reopen after rotation: old lines in the old file, new ones in the new', async () => {
  const path = join(folder(), 'x.log');
  const { file } = log(path);
  file.write('before');
  await until(() => file.written === 1);
  renameSync(path, `${path}.1`);
  file.write('between');
  await until(() => file.written === 2);
  file.reopen();
  file.write('after');
  await file.close();
  assert.equal(text(`${path}.1`), 'before\nbetween\n');
  assert.equal(text(path), 'after\n');
});

test('a missing directory: reported once, lines wait, then are lost and counted; it goes on when the directory is there', async () => {
  const path = join(folder(), 'gone', 'x.log');
  const { file, problems } = log(path, { maxBytes: 100 });
  for (let i = 0; i < 20; i++) file.write('123456789');
  await until(() => problems.length > 0);
  assert.match(problems[0], /test\.log: cannot open .*gone\/x\.log: the directory does not exist; create it \(ENOENT\)/);
  assert.equal(file.lost, 10);
  mkdirSync(join(path, '..'));
  await until(() => file.written === 10);
  assert.equal(problems.length, 2);
  assert.match(problems[1], /writing to .* again; \d+ lines were lost meanwhile/);
  await file.close();
  assert.equal(text(path), '123456789\n'.repeat(10));
});

test('a directory that is removed and made again', async () => {
  const directory = join(folder(), 'logs');
  mkdirSync(directory);
  const path = join(directory, 'x.log');
  const { file, problems } = log(path);
  file.write('first');
  await until(() => file.written === 1);
  rmSync(directory, { recursive: true });
  await until(() => {
    file.write('while gone');
    return problems.length > 0;
  });
  assert.ok(file.lost > 0, 'lines that went to the deleted file count as lost');
  mkdirSync(directory);
  await until(() => problems.length > 1);
  file.write('last');
  await file.close();
  assert.equal(problems.length, 2);
  assert.match(text(path), /^(while gone\n)+last\n$/);
});

test('a deleted file is made anew', async () => {
  const path = join(folder(), 'x.log');
  const { file, problems } = log(path);
  file.write('first');
  await until(() => file.written === 1);
  unlinkSync(path);
  let count = 0;
  await until(() => {
    file.write(`more ${count++}`);
    try {
      return text(path) !== '';
    } catch {
      return false;
    }
  });
  await file.close();
  assert.deepEqual(problems, []);
  assert.equal(file.lost + file.written, count + 1);
  assert.equal(text(path).split('\n').length - 1, file.written);
});

test('a full disk: reported once, nothing thrown, no line cut, everything that fitted in memory is written later', async (t) => {
  const directory = folder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'pipe' });
  } catch (error) {
    t.skip(`skipped: cannot mount a tmpfs here (${String((error as Error).message).split('\n')[0]})`);
    return;
  }
  cleanups.push(() => execFileSync('umount', [directory]));
  const path = join(directory, 'x.log');
  const ballast = join(directory, 'ballast');
  writeFileSync(ballast, Buffer.alloc(40 * 1024));
  const { file, problems } = log(path, { maxBytes: 100_000 });
  const line = (i: number) => `${String(i).padStart(6, '0')} ${'x'.repeat(92)}`;
  let sent = 0;
  while (sent < 2000) file.write(line(sent++));
  await until(() => problems.length === 1);
  assert.match(problems[0], /the disk is full; free space \(ENOSPC\)/);
  for (let i = 0; i < 100; i++) file.write(line(sent++));
  assert.ok(file.lost > 900, `lost ${file.lost}`);
  const lostWhileFull = file.lost;
  execFileSync('mount', ['-o', 'remount,size=1m', directory]);
  await until(() => problems.length === 2);
  file.write(line(sent++));
  await file.close();
  assert.equal(file.lost, lostWhileFull);
  assert.equal(file.written + file.lost, sent);
  const lines = text(path).trimEnd().split('\n');
  assert.equal(lines.length, file.written);
  assert.ok(
    lines.every((l) => /^\d{6} x{92}$/.test(l)),
    'every line is whole',
  );
  assert.equal(lines.at(-1), line(sent - 1));
});

test('close on a full disk returns, and counts what it could not write', async (t) => {
  const { file } = log('/dev/full');
  file.write('nowhere to go');
  await file.close();
  assert.deepEqual([file.lost, file.written], [1, 0]);
  t.diagnostic('used /dev/full');
});

test('the file may be written by others too', async () => {
  const path = join(folder(), 'x.log');
  const { file } = log(path);
  file.write('a');
  await until(() => file.written === 1);
  appendFileSync(path, 'b\n');
  file.write('c');
  await file.close();
  assert.equal(text(path), 'a\nb\nc\n');
});

test('a log that is far behind says so until it has caught up; one that fails does not', async () => {
  const path = join(folder(), 'x.log');
  const { file } = log(path, { maxBytes: 1000 });
  for (let i = 0; i < 5; i++) file.write('x'.repeat(99));
  assert.equal(file.congested(), false);
  file.write('x');
  assert.equal(file.congested(), true);
  await until(() => !file.congested());
  await file.close();
  assert.equal(file.lost, 0);
  const broken = log(join(folder(), 'none', 'x.log'), { maxBytes: 1000 });
  await until(() => broken.problems.length > 0);
  for (let i = 0; i < 20; i++) broken.file.write('x'.repeat(99));
  assert.equal(broken.file.congested(), false);
  await broken.file.close();
});
