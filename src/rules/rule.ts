/**
 * Rule objects: what the text of a rule means. Plain data (structured-cloneable): the supervisor parses,
 * the detection workers compile. Source of the semantics: Suricata's user guide, chapter "Suricata Rules".
 */

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

export interface ContentOption {
  kind: 'content';
  /** Raw bytes, |hex| and escapes decoded. Lower-cased when nocase. */
  pattern: Uint8Array;
  negated: boolean;
  nocase: boolean;
  offset?: number;
  depth?: number;
  distance?: number;
  within?: number;
  startswith: boolean;
  endswith: boolean;
  /** fast_pattern; `only` and `chop` as given. */
  fastPattern: boolean;
  fastPatternOnly: boolean;
  fastPatternChop?: { offset: number; length: number };
  rawbytes: boolean;
  /** `replace`: as many bytes as the pattern, written over its match when the packet is forwarded inline. */
  replace?: Uint8Array;
}

/** Tests on one buffer of an application layer (sticky buffer), in the order written. */
export interface BufferTests {
  /** Name of the sticky buffer, e.g. `ftp.command`; see BUFFERS in src/app-layer/buffers.ts. */
  buffer: string;
  tests: (ContentOption | PcreOption)[];
}

export interface PcreOption {
  kind: 'pcre';
  /** Without delimiters. */
  pattern: string;
  negated: boolean;
  /** PCRE2 flags: a subset of i, s, m, x, A, E, G. */
  flags: string;
  /** R: relative to the last match. */
  relative: boolean;
}

/** A comparison with one or two bounds; `range` is exclusive on both sides as in Suricata (`10<>20`). */
export interface NumberTest {
  op: '=' | '!=' | '<' | '>' | '<=' | '>=' | '<>';
  a: number;
  b: number;
}

export interface FlowOption {
  kind: 'flow';
  direction?: 'to_server' | 'to_client';
  state?: 'established' | 'not_established' | 'stateless';
  stream?: 'only_stream' | 'no_stream';
  frag?: 'only_frag' | 'no_frag';
}

export interface FlagsOption {
  kind: 'flags';
  /** Bits of TcpFlag. */
  flags: number;
  /** Bits left out of the comparison (`flags:S,CE`). */
  ignore: number;
  modifier: '' | '+' | '*' | '!';
}

export interface ThresholdOption {
  kind: 'threshold';
  type: 'limit' | 'threshold' | 'both';
  track: 'by_src' | 'by_dst' | 'by_rule' | 'by_both' | 'by_flow';
  count: number;
  seconds: number;
}

export type HeaderOption =
  | { kind: 'dsize'; test: NumberTest }
  | { kind: 'ttl'; test: NumberTest }
  | { kind: 'itype'; test: NumberTest }
  | { kind: 'icode'; test: NumberTest }
  | { kind: 'ip_proto'; op: '=' | '!' | '<' | '>'; proto: number }
  | FlowOption
  | FlagsOption;

export interface Rule {
  action: RuleAction;
  proto: RuleProto;
  src: AddressSet;
  srcPorts: PortSet;
  /** `<>`: also matches with source and destination exchanged. */
  bidirectional: boolean;
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
  /** Tests without a payload, in the order written. */
  header: HeaderOption[];
  /** Payload tests, in the order written (order matters for relative ones). */
  payload: (ContentOption | PcreOption)[];
  /** Tests on application layer buffers, one entry per buffer; empty for a rule on packets. */
  buffers: BufferTests[];
  /** Header protocol of an application layer (`ftp`); proto is then the transport it runs on. */
  appProto?: string;
  /** nfq_set_mark. Int32. */
  nfqMark?: { mark: number; mask: number };
  /** The flow needs no more inspection once this rule matched. */
  bypass: boolean;
  threshold?: ThresholdOption;
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
}
