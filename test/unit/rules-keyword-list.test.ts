import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keywordList } from '../../src/cli/build-info.js';
import { meaningOf } from '../../src/rules/keyword-meanings.js';
import { OPTIONS } from '../../src/rules/options/table.js';

test('every keyword has a meaning of one line', () => {
  const without = [...OPTIONS.keys()].filter((name) => meaningOf(name) === '');
  assert.deepEqual(without, []);
});

test('the list: a line each, name first', async () => {
  const lines = (await keywordList()).split('\n');
  assert.equal(lines[0], '=====Supported keywords=====');
  assert.deepEqual(
    lines.slice(1).map((line) => /^- (\S+): \S/.exec(line)?.[1]),
    [...OPTIONS.keys()].sort(),
  );
  assert.equal(await keywordList('all'), lines.join('\n'));
});

test('csv has four fields in each line', async () => {
  const rows = (await keywordList('csv')).split('\n').map((line) => line.split(';'));
  assert.equal(rows.length, OPTIONS.size + 1);
  for (const row of rows) assert.equal(row.length, 4, row.join(';'));
});

test('one keyword, an unknown one', async () => {
  assert.match(await keywordList('content'), /^= content =\nDescription: .+\nValue: required\nNegation: with !/);
  await assert.rejects(keywordList('frobnicate'), /no keyword 'frobnicate'/);
});
