import { type ListKind, resolveList, type Span, same } from './list.js';
import type { PortSet } from './rule.js';
import { RuleError } from './rule-error.js';
import { shorten, trim } from './text.js';

const UNIVERSE: readonly Span[] = [[0n, 65535n]];
const KIND: ListKind = { what: 'port', section: 'port-groups', universe: UNIVERSE, leaf };

const known = new WeakMap<object, Map<string, Span[]>>();
const resolved = new WeakMap<object, Map<string, PortSet>>();

/** Port text of a rule header to a set: `80`, `80:90`, `:1024`, `1024:`, lists, negation, variables. Throws RuleError. */
export function parsePorts(text: string, groups: Readonly<Record<string, string>>): PortSet {
  let sets = resolved.get(groups);
  let variables = known.get(groups);
  if (sets === undefined || variables === undefined) {
    sets = new Map();
    variables = new Map();
    resolved.set(groups, sets);
    known.set(groups, variables);
  }
  let set = sets.get(text);
  if (set === undefined) {
    const spans = resolveList(KIND, text, groups, variables);
    set = same(spans, UNIVERSE)
      ? { any: true, ranges: [] }
      : { any: false, ranges: spans.map(([first, last]) => [Number(first), Number(last)]) };
    if (text.length <= 200) sets.set(text, set);
  }
  return set;
}

function leaf(text: string): Span {
  const colon = text.indexOf(':');
  if (colon < 0) {
    const port = number(text, text);
    return [port, port];
  }
  const low = trim(text.slice(0, colon));
  const high = trim(text.slice(colon + 1));
  if (low === '' && high === '') throw bad(text);
  const first = low === '' ? 0n : number(low, text);
  const last = high === '' ? 65535n : number(high, text);
  if (first > last) throw new RuleError('', `port range ${shorten(text)} runs backwards`);
  return [first, last];
}

function number(text: string, whole: string): bigint {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) throw bad(whole);
  return BigInt(text);
}

function bad(text: string): RuleError {
  return new RuleError('', `"${shorten(text)}" is no port: write 0 to 65535, a range first:last, or a $VARIABLE`);
}

/** Canonical text; parsePorts gives the same set back. */
export function printPorts(set: PortSet): string {
  if (set.any) return 'any';
  const parts = set.ranges.map(([first, last]) => (first === last ? `${first}` : `${first}:${last}`));
  return parts.length === 1 ? parts[0] : `[${parts.join(',')}]`;
}
