import type { RuleProfileConfig } from './config.js';
import type { Context } from './context.js';
import { choice, int, section, text, truth } from './values.js';

export const PROFILE_SORTS = ['ticks', 'avgticks', 'checks', 'matches', 'maxticks'] as const;

const rules = section(
  {
    enabled: truth(false),
    filename: text('rule_perf.log'),
    append: truth(true),
    limit: int(10, 1, 1_000_000),
    sort: choice('ticks', PROFILE_SORTS),
  },
  ['json', 'active'],
);

/** `profiling: rules:` (user guide, "Rule Profiling"). Undefined: off. */
export function readRuleProfile(context: Context): RuleProfileConfig | undefined {
  const { enabled, filename, append, limit, sort } = context.read(['profiling', 'rules'], rules);
  return enabled ? { filename, append, limit, sort } : undefined;
}

/** What --rule-profile alone asks for. */
export const DEFAULT_RULE_PROFILE: RuleProfileConfig = { filename: 'rule_perf.log', append: true, limit: 10, sort: 'ticks' };
