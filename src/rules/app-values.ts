/** Values of the tests on application layers that have a runtime (src/detect/tests/app.ts). */
import { RCODE_NAMES, TYPE_NAMES } from '../app-layer/dns/codes.js';
import { FtpCommand } from '../app-layer/ftp/commands.js';
import type { AppOption } from './app-option.js';
import { stateTest } from './app-states.js';
import { FILE_TESTS, fileSizeTest } from './file-values.js';
import { parseNumberTest, UINT16_MAX, UINT32_MAX } from './numbers.js';
import type { NumberTest } from './packet-option.js';

/** `urilen:<number test>[,norm|,raw]`; undefined: another form, as in a rule that is only known by name. */
export function urilenOf(value: string): { test: NumberTest; raw: boolean } | undefined {
  const match = /^(.*?)\s*(?:,\s*(norm|raw)\s*)?$/s.exec(value);
  const test = match === null ? undefined : numberOf('urilen', match[1].trim(), UINT16_MAX);
  return test && { test, raw: match![2] === 'raw' };
}

function numberOf(keyword: string, text: string, max: number): NumberTest | undefined {
  try {
    return parseNumberTest(keyword, text, max);
  } catch {
    return undefined;
  }
}

/** As it was written: a `!` belongs to the first of several, or to the number. */
export function written({ negated, value }: AppOption): string {
  return negated ? `!${value}` : value;
}

const DNS_RCODES = new Map(RCODE_NAMES.map((name, code): [string, number] => [name.toLowerCase(), code]));
const DNS_TYPES = new Map([...TYPE_NAMES].map(([code, name]): [string, number] => [name.toLowerCase(), code]));

/** Largest value, and names for some, of the keywords that test one number. */
const NUMBERS: Readonly<Record<string, { max: number; names?: ReadonlyMap<string, number> }>> = {
  'dns.opcode': { max: 255 },
  'dns.rcode': { max: UINT16_MAX, names: DNS_RCODES },
  'dns.rrtype': { max: UINT16_MAX, names: DNS_TYPES },
  'tls.cert_chain_len': { max: UINT32_MAX },
  'ftp.dynamic_port': { max: UINT16_MAX },
};

/** The test of dns.opcode, dns.rcode, dns.rrtype, tls.cert_chain_len; undefined: another keyword, or a form that is not known. */
export function numberOption(option: AppOption): NumberTest | undefined {
  if (!Object.hasOwn(NUMBERS, option.keyword)) return undefined;
  const { max, names } = NUMBERS[option.keyword];
  const named = names?.get(option.value.toLowerCase());
  if (named !== undefined) return { op: option.negated ? '!=' : '=', a: named, b: 0 };
  return numberOf(option.keyword, written(option), max);
}

const TLS_VERSIONS: Readonly<Record<string, number>> = { '1.0': 0x0301, '1.1': 0x0302, '1.2': 0x0303, '1.3': 0x0304 };

/** `tls.version:1.2` (in quotes or not), or the number on the wire (0x0303); undefined: neither. */
export function tlsVersionCode(value: string): number | undefined {
  const text = unquoted(value);
  if (/^0x[0-9a-f]{1,4}$/i.test(text)) return Number.parseInt(text, 16);
  return Object.hasOwn(TLS_VERSIONS, text) ? TLS_VERSIONS[text] : undefined;
}

export function unquoted(value: string): string {
  return value.replace(/^"(.*)"$/s, '$1');
}

/** Names of ssl_version; 0x7fxx, drafts of TLS 1.3, count as TLS 1.3. */
const SSL_VERSIONS: Readonly<Record<string, number>> = {
  sslv2: 0x0200,
  sslv3: 0x0300,
  'tls1.0': 0x0301,
  'tls1.1': 0x0302,
  'tls1.2': 0x0303,
  'tls1.3': 0x0304,
};

/** `ssl_version:tls1.0,tls1.1` is any of these; with `!` before each, none of them. undefined: another form. */
export function sslVersions(option: AppOption): { codes: number[]; negated: boolean } | undefined {
  const items = listed(option, /,/, SSL_VERSIONS);
  return items?.every(({ negated }) => negated === option.negated)
    ? { codes: items.map(({ value }) => value), negated: option.negated }
    : undefined;
}

/** Bits of src/app-layer/tls/tests.ts, SslState; `unknown` is one more. */
const SSL_STATES: Readonly<Record<string, number>> = { client_hello: 1, server_hello: 2, client_keyx: 4, server_keyx: 8, unknown: 16 };

/** `ssl_state:client_hello|!server_hello`: any of these seen, or not yet seen. */
export function sslStates(option: AppOption): { mask: number; negated: number } | undefined {
  const items = listed(option, /[|,]/, SSL_STATES);
  return (
    items && {
      mask: items.reduce((bits, { value }) => bits | value, 0),
      negated: items.reduce((bits, { value, negated }) => (negated ? bits | value : bits), 0),
    }
  );
}

function listed(
  option: AppOption,
  separator: RegExp,
  names: Readonly<Record<string, number>>,
): { value: number; negated: boolean }[] | undefined {
  const items = written(option)
    .split(separator)
    .map((part) => /^\s*(!?)\s*(.*?)\s*$/s.exec(part)!)
    .map(([, sign, name]) => ({ name: name.toLowerCase(), negated: sign === '!' }));
  return items.every(({ name }) => Object.hasOwn(names, name))
    ? items.map(({ name, negated }) => ({ value: names[name], negated }))
    : undefined;
}

/** tls_cert_notbefore, tls_cert_notafter: seconds since 1970; `=` alone has one. */
export interface DateTest {
  op: '=' | '<' | '>' | '<>';
  a: number;
  b: number;
}

/** `2020-01-01`, `>2020-01-01T10:20:30`, `2020-01-01<>2021-01-01`; seconds since 1970 are a date, too. undefined: another form. */
export function dateTest(option: AppOption): DateTest | undefined {
  if (option.negated) return undefined;
  const [first, second, more] = unquoted(option.value).split('<>');
  if (more !== undefined) return undefined;
  if (second !== undefined) {
    const a = seconds(first);
    const b = seconds(second);
    return a !== undefined && b !== undefined && a < b ? { op: '<>', a, b } : undefined;
  }
  const op = first[0] === '<' || first[0] === '>' ? first[0] : '=';
  const a = seconds(op === '=' ? first : first.slice(1));
  return a === undefined ? undefined : { op, a, b: 0 };
}

const DATE = /^(\d{4})-(\d\d?)(?:-(\d\d?)(?:[T ](\d\d?)(?::(\d\d?)(?::(\d\d?))?)?)?)?$/;

function seconds(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d{5,12}$/.test(trimmed)) return Number(trimmed);
  const match = DATE.exec(trimmed);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1).map((part) => (part === undefined ? undefined : Number(part)));
  return Date.UTC(year!, month! - 1, day ?? 1, hour ?? 0, minute ?? 0, second ?? 0) / 1000;
}

const TEXTS = new Set(['tls.subject', 'tls.issuerdn', 'tls.fingerprint', 'ssh.protoversion', 'ssh.softwareversion']);

/** Words that keywords of FTP test, and the number that each stands for (src/app-layer/ftp/tests.ts). */
const FTP_WORDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'ftp.mode': { active: 1, passive: 0 },
  'ftp.reply_received': { yes: 1, on: 1, true: 1, 1: 1, no: 0, off: 0, false: 0, 0: 0 },
  ftpdata_command: { retr: FtpCommand.Retr, stor: FtpCommand.Stor },
  'ftpdata.command': { retr: FtpCommand.Retr, stor: FtpCommand.Stor },
};

/** The number that ftp.mode, ftp.reply_received or ftpdata_command asks for; undefined: another keyword, or a word that is not known. */
export function ftpWord(option: AppOption): number | undefined {
  if (!Object.hasOwn(FTP_WORDS, option.keyword)) return undefined;
  const words = FTP_WORDS[option.keyword];
  const word = unquoted(option.value).toLowerCase();
  return Object.hasOwn(words, word) ? words[word] : undefined;
}

/** The option can be tested, once its protocol has a parser. */
export function hasRuntime(option: AppOption): boolean {
  const { keyword, value } = option;
  switch (keyword) {
    case 'urilen':
      return urilenOf(written(option)) !== undefined;
    case 'tls.version':
      return tlsVersionCode(value) !== undefined;
    case 'ssl_version':
      return sslVersions(option) !== undefined;
    case 'ssl_state':
      return sslStates(option) !== undefined;
    case 'tls_cert_notbefore':
    case 'tls_cert_notafter':
      return dateTest(option) !== undefined;
    case 'filesize':
      return fileSizeTest(option) !== undefined;
    case 'tls_cert_expired':
    case 'tls_cert_valid':
      return true;
    case 'app-layer-state':
      return option.proto !== undefined && typeof stateTest(option.proto, value) === 'object';
    default:
      return TEXTS.has(keyword) || FILE_TESTS.has(keyword) || numberOption(option) !== undefined || ftpWord(option) !== undefined;
  }
}
