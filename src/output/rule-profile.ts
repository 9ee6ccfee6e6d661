import { appendFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RuleProfileConfig } from '../config/config.js';
import type { RuleCost } from '../detect/rule-costs.js';
import { SluiceError } from '../errors.js';

/** Largest first, then by sid, so that equal ones have an order. */
const KEYS: Record<RuleProfileConfig['sort'], (cost: RuleCost) => number> = {
  ticks: (c) => c.ticks,
  avgticks: (c) => c.ticks / c.checks,
  checks: (c) => c.checks,
  matches: (c) => c.matches,
  maxticks: (c) => c.maxTicks,
};

export function sortCosts(costs: readonly RuleCost[], sort: RuleProfileConfig['sort']): RuleCost[] {
  const key = KEYS[sort];
  return [...costs].sort((a, b) => key(b) - key(a) || a.gid - b.gid || a.sid - b.sid);
}

/** The `limit` costliest rules as text, columns as in Suricata's rule_perf.log; a tick is a nanosecond. */
export function costTable(costs: readonly RuleCost[], profile: RuleProfileConfig): string {
  const total = costs.reduce((sum, c) => sum + c.ticks, 0);
  const head = ['Num', 'Rule', 'Gid', 'Rev', 'Ticks', '%', 'Checks', 'Matches', 'Max Ticks', 'Avg Ticks', 'Avg Match', 'Avg No Match'];
  const rows = sortCosts(costs, profile.sort)
    .slice(0, profile.limit)
    .map((c, i) => {
      const misses = c.checks - c.matches;
      return [
        ...[i + 1, c.sid, c.gid, c.rev].map(String),
        c.ticks.toFixed(0),
        (total > 0 ? (100 * c.ticks) / total : 0).toFixed(2),
        String(c.checks),
        String(c.matches),
        c.maxTicks.toFixed(0),
        (c.ticks / c.checks).toFixed(1),
        (c.matches > 0 ? c.matchTicks / c.matches : 0).toFixed(1),
        (misses > 0 ? (c.ticks - c.matchTicks) / misses : 0).toFixed(1),
      ];
    });
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const lines = [head, widths.map((w) => '-'.repeat(w)), ...rows].map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
  return [`Rules by ${profile.sort}: ${rows.length} of ${costs.length} that were checked; ticks are nanoseconds`, ...lines, ''].join('\n');
}

/** All rules as one JSON object, keys as in Suricata's. */
export function costJson(costs: readonly RuleCost[], profile: RuleProfileConfig, now: Date): string {
  const total = costs.reduce((sum, c) => sum + c.ticks, 0);
  return JSON.stringify({
    timestamp: now.toISOString(),
    sort: profile.sort,
    unit: 'ns',
    rules: sortCosts(costs, profile.sort).map((c) => ({
      signature_id: c.sid,
      gid: c.gid,
      rev: c.rev,
      checks: c.checks,
      matches: c.matches,
      ticks_total: Math.round(c.ticks),
      ticks_max: Math.round(c.maxTicks),
      ticks_avg: Math.round(c.ticks / c.checks),
      ticks_avg_match: c.matches > 0 ? Math.round(c.matchTicks / c.matches) : 0,
      ticks_avg_nomatch: c.checks > c.matches ? Math.round((c.ticks - c.matchTicks) / (c.checks - c.matches)) : 0,
      percent: total > 0 ? Math.round((10_000 * c.ticks) / total) / 100 : 0,
    })),
  });
}

/** Writes costJson, one line a run, to the log folder; returns the table. Throws SLUICE_SYSTEM. */
export function writeRuleProfile(costs: readonly RuleCost[], profile: RuleProfileConfig, logDir: string): string {
  const path = resolve(logDir, profile.filename);
  const line = `${costJson(costs, profile, new Date())}\n`;
  try {
    if (profile.append) appendFileSync(path, line);
    else writeFileSync(path, line);
  } catch (error) {
    throw new SluiceError(
      'SLUICE_SYSTEM',
      `${path}: the rule profile cannot be written (${(error as Error).message}); check the folder and its rights`,
    );
  }
  return costTable(costs, profile);
}
