import { hasParser } from '../../app-layer/catalogue.js';
import { APP_KEYWORDS, type ValueForm } from '../app-keywords.js';
import { type AppOption, PROTOCOL_MODES, protocolsOf } from '../app-option.js';
import { stateTest } from '../app-states.js';
import { APP_PROTOS } from '../protocols.js';
import type { HeaderOption } from '../rule.js';
import { RuleError } from '../rule-error.js';
import { shorten, trim } from '../text.js';
import type { OptionSpec, OptionTable, RuleState } from './option.js';

/** Tests on application layers that have no buffer: app-layer-protocol, app-layer-event, urilen, ... */
export const APP_OPTIONS: OptionTable = {
  ...Object.fromEntries(
    [...APP_KEYWORDS].map(([name, { form }]): [string, OptionSpec] => [
      name,
      {
        value: form === 'none' ? 'none' : form === 'any' ? 'optional' : 'required',
        apply: (state, value) => add(state, name, form, value),
      },
    ]),
  ),
  'app-layer-protocol': { value: 'required', apply: appLayerProtocol },
  'app-layer-event': { value: 'required', apply: appLayerEvent },
  'app-layer-state': { value: 'required', apply: appLayerState },
  'ndpi-protocol': { value: 'required', apply: ndpi },
  'ndpi-risk': { value: 'required', apply: ndpi },
};

/** Numbers and comparisons of the user guide's "Integer Keywords", words for enumerations and flags, an index behind. */
const NUMBER =
  /^(?:count\s*)?(?:!=?|<=?|>=?|=)?\s*(?:&\s*0x[0-9a-f]+\s*!?=\s*)?(?:0x[0-9a-f]+|\d+(?:\.\d+)?\s*(?:[kmg]i?b)?)(?:\s*(?:<>|-)\s*(?:0x[0-9a-f]+|\d+\s*(?:[kmg]i?b)?))?$/i;
const WORD = /^!?\s*[A-Za-z0-9_][A-Za-z0-9_ .()/+-]*$/;

const FORMS: Record<Exclude<ValueForm, 'none' | 'any'>, (value: string) => boolean> = {
  number: (value) => value.split(',').every((part) => NUMBER.test(trim(part)) || WORD.test(trim(part)) || /^-?\d*:-?\d*$/.test(trim(part))),
  words: (value) =>
    value.split(/[,|]/).every((part) => NUMBER.test(trim(part)) || /^[!<>=+*]*\s*[A-Za-z0-9_][\w .:=&<>/+-]*$/.test(trim(part))),
  text: (value) => /^!?\s*(?:"[^"]+"|[^"]+)$/.test(value),
};

const NEEDS: Record<keyof typeof FORMS, string> = {
  number: 'a number, a comparison (<5, >=5, !5), a range (1-5) or a name',
  words: 'names and numbers separated by commas',
  text: 'a text, in double quotes or without any',
};

/** Keywords whose value may begin with a direction. */
const DIRECTED = new Set(['filesize']);

function add(state: RuleState, keyword: string, form: ValueForm, written: string): void {
  const side = DIRECTED.has(keyword) ? /^(to_server|to_client)\s*,\s*/.exec(written) : null;
  const value = side === null ? written : written.slice(side[0].length);
  if (form !== 'none' && form !== 'any' && !FORMS[form](value))
    throw new RuleError(keyword, `takes ${NEEDS[form]}, got "${shorten(value)}"`);
  const option = appOption(keyword, value);
  if (side !== null) option.way = side[1] as AppOption['way'];
  state.rule.header.push(option);
}

function appOption(keyword: string, value: string): AppOption {
  const negated = value[0] === '!';
  return { kind: 'app', keyword, value: negated ? trim(value.slice(1)) : value, negated };
}

/** `[!]protocol[|protocol][,mode][,exact]`: which of the two directions' protocols, or of those of a flow that changed, is meant. */
function appLayerProtocol(state: RuleState, value: string): void {
  const option = appOption('app-layer-protocol', value);
  const parsed = protocolsOf(option.value);
  if (parsed === undefined) {
    throw new RuleError(
      'app-layer-protocol',
      `takes protocols separated by |, then a mode (${PROTOCOL_MODES.join(', ')}), exact, or both; got "${shorten(value)}"`,
    );
  }
  for (const name of parsed.names) {
    if (!APP_PROTOS.has(name) && name !== 'failed' && name !== 'unknown')
      throw new RuleError('app-layer-protocol', `unknown protocol "${shorten(name)}"`);
  }
  if (option.negated && parsed.names.includes('unknown'))
    throw new RuleError('app-layer-protocol', 'unknown cannot be negated: name the protocols that are to match');
  for (const other of state.rule.header) {
    if (other.kind !== 'app' || other.keyword !== option.keyword) continue;
    if (protocolsOf(other.value)?.mode === parsed.mode && (!other.negated || !option.negated))
      throw new RuleError('app-layer-protocol', 'a flow has one protocol: only negated ones can stand together');
  }
  if (state.rule.appProto !== undefined) {
    throw new RuleError(
      'app-layer-protocol',
      `cannot stand in a rule whose header names ${state.rule.appProto} already: use a transport there`,
    );
  }
  option.value = option.value.toLowerCase().split(',').map(trim).join(',');
  state.rule.header.push(option);
}

/** `protocol.event`, or an event of protocol detection itself. */
function appLayerEvent(state: RuleState, value: string): void {
  const match = /^(?:([a-z0-9_-]+)\.)?([a-z0-9_]+)$/i.exec(value);
  if (match === null)
    throw new RuleError(
      'app-layer-event',
      `takes protocol.event, as in http.invalid_content_length_field_in_request, got "${shorten(value)}"`,
    );
  if (match[1] !== undefined && match[1] !== 'file' && !APP_PROTOS.has(match[1].toLowerCase())) {
    throw new RuleError('app-layer-event', `unknown protocol "${shorten(match[1])}"`);
  }
  if (match[1] === undefined && !/^applayer_/.test(value)) {
    throw new RuleError('app-layer-event', `"${shorten(value)}" names no protocol: write protocol.${shorten(value)}`);
  }
  state.rule.header.push(appOption('app-layer-event', value.toLowerCase()));
}

/** `[<|>]state`: of a protocol without a parser any name will do. */
function appLayerState(state: RuleState, value: string): void {
  const { appProto } = state.rule;
  if (appProto === undefined)
    throw new RuleError('app-layer-state', 'needs a protocol in the header whose states it can name: alert tls ...');
  const option = appOption('app-layer-state', value.toLowerCase());
  if (!/^[<>]?\s*[a-z0-9_]+$/.test(option.value) || option.negated)
    throw new RuleError('app-layer-state', `takes a state, < or > before it, got "${shorten(value)}"`);
  if (hasParser(appProto)) {
    const test = stateTest(appProto, option.value);
    if (typeof test === 'string') throw new RuleError('app-layer-state', `${test}, got "${shorten(value)}"`);
    option.proto = appProto;
    option.way = test.direction === 0 ? 'to_server' : 'to_client';
  }
  state.rule.header.push(option);
}

function ndpi(_state: RuleState, _value: string, _negated: boolean, name: string): never {
  throw new RuleError(name, 'needs the nDPI library, which Sluice does not use: take app-layer-protocol instead');
}

export function isAppOption(option: HeaderOption): option is AppOption {
  return option.kind === 'app';
}

/** Canonical text. */
export function printAppOption({ keyword, value, negated, way }: AppOption): string {
  const side = way === undefined || !DIRECTED.has(keyword) ? '' : `${way},`;
  return value === '' ? keyword : `${keyword}:${side}${negated ? '!' : ''}${value}`;
}
