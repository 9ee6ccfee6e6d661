/**
 * The literal a rule is found by, and the buffer it is looked for in.
 */
import { APP_PROTO_NAMES, BufferId } from '../app-layer/buffers.js';
import { bufferSpec, Way } from '../app-layer/catalogue.js';
import type { ContentOption } from '../rules/byte-option.js';
import type { Rule } from '../rules/rule.js';

/** The packet's payload among the buffers: it stands behind those of the application layers. */
export const PAYLOAD: number = BufferId.Count;

/** The rule is matched on transactions: some buffer of it is a transaction's. */
export function isTransactionRule(rule: Rule): boolean {
  return rule.buffers.some(({ buffer }) => bufferSpec(buffer).id >= 0);
}

/** The transaction groups of a rule: protocol * 2 + direction, for each protocol that has all its buffers. */
export function transactionGroups(rule: Rule): number[] {
  const specs = rule.buffers.map(({ buffer }) => bufferSpec(buffer)).filter((spec) => spec.id >= 0);
  const way = specs.find((spec) => spec.way !== Way.Both)?.way ?? Way.Both;
  const groups: number[] = [];
  for (let proto = 0; proto < APP_PROTO_NAMES.length; proto++) {
    if (!specs.every((spec) => spec.protos.includes(APP_PROTO_NAMES[proto]))) continue;
    if (way !== Way.ToClient) groups.push(proto * 2);
    if (way !== Way.ToServer) groups.push(proto * 2 + 1);
  }
  return groups;
}

export interface Literal {
  bytes: Uint8Array;
  nocase: boolean;
}

/** The first bytes of a longer content are enough to be found by. */
const MAX_LITERAL = 64;

export function literalKey(l: Literal): string {
  return `${l.nocase ? 'i' : 'c'}${l.bytes.length}:${Buffer.from(l.bytes).toString('latin1')}`;
}

/** How much a literal tells: rare and varied bytes more, common and repeated ones less. */
function quality(bytes: Uint8Array): number {
  const seen = new Uint8Array(256);
  let score = 0;
  for (const b of bytes) {
    if (seen[b] === 1) score += 1;
    else if (b === 0 || b === 0x20 || b === 0xff || b === 0x0d || b === 0x0a) score += 2;
    else score += b < 0x80 ? 4 : 5;
    seen[b] = 1;
  }
  return score;
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
  // Neither what a transform makes nor a header is searched for literals.
  const lists = rule.buffers
    .filter(({ transforms }) => transforms.length === 0)
    .map(({ buffer, tests }) => ({ buffer: bufferSpec(buffer).id, tests }))
    .filter(({ buffer }) => buffer >= 0);
  lists.push({ buffer: PAYLOAD, tests: rule.payload });
  let best: ContentOption | null = null;
  let where = PAYLOAD;
  for (const { buffer, tests } of lists) {
    // The rule also matches without this buffer.
    if (tests[0]?.kind === 'absent') continue;
    for (const o of tests) {
      if (o.kind !== 'content' || o.negated || o.pattern.length === 0) continue;
      if (o.fastPattern || o.fastPatternOnly) return placed(o, buffer);
      if (best !== null && buffer === PAYLOAD && where !== PAYLOAD) continue;
      if (best !== null && quality(o.pattern) <= quality(best.pattern)) continue;
      best = o;
      where = buffer;
    }
  }
  return best === null ? null : placed(best, where);
}

function placed(o: ContentOption, buffer: number): PlacedLiteral {
  const chop = o.fastPatternChop;
  const part = chop === undefined ? o.pattern : o.pattern.subarray(chop.offset, chop.offset + chop.length);
  return { bytes: (part.length > 0 ? part : o.pattern).subarray(0, MAX_LITERAL), nocase: o.nocase, buffer };
}
