import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createLog, type Log, type LogOptions } from '../../src/cli/log.js';
import { SluiceError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-log-'));
after(() => rmSync(folder, { recursive: true }));

function lines(options: LogOptions, say: (log: Log) => void): string[] {
  const out: string[] = [];
  const log = createLog({ ...options, write: (line) => void out.push(line) });
  say(log);
  log.close();
  return out;
}

const all = (log: Log) => {
  log.error('e');
  log.warn('w');
  log.notice('n');
  log.info('i');
  log.debug('d');
};

test('console lines are in the plain style, by level', () => {
  assert.deepEqual(lines({ console: 'notice' }, all), ['Error: sluice: e\n', 'Warning: sluice: w\n', 'Notice: sluice: n\n']);
  assert.equal(lines({ console: 'error' }, all).length, 1);
  assert.equal(lines({ console: 'debug' }, all).length, 5);
});

test('-v raises the level and never lowers it', () => {
  assert.equal(lines({ console: 'notice', verbosity: 1 }, all).length, 4);
  assert.equal(lines({ console: 'error', verbosity: 1 }, all).length, 4);
  assert.equal(lines({ console: 'notice', verbosity: 3 }, all).length, 4);
  assert.equal(lines({ console: 'notice', verbosity: 4 }, all).length, 5);
  assert.equal(lines({ console: 'debug', verbosity: 1 }, all).length, 5);
});

test('a console that is off still says errors', () => {
  assert.deepEqual(lines({}, all), ['Error: sluice: e\n']);
});

test('a text of several lines stays one line', () => {
  assert.deepEqual(
    lines({ console: 'notice' }, (log) => log.notice('a\n  b\nc')),
    ['Notice: sluice: a b c\n'],
  );
});

const records = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { timestamp: string; log_level: string; event_type: string; engine: { message: string } });

test('the file has the same in JSON, at its own level, and is opened anew after rotation', () => {
  const path = join(folder, 'sluice.log');
  const log = createLog({
    console: 'error',
    file: { level: 'info', filename: 'sluice.log', append: true },
    logDir: folder,
    write: () => {},
  });
  log.notice('before');
  log.debug('not this');
  renameSync(path, `${path}.1`);
  log.reopen();
  log.error('after');
  log.close();
  assert.deepEqual(
    records(`${path}.1`).map((one) => [one.log_level, one.event_type, one.engine.message]),
    [['Notice', 'engine', 'before']],
  );
  assert.deepEqual(
    records(path).map((one) => [one.log_level, one.engine.message]),
    [['Error', 'after']],
  );
  assert.ok(!Number.isNaN(Date.parse(records(path)[0].timestamp)));
});

test('append: no starts the file anew', () => {
  const path = join(folder, 'fresh.log');
  writeFileSync(path, 'old\n');
  const log = createLog({ file: { level: 'info', filename: path, append: false } });
  log.info('new');
  log.close();
  assert.deepEqual(
    records(path).map((one) => one.engine.message),
    ['new'],
  );
});

test('a file that cannot be opened is one line that names it', () => {
  assert.throws(
    () => createLog({ file: { level: 'info', filename: join(folder, 'no', 'x.log'), append: true } }),
    (error: Error) => error instanceof SluiceError && error.code === 'SLUICE_CONFIG' && error.message.includes(join(folder, 'no', 'x.log')),
  );
});
