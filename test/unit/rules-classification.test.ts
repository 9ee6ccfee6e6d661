import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadClassification, loadReferences, parseClassification, parseReferences } from '../../src/rules/classification.js';
import { scratch } from '../support/capture-bytes.js';

describe('classification.config', () => {
  it('reads name, description and priority', () => {
    const { entries, problems } = parseClassification(
      '# x\n\nconfig classification: Bad-One,It is bad, really, 2\r\n  config classification:b,B,1',
      'c',
    );
    assert.deepEqual(
      [...entries],
      [
        ['bad-one', { name: 'Bad-One', description: 'It is bad, really', priority: 2 }],
        ['b', { name: 'b', description: 'B', priority: 1 }],
      ],
    );
    assert.deepEqual(problems, []);
  });

  it('a wrong line is a problem with its number and stops nothing', () => {
    const lines = [
      'config classification: a,A',
      'config classification: b,B,0',
      'config classification: c,C,256',
      'nonsense',
      'config classification: d,D,3',
      'config classification: D,Again,1',
    ];
    const { entries, problems } = parseClassification(lines.join('\n'), 'c');
    assert.deepEqual([...entries.keys()], ['d']);
    assert.equal(entries.get('d')?.description, 'D');
    assert.deepEqual(
      problems.map((p) => p.line),
      [1, 2, 3, 4, 6],
    );
  });

  it('a long hostile line takes no time worth naming', () => {
    const { problems } = parseClassification(`config classification: a,${' ,'.repeat(50_000)}x`, 'c');
    assert.equal(problems.length, 1);
  });

  it('a file that is not there is one problem', () => {
    const { entries, problems } = loadClassification(join(scratch(), 'none'));
    assert.equal(entries.size, 0);
    assert.match(problems[0].reason, /cannot be read/);
  });
});

describe('reference.config', () => {
  it('reads type and prefix', () => {
    const { entries, problems } = parseReferences(
      'config reference: CVE http://cve.example/?name=\nconfig reference: url\nconfig reference: cve x',
      'r',
    );
    assert.deepEqual([...entries], [['cve', 'http://cve.example/?name=']]);
    assert.deepEqual(
      problems.map((p) => p.line),
      [2, 3],
    );
  });

  it('a file that is not there is one problem', () => {
    assert.equal(loadReferences(join(scratch(), 'none')).problems.length, 1);
  });
});
