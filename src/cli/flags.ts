import { oneLine } from '../config/tree.js';
import { SluiceError } from '../errors.js';

/** The command line, understood but not yet acted on. Names follow Suricata's flags. */
export interface Flags {
  help: boolean;
  version: boolean;
  buildInfo: boolean;
  listKeywords: boolean;
  /** --list-keywords=: '' or all, csv, or one keyword. */
  listKeywordsOf: string;
  listAppLayerProtos: boolean;
  listRunmodes: boolean;
  dumpConfig: boolean;
  testConfig: boolean;
  /** -c; '' = etc/sluice.yaml. */
  configFile: string;
  includes: string[];
  set: [string, string][];
  /** -S: these rules only. */
  rulesOnly: string;
  /** -s: these rules besides the configured ones. */
  rulesAlso: string;
  /** -l */
  logDir: string;
  /** -r */
  pcapFile: string;
  pcapFileContinuous: boolean;
  pcapFileRecursive: boolean;
  /** -i and --af-packet=IF */
  interfaces: string[];
  /** --af-packet without a name: all of the af-packet section. */
  afPacket: boolean;
  /** -q: ascending, each once. */
  queues: number[];
  /** --nflog=GROUP, in order, each once. */
  groups: number[];
  /** --nflog without a group: all of the nflog section. */
  nflog: boolean;
  checksums: '' | 'all' | 'none';
  verbosity: number;
  runmode: '' | 'autofp' | 'workers' | 'single';
  simulateIps: boolean;
  initErrorsFatal: boolean;
  disableDetection: boolean;
  ruleProfile: boolean;
  daemon: boolean;
  pidFile: string;
  user: string;
  group: string;
  dataDir: string;
  /** What stands after the flags: a BPF filter. */
  bpf: string;
}

export const RUNMODES = ['autofp', 'workers', 'single'] as const;
/** Queues and groups have 16 bits. */
const MAX_NUMBER = 65_535;

function usage(message: string): never {
  throw new SluiceError('SLUICE_USAGE', `${message}; see 'sluice --help'`);
}

interface Flag {
  names: readonly string[];
  /** none: takes no value; needed: the next word or =value; optional: =value only. */
  value: 'none' | 'needed' | 'optional';
  /** Given twice is an error, as it is in Suricata. */
  once?: boolean;
  take(flags: Flags, value: string, name: string): void;
}

function on(key: { [K in keyof Flags]: Flags[K] extends boolean ? K : never }[keyof Flags], ...names: string[]): Flag {
  return {
    names,
    value: 'none',
    take: (flags) => {
      flags[key] = true;
    },
  };
}

function word(key: { [K in keyof Flags]: string extends Flags[K] ? K : never }[keyof Flags], once: boolean, ...names: string[]): Flag {
  return {
    names,
    value: 'needed',
    once,
    take: (flags, value) => {
      flags[key] = value;
    },
  };
}

const FLAGS: readonly Flag[] = [
  on('help', '-h', '--help'),
  on('version', '-V', '--version'),
  on('buildInfo', '--build-info'),
  on('dumpConfig', '--dump-config'),
  on('testConfig', '-T'),
  on('listRunmodes', '--list-runmodes'),
  on('listAppLayerProtos', '--list-app-layer-protos'),
  {
    names: ['--list-keywords'],
    value: 'optional',
    take: (flags, value) => {
      flags.listKeywords = true;
      flags.listKeywordsOf = value;
    },
  },
  word('configFile', false, '-c'),
  word('rulesOnly', true, '-S'),
  word('rulesAlso', true, '-s'),
  word('logDir', false, '-l'),
  word('pcapFile', true, '-r'),
  on('pcapFileContinuous', '--pcap-file-continuous'),
  on('pcapFileRecursive', '--pcap-file-recursive'),
  { names: ['-i'], value: 'needed', take: (flags, value) => addInterface(flags, value) },
  {
    names: ['--af-packet'],
    value: 'optional',
    take: (flags, value) => {
      if (value === '') flags.afPacket = true;
      else addInterface(flags, value);
    },
  },
  { names: ['-q'], value: 'needed', take: (flags, value) => addQueues(flags, value) },
  {
    names: ['--nflog', '-nflog'],
    value: 'optional',
    take: (flags, value) => {
      if (value === '') flags.nflog = true;
      else addGroup(flags, value);
    },
  },
  {
    names: ['-k'],
    value: 'needed',
    take: (flags, value) => {
      if (value !== 'all' && value !== 'none') usage(`-k ${value}: the checksum check is 'all' or 'none'`);
      flags.checksums = value;
    },
  },
  { names: ['-v'], value: 'none', take: (flags) => void flags.verbosity++ },
  {
    names: ['--runmode'],
    value: 'needed',
    take: (flags, value) => {
      const mode = RUNMODES.find((one) => one === value);
      if (mode === undefined) usage(`--runmode ${value}: not one of ${RUNMODES.join(', ')}`);
      flags.runmode = mode;
    },
  },
  on('simulateIps', '--simulate-ips'),
  on('initErrorsFatal', '--init-errors-fatal'),
  // Rules that do not parse never load here, and nothing that is decided depends on chance.
  { names: ['--strict-rule-keywords'], value: 'optional', take: () => {} },
  { names: ['--no-random'], value: 'none', take: () => {} },
  on('disableDetection', '--disable-detection'),
  on('ruleProfile', '--rule-profile'),
  {
    names: ['--set'],
    value: 'needed',
    take: (flags, value) => {
      const split = value.indexOf('=');
      if (split < 1) usage(`--set ${value}: write it as --set key=value`);
      flags.set.push([value.slice(0, split).trim(), value.slice(split + 1)]);
    },
  },
  { names: ['--include'], value: 'needed', take: (flags, value) => void flags.includes.push(value) },
  on('daemon', '-D'),
  word('pidFile', false, '--pidfile'),
  word('user', false, '--user'),
  word('group', false, '--group'),
  word('dataDir', false, '--data-dir'),
];

const BY_NAME = new Map(FLAGS.flatMap((flag) => flag.names.map((name) => [name, flag] as const)));

function addInterface(flags: Flags, name: string): void {
  if (flags.interfaces.includes(name)) usage(`interface ${name} is given twice`);
  flags.interfaces.push(name);
}

/** `N` or `N:M`, both ends included. A queue that is named again is the same queue. */
function addQueues(flags: Flags, value: string): void {
  const match = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(value);
  if (!match) usage(`-q ${oneLine(value)}: a queue is a number from 0 to ${MAX_NUMBER}, or a range of them: -q 0:3`);
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  if (first > MAX_NUMBER || last > MAX_NUMBER) usage(`-q ${value}: the highest queue is ${MAX_NUMBER}`);
  if (last < first) usage(`-q ${value}: the range runs backwards; write it as -q ${last}:${first}`);
  const all = new Set(flags.queues);
  for (let queue = first; queue <= last; queue++) all.add(queue);
  flags.queues = [...all].sort((a, b) => a - b);
}

function addGroup(flags: Flags, value: string): void {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : -1;
  if (number === 0) usage('--nflog=0: group 0 belongs to the kernel; use another, in the netfilter rule too (--nflog-group)');
  if (number < 1 || number > MAX_NUMBER) usage(`--nflog=${oneLine(value)}: a group is a number from 1 to ${MAX_NUMBER}`);
  if (!flags.groups.includes(number)) flags.groups.push(number);
}

export function emptyFlags(): Flags {
  return {
    help: false,
    version: false,
    buildInfo: false,
    listKeywords: false,
    listKeywordsOf: '',
    listAppLayerProtos: false,
    listRunmodes: false,
    dumpConfig: false,
    testConfig: false,
    configFile: '',
    includes: [],
    set: [],
    rulesOnly: '',
    rulesAlso: '',
    logDir: '',
    pcapFile: '',
    pcapFileContinuous: false,
    pcapFileRecursive: false,
    interfaces: [],
    afPacket: false,
    queues: [],
    groups: [],
    nflog: false,
    checksums: '',
    verbosity: 0,
    runmode: '',
    simulateIps: false,
    initErrorsFatal: false,
    disableDetection: false,
    ruleProfile: false,
    daemon: false,
    pidFile: '',
    user: '',
    group: '',
    dataDir: '',
    bpf: '',
  };
}

/**
 * Reads the arguments after the program's name. `node:util` parseArgs has no flag with an optional `=value`
 * (`--af-packet[=if]`), hence the table. As getopt: `-vvv`, `-knone`, `--set=k=v`, `--` ends the flags, other
 * words may stand anywhere and make up the BPF filter. Throws SLUICE_USAGE.
 */
export function parseFlags(argv: readonly string[]): Flags {
  const flags = emptyFlags();
  const seen = new Set<Flag>();
  const rest: string[] = [];
  const take = (flag: Flag, name: string, value: string) => {
    if (flag.once && seen.has(flag)) usage(`${name} is given twice`);
    if (flag.value === 'needed' && value === '') usage(`${name} needs a value that is not empty`);
    seen.add(flag);
    flag.take(flags, value, name);
  };
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i];
    const next = (name: string): string => (i + 1 < argv.length ? argv[++i] : usage(`${name} needs a value`));
    if (argument === '--') {
      rest.push(...argv.slice(i + 1));
      break;
    }
    if (argument.startsWith('--') || /^-nflog(=|$)/.test(argument)) {
      const split = argument.indexOf('=');
      const name = split < 0 ? argument : argument.slice(0, split);
      const flag = BY_NAME.get(name) ?? usage(`unknown flag ${name}`);
      if (flag.value === 'none' && split >= 0) usage(`${name} takes no value`);
      take(flag, name, split >= 0 ? argument.slice(split + 1) : flag.value === 'needed' ? next(name) : '');
    } else if (argument.startsWith('-') && argument.length > 1) {
      for (let at = 1; at < argument.length; at++) {
        const name = `-${argument[at]}`;
        const flag = BY_NAME.get(name) ?? usage(`unknown flag ${name}${argument.length > 2 ? ` in ${argument}` : ''}`);
        if (flag.value === 'none') {
          take(flag, name, '');
          continue;
        }
        take(flag, name, at + 1 < argument.length ? argument.slice(at + 1) : next(name));
        break;
      }
    } else rest.push(argument);
  }
  flags.bpf = rest.join(' ').trim();
  return flags;
}

/** Flags that answer a question and leave: no packets, so no source of packets is asked for. */
export function isInformational(flags: Flags): boolean {
  return (
    flags.help ||
    flags.version ||
    flags.buildInfo ||
    flags.listKeywords ||
    flags.listAppLayerProtos ||
    flags.listRunmodes ||
    flags.dumpConfig ||
    flags.testConfig
  );
}

/** Sources of live packets on the command line; any of them may stand together. */
export function liveSources(flags: Flags): string[] {
  const sources: string[] = [];
  if (flags.interfaces.length > 0 || flags.afPacket) sources.push('-i/--af-packet');
  if (flags.queues.length > 0) sources.push('-q');
  if (flags.groups.length > 0 || flags.nflog) sources.push('--nflog');
  return sources;
}

/** Refuses what cannot go together, and a run without packets. Throws SLUICE_USAGE. */
export function validateFlags(flags: Flags): void {
  const live = liveSources(flags);
  if (flags.pcapFile !== '' && live.length > 0)
    usage(`more than one run mode has been specified: -r reads a file, ${live.join(' and ')} live packets; choose one`);
  if (flags.rulesOnly !== '' && flags.rulesAlso !== '') usage(`-S loads its rules only, -s adds rules: choose one`);
  for (const [given, name] of [
    [flags.pcapFileContinuous, '--pcap-file-continuous'],
    [flags.pcapFileRecursive, '--pcap-file-recursive'],
  ] as const) {
    if (given && flags.pcapFile === '') usage(`${name} belongs to -r: name the capture file or folder`);
  }
  if (flags.ruleProfile && live.length > 0) usage('--rule-profile belongs to -r: live traffic is not profiled');
  if (flags.pcapFileContinuous && flags.pcapFileRecursive) usage('--pcap-file-continuous and --pcap-file-recursive cannot be combined');
  if (isInformational(flags)) return;
  if (flags.pcapFile === '' && live.length === 0)
    usage('no source of packets: give -r FILE, -i INTERFACE, --af-packet, -q QUEUE or --nflog');
}
