import type { Asn1Option, Base64Option, ByteOption, EntropyOption, FtpBounceOption, RpcOption } from '../byte-option.js';
import { RuleError } from '../rule-error.js';
import { parseInteger, shorten, trim } from '../text.js';
import { currentTests, type OptionTable, type RuleState } from './option.js';

export type DataOption = Base64Option | Asn1Option | EntropyOption | RpcOption | FtpBounceOption;

/** Tests on encoded data (user guide, "Base64 keywords", "Payload Keywords": asn1, entropy, rpc; "FTP/FTP-DATA Keywords": ftpbounce). */
export const DATA_OPTIONS: OptionTable = {
  base64_decode: { value: 'optional', once: true, apply: base64Decode },
  base64_data: { value: 'none', apply: base64Data },
  asn1: { value: 'required', apply: asn1 },
  entropy: { value: 'required', apply: entropy },
  rpc: { value: 'required', apply: rpc },
  ftpbounce: { value: 'none', apply: (state) => packetTest(state, { kind: 'ftpbounce' }) },
};

/** The list that a test goes to: behind an option that names a buffer for one test only, a relative one goes there. */
export function targetTests(state: RuleState, relative: boolean): ByteOption[] {
  const { rule, last } = state;
  if (!relative || state.entry !== undefined || last === undefined || state.seen.has('pkt_data')) return currentTests(state);
  return rule.buffers.find(({ tests }) => tests.includes(last))?.tests ?? rule.payload;
}

/** Adds a test on bytes. */
export function add(state: RuleState, option: ByteOption, relative: boolean): void {
  targetTests(state, relative).push(option);
  state.last = option;
}

/** `[bytes N][, offset N][, relative]`. */
function base64Decode(state: RuleState, value: string): void {
  if (state.buffer === 'base64_data')
    throw new RuleError('base64_decode', 'cannot decode what base64_data has: write it before base64_data');
  const option: Base64Option = { kind: 'base64_decode', bytes: 0, offset: 0, relative: false, tests: [] };
  const seen = new Set<string>();
  for (const part of value === '' ? [] : value.split(',').map(trim)) {
    const match = /^(?:(bytes|offset)\s+(\d+)|(relative))$/.exec(part);
    const name = match?.[1] ?? match?.[3] ?? '';
    if (match === null || seen.has(name)) {
      throw new RuleError('base64_decode', `takes bytes N, offset N and relative, each once, got "${shorten(part)}"`);
    }
    seen.add(name);
    if (name === 'relative') option.relative = true;
    else if (name === 'bytes') option.bytes = parseInteger('base64_decode', match[2], 1, 65535);
    else option.offset = parseInteger('base64_decode', match[2], 0, 2 ** 31 - 1);
  }
  add(state, option, option.relative);
}

function base64Data(state: RuleState): void {
  const lists = [...state.rule.buffers.map(({ tests }) => tests), state.rule.payload];
  const option = lists.flat().find((t): t is Base64Option => t.kind === 'base64_decode');
  if (option === undefined) throw new RuleError('base64_data', 'is what base64_decode makes: write that before it');
  state.buffer = 'base64_data';
  state.entry = { buffer: 'base64_data', transforms: [], tests: option.tests };
  state.content = undefined;
}

/** Options with or without a number, separated by commas or white space. */
function asn1(state: RuleState, value: string): void {
  const option: Asn1Option = { kind: 'asn1', offset: 0, relative: false, bitstringOverflow: false, doubleOverflow: false };
  const parts = value.split(/[\s,]+/).filter((part) => part !== '');
  let placed = false;
  for (let i = 0; i < parts.length; i++) {
    const name = parts[i];
    if (name === 'bitstring_overflow') option.bitstringOverflow = true;
    else if (name === 'double_overflow') option.doubleOverflow = true;
    else if (name === 'oversize_length') option.oversize = parseInteger('asn1', parts[++i] ?? '', 0, 2 ** 31 - 1);
    else if (name === 'absolute_offset' || name === 'relative_offset') {
      if (placed) throw new RuleError('asn1', 'takes absolute_offset or relative_offset once');
      placed = true;
      option.relative = name === 'relative_offset';
      option.offset = parseInteger('asn1', parts[++i] ?? '', option.relative ? -65535 : 0, 65535);
    } else throw new RuleError('asn1', `has no option "${shorten(name)}"`);
  }
  add(state, option, option.relative);
}

const ENTROPY = /^(?:(<=|>=|!=|=|<|>)?\s*(\d(?:\.\d{1,15})?)|(!?)(\d(?:\.\d{1,15})?)\s*-\s*(\d(?:\.\d{1,15})?))$/;

/** `bytes N, offset N, value >= 4.5`: the value last or alone. */
function entropy(state: RuleState, value: string): void {
  const option: EntropyOption = { kind: 'entropy', bytes: 0, offset: 0, op: '=', a: -1, b: 0 };
  for (const part of value.split(',').map(trim)) {
    const match = /^(bytes|offset|value)\s*(.*)$/.exec(part);
    const [name, text] = match === null ? ['value', part] : [match[1], match[2]];
    if (name !== 'value') {
      option[name as 'bytes' | 'offset'] = parseInteger('entropy', text, 0, name === 'bytes' ? 2 ** 31 - 1 : 65535);
      continue;
    }
    const test = ENTROPY.exec(text);
    const range = test?.[4] !== undefined;
    option.a = test === null ? -1 : Number(test[range ? 4 : 2]);
    option.b = range ? Number(test![5]) : 0;
    if (test === null || option.a > 8 || option.b > 8 || (range && option.b <= option.a)) {
      throw new RuleError('entropy', `takes a value from 0 to 8, a comparison (>= 4.5) or a range (4-5), got "${shorten(text)}"`);
    }
    option.op = range ? (test[3] === '!' ? '!<>' : '<>') : ((test[1] as EntropyOption['op'] | undefined) ?? '=');
  }
  if (option.a < 0) throw new RuleError('entropy', 'needs a value');
  add(state, option, false);
}

/** `program, version or *, procedure or *`. */
function rpc(state: RuleState, value: string): void {
  const [program, ...rest] = value.split(',').map(trim);
  const [version = '*', procedure = '*'] = rest;
  if (rest.length > 2) throw new RuleError('rpc', `takes program,version,procedure, got "${shorten(value)}"`);
  const option: RpcOption = { kind: 'rpc', program: parseInteger('rpc', program, 0, 2 ** 32 - 1) };
  if (version !== '*') option.version = parseInteger('rpc', version, 0, 2 ** 32 - 1);
  if (procedure !== '*') option.procedure = parseInteger('rpc', procedure, 0, 2 ** 32 - 1);
  packetTest(state, option);
}

/** These look at the packet, whatever buffer is set. */
function packetTest(state: RuleState, option: RpcOption | FtpBounceOption): void {
  if (currentTests(state) !== state.rule.payload) {
    throw new RuleError(option.kind, `looks at the packet and cannot follow ${state.buffer}: write it before, or behind pkt_data`);
  }
  add(state, option, false);
}

/** Canonical text. The tests of base64_data are printed by printByteOptions. */
export function printDataOption(option: DataOption): string {
  switch (option.kind) {
    case 'base64_decode': {
      const parts: string[] = [];
      if (option.bytes !== 0) parts.push(`bytes ${option.bytes}`);
      if (option.offset !== 0) parts.push(`offset ${option.offset}`);
      if (option.relative) parts.push('relative');
      return parts.length === 0 ? 'base64_decode' : `base64_decode:${parts.join(',')}`;
    }
    case 'asn1': {
      const parts = [`${option.relative ? 'relative' : 'absolute'}_offset ${option.offset}`];
      if (option.oversize !== undefined) parts.push(`oversize_length ${option.oversize}`);
      if (option.bitstringOverflow) parts.push('bitstring_overflow');
      if (option.doubleOverflow) parts.push('double_overflow');
      return `asn1:${parts.join(',')}`;
    }
    case 'entropy': {
      const { bytes, offset, op, a, b } = option;
      const test = op === '<>' ? `${a}-${b}` : op === '!<>' ? `!${a}-${b}` : `${op} ${a}`;
      return `entropy:bytes ${bytes}, offset ${offset}, value ${test}`;
    }
    case 'rpc':
      return `rpc:${option.program},${option.version ?? '*'},${option.procedure ?? '*'}`;
    case 'ftpbounce':
      return 'ftpbounce';
  }
}
