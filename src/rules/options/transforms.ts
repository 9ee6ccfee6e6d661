import { RuleError } from '../rule-error.js';
import { parseInteger, shorten, trim } from '../text.js';
import { DEFAULT_INFLATED, MAX_INFLATED, type Transform } from '../transform.js';
import { addTransform, type OptionSpec, type OptionTable } from './option.js';

/** Without a value. */
const PLAIN =
  'dotprefix to_lowercase to_uppercase to_md5 to_sha1 to_sha256 url_decode strip_whitespace compress_whitespace header_lowercase strip_pseudo_headers domain tld';

/** Transforms of the sticky buffer that is set (user guide, "Transformations"). */
export const TRANSFORM_OPTIONS: OptionTable = {
  ...Object.fromEntries(
    PLAIN.split(' ').map((name): [string, OptionSpec] => [
      name,
      { value: 'none', apply: (state) => addTransform(state, { name, value: '' }) },
    ]),
  ),
  xor: { value: 'required', quoted: 'maybe', apply: (state, value) => addTransform(state, { name: 'xor', value: xorKey(value) }) },
  pcrexform: {
    value: 'required',
    quoted: 'maybe',
    apply(state, value) {
      const wrong = state.context.checkPcre?.(value, '') ?? '';
      if (wrong !== '') throw new RuleError('pcrexform', `does not compile: ${wrong}`);
      addTransform(state, { name: 'pcrexform', value });
    },
  },
  from_base64: { value: 'optional', apply: (state, value) => addTransform(state, { name: 'from_base64', value: base64(value) }) },
  gunzip: { value: 'optional', apply: (state, value) => addTransform(state, { name: 'gunzip', value: maxSize('gunzip', value) }) },
  zlib_deflate: {
    value: 'optional',
    apply: (state, value) => addTransform(state, { name: 'zlib_deflate', value: maxSize('zlib_deflate', value) }),
  },
  subslice: { value: 'required', apply: (state, value) => addTransform(state, { name: 'subslice', value: slice(value) }) },
  // What it decodes is not documented: it waits.
  unicode_decode: {
    value: 'none',
    apply(state) {
      addTransform(state, { name: 'unicode_decode', value: '' });
      state.rule.inert ??= 'unicode_decode';
    },
  },
  luaxform: {
    value: 'required',
    apply(state, value) {
      addTransform(state, { name: 'luaxform', value });
      state.rule.inert ??= 'lua';
    },
  },
};

/** Hex digits of the bytes the buffer is combined with, over and over. */
function xorKey(value: string): string {
  if (!/^(?:[0-9a-fA-F]{2}){1,255}$/.test(value))
    throw new RuleError('xor', `takes 1 to 255 bytes as pairs of hex digits, got "${shorten(value)}"`);
  return value.toLowerCase();
}

const MODES = new Set(['strict', 'rfc4648', 'rfc2045']);

function base64(value: string): string {
  const fields = new Map<string, string>();
  for (const part of value === '' ? [] : value.split(',')) {
    const match = /^(bytes|offset|mode)\s*:?\s+(\S+)$/.exec(trim(part));
    if (match === null) throw new RuleError('from_base64', `takes "bytes N, offset N, mode M", got "${shorten(trim(part))}"`);
    if (fields.has(match[1])) throw new RuleError('from_base64', `${match[1]} is given twice`);
    fields.set(match[1], match[2]);
  }
  const out: string[] = [];
  for (const name of ['bytes', 'offset']) {
    const text = fields.get(name);
    if (text !== undefined) out.push(`${name} ${parseInteger('from_base64', text, name === 'bytes' ? 1 : 0, 65535)}`);
  }
  const mode = fields.get('mode');
  if (mode !== undefined) {
    if (!MODES.has(mode)) throw new RuleError('from_base64', `mode is strict, rfc4648 or rfc2045, got "${shorten(mode)}"`);
    out.push(`mode ${mode}`);
  }
  return out.join(', ');
}

function maxSize(name: string, value: string): string {
  if (value === '') return '';
  const match = /^max-size\s+(\d+)\s*(kb|kib|mb|mib)?$/i.exec(value);
  const unit = match?.[2]?.[0].toLowerCase();
  const size = match === null ? 0 : Number(match[1]) * (unit === 'k' ? 1024 : unit === 'm' ? 1024 * 1024 : 1);
  if (!(size >= 1 && size <= MAX_INFLATED)) throw new RuleError(name, `takes "max-size N", 1 to 16mb, got "${shorten(value)}"`);
  return size === DEFAULT_INFLATED ? '' : `max-size ${size}`;
}

function slice(value: string): string {
  const match = /^(-?\d{1,6})\s*(?:[,:]\s*(-?\d{1,6}))?$/.exec(value);
  if (match === null)
    throw new RuleError('subslice', `takes "from" or "from,to", negative ones counted from the end; got "${shorten(value)}"`);
  const plain = (digits: string) => String(Number(digits) + 0);
  return match[2] === undefined ? plain(match[1]) : `${plain(match[1])},${plain(match[2])}`;
}

/** Text that the parser takes back as it was: quoted where blanks or quotes would be lost. */
export function printTransform({ name, value }: Transform): string {
  if (value === '') return name;
  return name === 'pcrexform' || name === 'xor' ? `${name}:"${value}"` : `${name}:${value}`;
}
