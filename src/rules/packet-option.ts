/**
 * Tests on one packet's headers and on facts of its flow. Source: user guide, "IP Keywords", "TCP keywords",
 * "ICMP keywords", "Flow Keywords".
 */

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

export type PacketOption =
  | { kind: 'dsize'; test: NumberTest }
  | { kind: 'ttl'; test: NumberTest }
  | { kind: 'itype'; test: NumberTest }
  | { kind: 'icode'; test: NumberTest }
  | { kind: 'ip_proto'; op: '=' | '!' | '<' | '>'; proto: number }
  | FlowOption
  | FlagsOption;
