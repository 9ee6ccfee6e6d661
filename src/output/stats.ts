import { APP_SERIES } from '../app-layer/buffers.js';
import { DECODE_EVENT_NAMES, DecodeEvent } from '../decode/events.js';
import { FLOW_STATE_NAMES, TCP_STATE_NAMES } from '../flow/names.js';
import { Counter } from '../metrics/counters.js';
import { REASON_NAMES } from '../ring/verdict.js';
import { STREAM_EVENT_NAMES } from '../stream/events.js';
import { POLICY_NAMES } from './names.js';
import { eveTime } from './text.js';

/** What the supervisor hands to the stats writers every `stats.interval` seconds. */
export interface StatsSnapshot {
  /** Moment of the snapshot, milliseconds since 1970. */
  timeMs: number;
  /** Whole seconds since the engine started. */
  uptime: number;
  /** `counters`: a copy of the thread's block, indexed by Counter. */
  threads: { name: string; counters: Float64Array }[];
  rules?: RuleStats;
  /** What became of stored files; absent: none are. */
  fileStore?: { openFiles: number; openFilesMaxHit: number; fsErrors: number };
}

/** What became of the rules. */
export interface RuleStats {
  loaded: number;
  failed: number;
  /** Left out by `requires`. */
  skipped: number;
  /** Of the loaded: those that cannot match yet, and by what they lack. */
  inert?: number;
  inertBy?: Record<string, number>;
  lastReload: string;
}

interface StatName {
  name: string;
  counter: number;
  /** A part of `counter` that has a name of its own. */
  less?: number;
  max?: boolean;
}

/** Names as in Suricata's stats (user guide, "Statistics"); ours where it has none: each says what was counted. */
export const STAT_NAMES: readonly StatName[] = [
  { name: 'capture.kernel_packets', counter: Counter.KernelPackets },
  { name: 'capture.kernel_drops', counter: Counter.KernelDrops },
  { name: 'capture.packets', counter: Counter.Packets },
  { name: 'capture.bytes', counter: Counter.Bytes },
  { name: 'capture.truncated', counter: Counter.Truncated },
  { name: 'capture.discarded', counter: Counter.Discarded },
  { name: 'capture.ring_full', counter: Counter.RingFull },
  { name: 'capture.worker_lost', counter: Counter.WorkerLost },
  { name: 'capture.transmitted', counter: Counter.Transmitted },
  { name: 'capture.transmitted_bytes', counter: Counter.TransmittedBytes },
  { name: 'capture.send_errors', counter: Counter.SendErrors },
  { name: 'capture.send_busy', counter: Counter.SendBusy },
  { name: 'capture.send_too_long', counter: Counter.SendTooLong },
  { name: 'capture.link_down', counter: Counter.LinkDown },
  { name: 'nfq.depth', counter: Counter.QueueDepth },
  { name: 'nfq.queue_dropped', counter: Counter.QueueDrops },
  { name: 'nfq.user_dropped', counter: Counter.QueueUserDrops },
  { name: 'nfq.fail_open', counter: Counter.FailOpen },
  { name: 'nfq.verdict_messages', counter: Counter.VerdictMessages },
  { name: 'nfq.verdict_packets', counter: Counter.BatchSizeSum },
  { name: 'nfq.verdict_errors', counter: Counter.VerdictErrors },
  { name: 'nflog.lost', counter: Counter.LogLost },
  { name: 'netlink.overruns', counter: Counter.Overruns },
  { name: 'decoder.pkts', counter: Counter.DetectPackets },
  { name: 'decoder.bytes', counter: Counter.DetectBytes },
  { name: 'decoder.invalid', counter: Counter.Invalid },
  { name: 'decoder.ipv4', counter: Counter.Ipv4 },
  { name: 'decoder.ipv6', counter: Counter.Ipv6 },
  { name: 'decoder.tcp', counter: Counter.Tcp },
  { name: 'decoder.udp', counter: Counter.Udp },
  { name: 'decoder.sctp', counter: Counter.Sctp },
  { name: 'decoder.ethernet', counter: Counter.Ethernet },
  { name: 'decoder.icmpv4', counter: Counter.Icmp, less: Counter.IcmpV6 },
  { name: 'decoder.icmpv6', counter: Counter.IcmpV6 },
  { name: 'decoder.gre', counter: Counter.Gre },
  { name: 'decoder.vxlan', counter: Counter.Vxlan },
  { name: 'decoder.teredo', counter: Counter.Teredo },
  { name: 'decoder.ipv4_in_ipv4', counter: Counter.IpInIp },
  { name: 'decoder.ipv6_in_ipv4', counter: Counter.IpInIp + 1 },
  { name: 'decoder.ipv4_in_ipv6', counter: Counter.IpInIp + 2 },
  { name: 'decoder.ipv6_in_ipv6', counter: Counter.IpInIp + 3 },
  { name: 'decoder.unknown_ethertype', counter: Counter.DecodeEvents + DecodeEvent.EthernetUnknownEthertype },
  { name: 'decoder.too_many_layers', counter: Counter.DecodeEvents + DecodeEvent.TooManyLayers },
  { name: 'decoder.vlan', counter: Counter.Vlan },
  { name: 'decoder.tunnels', counter: Counter.Tunnels },
  { name: 'decoder.max_pkt_size', counter: Counter.MaxWireLen, max: true },
  { name: 'flow.total', counter: Counter.FlowsTotal },
  { name: 'flow.active', counter: Counter.FlowsActive },
  { name: 'flow.tcp', counter: Counter.FlowsTcp },
  { name: 'flow.udp', counter: Counter.FlowsUdp },
  { name: 'flow.icmpv4', counter: Counter.FlowsIcmp, less: Counter.FlowsIcmpV6 },
  { name: 'flow.icmpv6', counter: Counter.FlowsIcmpV6 },
  { name: 'flow.memcap', counter: Counter.FlowMemcap },
  { name: 'flow.emerg_mode_entered', counter: Counter.FlowEmergencyEntered },
  { name: 'flow.emerg_mode_over', counter: Counter.FlowEmergencyOver },
  { name: 'flow.mgr.flows_timeout', counter: Counter.FlowsTimedOut },
  { name: 'flow.memuse', counter: Counter.FlowMemuse },
  { name: 'flow_bypassed.local_pkts', counter: Counter.Bypassed },
  { name: 'flow_bypassed.local_bytes', counter: Counter.BypassedBytes },
  ...FLOW_STATE_NAMES.map((name, i) => ({ name: `flow.end.state.${name}`, counter: Counter.FlowEndState + i })),
  ...TCP_STATE_NAMES.map((name, i) => ({ name: `flow.end.tcp_state.${name}`, counter: Counter.FlowEndTcp + i })),
  { name: 'defrag.ipv4.fragments', counter: Counter.Fragments, less: Counter.FragmentsV6 },
  { name: 'defrag.ipv4.reassembled', counter: Counter.Reassembled, less: Counter.ReassembledV6 },
  { name: 'defrag.ipv6.fragments', counter: Counter.FragmentsV6 },
  { name: 'defrag.ipv6.reassembled', counter: Counter.ReassembledV6 },
  { name: 'defrag.memcap', counter: Counter.DefragMemcap },
  { name: 'defrag.memuse', counter: Counter.DefragMemuse },
  { name: 'memcap.pressure', counter: Counter.MemcapPressure, max: true },
  { name: 'memcap.pressure_max', counter: Counter.MemcapPressureMax, max: true },
  { name: 'tcp.sessions', counter: Counter.TcpSessions },
  { name: 'tcp.midstream_pickups', counter: Counter.TcpMidstream },
  { name: 'tcp.invalid_checksum', counter: Counter.TcpInvalidChecksum },
  { name: 'tcp.reassembly_gap', counter: Counter.AppGaps },
  { name: 'tcp.segment_memcap_drop', counter: Counter.AppNoRoom },
  { name: 'tcp.reassembly_memuse', counter: Counter.ReassemblyMemuse },
  ...APP_SERIES.flatMap(([name, place]) => [
    { name: `app_layer.flow.${name}`, counter: Counter.AppFlows + place },
    { name: `app_layer.tx.${name}`, counter: Counter.AppTxs + place },
    { name: `app_layer.error.${name}.parser`, counter: Counter.AppErrors + place },
  ]),
  { name: 'ftp.memuse', counter: Counter.FtpMemuse },
  { name: 'detect.alert', counter: Counter.Alerts },
  { name: 'detect.alert_queue_overflow', counter: Counter.AlertsOverflow },
  { name: 'detect.alerts_suppressed', counter: Counter.AlertsSuppressed },
  { name: 'detect.prefilter_scans', counter: Counter.PrefilterScans },
  { name: 'detect.rules_evaluated', counter: Counter.RulesEvaluated },
  { name: 'detect.pcre_match_limit', counter: Counter.PcreMatchLimit },
  { name: 'detect.inspection_limit', counter: Counter.InspectionLimit },
  { name: 'detect.thresholds_evicted', counter: Counter.ThresholdEvicted },
  { name: 'output.events_lost', counter: Counter.EventsLost },
  { name: 'ips.accepted', counter: Counter.VerdictPass },
  { name: 'ips.blocked', counter: Counter.VerdictDrop },
  { name: 'ips.rejected', counter: Counter.RejectsSent },
  { name: 'ips.replaced', counter: Counter.Rewritten },
  { name: 'ips.reject_limited', counter: Counter.RejectsLimited },
  { name: 'ips.reject_failed', counter: Counter.RejectsFailed },
  ...REASON_NAMES.slice(1).map((reason, i) => ({
    name: `ips.drop_reason.${reason.replaceAll(' ', '_')}`,
    counter: Counter.DropReason + 1 + i,
  })),
];

/** Counts that are listed only when there are any: policies by what they did, events by their names. */
const RARE_NAMES: readonly StatName[] = [
  // Ignore is no act.
  ...POLICY_NAMES.slice(1).map((policy, i) => ({
    name: `exception_policy.tcp.midstream.${policy}`,
    counter: Counter.MidstreamPolicy + 1 + i,
  })),
  ...DECODE_EVENT_NAMES.slice(1).map((name, i) => ({
    name: `decoder.event.${name.slice('decoder.'.length)}`,
    counter: Counter.DecodeEvents + 1 + i,
  })),
  ...STREAM_EVENT_NAMES.slice(1).map((name, i) => ({ name, counter: Counter.StreamEvents + 1 + i })),
];

type Values = [name: string, value: number][];

function statOf(counters: Float64Array, { counter, less }: StatName): number {
  return (counters[counter] ?? 0) - (less === undefined ? 0 : (counters[less] ?? 0));
}

function threadValues(counters: Float64Array): Values {
  const values: Values = STAT_NAMES.map((stat) => [stat.name, statOf(counters, stat)]);
  for (const stat of RARE_NAMES) if (statOf(counters, stat) !== 0) values.push([stat.name, statOf(counters, stat)]);
  return values;
}

/** Sums over the threads (the maximum for a maximum), and the average packet size that follows from them. */
function totalValues(snapshot: StatsSnapshot): Values {
  const total = (stat: StatName) => {
    let sum = 0;
    for (const thread of snapshot.threads) {
      const value = statOf(thread.counters, stat);
      sum = stat.max === true ? Math.max(sum, value) : sum + value;
    }
    return sum;
  };
  const values: Values = STAT_NAMES.map((stat) => [stat.name, total(stat)]);
  for (const stat of RARE_NAMES) if (total(stat) !== 0) values.push([stat.name, total(stat)]);
  if (snapshot.fileStore !== undefined) {
    const { openFiles, openFilesMaxHit, fsErrors } = snapshot.fileStore;
    values.push(
      ['file_store.open_files_max_hit', openFilesMaxHit],
      ['file_store.fs_errors', fsErrors],
      ['file_store.open_files', openFiles],
    );
  }
  const of = (wanted: string) => values.find(([name]) => name === wanted)?.[1] ?? 0;
  const packets = of('decoder.pkts');
  const average = packets === 0 ? 0 : Math.trunc(of('decoder.bytes') / packets);
  values.splice(
    values.findIndex(([name]) => name === 'decoder.max_pkt_size'),
    0,
    ['decoder.avg_pkt_size', average],
  );
  return values;
}

const RULE_LINE = '-'.repeat(84);
const row = (counter: string, thread: string, value: string) => `${counter.padEnd(45)} | ${thread.padEnd(25)} | ${value}`;

/** One block of stats.log, without the last line end. Values of 0 only with `nullValues`. */
export function statsTable(snapshot: StatsSnapshot, options: { totals: boolean; threads: boolean; nullValues: boolean }): string {
  const d = new Date(snapshot.timeMs);
  const two = (n: number) => String(n).padStart(2, '0');
  const up = snapshot.uptime;
  const uptime = `${Math.trunc(up / 86400)}d, ${two(Math.trunc(up / 3600) % 24)}h ${two(Math.trunc(up / 60) % 60)}m ${two(up % 60)}s`;
  const date = `${d.getMonth() + 1}/${d.getDate()}/${d.getFullYear()} -- ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  const lines = [RULE_LINE, `Date: ${date} (uptime: ${uptime})`, RULE_LINE, row('Counter', 'TM Name', 'Value'), RULE_LINE];
  const add = (values: Values, thread: string) => {
    for (const [name, value] of values) if (value !== 0 || options.nullValues) lines.push(row(name, thread, String(value)));
  };
  if (options.totals) add(totalValues(snapshot), 'Total');
  if (options.threads) for (const thread of snapshot.threads) add(threadValues(thread.counters), thread.name);
  return lines.join('\n');
}

interface Nested {
  [key: string]: Nested | number | string | Nested[];
}

function nest(values: Values, before: Map<string, number> | undefined): Nested {
  const root: Nested = {};
  for (const [name, value] of values) {
    const path = name.split('.');
    const last = path.pop() as string;
    let node = root;
    for (const key of path) {
      node[key] ??= {};
      node = node[key] as Nested;
    }
    node[last] = value;
    if (before !== undefined) {
      node[`${last}_delta`] = value - (before.get(name) ?? 0);
      before.set(name, value);
    }
  }
  return root;
}

/** EVE stats records; remembers the values before for `deltas`. */
export class EveStats {
  private readonly before = new Map<string, Map<string, number>>();

  constructor(private readonly options: { totals: boolean; threads: boolean; deltas: boolean; nullValues?: boolean }) {}

  line(snapshot: StatsSnapshot): string {
    const stats: Nested = { uptime: snapshot.uptime };
    if (this.options.totals) Object.assign(stats, nest(this.shown(totalValues(snapshot)), this.memory('Total')));
    if (snapshot.rules !== undefined) {
      stats.detect ??= {};
      (stats.detect as Nested).engines = [
        {
          id: 0,
          last_reload: snapshot.rules.lastReload,
          rules_loaded: snapshot.rules.loaded,
          rules_failed: snapshot.rules.failed,
          rules_skipped: snapshot.rules.skipped,
          ...(snapshot.rules.inert === undefined ? {} : { rules_inert: snapshot.rules.inert }),
        },
      ];
    }
    if (this.options.threads) {
      const threads: Nested = {};
      for (const thread of snapshot.threads)
        threads[thread.name] = nest(this.shown(threadValues(thread.counters)), this.memory(thread.name));
      stats.threads = threads;
    }
    const sec = Math.trunc(snapshot.timeMs / 1000);
    const time = eveTime(sec, (snapshot.timeMs - sec * 1000) * 1_000_000);
    return `{"timestamp":"${time}","event_type":"stats","stats":${JSON.stringify(stats)}}`;
  }

  private shown(values: Values): Values {
    return this.options.nullValues === false ? values.filter(([, value]) => value !== 0) : values;
  }

  private memory(thread: string): Map<string, number> | undefined {
    if (!this.options.deltas) return undefined;
    let map = this.before.get(thread);
    if (map === undefined) {
      map = new Map();
      this.before.set(thread, map);
    }
    return map;
  }
}
