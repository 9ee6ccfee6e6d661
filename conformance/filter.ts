/** Values of JSON and YAML. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const isMap = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const SUFFIXES = ['__find', '__contains', '__startswith', '__endswith'] as const;

/**
 * The value a dotted name leads to, undefined when there is none: `alert.metadata.tag[0]`, `dns.answers.__len`.
 * A part that asks a question about the value (`__find` ...) ends the walk.
 */
export function findValue(name: string, from: Json): Json | undefined {
  let at: Json = from;
  for (const part of name.split('.')) {
    if (part === '__len') return lengthOf(at);
    if ((SUFFIXES as readonly string[]).includes(part)) return at;
    const indexed = /^(.*)\[(\d+)\]$/.exec(part);
    const key = indexed ? indexed[1] : part;
    if (!isMap(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
    if (indexed === null) continue;
    const index = Number(indexed[2]);
    const next = Array.isArray(at) ? at[index] : typeof at === 'string' ? at[index] : undefined;
    if (next === undefined) return undefined;
    at = next;
  }
  return at;
}

/** -1 for what has no length. */
function lengthOf(value: Json): number {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  return isMap(value) ? Object.keys(value).length : -1;
}

/** Equal as Python finds them: no conversion between text and numbers, but true is 1. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  const plain = (value: Json | undefined) => (typeof value === 'boolean' ? Number(value) : value);
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((one, i) => same(one, b[i]));
  if (isMap(a)) {
    if (!isMap(b) || Object.keys(a).length !== Object.keys(b).length) return false;
    return Object.keys(a).every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
  }
  return (plain(a) ?? null) === (plain(b) ?? null);
}

/** A question that cannot be asked of the value: the suite's own runner fails the check then, so does this one. */
export class Unaskable extends Error {}

/** Whether a record fits every line of `match`. @throws Unaskable */
export function matches(match: { [key: string]: Json }, event: Json): boolean {
  for (const [key, expected] of Object.entries(match)) {
    if (!fits(key, expected, event)) return false;
  }
  return true;
}

const hasKey = (key: string, event: Json) => (findValue(key, event) ?? null) !== null;

function fits(key: string, expected: Json, event: Json): boolean {
  // One key, or a list of which each counts.
  if (key === 'has-key') return [expected].flat().every((name) => hasKey(String(name), event));
  if (key === 'not-has-key') return ![expected].flat().some((name) => hasKey(String(name), event));
  const value = findValue(key, event);
  const suffix = SUFFIXES.find((one) => key.endsWith(one));
  if (suffix === undefined) return same(value, expected);
  if (suffix === '__contains' && Array.isArray(value)) return value.some((one) => same(one, expected));
  if (suffix === '__contains' && isMap(value)) return Object.hasOwn(value, String(expected));
  if (typeof value !== 'string') throw new Unaskable(`${key}: the value is ${value === undefined ? 'missing' : JSON.stringify(value)}`);
  const wanted = String(expected);
  if (suffix === '__startswith') return value.startsWith(wanted);
  return suffix === '__endswith' ? value.endsWith(wanted) : value.includes(wanted);
}
