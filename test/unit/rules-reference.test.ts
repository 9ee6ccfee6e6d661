import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadClassification } from '../../src/rules/classification.js';
import { ruleContext } from '../../src/rules/context.js';
import { loadRuleText } from '../../src/rules/loader.js';
import { parseRule } from '../../src/rules/parser.js';
import { printRule } from '../../src/rules/print.js';

/** Beside the working tree; the compiled test stands three folders below it. */
const SHARED = process.env.SLUICE_SHARED ?? fileURLToPath(new URL('../../../../shared', import.meta.url));
const RULES = join(SHARED, 'reference', 'et-open-2024-04.rules.xz');
const skip = existsSync(RULES) ? false : 'shared reference data absent';

describe('ET Open', { skip }, () => {
  const home = '[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]';
  const groups: Record<string, string> = { HOME_NET: home, EXTERNAL_NET: '!$HOME_NET' };
  for (const name of ['HTTP', 'SMTP', 'SQL', 'DNS', 'TELNET', 'AIM']) groups[`${name}_SERVERS`] = '$HOME_NET';
  const read = () => {
    const text = execFileSync('xzcat', [RULES], { maxBuffer: 1 << 28 }).toString('latin1');
    const classes = loadClassification(join(SHARED, 'reference', 'classification.config'));
    assert.deepEqual(classes.problems, []);
    const context = ruleContext({
      addressGroups: groups,
      portGroups: {
        HTTP_PORTS: '80',
        SHELLCODE_PORTS: '!80',
        ORACLE_PORTS: '1521',
        SSH_PORTS: '22',
        FILE_DATA_PORTS: '[$HTTP_PORTS,110,143]',
      },
      classifications: classes.entries,
    });
    return { text, context };
  };

  it('loads every rule, and says which wait for an application layer', (t) => {
    const { text, context } = read();
    const started = performance.now();
    const set = loadRuleText(text, 'et-open.rules', context);
    const seconds = (performance.now() - started) / 1000;
    const rules = text.split('\n').filter((line) => /^(alert|drop|pass|reject\w*) /.test(line)).length;
    t.diagnostic(`${set.rules.length} of ${rules} rules loaded, ${Math.round(rules / seconds)} rules/s`);
    assert.deepEqual(set.problems, []);
    assert.equal(set.rules.length, rules);
    // Those that wait for an application layer; fewer when one comes.
    const waiting = new Set(set.rules.map((rule) => rule.inert));
    waiting.delete(undefined);
    const known = ['http', 'dns', 'smtp', 'tls', 'smb', 'ssh', 'file', 'ftp-data', 'dcerpc'];
    assert.deepEqual(
      [...waiting].filter((name) => !known.includes(name!)),
      [],
    );
    assert.ok(set.rules.filter((rule) => rule.inert === undefined).length > 3600);
    assert.deepEqual(set.warnings, []);
  });

  it('loaded rules print and parse back', () => {
    const { text, context } = read();
    for (const rule of loadRuleText(text, 'et-open.rules', context).rules) {
      const back = parseRule(printRule(rule), rule, context);
      back.text = rule.text;
      assert.deepEqual(back, rule);
    }
  });
});
