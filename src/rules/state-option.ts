/**
 * What rules remember from one packet to the next: tests on it, and what a match changes.
 * Source: user guide, "Thresholding Keywords", "Flow Keywords" (flowbits, flowint, hostbits), "Xbits Keyword", "Tag",
 * "IP Reputation Keyword"; configuration, "Global-Thresholds".
 */
import type { NumberTest } from './packet-option.js';
import type { AddressSet } from './rule.js';

export type Track = 'by_src' | 'by_dst' | 'by_rule' | 'by_both' | 'by_flow';

/** `threshold`, `detection_filter`, and what threshold.config puts in their place. */
export interface ThresholdOption {
  kind: 'threshold';
  type: 'limit' | 'threshold' | 'both' | 'backoff' | 'detection_filter';
  track: Track;
  count: number;
  /** 0 for backoff, which has none. */
  seconds: number;
  /** backoff: by how much the count grows each time it is reached. */
  multiplier?: number;
}

/** `rate_filter` of threshold.config: another action for a while. */
export interface RateFilter {
  track: Track;
  count: number;
  seconds: number;
  action: 'alert' | 'drop' | 'pass' | 'reject';
  /** Seconds the new action lasts. */
  timeout: number;
}

/** `suppress` of threshold.config: no alert, whatever else the rule does stays. */
export interface Suppression {
  /** `rule`: everywhere. */
  track: 'rule' | 'by_src' | 'by_dst' | 'by_either';
  addresses: AddressSet;
}

/** Whose bit: of an address, or of a pair whichever of the two sends. */
export type BitTrack = 'ip_src' | 'ip_dst' | 'ip_pair' | 'both';

/** A number, or the name of a flowint. */
export type FlowIntValue = number | string;

/** Addresses that have a score: ranges as signed-order words, as in src/detect/addresses.ts. */
export interface AddressRanges {
  v4: Int32Array;
  v6: Int32Array;
}

export interface IpRepOption {
  kind: 'iprep';
  side: 'any' | 'src' | 'dst' | 'both';
  category: string;
  test: 'isset' | 'isnotset' | NumberTest;
}

/** Tests on what is remembered. */
export type StateOption =
  /** Any of the names. */
  | { kind: 'flowbits'; op: 'isset' | 'isnotset'; names: string[] }
  | { kind: 'flowint'; op: 'isset' | 'notset'; name: string }
  | { kind: 'flowint'; op: '<' | '<=' | '>' | '>=' | '==' | '!='; name: string; value: FlowIntValue }
  | { kind: 'xbits' | 'hostbits'; op: 'isset' | 'isnotset'; name: string; track: BitTrack }
  | IpRepOption;

export interface TagEffect {
  kind: 'tag';
  scope: 'session' | 'host';
  count: number;
  metric: 'packets' | 'bytes' | 'seconds';
  /** Of scope host: which of the two. */
  side: 'src' | 'dst';
}

/** What a match changes beside its action, before thresholds are asked (`tag`: after). */
export type Effect =
  | { kind: 'flowbits'; op: 'set' | 'unset' | 'toggle'; name: string }
  | { kind: 'flowint'; op: '=' | '+' | '-'; name: string; value: FlowIntValue }
  | { kind: 'xbits' | 'hostbits'; op: 'set' | 'unset' | 'toggle'; name: string; track: BitTrack; expire: number }
  | TagEffect;
