/**
 * The literal a rule is found by, and the buffer it is looked for in.
 */

import { APP_EVENTS } from '../app-layer/app-events.js';
import { APP_PROTO_NAMES, appProtoOf, BufferId } from '../app-layer/buffers.js';
import { bufferSpec, FILE_PROTOS, Way } from '../app-layer/catalogue.js';
import { APP_KEYWORDS } from '../rules/app-keywords.js';
import { hasRuntime } from '../rules/app-values.js';
import type { ContentOption } from '../rules/byte-option.js';
import type { Rule } from '../rules/rule.js';
import type { Transform } from '../rules/transform.js';

/** The packet's payload among the buffers: it stands behind those of the application layers. */
export const PAYLOAD: number = BufferId.Count;

/** An event of a protocol's transactions that the rule asks for: the protocol, and the event's bit; undefined: none. */
export function appEventOf(rule: Rule): { proto: string; bit: number } | undefined {
  for (const option of rule.header) {
    if (option.kind !== 'app' || option.keyword !== 'app-layer-event' || !option.value.includes('.')) continue;
    const [proto, name] = option.value.split('.');
    return { proto, bit: APP_EVENTS[proto]?.indexOf(name) ?? -1 };
  }
  return undefined;
}

/** The protocol whose transactions a test without a buffer of its own is about. */
function txProtoOf(rule: Rule): string | undefined {
  const event = appEventOf(rule);
  if (event !== undefined) return event.proto;
  for (const o of rule.header) {
    if (o.kind === 'app' && hasRuntime(o)) return o.proto ?? APP_KEYWORDS.get(o.keyword)!.proto;
  }
  return undefined;
}

/** The rule is matched on transactions: some buffer of it is a transaction's, or it asks for an event of one. */
export function isTransactionRule(rule: Rule): boolean {
  return rule.buffers.some(({ buffer }) => bufferSpec(buffer).id >= 0) || txProtoOf(rule) !== undefined;
}

/** The transaction groups of a rule: protocol * 2 + direction, for each protocol that has all its buffers. */
export function transactionGroups(rule: Rule): number[] {
  const entries = rule.buffers.map((entry) => ({ spec: bufferSpec(entry.buffer), way: entry.way })).filter(({ spec }) => spec.id >= 0);
  const ways = entries.map(({ spec, way }) => (way === undefined ? spec.way : way === 'to_server' ? Way.ToServer : Way.ToClient));
  const way = ways.find((one) => one !== Way.Both) ?? flowWay(rule);
  const only = txProtoOf(rule);
  const groups: number[] = [];
  for (let proto = 0; proto < APP_PROTO_NAMES.length; proto++) {
    const name = APP_PROTO_NAMES[proto];
    if (only !== undefined && (only === 'file' ? !FILE_PROTOS.includes(name) : appProtoOf(only) !== proto)) continue;
    if (!entries.every(({ spec }) => spec.protos.includes(name))) continue;
    if (way !== Way.ToClient) groups.push(proto * 2);
    if (way !== Way.ToServer) groups.push(proto * 2 + 1);
  }
  return groups;
}

/** The direction that `flow`, or a test on files, leaves. */
function flowWay(rule: Rule): Way {
  for (const o of rule.header) {
    const side = o.kind === 'flow' ? o.direction : o.kind === 'app' ? o.way : undefined;
    if (side !== undefined) return side === 'to_server' ? Way.ToServer : Way.ToClient;
  }
  return Way.Both;
}

export interface Literal {
  bytes: Uint8Array;
  nocase: boolean;
}

/** The first bytes of a longer content are enough to be found by. */
export const MAX_LITERAL = 64;

export function literalKey(l: Literal): string {
  return `${l.nocase ? 'i' : 'c'}${l.bytes.length}:${Buffer.from(l.bytes).toString('latin1')}`;
}

/** What ordinary traffic is full of, in lower case: a piece of it tells little. */
const ORDINARY = [
  'get / http/1.1\r\nhost: www.\r\nuser-agent: mozilla/5.0 (windows nt 10.0; win64; x64)\r\naccept: */*\r\n',
  'accept-encoding: gzip, deflate\r\naccept-language: en-us\r\nconnection: keep-alive\r\nreferer: http://\r\ncookie: \r\n\r\n',
  'post / http/1.0\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: \r\n\r\n',
  'http/1.1 200 ok\r\ndate: \r\nserver: apache\r\ncontent-type: text/html; charset=utf-8\r\ntransfer-encoding: chunked\r\n',
  '.com .net .org .php .html https:// <html><head><title></title></head><body></body></html> charset=utf-8 <script> </script>',
  '\xffsmb \xfesmb@\0 user pass login password 220 230 331 ehlo mail from:<rcpt to:<\r\n.\r\nquit\r\n',
].join('\u0100');
/** What is longer tells something, whatever it is made of. */
const LONGEST_ORDINARY = 24;
/** Such a piece counts for this fraction, and one of so few bytes, which any traffic has now and then. */
const ORDINARY_WORTH = 0.3;
const SHORT_WORTH = [0, 0.3, 0.3, 0.6];

/** How much a literal tells: rare and varied bytes more, common and repeated ones less. */
export function quality(bytes: Uint8Array): number {
  const seen = new Uint8Array(256);
  let score = 0;
  for (const b of bytes) {
    if (seen[b] === 1) score += 1;
    else if (b === 0 || b === 0x20 || b === 0xff || b === 0x0d || b === 0x0a) score += 2;
    else score += b < 0x80 ? 4 : 5;
    seen[b] = 1;
  }
  score *= SHORT_WORTH[bytes.length] ?? 1;
  if (bytes.length > LONGEST_ORDINARY) return score;
  const text = Buffer.from(bytes).toString('latin1').toLowerCase();
  return ORDINARY.includes(text) ? score * ORDINARY_WORTH : score;
}

/** A literal and the BufferId (or PAYLOAD) of the buffer it belongs to. */
export interface PlacedLiteral extends Literal {
  buffer: number;
}

/**
 * The literal a rule is found by: its fast_pattern, else its best positive content; null without one. Of a rule
 * on application layer buffers that is the best of those: they are shorter than payloads, and fewer.
 * User guide, "Suricata Fast Pattern Determination Explained"; the measure is ours, it changes no verdict.
 */
export function literalOf(rule: Rule): PlacedLiteral | null {
  const lists = rule.buffers
    .map(({ buffer, tests, transforms }) => ({ buffer: bufferSpec(buffer).id, tests, transforms }))
    .filter(({ buffer }) => buffer >= 0);
  lists.push({ buffer: PAYLOAD, tests: rule.payload, transforms: [] });
  let best: PlacedLiteral | null = null;
  let bestQuality = 0;
  for (const { buffer, tests, transforms } of lists) {
    // The rule also matches without this buffer.
    if (tests[0]?.kind === 'absent') continue;
    for (const o of tests) {
      if (o.kind !== 'content' || o.negated || o.pattern.length === 0) continue;
      const literal = before(transforms, placed(o, buffer));
      if (literal === null) continue;
      if (o.fastPattern || o.fastPatternOnly) return literal;
      if (best !== null && buffer === PAYLOAD && best.buffer !== PAYLOAD) continue;
      const q = quality(o.pattern);
      if (best !== null && q <= bestQuality) continue;
      best = literal;
      bestQuality = q;
    }
  }
  return best;
}

/** Transforms that take a part of what goes in, as it is. */
const PARTS = new Set(['subslice', 'pcrexform']);
/** Those that change letters alone. */
const LETTERS = new Set(['to_lowercase', 'to_uppercase']);

/**
 * What the buffer itself must hold for `literal` to stand in what the transforms make of it; null: there is nothing to tell.
 * A dot before all: either the literal is within, or it begins with the dot.
 */
function before(transforms: readonly Transform[], literal: PlacedLiteral): PlacedLiteral | null {
  let { bytes, nocase } = literal;
  for (const { name } of [...transforms].reverse()) {
    if (name === 'dotprefix') bytes = bytes[0] === 0x2e ? bytes.subarray(1) : bytes;
    else if (LETTERS.has(name)) nocase = true;
    else if (!PARTS.has(name)) return null;
  }
  if (bytes.length === 0) return null;
  return { bytes: nocase && !literal.nocase ? lowered(bytes) : bytes, nocase, buffer: literal.buffer };
}

/** As patterns of case-insensitive contents are kept. */
function lowered(bytes: Uint8Array): Uint8Array {
  return bytes.map((b) => (b >= 0x41 && b <= 0x5a ? b + 32 : b));
}

function placed(o: ContentOption, buffer: number): PlacedLiteral {
  const chop = o.fastPatternChop;
  const part = chop === undefined ? o.pattern : o.pattern.subarray(chop.offset, chop.offset + chop.length);
  return { bytes: (part.length > 0 ? part : o.pattern).subarray(0, MAX_LITERAL), nocase: o.nocase, buffer };
}
