import type { RunSetup } from '../cli/setup.js';
import { SluiceError } from '../errors.js';
import { daemonize, isDaemon } from './daemon.js';
import { writePidFile } from './pid-file.js';
import { type LoadedRules, loadRuleSet, noRules } from './rules.js';

/**
 * A run from start to end: rules, then live traffic or capture files. Returns the exit status.
 * @throws SluiceError when it cannot begin.
 */
export async function run(setup: RunSetup): Promise<number> {
  // Node would open its inspector, a debugger's port, on this signal.
  process.on('SIGUSR1', () => {});
  if (setup.daemon && !isDaemon()) return daemonize(setup.log);
  const rules = await load(setup);
  const removePidFile = writePidFile(setup.pidFile);
  try {
    if (setup.source === 'pcap-file') {
      const { readCaptures } = await import('../workers/offline.js');
      return await readCaptures(setup, rules);
    }
    const { runLive } = await import('./live.js');
    return await runLive(setup, rules);
  } finally {
    removePidFile();
  }
}

export async function load(setup: RunSetup): Promise<LoadedRules> {
  if (setup.disableDetection) return noRules();
  const { config, ruleFiles, log, flags } = setup;
  const rules = await loadRuleSet(config, ruleFiles, log, { verbose: flags.verbosity > 0, reportFolder: config.logDir });
  const failed = rules.report.problems.length;
  if (setup.initErrorsFatal && failed > 0)
    throw new SluiceError(
      'SLUICE_RULE',
      `${failed} rules did not load and --init-errors-fatal is set; mend the lines above or leave the flag out`,
    );
  return rules;
}
