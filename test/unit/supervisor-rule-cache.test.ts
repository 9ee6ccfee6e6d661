import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createLog } from '../../src/cli/log.js';
import { defaultConfig } from '../../src/config/load.js';
import { NO_ASIDE } from '../../src/rules/finish.js';
import { RuleCache } from '../../src/supervisor/rule-cache.js';
import { contentsDigest, readRuleBytes } from '../../src/supervisor/rule-files.js';
import type { LoadTask } from '../../src/supervisor/rule-load-task.js';
import { type LoadedRules, loadRuleSet } from '../../src/supervisor/rules.js';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'sluice-cache-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const KEY = 'a'.repeat(64);
const open = (path = join(folder, 'cache')): RuleCache => {
  const cache = RuleCache.open(path, 'version');
  assert.ok(cache instanceof RuleCache, String(cache));
  return cache;
};
const payload = Uint8Array.from({ length: 1000 }, (_, i) => i);
const onlyFile = (cache: RuleCache) => join(cache.folder, fs.readdirSync(cache.folder)[0]);

test('what is written is read, by the same version only', () => {
  const cache = open();
  assert.equal(cache.read(KEY), undefined);
  assert.equal(cache.misses, 1);
  cache.write(KEY, payload);
  assert.deepEqual([...(cache.read(KEY) ?? [])], [...payload]);
  const other = RuleCache.open(cache.folder, 'another version');
  assert.ok(other instanceof RuleCache);
  assert.equal(other.read(KEY), undefined);
  assert.equal(fs.statSync(onlyFile(cache)).mode & 0o777, 0o600);
  assert.equal(fs.statSync(cache.folder).mode & 0o777, 0o700);
});

test('a byte changed anywhere, or cut off: refused, counted, removed', () => {
  const cache = open();
  for (let i = 0; i < 1064; i += 53) {
    cache.write(KEY, payload);
    const path = onlyFile(cache);
    const bytes = fs.readFileSync(path);
    bytes[i] ^= 1;
    fs.writeFileSync(path, bytes);
    assert.equal(cache.read(KEY), undefined, `byte ${i}`);
    assert.equal(fs.existsSync(path), false);
  }
  cache.write(KEY, payload);
  fs.truncateSync(onlyFile(cache), 500);
  assert.equal(cache.read(KEY), undefined);
  cache.write(KEY, payload);
  fs.truncateSync(onlyFile(cache), 3);
  assert.equal(cache.read(KEY), undefined);
  assert.equal(cache.bad, 23);
  assert.equal(cache.problems.length, 23);
});

test('links, second names, and files that others own or can write are refused', () => {
  const cache = open();
  cache.write(KEY, payload);
  const path = onlyFile(cache);
  const good = fs.readFileSync(path);
  const refused = (make: () => void, why: RegExp) => {
    fs.rmSync(path, { force: true });
    make();
    assert.equal(cache.read(KEY), undefined);
    assert.match(cache.problems.at(-1) ?? '', why);
  };
  const aside = join(folder, 'aside');
  fs.writeFileSync(aside, good, { mode: 0o600 });
  refused(() => fs.symlinkSync(aside, path), /symbolic link/);
  refused(() => fs.linkSync(aside, path), /second name/);
  refused(() => {
    fs.writeFileSync(path, good);
    fs.chmodSync(path, 0o622);
  }, /written by others/);
  refused(() => fs.mkdirSync(path), /not a regular file/);
  fs.rmSync(path, { recursive: true, force: true });
  if (process.geteuid?.() === 0)
    refused(() => {
      fs.writeFileSync(path, good);
      fs.chownSync(path, 12345, 12345);
    }, /belongs to user 12345/);
});

test('a folder that others could write to, or that is a link, is no cache', () => {
  const path = join(folder, 'cache');
  fs.mkdirSync(path);
  fs.chmodSync(path, 0o777);
  assert.match(String(RuleCache.open(path, '')), /written by others/);
  fs.chmodSync(path, 0o1777);
  assert.match(String(RuleCache.open(path, '')), /written by others/);
  fs.chmodSync(path, 0o700);
  fs.symlinkSync(path, join(folder, 'link'));
  assert.match(String(RuleCache.open(join(folder, 'link'), '')), /symbolic link/);
  fs.chmodSync(folder, 0o777);
  assert.match(String(RuleCache.open(path, '')), /written by others/);
  fs.chmodSync(folder, 0o700);
  if (process.geteuid?.() === 0) {
    fs.chownSync(folder, 12345, 12345);
    assert.match(String(RuleCache.open(path, '')), /belongs to user 12345/);
  }
  assert.match(String(RuleCache.open('/proc/none', '')), /ENOENT|EACCES|EPERM/);
});

test('the folder stays bounded, the longest unused goes first', () => {
  const cache = open();
  for (let i = 0; i < 140; i++) {
    const name = `mpm-${i.toString(16).padStart(64, '0')}.bin`;
    fs.writeFileSync(join(cache.folder, name), 'x');
    fs.utimesSync(join(cache.folder, name), i, i);
  }
  fs.writeFileSync(join(cache.folder, '.mpm.1.tmp'), 'x');
  fs.utimesSync(join(cache.folder, '.mpm.1.tmp'), 1, 1);
  fs.writeFileSync(join(cache.folder, 'not ours'), 'x');
  cache.tidy();
  const left = fs.readdirSync(cache.folder).sort();
  assert.equal(left.length, 129);
  assert.equal(left.at(-1), 'not ours');
  assert.ok(!left.includes(`mpm-${(11).toString(16).padStart(64, '0')}.bin`));
  assert.ok(left.includes(`mpm-${(12).toString(16).padStart(64, '0')}.bin`));
});

// Enough rules for the loading thread, whose results must be those of the short way.
const many = (n: number, extra = ''): string =>
  Array.from(
    { length: n },
    (_, i) =>
      `alert tcp any any -> any ${1 + (i % 60000)} (msg:"rule ${i}"; content:"literal ${i}"; pcre:"/x${i % 50}[a-z]+/"; metadata:a b, c d; sid:${i + 1};)\n`,
  ).join('') + extra;

async function load(text: string, cache: string): Promise<{ rules: LoadedRules; lines: string[] }> {
  const file = join(folder, 'many.rules');
  fs.writeFileSync(file, text);
  const lines: string[] = [];
  const base = defaultConfig();
  const config = { ...base, sluice: { ...base.sluice, cache }, classificationFile: '', referenceFile: '' };
  const log = createLog({ console: 'info', write: (line) => lines.push(line) });
  return { rules: await loadRuleSet(config, [file], log, { verbose: false, reportFolder: folder }), lines };
}

test('cold, warm, damaged: the same rules, and says where they come from', async () => {
  const text = many(3000, `${'nonsense\n'.repeat(30)}alert tcp any any -> any any (msg:"caf\xe9"; content:"\xe9"; sid:99999;)\n`);
  const cache = join(folder, 'cache');
  const cold = await load(text, cache);
  assert.equal(cold.rules.cached, false);
  assert.equal(cold.rules.report.loaded, 3001);
  assert.equal(cold.rules.report.problems.length, 30);
  assert.equal(cold.rules.report.problems[7].line, 3008);
  const warm = await load(text, cache);
  assert.equal(warm.rules.cached, true);
  assert.deepEqual(warm.rules.report, cold.rules.report);
  assert.deepEqual(Buffer.from(warm.rules.image.bytes), Buffer.from(cold.rules.image.bytes));
  assert.equal(warm.rules.rules[2999].msg, 'rule 2999');
  assert.deepEqual(warm.rules.rules[2999].metadata, { a: ['b'], c: ['d'] });
  const error = (lines: string[]) => lines.filter((line) => line.startsWith('Error'));
  // 20 lines, the summary, and where the rest is.
  assert.equal(error(warm.lines).length, 22);
  assert.match(error(warm.lines)[20], /and 10 more; by reason: .*\(30\)/);
  assert.equal(fs.readFileSync(join(folder, 'rule-problems.log'), 'utf8').trim().split('\n').length, 30);

  for (const name of fs.readdirSync(cache).filter((one) => one.startsWith('mpm-'))) fs.writeFileSync(join(cache, name), 'broken');
  const repaired = await load(text, cache);
  assert.equal(repaired.rules.cached, false);
  assert.deepEqual(repaired.rules.report, cold.rules.report);
  assert.ok(repaired.lines.some((line) => line.includes('rule cache') && line.includes('removed')));
  assert.equal((await load(text, cache)).rules.cached, true);
  // One letter more is another rule set.
  const changed = await load(text.replace('rule 77"', 'rule 77!"'), cache);
  assert.equal(changed.rules.cached, false);
  assert.equal(changed.rules.rules[77].msg, 'rule 77!');
  const none = await load(text, '');
  assert.deepEqual(none.rules.report, cold.rules.report);
});

test('files that change while they are loaded: what is in force is not kept under the name of what was', async () => {
  const cache = join(folder, 'cache');
  assert.equal((await load(many(3000), cache)).rules.cached, false);
  const kept = fs.readdirSync(cache).filter((name) => name.startsWith('rules-'));
  assert.equal(kept.length, 1);
  const key = kept[0].slice('rules-'.length, -'.bin'.length);
  const file = join(folder, 'many.rules');
  const digest = contentsDigest(readRuleBytes([file]));
  fs.rmSync(join(cache, kept[0]));
  const context = {
    addressGroups: {},
    portGroups: {},
    classifications: new Map(),
    references: new Map(),
    matchLimit: 100,
    depthLimit: 100,
  };
  const stored = async () => {
    const task: LoadTask = { files: [file], context, aside: NO_ASIDE, actionOrder: [], cache, key, digest };
    const worker = new Worker(new URL('../../src/supervisor/rule-load-task.js', import.meta.url), { workerData: task });
    await once(worker, 'exit');
    return fs.existsSync(join(cache, kept[0]));
  };
  fs.appendFileSync(file, 'alert ip any any -> any any (sid:7000000;)\n');
  assert.equal(await stored(), false);
  fs.writeFileSync(file, many(3000));
  assert.equal(await stored(), true);
});

test('a report is not written through a link that somebody else put there', async () => {
  const elsewhere = join(folder, 'precious');
  fs.writeFileSync(elsewhere, 'precious');
  fs.symlinkSync(elsewhere, join(folder, 'rule-problems.log'));
  const { lines } = await load('nonsense\n'.repeat(30), '');
  assert.equal(fs.readFileSync(elsewhere, 'utf8'), 'precious');
  assert.ok(lines.some((line) => line.includes('all of them with -v')));
});
