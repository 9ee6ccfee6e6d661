import {
  anything,
  autoInt,
  autoTruth,
  choice,
  cpus,
  int,
  percent,
  policy,
  section,
  size,
  sizePowerOfTwo,
  text,
  texts,
  truth,
} from './values.js';

/**
 * The sections of suricata.yaml that Sluice reads, each key with its kind, range and default. The defaults are
 * those of Suricata's shipped file (user guide, "Suricata.yaml"). The second list of a section holds
 * keys that Suricata documents there and Sluice does not use: they are silent.
 */
const KB = 1024;
const MB = 1024 ** 2;
const GB = 1024 ** 3;
const memcap = (fallback: number) => size(fallback, 64 * KB, 1024 * GB);
const seconds = (fallback: number) => int(fallback, 0, 86_400 * 365);

const timeouts = (values: number[]) =>
  section({
    new: seconds(values[0]),
    established: seconds(values[1]),
    closed: seconds(values[2]),
    bypassed: seconds(values[3]),
    'emergency-new': seconds(values[4]),
    'emergency-established': seconds(values[5]),
    'emergency-closed': seconds(values[6]),
    'emergency-bypassed': seconds(values[7]),
  });

export const flowTimeouts = section({
  default: timeouts([30, 300, 0, 100, 10, 100, 0, 50]),
  tcp: timeouts([60, 600, 60, 100, 5, 100, 10, 50]),
  udp: timeouts([30, 300, 0, 100, 10, 100, 0, 50]),
  icmp: timeouts([30, 300, 0, 100, 10, 100, 0, 50]),
});

export const flow = section(
  {
    memcap: memcap(128 * MB),
    'memcap-policy': policy(),
    'hash-size': int(65_536, 1, 2 ** 28),
    prealloc: int(10_000, 0, 2 ** 28),
    'emergency-recovery': percent(30),
  },
  ['managers', 'recyclers', 'rate-tracking', 'end-flags'],
);

export const vlan = section({ 'use-for-tracking': truth(true) });

export const stream = section(
  {
    memcap: memcap(64 * MB),
    'memcap-policy': policy(),
    'checksum-validation': truth(true),
    inline: autoTruth('auto'),
    midstream: truth(false),
    'midstream-policy': policy(),
    'async-oneside': truth(false),
    bypass: truth(false),
    'drop-invalid': truth(true),
  },
  [
    // Read in reassembly.ts.
    'reassembly',
    'prealloc-sessions',
    'max-sessions',
    'max-synack-queued',
    'max-syn-queued',
    'liberal-timestamps',
  ],
);

export const defrag = section(
  {
    enabled: truth(true),
    memcap: memcap(32 * MB),
    'memcap-policy': policy(),
    trackers: int(65_535, 1, 2 ** 24),
    'max-frags': int(65_535, 1, 2 ** 24),
    timeout: int(60, 1, 86_400),
  },
  ['hash-size', 'prealloc', 'host-config', 'max-trackers'],
);

/** `ports` is text or a list: resolved in load.ts, because it may name a variable. */
const tunnel = (ports: string) =>
  section({ enabled: truth(true), ports: texts('ports').transform((list) => (list.length === 0 ? [ports] : list)) });

export const decoder = section(
  { teredo: tunnel('3544'), vxlan: tunnel('4789'), 'recursion-level': section({ 'use-for-tracking': truth(true) }) },
  ['geneve', 'esp', 'vntag', 'mpls', 'ipv6', 'max-layers', 'event', 'ethertypes'],
);

export const stats = section({ enabled: truth(true), interval: int(8, 1, 86_400) }, [
  'decoder-events',
  'decoder-events-prefix',
  'stream-events',
  'exception-policy',
  'zero-valued-counters',
]);

export const detect = section(
  {
    thresholds: section({ memcap: memcap(16 * MB) }, ['hash-size']),
    'sgh-mpm-caching': truth(true),
    'sgh-mpm-caching-path': text(''),
    'guess-applayer-tx': truth(false),
  },
  [
    'profile',
    'custom-values',
    'sgh-mpm-context',
    'sgh-mpm-caching-max-age',
    'inspection-recursion-limit',
    'delayed-detect',
    'prefilter',
    'grouping',
    'profiling',
    'stream-tx-log-limit',
    'rule-reload',
    'reload',
    'toclient-groups',
    'toserver-groups',
  ],
);

const SET_UNUSED = ['mode', 'prio', 'interface-specific-cpu-set'];
export const cpuSet = section({ cpu: cpus(), threads: int(0, 0, 1024) }, SET_UNUSED);
export const threading = section({ 'set-cpu-affinity': truth(false) }, ['cpu-affinity', 'detect-thread-ratio', 'stack-size', 'autopin']);

export const pcre = section({ 'match-limit': int(3500, 1, 2 ** 31 - 1), 'match-limit-recursion': int(1500, 1, 2 ** 31 - 1) });

export const fast = section({ enabled: truth(false), filename: text('fast.log'), append: truth(true), filetype: text('regular') }, [
  'file',
  'rotate-interval',
  'mode',
  'buffer-size',
]);

export const statsLog = section(
  {
    enabled: truth(false),
    filename: text('stats.log'),
    append: truth(true),
    totals: truth(true),
    threads: truth(false),
    'null-values': truth(false),
  },
  ['filetype', 'rotate-interval', 'mode', 'buffer-size'],
);

export const eve = section(
  {
    enabled: truth(false),
    filename: text('eve.json'),
    append: truth(true),
    filetype: text('regular'),
    'community-id': truth(false),
    'community-id-seed': int(0, 0, 65_535),
    'pcap-file': truth(false),
    ethernet: truth(false),
    prefix: text(),
    metadata: truth(true),
  },
  [
    'types',
    'threaded',
    'buffer-size',
    'rotate-interval',
    'mode',
    'identity',
    'facility',
    'level',
    'redis',
    'suricata-version',
    'xff',
    'json',
    'pcap-log',
    'sensor-id',
  ],
);

export const eveAlert = section(
  {
    enabled: truth(true),
    payload: truth(false),
    'payload-printable': truth(false),
    packet: truth(false),
    /** Truth or a section: read by hand in outputs.ts. */
    metadata: anything(),
    verdict: truth(false),
    'payload-length': truth(false),
    'tagged-packets': truth(true),
    'payload-buffer-size': size(4 * KB, 1, 64 * MB),
  },
  [
    'http-body',
    'http-body-printable',
    'websocket-payload',
    'websocket-payload-printable',
    'xff',
    'reference',
    'app-layer',
    'flow',
    'rule',
    'http',
    'tls',
    'ssh',
    'smtp',
    'dnp3',
    'vars',
  ],
);

export const eveDrop = section(
  { enabled: truth(true), alerts: truth(false), flows: choice('start', ['all', 'start']), verdict: truth(true) },
  ['extended'],
);
export const eveAnomaly = section({
  enabled: truth(true),
  types: section({ decode: truth(false), stream: truth(false), applayer: truth(true) }),
  packethdr: truth(false),
});
export const eveFiles = section({ enabled: truth(true), 'force-magic': truth(false), 'force-hash': texts('md5, sha1, sha256') });
export const fileStore = section(
  {
    version: int(1, 1, 2),
    enabled: truth(false),
    dir: text('filestore'),
    'write-fileinfo': truth(false),
    'force-filestore': truth(false),
    'stream-depth': text(),
    'max-open-files': int(0, 0, 1024),
    'force-magic': truth(false),
    'force-hash': texts('md5, sha1, sha256'),
  },
  ['xff', 'log-dir', 'waldo', 'write-meta', 'include-pid'],
);
/** `metadata:` of alerts, written as a section. */
export const eveMetadata = section({
  flow: truth(true),
  'app-layer': truth(true),
  rule: section({ metadata: truth(true), reference: truth(false), raw: truth(false) }),
});
export const eveStats = section({
  enabled: truth(true),
  totals: truth(true),
  threads: truth(false),
  deltas: truth(false),
  'null-values': truth(true),
});

export const LOG_LEVELS = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'info', 'perf', 'config', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const logging = section({ 'default-log-level': choice<LogLevel>('notice', LOG_LEVELS) }, [
  'outputs',
  'default-log-format',
  'default-output-filter',
  'stacktrace-on-signal',
]);
/** A level of '' follows default-log-level. */
const level = choice<LogLevel | ''>('', LOG_LEVELS);
export const logConsole = section({ enabled: truth(true), level }, ['type', 'format']);
export const logFile = section({ enabled: truth(false), level, filename: text('sluice.log'), append: truth(true) }, ['type', 'format']);

export const runAs = section({ user: text(), group: text() });

export const afPacket = section(
  {
    interface: text(),
    threads: autoInt(1, 256),
    /** 0 = choose one that is free. */
    'cluster-id': int(0, 1, 65_535),
    'cluster-type': choice('cluster_flow', ['cluster_flow', 'cluster_cpu', 'cluster_qm', 'cluster_rnd', 'cluster_random']),
    defrag: autoTruth('auto'),
    'copy-mode': choice('none', ['none', 'ips', 'tap']),
    'copy-iface': text(),
    'ring-size': int(0, 8, 2 ** 20),
    'buffer-size': size(0, 4 * KB, GB),
    'bpf-filter': text(),
    'disable-promisc': truth(false),
    'checksum-checks': choice('kernel', ['kernel', 'yes', 'no', 'auto']),
  },
  [
    'use-mmap',
    'mmap-locked',
    'tpacket-v3',
    'block-size',
    'block-timeout',
    'v2-block-size',
    'use-emergency-flush',
    'rollover',
    'bypass',
    'ebpf-lb-file',
    'ebpf-filter-file',
    'xdp-mode',
    'xdp-filter-file',
    'pinned-maps',
    'pinned-maps-name',
    'xdp-cpu-redirect',
    'no-percpu-hash',
    'gpio',
    'snaplen',
  ],
);

/** A netfilter mark or mask: 32 bits. */
const mark = () => int(0, 0, 0xffff_ffff);

export const nfq = section({
  mode: choice('accept', ['accept', 'repeat', 'route']),
  'repeat-mark': mark(),
  'repeat-mask': mark(),
  'bypass-mark': mark(),
  'bypass-mask': mark(),
  'route-queue': int(0, 0, 65_535),
  /** 0 and 1: a verdict for each packet. More than 255 is brought down to that. */
  batchcount: int(64, 0, 2 ** 31 - 1),
  'fail-open': truth(false),
});

const nflogKeys = {
  'buffer-size': size(18_432, KB, GB),
  qthreshold: int(1, 1, 65_535),
  /** 1/100 s */
  qtimeout: int(100, 0, 360_000),
  'max-size': size(20_000, KB, GB),
};
export const nflog = section({ group: int(0, 1, 65_535), ...nflogKeys });
export const nflogDefault = section({ group: text(), ...nflogKeys });

export const HOST_MODES = ['auto', 'router', 'sniffer-only'] as const;

export const sluice = section({
  workers: autoInt(1, 256),
  gso: autoTruth('auto'),
  nfq: section({
    'queue-length': int(8192, 1, 2 ** 20),
    'receive-buffer': size(32 * MB, 64 * KB, GB),
    'copy-range': int(65_535, 128, 65_535),
    gso: autoTruth('auto'),
    'verdict-deadline': int(1000, 0, 1_000_000),
  }),
  'reject-rate': int(1000, 0, 1_000_000),
  'packet-ring': sizePowerOfTwo(16 * MB, MB, GB),
  'event-ring': sizePowerOfTwo(4 * MB, 64 * KB, GB),
  batch: int(64, 1, 1024),
  'ring-full-policy': choice('drop', ['pass', 'drop']),
  'worker-lost-policy': choice('pass', ['pass', 'drop']),
  'ring-full-wait': int(20_000, 0, 1_000_000),
  metrics: section({ enabled: truth(true), address: text('127.0.0.1'), port: int(9917, 0, 65_535) }),
  'detect-user': text('nobody'),
  cache: text('auto'),
});
