import { resolve } from 'node:path';
import type { ExceptionPolicy } from '../ring/verdict.js';
import { readAfPacket } from './af-packet.js';
import { readAppLayer } from './app-layer.js';
import type { AfPacketInterface, Config, FlowTimeouts, NflogGroup, Runmode } from './config.js';
import { Context } from './context.js';
import { readDatasets } from './datasets.js';
import { TOP_LEVEL_UNUSED } from './known-keys.js';
import { type LoggingConfig, readLogging } from './logging.js';
import { readNflog, readNfq } from './netfilter.js';
import { readOutputs } from './outputs.js';
import { applySet } from './override.js';
import { besideConfig, PACKAGE_ROOT } from './paths.js';
import { readPorts, wrongPorts } from './ports.js';
import { readRuleProfile } from './profiling.js';
import { readReassembly } from './reassembly.js';
import * as schema from './schema.js';
import { at, ConfNode, shown } from './tree.js';
import { choice, int, policy, text, texts } from './values.js';
import { readTree } from './yaml.js';

export interface Overrides {
  /** `--set`, in order. */
  set: [string, string][];
  /** `--include`, in order: read after the main file. */
  includes: string[];
}

/** What the command line and the supervisor need besides Config, which travels to the workers. */
export interface EngineConfig {
  logging: LoggingConfig;
  runAs: { user: string; group: string };
  pidFile: string;
  /** Values of af-packet's `interface: default`, for interfaces named on the command line. */
  afPacketDefaults: AfPacketInterface;
  /** Values of nflog's `group: default`, for groups named on the command line; its group is 0. */
  nflogDefaults: NflogGroup;
}

export interface Loaded {
  config: Config;
  warnings: string[];
  engine: EngineConfig;
  /** The merged tree, for --dump-config. */
  tree: ConfNode;
}

/** Bytes one threshold entry is reckoned at: detect.thresholds.memcap / this = Config.thresholdEntries. */
const THRESHOLD_ENTRY_BYTES = 64;

const READ_TOP_LEVEL = new Set(
  (
    'vars app-layer libhtp af-packet nfq nflog host-mode host-os-policy outputs stats flow flow-timeouts vlan stream defrag decoder exception-policy detect profiling threading pcre rule-files default-rule-path ' +
    'action-order datasets default-data-dir packet-alert-max reputation-categories-file default-reputation-path reputation-files ' +
    'classification-file reference-config-file threshold-file default-log-dir runmode logging run-as pid-file sluice'
  ).split(' '),
);

/** Reads a configuration file. Throws SluiceError SLUICE_CONFIG, and nothing else. */
export function loadConfig(path: string, overrides: Overrides = { set: [], includes: [] }): Loaded {
  const { tree, warnings } = loadTree(path, overrides);
  return buildConfig(tree, warnings, resolve(path));
}

/** The merged tree alone, its values unchecked: what --dump-config shows. */
export function loadTree(path: string, overrides: Overrides): { tree: ConfNode; warnings: string[] } {
  const read = readTree(path, overrides.includes);
  for (const [key, value] of overrides.set) applySet(read.tree, key, value);
  return read;
}

/** The configuration of an empty file, with fast.log, eve.json (alert, drop, flow, stats) and stats.log on. */
export function defaultConfig(): Config {
  const { config } = buildConfig(new ConfNode('', 'built-in configuration', 0), [], '');
  const { fast, eve, stats } = config.outputs;
  fast.enabled = stats.enabled = eve.enabled = eve.flow = true;
  eve.alert.enabled = eve.drop.enabled = eve.stats.enabled = true;
  return config;
}

function buildConfig(tree: ConfNode, warnings: string[], file: string): Loaded {
  const context = new Context(tree, warnings);
  const one = <T>(key: string, type: Parameters<Context['read']>[1]) => context.read([key], type) as T;
  for (const [name, node] of tree.children) {
    if (!READ_TOP_LEVEL.has(name) && !TOP_LEVEL_UNUSED.has(name)) warnings.push(`${at(node)}: unknown key ${shown(name)} is ignored`);
  }
  const vars = readVars(context);
  const exceptionPolicy = one<ExceptionPolicy | undefined>('exception-policy', policy()) ?? 'auto';
  const stream = context.read(['stream'], schema.stream);
  const flow = context.read(['flow'], schema.flow);
  const defrag = context.read(['defrag'], schema.defrag);
  const timeouts = context.read(['flow-timeouts'], schema.flowTimeouts);
  const stats = context.read(['stats'], schema.stats);
  const decoder = context.read(['decoder'], schema.decoder);
  const pcre = context.read(['pcre'], schema.pcre);
  const sluice = context.read(['sluice'], schema.sluice);
  const detect = context.read(['detect'], schema.detect);
  const threading = readThreading(context);
  const afPacket = readAfPacket(context);
  const nflog = readNflog(context);
  const runmode = one<Runmode>('runmode', choice<Runmode>('autofp', ['autofp', 'workers', 'single']));
  const rulePath = one<string>('default-rule-path', text());
  const ruleFiles = one<string[]>('rule-files', texts('rule file names')).map((name) =>
    rulePath === '' ? besideConfig(name, file) : resolve(besideConfig(rulePath, file), name),
  );
  const reputationPath = one<string>('default-reputation-path', text());
  const aside = (key: string, fallback: string) => besideConfig(one<string>(key, text(fallback)), file);
  const { outputs, xffHeader, dnsEve, tlsEve, smtpEve, files } = readOutputs(context);
  const packetPolicy = (own: ExceptionPolicy | undefined) => asPacketPolicy(own ?? exceptionPolicy);
  const config: Config = {
    file,
    logDir: resolve(one<string>('default-log-dir', text('/var/log/sluice'))),
    runmode,
    afPacket: afPacket.interfaces,
    nfq: readNfq(context, sluice),
    nflog: nflog.groups,
    hostMode: one<Config['hostMode']>('host-mode', choice<Config['hostMode']>('auto', schema.HOST_MODES)),
    vars,
    ruleFiles,
    ...(rulePath !== '' && { rulePath: besideConfig(rulePath, file) }),
    classificationFile: aside('classification-file', resolve(PACKAGE_ROOT, 'etc/classification.config')),
    referenceFile: aside('reference-config-file', resolve(PACKAGE_ROOT, 'etc/reference.config')),
    thresholdFile: aside('threshold-file', ''),
    actionOrder: readActionOrder(context),
    packetAlertMax: one<number>('packet-alert-max', int(15, 1, 65_535)),
    guessTx: detect['guess-applayer-tx'],
    reputationCategoriesFile: aside('reputation-categories-file', ''),
    reputationFiles: one<string[]>('reputation-files', texts('reputation file names')).map((name) =>
      reputationPath === '' ? besideConfig(name, file) : resolve(besideConfig(reputationPath, file), name),
    ),
    outputs,
    stats,
    flow: {
      memcap: flow.memcap,
      memcapPolicy: packetPolicy(flow['memcap-policy']),
      hashSize: flow['hash-size'],
      prealloc: flow.prealloc,
      emergencyRecovery: flow['emergency-recovery'],
      recursionUse: decoder['recursion-level']['use-for-tracking'],
      vlanUse: context.read(['vlan'], schema.vlan)['use-for-tracking'],
      timeouts: {
        default: timeoutsOf(timeouts.default),
        tcp: timeoutsOf(timeouts.tcp),
        udp: timeoutsOf(timeouts.udp),
        icmp: timeoutsOf(timeouts.icmp),
      },
    },
    stream: {
      memcap: stream.memcap,
      memcapPolicy: stream['memcap-policy'] ?? exceptionPolicy,
      checksumValidation: stream['checksum-validation'],
      checksumKeywords: true,
      inline: stream.inline,
      midstream: stream.midstream,
      midstreamPolicy: midstreamPolicy(context, stream['midstream-policy'], exceptionPolicy, stream.midstream),
      asyncOneside: stream['async-oneside'],
      bypass: stream.bypass,
      dropInvalid: stream['drop-invalid'],
      reassembly: readReassembly(context),
    },
    defrag: {
      enabled: defrag.enabled,
      memcap: defrag.memcap,
      memcapPolicy: packetPolicy(defrag['memcap-policy']),
      trackers: defrag.trackers,
      maxFrags: defrag['max-frags'],
      timeout: defrag.timeout,
    },
    vxlanPorts: decoder.vxlan.enabled ? readPorts(context, ['decoder', 'vxlan', 'ports'], decoder.vxlan.ports, vars.portGroups, false) : [],
    teredoPorts: decoder.teredo.enabled
      ? readPorts(context, ['decoder', 'teredo', 'ports'], decoder.teredo.ports, vars.portGroups, true)
      : [],
    teredo: decoder.teredo.enabled,
    exceptionPolicy,
    threading,
    thresholdEntries: Math.floor(detect.thresholds.memcap / THRESHOLD_ENTRY_BYTES),
    ruleProfile: readRuleProfile(context),
    pcre: { matchLimit: pcre['match-limit'], matchLimitRecursion: pcre['match-limit-recursion'] },
    datasets: readDatasets(context, file),
    appLayer: {
      errorPolicy: context.read(['app-layer', 'error-policy'], policy()) ?? exceptionPolicy,
      ...readAppLayer(context, vars.portGroups, dnsEve, smtpEve, xffHeader),
      ...(tlsEve && { tlsEve }),
      ...(files && { files }),
    },
    sluice: {
      workers: sluice.workers === 0 ? threading.workers : sluice.workers,
      gso: sluice.gso,
      packetRing: sluice['packet-ring'],
      eventRing: sluice['event-ring'],
      batch: sluice.batch,
      ringFullPolicy: sluice['ring-full-policy'],
      workerLostPolicy: sluice['worker-lost-policy'],
      ringFullWait: sluice['ring-full-wait'],
      metrics: sluice.metrics,
      rejectRate: sluice['reject-rate'],
      detectUser: sluice['detect-user'],
      cache: sluice.cache !== 'auto' ? sluice.cache : detect['sgh-mpm-caching'] ? detect['sgh-mpm-caching-path'] || 'auto' : '',
    },
  };
  const engine: EngineConfig = {
    logging: readLogging(context),
    runAs: context.read(['run-as'], schema.runAs),
    pidFile: one<string>('pid-file', text()),
    afPacketDefaults: afPacket.defaults,
    nflogDefaults: nflog.defaults,
  };
  return { config, warnings: [...new Set(warnings)], engine, tree };
}

/** What the list leaves out comes last, in the order of the default. */
function readActionOrder(context: Context): string[] {
  const path = ['action-order'];
  const all = ['pass', 'drop', 'reject', 'alert'];
  const given = context.read(path, texts('actions'));
  const wrong = given.find((name, i) => !all.includes(name) || given.indexOf(name) !== i);
  if (wrong !== undefined) context.bad(context.find(path)!, path, `has ${shown(wrong)}`, 'each of pass, drop, reject, alert once');
  return [...given, ...all.filter((name) => !given.includes(name))];
}

type TimeoutKeys = Record<'new' | 'established' | 'closed' | 'bypassed', number> &
  Record<'emergency-new' | 'emergency-established' | 'emergency-closed' | 'emergency-bypassed', number>;

function timeoutsOf(values: TimeoutKeys): FlowTimeouts {
  return {
    new: values.new,
    established: values.established,
    closed: values.closed,
    bypassed: values.bypassed,
    emergencyNew: values['emergency-new'],
    emergencyEstablished: values['emergency-established'],
    emergencyClosed: values['emergency-closed'],
    emergencyBypassed: values['emergency-bypassed'],
  };
}

/** `vars`: names to text; a YAML list is written back as `[a,b]`. What the text means is the rule parser's. */
function readVars(context: Context): Config['vars'] {
  const read = (group: string) => {
    const path = ['vars', group];
    const found: Record<string, string> = Object.create(null);
    const node = context.find(path);
    if (node === undefined || node.value === '') return found;
    if (node.isSequence || node.value !== null) context.bad(node, path, 'is not a section', `lines of 'NAME: value'`);
    for (const [name, child] of node.children) {
      if (!/^[A-Za-z_][\w-]*$/.test(name)) context.bad(child, [...path, name], 'is no name of a variable', 'letters, digits, _ and -');
      const values = child.isSequence ? [...child.children.values()] : [child];
      if (values.some((value) => value.value === null || value.children.size > 0))
        context.bad(child, [...path, name], 'is a section', 'text or a list of text');
      const list = values.map((value) => value.value ?? '').join(',');
      if (list === '') context.bad(child, [...path, name], 'is empty', 'addresses or ports, or any');
      found[name] = child.isSequence ? `[${list}]` : list;
    }
    // A plain object again: it travels as a message and is compared in tests.
    return { ...found };
  };
  for (const [name, node] of context.find(['vars'])?.children ?? []) {
    if (name !== 'address-groups' && name !== 'port-groups')
      context.warnings.push(`${at(node)}: unknown key ${shown(`vars.${name}`)} is ignored`);
  }
  const vars = { addressGroups: read('address-groups'), portGroups: read('port-groups') };
  for (const [name, value] of Object.entries(vars.portGroups)) {
    const wrong = wrongPorts(value, vars.portGroups);
    if (typeof wrong === 'string') {
      const path = ['vars', 'port-groups', name];
      context.bad(context.find(path)!, path, `is ${shown(value)}: ${wrong}`, 'any, ports, ranges a:b, lists [..], !negation, $NAMES');
    }
  }
  return vars;
}

/** Both forms of cpu-affinity: a list of one-key entries (the shipped file's) and a mapping (Suricata 8). */
function readThreading(context: Context): Config['threading'] {
  const setCpuAffinity = context.read(['threading'], schema.threading)['set-cpu-affinity'];
  const path = ['threading', 'cpu-affinity'];
  const sets = context.find(path);
  const found = { captureCpus: [] as number[], workerCpus: [] as number[], workers: 0 };
  if (sets !== undefined && sets.value !== '') {
    if (sets.value !== null) context.bad(sets, path, `is ${shown(sets.value)}`, 'a list or section of cpu sets');
    for (const [key, item] of sets.children) {
      const names = sets.isSequence ? [...item.children.keys()] : [key];
      for (const name of names) {
        const setPath = sets.isSequence ? [...path, key, name] : [...path, key];
        if (!['management-cpu-set', 'receive-cpu-set', 'worker-cpu-set', 'verdict-cpu-set'].includes(name)) {
          // Suricata's older names, and the interface-specific sets, have no counterpart here.
          if (!/-cpu-set$/.test(name)) context.warnings.push(`${at(item)}: unknown key ${shown(setPath.join('.'))} is ignored`);
          continue;
        }
        const set = context.read(setPath, schema.cpuSet);
        if (name === 'receive-cpu-set') found.captureCpus = set.cpu;
        if (name === 'worker-cpu-set') {
          found.workerCpus = set.cpu;
          found.workers = set.threads;
        }
      }
    }
  }
  return { setCpuAffinity, ...found };
}

/** Where there is no flow to act on (flow and defrag memcap), the policy acts on the packet (user guide, "Exception Policies"). */
function asPacketPolicy(value: ExceptionPolicy): ExceptionPolicy {
  if (value === 'drop-flow') return 'drop-packet';
  if (value === 'pass-flow') return 'pass-packet';
  return value === 'bypass' ? 'ignore' : value;
}

/**
 * The midstream policy acts on a flow, so packet policies are refused; with stream.midstream on, sessions
 * picked up midstream are wanted, so dropping them is refused and `auto` is `ignore` (the guide's matrix).
 */
function midstreamPolicy(context: Context, own: ExceptionPolicy | undefined, master: ExceptionPolicy, midstream: boolean): ExceptionPolicy {
  const wrong = (value: ExceptionPolicy) =>
    value === 'drop-packet' || value === 'pass-packet'
      ? 'acts on packets'
      : midstream && (value === 'drop-flow' || value === 'reject')
        ? 'drops what midstream: yes asks for'
        : '';
  if (own !== undefined && wrong(own) !== '') {
    const path = ['stream', 'midstream-policy'];
    context.bad(
      context.find(path)!,
      path,
      `is '${own}', which ${wrong(own)}`,
      midstream ? 'auto, ignore, pass-flow or bypass' : 'a policy for flows, or ignore',
    );
  }
  const value = own ?? master;
  if (value === 'auto') return midstream ? 'ignore' : 'auto';
  if (wrong(value) === '') return value;
  context.warnings.push(`exception-policy: '${value}' does not fit stream.midstream: 'ignore' is used there; set stream.midstream-policy`);
  return 'ignore';
}
