import { parseAddresses } from './addresses.js';
import type { RuleContext } from './context.js';
import { parseHeader } from './header.js';
import { inertReason } from './inert.js';
import { SURICATA_KEYWORDS } from './keywords.js';
import { checkUsed, mergeBuffers } from './options/buffers.js';
import { checkRule } from './options/checks.js';
import type { OptionSpec, RuleState } from './options/option.js';
import { OPTIONS } from './options/table.js';
import { parsePorts } from './ports.js';
import { checkRequires } from './requires.js';
import type { Rule } from './rule.js';
import { RuleError } from './rule-error.js';
import { shorten, toByteString, toText, trim } from './text.js';

/** Where a rule stands: for messages and for the rule object. */
export interface RulePlace {
  file: string;
  line: number;
}

/**
 * Text of one rule to a rule object. `text` is a byte string (char codes 0-255, as the loader reads
 * files); a string with characters above U+00FF is taken as UTF-8. Throws RuleError and nothing else.
 */
export function parseRule(text: string, where: RulePlace, context: RuleContext): Rule {
  const bytes = trim(toByteString(text));
  if (bytes.includes('\0')) throw new RuleError('', 'has a NUL byte: not the text of a rule');
  const header = parseHeader(bytes);
  checkRequires(bytes.slice(header.optionsFrom, header.optionsTo), (keyword) => OPTIONS.has(keyword));
  const rule: Rule = {
    action: header.action,
    proto: header.proto,
    src: parseAddresses(header.src, context.addressGroups),
    srcPorts: parsePorts(header.srcPorts, context.portGroups),
    bidirectional: header.bidirectional,
    dst: parseAddresses(header.dst, context.addressGroups),
    dstPorts: parsePorts(header.dstPorts, context.portGroups),
    msg: '',
    sid: 0,
    rev: 0,
    gid: 1,
    classtype: '',
    category: '',
    priority: DEFAULT_PRIORITY,
    references: [],
    metadata: {},
    noalert: false,
    header: [],
    payload: [],
    buffers: [],
    effects: [],
    bypass: false,
    file: where.file,
    line: where.line,
    text: toText(bytes),
  };
  if (header.appProto !== undefined) rule.appProto = header.appProto;
  if (header.transactional) rule.transactional = true;
  const state: RuleState = { rule, context, buffer: '', entry: undefined, content: undefined, seen: new Set(), explicitPriority: false };
  parseOptions(bytes, header.optionsFrom, header.optionsTo, state);
  if (rule.sid === 0) throw new RuleError('sid', 'is missing: every rule needs a sid above 0');
  if (!state.explicitPriority) {
    rule.priority = context.classifications.get(rule.classtype.toLowerCase())?.priority ?? DEFAULT_PRIORITY;
  }
  checkUsed(state);
  mergeBuffers(rule);
  checkRule(rule);
  const inert = rule.inert ?? inertReason(rule);
  if (inert !== undefined) rule.inert = inert;
  return rule;
}

/** Of a rule with neither priority nor a known classtype. */
const DEFAULT_PRIORITY = 3;

/** `keyword;` and `keyword:value;` between the parentheses. */
function parseOptions(text: string, from: number, to: number, state: RuleState): void {
  let at = from;
  while (at < to) {
    const end = closingSemicolon(text, at, to);
    const option = trim(text.slice(at, end < 0 ? to : end));
    if (end < 0) {
      if (option === '') return;
      throw new RuleError(optionName(option), 'has no closing ;');
    }
    if (option === '') throw new RuleError('', 'has a ; without an option before it');
    parseOption(option, state);
    at = end + 1;
  }
}

/** The next `;` that no backslash precedes: quotes do not protect one (user guide, "Rule options"). */
function closingSemicolon(text: string, from: number, to: number): number {
  let end = text.indexOf(';', from);
  while (end > from && text[end - 1] === '\\') end = text.indexOf(';', end + 1);
  return end < to ? end : -1;
}

function optionName(option: string): string {
  const colon = option.indexOf(':');
  return trim(colon < 0 ? option : option.slice(0, colon));
}

function parseOption(option: string, state: RuleState): void {
  const colon = option.indexOf(':');
  const name = optionName(option);
  const spec = OPTIONS.get(name);
  if (spec === undefined) {
    const short = shorten(name);
    throw new RuleError(short, SURICATA_KEYWORDS.has(name) ? `keyword ${short} is not supported yet` : `unknown keyword "${short}"`);
  }
  if (spec.once === true && state.seen.has(name)) throw new RuleError(name, 'may stand only once in a rule');
  state.seen.add(name);
  const value = colon < 0 ? '' : trim(option.slice(colon + 1));
  if (spec.value === 'none' && value !== '') throw new RuleError(name, `takes no value, got "${shorten(value)}"`);
  if (spec.value === 'required' && value === '') throw new RuleError(name, 'needs a value');
  if (spec.quoted !== undefined) applyQuoted(spec, state, name, value);
  else spec.apply(state, value, false, name);
}

function applyQuoted(spec: OptionSpec, state: RuleState, name: string, value: string): void {
  const negated = value[0] === '!';
  if (negated && spec.negatable !== true) throw new RuleError(name, 'cannot be negated');
  const quoted = negated ? trim(value.slice(1)) : value;
  const last = quoted.length - 1;
  if (quoted[0] !== '"') {
    if (spec.quoted === 'yes' || quoted[last] === '"')
      throw new RuleError(name, `needs its value in double quotes, got ${shorten(quoted)}`);
    spec.apply(state, quoted, negated, name);
    return;
  }
  if (last < 1 || quoted[last] !== '"') {
    throw new RuleError(name, 'opens a quote that is not closed before the next ; (inside quotes write \\; for a semicolon)');
  }
  spec.apply(state, quoted.slice(1, last), negated, name);
}
