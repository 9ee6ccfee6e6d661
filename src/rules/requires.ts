import { RuleError } from './rule-error.js';
import { shorten, trim } from './text.js';

/** A sound rule for another version or build: left out without an error. */
export class RuleSkipped extends RuleError {}

/** The version of Suricata whose rule language this is. */
export const COMPATIBLE_VERSION: readonly [number, number, number] = [8, 0, 7];

/** Features of a Suricata build that are here; names as in `suricata --build-info`. */
const FEATURES: ReadonlySet<string> = new Set(['nfqueue', 'output::eve-log']);

/**
 * The `requires` of a rule, which speaks before any other keyword is looked at (user guide, "Meta Keywords", "requires").
 * `text`: the rule's options. Throws RuleSkipped when it is not met, RuleError when it is malformed.
 */
export function checkRequires(text: string, knows: (keyword: string) => boolean): void {
  if (!text.includes('requires')) return;
  // A `;` counts unless a backslash stands before it, as everywhere in rules.
  for (const option of text.split(/(?<!\\);/)) {
    const match = /^\s*requires\s*:([\s\S]*)$/.exec(option);
    if (match !== null) check(trim(match[1]), knows);
  }
}

function check(value: string, knows: (keyword: string) => boolean): void {
  let versions = 0;
  let missing = '';
  for (const part of value.split(',').map(trim)) {
    const match = /^(\S+)\s+([\s\S]+)$/.exec(part);
    if (match === null) throw new RuleError('requires', `takes feature, keyword or version and what is required, got "${shorten(part)}"`);
    const [, what, of] = match;
    if (what === 'version' && ++versions > 1) throw new RuleError('requires', 'version may be given once');
    const met =
      what === 'version' ? versionFits(of) : what === 'feature' ? FEATURES.has(of.toLowerCase()) : what === 'keyword' ? knows(of) : false;
    if (!met) missing ||= part;
  }
  if (missing !== '') throw new RuleSkipped('requires', `${shorten(missing)}: not met, the rule is left out`);
}

/** `>= 7.0.4 < 8 | >= 8.0.3`. */
function versionFits(text: string): boolean {
  let fits = false;
  for (const alternative of text.split('|')) {
    if (!/^\s*((<=|>=|<|>)\s*\d+(\.\d+){0,2}\s*)+$/.test(alternative))
      throw new RuleError('requires', `version takes comparisons as ">= 7.0.4 < 8 | >= 8.0.3", got "${shorten(text)}"`);
    let all = true;
    for (const [, op, version] of alternative.matchAll(/(<=|>=|<|>)\s*([\d.]+)/g)) all &&= compares(op, version);
    fits ||= all;
  }
  return fits;
}

function compares(op: string, version: string): boolean {
  const parts = version.split('.').map(Number);
  let sign = 0;
  for (let i = 0; i < 3 && sign === 0; i++) sign = Math.sign(COMPATIBLE_VERSION[i] - (parts[i] ?? 0));
  return op === '<' ? sign < 0 : op === '<=' ? sign <= 0 : op === '>' ? sign > 0 : sign >= 0;
}
