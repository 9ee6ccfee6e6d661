import type { ByteOption, ContentOption, PcreOption } from '../../src/rules/byte-option.js';
import type { Rule } from '../../src/rules/rule.js';

/**
 * The payload tests of a rule, read off the user guide ("Payload Keywords") as plainly as possible: tests in
 * the order written, every position of every content tried, exhaustive recursion. The oracle of the
 * property tests; slow on purpose. Regular expressions are JavaScript's own.
 */
export function naivePayload(tests: ByteOption[], payload: Uint8Array): boolean {
  return payload.length > 0 && naivePositions(tests, payload) !== null;
}

/** The same of a rule on application layer buffers: each it names must be there, if only empty. */
export function naiveTransaction(rule: Rule, payload: Uint8Array, buffers: Record<string, Uint8Array | undefined>): boolean {
  const holds = rule.buffers.every(({ buffer, tests }) => {
    const bytes = buffers[buffer];
    return bytes !== undefined && naivePositions(tests, bytes) !== null;
  });
  return holds && (rule.payload.length === 0 || naivePayload(rule.payload, payload));
}

/** Where each test matches in the first assignment that satisfies all (earliest positions first; -1 for negated ones), or null. */
export function naivePositions(tests: ByteOption[], bytes: Uint8Array): number[] | null {
  return from(tests, 0, 0, bytes);
}

/** Do tests[i..] hold when the last positive match ended at `previous`? */
function from(tests: ByteOption[], i: number, previous: number, payload: Uint8Array): number[] | null {
  if (i === tests.length) return [];
  const t = tests[i];
  const ends = t.kind === 'pcre' ? regexEnds(t, previous, payload) : contentEnds(t, previous, payload);
  if (t.negated) {
    const rest = ends.length === 0 ? from(tests, i + 1, previous, payload) : null;
    return rest === null ? null : [-1, ...rest];
  }
  for (const end of ends) {
    const rest = from(tests, i + 1, end, payload);
    if (rest !== null) return [t.kind === 'content' ? end - t.pattern.length : end, ...rest];
  }
  return null;
}

/** All places where a content may end. */
function contentEnds(t: ContentOption, previous: number, payload: Uint8Array): number[] {
  const ends: number[] = [];
  const relative = t.distance !== undefined || t.within !== undefined;
  for (let at = 0; at + t.pattern.length <= payload.length; at++) {
    const end = at + t.pattern.length;
    if (!t.pattern.every((b, k) => b === (t.nocase ? lower(payload[at + k]) : payload[at + k]))) continue;
    if (relative) {
      if (at < previous + (t.distance ?? 0)) continue;
      if (t.within !== undefined && end > previous + (t.distance ?? 0) + t.within) continue;
    }
    if (t.offset !== undefined && at < t.offset) continue;
    if (t.depth !== undefined && end > (t.offset ?? 0) + t.depth) continue;
    if (t.startswith && at !== 0) continue;
    if (t.endswith && end !== payload.length) continue;
    ends.push(end);
  }
  return ends;
}

function lower(b: number): number {
  return b >= 65 && b <= 90 ? b + 32 : b;
}

/** Ends of the leftmost match from each start, as PCRE reports them. */
function regexEnds(t: PcreOption, previous: number, payload: Uint8Array): number[] {
  const base = t.relative ? previous : 0;
  const text = Buffer.from(payload.subarray(base)).toString('latin1');
  const expression = new RegExp(t.pattern, `g${t.flags.replace(/[^ims]/g, '')}`);
  const ends: number[] = [];
  for (let start = 0; start <= text.length; start++) {
    expression.lastIndex = start;
    const m = expression.exec(text);
    if (m === null) break;
    ends.push(base + m.index + m[0].length);
    start = m.index;
  }
  return ends;
}
