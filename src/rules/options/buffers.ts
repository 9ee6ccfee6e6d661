import { CATALOGUE } from '../../app-layer/catalogue.js';
import { APP_PROTOS } from '../protocols.js';
import type { BufferTests, Rule } from '../rule.js';
import { RuleError } from '../rule-error.js';
import { shorten } from '../text.js';
import { contentBefore, legacyTests, type OptionSpec, type OptionTable, type RuleState } from './option.js';
import { PAYLOAD_OPTIONS } from './payload.js';
import { printTransform } from './transforms.js';

/** Options that move the content before them to a buffer (user guide, "Rules Format", "Content Modifiers"). */
const MODIFIERS: readonly [keyword: string, buffer: string][] = [
  ['http_uri', 'http.uri'],
  ['http_raw_uri', 'http.uri.raw'],
  ['http_method', 'http.method'],
  ['http_cookie', 'http.cookie'],
  ['http_header', 'http.header'],
  ['http_raw_header', 'http.header.raw'],
  ['http_host', 'http.host'],
  ['http_raw_host', 'http.host.raw'],
  ['http_user_agent', 'http.user_agent'],
  ['http_client_body', 'http.request_body'],
  ['http_server_body', 'http.response_body'],
  ['http_stat_code', 'http.stat_code'],
  ['http_stat_msg', 'http.stat_msg'],
];

/**
 * Sticky buffers (user guide, "Rules Format", "Sticky buffers"): content, pcre and their modifiers go to the
 * buffer named last, until another is named or `pkt_data` returns to the payload. A buffer is added in app-layer/catalogue.ts alone.
 */
export const BUFFER_OPTIONS: OptionTable = {
  ...Object.fromEntries(
    [...CATALOGUE.keys()].map((name): [string, OptionSpec] => [
      name,
      { value: 'optional', apply: (state, value, _negated, keyword) => enter(state, CATALOGUE.get(name)!.name, keyword, value) },
    ]),
  ),
  pkt_data: { value: 'none', apply: leave },
  frame: { value: 'required', apply: frame },
  ...Object.fromEntries(
    MODIFIERS.map(([name, buffer]): [string, OptionSpec] => [name, { value: 'none', apply: (state) => move(state, name, buffer) }]),
  ),
  uricontent: {
    value: 'required',
    quoted: 'yes',
    negatable: true,
    apply(state, value, negated) {
      if (state.buffer !== '')
        throw new RuleError('uricontent', `cannot stand behind ${state.buffer}: write http.uri; content:... instead`);
      PAYLOAD_OPTIONS.content.apply(state, value, negated, 'uricontent');
      move(state, 'uricontent', 'http.uri');
    },
  },
};

const WAY_WORDS: Readonly<Record<string, BufferTests['way']>> = {
  to_server: 'to_server',
  request: 'to_server',
  to_client: 'to_client',
  response: 'to_client',
};

function enter(state: RuleState, buffer: string, keyword: string, value: string): void {
  checkUsed(state);
  const entry: BufferTests = { buffer, transforms: [], tests: [] };
  if (value !== '') {
    const way = Object.hasOwn(WAY_WORDS, value) ? WAY_WORDS[value] : undefined;
    const spec = CATALOGUE.get(buffer)!;
    if (way === undefined || spec.packet || spec.way !== 2) throw new RuleError(keyword, `takes no value, got "${shorten(value)}"`);
    entry.way = way;
  }
  state.buffer = buffer;
  state.entry = entry;
  state.content = undefined;
  state.rule.buffers.push(entry);
}

function leave(state: RuleState): void {
  checkUsed(state);
  state.buffer = '';
  state.entry = undefined;
  state.content = undefined;
}

/** `frame:http1.request`, or `frame:request` where the header names the protocol. */
function frame(state: RuleState, value: string): void {
  const name = value.includes('.') || state.rule.appProto === undefined ? value : `${state.rule.appProto}.${value}`;
  const match = /^([a-z0-9_-]+)\.([a-z0-9_.-]+)$/.exec(name);
  if (match === null) throw new RuleError('frame', `takes protocol.frame, as in smtp.command_line, got "${shorten(value)}"`);
  if (!APP_PROTOS.has(match[1])) throw new RuleError('frame', `unknown protocol "${shorten(match[1])}"`);
  enter(state, `frame:${name}`, 'frame', '');
}

/** Moves the content before the modifier from the payload to a buffer. */
function move(state: RuleState, name: string, buffer: string): void {
  const option = contentBefore(state, name);
  const { payload } = state.rule;
  const at = payload.lastIndexOf(option);
  if (at < 0) {
    throw new RuleError(
      name,
      `moves a content of the payload, this one belongs to ${state.buffer === '' ? 'another modifier' : state.buffer}`,
    );
  }
  if (option.replace !== undefined) throw new RuleError(name, 'cannot be combined with replace: it rewrites the packet');
  if (option.rawbytes) throw new RuleError(name, 'cannot be combined with rawbytes');
  payload.splice(at, 1);
  legacyTests(state, buffer).push(option);
}

/** The buffer that is left now has a test; throws RuleError. */
export function checkUsed({ entry, buffer }: RuleState): void {
  if (entry !== undefined && entry.tests.length === 0) {
    throw new RuleError(buffer.split(':', 1)[0], 'is set but nothing looks at it: write a content or pcre behind it');
  }
}

/** One list per buffer, transforms and direction, unless the transaction has several such buffers: then each mention is one of them. */
export function mergeBuffers(rule: Rule): void {
  const merged: BufferTests[] = [];
  for (const entry of rule.buffers) {
    const multi = CATALOGUE.get(entry.buffer)?.multi === true;
    const same = multi ? undefined : merged.find((other) => key(other) === key(entry));
    if (same === undefined) merged.push(entry);
    else same.tests.push(...entry.tests);
  }
  rule.buffers = merged;
}

function key(entry: BufferTests): string {
  return printBuffer(entry).join(';');
}

/** Canonical text: the sticky buffer and its transforms. */
export function printBuffer({ buffer, transforms, way }: BufferTests): string[] {
  return [way === undefined ? buffer : `${buffer}:${way}`, ...transforms.map(printTransform)];
}
