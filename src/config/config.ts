import type { DnsEveOptions } from '../app-layer/dns/options.js';
import type { AppOptions } from '../app-layer/protocols.js';
import type { ExceptionPolicy } from '../ring/verdict.js';
import type { DatasetsConfig } from '../rules/datasets.js';
import type { ReassemblyConfig } from './reassembly.js';
import type { XffConfig } from './xff.js';

/**
 * The configuration after reading, checking and filling in defaults: what the rest of Sluice sees.
 * Plain data: it travels to the child processes as a message. Sizes in bytes, times in seconds
 * unless the name says otherwise. Key names follow suricata.yaml (user guide, "Suricata.yaml").
 */
export interface Config {
  /** Absolute path of the file, '' when built in. */
  file: string;
  logDir: string;
  runmode: Runmode;
  afPacket: AfPacketInterface[];
  nfq: NfqConfig;
  /** The groups to listen to: those of --nflog, or of the nflog section when it names none. */
  nflog: NflogGroup[];
  /** How `reject` answers what an IDS interface saw (user guide, "host-mode"): auto = sniffer-only there. */
  hostMode: 'auto' | 'router' | 'sniffer-only';
  vars: { addressGroups: Record<string, string>; portGroups: Record<string, string> };
  ruleFiles: string[];
  /** `default-rule-path`, whole; absent: none. */
  rulePath?: string;
  classificationFile: string;
  referenceFile: string;
  /** threshold.config; '' = none. */
  thresholdFile: string;
  /** Order in which the actions of rules are evaluated: pass, drop, reject, alert in any order. */
  actionOrder: string[];
  /** Most alerts one packet can raise. */
  packetAlertMax: number;
  /** Alerts of rules that ask for no transaction show the one their flow has, if it is the only one. */
  guessTx: boolean;
  /** IP reputation: '' and [] = none. Absolute paths. */
  reputationCategoriesFile: string;
  reputationFiles: string[];
  outputs: OutputsConfig;
  stats: { enabled: boolean; interval: number };
  flow: FlowConfig;
  stream: StreamConfig;
  defrag: DefragConfig;
  vxlanPorts: number[];
  teredoPorts: number[];
  teredo: boolean;
  /** The master switch; `auto` = drop-packet where traffic is IPS, ignore in IDS. */
  exceptionPolicy: ExceptionPolicy;
  threading: { setCpuAffinity: boolean; captureCpus: number[]; workerCpus: number[]; workers: number };
  /** detect.thresholds memory bound. */
  thresholdEntries: number;
  pcre: { matchLimit: number; matchLimitRecursion: number };
  /** --rule-profile or profiling.rules.enabled; absent: off. */
  ruleProfile?: RuleProfileConfig;
  datasets: DatasetsConfig;
  /** app-layer.protocols and the dns section of eve-log. Absent: as built in. */
  appLayer?: AppOptions;
  sluice: SluiceConfig;
}

export interface RuleProfileConfig {
  /** In the log folder. */
  filename: string;
  append: boolean;
  /** Rules in the table that is printed. */
  limit: number;
  sort: 'ticks' | 'avgticks' | 'checks' | 'matches' | 'maxticks';
}

export type Runmode = 'autofp' | 'workers' | 'single';

export interface AfPacketInterface {
  interface: string;
  /** 0 = auto. */
  threads: number;
  clusterId: number;
  clusterType: 'cluster_flow' | 'cluster_cpu' | 'cluster_qm' | 'cluster_rnd';
  /** Reassembly in the fanout group; off inline unless asked for. */
  defrag: boolean;
  copyMode: 'none' | 'ips' | 'tap';
  copyIface: string;
  /** Frames in the receive ring; 0 = default. */
  ringSize: number;
  /** Socket buffer for frames longer than a ring slot; 0 = default. */
  bufferSize: number;
  bpfFilter: string;
  promisc: boolean;
  checksumChecks: 'kernel' | 'yes' | 'no' | 'auto';
}

/** The `nfq` section (user guide, "Setting up IPS/inline for Linux", NFQ settings). Marks and masks are int32. */
export interface NfqConfig {
  /** From -q, ascending, each once; empty: NFQUEUE is not used. */
  queues: number[];
  mode: 'accept' | 'repeat' | 'route';
  repeatMark: number;
  repeatMask: number;
  bypassMark: number;
  bypassMask: number;
  routeQueue: number;
  /** Most packets one verdict message answers, 1 to 255. */
  batchCount: number;
  failOpen: boolean;
  // What Suricata has no key for: sluice.nfq
  /** Most packets the kernel holds. */
  queueLength: number;
  /** Socket receive buffer, bytes. */
  receiveBuffer: number;
  /** Bytes of a packet that are copied; the rest cannot be inspected, nor rewritten. */
  copyRange: number;
  /** NFQA_CFG_F_GSO: super-packets are inspected whole. */
  gso: boolean;
  /** Longest a decided packet waits for its batch, microseconds. */
  verdictDeadline: number;
}

/** One entry of the `nflog` section (user guide, "NFLOG"). */
export interface NflogGroup {
  group: number;
  /** Socket receive buffer, bytes. */
  bufferSize: number;
  /** Packets the kernel collects before it hands them over. */
  qthreshold: number;
  /** The longest it waits for that, 1/100 s. */
  qtimeout: number;
  /** Most bytes of one message from the kernel, and so of one packet. */
  maxSize: number;
}

/** `file-store`, version 2. */
export interface FileStoreConfig {
  /** Relative to the log directory. */
  dir: string;
  /** A file with its record beside each. */
  writeFileinfo: boolean;
  /** All files, not only those that rules with `filestore` match. */
  force: boolean;
  /** Kept open from one write to the next. */
  maxOpenFiles: number;
  /** Bytes of a stream with a file that is stored; 0: all. Absent: stream.reassembly.depth. */
  streamDepth?: number;
  /** Whom proxies name as the client, in the records beside the files. Absent: nobody asks. */
  xff?: XffConfig;
}

export interface OutputsConfig {
  fileStore?: FileStoreConfig;
  fast: { enabled: boolean; filename: string; append: boolean };
  eve: EveConfig;
  /** The second, third ... eve-log. */
  otherEves?: EveConfig[];
  stats: { enabled: boolean; filename: string; append: boolean; totals: boolean; threads: boolean; nullValues: boolean };
}

/** One eve-log output. */
export interface EveConfig {
  enabled: boolean;
  filename: string;
  append: boolean;
  communityId: boolean;
  communityIdSeed: number;
  pcapFile: boolean;
  /** Ethernet addresses in each record. */
  ethernet: boolean;
  /** Written in front of each record. */
  prefix: string;
  /** What rules have left on the flow, in each record: flowbits, flowints, ... Absent: yes. */
  metadata?: boolean;
  /** Whom proxies name as the client, in records of HTTP. Absent: nobody asks. */
  xff?: XffConfig;
  alert: {
    enabled: boolean;
    payload: boolean;
    payloadPrintable: boolean;
    payloadLength: boolean;
    packet: boolean;
    /** Of the rule: its metadata, its references, its text. */
    metadata: boolean;
    reference: boolean;
    raw: boolean;
    /** The flow's numbers. */
    flow: boolean;
    /** The transaction's own record. Absent: yes. */
    appLayer?: boolean;
    verdict: boolean;
    taggedPackets: boolean;
    payloadBufferSize: number;
    /** As `xff`, for alerts. */
    xff?: XffConfig;
  };
  anomaly: { decode: boolean; stream: boolean; applayer: boolean; packetHeader: boolean };
  drop: { enabled: boolean; alerts: boolean; flows: 'all' | 'start'; verdict: boolean };
  flow: boolean;
  netflow: boolean;
  /** Application protocols whose transactions are logged, by name. Absent: none. */
  app?: readonly string[];
  /** Of records of such a protocol, by name: the fields that are logged. Absent: all. */
  fields?: Readonly<Record<string, readonly string[]>>;
  /** Which dns messages are logged. Absent: all that the parser makes a record of. */
  dns?: DnsEveOptions;
  /** Files (`fileinfo`). Absent: no. */
  files?: boolean;
  stats: { enabled: boolean; totals: boolean; threads: boolean; deltas: boolean; nullValues: boolean };
}

export interface FlowTimeouts {
  new: number;
  established: number;
  closed: number;
  bypassed: number;
  emergencyNew: number;
  emergencyEstablished: number;
  emergencyClosed: number;
  emergencyBypassed: number;
}

export interface FlowConfig {
  memcap: number;
  memcapPolicy: ExceptionPolicy;
  hashSize: number;
  prealloc: number;
  /** Percent of free flows at which emergency mode ends. */
  emergencyRecovery: number;
  vlanUse: boolean;
  /** decoder.recursion-level.use-for-tracking: flows of packets inside others are told apart by depth. Absent: yes. */
  recursionUse?: boolean;
  timeouts: { default: FlowTimeouts; tcp: FlowTimeouts; udp: FlowTimeouts; icmp: FlowTimeouts };
}

export interface StreamConfig {
  memcap: number;
  memcapPolicy: ExceptionPolicy;
  checksumValidation: boolean;
  /** Without validation, rules that ask for checksums are answered all the same; not with -k none. */
  checksumKeywords?: boolean;
  inline: 'auto' | boolean;
  midstream: boolean;
  midstreamPolicy: ExceptionPolicy;
  asyncOneside: boolean;
  /** A flow is inspected no more once a direction has reached reassembly.depth. */
  bypass?: boolean;
  /** Inline, what fits neither handshake nor window is not forwarded; default true. */
  dropInvalid?: boolean;
  reassembly: ReassemblyConfig;
}

export interface DefragConfig {
  enabled: boolean;
  memcap: number;
  memcapPolicy: ExceptionPolicy;
  /** Most datagrams tracked at once. */
  trackers: number;
  maxFrags: number;
  timeout: number;
}

/** What is Sluice's own, under `sluice:`. */
export interface SluiceConfig {
  /** Detection workers; 0 = auto (cores less capture threads, at least 1). */
  workers: number;
  gso: 'auto' | boolean;
  /** Bytes per packet ring, a power of two. */
  packetRing: number;
  /** Bytes per event ring, a power of two. */
  eventRing: number;
  /** Packets per receive batch. */
  batch: number;
  /** What the capture thread does for a packet whose ring is full, or whose worker is lost. */
  ringFullPolicy: 'pass' | 'drop';
  workerLostPolicy: 'pass' | 'drop';
  /** How long a full ring is waited for, microseconds. */
  ringFullWait: number;
  metrics: { enabled: boolean; address: string; port: number };
  /** Most answers of `reject` per second and capture thread. */
  rejectRate: number;
  /** User the detection process becomes once it is set up; '' = stay. */
  detectUser: string;
  /** Folder of compiled rules; auto = /var/lib/sluice/cache when it can be had, '' = none. */
  cache: string;
}
