import type { ByteOption, ContentOption } from '../byte-option.js';
import { RuleError } from '../rule-error.js';
import { parseInteger, shorten } from '../text.js';
import { needVariable, printOtherOption } from './bytes.js';
import { allTests, contentBefore, currentTests, type OptionTable, type RuleState } from './option.js';
import { pcre, printPcre } from './pcre.js';

export { bufferOfPcreFlag } from './pcre.js';

/** Most bytes of one content. */
export const MAX_CONTENT = 65535;
/** Bounds of distance and within (user guide: 1 MB). */
const MAX_RELATIVE = 1048576;

/** content and its modifiers, pcre (user guide, "Payload Keywords"). What the rule as a whole must satisfy is in checks.ts. */
export const PAYLOAD_OPTIONS: OptionTable = {
  content: { value: 'required', quoted: 'yes', negatable: true, apply: content },
  nocase: { value: 'none', apply: (state, _value, _negated, name) => flag(state, name, 'nocase') },
  rawbytes: { value: 'none', apply: (state, _value, _negated, name) => flag(state, name, 'rawbytes') },
  startswith: { value: 'none', apply: (state, _value, _negated, name) => flag(state, name, 'startswith') },
  endswith: { value: 'none', apply: (state, _value, _negated, name) => flag(state, name, 'endswith') },
  offset: { value: 'required', apply: (state, value) => position(state, 'offset', value, 0, 65535) },
  depth: { value: 'required', apply: (state, value) => position(state, 'depth', value, 0, 65535) },
  distance: { value: 'required', apply: (state, value) => position(state, 'distance', value, -MAX_RELATIVE, MAX_RELATIVE) },
  within: { value: 'required', apply: (state, value) => position(state, 'within', value, 1, MAX_RELATIVE) },
  fast_pattern: { value: 'optional', apply: fastPattern },
  replace: { value: 'required', quoted: 'yes', apply: replace },
  pcre: { value: 'required', quoted: 'maybe', negatable: true, apply: pcre },
};

function content(state: RuleState, value: string, negated: boolean): void {
  const option: ContentOption = {
    kind: 'content',
    pattern: decodePattern('content', value),
    negated,
    nocase: false,
    startswith: false,
    endswith: false,
    fastPattern: false,
    fastPatternOnly: false,
    rawbytes: false,
  };
  currentTests(state).push(option);
  state.content = option;
  state.last = option;
}

/** Bytes of a content or replace: literal text, `|hex hex|`, and the escapes `\" \; \: \\`. */
function decodePattern(name: string, value: string): Uint8Array {
  const out = new Uint8Array(value.length);
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const char = value.charCodeAt(i);
    if (char === 0x7c) {
      const end = value.indexOf('|', i + 1);
      if (end < 0) throw new RuleError(name, 'has a | without its closing |; write |7C| for the character itself');
      length = decodeHex(name, value, i + 1, end, out, length);
      i = end;
    } else if (char === 0x5c) {
      i++;
      if (i >= value.length || !'";:\\'.includes(value[i])) {
        throw new RuleError(name, `"\\${value[i] ?? ''}" is no escape: only \\" \\; \\: \\\\ are, use |hex| for other bytes`);
      }
      out[length++] = value.charCodeAt(i);
    } else if (char === 0x22) {
      throw new RuleError(name, 'has a quote inside its quotes: write \\" or |22|');
    } else {
      out[length++] = char;
    }
  }
  if (length === 0) throw new RuleError(name, 'is empty');
  if (length > MAX_CONTENT) throw new RuleError(name, `has ${length} bytes, at most ${MAX_CONTENT} are allowed`);
  return out.slice(0, length);
}

function decodeHex(name: string, value: string, from: number, to: number, out: Uint8Array, at: number): number {
  let length = at;
  let high = -1;
  for (let i = from; i < to; i++) {
    const char = value.charCodeAt(i);
    if (char === 0x20 || char === 0x2c) continue;
    const digit = hexDigit(char);
    if (digit < 0) throw new RuleError(name, `"${value[i]}" is no hex digit in |${shorten(value.slice(from, to))}|`);
    if (high < 0) {
      high = digit;
    } else {
      out[length++] = (high << 4) | digit;
      high = -1;
    }
  }
  if (high >= 0) throw new RuleError(name, `|${shorten(value.slice(from, to))}| has an odd number of hex digits`);
  return length;
}

function hexDigit(char: number): number {
  if (char >= 0x30 && char <= 0x39) return char - 0x30;
  const lower = char | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function flag(state: RuleState, name: string, field: 'nocase' | 'rawbytes' | 'startswith' | 'endswith'): void {
  const option = contentBefore(state, name);
  // endswith may come again, or behind an isdataat:!1,relative, which is the same (Suricata, ET Open).
  if (option[field] && field !== 'endswith') throw new RuleError(name, 'is given twice for one content');
  option[field] = true;
}

function position(state: RuleState, field: 'offset' | 'depth' | 'distance' | 'within', value: string, min: number, max: number): void {
  const option = contentBefore(state, field);
  if (option[field] !== undefined) throw new RuleError(field, 'is given twice for one content');
  option[field] = /^[A-Za-z_]/.test(value) ? needVariable(state, field, value) : parseInteger(field, value, min, max);
}

/** User guide, "replace": the same number of bytes, so that nothing behind it moves; only the packet itself can be rewritten. */
function replace(state: RuleState, value: string): void {
  if (state.buffer !== '') {
    throw new RuleError('replace', `rewrites the packet: it cannot follow a content of ${state.buffer}, put it behind one of the payload`);
  }
  const option = contentBefore(state, 'replace');
  if (option.replace !== undefined) throw new RuleError('replace', 'is given twice for one content');
  if (option.negated) throw new RuleError('replace', 'cannot be used with a negated content: there is nothing to replace');
  const bytes = decodePattern('replace', value);
  if (bytes.length !== option.pattern.length) {
    throw new RuleError('replace', `has ${bytes.length} bytes, its content ${option.pattern.length}: both must have the same length`);
  }
  option.replace = bytes;
}

function fastPattern(state: RuleState, value: string): void {
  const option = contentBefore(state, 'fast_pattern');
  if (state.buffer === 'base64_data')
    throw new RuleError('fast_pattern', 'has no effect on base64_data, which is searched only when the rest matches');
  for (const other of allTests(state.rule)) {
    if (other.kind === 'content' && other.fastPattern) throw new RuleError('fast_pattern', 'can stand on only one content of a rule');
  }
  option.fastPattern = true;
  if (value === '') return;
  if (value === 'only') {
    option.fastPatternOnly = true;
    return;
  }
  const chop = /^(\d+)\s*,\s*(\d+)$/.exec(value);
  if (chop === null) throw new RuleError('fast_pattern', `takes nothing, only, or offset,length; got "${shorten(value)}"`);
  const offset = parseInteger('fast_pattern', chop[1], 0, 65535);
  const length = parseInteger('fast_pattern', chop[2], 1, 65535);
  if (offset + length > option.pattern.length) {
    throw new RuleError('fast_pattern', `${offset},${length} reaches beyond the ${option.pattern.length} bytes of its content`);
  }
  option.fastPatternChop = { offset, length };
}

/** Canonical text of the tests of one buffer; base64_data comes last, as it changes the buffer. */
export function printByteOptions(tests: readonly ByteOption[]): string[] {
  const out = tests.flatMap(printByteOption);
  for (const t of tests) if (t.kind === 'base64_decode') out.push('base64_data', ...printByteOptions(t.tests));
  return out;
}

/** Canonical text: the option and its modifiers. */
function printByteOption(option: ByteOption): string[] {
  switch (option.kind) {
    case 'content':
      return printContent(option);
    case 'pcre':
      return [printPcre(option)];
    default:
      return [printOtherOption(option)];
  }
}

function printContent(option: ContentOption): string[] {
  const out = [`content:${option.negated ? '!' : ''}"${printPattern(option.pattern)}"`];
  if (option.nocase) out.push('nocase');
  if (option.rawbytes) out.push('rawbytes');
  if (option.startswith) out.push('startswith');
  if (option.endswith) out.push('endswith');
  if (option.offset !== undefined) out.push(`offset:${option.offset}`);
  if (option.depth !== undefined) out.push(`depth:${option.depth}`);
  if (option.distance !== undefined) out.push(`distance:${option.distance}`);
  if (option.within !== undefined) out.push(`within:${option.within}`);
  if (option.replace !== undefined) out.push(`replace:"${printPattern(option.replace)}"`);
  if (option.fastPatternOnly) out.push('fast_pattern:only');
  else if (option.fastPatternChop !== undefined) out.push(`fast_pattern:${option.fastPatternChop.offset},${option.fastPatternChop.length}`);
  else if (option.fastPattern) out.push('fast_pattern');
  return out;
}

/** Printable ASCII as it is, all else in |hex|; what the grammar uses is hex too. */
function printPattern(pattern: Uint8Array): string {
  let out = '';
  let hex = false;
  for (const byte of pattern) {
    const plain = byte >= 0x20 && byte < 0x7f && !'"\\;:|'.includes(String.fromCharCode(byte));
    if (plain === hex) out += '|';
    else if (hex) out += ' ';
    hex = !plain;
    out += plain ? String.fromCharCode(byte) : byte.toString(16).toUpperCase().padStart(2, '0');
  }
  return hex ? `${out}|` : out;
}
