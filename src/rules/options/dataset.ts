import type { DatarepOption, DatasetOption, DatasetUse } from '../byte-option.js';
import { RuleError } from '../rule-error.js';
import { parseInteger, shorten, trim } from '../text.js';
import { currentTests, type OptionTable, type RuleState } from './option.js';

/** Sets of values (user guide, "Datasets"). Which sets there are, and where their files lie, is worked out when all rules are read: ../datasets.ts. */
export const DATASET_OPTIONS: OptionTable = {
  dataset: { value: 'required', apply: dataset },
  datarep: { value: 'required', apply: datarep },
};

/** Longest name of a set (Suricata). */
export const MAX_DATASET_NAME = 63;
export const DATASET_TYPES = ['string', 'md5', 'sha256', 'ipv4', 'ip'] as const;
const OPS = ['set', 'unset', 'isset', 'isnotset'] as const;
const COMPARE = ['>', '<', '=='] as const;
const UNITS: Readonly<Record<string, number>> = { '': 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

function dataset(state: RuleState, value: string): void {
  const [command, name = '', ...words] = value.split(',').map(trim);
  const op = OPS.find((o) => o === command);
  if (op === undefined) throw new RuleError('dataset', `takes set, unset, isset or isnotset first, got "${shorten(command)}"`);
  const option: DatasetOption = { kind: 'dataset', op, name: checkName('dataset', name) };
  use('dataset', option, words, ['load', 'save', 'state']);
  if (option.state !== undefined && (option.load !== undefined || option.save !== undefined))
    throw new RuleError('dataset', 'state is load and save of one file: write state, or load and save');
  add(state, option);
}

function datarep(state: RuleState, value: string): void {
  const [name, compare = '', number = '', ...words] = value.split(',').map(trim);
  const op = COMPARE.find((o) => o === compare);
  if (op === undefined) throw new RuleError('datarep', `takes name,operator,value with operator > < or ==, got "${shorten(compare)}"`);
  const option: DatarepOption = {
    kind: 'datarep',
    op,
    value: parseInteger('datarep', number, 0, 65_535),
    name: checkName('datarep', name),
  };
  use('datarep', option, words, ['load', 'save', 'state']);
  add(state, option);
}

function checkName(option: string, name: string): string {
  if (name === '') throw new RuleError(option, 'needs the name of a set');
  if (/\s/.test(name)) throw new RuleError(option, `a name has no spaces, got "${shorten(name)}"`);
  if (name.length > MAX_DATASET_NAME) throw new RuleError(option, `a name has at most ${MAX_DATASET_NAME} characters`);
  return name;
}

/** `word value` parts behind the positional ones. */
function use(option: string, into: DatasetUse, words: readonly string[], files: readonly ('load' | 'save' | 'state')[]): void {
  const seen = new Set<string>();
  for (const text of words) {
    if (text === '') continue;
    const match = /^(\S+)\s+(\S[\s\S]*)$/.exec(text);
    const word = match?.[1] ?? text;
    const value = match?.[2] ?? '';
    if (seen.has(word)) throw new RuleError(option, `has ${word} twice`);
    seen.add(word);
    const file = files.find((f) => f === word);
    if (value === '') throw new RuleError(option, `"${shorten(text)}": type, load, save, state, memcap and hashsize take a value`);
    if (word === 'type') into.type = typeOf(option, value);
    else if (file !== undefined) into[file] = value;
    else if (word === 'memcap') into.memcap = sizeOf(option, value);
    else if (word === 'hashsize') into.hashsize = sizeOf(option, value);
    else if (word === 'format' && value === 'csv') continue;
    else if (/^(format|enrichment_key|value_key|array_key|remove_key)$/.test(word))
      throw new RuleError(option, 'format json and its keys are not supported yet: write the values into a csv file');
    else throw new RuleError(option, `has no parameter "${shorten(word)}": there are type, load, save, state, memcap, hashsize`);
  }
}

function typeOf(option: string, text: string): DatasetUse['type'] {
  // ipv6 is an older name of ip.
  const type = DATASET_TYPES.find((t) => t === (text === 'ipv6' ? 'ip' : text));
  if (type === undefined) throw new RuleError(option, `type is one of ${DATASET_TYPES.join(', ')}, got "${shorten(text)}"`);
  return type;
}

/** `88074`, `100mb`. */
function sizeOf(option: string, text: string): number {
  const match = /^(\d{1,12})\s*(|kb|mb|gb)$/i.exec(text);
  const size = match === null ? 0 : Number(match[1]) * UNITS[match[2].toLowerCase()];
  if (size < 1 || size > 2 ** 40)
    throw new RuleError(option, `memcap and hashsize take a size such as 4096 or 100mb, got "${shorten(text)}"`);
  return size;
}

/** The test is on the buffer named last, whole and transformed. */
function add(state: RuleState, option: DatasetOption | DatarepOption): void {
  if (state.entry === undefined && !state.seen.has('pkt_data'))
    throw new RuleError(option.kind, 'looks a whole sticky buffer up: write one before it (dns.query, http.host, ip.src, ...)');
  currentTests(state).push(option);
  state.last = option;
}

/** Canonical text. */
export function printDataset(option: DatasetOption | DatarepOption): string {
  const parts: (string | number)[] = option.kind === 'dataset' ? [option.op, option.name] : [option.name, option.op, option.value];
  for (const word of ['type', 'load', 'save', 'state', 'memcap', 'hashsize'] as const) {
    const value = option[word];
    if (value !== undefined) parts.push(`${word} ${value}`);
  }
  return `${option.kind}:${parts.join(',')}`;
}
