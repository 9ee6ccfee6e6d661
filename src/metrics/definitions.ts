import { APP_SERIES } from '../app-layer/buffers.js';
import { REASON_NAMES } from '../ring/verdict.js';
import { Counter } from './counters.js';

/**
 * Threads that keep a metric: `queue`, `log` and `netfilter` (either) are capture threads whose source is a netfilter
 * queue or log group, `capture` all of them, `detect` those that decode and decide.
 */
export type ThreadKind = 'capture' | 'queue' | 'log' | 'netfilter' | 'detect' | 'any';

/** Whether a thread that captures from `source` (SourcePlan.name) or detects keeps metrics of that kind. */
export function keeps(kind: ThreadKind, thread: 'capture' | 'detect', source: string): boolean {
  if (kind === 'any') return true;
  if (kind === 'capture' || kind === 'detect') return kind === thread;
  return thread === 'capture' && ((kind !== 'log' && isQueue(source)) || (kind !== 'queue' && isLogGroup(source)));
}

/** By name, since that is what the supervisor has of a thread: an interface called so would only get series that stay 0. */
export const isQueue = (source: string): boolean => /^NFQ#\d+$/.test(source);
export const isLogGroup = (source: string): boolean => /^NFLOG#\d+$/.test(source);

/** A per-thread counter: name without `sluice_`, help, its Counter, and the labels that set it apart. */
export interface Definition {
  name: string;
  help: string;
  /** Which threads keep it; their series are there from the start, so that rate() sees the first event. */
  kind: ThreadKind;
  type?: 'gauge';
  /** One series each; a plain number is a metric without a label of its own. */
  series: number | { label: string; values: [string, number][] };
}

/** One series for each application protocol that is parsed. */
const appSeries = (first: number): [string, number][] => APP_SERIES.map(([name, place]) => [name, first + place]);

const one = (kind: Definition['kind'], name: string, series: number, help: string, type?: 'gauge'): Definition => ({
  kind,
  name,
  series,
  help,
  type,
});

export const DEFINITIONS: readonly Definition[] = [
  one('capture', 'capture_packets_total', Counter.Packets, 'Packets a capture thread took from its interface, queue or log group.'),
  one(
    'capture',
    'capture_bytes_total',
    Counter.Bytes,
    'Bytes of the packets a capture thread took from its interface, queue or log group.',
  ),
  one(
    'capture',
    'kernel_packets_total',
    Counter.KernelPackets,
    'Packets the kernel saw for us on an interface, those it dropped included.',
  ),
  one(
    'capture',
    'kernel_drops_total',
    Counter.KernelDrops,
    'Packets of an interface lost in the kernel because the capture thread was too slow to take them. Inline, this is lost traffic: add threads or a larger ring-size. Queues: see sluice_nfqueue_drops_total.',
  ),
  one(
    'capture',
    'ring_full_total',
    Counter.RingFull,
    'Packets that found the ring to their worker full: the worker is too slow. They went by sluice.ring-full-policy, not by the rules.',
  ),
  one(
    'capture',
    'worker_lost_total',
    Counter.WorkerLost,
    'Packets decided without a worker because the detection process was gone. They went by sluice.worker-lost-policy, not by the rules.',
  ),
  one(
    'capture',
    'truncated_packets_total',
    Counter.Truncated,
    'Packets that arrived cut short and could not be forwarded whole: longer than a receive slot.',
  ),
  one('capture', 'discarded_packets_total', Counter.Discarded, 'Packets that were not for the bridge, or came before all was up.'),
  one(
    'capture',
    'transmitted_packets_total',
    Counter.Transmitted,
    'Packets sent out on the peer interface. What a queue accepts the kernel sends itself: see sluice_verdicts_total.',
  ),
  one('capture', 'transmitted_bytes_total', Counter.TransmittedBytes, 'Bytes sent out on the peer interface.'),
  {
    kind: 'capture',
    name: 'send_errors_total',
    help: 'Packets that should have been forwarded but could not be sent: busy = the peer queue stayed full, too_long = above the peer MTU, link_down = the peer has no link, error = anything else.',
    series: {
      label: 'kind',
      values: [
        ['error', Counter.SendErrors],
        ['busy', Counter.SendBusy],
        ['too_long', Counter.SendTooLong],
        ['link_down', Counter.LinkDown],
      ],
    },
  },
  {
    kind: 'capture',
    name: 'verdicts_total',
    help: 'Packets by what was decided: pass = forwarded or accepted, drop = not. From interfaces and log groups that only listen, all pass.',
    series: {
      label: 'action',
      values: [
        ['pass', Counter.VerdictPass],
        ['drop', Counter.VerdictDrop],
      ],
    },
  },
  one(
    'queue',
    'nfqueue_depth_packets',
    Counter.QueueDepth,
    'Packets the kernel holds in the queue, waiting for a verdict, read once a second. Near sluice_nfqueue_limit_packets: new ones will be lost, or let through with fail-open.',
    'gauge',
  ),
  {
    kind: 'queue',
    name: 'nfqueue_drops_total',
    help: 'Packets of a queue the kernel dropped, so lost traffic: queue_full = sluice.nfq.queue-length reached, receive_buffer = no room in our socket (sluice.nfq.receive-buffer). With nfq.fail-open they pass instead: see sluice_nfqueue_fail_open_total.',
    series: {
      label: 'kind',
      values: [
        ['queue_full', Counter.QueueDrops],
        ['receive_buffer', Counter.QueueUserDrops],
      ],
    },
  },
  one(
    'queue',
    'nfqueue_fail_open_total',
    Counter.FailOpen,
    'Packets netfilter let through UNINSPECTED because we were behind (nfq.fail-open). No rule saw them: spread the traffic over more queues, or look for a flood.',
  ),
  one(
    'queue',
    'nfqueue_verdict_messages_total',
    Counter.VerdictMessages,
    'Verdict messages sent to the kernel; one may answer many packets (nfq.batchcount).',
  ),
  one(
    'queue',
    'nfqueue_verdict_errors_total',
    Counter.VerdictErrors,
    'Verdict messages the kernel refused. Their packets stay in the queue, and it fills.',
  ),
  one(
    'netfilter',
    'netlink_overruns_total',
    Counter.Overruns,
    'Times the socket of a queue or log group ran over (ENOBUFS): packets came faster than we took them.',
  ),
  one(
    'log',
    'nflog_lost_total',
    Counter.LogLost,
    'Packets of a log group that never reached us, by their sequence numbers: not inspected, but not held up either. Raise buffer-size or qthreshold of the group.',
  ),
  one(
    'capture',
    'rewritten_packets_total',
    Counter.Rewritten,
    'Packets forwarded with bytes changed by the replace keyword; among those that passed.',
  ),
  {
    kind: 'capture',
    name: 'rejects_total',
    help: 'Answers of reject rules (TCP reset, ICMP unreachable): sent, limited = held back by sluice.reject-rate, failed = not to be answered (a reset, an ICMP error, a fragment) or refused by the kernel. Without its answer the packet is dropped all the same where traffic is inline; elsewhere the connection goes on.',
    series: {
      label: 'result',
      values: [
        ['sent', Counter.RejectsSent],
        ['limited', Counter.RejectsLimited],
        ['failed', Counter.RejectsFailed],
      ],
    },
  },
  one('detect', 'detect_packets_total', Counter.DetectPackets, 'Packets a worker inspected.'),
  one('detect', 'detect_bytes_total', Counter.DetectBytes, 'Bytes of the packets a worker inspected.'),
  one('detect', 'invalid_packets_total', Counter.Invalid, 'Packets with a malformed header.'),
  one('detect', 'flows_active', Counter.FlowsActive, 'Flows in the table now.', 'gauge'),
  one('detect', 'flow_memory_bytes', Counter.FlowMemuse, 'Memory the flow table uses, to compare with flow.memcap.', 'gauge'),
  one('detect', 'ftp_memory_bytes', Counter.FtpMemuse, 'Commands and replies that transactions of FTP keep, at most.', 'gauge'),
  one(
    'detect',
    'reassembly_memory_bytes',
    Counter.ReassemblyMemuse,
    'Memory that TCP reassembly uses, to compare with stream.reassembly.memcap.',
    'gauge',
  ),
  one(
    'detect',
    'defrag_memory_bytes',
    Counter.DefragMemuse,
    'Memory that IP defragmentation uses, to compare with defrag.memcap.',
    'gauge',
  ),
  one(
    'detect',
    'memcap_pressure',
    Counter.MemcapPressure,
    'How full, in percent, the fullest of flow.memcap, stream.reassembly.memcap and defrag.memcap is. At 100 the exception policies decide: raise that memcap.',
    'gauge',
  ),
  one('detect', 'flows_created_total', Counter.FlowsTotal, 'Flows seen since the start.'),
  one(
    'detect',
    'flow_memcap_total',
    Counter.FlowMemcap,
    'Packets that got no flow because flow.memcap is reached. They went by flow.memcap-policy: raise flow.memcap, or look for a flood.',
  ),
  one('detect', 'flow_emergency_total', Counter.FlowEmergencyEntered, 'Times the flow table ran full and shortened its timeouts.'),
  one('detect', 'bypassed_packets_total', Counter.Bypassed, 'Packets of bypassed flows: forwarded without inspection, as configured.'),
  {
    kind: 'detect',
    name: 'app_layer_flows_total',
    help: 'Flows by the application protocol recognised in them.',
    series: { label: 'proto', values: appSeries(Counter.AppFlows) },
  },
  {
    kind: 'detect',
    name: 'app_layer_transactions_total',
    help: 'Transactions of application protocols that ended. For FTP: commands, and what servers say unasked.',
    series: { label: 'proto', values: appSeries(Counter.AppTxs) },
  },
  {
    kind: 'detect',
    name: 'app_layer_errors_total',
    help: 'Streams and datagrams given up because they were not, or no longer, of the protocol they began as.',
    series: { label: 'proto', values: appSeries(Counter.AppErrors) },
  },
  one(
    'detect',
    'app_layer_evicted_total',
    Counter.AppTxsEvicted,
    'Transactions that ended before they were complete: their flow, or all flows together, had too many. They were inspected, not logged.',
  ),
  one(
    'detect',
    'app_layer_instances_lost_total',
    Counter.AppInstancesLost,
    'Buffers beyond what is inspected of one kind in one transaction (names of a DNS message, headers of a request). Someone may be hiding something.',
  ),
  one(
    'detect',
    'app_layer_rescans_total',
    Counter.AppRescans,
    'Transactions whose waiting rules could not be remembered: they are scanned anew each time, and rules may alert twice.',
  ),
  one(
    'detect',
    'app_layer_files_lost_total',
    Counter.AppFilesLost,
    'Files that were not followed by themselves: their transaction, or all together, had too many. Someone may be hiding something.',
  ),
  one(
    'detect',
    'file_store_lost_total',
    Counter.FilesNotStored,
    'Files that were to be stored, and of which the detecting thread could not keep all until the writer of the logs took it.',
  ),
  one('detect', 'stream_pieces_total', Counter.StreamPieces, 'Pieces of TCP streams that were inspected with what came before them.'),
  one(
    'detect',
    'stream_rescans_total',
    Counter.StreamRescans,
    'Times a direction had more rules waiting than are remembered: its window is scanned anew, and rules may alert twice.',
  ),
  one(
    'detect',
    'stream_windows_refused_total',
    Counter.StreamWindowsRefused,
    'Directions of flows without room (stream.reassembly.memcap) for what rules on streams look back at: less of it is seen.',
  ),
  one(
    'detect',
    'stream_windows_evicted_total',
    Counter.StreamWindowsEvicted,
    'Directions of silent flows that gave what rules on streams look back at to others (stream.reassembly.memcap).',
  ),
  one('detect', 'app_layer_expectations_total', Counter.AppExpectations, 'Data connections that FTP control connections announced.'),
  one(
    'detect',
    'app_layer_expectations_lost_total',
    Counter.AppExpectationsLost,
    'Announced data connections that were forgotten for newer ones: a pair of hosts had too many at once, or too many pairs have any.',
  ),
  one('detect', 'app_layer_records_cut_total', Counter.AppRecordsCut, 'EVE records of transactions that lack fields: they were too long.'),
  {
    kind: 'detect',
    name: 'app_layer_skipped_total',
    help: 'What parsers of application protocols did not see: gap = bytes that never came, no_room = packets that found no memory. Inline, the latter went by stream.memcap-policy.',
    series: {
      label: 'reason',
      values: [
        ['gap', Counter.AppGaps],
        ['no_room', Counter.AppNoRoom],
      ],
    },
  },
  one('detect', 'alerts_total', Counter.Alerts, 'Alerts raised by rules.'),
  one('detect', 'alerts_suppressed_total', Counter.AlertsSuppressed, 'Alerts held back by thresholds and suppressions.'),
  one(
    'detect',
    'alerts_overflow_total',
    Counter.AlertsOverflow,
    'Alerts above packet-alert-max: not logged, their actions were carried out.',
  ),
  one('detect', 'flow_vars_full_total', Counter.FlowVarsFull, 'Times a flowbit or flowint found no room: rules find it unset.'),
  one('detect', 'dataset_full_total', Counter.DatasetFull, 'Values that a dataset had no room for (its memcap): not added.'),
  one('detect', 'tagged_packets_total', Counter.TaggedPackets, 'Packets of tagged flows and hosts.'),
  one(
    'detect',
    'rules_evaluated_total',
    Counter.RulesEvaluated,
    'Rules tried on a packet after the prefilter: high per packet means expensive rules.',
  ),
  one(
    'detect',
    'pcre_limit_total',
    Counter.PcreMatchLimit,
    'Regular expressions given up at pcre.match-limit: the rule was taken not to match.',
  ),
  one(
    'detect',
    'inspection_limit_total',
    Counter.InspectionLimit,
    'Rules cut short by the inspection budget: taken not to match. Someone may be evading, or a rule is too expensive.',
  ),
  one(
    'detect',
    'events_lost_total',
    Counter.EventsLost,
    'Alerts and other records lost because the output writer was too slow. Verdicts are not affected; the logs are incomplete.',
  ),
  {
    kind: 'any',
    name: 'heap_used_bytes',
    help: 'JavaScript heap in use by a packet thread, read once a second. It must not grow with traffic.',
    type: 'gauge',
    series: Counter.HeapUsed,
  },
  {
    kind: 'any',
    name: 'drops_total',
    help: 'Packets not forwarded, by reason. rules and flow drop are the rules at work; all others are trouble.',
    series: { label: 'reason', values: REASON_NAMES.slice(1).map((name, i) => [name, Counter.DropReason + 1 + i]) },
  },
];
