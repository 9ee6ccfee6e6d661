/**
 * Tests on one packet's headers and on facts of its flow. Source: user guide, "IP Keywords", "TCP keywords",
 * "ICMP keywords", "Flow Keywords", "Integer Keywords", "Generic Decode Layer Keywords".
 */

/**
 * A comparison with an unsigned integer. `<>` and `!<>` are a range and what is outside it, both exclusive as in Suricata
 * (`10<>20` is 11 to 19, `!10-20` the rest). `&=` and `&!=` compare the bits of mask `a` with `b`.
 */
export interface NumberTest {
  op: '=' | '!=' | '<' | '>' | '<=' | '>=' | '<>' | '!<>' | '&=' | '&!=';
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

export interface FragBitsOption {
  kind: 'fragbits';
  /** Bits of the IPv4 header's byte 6: 0x80 reserved, 0x40 do not fragment, 0x20 more fragments. */
  bits: number;
  modifier: '' | '+' | '*' | '!';
}

/** Keywords that compare one number of the packet or its flow. */
export type NumberKeyword =
  | 'dsize'
  | 'ttl'
  | 'tos'
  | 'id'
  | 'fragoffset'
  | 'itype'
  | 'icode'
  | 'icmp_id'
  | 'icmp_seq'
  | 'icmpv6.mtu'
  | 'igmp.type'
  | 'arp.opcode'
  | 'seq'
  | 'ack'
  | 'window'
  | 'tcp.mss'
  | 'tcp.wscale'
  | 'vlan.layers'
  | 'flow.age';

/** `layer`: 0 the outermost tag, -1 the innermost. */
export interface VlanIdOption {
  kind: 'vlan.id';
  test: NumberTest;
  layer: 'any' | 'all' | number;
}

export type IpOptionName = 'rr' | 'eol' | 'nop' | 'ts' | 'sec' | 'esec' | 'lsrr' | 'ssrr' | 'satid' | 'any';

export type ChecksumKeyword = 'ipv4-csum' | 'tcpv4-csum' | 'tcpv6-csum' | 'udpv4-csum' | 'udpv6-csum' | 'icmpv4-csum' | 'icmpv6-csum';

/** Bytes by sequence numbers. */
export interface StreamSizeOption {
  kind: 'stream_size';
  side: 'server' | 'client' | 'both' | 'either';
  test: NumberTest;
}

/** Packets, bytes of the flow so far, this packet included. */
export interface FlowCountOption {
  kind: 'flow.pkts' | 'flow.bytes';
  side: 'toserver' | 'toclient' | 'both' | 'either';
  test: NumberTest;
}

/** `code`: of src/decode/events.ts, of src/stream/events.ts. */
export interface EventOption {
  kind: 'decode-event' | 'stream-event';
  code: number;
}

export type PacketOption =
  | { kind: NumberKeyword; test: NumberTest }
  | { kind: 'ip_proto'; op: '=' | '!' | '<' | '>'; proto: number }
  | { kind: 'ipopts'; option: IpOptionName }
  | { kind: 'sameip' }
  | { kind: 'geoip'; side: 'src' | 'dst' | 'both' | 'any'; negated: boolean; countries: string[] }
  | { kind: 'l3_proto'; version: 4 | 6 }
  | { kind: 'csum'; keyword: ChecksumKeyword; valid: boolean }
  | VlanIdOption
  | StreamSizeOption
  | FlowCountOption
  | EventOption
  | FragBitsOption
  | FlowOption
  | FlagsOption;
