import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ruleContext } from '../../src/rules/context.js';
import { expandPattern, loadRules, loadRuleText, wildcard } from '../../src/rules/loader.js';
import type { RuleSet } from '../../src/rules/rule.js';
import { scratch } from '../support/capture-bytes.js';
import { bytes, CONTEXT } from '../support/rules.js';

const load = (text: string): RuleSet => loadRuleText(text, 'a.rules', CONTEXT);
const rule = (sid: number, more = '') => `alert tcp any any -> any any (${more} sid:${sid};)`;
const sids = (set: RuleSet) => set.rules.map((r) => r.sid);
const folder = scratch();
function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('rule text', () => {
  it('skips comments and blank lines, keeps order, counts lines', () => {
    const set = load(`\xef\xbb\xbf# comment\n\n  \t\r\n${rule(3)}\r\n; old comment\n  ${rule(1)}\n#${rule(9)}\n${rule(2)}`);
    assert.deepEqual(sids(set), [3, 1, 2]);
    assert.deepEqual(
      set.rules.map((r) => r.line),
      [4, 6, 8],
    );
    assert.deepEqual(set.problems, []);
  });

  it('joins lines that end in a backslash and names the first', () => {
    const set = load(
      `alert tcp any any -> any any \\\n  (msg:"two"; \\  \r\n sid:1;)\n${rule(2)}\nalert tcp any any -> any any (sid:3;) \\`,
    );
    assert.deepEqual(sids(set), [1, 2, 3]);
    assert.deepEqual(
      set.rules.map((r) => r.line),
      [1, 4, 5],
    );
    assert.equal(set.rules[0].msg, 'two');
    assert.equal(set.rules[0].text.includes('\\'), false);
  });

  it('a comment does not go on behind its backslash', () => {
    assert.deepEqual(sids(load(`# note \\\n${rule(1)}`)), [1]);
  });

  it('every bad line is one problem with file, line, option, reason and sid; the others load', () => {
    const set = load(`${rule(1)}\nalert nosuch any any -> any any (sid:2;)\n${rule(3, 'frob:1;')}\nrubbish\n${rule(5)}`);
    assert.deepEqual(sids(set), [1, 5]);
    assert.deepEqual(set.problems, [
      {
        file: 'a.rules',
        line: 2,
        option: '',
        reason: 'unknown protocol "nosuch"',
        sid: 2,
      },
      { file: 'a.rules', line: 3, option: 'frob', reason: 'unknown keyword "frob"', sid: 3 },
      { file: 'a.rules', line: 4, option: '', reason: 'unknown action "rubbish", use alert, pass, drop or reject', sid: 0 },
    ]);
  });

  it('the newer revision of a sid wins, in its own place', () => {
    const set = load(`${rule(1, 'rev:1;')}\n${rule(2)}\n${rule(1, 'rev:3;')}\n${rule(1, 'rev:2;')}`);
    assert.deepEqual(
      set.rules.map((r) => [r.sid, r.rev]),
      [
        [2, 0],
        [1, 3],
      ],
    );
    assert.equal(set.problems.length, 0, 'an update under way is no mistake');
    const [warning] = set.warnings!;
    assert.deepEqual([set.warnings!.length, warning.line, warning.option, warning.sid], [1, 1, 'sid', 1], 'reported once');
    assert.match(warning.reason, /a\.rules:3 is the newer revision 3/);
  });

  it('of equal revisions the first stays; another gid is another rule', () => {
    const set = load(`${rule(1, 'msg:"a"; rev:1;')}\n${rule(1, 'msg:"b"; rev:1;')}\n${rule(1, 'msg:"c"; rev:1; gid:2;')}`);
    assert.deepEqual(
      set.rules.map((r) => r.msg),
      ['a', 'c'],
    );
    assert.match(set.problems[0].reason, /a\.rules:1 has the same revision and came first/);
    assert.equal(set.problems[0].line, 2);
  });

  it('warns once of a classtype or reference type nobody defined, and loads the rule', () => {
    const context = ruleContext({ ...CONTEXT, references: new Map([['url', 'http://']]) });
    const odd = 'classtype:odd; reference:odd,1; reference:URL,x;';
    const set = loadRuleText(`${rule(1, odd)}\n${rule(2, odd)}`, 'a.rules', context);
    assert.deepEqual(sids(set), [1, 2]);
    assert.deepEqual(
      set.warnings?.map((w) => [w.option, w.sid]),
      [
        ['classtype', 1],
        ['reference', 1],
      ],
    );
  });

  it('whatever the text, loading ends in a rule set', () => {
    const line = fc.oneof(fc.string({ unit: 'binary', maxLength: 80 }), fc.constantFrom(rule(1), rule(2), '\\', '#', 'alert \\'));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        const set = load(lines.join('\n'));
        assert.equal(new Set(sids(set)).size, set.rules.length);
        assert.ok(set.rules.length + set.problems.length <= lines.join('\n').split('\n').length);
      }),
      { numRuns: 500 },
    );
  });
});

describe('rule files', () => {
  it('reads bytes as bytes', () => {
    const line = `${rule(1, 'msg:"caf\xc3\xa9"; content:"\xc3\xa9|ff|\xfe";')}\n`;
    const set = loadRules([write('bytes.rules', bytes(line))], CONTEXT);
    assert.equal(set.rules[0].msg, 'café');
    const [content] = set.rules[0].payload;
    assert.ok(content.kind === 'content');
    assert.deepEqual(content.pattern, bytes('\xc3\xa9\xff\xfe'));
  });

  it('a missing file, a folder and a binary file are problems, the other files load', () => {
    mkdirSync(join(folder, 'folder.rules'));
    const binary = write(
      'binary.rules',
      Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) & 0xff),
    );
    const good = write('good.rules', rule(1));
    const set = loadRules([join(folder, 'no.rules'), join(folder, 'folder.rules'), binary, good, good], CONTEXT);
    assert.deepEqual(sids(set), [1]);
    const reasons = set.problems.map((p) => [p.line, p.reason] as const);
    assert.deepEqual(reasons[0], [0, 'rule file does not exist']);
    assert.match(reasons[1][1], /cannot be read: EISDIR/);
    assert.deepEqual(reasons[2], [0, 'is a binary file, not a rule file']);
    assert.deepEqual(reasons[3], [0, 'is named twice, read once']);
    assert.equal(reasons.length, 4);
    assert.deepEqual(set.files, [binary, good]);
  });

  it('binary without a NUL: a problem a line, no crash', () => {
    const file = write(
      'noise.rules',
      Uint8Array.from({ length: 100_000 }, (_, i) => ((i * 48271) % 255) + 1),
    );
    const set = loadRules([file], CONTEXT);
    assert.equal(set.rules.length, 0);
    assert.ok(set.problems.length > 0);
  });

  it('expands * and ? in the last part, by name', () => {
    for (const [i, name] of ['g-b.rules', 'g-a.rules', 'g-10.rules', 'g-a.txt', '.g-h.rules'].entries()) write(name, rule(i + 1));
    const set = loadRules([join(folder, 'g-?.rules'), join(folder, 'g-*.txt'), join(folder, 'h*')], CONTEXT);
    assert.deepEqual(sids(set), [2, 1, 4]);
    assert.deepEqual(
      set.problems.map((p) => p.reason),
      [`no file matches ${join(folder, 'h*')}`],
    );
    assert.match(String(expandPattern(join(folder, 'nowhere', '*.rules'))), /no file matches/);
    assert.deepEqual(expandPattern('x.rules'), [resolve('x.rules')]);
  });

  it('wildcards agree with the regular expression they stand for', () => {
    const text = fc.array(fc.constantFrom('a', 'b', '.'), { maxLength: 12 }).map((x) => x.join(''));
    const pattern = fc.array(fc.constantFrom('a', 'b', '.', '*', '?'), { maxLength: 8 }).map((x) => x.join(''));
    fc.assert(
      fc.property(pattern, text, (p, t) => {
        const regex = new RegExp(`^${p.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')}$`);
        assert.equal(wildcard(p, t), regex.test(t));
      }),
      { numRuns: 2000 },
    );
  });
});
