import { DECODE_EVENT_NAMES, decodeEventCode, neverRaised } from '../../decode/events.js';
import { STREAM_EVENT_NAMES, streamEventCode } from '../../stream/events.js';
import type { EventOption } from '../packet-option.js';
import { RuleError } from '../rule-error.js';
import { shorten } from '../text.js';
import type { OptionTable, RuleState } from './option.js';

/** Engine events: decode-event, stream-event (user guide, "Generic Decode Layer Keywords"; Suricata's *-events.rules). */
export const EVENT_OPTIONS: OptionTable = {
  'decode-event': { value: 'required', apply: (state, value, _negated, name) => addDecode(state, value, name) },
  'stream-event': { value: 'required', apply: (state, value, _negated, name) => addStream(state, value, name) },
  'engine-event': { value: 'required', apply: engineEvent },
};

function addDecode({ rule }: RuleState, value: string, option: string): void {
  const code = decodeEventCode(value.toLowerCase());
  if (code === 0) throw unknown(option, value);
  if (neverRaised(code)) rule.inert ??= `${DECODE_EVENT_NAMES[code].split('.')[1]} decoder`;
  rule.header.push({ kind: 'decode-event', code });
}

function addStream({ rule }: RuleState, value: string, option: string): void {
  const code = streamEventCode(value.toLowerCase());
  if (code === 0) throw unknown(option, value);
  rule.header.push({ kind: 'stream-event', code });
}

/** Either kind, by its full name; `decoder.` may be left out. */
function engineEvent(state: RuleState, value: string, _negated: boolean, name: string): void {
  if (value.toLowerCase().startsWith('stream.')) addStream(state, value, name);
  else addDecode(state, value, name);
}

function unknown(option: string, value: string): RuleError {
  return new RuleError(
    option,
    `there is no event "${shorten(value)}": names are those of Suricata's decoder-events and stream-events rules`,
  );
}

export function printEvent({ kind, code }: EventOption): string {
  const name =
    kind === 'decode-event' ? DECODE_EVENT_NAMES[code].slice('decoder.'.length) : STREAM_EVENT_NAMES[code].slice('stream.'.length);
  return `${kind}:${name}`;
}
