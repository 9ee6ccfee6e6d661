import type { RunSetup } from '../cli/setup.js';
import { SluiceError } from '../errors.js';
import { daemonize, isDaemon } from './daemon.js';
import { writePidFile } from './pid-file.js';
import type { LoadedRules } from './rules.js';

/**
 * A run from start to end: rules, then live traffic or capture files. Returns the exit status.
 * @throws SluiceError when it cannot begin.
 */
export async function run(setup: RunSetup): Promise<number> {
  // Node would open its inspector, a debugger's port, on this signal.
  process.on('SIGUSR1', () => {});
  if (setup.daemon && !isDaemon()) return daemonize(setup.log);
  let removePidFile = () => {};
  const first = async (): Promise<LoadedRules> => {
    const rules = await load(setup);
    removePidFile = writePidFile(setup.pidFile);
    return rules;
  };
  try {
    if (setup.source === 'pcap-file') {
      const rules = await first();
      const { readCaptures } = await import('../workers/offline.js');
      return await readCaptures(setup, rules);
    }
    const { runLive } = await import('./live.js');
    let next = first;
    return await runLive(setup, () => {
      const now = next;
      next = () => load(setup);
      return now();
    });
  } finally {
    removePidFile();
  }
}

export async function load(setup: RunSetup): Promise<LoadedRules> {
  const { loadRuleSet, noRules } = await import('./rules.js');
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
