import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { openMagic } from '../app-layer/files/magic.js';
import { checkAfPacket, idsEntry, resolveThreads } from '../config/af-packet.js';
import type { Config } from '../config/config.js';
import { expandGlob, isGlob } from '../config/glob.js';
import { type EngineConfig, loadConfig } from '../config/load.js';
import { checkNfq, chooseGroups } from '../config/netfilter.js';
import { DEFAULT_CONFIG_FILE } from '../config/paths.js';
import { DEFAULT_RULE_PROFILE } from '../config/profiling.js';
import type { ConfNode } from '../config/tree.js';
import { SluiceError } from '../errors.js';
import { type Flags, liveSources } from './flags.js';
import type { Log } from './log.js';

/** Everything a run needs to know: flags and configuration brought together. Plain data but for `log`. */
export interface RunSetup {
  flags: Flags;
  config: Config;
  configWarnings: string[];
  /** Absolute paths, globs expanded, each once, in order. */
  ruleFiles: string[];
  initErrorsFatal: boolean;
  disableDetection: boolean;
  /** live: the interfaces, queues and groups of `config`, as many of each as were asked for. */
  source: 'pcap-file' | 'live';
  pcap?: { path: string; continuous: boolean; recursive: boolean };
  simulateIps: boolean;
  /** -k over stream.checksum-validation: `all` and `none` also overrule the interfaces' checksum-checks. */
  checksumValidation: 'all' | 'none' | 'configured';
  daemon: boolean;
  /** '' = write none. */
  pidFile: string;
  runAs: { user: string; group: string };
  dataDir: string;
  log: Log;
}

export interface Prepared {
  config: Config;
  engine: EngineConfig;
  warnings: string[];
  tree: ConfNode;
  ruleFiles: string[];
}

/** Loads the configuration and lays the flags over it. Throws SluiceError. */
export function prepare(flags: Flags): Prepared {
  const set: [string, string][] = flags.dataDir === '' ? flags.set : [...flags.set, ['default-data-dir', resolve(flags.dataDir)]];
  const loaded = loadConfig(flags.configFile === '' ? DEFAULT_CONFIG_FILE : flags.configFile, { set, includes: flags.includes });
  const { config, engine, warnings } = loaded;
  if (flags.logDir !== '') {
    config.logDir = resolve(flags.logDir);
    requireFolder(config.logDir);
  }
  if (flags.runmode !== '') config.runmode = flags.runmode;
  // The file's runmode is for live traffic.
  else if (flags.pcapFile !== '') config.runmode = 'single';
  if (flags.checksums !== '') config.stream.checksumValidation = config.stream.checksumKeywords = flags.checksums === 'all';
  if (flags.ruleProfile) config.ruleProfile ??= DEFAULT_RULE_PROFILE;
  if (liveSources(flags).length > 0) chooseSources(flags, config, engine);
  if (config.appLayer?.files?.magic === true) openMagic('force-magic of an eve-log');
  return { config, engine, warnings, tree: loaded.tree, ruleFiles: resolveRuleFiles(flags, config, warnings) };
}

/**
 * What the command line asks for, and nothing else: without `--af-packet` and `-i` no interface is opened, without `--nflog`
 * no group. -T looks at all that is configured.
 */
function chooseSources(flags: Flags, config: Config, engine: EngineConfig): void {
  if (!flags.testConfig || flags.interfaces.length > 0) chooseInterfaces(flags, config, engine);
  config.nfq.queues = flags.queues;
  if (flags.nflog && config.nflog.length === 0 && flags.groups.length === 0)
    throw new SluiceError(
      'SLUICE_CONFIG',
      `${config.file}: --nflog: no group is configured; add 'nflog: [ { group: 2 } ]', or name one: --nflog=2`,
    );
  config.nflog = chooseGroups(config.nflog, engine.nflogDefaults, flags.groups, flags.nflog);
}

/** `-i eth2`: the configured entry of that name with its peer, or an IDS entry made for it; besides all with `--af-packet`. */
function chooseInterfaces(flags: Flags, config: Config, engine: EngineConfig): void {
  const chosen = config.afPacket.filter((one) => flags.afPacket || flags.interfaces.includes(one.interface));
  // One side of a pair cannot run alone: its peer comes along.
  for (const one of [...chosen]) {
    const peer = config.afPacket.find((other) => one.copyMode !== 'none' && other.interface === one.copyIface);
    if (peer && !chosen.includes(peer)) chosen.push(peer);
  }
  for (const name of flags.interfaces) {
    if (!chosen.some((one) => one.interface === name)) chosen.push(idsEntry(name, engine.afPacketDefaults, chosen));
  }
  config.afPacket = chosen;
}

/** -S only; else the configured files, then -s. A pattern without a match is a warning, a missing file is the loader's to report. */
export function resolveRuleFiles(flags: Flags, config: Config, warnings: string[]): string[] {
  const found = new Set<string>();
  const also = flags.rulesAlso === '' ? [] : [resolve(flags.rulesAlso)];
  for (const pattern of flags.rulesOnly === '' ? [...config.ruleFiles, ...also] : [resolve(flags.rulesOnly)]) {
    const files = expandGlob(pattern);
    if (files.length === 0 && isGlob(pattern)) warnings.push(`no rule file matches ${pattern}`);
    for (const file of files) found.add(file);
  }
  return [...found];
}

function requireFolder(path: string): void {
  const refuse = (why: string): never => {
    throw new SluiceError('SLUICE_USAGE', `-l: the logging folder ${path} ${why}`);
  };
  try {
    if (!statSync(path).isDirectory()) refuse('is not a folder; name one');
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    refuse(
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? `does not exist; create it with 'mkdir -p'`
        : 'cannot be written; check its owner and mode',
    );
  }
}

/** The rest of what a run needs; checked as far as the configuration alone can tell. */
export function runSetup(flags: Flags, prepared: Prepared, log: Log): RunSetup {
  const { config, engine } = prepared;
  const source = flags.pcapFile === '' ? 'live' : 'pcap-file';
  if (flags.bpf !== '') {
    throw new SluiceError('SLUICE_USAGE', `'${flags.bpf}' on the command line: BPF filters are not built yet; take it out`);
  }
  if (source === 'live') {
    if (flags.afPacket && config.afPacket.length === 0) {
      throw new SluiceError('SLUICE_CONFIG', `${config.file}: af-packet: no interface is configured; add one, or name one with -i`);
    }
    checkAfPacket(config);
    checkNfq(config);
    resolveThreads(config.afPacket);
    if (config.runmode === 'single')
      throw new SluiceError('SLUICE_USAGE', `runmode single reads capture files only; use autofp or workers for live packets`);
  }
  if (flags.logDir === '') makeLogDir(config.logDir);
  return {
    flags,
    config,
    configWarnings: prepared.warnings,
    ruleFiles: prepared.ruleFiles,
    initErrorsFatal: flags.initErrorsFatal,
    disableDetection: flags.disableDetection,
    source,
    pcap:
      source === 'pcap-file'
        ? { path: resolve(flags.pcapFile), continuous: flags.pcapFileContinuous, recursive: flags.pcapFileRecursive }
        : undefined,
    simulateIps: flags.simulateIps,
    checksumValidation: flags.checksums === '' ? 'configured' : flags.checksums,
    daemon: flags.daemon,
    // pid-file of the configuration counts for a daemon only, --pidfile always (user guide, "PID File").
    pidFile: flags.pidFile !== '' ? resolve(flags.pidFile) : flags.daemon ? engine.pidFile : '',
    runAs: { user: flags.user || engine.runAs.user, group: flags.group || engine.runAs.group },
    dataDir: flags.dataDir === '' ? '' : resolve(flags.dataDir),
    log,
  };
}

function makeLogDir(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'EACCES' ? 'it cannot be written' : (error as Error).message;
    throw new SluiceError('SLUICE_CONFIG', `default-log-dir ${path}: ${why}; name another with -l`);
  }
}
