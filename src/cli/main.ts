import type { LoggingConfig } from '../config/logging.js';
import { errorLine } from '../errors.js';
import { type Flags, isInformational, parseFlags, validateFlags } from './flags.js';
import { createLog, type Log } from './log.js';
import { versionLine } from './version.js';

/**
 * The `sluice` command. Only what answering -V and --help needs is imported above; the rest is
 * imported by the branch that uses it, so that start-up pays for nothing else. Exit status: 0 or 1.
 */
export async function main(argv: readonly string[]): Promise<number> {
  // A reader that leaves (`| head`) is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  let log = createLog({ console: 'notice' });
  try {
    const flags = parseFlags(argv);
    log = createLog({ console: 'notice', verbosity: flags.verbosity });
    validateFlags(flags);
    if (isInformational(flags) && !flags.testConfig) return await inform(flags);
    return flags.testConfig ? await test(flags) : await start(flags);
  } catch (error) {
    log.error(errorLine(error));
    return 1;
  }
}

const print = (text: string) => void process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);

async function inform(flags: Flags): Promise<number> {
  if (flags.version) print(versionLine());
  else if (flags.help) print((await import('./help.js')).HELP);
  else if (flags.buildInfo) print(await (await import('./build-info.js')).buildInfo());
  else if (flags.listKeywords) print(await (await import('./build-info.js')).keywordList(flags.listKeywordsOf));
  else if (flags.listRunmodes) print((await import('./help.js')).RUNMODE_LIST);
  else if (flags.listAppLayerProtos) print(await (await import('./build-info.js')).protocolList());
  else {
    const [{ loadTree }, { dumpConfig }, { DEFAULT_CONFIG_FILE }] = await Promise.all([
      import('../config/load.js'),
      import('../config/dump.js'),
      import('../config/paths.js'),
    ]);
    print(dumpConfig(loadTree(flags.configFile || DEFAULT_CONFIG_FILE, { set: flags.set, includes: flags.includes }).tree));
  }
  return 0;
}

async function test(flags: Flags): Promise<number> {
  const [{ prepare }, { testRules }, { checkAfPacket }, { checkNfq }] = await Promise.all([
    import('./setup.js'),
    import('./test-mode.js'),
    import('../config/af-packet.js'),
    import('../config/netfilter.js'),
  ]);
  const prepared = prepare(flags);
  const log = consoleLog(flags, prepared.engine.logging);
  log.info('Running Sluice under test mode');
  for (const warning of prepared.warnings) log.warn(warning);
  checkAfPacket(prepared.config);
  checkNfq(prepared.config);
  const problems = flags.disableDetection ? 0 : await testRules(prepared, log, flags.verbosity > 0);
  if (problems > 0) {
    log.error(`${problems} problem${problems === 1 ? '' : 's'} in rules: correct or take them out; the configuration would not load whole`);
    return 1;
  }
  log.notice('Configuration provided was successfully loaded. Exiting.');
  return 0;
}

async function start(flags: Flags): Promise<number> {
  const { prepare, runSetup } = await import('./setup.js');
  const prepared = prepare(flags);
  const { logging } = prepared.engine;
  const early = consoleLog(flags, logging);
  if (!logging.file.enabled) for (const warning of prepared.warnings) early.warn(warning);
  const setup = runSetup(flags, prepared, early);
  if (logging.file.enabled) {
    // runSetup has made sure of the folder.
    setup.log = createLog({
      console: logging.console.enabled ? logging.console.level : undefined,
      file: logging.file,
      logDir: setup.config.logDir,
      verbosity: flags.verbosity,
    });
    for (const warning of prepared.warnings) setup.log.warn(warning);
  }
  setup.log.notice(`${versionLine()}, runmode ${setup.config.runmode}`);
  try {
    const { run } = await import('../supervisor/run.js');
    return (await run(setup)) === 0 ? 0 : 1;
  } catch (error) {
    setup.log.error(errorLine(error));
    return 1;
  } finally {
    setup.log.close();
  }
}

function consoleLog(flags: Flags, { console }: LoggingConfig): Log {
  return createLog({ console: console.enabled ? console.level : undefined, verbosity: flags.verbosity });
}

/** What bin/sluice calls. */
export async function entry(): Promise<void> {
  process.exitCode = await main(process.argv.slice(2));
}
