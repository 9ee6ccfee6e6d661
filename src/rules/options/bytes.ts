import type { ByteOption, ByteTestOption, NumberField, Operand } from '../byte-option.js';
import { parseNumberTest, printNumberTest } from '../numbers.js';
import { RuleError } from '../rule-error.js';
import { parseInteger, shorten, trim } from '../text.js';
import { add, DATA_OPTIONS, type DataOption, printDataOption, targetTests } from './data.js';
import { printDataset } from './dataset.js';
import { allTests, currentTests, type OptionTable, type RuleState } from './option.js';

/** Tests on numbers in bytes and on what is there at all (user guide, "Payload Keywords"). */
export const BYTE_OPTIONS: OptionTable = {
  isdataat: { value: 'required', apply: isDataAt },
  byte_test: { value: 'required', apply: byteTest },
  byte_jump: { value: 'required', apply: byteJump },
  byte_extract: { value: 'required', apply: byteExtract },
  byte_math: { value: 'required', apply: byteMath },
  bsize: { value: 'required', apply: bsize },
  absent: { value: 'optional', apply: absent },
  ...DATA_OPTIONS,
};

const VARIABLE = /^[A-Za-z_][^\s,;"]*$/;
/** Offsets, as Suricata bounds them; byte_test takes 32 bits. */
const MAX_OFFSET = 65535;
const MAX_BINARY = 8;
const MAX_TEXT = 23;
const MAX_U64 = (1n << 64n) - 1n;

/** The name of a variable that an earlier option sets. Throws RuleError. */
export function needVariable(state: RuleState, option: string, name: string): string {
  if (!setsVariable(allTests(state.rule).concat(state.entry?.tests ?? []), name)) {
    throw new RuleError(option, `the variable ${shorten(name)} is not set: write a byte_extract or byte_math of this name before it`);
  }
  return name;
}

function setsVariable(tests: readonly ByteOption[], name: string): boolean {
  return tests.some((t) => (t.kind === 'byte_extract' || t.kind === 'byte_math') && t.name === name);
}

/** The name of a new variable. */
function newVariable(state: RuleState, option: string, name: string): string {
  if (!VARIABLE.test(name)) throw new RuleError(option, `"${shorten(name)}" is no name of a variable: it begins with a letter`);
  if (setsVariable(allTests(state.rule).concat(state.entry?.tests ?? []), name)) {
    throw new RuleError(option, `the variable ${shorten(name)} is set already: choose another name`);
  }
  return name;
}

function isDataAt(state: RuleState, value: string): void {
  const match = /^(!?)\s*([^\s,]+)\s*(,\s*relative)?\s*(,\s*rawbytes)?$/.exec(value);
  if (match === null) throw new RuleError('isdataat', `takes [!]position[,relative][,rawbytes], got "${shorten(value)}"`);
  const negated = match[1] === '!';
  const at = VARIABLE.test(match[2]) ? needVariable(state, 'isdataat', match[2]) : parseInteger('isdataat', match[2], 0, MAX_OFFSET);
  const relative = match[3] !== undefined;
  if (negated && relative && at === 1 && endsWith(targetTests(state, true))) return;
  add(state, { kind: 'isdataat', negated, at, relative, rawbytes: match[4] !== undefined }, relative);
}

/** `isdataat:!1,relative` behind a content is its endswith, as in Suricata: also of a negated one. */
function endsWith(tests: readonly ByteOption[]): boolean {
  for (let i = tests.length - 1; i >= 0; i--) {
    const t = tests[i];
    if (t.kind === 'content') {
      if (t.fastPatternOnly) return false;
      t.endswith = true;
      return true;
    }
    if (t.kind !== 'byte_test' && t.kind !== 'isdataat' && t.kind !== 'bsize') return false;
  }
  return false;
}

/** Words behind the positional ones: those of `takes` have a number or word behind them, those of `flags` nothing. */
function words(option: string, list: readonly string[], flags: string, takes: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const text of list) {
    const [name, value = '', ...more] = text.split(/\s+/);
    const key = name.toLowerCase();
    const takesValue = takes.split(' ').includes(key);
    if ((!takesValue && !flags.split(' ').includes(key)) || more.length > 0 || (value !== '') !== takesValue) {
      throw new RuleError(
        option,
        `has no parameter "${shorten(text)}": there are ${flags.replaceAll(' ', ', ')}, ${takes.replaceAll(' ', ' N, ')} N`,
      );
    }
    if (found.has(key)) throw new RuleError(option, `has ${key} twice`);
    found.set(key, value);
  }
  return found;
}

const ENDIAN = ['big', 'little', 'dce'] as const;
const BASES: Readonly<Record<string, 8 | 10 | 16>> = { oct: 8, dec: 10, hex: 16 };

/** `relative`, byte order, base and bitmask, common to all. */
function fieldOf(state: RuleState, option: string, bytes: string, offset: string, found: ReadonlyMap<string, string>): NumberField {
  const orders = ENDIAN.filter((name) => found.has(name));
  const bases = Object.keys(BASES).filter((name) => found.has(name));
  if (orders.length > 1 || bases.length > 1) throw new RuleError(option, 'has two byte orders or two bases: choose one');
  const [endian = 'big'] = orders;
  if (endian === 'dce') {
    if (found.has('string')) throw new RuleError(option, 'dce is a byte order, and text has none: leave out dce or string');
    state.rule.inert ??= 'dcerpc';
  }
  if (bases.length > 0 && !found.has('string')) throw new RuleError(option, `${bases[0]} is a base of text: write string,${bases[0]}`);
  const field: NumberField = { bytes: 0, offset: 0, relative: found.has('relative'), endian };
  if (found.has('string')) field.base = bases.length > 0 ? BASES[bases[0]] : option === 'byte_extract' || option === 'byte_math' ? 10 : 0;
  const most = field.base === undefined ? MAX_BINARY : MAX_TEXT;
  field.bytes = VARIABLE.test(bytes) ? needVariable(state, option, bytes) : parseInteger(option, bytes, 0, most);
  const bound = option === 'byte_test' ? 2 ** 31 - 1 : MAX_OFFSET;
  field.offset = VARIABLE.test(offset) ? needVariable(state, option, offset) : parseInteger(option, offset, -bound, bound);
  const mask = found.get('bitmask');
  if (mask !== undefined) {
    if (!/^(?:0x)?[0-9a-f]{1,8}$/i.test(mask) || Number.parseInt(mask, 16) === 0) {
      throw new RuleError(option, `bitmask takes up to 8 hex digits, not all 0, got "${shorten(mask)}"`);
    }
    field.bitmask = Number.parseInt(mask, 16);
  }
  return field;
}

/** A constant of up to 64 bits as C reads it (0x hex, 0 octal), or a variable. */
function operandOf(state: RuleState, option: string, text: string): Operand {
  if (VARIABLE.test(text)) return needVariable(state, option, text);
  if (!/^(?:0x[0-9a-f]{1,16}|0[0-7]{0,22}|[1-9]\d{0,19})$/i.test(text)) {
    throw new RuleError(option, `takes a number (0x for hex, a leading 0 for octal) or a variable, got "${shorten(text)}"`);
  }
  const value = /^0[0-7]/.test(text) ? BigInt(`0o${text.slice(1)}`) : BigInt(text);
  if (value > MAX_U64) throw new RuleError(option, `${shorten(text)} has more than 64 bits`);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}

const TEST_OPS = ['<', '>', '=', '<=', '>=', '&', '^'];

function byteTest(state: RuleState, value: string): void {
  const [bytes, operator = '', text = '', offset = '', ...rest] = value.split(',').map(trim);
  const match = /^(!?)\s*([<>=&^]=?|)$/.exec(operator);
  const op = match?.[2] === '' ? '=' : match?.[2];
  if (match === null || op === undefined || !TEST_OPS.includes(op) || operator === '') {
    throw new RuleError('byte_test', `has no operator "${shorten(operator)}": there are [!] with < > = <= >= & ^`);
  }
  const found = words('byte_test', rest, 'relative string dec hex oct big little dce', 'bitmask');
  const field = fieldOf(state, 'byte_test', bytes, offset, found);
  const option: ByteOption = {
    kind: 'byte_test',
    negated: match[1] === '!',
    op: op as ByteTestOption['op'],
    value: operandOf(state, 'byte_test', text),
    field,
  };
  add(state, option, field.relative);
}

function byteJump(state: RuleState, value: string): void {
  const [bytes, offset = '', ...rest] = value.split(',').map(trim);
  const flags = 'relative string dec hex oct big little dce align from_beginning from_end';
  const found = words('byte_jump', rest, flags, 'multiplier post_offset bitmask');
  const field = fieldOf(state, 'byte_jump', bytes, offset, found);
  if (found.has('from_beginning') && found.has('from_end')) {
    throw new RuleError('byte_jump', 'cannot count both from_beginning and from_end: choose one');
  }
  const multiplier = found.has('multiplier') ? parseInteger('byte_jump', found.get('multiplier')!, 1, 65535) : 1;
  const postOffset = found.has('post_offset') ? parseInteger('byte_jump', found.get('post_offset')!, -MAX_OFFSET, MAX_OFFSET) : 0;
  const from = found.has('from_beginning') ? 'beginning' : found.has('from_end') ? 'end' : 'here';
  add(state, { kind: 'byte_jump', field, multiplier, align: found.has('align'), from, postOffset }, field.relative);
}

/** Longest text that byte_extract takes of each base. */
const EXTRACT_TEXT: Readonly<Record<number, number>> = { 8: 23, 10: 20, 16: 14 };

function byteExtract(state: RuleState, value: string): void {
  const [bytes, offset = '', name = '', ...rest] = value.split(',').map(trim);
  const found = words('byte_extract', rest, 'relative string dec hex oct big little dce', 'multiplier align');
  const count = parseInteger('byte_extract', bytes, 0, found.has('string') ? MAX_TEXT : MAX_BINARY);
  const field = fieldOf(state, 'byte_extract', bytes, offset, found);
  if (field.base !== undefined) {
    const most = EXTRACT_TEXT[field.base];
    if (count > most) throw new RuleError('byte_extract', `takes at most ${most} bytes of text in base ${field.base}, got ${count}`);
    if (ENDIAN.some((word) => found.has(word)))
      throw new RuleError('byte_extract', 'text has no byte order: leave out string or big, little');
  }
  const align = found.get('align') ?? '0';
  if (!['0', '2', '4'].includes(align) || (found.has('align') && align === '0')) {
    throw new RuleError('byte_extract', `align takes 2 or 4, got "${shorten(align)}"`);
  }
  const multiplier = found.has('multiplier') ? parseInteger('byte_extract', found.get('multiplier')!, 1, 65535) : 1;
  const variable = newVariable(state, 'byte_extract', name);
  add(state, { kind: 'byte_extract', name: variable, field, multiplier, align: Number(align) as 0 | 2 | 4 }, field.relative);
}

const MATH_OPS = ['+', '-', '*', '/', '<<', '>>'] as const;

function byteMath(state: RuleState, value: string): void {
  const list = value.split(',').map(trim);
  const found = words('byte_math', list, 'relative dce', 'bytes offset oper rvalue result endian string bitmask');
  for (const name of ['bytes', 'offset', 'oper', 'rvalue', 'result']) {
    if (!found.has(name)) throw new RuleError('byte_math', `needs ${name}`);
  }
  const op = MATH_OPS.find((o) => o === found.get('oper'));
  if (op === undefined) throw new RuleError('byte_math', `oper is + - * / << or >>, got "${shorten(found.get('oper')!)}"`);
  const bytes = found.get('bytes')!;
  if (!VARIABLE.test(bytes)) parseInteger('byte_math', bytes, 1, 10);
  if (op.length === 2 && /^\d/.test(bytes)) parseInteger('byte_math', bytes, 1, 4);
  // The words that name the base and the order here are values.
  const common = new Map(found);
  if (found.has('string')) common.set(baseWord(found.get('string')!), '');
  if (found.has('endian')) {
    const endian = found.get('endian')!;
    if (found.has('dce') || !ENDIAN.some((word) => word === endian)) {
      throw new RuleError('byte_math', `endian is given once as big, little or dce, got "${shorten(endian)}"`);
    }
    common.set(endian, '');
  }
  const field = fieldOf(state, 'byte_math', bytes, found.get('offset')!, common);
  if (VARIABLE.test(found.get('offset')!)) throw new RuleError('byte_math', 'offset takes a number, not a variable');
  const operand = found.get('rvalue')!;
  const by = VARIABLE.test(operand) ? needVariable(state, 'byte_math', operand) : parseInteger('byte_math', operand, 0, 2 ** 32 - 1);
  const name = newVariable(state, 'byte_math', found.get('result')!);
  add(state, { kind: 'byte_math', name, field, op, value: by }, field.relative);
}

function baseWord(text: string): string {
  if (!Object.hasOwn(BASES, text)) throw new RuleError('byte_math', `string takes hex, dec or oct, got "${shorten(text)}"`);
  return text;
}

function bsize(state: RuleState, value: string): void {
  if (state.entry === undefined)
    throw new RuleError('bsize', 'is the size of a sticky buffer: write one before it, or dsize for the packet');
  add(state, { kind: 'bsize', test: parseNumberTest('bsize', value, Number.MAX_SAFE_INTEGER) }, false);
}

function absent(state: RuleState, value: string): void {
  if (state.entry === undefined || state.buffer === 'base64_data')
    throw new RuleError('absent', 'is about a sticky buffer: write one before it');
  if (value !== '' && value !== 'or_else') throw new RuleError('absent', `takes nothing or or_else, got "${shorten(value)}"`);
  if (currentTests(state).length > 0) throw new RuleError('absent', 'must stand once, right behind its buffer');
  add(state, { kind: 'absent', orElse: value !== '' }, false);
}

/** Canonical text of all but content and pcre. */
export function printOtherOption(option: Exclude<ByteOption, { kind: 'content' } | { kind: 'pcre' }>): string {
  switch (option.kind) {
    case 'isdataat':
      return `isdataat:${option.negated ? '!' : ''}${option.at}${option.relative ? ',relative' : ''}${option.rawbytes ? ',rawbytes' : ''}`;
    case 'byte_test': {
      const { field, op, value } = option;
      return `byte_test:${[field.bytes, `${option.negated ? '!' : ''}${op}`, value, field.offset, ...fieldWords(field)].join(',')}`;
    }
    case 'byte_jump': {
      const { field, multiplier, align, from, postOffset } = option;
      const parts: (string | number)[] = [field.bytes, field.offset, ...fieldWords(field)];
      if (multiplier !== 1) parts.push(`multiplier ${multiplier}`);
      if (align) parts.push('align');
      if (from !== 'here') parts.push(`from_${from}`);
      if (postOffset !== 0) parts.push(`post_offset ${postOffset}`);
      return `byte_jump:${parts.join(',')}`;
    }
    case 'byte_extract': {
      const { field, name, multiplier, align } = option;
      const parts: (string | number)[] = [field.bytes, field.offset, name, ...fieldWords(field)];
      if (multiplier !== 1) parts.push(`multiplier ${multiplier}`);
      if (align !== 0) parts.push(`align ${align}`);
      return `byte_extract:${parts.join(',')}`;
    }
    case 'byte_math': {
      const { field, name, op, value } = option;
      const parts = [`bytes ${field.bytes}`, `offset ${field.offset}`, `oper ${op}`, `rvalue ${value}`, `result ${name}`];
      if (field.relative) parts.push('relative');
      if (field.endian !== 'big') parts.push(`endian ${field.endian}`);
      if (field.base !== undefined) parts.push(`string ${nameOfBase(field.base)}`);
      if (field.bitmask !== undefined) parts.push(`bitmask 0x${field.bitmask.toString(16)}`);
      return `byte_math:${parts.join(',')}`;
    }
    case 'bsize':
      return `bsize:${printNumberTest(option.test)}`;
    case 'absent':
      return option.orElse ? 'absent:or_else' : 'absent';
    case 'dataset':
    case 'datarep':
      return printDataset(option);
    default:
      return printDataOption(option satisfies DataOption);
  }
}

function fieldWords(field: NumberField): string[] {
  const out: string[] = [];
  if (field.relative) out.push('relative');
  if (field.endian !== 'big') out.push(field.endian);
  if (field.base !== undefined) out.push('string');
  if (field.base !== undefined && field.base !== 0) out.push(nameOfBase(field.base));
  if (field.bitmask !== undefined) out.push(`bitmask 0x${field.bitmask.toString(16)}`);
  return out;
}

function nameOfBase(base: number): string {
  return Object.keys(BASES).find((name) => BASES[name] === base)!;
}
