import { APP_ALIASES, APP_TRANSPORTS, OTHER_PROTOS, RULE_PROTOS } from './protocols.js';
import type { RuleAction, RuleProto } from './rule.js';
import { RuleError } from './rule-error.js';
import { isSpace, shorten } from './text.js';

/** The parts of a rule as text; addresses and ports not resolved yet. */
export interface RuleHeader {
  action: RuleAction;
  proto: RuleProto;
  /** Name of the application protocol in the protocol's place; proto is its transport then. */
  appProto: string | undefined;
  src: string;
  srcPorts: string;
  bidirectional: boolean;
  /** `=>` */
  transactional: boolean;
  dst: string;
  dstPorts: string;
  /** Where the options start (after the parenthesis) and end (before the closing one). */
  optionsFrom: number;
  optionsTo: number;
}

const ACTIONS = new Set(['alert', 'pass', 'drop', 'reject', 'rejectsrc', 'rejectdst', 'rejectboth']);

/**
 * `action protocol source ports direction destination ports ( options )`, user guide "Rules Format".
 * The text has no white space at either end. Throws RuleError.
 */
export function parseHeader(text: string): RuleHeader {
  const cursor = { text, at: 0 };
  const action = word(cursor, 'an action').toLowerCase();
  if (action === 'config')
    throw new RuleError('', 'action config is not supported yet; classification and reference lines have their own files');
  if (!ACTIONS.has(action)) throw new RuleError('', `unknown action "${shorten(action)}", use alert, pass, drop or reject`);
  const written = word(cursor, 'a protocol').toLowerCase();
  const name = APP_ALIASES.get(written) ?? written;
  const transport = APP_TRANSPORTS.get(name);
  const proto = transport ?? protocol(name);
  const src = word(cursor, 'a source address');
  const srcPorts = word(cursor, 'source ports');
  const direction = word(cursor, 'a direction');
  if (direction === '<-') throw new RuleError('', 'direction <- does not exist: exchange source and destination and write ->');
  if (direction !== '->' && direction !== '<>' && direction !== '=>') {
    throw new RuleError('', `direction must be ->, <> or =>, got "${shorten(direction)}"`);
  }
  const dst = word(cursor, 'a destination address');
  const dstPorts = word(cursor, 'destination ports');
  skip(cursor);
  if (text[cursor.at] !== '(') throw new RuleError('', 'the options must follow the destination ports in parentheses');
  if (text[text.length - 1] !== ')') throw new RuleError('', 'the rule does not end with the ) that closes its options');
  return {
    action: action as RuleAction,
    proto,
    appProto: transport === undefined ? undefined : name,
    src,
    srcPorts,
    bidirectional: direction === '<>',
    transactional: direction === '=>',
    dst,
    dstPorts,
    optionsFrom: cursor.at + 1,
    optionsTo: text.length - 1,
  };
}

function protocol(name: string): RuleProto {
  const proto = RULE_PROTOS.get(name);
  if (proto !== undefined) return proto;
  if (OTHER_PROTOS.has(name)) throw new RuleError('', `protocol ${name} is not supported yet`);
  throw new RuleError('', `unknown protocol "${shorten(name)}"`);
}

interface Cursor {
  text: string;
  at: number;
}

function skip(cursor: Cursor): void {
  while (cursor.at < cursor.text.length && isSpace(cursor.text.charCodeAt(cursor.at))) cursor.at++;
}

/** The next word: brackets keep spaces together, and `! 1.1.1.1` is one word. */
function word(cursor: Cursor, what: string): string {
  skip(cursor);
  const { text } = cursor;
  const from = cursor.at;
  let depth = 0;
  let onlyBangs = true;
  for (; cursor.at < text.length; cursor.at++) {
    const char = text[cursor.at];
    if (char === '[') depth++;
    else if (char === ']') depth--;
    else if (char === '(') break;
    else if (depth <= 0 && isSpace(text.charCodeAt(cursor.at)) && !onlyBangs) break;
    if (char !== '!' && !isSpace(text.charCodeAt(cursor.at))) onlyBangs = false;
  }
  if (depth > 0) throw new RuleError('', `a [ is not closed in ${shorten(text.slice(from, cursor.at))}`);
  if (cursor.at === from) {
    throw new RuleError('', `${what} is missing; a rule reads: action protocol source ports -> destination ports (options)`);
  }
  return text.slice(from, cursor.at);
}
