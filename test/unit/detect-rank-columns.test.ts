import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rankColumns } from '../../src/detect/rank-columns.js';
import { parseRule } from '../../src/rules/parser.js';

const rule = (action: string, options: string) =>
  parseRule(
    `${action} tcp any any -> any any (msg:"m"; ${options})`,
    { file: 'f', line: 1 },
    { addressGroups: {}, portGroups: {}, classifications: new Map(), references: new Map() },
  );

test('columns say by rank what a detecting thread asks of every rule', () => {
  const columns = rankColumns([
    rule('pass', 'sid:1; rev:3;'),
    rule('alert', 'flowbits:set,a; flowbits:noalert; sid:2;'),
    rule('drop', 'threshold:type limit, track by_src, count 1, seconds 60; gid:9; sid:3;'),
    rule('alert', 'flowbits:isset,a; sid:4;'),
  ]);
  assert.deepEqual([...columns.pass], [1, 0, 0, 0]);
  assert.deepEqual([...columns.noalert], [0, 1, 0, 0]);
  assert.deepEqual([...columns.ids], [1, 1, 3, 1, 2, 0, 9, 3, 0, 1, 4, 0]);
  assert.deepEqual([...columns.stateful], [1, 2]);
});
