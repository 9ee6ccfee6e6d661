import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { AppProto } from '../../src/app-layer/buffers.js';
import { FileState, Files } from '../../src/app-layer/files/files.js';
import { Transactions } from '../../src/app-layer/transactions.js';
import { Code } from '../../src/detect/codegen.js';
import { Inspection } from '../../src/detect/search.js';
import { appTest } from '../../src/detect/tests/app.js';
import { Counter } from '../../src/metrics/counters.js';
import { fileDigests } from '../../src/rules/file-values.js';
import { isAppOption } from '../../src/rules/options/app-layer.js';
import type { Rule } from '../../src/rules/rule.js';
import { packet } from '../support/detect.js';
import { withOptions } from '../support/rules.js';

const folder = mkdtempSync(join(tmpdir(), 'files-rules-'));
after(() => rmSync(folder, { recursive: true }));

interface Carried {
  name?: string;
  text: string;
  direction?: number;
  state?: FileState | 'open';
}

/** Whether the rule's tests on files pass for a transaction that carries these. */
function passes(rule: Rule, carried: Carried[], direction = 0): boolean {
  assert.equal(rule.inert, undefined);
  const txs = new Transactions(2, 1 << 20, 8, 1);
  const files = new Files(txs, new Float64Array(Counter.Count), 8);
  files.want({ hashes: 7, magic: false });
  const tx = txs.open(-1, AppProto.Http, 0);
  for (const { name = '', text, direction: way = 0, state = FileState.Closed } of carried) {
    const file = files.open(tx, way, Buffer.from(name, 'latin1'), 0, name.length);
    files.data(file, Buffer.from(text, 'latin1'), -1, 0, text.length);
    if (state !== 'open') files.close(file, state);
  }
  const code = new Code();
  code.line(
    `return ${rule.header
      .filter(isAppOption)
      .map((o) => `(${appTest(code, rule, o)})`)
      .join(' && ')};`,
  );
  const x = new Inspection();
  x.files = files;
  x.tx = tx;
  const result = (code.build(['p', 'x'], 1) as (...values: unknown[]) => boolean)(packet({ direction: direction as 0 | 1 }), x);
  files.dispose();
  txs.heap.close();
  return result;
}

const one = (name: string, text = 'x', more: Partial<Carried> = {}): Carried[] => [{ name, text, ...more }];

const CASES: [options: string, carried: Carried[], passes: boolean][] = [
  ['filename:"R.PDF";', one('/a/r.pdf'), true],
  ['filename:"s.pdf";', one('/a/r.pdf'), false],
  ['filename:!"s.pdf";', one('/a/r.pdf'), true],
  ['filename:!"s.pdf";', one(''), false],
  ['filename:!"s.pdf";', [], false],
  ['fileext:"PDF";', one('r.pdf'), true],
  ['fileext:"pd";', one('r.pdf'), false],
  ['fileext:"df";', one('r.pdf'), false],
  ['fileext:pdf;', one('.pdf'), true],
  ['fileext:!"exe";', one('r.pdf'), true],
  ['filesize:3;', one('a', 'abc'), true],
  ['filesize:3;', one('a', 'abc', { state: 'open' }), false],
  ['filesize:<10;', one('a', 'abc', { state: FileState.Truncated }), false],
  ['filesize:>2;', one('a', 'abc', { state: 'open' }), true],
  ['filesize:>1KB;', one('a', 'x'.repeat(1025)), true],
  ['filesize:2<>4;', one('a', 'abc'), true],
  // One and the same file.
  ['filename:"a"; filesize:>3;', [...one('a', 'x'), ...one('b', 'xxxx')], false],
  ['filename:"b"; filesize:>3;', [...one('a', 'x'), ...one('b', 'xxxx')], true],
  ['filename:"a";', one('a', 'x', { direction: 1 }), false],
  ['filestore;', one('', 'x'), true],
  ['filestore;', [], false],
];

describe('rules on files', () => {
  for (const [options, carried, expected] of CASES)
    it(`${options} ${JSON.stringify(carried).slice(0, 80)} ${expected}`, () =>
      assert.equal(passes(withOptions(options, 'http'), carried), expected));

  for (const [keyword, hash] of [
    ['filemd5', 'md5'],
    ['filesha1', 'sha1'],
    ['filesha256', 'sha256'],
  ] as const) {
    it(`${keyword}: a list beside the rule file`, () => {
      const hex = (text: string) => createHash(hash).update(text).digest('hex');
      const lines = Array.from({ length: 300 }, (_, i) => `${hex(String(i)).toUpperCase()}  file-${i}.exe\n`);
      writeFileSync(join(folder, `${hash}.list`), `# bad ones\n${lines.join('')}\n`);
      const passing = (options: string, carried: Carried[]) => {
        const rule = { ...withOptions(options, 'http'), file: join(folder, 'a.rules') };
        rule.fileDigests = fileDigests(rule);
        return passes(rule, carried);
      };
      for (const text of ['0', '7', '299']) assert.equal(passing(`${keyword}:${hash}.list;`, one('', text)), true);
      assert.equal(passing(`${keyword}:${hash}.list;`, one('', '300')), false);
      assert.equal(passing(`${keyword}:!${hash}.list;`, one('', '300')), true);
      assert.equal(passing(`${keyword}:!${hash}.list;`, one('', '7')), false);
      assert.equal(passing(`${keyword}:!${hash}.list;`, one('', '300', { state: FileState.Truncated })), false);
    });
  }

  it('a list that is missing or damaged: the rule is refused, and says where', () => {
    writeFileSync(join(folder, 'bad.list'), 'abcdef\n');
    for (const [name, reason] of [
      ['no.list', /the list .*no\.list cannot be read: ENOENT/],
      ['bad.list', /bad\.list:1 does not begin with a digest of 32 hexadecimal digits/],
    ] as const) {
      const rule = { ...withOptions(`filemd5:${name};`, 'http'), file: join(folder, 'a.rules') };
      assert.throws(
        () => fileDigests(rule),
        (error: { reason: string }) => reason.test(error.reason),
      );
    }
  });
});
