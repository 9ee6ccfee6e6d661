import { parseNumberTest, printNumberTest, UINT32_MAX, UINT64_MAX } from '../numbers.js';
import type { FlowCountOption, FlowOption, StreamSizeOption } from '../packet-option.js';
import { RuleError } from '../rule-error.js';
import { shorten, trim } from '../text.js';
import type { OptionSpec, OptionTable, RuleState } from './option.js';

/** Flow state and counts (user guide, "Flow Keywords"). flow.age is in packet.ts. */
export const FLOW_OPTIONS: OptionTable = {
  flow: { value: 'required', once: true, apply: flow },
  'flow.pkts': count('flow.pkts', undefined),
  'flow.pkts_toserver': count('flow.pkts', 'toserver'),
  'flow.pkts_toclient': count('flow.pkts', 'toclient'),
  'flow.bytes': count('flow.bytes', undefined),
  'flow.bytes_toserver': count('flow.bytes', 'toserver'),
  'flow.bytes_toclient': count('flow.bytes', 'toclient'),
  stream_size: { value: 'required', apply: streamSize },
  'stream.size': { value: 'required', apply: streamSize },
};

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
    if (word === undefined) {
      const hint = name.startsWith('!') ? ': words are not negated, write not_established, no_stream or no_frag' : '';
      throw new RuleError('flow', `has no option "${shorten(name)}"${hint}`);
    }
    const before = option[word.field];
    if (before !== undefined) {
      throw new RuleError('flow', before === word.value ? `${word.value} is given twice` : `${name} contradicts ${before}, choose one`);
    }
    Object.assign(option, { [word.field]: word.value });
  }
  state.rule.header.push(option);
}

const SIDES = new Set(['toserver', 'toclient', 'both', 'either']);

/** `flow.pkts:side,[op]n`, or with the side in the keyword. */
function count(kind: FlowCountOption['kind'], side: FlowCountOption['side'] | undefined): OptionSpec {
  const max = kind === 'flow.pkts' ? UINT32_MAX : UINT64_MAX;
  return {
    value: 'required',
    apply: ({ rule }, value, _negated, name) => {
      if (side !== undefined) {
        rule.header.push({ kind, side, test: parseNumberTest(name, value, max) });
        return;
      }
      const comma = value.indexOf(',');
      const word = trim(value.slice(0, Math.max(0, comma))).toLowerCase();
      if (!SIDES.has(word)) throw new RuleError(name, `takes toserver, toclient, either or both, then ,number; got "${shorten(value)}"`);
      rule.header.push({ kind, side: word as FlowCountOption['side'], test: parseNumberTest(name, trim(value.slice(comma + 1)), max) });
    },
  };
}

/** `side,op,bytes`. Suricata also takes the comparison as one word (`server,<5`). */
function streamSize({ rule }: RuleState, value: string, _negated: boolean, name: string): void {
  const match = /^(server|client|both|either)\s*,\s*(<=|>=|!=|<|>|=|!)?\s*,?\s*([^,]+)$/i.exec(value);
  if (match === null) {
    throw new RuleError(
      name,
      `takes server, client, both or either, an operator of < > = != <= >=, and a number of bytes; got "${shorten(value)}"`,
    );
  }
  const test = parseNumberTest(name, (match[2] ?? '') + trim(match[3]), UINT32_MAX);
  rule.header.push({ kind: 'stream_size', side: match[1].toLowerCase() as StreamSizeOption['side'], test });
}

export function printFlow(option: FlowOption): string {
  return `flow:${[option.direction, option.state, option.stream, option.frag].filter((x) => x !== undefined).join(',')}`;
}

export function printSide(option: FlowCountOption | StreamSizeOption): string {
  const { op } = option.test;
  if (option.kind !== 'stream_size' || op === '<>' || op === '!<>' || op === '&=' || op === '&!=') {
    return `${option.kind}:${option.side},${printNumberTest(option.test)}`;
  }
  return `stream_size:${option.side},${op},${option.test.a}`;
}
