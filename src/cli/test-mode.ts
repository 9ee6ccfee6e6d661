import { loadRuleSet } from '../supervisor/rules.js';
import type { Log } from './log.js';
import type { Prepared } from './setup.js';

/** -T: loads the rules as a start would, one line for each that does not load. Returns how many did not. */
export function testRules(prepared: Prepared, log: Log): number {
  return loadRuleSet(prepared.config, prepared.ruleFiles, log).problems.length;
}
