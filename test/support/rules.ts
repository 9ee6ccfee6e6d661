import assert from 'node:assert/strict';
import { type RuleContext, ruleContext } from '../../src/rules/context.js';
import { parseRule } from '../../src/rules/parser.js';
import type { Rule } from '../../src/rules/rule.js';
import { RuleError } from '../../src/rules/rule-error.js';

export const CONTEXT: RuleContext = ruleContext({
  addressGroups: { HOME_NET: '[10.0.0.0/8,192.168.0.0/16]', EXTERNAL_NET: '!$HOME_NET' },
  portGroups: { HTTP_PORTS: '80' },
  classifications: new Map([
    ['misc-attack', { name: 'misc-attack', description: 'Misc Attack', priority: 2 }],
    ['trojan-activity', { name: 'trojan-activity', description: 'A Network Trojan was detected', priority: 1 }],
  ]),
});

export function parse(text: string, context: RuleContext = CONTEXT): Rule {
  return parseRule(text, { file: 'test.rules', line: 1 }, context);
}

/** A rule with these options; the header is for the protocol. */
export function withOptions(options: string, proto = 'tcp'): Rule {
  return parse(`alert ${proto} any any -> any any (${options} sid:1;)`);
}

/** Asserts that the text is refused with this option at fault and a reason that matches. */
export function refused(run: () => unknown, option: string, reason: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof RuleError, String(error));
    assert.equal(error.option, option, error.reason);
    assert.match(error.reason, reason);
    return true;
  });
}

/** Bytes of a text, char by char. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
