import { RuleError } from '../rule-error.js';
import type { ThresholdOption } from '../state-option.js';
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
  noalert: {
    value: 'none',
    apply(state) {
      state.rule.noalert = true;
    },
  },
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

const TYPES = new Set(['limit', 'threshold', 'both']);
const TRACKS = new Set(['by_src', 'by_dst', 'by_rule', 'by_both', 'by_flow']);

/** `type limit, track by_src, count 1, seconds 60`: all four, in any order. */
function threshold(state: RuleState, value: string): void {
  const fields = new Map<string, string>();
  for (const part of value.split(',')) {
    const match = /^(\S+)\s+(\S+)$/.exec(trim(part));
    if (match === null) throw new RuleError('threshold', `takes "type T, track by_X, count N, seconds S", got "${shorten(trim(part))}"`);
    if (fields.has(match[1])) throw new RuleError('threshold', `${shorten(match[1])} is given twice`);
    fields.set(match[1], match[2]);
  }
  const type = fields.get('type') ?? '';
  if (type === 'backoff' || fields.has('multiplier')) throw new RuleError('threshold', 'type backoff is not supported yet');
  const track = fields.get('track') ?? '';
  if (!TYPES.has(type)) throw new RuleError('threshold', `type must be limit, threshold or both, got "${shorten(type)}"`);
  if (!TRACKS.has(track))
    throw new RuleError('threshold', `track must be by_src, by_dst, by_rule, by_both or by_flow, got "${shorten(track)}"`);
  for (const key of fields.keys()) {
    if (!['type', 'track', 'count', 'seconds'].includes(key)) throw new RuleError('threshold', `has no field "${shorten(key)}"`);
  }
  if (!fields.has('count') || !fields.has('seconds')) throw new RuleError('threshold', 'needs both count and seconds');
  state.rule.threshold = {
    kind: 'threshold',
    type: type as ThresholdOption['type'],
    track: track as ThresholdOption['track'],
    count: parseInteger('threshold', fields.get('count') ?? '', 1, U32),
    seconds: parseInteger('threshold', fields.get('seconds') ?? '', 1, U32),
  };
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
