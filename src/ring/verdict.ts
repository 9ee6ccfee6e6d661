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
  /** Forward the bytes as the worker has rewritten them in place (`replace`). */
  Rewritten = 3,
}
export const VERDICT_NAMES = ['none', 'pass', 'drop', 'rewritten'] as const;

/** Who is told that a packet was rejected (`reject`, `rejectsrc`: the source). */
export const enum Side {
  Source = 1,
  Destination = 2,
  Both = 3,
}

/**
 * An answer in one word, 0 for none: what the capture thread needs to build it, since only the worker has parsed the packet.
 * Whoever reads it checks every offset again.
 *
 *   bits 0-1 Side | bits 2-16 IP header, bytes from the start of the frame | bits 17-30 from there to the transport header
 */
export const ANSWER_IP_SHIFT = 2;
export const ANSWER_IP_MASK = 0x7fff;
export const ANSWER_TRANSPORT_SHIFT = 17;
export const ANSWER_TRANSPORT_MASK = 0x3fff;

/** 0 when an offset does not fit: no answer then. `transport`: bytes from the IP header on, as Packet.ipHeaderLen. */
export function packAnswer(side: Side, ip: number, transport: number): number {
  if (side < Side.Source || side > Side.Both || ip < 0 || ip > ANSWER_IP_MASK) return 0;
  if (transport < 0 || transport > ANSWER_TRANSPORT_MASK) return 0;
  return side | (ip << ANSWER_IP_SHIFT) | (transport << ANSWER_TRANSPORT_SHIFT);
}

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
  /** A parser gave up on the flow (app-layer.error-policy). */
  AppLayerError = 14,
  Count = 15,
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
  'applayer error',
];

/** Exception policies, as Suricata names them. `ignore` = go on without the step that failed. */
export type ExceptionPolicy = 'auto' | 'drop-flow' | 'drop-packet' | 'pass-flow' | 'pass-packet' | 'bypass' | 'reject' | 'ignore';
