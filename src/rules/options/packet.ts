import { TcpFlag } from '../../decode/packet.js';
import { parseNumberTest, printNumberTest } from '../numbers.js';
import type { FlagsOption, FlowOption, PacketOption } from '../packet-option.js';
import { IP_PROTOCOLS } from '../protocols.js';
import type { HeaderOption } from '../rule.js';
import { RuleError } from '../rule-error.js';
import { parseInteger, shorten, trim } from '../text.js';
import type { OptionSpec, OptionTable, RuleState } from './option.js';

const FLAGS: OptionSpec = { value: 'required', apply: flags };

/** Tests on headers and flow state (user guide, "IP/TCP/ICMP Keywords", "Flow Keywords", "dsize"). */
export const PACKET_OPTIONS: OptionTable = {
  dsize: { value: 'required', once: true, apply: (state, value) => number(state, 'dsize', value, 65535) },
  ttl: { value: 'required', apply: (state, value) => number(state, 'ttl', value, 255) },
  itype: { value: 'required', apply: (state, value) => number(state, 'itype', value, 255) },
  icode: { value: 'required', apply: (state, value) => number(state, 'icode', value, 255) },
  ip_proto: { value: 'required', apply: ipProto },
  flow: { value: 'required', once: true, apply: flow },
  flags: FLAGS,
  'tcp.flags': FLAGS,
};

function number(state: RuleState, kind: 'dsize' | 'ttl' | 'itype' | 'icode', value: string, max: number): void {
  state.rule.header.push({ kind, test: parseNumberTest(kind, value, max) });
}

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

type FlowWord =
  | { field: 'direction'; value: NonNullable<FlowOption['direction']> }
  | { field: 'state'; value: NonNullable<FlowOption['state']> }
  | { field: 'stream'; value: NonNullable<FlowOption['stream']> }
  | { field: 'frag'; value: NonNullable<FlowOption['frag']> };

const FLOW_WORDS: ReadonlyMap<string, FlowWord> = new Map<string, FlowWord>([
  ['to_server', { field: 'direction', value: 'to_server' }],
  ['from_client', { field: 'direction', value: 'to_server' }],
  ['to_client', { field: 'direction', value: 'to_client' }],
  ['from_server', { field: 'direction', value: 'to_client' }],
  ['established', { field: 'state', value: 'established' }],
  ['not_established', { field: 'state', value: 'not_established' }],
  ['stateless', { field: 'state', value: 'stateless' }],
  ['only_stream', { field: 'stream', value: 'only_stream' }],
  ['no_stream', { field: 'stream', value: 'no_stream' }],
  ['only_frag', { field: 'frag', value: 'only_frag' }],
  ['no_frag', { field: 'frag', value: 'no_frag' }],
]);

function flow(state: RuleState, value: string): void {
  const option: FlowOption = { kind: 'flow' };
  for (const part of value.split(',')) {
    const name = trim(part).toLowerCase();
    const word = FLOW_WORDS.get(name);
    if (word === undefined) throw new RuleError('flow', `has no option "${shorten(name)}"`);
    const before = option[word.field];
    if (before !== undefined) {
      throw new RuleError('flow', before === word.value ? `${word.value} is given twice` : `${name} contradicts ${before}, choose one`);
    }
    Object.assign(option, { [word.field]: word.value });
  }
  state.rule.header.push(option);
}

const FLAG_BITS: Record<string, number> = {
  F: TcpFlag.Fin,
  S: TcpFlag.Syn,
  R: TcpFlag.Rst,
  P: TcpFlag.Psh,
  A: TcpFlag.Ack,
  U: TcpFlag.Urg,
  E: TcpFlag.Ece,
  '2': TcpFlag.Ece,
  C: TcpFlag.Cwr,
  '1': TcpFlag.Cwr,
};

/** `[+*!]letters[,ignored]`; the modifier may also follow the letters; 0 = no flag set; 1 and 2 are C and E. */
function flags(state: RuleState, value: string, _negated: boolean, name: string): void {
  const match = /^([FSRPAUEC012+*!\s]+)(?:,\s*([FSRPAUEC12]+))?$/.exec(value);
  if (match === null) throw new RuleError(name, `takes [+*!] and letters of FSRPAUEC or 0, then perhaps ,ignored; got "${shorten(value)}"`);
  const option: FlagsOption = { kind: 'flags', flags: 0, ignore: 0, modifier: '' };
  let letters = 0;
  let none = false;
  for (const char of match[1]) {
    if (char === '+' || char === '*' || char === '!') {
      if (option.modifier !== '') throw new RuleError(name, 'takes one modifier of + * !');
      option.modifier = char;
    } else if (char === '0') {
      none = true;
    } else if (char in FLAG_BITS) {
      option.flags |= FLAG_BITS[char];
      letters++;
    }
  }
  if (none && letters > 0) throw new RuleError(name, '0 means no flag at all and stands alone');
  if (!none && letters === 0) throw new RuleError(name, 'names no flag');
  for (const char of match[2] ?? '') option.ignore |= FLAG_BITS[char];
  state.rule.header.push(option);
}

/** Canonical letters of a flag mask. */
export function flagLetters(bits: number): string {
  let out = '';
  for (const letter of 'FSRPAUEC') if (bits & FLAG_BITS[letter]) out += letter;
  return out;
}

/** Largest payload a rule's dsize admits; 65535 without one. */
export function largestPayload(header: readonly HeaderOption[]): number {
  for (const option of header) {
    if (option.kind !== 'dsize') continue;
    const { op, a, b } = option.test;
    if (op === '=' || op === '<=') return a;
    if (op === '<') return a - 1;
    if (op === '<>') return b - 1;
  }
  return 65535;
}

/** Canonical text. */
export function printPacketOption(option: PacketOption): string {
  switch (option.kind) {
    case 'dsize':
    case 'ttl':
    case 'itype':
    case 'icode':
      return `${option.kind}:${printNumberTest(option.test)}`;
    case 'ip_proto':
      return `ip_proto:${option.op === '=' ? '' : option.op}${option.proto}`;
    case 'flow':
      return `flow:${[option.direction, option.state, option.stream, option.frag].filter((x) => x !== undefined).join(',')}`;
    case 'flags':
      return `flags:${option.modifier}${flagLetters(option.flags) || '0'}${option.ignore === 0 ? '' : `,${flagLetters(option.ignore)}`}`;
  }
}
