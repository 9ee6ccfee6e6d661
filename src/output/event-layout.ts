/**
 * Event records: what a detection worker tells the output writers, over an EventRing.
 * All types share one layout, so that one encoder and one set of checks serve them.
 * Multi-byte numbers are little-endian; addresses are four words as in Packet.src (network order inside
 * a word, most significant word first). "flow" fields are those of the flow's initiator.
 *
 *        0        1        2        3        4        5        6        7
 *     0  | type   | version| mode   | ipver  | source (i32, -1 unknown)          |
 *     8  | tsSec (u32)                       | tsNsec (u32)                      |
 *    16  | pcapCount (u32)                   | ruleIndex (i32, -1 none)          |
 *    24  | action | dropFlg| reason | direct.| proto  | tunnel | vlans  | flags  |
 *    32  | vlan0 (u16)     | vlan1 (u16)     | vlan2 (u16)     | srcPort (u16)   |
 *    40  | dstPort (u16)   | icmpTyp| icmpCod| ruleGeneration (u32)              |
 *    48  | src address (4 x u32)                                                 |
 *    64  | dst address (4 x u32)                                                 |
 *    80  | ipLen (u32)                       | ttl    | tos    | ipId (u16)      |
 *    88  | flowLabel (u32)                   | tcpSeq (u32)                      |
 *    96  | tcpAck (u32)                      | tcpWindow (u16) | tcpFlgs| tcpRes |
 *   104  | tcpUrgent (u16) | udpLen (u16)    | icmpId (u16)    | icmpSeq (u16)   |
 *   112  | wireLen (u32)                     | linkType (u32)                    |
 *   120  | txId (i32, -1: none yet)          | appPrto| ts     | tc     | origin.|
 *   128  | flow id (f64, exact to 2^53)                                          |
 *   136  | pkts to server (f64)              ...                                 |
 *   144  | pkts to client (f64) | 152 bytes to server (f64) | 160 bytes to client  |
 *   168  | startSec (u32)                    | startNsec (u32)                   |
 *   176  | lastSec (u32)                     | lastNsec (u32)                    |
 *   184  | state  | tcpSta | end    | fl.flgs| tcp ts | tcp tc | respTyp| respCod|
 *   192  | flow src address (4 x u32)                                            |
 *   208  | flow dst address (4 x u32)                                            |
 *   224  | fl. sport (u16) | fl. dport (u16) | outer sport     | outer dport     |
 *   232  | outer src address (4 x u32): the packet around a tunnelled one        |
 *   248  | outer dst address (4 x u32)                                           |
 *   264  | o.proto| o.ipver| encaps.| fl.prot| payloadLen (u32)                  |
 *   272  | packetLen (u32)                   | etherType (u16) | event (u16)     |
 *   280  | Ethernet destination, then source (6 bytes each)  | verdict| sides  |
 *        |                                   (280..291)      | (292)  | (293)  |
 *   294  | policy | origin |
 *   296  | appLen (u32)                      | stateLen (u32)                    |
 *   304  | expectd| 0                        | filesLen (u32)                    |
 *   312  | payload bytes, then packet bytes, then the transaction's record (app-record.ts), then the flow's state (state-record.ts), the files (alertFilesJson)
 *
 * ALERT uses all of it; DROP has no payload; FLOW has the Ethernet addresses of both sides there, when they are logged (flow-macs.ts); ANOMALY names a decode or stream event, PACKET is a tagged packet: neither has a rule; FLOW has the tuple of the flow in the packet fields, the
 * moment of writing in tsSec/tsNsec, and no rule. Without Has.Flow the bytes 128..227 and 267 mean nothing,
 * without Has.Outer 228..266; appProto (an AppProto) is 0 without a flow, beside it those of its directions,
 * before a change of protocol, and announced for one. No record holds text: names come from the rules the writer knows.
 */
export const enum EventType {
  Alert = 1,
  Drop = 2,
  Flow = 3,
  /** Something is wrong with the packet, its flow's protocol or (At.TxId) a transaction: At.Event says what. */
  Anomaly = 4,
  /** A packet logged because of the keyword `tag`. */
  Packet = 5,
  /** An application layer transaction: the record is all it brings beside the flow, whose tuple stands in the packet fields. */
  App = 6,
  /** A file of such a transaction: its record (src/app-layer/files/record.ts) stands where the packet's bytes do. */
  File = 7,
}

export const EVENT_VERSION = 5;

/** Byte offsets, as drawn above. */
export const enum At {
  Type = 0,
  Version = 1,
  Mode = 2,
  IpVersion = 3,
  Source = 4,
  TsSec = 8,
  TsNsec = 12,
  PcapCount = 16,
  RuleIndex = 20,
  Action = 24,
  DropFlag = 25,
  Reason = 26,
  Direction = 27,
  Proto = 28,
  TunnelDepth = 29,
  VlanDepth = 30,
  Flags = 31,
  Vlan0 = 32,
  Vlan1 = 34,
  Vlan2 = 36,
  SrcPort = 38,
  DstPort = 40,
  IcmpType = 42,
  IcmpCode = 43,
  RuleGeneration = 44,
  Src = 48,
  Dst = 64,
  IpLen = 80,
  Ttl = 84,
  Tos = 85,
  IpId = 86,
  FlowLabel = 88,
  TcpSeq = 92,
  TcpAck = 96,
  TcpWindow = 100,
  TcpFlags = 102,
  TcpReserved = 103,
  TcpUrgent = 104,
  UdpLen = 106,
  IcmpId = 108,
  IcmpSeq = 110,
  WireLen = 112,
  LinkType = 116,
  TxId = 120,
  AppProto = 124,
  AppProtoTs = 125,
  AppProtoTc = 126,
  AppProtoOriginal = 127,
  FlowId = 128,
  PktsToServer = 136,
  PktsToClient = 144,
  BytesToServer = 152,
  BytesToClient = 160,
  StartSec = 168,
  StartNsec = 172,
  LastSec = 176,
  LastNsec = 180,
  State = 184,
  TcpState = 185,
  EndReason = 186,
  FlowFlags = 187,
  TcpFlagsTs = 188,
  TcpFlagsTc = 189,
  RespType = 190,
  RespCode = 191,
  FlowSrc = 192,
  FlowDst = 208,
  FlowSrcPort = 224,
  FlowDstPort = 226,
  OuterSrcPort = 228,
  OuterDstPort = 230,
  OuterSrc = 232,
  OuterDst = 248,
  OuterProto = 264,
  OuterIpVersion = 265,
  Encapsulation = 266,
  FlowProto = 267,
  PayloadLen = 268,
  PacketLen = 272,
  EtherType = 276,
  Event = 278,
  EtherDst = 280,
  EtherSrc = 286,
  Verdict = 292,
  RejectSides = 293,
  /** FLOW: the Policy (src/workers/policy.ts) that FlowFact.MidstreamPolicy is about. */
  MidstreamPolicy = 294,
  /** Bits of Origin. */
  Origin = 295,
  AppLen = 296,
  StateLen = 300,
  AppProtoExpected = 304,
  /** ALERT: bytes of the record of the files behind all else. */
  FilesLen = 308,
  Bytes = 312,
}

/** Bits of At.Flags. */
export const enum Has {
  Flow = 0x01,
  Outer = 0x02,
  Transport = 0x04,
  Icmp = 0x08,
  Defragged = 0x10,
  IcmpEcho = 0x20,
  /** EtherDst, EtherSrc and EtherType hold the Ethernet header. */
  Ethernet = 0x40,
}

/** Bits of At.Origin: what a record is about, beside a packet. */
export const enum Origin {
  /** The payload is the stream's: what was delivered and what came before it. */
  Stream = 1,
  /** No packet brought it: the flow ended. */
  FlowEnd = 2,
  /** The alert's transaction is the only one its flow has: the rule asked for none (detect.guess-applayer-tx). */
  Guessed = 4,
}

/** At.Verdict: what became of the packet an alert is about; names in VERDICT_NAMES. */
export const enum EventVerdict {
  None = 0,
  Alert = 1,
  Pass = 2,
  Drop = 3,
}

/** Bits of At.FlowFlags. */
export const enum FlowFact {
  Alerted = 0x01,
  Dropped = 0x02,
  Passed = 0x04,
  Emergency = 0x08,
  /** The TCP handshake (or a midstream pickup) was seen: `tcp.state` means something. */
  TcpSession = 0x10,
  /** ICMP: a reply was seen, RespType and RespCode hold its type and code. */
  Response = 0x20,
  /** stream.midstream-policy was applied to the session. */
  MidstreamPolicy = 0x40,
}

/** How a tunnelled packet was wrapped; names in TUNNEL_NAMES. */
export const enum Encapsulation {
  None = 0,
  Gre = 1,
  Ipv4 = 2,
  Ipv6 = 3,
  Teredo = 4,
  Vxlan = 5,
}

/** Longest packet copy in a record. */
export const MAX_PACKET_BYTES = 65_535;
