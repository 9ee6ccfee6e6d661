import type { HeaderOption } from '../rule.js';
import { RuleError } from '../rule-error.js';
import type { BitTrack, Effect, FlowIntValue, StateOption } from '../state-option.js';
import { parseInteger, shorten, trim } from '../text.js';
import { iprep, printIpRep } from './iprep.js';
import type { OptionTable, RuleState } from './option.js';
import { printTag, tag } from './tag.js';

/** What rules remember: flowbits, flowint, xbits, hostbits, tag, iprep (user guide, chapters of these names). */
export const STATE_OPTIONS: OptionTable = {
  flowbits: { value: 'required', apply: flowbits },
  flowint: { value: 'required', apply: flowint },
  xbits: { value: 'required', apply: xbits },
  hostbits: { value: 'required', apply: hostbits },
  tag: { value: 'required', apply: tag },
  iprep: { value: 'required', apply: iprep },
};

const KINDS: ReadonlySet<string> = new Set<StateOption['kind']>(['flowbits', 'flowint', 'xbits', 'hostbits', 'iprep']);

export function isStateOption(o: HeaderOption): o is StateOption {
  return KINDS.has(o.kind);
}

/** Bytes of a name: longer ones are a mistake. */
const MAX_NAME = 256;

function checkName(option: string, name: string): string {
  if (name === '') throw new RuleError(option, 'needs a name');
  if (/\s/.test(name)) throw new RuleError(option, `a name has no spaces, got "${shorten(name)}"`);
  if (name.length > MAX_NAME) throw new RuleError(option, `a name has at most ${MAX_NAME} characters`);
  return name;
}

const TESTS = new Set(['isset', 'isnotset']);
const CHANGES = new Set(['set', 'unset', 'toggle']);

/** `cmd,name` and `isset,a|b`; `noalert` alone. */
function flowbits({ rule }: RuleState, value: string): void {
  const comma = value.indexOf(',');
  const op = trim(comma < 0 ? value : value.slice(0, comma));
  if (op === 'noalert') {
    if (comma >= 0) throw new RuleError('flowbits', 'noalert takes no name');
    rule.noalert = true;
    return;
  }
  if (!TESTS.has(op) && !CHANGES.has(op))
    throw new RuleError('flowbits', `takes set, unset, toggle, isset, isnotset or noalert, got "${shorten(op)}"`);
  if (comma < 0) throw new RuleError('flowbits', `${op} needs a name: flowbits:${op},name`);
  const names = value
    .slice(comma + 1)
    .split('|')
    .map((name) => checkName('flowbits', trim(name)));
  if (TESTS.has(op)) {
    rule.header.push({ kind: 'flowbits', op: op as 'isset', names });
    return;
  }
  if (names.length > 1) throw new RuleError('flowbits', `${op} takes one name: | is for isset and isnotset`);
  rule.effects.push({ kind: 'flowbits', op: op as 'set', name: names[0] });
}

const INT_NAME = /^[A-Za-z][\w./-]*$/;
const INT_TESTS = new Set(['<', '<=', '>', '>=', '==', '!=']);

/** `name,op[,value]`: compares and changes; a value is a number or another name. */
function flowint({ rule }: RuleState, value: string): void {
  const parts = value.split(',').map(trim);
  if (parts.length < 2 || parts.length > 3) throw new RuleError('flowint', `takes name,operator[,value], got "${shorten(value)}"`);
  const [name, op, right] = parts;
  if (!INT_NAME.test(name) || name.length > MAX_NAME) throw new RuleError('flowint', `a name begins with a letter, got "${shorten(name)}"`);
  if (op === 'isset' || op === 'notset' || op === 'isnotset') {
    if (right !== undefined) throw new RuleError('flowint', `${op} takes no value`);
    rule.header.push({ kind: 'flowint', op: op === 'isset' ? 'isset' : 'notset', name });
    return;
  }
  const test = INT_TESTS.has(op);
  if (!test && op !== '=' && op !== '+' && op !== '-')
    throw new RuleError('flowint', `takes + - = < <= > >= == != isset or notset, got "${shorten(op)}"`);
  if (right === undefined || right === '') throw new RuleError('flowint', `${op} needs a number or a name: flowint:${name},${op},1`);
  const operand: FlowIntValue = /^\d/.test(right) ? parseInteger('flowint', right, 0, 0xffffffff) : right;
  if (typeof operand === 'string' && !INT_NAME.test(operand))
    throw new RuleError('flowint', `takes a number from 0 to 4294967295 or a name, got "${shorten(right)}"`);
  if (test) rule.header.push({ kind: 'flowint', op: op as '<', name, value: operand });
  else rule.effects.push({ kind: 'flowint', op: op as '=', name, value: operand });
}

const XBITS_EXPIRE = 30;
const HOSTBITS_EXPIRE = 300;
const MAX_SECONDS = 0x7fffffff;

/** `cmd,name,track T[,expire S]`; `noalert`. */
function xbits({ rule }: RuleState, value: string): void {
  const [op, name, ...rest] = value.split(',').map(trim);
  if (op === 'noalert' && name === undefined) {
    rule.noalert = true;
    return;
  }
  let track = '';
  let expire = XBITS_EXPIRE;
  for (const [i, part] of rest.entries()) {
    const match = /^(track|expire)\s+(\S+)$/.exec(part);
    if (match === null || (match[1] === 'track') !== (i === 0) || i > 1)
      throw new RuleError('xbits', `takes cmd,name,track T[,expire seconds], got "${shorten(value)}"`);
    if (match[1] === 'track') track = match[2];
    else expire = parseInteger('xbits', match[2], 1, MAX_SECONDS);
  }
  if (track !== 'ip_src' && track !== 'ip_dst' && track !== 'ip_pair' && track !== 'tx')
    throw new RuleError('xbits', `needs track ip_src, ip_dst, ip_pair or tx, got "${shorten(track)}"`);
  if (track === 'tx') {
    checkCommand('xbits', op);
    rule.inert ??= 'xbits of transactions';
    return;
  }
  bits(rule, 'xbits', op, name ?? '', track, expire);
}

/** `cmd,name[,src|dst|both[,expire]]`; `noalert`. */
function hostbits({ rule }: RuleState, value: string): void {
  const [op, name, side = 'src', seconds, ...more] = value.split(',').map(trim);
  if (op === 'noalert' && name === undefined) {
    rule.noalert = true;
    return;
  }
  if (more.length > 0) throw new RuleError('hostbits', `takes cmd,name[,src|dst|both[,expire]], got "${shorten(value)}"`);
  const track = ({ src: 'ip_src', dst: 'ip_dst', both: 'both' } as const)[side];
  if (track === undefined) throw new RuleError('hostbits', `direction is src, dst or both, got "${shorten(side)}"`);
  const expire = seconds === undefined ? HOSTBITS_EXPIRE : parseInteger('hostbits', seconds.replace(/^expire\s+/, ''), 1, MAX_SECONDS);
  bits(rule, 'hostbits', op, name ?? '', track, expire);
}

function checkCommand(kind: string, op: string): void {
  if (!TESTS.has(op) && !CHANGES.has(op))
    throw new RuleError(kind, `takes set, unset, toggle, isset, isnotset or noalert, got "${shorten(op)}"`);
}

function bits(rule: RuleState['rule'], kind: 'xbits' | 'hostbits', op: string, name: string, track: BitTrack, expire: number): void {
  checkCommand(kind, op);
  checkName(kind, name);
  if (TESTS.has(op)) rule.header.push({ kind, op: op as 'isset', name, track });
  else rule.effects.push({ kind, op: op as 'set', name, track, expire });
}

const SIDES = { ip_src: 'src', ip_dst: 'dst', ip_pair: '', both: 'both' } as const;

/** Canonical text. */
export function printStateOption(option: StateOption): string {
  switch (option.kind) {
    case 'flowbits':
      return `flowbits:${option.op},${option.names.join('|')}`;
    case 'flowint':
      return 'value' in option ? `flowint:${option.name},${option.op},${option.value}` : `flowint:${option.name},${option.op}`;
    case 'xbits':
      return `xbits:${option.op},${option.name},track ${option.track}`;
    case 'hostbits':
      return `hostbits:${option.op},${option.name},${SIDES[option.track]}`;
    case 'iprep':
      return printIpRep(option);
  }
}

/** Canonical text. */
export function printEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'flowbits':
      return `flowbits:${effect.op},${effect.name}`;
    case 'flowint':
      return `flowint:${effect.name},${effect.op},${effect.value}`;
    case 'xbits':
      return `xbits:${effect.op},${effect.name},track ${effect.track},expire ${effect.expire}`;
    case 'hostbits':
      return `hostbits:${effect.op},${effect.name},${SIDES[effect.track]},${effect.expire}`;
    case 'tag':
      return printTag(effect);
  }
}
