import { z } from 'zod/v3';
import type { ExceptionPolicy } from '../ring/verdict.js';
import { shown } from './tree.js';

/**
 * The kinds of value suricata.yaml knows, as zod types from text. Each takes the default for a key that is
 * missing or empty, and says in one phrase what is allowed when the text is something else.
 * `zod/v3` on purpose: the same package, but 8 ms to import instead of 40 (README.md).
 */
export type Reader<T> = z.ZodEffects<z.ZodUnknown, T, unknown>;

/** Message of an issue: what load.ts puts after the value. */
function scalar<T>(fallback: T, allowed: string, read: (text: string) => T | undefined): Reader<T> {
  return z.unknown().transform((raw, context): T => {
    if (raw === undefined || raw === '') return fallback;
    const value = typeof raw === 'string' ? read(raw.trim()) : undefined;
    if (value === undefined) {
      context.addIssue({ code: 'custom', message: allowed, params: { value: raw } });
      return z.NEVER;
    }
    return value;
  });
}

/** Suricata's truth words (1, yes, true, on) and their opposites, in any case, plus YAML 1.1's y and n. */
export function truthWord(text: string): boolean | undefined {
  if (/^(1|y|yes|true|on)$/i.test(text)) return true;
  if (/^(0|n|no|false|off)$/i.test(text)) return false;
  return undefined;
}

export const truth = (fallback: boolean) => scalar(fallback, 'yes or no', truthWord);

/** Read elsewhere. */
export const anything = () => z.unknown();

export const text = (fallback = '') => scalar(fallback, 'one value, not a list or a section', (value) => value);

export const choice = <T extends string>(fallback: T, values: readonly T[]) =>
  scalar<T>(fallback, values.length === 2 ? values.join(' or ') : `one of ${values.join(', ')}`, (value) =>
    values.find((one) => one === value.toLowerCase()),
  );

const integer = (value: string): number | undefined => (/^(\d{1,15}|0x[0-9a-f]{1,12})$/i.test(value) ? Number(value) : undefined);

const within = (value: number | undefined, min: number, max: number) =>
  value !== undefined && value >= min && value <= max ? value : undefined;

export const int = (fallback: number, min: number, max: number) =>
  scalar(fallback, `a whole number from ${min} to ${max}`, (value) => within(integer(value), min, max));

/** `auto` = 0. */
export const autoInt = (min: number, max: number) =>
  scalar(0, `auto, or a whole number from ${min} to ${max}`, (value) =>
    value.toLowerCase() === 'auto' ? 0 : within(integer(value), min, max),
  );

export const autoTruth = (fallback: 'auto' | boolean) =>
  scalar<'auto' | boolean>(fallback, 'auto, yes or no', (value) => (value.toLowerCase() === 'auto' ? 'auto' : truthWord(value)));

export const percent = (fallback: number) =>
  scalar(fallback, 'a percentage from 1 to 100', (value) => within(integer(value.replace(/\s*%$/, '')), 1, 100));

const UNITS: Record<string, number> = { '': 1, b: 1, kb: 1024, kib: 1024, mb: 1024 ** 2, mib: 1024 ** 2, gb: 1024 ** 3, gib: 1024 ** 3 };

/** `64kb`, `1.5 GiB`, `4096` (bytes): Suricata's sizes are powers of 1024. */
export function parseSize(value: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]{0,3})$/i.exec(value);
  const unit = match ? UNITS[match[2].toLowerCase()] : undefined;
  return match && unit !== undefined ? Math.floor(Number(match[1]) * unit) : undefined;
}

function sizeName(bytes: number): string {
  for (const [unit, name] of [
    [1024 ** 3, 'gb'],
    [1024 ** 2, 'mb'],
    [1024, 'kb'],
  ] as const) {
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${name}`;
  }
  return `${bytes} bytes`;
}

export const size = (fallback: number, min: number, max: number) =>
  scalar(fallback, `a size such as 64kb, 32mb or 1gb, from ${sizeName(min)} to ${sizeName(max)}`, (value) =>
    within(parseSize(value), min, max),
  );

export const sizePowerOfTwo = (fallback: number, min: number, max: number) =>
  scalar(fallback, `a power of two from ${sizeName(min)} to ${sizeName(max)}`, (value) => {
    const bytes = within(parseSize(value), min, max);
    return bytes !== undefined && Number.isInteger(Math.log2(bytes)) ? bytes : undefined;
  });

const POLICIES: readonly ExceptionPolicy[] = ['auto', 'drop-flow', 'drop-packet', 'pass-flow', 'pass-packet', 'bypass', 'reject', 'ignore'];

/** undefined = not set: the master switch decides. */
export const policy = () =>
  scalar<ExceptionPolicy | undefined>(undefined, `one of ${POLICIES.join(', ')}`, (value) =>
    POLICIES.find((one) => one === value.toLowerCase()),
  );

/** A list whose entries are text; a single value counts as a list of one. */
export const texts = (what: string) =>
  z.unknown().transform((raw, context): string[] => {
    if (raw === undefined || raw === '') return [];
    const list = typeof raw === 'string' ? [raw] : raw;
    if (Array.isArray(list) && list.every((entry) => typeof entry === 'string')) return (list as string[]).filter((entry) => entry !== '');
    context.addIssue({ code: 'custom', message: `a list of ${what}`, params: { value: raw } });
    return z.NEVER;
  });

/** Highest CPU number + 1 that a list may name. */
const MAX_CPUS = 4096;

/** `[ "all" ]`, `[ 0, "2-4" ]`, `0-3`: CPU numbers, sorted, each once; `all` = empty, no pinning. */
export const cpus = () =>
  z.unknown().transform((raw, context): number[] => {
    if (raw === undefined || raw === '') return [];
    const found = new Set<number>();
    let all = false;
    let bad = false;
    for (const entry of Array.isArray(raw) ? raw : typeof raw === 'string' ? raw.replace(/^\[|\]$/g, '').split(',') : [undefined]) {
      const word = typeof entry === 'string' ? entry.trim() : '';
      const range = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(word);
      const first = range ? Number(range[1]) : -1;
      const last = range?.[2] !== undefined ? Number(range[2]) : first;
      if (word === 'all') all = true;
      else if (!range || last < first || last >= MAX_CPUS) bad = true;
      else for (let cpu = first; cpu <= last; cpu++) found.add(cpu);
    }
    if (bad) {
      context.addIssue({ code: 'custom', message: 'CPU numbers and ranges such as [ 0, "2-4" ], or [ "all" ]', params: { value: raw } });
      return z.NEVER;
    }
    return all ? [] : [...found].sort((a, b) => a - b);
  });

/**
 * A section: a mapping of known keys, or nothing. `unused` are keys Suricata documents and Sluice does
 * not read: silent, where any other key is warned about.
 */
export function section<S extends z.ZodRawShape>(shape: S, unused: readonly string[] = []) {
  const object = z.object(shape);
  KNOWN.set(object, { shape, unused });
  const wrapped = z.preprocess((raw) => (raw === undefined || raw === '' ? {} : raw), object);
  KNOWN.set(wrapped, { shape, unused });
  return wrapped;
}

interface Known {
  shape: z.ZodRawShape;
  unused: readonly string[];
}
const KNOWN = new WeakMap<z.ZodTypeAny, Known>();

/** What a section's schema knows of its keys. */
export function knownKeys(schema: z.ZodTypeAny): Known | undefined {
  return KNOWN.get(schema);
}

/** What an issue says is allowed. */
export function allowed(issue: z.ZodIssue): string {
  if (issue.code === 'custom') return issue.message;
  if (issue.code === 'invalid_type') return `a section of 'key: value' lines`;
  return issue.message;
}

/** The value an issue is about. */
export function offending(issue: z.ZodIssue, fallback: string): string {
  const params = issue.code === 'custom' ? (issue.params as { value?: unknown } | undefined) : undefined;
  return shown(params?.value ?? fallback);
}
