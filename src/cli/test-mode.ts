import { loadRuleSet } from '../supervisor/rules.js';
import type { Log } from './log.js';
import type { Prepared } from './setup.js';

/** -T: loads the rules as a start would and says what became of them. Returns how many did not load: as in Suricata, none may. */
export async function testRules(prepared: Prepared, log: Log, verbose: boolean): Promise<number> {
  const { report } = await loadRuleSet(prepared.config, prepared.ruleFiles, log, { verbose, reportFolder: '' });
  return report.problems.length;
}
