/**
 * What rules remember from one packet to the next: tests on it, and what a match changes.
 * Source: user guide, "Thresholding Keywords", "Flow Keywords" (flowbits, flowint), "Xbits", "Datasets", "IP Reputation".
 */

export interface ThresholdOption {
  kind: 'threshold';
  type: 'limit' | 'threshold' | 'both';
  track: 'by_src' | 'by_dst' | 'by_rule' | 'by_both' | 'by_flow';
  count: number;
  seconds: number;
}

/** Tests on what is remembered. */
export type StateOption = { kind: never };

/** What a match does beside its action, before thresholds are asked. */
export type Effect = { kind: never };
