/**
 * threshold.config: thresholds, rate filters and suppressions for rules by number (user guide, "Global-Thresholds").
 *
 *   threshold|event_filter gen_id G, sig_id S, type T, track by_X, count N, seconds N
 *   rate_filter gen_id G, sig_id S, track by_X, count N, seconds N, new_action A, timeout N
 *   suppress gen_id G, sig_id S[, track by_src|by_dst|by_either, ip LIST]
 *
 * sig_id 0 means every rule of the group, gen_id 0 with it every group. `\` at the end of a line continues it, # begins a comment.
 */
import { parseAddresses } from './addresses.js';
import { thresholdOf } from './options/meta.js';
import type { AddressSet, Rule, RuleProblem } from './rule.js';
import { RuleError } from './rule-error.js';
import type { RateFilter, Suppression, ThresholdOption } from './state-option.js';
import { parseInteger, shorten, trim } from './text.js';

const U32 = 0xffffffff;

interface Place {
  line: number;
  gid: number;
  sid: number;
}
export type ThresholdEntry = Place &
  (
    | { kind: 'threshold'; threshold: ThresholdOption }
    | { kind: 'rate_filter'; rateFilter: RateFilter }
    | { kind: 'suppress'; suppression: Suppression }
  );

/** Entries in the order written; a line that cannot be read is a problem. `file` is for messages. */
export function parseThresholdConfig(
  text: string,
  file: string,
  groups: Readonly<Record<string, string>>,
): { entries: ThresholdEntry[]; problems: RuleProblem[] } {
  const entries: ThresholdEntry[] = [];
  const problems: RuleProblem[] = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = i + 1;
    let whole = trim(lines[i]);
    if (whole === '' || whole[0] === '#') continue;
    while (whole.endsWith('\\') && i + 1 < lines.length) whole = `${whole.slice(0, -1)} ${trim(lines[++i])}`;
    try {
      entries.push(parseEntry(trim(whole), line, groups));
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      problems.push({ file, line, option: error.option, reason: error.reason, sid: 0 });
    }
  }
  return { entries, problems };
}

function parseEntry(text: string, line: number, groups: Readonly<Record<string, string>>): ThresholdEntry {
  const head = /^(\w+)\s+([\s\S]*)$/.exec(text);
  const kind = head?.[1] === 'event_filter' ? 'threshold' : head?.[1];
  if (head === null || (kind !== 'threshold' && kind !== 'rate_filter' && kind !== 'suppress'))
    throw new RuleError('', `begins with threshold, event_filter, rate_filter or suppress, got "${shorten(text)}"`);
  const fields = new Map<string, string>();
  for (const part of splitFields(head[2])) {
    const pair = /^(\S+)\s+([\s\S]+)$/.exec(trim(part));
    if (pair === null) throw new RuleError(kind, `takes pairs as "sig_id 1, track by_src", got "${shorten(trim(part))}"`);
    if (fields.has(pair[1])) throw new RuleError(kind, `${shorten(pair[1])} is given twice`);
    fields.set(pair[1], pair[2]);
  }
  const take = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw new RuleError(kind, `needs ${name}`);
    fields.delete(name);
    return value;
  };
  const number = (name: string, min: number) => parseInteger(`${kind} ${name}`, take(name), min, U32);
  const place: Place = { line, gid: number('gen_id', 0), sid: number('sig_id', 0) };
  if (place.gid === 0 && place.sid !== 0) throw new RuleError(kind, 'gen_id 0 means all groups and goes with sig_id 0');
  switch (kind) {
    case 'threshold': {
      const type = take('type');
      if (type !== 'limit' && type !== 'threshold' && type !== 'both')
        throw new RuleError(kind, `type must be limit, threshold or both, got "${shorten(type)}"`);
      return { ...place, kind, threshold: thresholdOf(kind, type, fields) };
    }
    case 'rate_filter': {
      const action = take('new_action');
      if (action !== 'alert' && action !== 'drop' && action !== 'pass' && action !== 'reject')
        throw new RuleError(kind, `new_action is alert, drop, pass or reject, got "${shorten(action)}"`);
      const timeout = number('timeout', 1);
      const { track, count, seconds } = thresholdOf(kind, 'limit', fields);
      return { ...place, kind, rateFilter: { track, count, seconds, action, timeout } };
    }
    case 'suppress':
      return { ...place, kind, suppression: suppressionOf(fields, groups) };
  }
}

const EVERYWHERE: AddressSet = { any: true, ranges: [] };

function suppressionOf(fields: ReadonlyMap<string, string>, groups: Readonly<Record<string, string>>): Suppression {
  for (const name of fields.keys())
    if (name !== 'track' && name !== 'ip') throw new RuleError('suppress', `has no field "${shorten(name)}"`);
  const track = fields.get('track');
  const ip = fields.get('ip');
  if (track === undefined && ip === undefined) return { track: 'rule', addresses: EVERYWHERE };
  if (track !== 'by_src' && track !== 'by_dst' && track !== 'by_either')
    throw new RuleError('suppress', `track is by_src, by_dst or by_either, got "${shorten(track ?? '')}"`);
  if (ip === undefined) throw new RuleError('suppress', `track ${track} needs ip and a list of addresses`);
  return { track, addresses: parseAddresses(ip, groups) };
}

/** At the commas that stand in no brackets. */
function splitFields(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '[') depth++;
    else if (text[i] === ']') depth--;
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

/**
 * Changes the rules the entries name. One for a single rule replaces the threshold of the rule; one for many leaves rules
 * alone that have their own. Returns what names no rule.
 */
export function applyThresholds(rules: Rule[], entries: ThresholdEntry[], file: string): RuleProblem[] {
  const warnings: RuleProblem[] = [];
  const bySid = new Map(rules.map((rule) => [`${rule.gid}:${rule.sid}`, rule]));
  for (const entry of entries) {
    const { gid, sid } = entry;
    if (sid !== 0) {
      const rule = bySid.get(`${gid}:${sid}`);
      if (rule !== undefined) applyEntry(rule, entry);
      else warnings.push({ file, line: entry.line, option: entry.kind, reason: `no rule has gid ${gid} and sid ${sid}`, sid });
      continue;
    }
    for (const rule of rules) {
      if (gid !== 0 && rule.gid !== gid) continue;
      if (entry.kind !== 'suppress' && (rule.threshold !== undefined || rule.rateFilter !== undefined)) continue;
      applyEntry(rule, entry);
    }
  }
  return warnings;
}

function applyEntry(rule: Rule, entry: ThresholdEntry): void {
  if (entry.kind === 'threshold') rule.threshold = entry.threshold;
  else if (entry.kind === 'rate_filter') rule.rateFilter = entry.rateFilter;
  else rule.suppressions = [...(rule.suppressions ?? []), entry.suppression];
}
