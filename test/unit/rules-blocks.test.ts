import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseBlock, splitBlocks } from '../../src/rules/blocks.js';
import { ruleContext } from '../../src/rules/context.js';
import { loadRuleText, RuleMerger } from '../../src/rules/loader.js';
import { lazyRules, ruleTable } from '../../src/rules/rule-table.js';

const context = ruleContext();

const line = fc.oneof(
  fc
    .integer({ min: 1, max: 40 })
    .map((sid) => `alert tcp any any -> any any (msg:"m${sid}"; content:"a${sid}"; sid:${sid}; rev:${sid % 3};)`),
  fc
    .integer({ min: 1, max: 40 })
    .map((sid) => `alert udp any any -> any any \\\n  (msg:"two lines"; \\ \r\n  content:"|00 ff|"; sid:${sid};)`),
  fc.integer({ min: 1, max: 40 }).map((sid) => `drop tcp any any -> any any (msg:"\xc3\xa9\xe9"; content:"\xe9"; sid:${sid};)`),
  fc.constantFrom('', '# comment', '; comment', 'no rule', 'alert tcp any any -> any any (sid:7; nonsense;)', '\\', '  ', '# comment \\'),
);

test('pieces of any length give what the whole gives', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), fc.integer({ min: 1, max: 300 }), (lines, size) => {
      const text = lines.join('\n');
      const whole = loadRuleText(text, '/rules', context);
      const blocks = splitBlocks(text, size);
      assert.equal(blocks.join(''), text);
      const merger = new RuleMerger(context);
      merger.file(
        '/rules',
        blocks.map((block) => parseBlock(block, '/rules', context)),
      );
      const { files, ...merged } = merger.done();
      assert.deepEqual(files, ['/rules']);
      assert.deepEqual(merged, withoutFiles(whole));
    }),
  );
});

function withoutFiles<T extends { files: string[] }>({ files: _, ...rest }: T): Omit<T, 'files'> {
  return rest;
}

test('a rule parsed again from the table is the rule that was loaded, byte for byte', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      const set = loadRuleText(lines.join('\n'), '/rules', context);
      const lazy = lazyRules(ruleTable(set, context));
      assert.equal(lazy.length, set.rules.length);
      for (let i = 0; i < lazy.length; i++) {
        for (const key of Object.keys(set.rules[i]) as (keyof (typeof lazy)[0])[]) assert.deepEqual(lazy[i][key], set.rules[i][key], key);
      }
    }),
  );
});

test('the light fields of a table', () => {
  const set = loadRuleText(
    'alert tcp any any -> any any (msg:"a"; threshold:type limit, track by_src, count 1, seconds 60; noalert; sid:3; rev:4; gid:5;)\n' +
      'reject udp any any -> any any (msg:"b"; flowbits:set,x; bypass; sid:4294967295;)',
    '/rules',
    context,
  );
  assert.deepEqual(set.problems, []);
  const [a, b] = lazyRules(ruleTable(set, context));
  assert.deepEqual([a.action, a.noalert, a.bypass, a.sid, a.rev, a.gid, a.line], ['alert', true, false, 3, 4, 5, 1]);
  assert.deepEqual(a.threshold, set.rules[0].threshold);
  assert.deepEqual([b.action, b.noalert, b.bypass, b.sid, b.line, b.threshold], ['reject', false, true, 4294967295, 2, undefined]);
  assert.deepEqual(b.effects, set.rules[1].effects);
  assert.equal(b.msg, 'b');
});
