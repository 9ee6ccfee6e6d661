/**
 * Rule objects: what the text of a rule means. Plain data (structured-cloneable): the supervisor parses,
 * the detection workers compile. Source of the semantics: Suricata's user guide, chapter "Suricata Rules".
 */

import type { AppOption } from './app-option.js';
import type { ByteOption } from './byte-option.js';
import type { DatasetSpec } from './datasets.js';
import type { PacketOption } from './packet-option.js';
import type { AddressRanges, Effect, RateFilter, StateOption, Suppression, ThresholdOption } from './state-option.js';
import type { Transform } from './transform.js';

export type RuleAction = 'pass' | 'drop' | 'reject' | 'rejectsrc' | 'rejectdst' | 'rejectboth' | 'alert';

/** Inclusive range of addresses: big-endian bytes, 4 (IPv4) or 16 (IPv6) of them. */
export interface AddressRange {
  family: 4 | 6;
  first: Uint8Array;
  last: Uint8Array;
}

/**
 * A resolved address list: variables expanded, nested lists and negations worked out to
 * disjoint, sorted, inclusive ranges. `any` = all of IPv4 and IPv6 (ranges then empty).
 */
export interface AddressSet {
  any: boolean;
  ranges: AddressRange[];
  /** The list as written, variables expanded, holds a `!`: such a rule is matched on every packet, not once per flow. */
  negated?: boolean;
}

/** Resolved ports: disjoint, sorted, inclusive [first, last] pairs; `any` = all (pairs then empty). */
export interface PortSet {
  any: boolean;
  ranges: [number, number][];
}

/** Header protocols of this slice. `tcp-pkt`, `tcp-stream` behave as `tcp` until streams exist. */
export type RuleProto =
  | 'ip'
  | 'ipv4'
  | 'ipv6'
  | 'tcp'
  | 'tcp-pkt'
  | 'tcp-stream'
  | 'udp'
  | 'icmp'
  | 'icmpv4'
  | 'icmpv6'
  | 'sctp'
  | 'pkthdr';

/**
 * Tests on one sticky buffer, in the order written. Two entries of a rule differ by buffer, by transforms or by direction, or the
 * buffer is one of several of a transaction.
 */
export interface BufferTests {
  /** Name of the sticky buffer, e.g. `ftp.command`; see src/app-layer/catalogue.ts. */
  buffer: string;
  /** Applied to the buffer one after the other before the tests look. */
  transforms: Transform[];
  tests: ByteOption[];
  /** Of a buffer that both directions have: whose it is (`http.connection:to_client`). */
  way?: 'to_server' | 'to_client';
}

/** Tests without bytes: on the packet, on its flow, on what is remembered. */
export type HeaderOption = PacketOption | StateOption | AppOption;

export interface Rule {
  action: RuleAction;
  proto: RuleProto;
  src: AddressSet;
  srcPorts: PortSet;
  /** `<>`: also matches with source and destination exchanged. */
  bidirectional: boolean;
  /** `=>`: the tests may be met in either direction of one transaction. */
  transactional?: boolean;
  dst: AddressSet;
  dstPorts: PortSet;
  msg: string;
  sid: number;
  rev: number;
  gid: number;
  classtype: string;
  /** Description of the classtype from classification.config; '' when unknown. */
  category: string;
  priority: number;
  /** `type,value` as written. */
  references: string[];
  /** Keys in order of appearance, each with its values. */
  metadata: Record<string, string[]>;
  noalert: boolean;
  /** `alert`: a pass rule is logged too. */
  alert?: boolean;
  /** Tests without a payload, in the order written. */
  header: HeaderOption[];
  /** Payload tests, in the order written (order matters for relative ones). */
  payload: ByteOption[];
  /** Tests on application layer buffers, one entry per buffer; empty for a rule on packets. */
  buffers: BufferTests[];
  /** Header protocol of an application layer (`ftp`); proto is then the transport it runs on. */
  appProto?: string;
  /** nfq_set_mark. Int32. */
  nfqMark?: { mark: number; mask: number };
  /** The flow needs no more inspection once this rule matched. */
  bypass: boolean;
  /** What a match changes, in the order written. */
  effects: Effect[];
  /** `target`: which side the alert is about. */
  target?: 'src_ip' | 'dest_ip';
  /** The rule is sound but cannot match yet: it needs this application layer or feature. Absent: it works. */
  inert?: string;
  threshold?: ThresholdOption;
  /** From threshold.config. */
  rateFilter?: RateFilter;
  suppressions?: Suppression[];
  /** Of each `iprep` in the order of `header`: the addresses that pass it (isnotset: those that have a score). */
  reputation?: AddressRanges[];
  /** Of each filemd5, filesha1, filesha256 in the order of `header`: the digests listed, sorted, one after the other. */
  fileDigests?: Uint8Array[];
  file: string;
  line: number;
  text: string;
}

/** A rule that did not load. */
export interface RuleProblem {
  file: string;
  line: number;
  /** The option at fault; '' for the header or the file itself. */
  option: string;
  reason: string;
  sid: number;
}

export interface RuleSet {
  rules: Rule[];
  problems: RuleProblem[];
  /** Files read, absolute. */
  files: string[];
  /** Rules that loaded but name something unknown (classtype, reference type): once per name. */
  warnings?: RuleProblem[];
  /** Rules left out because what they `requires` is not here. */
  skipped?: number;
  skippedRules?: RuleProblem[];
  /** The byte string each rule was parsed from. */
  sources?: string[];
  /** What the rules look values up in, and its contents: DatasetTable. */
  datasets?: DatasetSpec[];
}
