import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../src/config/config.js';
import { loadConfig } from '../src/config/load.js';
import { literalOf } from '../src/detect/literal.js';
import { SluiceError } from '../src/errors.js';
import { loadClassification } from '../src/rules/classification.js';
import { type RuleContext, ruleContext } from '../src/rules/context.js';
import { loadRuleText } from '../src/rules/loader.js';
import { parseRule } from '../src/rules/parser.js';
import type { Rule } from '../src/rules/rule.js';
import { RuleError } from '../src/rules/rule-error.js';
import { REFERENCE } from './replay-capture.js';

export const ET_OPEN = join(REFERENCE, 'et-open-2024-04.rules.xz');
export const PEER_YAML = join(REFERENCE, 'peer.yaml');

/** The reference configuration with every output off. */
export function benchConfig(path: string): Config {
  const { config } = loadConfig(path);
  config.outputs.fast.enabled = config.outputs.stats.enabled = config.outputs.eve.enabled = false;
  return config;
}

/** The text of a rule file, .xz or plain, one char per byte. */
export function ruleText(path: string): string {
  if (!path.endsWith('.xz')) return readFileSync(path, 'latin1');
  const { status, stdout, error } = spawnSync('xz', ['-dc', path], { maxBuffer: 1 << 30, encoding: 'latin1' });
  if (status !== 0)
    throw new SluiceError('SLUICE_RULE', `${path}: xz does not unpack it${error ? ` (${error.message})` : ''}; is it there and whole?`);
  return stdout;
}

export function benchContext(config: Config): RuleContext {
  return ruleContext({
    addressGroups: config.vars.addressGroups,
    portGroups: config.vars.portGroups,
    classifications: loadClassification(join(REFERENCE, 'classification.config')).entries,
  });
}

/** What loads of the files, as it stands. */
export function loadedRules(files: string[], config: Config): Rule[] {
  const context = benchContext(config);
  return files.flatMap((file) => loadRuleText(ruleText(file), file, context).rules);
}

/** Keywords that mean the same on a payload as on an application layer buffer. */
const KEPT = new Set(
  'content nocase depth offset distance within fast_pattern pcre flow flowbits dsize flags itype icode byte_test byte_jump isdataat threshold detection_filter noalert sid rev classtype msg'.split(
    ' ',
  ),
);
/** Left out when the rule does not load with them. */
const PLAIN = new Set('content nocase fast_pattern flow sid rev classtype msg'.split(' '));
const APP_PROTO =
  /^(\S+)\s+(http|http1|http2|dns|tls|ssl|ftp|ftp-data|smtp|ssh|smb|dcerpc|tftp|ike|krb5|snmp|nfs|rdp|dhcp|quic|sip|rfb|mqtt|modbus|enip|dnp3|nntp|imap)\s/;

/**
 * Rules that all run: those of `files` with application layer buffers and modifiers taken off, so that what they look for is
 * looked for in payloads. Not what they mean, but as many literals, ports and tests as a network's rule set has.
 */
export function payloadRules(files: string[], config: Config): Rule[] {
  const context = benchContext(config);
  const rules: Rule[] = [];
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  for (const file of files) {
    let line = 0;
    for (const text of ruleText(file).split('\n')) {
      line++;
      if (!/^(alert|drop|reject|pass)\s/.test(text)) continue;
      const whole = parsed(text, line, context);
      const rule = whole ?? parsed(stripped(text, KEPT), line, context) ?? parsed(stripped(text, PLAIN), line, context);
      // What is short enough for a buffer of a few bytes is nothing to look for in payloads.
      if (rule !== null && (rule === whole || (literalOf(rule)?.bytes.length ?? 0) > 2)) rules.push(rule);
    }
  }
  Error.stackTraceLimit = limit;
  return rules;
}

/** Null: does not load, or would not run. */
function parsed(text: string, line: number, context: RuleContext): Rule | null {
  try {
    const rule = parseRule(text, { file: 'payload', line }, context);
    return rule.inert !== undefined || rule.buffers.length > 0 || rule.appProto !== undefined ? null : rule;
  } catch (error) {
    if (error instanceof RuleError) return null;
    throw error;
  }
}

function stripped(text: string, kept: ReadonlySet<string>): string {
  const open = text.indexOf('(');
  const header = text
    .slice(0, open)
    .replace(APP_PROTO, (_, action, proto) => `${action} ${/dns|tftp|ike|snmp|dhcp|quic|sip/.test(proto) ? 'udp' : 'tcp'} `);
  const options = text.slice(open + 1, text.lastIndexOf(')')).match(/(?:\\.|[^;\\])+;/g) ?? [];
  const rest = options.filter((option) => kept.has(option.trim().split(/[:;]/, 1)[0]));
  // The letters that name a buffer of HTTP.
  return `${header}(${rest.map((o) => o.trim().replace(/^(pcre:.*\/)([a-zA-Z]*)(";)$/, (_, head, flags, tail) => head + flags.replace(/[UIPHDMCSYVWQ]/g, '') + tail)).join(' ')})`;
}
