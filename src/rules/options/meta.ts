import { RuleError } from '../rule-error.js';
import type { ThresholdOption, Track } from '../state-option.js';
import { parseInteger, shorten, toText, trim } from '../text.js';
import type { OptionTable, RuleState } from './option.js';

const U32 = 0xffffffff;

/** Keywords that do not look at traffic (user guide, "Meta Keywords", "Thresholding Keywords", "Bypass Keyword"; nfq_set_mark). */
export const META_OPTIONS: OptionTable = {
  msg: {
    value: 'required',
    quoted: 'yes',
    once: true,
    apply(state, value) {
      state.rule.msg = toText(unescapeMsg(value));
    },
  },
  sid: {
    value: 'required',
    once: true,
    apply(state, value) {
      state.rule.sid = parseInteger('sid', value, 1, U32);
    },
  },
  rev: {
    value: 'required',
    once: true,
    apply(state, value) {
      state.rule.rev = parseInteger('rev', value, 0, U32);
    },
  },
  gid: {
    value: 'required',
    once: true,
    apply(state, value) {
      state.rule.gid = parseInteger('gid', value, 0, U32);
    },
  },
  classtype: { value: 'required', apply: classtype },
  priority: {
    value: 'required',
    apply(state, value) {
      const priority = parseInteger('priority', value, 1, 255);
      state.rule.priority = state.explicitPriority ? Math.min(state.rule.priority, priority) : priority;
      state.explicitPriority = true;
    },
  },
  reference: { value: 'required', apply: reference },
  metadata: { value: 'required', apply: metadata },
  threshold: { value: 'required', once: true, apply: threshold },
  detection_filter: { value: 'required', once: true, apply: detectionFilter },
  noalert: {
    value: 'none',
    apply({ rule }) {
      rule.noalert = true;
      delete rule.alert;
    },
  },
  alert: {
    value: 'none',
    apply({ rule }) {
      rule.noalert = false;
      rule.alert = true;
    },
  },
  target: {
    value: 'required',
    once: true,
    apply({ rule }, value) {
      if (value !== 'src_ip' && value !== 'dest_ip') throw new RuleError('target', `is src_ip or dest_ip, got "${shorten(value)}"`);
      rule.target = value;
    },
  },
  // Which index finds a rule is decided here (src/detect/literal.ts): the wish for another changes no result.
  prefilter: { value: 'none', apply() {} },
  // Read before all others: see requires.ts.
  requires: { value: 'required', once: true, apply() {} },
  config: { value: 'required', apply: config },
  bypass: {
    value: 'none',
    apply(state) {
      state.rule.bypass = true;
    },
  },
  nfq_set_mark: { value: 'required', once: true, apply: nfqSetMark },
};

/** `\" \; \: \\`; a backslash before anything else is dropped, as Suricata does. */
function unescapeMsg(value: string): string {
  if (!value.includes('\\')) return value;
  let out = '';
  for (let i = 0; i < value.length; i++) {
    if (value[i] === '\\') {
      i++;
      if (i === value.length) throw new RuleError('msg', 'ends in a backslash: write \\\\ for one');
    }
    out += value[i];
  }
  return out;
}

/** Of several, the one with the highest priority counts. An unknown name loads with an empty category. */
function classtype(state: RuleState, value: string): void {
  if (!/^[A-Za-z][A-Za-z0-9_-]*$/.test(value)) throw new RuleError('classtype', `"${shorten(value)}" is no classification name`);
  const { rule, context } = state;
  const found = context.classifications.get(value.toLowerCase());
  if (rule.classtype !== '') {
    const before = context.classifications.get(rule.classtype.toLowerCase());
    if (found === undefined || (before !== undefined && before.priority <= found.priority)) return;
  }
  rule.classtype = value;
  rule.category = found?.description ?? '';
}

function reference(state: RuleState, value: string): void {
  const comma = value.indexOf(',');
  const type = trim(value.slice(0, Math.max(comma, 0)));
  const rest = comma < 0 ? '' : trim(value.slice(comma + 1));
  if (type === '' || rest === '') throw new RuleError('reference', `takes type,value (as in url,www.example.com), got "${shorten(value)}"`);
  state.rule.references.push(toText(`${type},${rest}`));
}

/** `key value, key value`: the first word is the key, the rest its value; a key may come again. */
function metadata(state: RuleState, value: string): void {
  const entries = state.rule.metadata;
  for (const part of value.split(',')) {
    const entry = trim(part);
    if (entry === '') continue;
    const space = /[ \t]/.exec(entry);
    const key = toText(space === null ? entry : entry.slice(0, space.index));
    if (!Object.hasOwn(entries, key)) {
      // defineProperty, not assignment: the key may be __proto__.
      Object.defineProperty(entries, key, { value: [], enumerable: true, configurable: true, writable: true });
    }
    if (space !== null) entries[key].push(toText(trim(entry.slice(space.index))));
  }
}

const TYPES = new Set(['limit', 'threshold', 'both', 'backoff']);
const TRACKS = new Set(['by_src', 'by_dst', 'by_rule', 'by_both', 'by_flow']);

/** `type limit, track by_src, count 1, seconds 60`, in any order; backoff has a multiplier instead of seconds. */
function threshold({ rule }: RuleState, value: string): void {
  if (rule.threshold !== undefined) throw new RuleError('threshold', 'cannot stand beside detection_filter: choose one');
  const fields = wordPairs('threshold', value);
  const type = fields.get('type') ?? '';
  if (!TYPES.has(type)) throw new RuleError('threshold', `type must be limit, threshold, both or backoff, got "${shorten(type)}"`);
  rule.threshold = thresholdOf('threshold', type as ThresholdOption['type'], fields);
}

/** `track by_src, count 1, seconds 60`, in any order. */
function detectionFilter({ rule }: RuleState, value: string): void {
  if (rule.threshold !== undefined) throw new RuleError('detection_filter', 'cannot stand beside threshold: choose one');
  rule.threshold = thresholdOf('detection_filter', 'detection_filter', wordPairs('detection_filter', value));
}

/** `name value, name value`: each name once. */
export function wordPairs(option: string, value: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of value.split(',')) {
    const match = /^(\S+)\s+(\S+)$/.exec(trim(part));
    if (match === null) throw new RuleError(option, `takes pairs as "track by_src, count 1", got "${shorten(trim(part))}"`);
    if (fields.has(match[1])) throw new RuleError(option, `${shorten(match[1])} is given twice`);
    fields.set(match[1], match[2]);
  }
  return fields;
}

/** What `threshold`, `detection_filter` and threshold.config have in common. */
export function thresholdOf(option: string, type: ThresholdOption['type'], fields: ReadonlyMap<string, string>): ThresholdOption {
  const track = fields.get('track') ?? '';
  if (!TRACKS.has(track)) throw new RuleError(option, `track must be by_src, by_dst, by_rule, by_both or by_flow, got "${shorten(track)}"`);
  const backoff = type === 'backoff';
  for (const key of fields.keys()) {
    if (key === 'unique_on') throw new RuleError(option, 'unique_on is not supported');
    const known =
      key === 'track' || key === 'count' || key === (backoff ? 'multiplier' : 'seconds') || (key === 'type' && option === 'threshold');
    if (!known) throw new RuleError(option, key === 'multiplier' ? 'multiplier goes with type backoff' : `has no field "${shorten(key)}"`);
  }
  const second = backoff ? 'multiplier' : 'seconds';
  if (!fields.has('count') || !fields.has(second)) throw new RuleError(option, `needs both count and ${second}`);
  const count = parseInteger(option, fields.get('count') ?? '', 1, U32);
  if (!backoff)
    return { kind: 'threshold', type, track: track as Track, count, seconds: parseInteger(option, fields.get('seconds') ?? '', 1, U32) };
  if (track !== 'by_flow') throw new RuleError(option, 'type backoff is for track by_flow alone');
  const multiplier = parseInteger(option, fields.get('multiplier') ?? '', 2, U32);
  return { kind: 'threshold', type, track, count, seconds: 0, multiplier };
}

/** Canonical text. */
export function printThreshold({ type, track, count, seconds, multiplier }: ThresholdOption): string {
  const head = type === 'detection_filter' ? 'detection_filter:' : `threshold:type ${type}, `;
  return `${head}track ${track}, count ${count}, ${multiplier === undefined ? `seconds ${seconds}` : `multiplier ${multiplier}`}`;
}

/** `logging disable, type tx|flow, scope tx|flow`: nothing here logs transactions yet, so such a rule waits. */
function config({ rule }: RuleState, value: string): void {
  const match = /^(logging|tracking)\s+(disable|enable)\s*,\s*type\s+(tx|flow)\s*,\s*scope\s+(tx|flow|packet)$/.exec(value);
  if (match === null) throw new RuleError('config', `takes "logging disable, type tx, scope tx", got "${shorten(value)}"`);
  rule.inert ??= 'logging of transactions';
}

const MARK = /^(0x[0-9a-f]{1,8}|0|[1-9]\d{0,9})(?:\s*\/\s*(0x[0-9a-f]{1,8}|0|[1-9]\d{0,9}))?$/i;

/** `value` or `value/mask`, decimal or 0x hex, 32 bits each; without a mask all bits are set. */
function nfqSetMark(state: RuleState, value: string): void {
  const match = MARK.exec(value);
  if (match === null) throw new RuleError('nfq_set_mark', `takes mark/mask, decimal or 0x hex, got "${shorten(value)}"`);
  const mark = Number(match[1]);
  const mask = match[2] === undefined ? U32 : Number(match[2]);
  if (mark > U32 || mask > U32) throw new RuleError('nfq_set_mark', `${value} is out of range, mark and mask have 32 bits`);
  state.rule.nfqMark = { mark: mark | 0, mask: mask | 0 };
}
