/**
 * Counters every thread keeps in shared memory, read by the supervisor for stats and Prometheus.
 *
 * One memfd, one block per thread, one float64 per counter (exact to 2^53; single writer, so no
 * atomics: an aligned 8-byte store is never torn on the 64-bit machines Sluice runs on).
 *
 *   byte 0                 BLOCK_BYTES             2 * BLOCK_BYTES
 *   | thread 0             | thread 1              | ...
 *   | Counter.Count f64    .. LATENCY_BUCKETS f64  |
 *
 * A block survives its thread: a restarted thread continues the counters of its predecessor.
 */
export const enum Counter {
  // capture
  Packets = 0,
  Bytes,
  KernelPackets,
  KernelDrops,
  /** Longer than a slot and no copy to be had: could not be forwarded. */
  Truncated,
  /** Arrived before all peers were open, or not addressed to the bridge (outgoing). */
  Discarded,
  RingFull,
  WorkerLost,
  Transmitted,
  TransmittedBytes,
  SendErrors,
  SendBusy,
  SendTooLong,
  LinkDown,
  VerdictPass,
  VerdictDrop,
  ReceiveCalls,
  TransmitCalls,
  Waits,
  // detection
  DetectPackets,
  DetectBytes,
  Invalid,
  Ipv4,
  Ipv6,
  Tcp,
  Udp,
  Icmp,
  Sctp,
  Vlan,
  Tunnels,
  Fragments,
  Reassembled,
  DefragMemcap,
  MaxWireLen,
  FlowsActive,
  FlowsTotal,
  FlowsTcp,
  FlowsUdp,
  FlowsIcmp,
  FlowsTimedOut,
  FlowMemcap,
  FlowEmergencyEntered,
  FlowEmergencyOver,
  FlowMemuse,
  TcpSessions,
  TcpMidstream,
  TcpInvalidChecksum,
  Alerts,
  AlertsSuppressed,
  PrefilterScans,
  RulesEvaluated,
  PcreMatchLimit,
  EventsLost,
  /** Turns of a worker's loop: stands still only when the worker does. */
  Heartbeat,
  /** Bytes of the thread's JavaScript heap in use, read once a second. */
  HeapUsed,
  /** A rule's payload tests were cut short by the inspection budget: it was taken not to match. */
  InspectionLimit,
  /** A threshold's live count was given up because its table is full. */
  ThresholdEvicted,
  // forwarding by reason, indexed by Reason: DropReason + Reason.X
  DropReason,
  DropReasonEnd = DropReason + 16,
  // netfilter, by capture thread: one queue or group each
  /** Packets the kernel holds in the queue now, read once a second. */
  QueueDepth,
  /** The kernel's counts: refused because the queue was full, because our receive buffer was. */
  QueueDrops,
  QueueUserDrops,
  /** Times the socket reported ENOBUFS. */
  Overruns,
  /** Packets netfilter let through uninspected because we were behind (nfq.fail-open). */
  FailOpen,
  /** NFLOG packets missing by their sequence numbers. */
  LogLost,
  /** Verdict messages sent; one may answer many packets. */
  VerdictMessages,
  VerdictErrors,
  /** Packets forwarded with rewritten bytes. */
  Rewritten,
  /** Answers of `reject`: sent, held back by sluice.reject-rate, refused by the kernel or not to be built. */
  RejectsSent,
  RejectsLimited,
  RejectsFailed,
  // application layers, detection
  /** Packets of flows that were bypassed. */
  Bypassed,
  /** Packets per verdict message: buckets up to 1, 2, 4 .. 128, 255, more; then their sum. */
  BatchSize,
  BatchSizeEnd = BatchSize + 10,
  BatchSizeSum = BatchSizeEnd,
  // application layers: bytes that were skipped because they never came, packets without room to hold or parse them
  AppGaps,
  AppNoRoom,
  // what rules remember: flowbits and flowints that found no room, alerts above packet-alert-max, packets with a tag
  FlowVarsFull,
  AlertsOverflow,
  TaggedPackets,
  /** Values that a dataset had no room for. */
  DatasetFull,
  // what decode saw, by kind; totals of both IP versions stand above
  Ethernet = 140,
  IcmpV6,
  FragmentsV6,
  ReassembledV6,
  FlowsIcmpV6,
  /** IP in IP, by 2 * (outer is IPv6) + (inner is IPv6). */
  IpInIp,
  IpInIpEnd = IpInIp + 4,
  Gre = IpInIpEnd,
  Vxlan,
  Teredo,
  /** Bytes of Bypassed. */
  BypassedBytes,
  /** TCP sessions without their handshake, by the exception policy (Policy) applied to them. */
  MidstreamPolicy,
  MidstreamPolicyEnd = MidstreamPolicy + 8,
  // flows that ended, by FlowState, and those of TCP by TcpState
  FlowEndState = MidstreamPolicyEnd,
  FlowEndTcp = FlowEndState + 4,
  FlowEndTcpEnd = FlowEndTcp + 12,
  // decode and stream events by code: DecodeEvents + DecodeEvent.X (src/decode/events.ts), StreamEvents + StreamEvent.X
  // (src/stream/events.ts); Suricata's decoder.event.* and stream.*
  DecodeEvents = 192,
  DecodeEventsEnd = DecodeEvents + 192,
  StreamEvents = DecodeEventsEnd,
  StreamEventsEnd = StreamEvents + 96,
  // application layers, each by AppProto: flows recognised, transactions that ended, streams and datagrams given up as damaged
  AppFlows = StreamEventsEnd,
  AppTxs = AppFlows + 16,
  AppErrors = AppTxs + 16,
  /** Transactions that ended early: their flow, or all flows together, had too many. */
  AppTxsEvicted = AppErrors + 16,
  /** Buffers of one kind in one transaction beyond what is inspected. */
  AppInstancesLost,
  /** Transactions for which the rules that wait could not be remembered: they are scanned anew each time. */
  AppRescans,
  /** EVE records of transactions that did not fit: their later fields are missing. */
  AppRecordsCut,
  /** Files without a number: one transaction, or all together, had too many. */
  AppFilesLost,
  /** Files that the file store was to have, and of which there was no room to keep all until they were handed over. */
  FilesNotStored,
  /** Data connections of FTP that were announced; of those, pushed out by others before they came. */
  AppExpectations,
  AppExpectationsLost,
  /** Now: bytes that transactions of FTP keep, at most. */
  FtpMemuse,
  /** Pieces of streams that were inspected with what came before them. */
  StreamPieces,
  /** Times a direction had more rules waiting than are remembered: its whole window is scanned. */
  StreamRescans,
  /** Directions that found no window, or no large one: less of what came before is seen. */
  StreamWindowsRefused,
  /** Windows taken from directions that were silent, or made smaller, for others. */
  StreamWindowsEvicted,
  // gauges, set once a second: bytes in use; percent of the memcap that is nearest to its end (flow, reassembly, defragmentation)
  ReassemblyMemuse,
  DefragMemuse,
  MemcapPressure,
  /** The most there was. */
  MemcapPressureMax,
  Count,
}

/** Upper bounds of the BatchSize buckets; the last bucket is for more. */
export const BATCH_BOUNDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 255];

/** Verdict latency: base-2 log-linear buckets, see latencyBucket(). */
export const LATENCY_SUB_BITS = 3;
export const LATENCY_BUCKETS = 256;
export const BLOCK_FLOATS = Counter.Count + LATENCY_BUCKETS;
export const BLOCK_BYTES = BLOCK_FLOATS * 8;

/**
 * Bucket of a latency in nanoseconds (int32, clamped): 8 linear steps per power of two, so a
 * bucket is at most 12.5 % wide.
 */
export function latencyBucket(ns: number): number {
  if (ns < 16) return ns < 0 ? 0 : ns;
  const log = 31 - Math.clz32(ns);
  return ((log - 2) << LATENCY_SUB_BITS) + ((ns >>> (log - LATENCY_SUB_BITS)) & 7);
}

/** Largest value of a bucket in nanoseconds: the inverse of latencyBucket. */
export function latencyBucketTop(bucket: number): number {
  if (bucket < 16) return bucket;
  const log = (bucket >> LATENCY_SUB_BITS) + 2;
  const step = 2 ** (log - LATENCY_SUB_BITS);
  return 2 ** log + ((bucket & 7) + 1) * step - 1;
}
