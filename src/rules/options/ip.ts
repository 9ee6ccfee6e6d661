import type { ChecksumKeyword, FragBitsOption, IpOptionName, PacketOption } from '../packet-option.js';
import { IP_PROTOCOLS } from '../protocols.js';
import { RuleError } from '../rule-error.js';
import { parseInteger, shorten, trim } from '../text.js';
import type { OptionSpec, OptionTable, RuleState } from './option.js';

const IPOPTS: OptionSpec = { value: 'required', apply: ipOpts };

/** The IP header beside its plain numbers (user guide, "IP Keywords"), and checksums. */
export const IP_OPTIONS: OptionTable = {
  ip_proto: { value: 'required', apply: ipProto },
  ipopts: IPOPTS,
  'ip.opts': IPOPTS,
  fragbits: { value: 'required', apply: fragBits },
  sameip: { value: 'none', apply: ({ rule }) => void rule.header.push({ kind: 'sameip' }) },
  geoip: { value: 'required', apply: geoIp },
  l3_proto: { value: 'required', apply: l3Proto },
  'ipv4-csum': checksum('ipv4-csum'),
  'tcpv4-csum': checksum('tcpv4-csum'),
  'tcpv6-csum': checksum('tcpv6-csum'),
  'udpv4-csum': checksum('udpv4-csum'),
  'udpv6-csum': checksum('udpv6-csum'),
  'icmpv4-csum': checksum('icmpv4-csum'),
  'icmpv6-csum': checksum('icmpv6-csum'),
};

function ipProto(state: RuleState, value: string): void {
  const { rule } = state;
  if (rule.proto !== 'ip' && rule.proto !== 'ipv4' && rule.proto !== 'ipv6') {
    throw new RuleError('ip_proto', `needs the header protocol ip, this rule has ${rule.proto}`);
  }
  const match = /^([!<>])?\s*([A-Za-z0-9.-]+)$/.exec(value);
  if (match === null) throw new RuleError('ip_proto', `takes [!<>] and a protocol name or number, got "${shorten(value)}"`);
  const op = (match[1] ?? '=') as '=' | '!' | '<' | '>';
  const named = IP_PROTOCOLS.get(match[2].toLowerCase());
  if (named === undefined && !/^\d+$/.test(match[2])) throw new RuleError('ip_proto', `unknown protocol name "${shorten(match[2])}"`);
  const proto = named ?? parseInteger('ip_proto', match[2], 0, 255);
  if ((op === '<' && proto === 0) || (op === '>' && proto === 255)) throw new RuleError('ip_proto', `${value} can never match`);
  for (const other of rule.header) {
    if (other.kind === 'ip_proto' && (op === '=' || other.op === '=')) {
      throw new RuleError('ip_proto', 'one exact protocol cannot be combined with another ip_proto');
    }
  }
  rule.header.push({ kind: 'ip_proto', op, proto });
}

const IP_OPTION_NAMES: ReadonlySet<string> = new Set<IpOptionName>([
  'rr',
  'eol',
  'nop',
  'ts',
  'sec',
  'esec',
  'lsrr',
  'ssrr',
  'satid',
  'any',
]);

function ipOpts({ rule }: RuleState, value: string, _negated: boolean, name: string): void {
  const option = value.toLowerCase();
  if (!IP_OPTION_NAMES.has(option)) throw new RuleError(name, `takes one of ${[...IP_OPTION_NAMES].join(' ')}, got "${shorten(value)}"`);
  rule.header.push({ kind: 'ipopts', option: option as IpOptionName });
}

const FRAG_BITS: Record<string, number> = { R: 0x80, D: 0x40, M: 0x20 };

/** `[+*!]letters` of M, D, R; the modifier may also follow. */
function fragBits({ rule }: RuleState, value: string): void {
  const match = /^([+*!]?)\s*([MDR]+)\s*([+*!]?)$/i.exec(value);
  if (match === null) throw new RuleError('fragbits', `takes [+*!] and letters of M, D, R; got "${shorten(value)}"`);
  if (match[1] !== '' && match[3] !== '') throw new RuleError('fragbits', 'takes one modifier of + * !');
  let bits = 0;
  for (const letter of match[2].toUpperCase()) bits |= FRAG_BITS[letter];
  rule.header.push({ kind: 'fragbits', bits, modifier: (match[1] || match[3]) as FragBitsOption['modifier'] });
}

function geoIp({ rule, context }: RuleState, value: string): void {
  const parts = value.split(',').map(trim);
  const first = parts[0].toLowerCase();
  const side = first === 'dest' ? 'dst' : first;
  const named = side === 'src' || side === 'dst' || side === 'both' || side === 'any';
  const countries = (named ? parts.slice(1) : parts).map((c) => c.toUpperCase());
  const negated = countries.length > 0 && countries.every((c) => c.startsWith('!'));
  const codes = countries.map((c) => (negated ? c.slice(1) : c));
  if (codes.length === 0 || !codes.every((c) => /^[A-Z]{2}$/.test(c))) {
    throw new RuleError('geoip', `takes src, dst, both or any, then country codes of two letters: geoip:src,RU; got "${shorten(value)}"`);
  }
  if (context.geoipDatabase === undefined) {
    throw new RuleError('geoip', 'needs a GeoIP database (geoip-database in the configuration), none is configured');
  }
  rule.inert ??= 'geoip';
  rule.header.push({ kind: 'geoip', side: named ? side : 'any', negated, countries: codes });
}

function l3Proto({ rule }: RuleState, value: string): void {
  const match = /^ip(?:v)?([46])$/i.exec(value);
  if (match === null) throw new RuleError('l3_proto', `takes ipv4 or ipv6, got "${shorten(value)}"`);
  if (rule.header.some((o) => o.kind === 'l3_proto')) throw new RuleError('l3_proto', 'stands once in a rule');
  rule.header.push({ kind: 'l3_proto', version: match[1] === '4' ? 4 : 6 });
}

function checksum(keyword: ChecksumKeyword): OptionSpec {
  return {
    value: 'required',
    apply: ({ rule }, value) => {
      const word = value.replace(/^"(.*)"$/, '$1').toLowerCase();
      if (word !== 'valid' && word !== 'invalid') throw new RuleError(keyword, `takes valid or invalid, got "${shorten(value)}"`);
      rule.header.push({ kind: 'csum', keyword, valid: word === 'valid' });
    },
  };
}

type IpOption = Extract<PacketOption, { kind: 'ip_proto' | 'ipopts' | 'sameip' | 'geoip' | 'l3_proto' | 'csum' | 'fragbits' }>;

export function printIpOption(option: IpOption): string {
  switch (option.kind) {
    case 'ip_proto':
      return `ip_proto:${option.op === '=' ? '' : option.op}${option.proto}`;
    case 'ipopts':
      return `ipopts:${option.option}`;
    case 'sameip':
      return 'sameip';
    case 'geoip':
      return `geoip:${option.side},${option.countries.map((c) => (option.negated ? `!${c}` : c)).join(',')}`;
    case 'l3_proto':
      return `l3_proto:ipv${option.version}`;
    case 'csum':
      return `${option.keyword}:${option.valid ? 'valid' : 'invalid'}`;
    case 'fragbits': {
      let letters = '';
      for (const letter of 'MDR') if ((option.bits & FRAG_BITS[letter]) !== 0) letters += letter;
      return `fragbits:${option.modifier}${letters}`;
    }
  }
}
