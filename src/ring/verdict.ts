/**
 * The numeric codes that travel with a packet, each with its one name table.
 * They stand beside the ring because the packet record stores them.
 */

/** What happens to the packet. */
export const enum Verdict {
  /** Not decided yet: the worker still owns the record. */
  None = 0,
  /** Forward (IPS), or nothing to forward (IDS). */
  Pass = 1,
  /** Do not forward. In IDS mode this code is never written. */
  Drop = 2,
}
export const VERDICT_NAMES = ['none', 'pass', 'drop'] as const;

/** The mode belongs to the packet, not to the engine. */
export const enum Mode {
  Ids = 0,
  Ips = 1,
}

/** Why a packet was dropped: names as in Suricata's `drop.reason`, our own where it has none. */
export const enum Reason {
  None = 0,
  Rule = 1,
  FlowDropped = 2,
  Decode = 3,
  DefragError = 4,
  DefragMemcap = 5,
  FlowMemcap = 6,
  StreamError = 7,
  StreamMemcap = 8,
  StreamMidstream = 9,
  Threshold = 10,
  RingFull = 11,
  WorkerLost = 12,
  /** Longer than the receive buffers can hold: it cannot be forwarded whole. */
  Truncated = 13,
  Count = 14,
}
export const REASON_NAMES: readonly string[] = [
  'none',
  'rules',
  'flow drop',
  'decode error',
  'defrag error',
  'defrag memcap',
  'flow memcap',
  'stream error',
  'stream memcap',
  'stream midstream',
  'threshold detection_filter',
  'ring full',
  'worker lost',
  'truncated',
];

/** Exception policies, as Suricata names them. `ignore` = go on without the step that failed. */
export type ExceptionPolicy = 'auto' | 'drop-flow' | 'drop-packet' | 'pass-flow' | 'pass-packet' | 'bypass' | 'reject' | 'ignore';
