import type { RuleStats } from '../output/stats.js';
import { eveTime } from '../output/text.js';
import type { LoadReport } from './rule-image.js';

export const EMPTY_REPORT: LoadReport = {
  files: [],
  loaded: 0,
  inert: 0,
  inertBy: {},
  skipped: 0,
  problems: [],
  warnings: [],
  skippedRules: [],
};

/** Rules that did not load: a file that is missing or named twice is a problem, too, but no rule. */
export function failedRules(report: LoadReport): number {
  return report.problems.reduce((sum, { line }) => sum + (line > 0 ? 1 : 0), 0);
}

/** For stats and metrics; `sinceMs`: when the rules came into force. */
export function ruleStats(report: LoadReport, sinceMs: number): RuleStats {
  return {
    loaded: report.loaded,
    failed: failedRules(report),
    skipped: report.skipped,
    inert: report.inert,
    inertBy: report.inertBy,
    lastReload: eveTime(Math.trunc(sinceMs / 1000), (sinceMs % 1000) * 1e6),
  };
}
