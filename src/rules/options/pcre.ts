import type { PcreOption } from '../byte-option.js';
import { RuleError } from '../rule-error.js';
import { shorten, trim } from '../text.js';
import { currentTests, legacyTests, type RuleState } from './option.js';

/** Flags that name a buffer (user guide, "pcre", "Suricata's modifiers"). */
const BUFFER_FLAGS: Readonly<Record<string, string>> = {
  U: 'http.uri',
  I: 'http.uri.raw',
  P: 'http.request_body',
  Q: 'http.response_body',
  H: 'http.header',
  D: 'http.header.raw',
  M: 'http.method',
  C: 'http.cookie',
  S: 'http.stat_code',
  Y: 'http.stat_msg',
  V: 'http.user_agent',
  W: 'http.host',
  Z: 'http.host.raw',
};

/** The sticky buffer that a flag of pcre stands for; undefined for the other flags. */
export function bufferOfPcreFlag(flag: string): string | undefined {
  return Object.hasOwn(BUFFER_FLAGS, flag) ? BUFFER_FLAGS[flag] : undefined;
}

/** `/expression/flags`, then `, flow:name` or the like for each capture. Groups called flow_x, pkt_x, alert_x name theirs themselves. */
export function pcre(state: RuleState, value: string, negated: boolean): void {
  const { expression, letters, captures } = split(value);
  const pattern = asciiPattern(expression);
  if (pattern === '') throw new RuleError('pcre', 'has an empty expression');
  const option: PcreOption = { kind: 'pcre', pattern, negated, flags: '', relative: false };
  if (captures.length > 0) option.captures = captures;
  let buffer = '';
  for (const letter of letters) {
    const named = bufferOfPcreFlag(letter);
    if (letter === 'R') option.relative = true;
    // B as rawbytes: no effect. O: the configured limits hold for all.
    else if (letter === 'B' || letter === 'O') continue;
    else if ('ismxAEG'.includes(letter)) option.flags += option.flags.includes(letter) ? '' : letter;
    else if (named === undefined) throw new RuleError('pcre', `unknown flag "${letter}"`);
    else if (buffer !== '' && buffer !== named)
      throw new RuleError('pcre', `has flags of two buffers, ${buffer} and ${named}: it takes one`);
    else buffer = named;
  }
  // Q and file_data are one and the same buffer in Suricata.
  if (buffer !== '' && (buffer === state.buffer || (buffer === 'http.response_body' && state.buffer === 'file.data'))) buffer = '';
  if (buffer !== '' && state.buffer !== '') {
    throw new RuleError('pcre', `has a flag for ${buffer}, and ${state.buffer} is set: write ${buffer} before it, or pkt_data`);
  }
  const wrong = state.context.checkPcre?.(option.pattern, option.flags) ?? '';
  if (wrong !== '') throw new RuleError('pcre', `does not compile: ${wrong}`);
  (buffer === '' ? currentTests(state) : legacyTests(state, buffer)).push(option);
  state.last = option;
}

function split(value: string): { expression: string; letters: string; captures: string[] } {
  const text = trim(value);
  // Names of captures may have a slash, so the list is looked for first.
  const list = /\/[A-Za-z]*\s*,\s*(?:flow|pkt|alert):/.exec(text);
  const end = list === null ? text.lastIndexOf('/') : list.index;
  if (text[0] !== '/' || end <= 0) throw new RuleError('pcre', `takes "/expression/flags", got "${shorten(value)}"`);
  const [letters, ...captures] = text
    .slice(end + 1)
    .split(',')
    .map(trim);
  for (const capture of captures) {
    if (!/^(?:flow|pkt|alert):[^\s":;]+$/.test(capture)) {
      throw new RuleError('pcre', `captures go to flow:name, pkt:name or alert:name, got "${shorten(capture)}"`);
    }
  }
  return { expression: text.slice(1, end), letters, captures };
}

/**
 * Bytes above 0x7f as \xHH, so that the expression is plain ASCII wherever it goes: it is matched
 * byte by byte either way. Inside \Q...\E, where \x is literal, the quoting is left and resumed.
 */
function asciiPattern(pattern: string): string {
  let i = 0;
  while (i < pattern.length && pattern.charCodeAt(i) < 0x80) i++;
  if (i === pattern.length) return pattern;
  let out = '';
  let quoting = false;
  for (i = 0; i < pattern.length; i++) {
    const code = pattern.charCodeAt(i);
    if (code >= 0x80) {
      const hex = `\\x${code.toString(16).padStart(2, '0')}`;
      out += quoting ? `\\E${hex}\\Q` : hex;
    } else if (pattern[i] === '\\' && i + 1 < pattern.length) {
      const next = pattern.charCodeAt(i + 1);
      if (quoting && pattern[i + 1] !== 'E') {
        out += '\\';
        continue;
      }
      if (next >= 0x80) continue; // an escaped byte above 0x7f is that byte
      if (pattern[i + 1] === 'Q') quoting = true;
      if (pattern[i + 1] === 'E') quoting = false;
      out += pattern.slice(i, i + 2);
      i++;
    } else {
      out += pattern[i];
    }
  }
  return out;
}

export function printPcre(option: PcreOption): string {
  const captures = (option.captures ?? []).map((capture) => `,${capture}`).join('');
  return `pcre:${option.negated ? '!' : ''}"/${option.pattern}/${option.flags}${option.relative ? 'R' : ''}${captures}"`;
}
