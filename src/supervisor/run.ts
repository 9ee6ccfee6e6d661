import type { RunSetup } from '../cli/setup.js';
import { SluiceError } from '../errors.js';
import type { RuleSet } from '../rules/rule.js';
import { daemonize, isDaemon } from './daemon.js';
import { writePidFile } from './pid-file.js';
import { loadRuleSet } from './rules.js';

/**
 * A run from start to end: rules, then live traffic or capture files. Returns the exit status.
 * @throws SluiceError when it cannot begin.
 */
export async function run(setup: RunSetup): Promise<number> {
  // Node would open its inspector, a debugger's port, on this signal.
  process.on('SIGUSR1', () => {});
  if (setup.daemon && !isDaemon()) return daemonize(setup.log);
  const rules = load(setup);
  const removePidFile = writePidFile(setup.pidFile);
  try {
    if (setup.source === 'pcap-file') {
      const { readCaptures } = await import('../workers/offline.js');
      return await readCaptures(setup, rules.rules);
    }
    const { runLive } = await import('./live.js');
    return await runLive(setup, rules);
  } finally {
    removePidFile();
  }
}

export function load(setup: RunSetup): RuleSet {
  if (setup.disableDetection) return { rules: [], problems: [], files: [] };
  const set = loadRuleSet(setup.config, setup.ruleFiles, setup.log);
  if (setup.initErrorsFatal && set.problems.length > 0)
    throw new SluiceError(
      'SLUICE_RULE',
      `${set.problems.length} rules did not load and --init-errors-fatal is set; mend the lines above or leave the flag out`,
    );
  return set;
}
