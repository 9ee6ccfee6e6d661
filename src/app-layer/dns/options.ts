import { Flag, Section, TYPE_NAMES } from './codes.js';
import { type Message, Rr } from './message.js';

/** What `eve-log: types: - dns:` says (user guide, "Eve JSON Output", "Eve JSON Format"). */
export interface DnsEveOptions {
  /** 3: one form for requests and responses; 2: `query` and `answer` as version 7 wrote them. */
  version: 2 | 3;
  requests: boolean;
  responses: boolean;
  /** Each record by itself. */
  detailed: boolean;
  /** Answers by type. */
  grouped: boolean;
  /** Types of questions to log; null: all. */
  types: readonly number[] | null;
}

export const DNS_EVE_DEFAULTS: Readonly<DnsEveOptions> = {
  version: 3,
  requests: true,
  responses: true,
  detailed: true,
  grouped: true,
  types: null,
};

/**
 * The options in a parsed YAML mapping. What is not there, or empty, stays as it is by default. Throws an Error whose text says
 * which value is wrong and what may stand there.
 */
export function dnsEveOptions(node: Readonly<Record<string, unknown>> | null | undefined): DnsEveOptions {
  const options: DnsEveOptions = { ...DNS_EVE_DEFAULTS };
  if (node === null || node === undefined) return options;
  if (node.version !== undefined && node.version !== null) {
    const version = Number(node.version);
    if (version !== 2 && version !== 3) throw new Error(`dns version: ${String(node.version)} is not 2 or 3`);
    options.version = version;
  }
  options.requests = yesNo(node, 'requests', options.requests);
  options.responses = yesNo(node, 'responses', options.responses);
  const formats = list(node, 'formats');
  if (formats.length > 0) {
    for (const format of formats) {
      if (format !== 'detailed' && format !== 'grouped') throw new Error(`dns formats: ${format} is not one of detailed, grouped`);
    }
    options.detailed = formats.includes('detailed');
    options.grouped = formats.includes('grouped');
  }
  const types = list(node, 'types');
  if (types.length > 0) options.types = types.map(typeNumber);
  return options;
}

/** The message is to have a record by these options. */
export function wanted(message: Message, options: DnsEveOptions): boolean {
  const { types } = options;
  if (!((message.flags & Flag.Qr) !== 0 ? options.responses : options.requests)) return false;
  if (types === null || message.questions === 0) return true;
  for (let i = 0; i < message.questions; i++) if (typeWanted(message, i, options)) return true;
  return false;
}

/** Question i is to be logged. */
export function typeWanted(message: Message, i: number, options: DnsEveOptions): boolean {
  const { rows } = message;
  if (rows[i * Rr.Words + Rr.Section] !== Section.Query) return false;
  return options.types === null || options.types.includes(rows[i * Rr.Words + Rr.Type]);
}

const NUMBERS: ReadonlyMap<string, number> = new Map(
  [...TYPE_NAMES].map(([number, name]): [string, number] => [name.toLowerCase(), number]),
);

function typeNumber(name: string): number {
  const number = NUMBERS.get(name.toLowerCase());
  if (number === undefined) throw new Error(`dns types: ${name} is no record type; it is one of ${[...NUMBERS.keys()].join(', ')}`);
  return number;
}

function yesNo(node: Readonly<Record<string, unknown>>, key: string, otherwise: boolean): boolean {
  const value = node[key];
  if (value === undefined || value === null) return otherwise;
  const text = String(value).toLowerCase();
  if (['yes', 'true', 'on', '1'].includes(text)) return true;
  if (['no', 'false', 'off', '0'].includes(text)) return false;
  throw new Error(`dns ${key}: ${text} is not yes or no`);
}

function list(node: Readonly<Record<string, unknown>>, key: string): string[] {
  const value = node[key];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error(`dns ${key}: not a list`);
  return value.map(String);
}
