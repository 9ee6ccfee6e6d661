/**
 * Numeric codes of flows. Name tables: names.ts. The words they become in EVE: user guide, "Eve JSON
 * Format", event type flow.
 */

export const enum FlowState {
  New = 0,
  /** TCP: three-way handshake done. Others: packets seen in both directions. */
  Established = 1,
  Closed = 2,
  Bypassed = 3,
  Count = 4,
}

/** Why a flow record ended. */
export const enum FlowEnd {
  Timeout = 0,
  /** Evicted to make room: memcap reached. */
  Forced = 1,
  Shutdown = 2,
  /** A new TCP session on the same tuple. */
  TcpReuse = 3,
  Count = 4,
}

/** Bits of FlowTable.flags. */
export const enum FlowFlag {
  /** A packet to the server, to the client was seen (ICMP errors about the flow do not count). */
  SeenTs = 1 << 0,
  SeenTc = 1 << 1,
  /** All later packets are dropped; dropReason says why. */
  Dropped = 1 << 2,
  /** A pass rule (or a pass-flow policy) decided: no detection. */
  Passed = 1 << 3,
  Alerted = 1 << 4,
  Bypassed = 1 << 5,
  /** Rules on addresses only were evaluated for this direction. */
  IpOnlyTs = 1 << 6,
  IpOnlyTc = 1 << 7,
  /** TCP session picked up without its handshake. */
  Midstream = 1 << 8,
  /** TCP handshake complete (or midstream allowed): `flow:established`. */
  TcpEstablished = 1 << 9,
  /** Created while the table was in emergency mode. */
  Emergency = 1 << 10,
  /** TCP session of which one direction alone is seen (stream.async-oneside). */
  AsyncOneside = 1 << 11,
  /** A drop record was written (outputs.drop.flows: start writes one per flow). */
  DropLogged = 1 << 12,
  /** stream.midstream-policy was applied. */
  MidstreamPolicy = 1 << 13,
  /** A direction reached stream.reassembly.depth. */
  StreamDepth = 1 << 14,
  /** What the direction speaks is known since its last packet. */
  ProtoFoundTs = 1 << 15,
  ProtoFoundTc = 1 << 16,
  /** Both sides encrypt, and such flows are to be bypassed: with the next data. */
  Encrypted = 1 << 17,
  /** Took the place of a TCP session of which both sides were seen: perhaps its end was made up, and it goes on. */
  Successor = 1 << 18,
  /** Packets of it came by a log group: they went on before they were seen. */
  Logged = 1 << 19,
  /** Both sides encrypt, and rules are not to look for content in that (encryption-handling: track-only). */
  Opaque = 1 << 20,
  /** Picked up midstream, inline, by a packet of this side: the other one has not said yet that its numbers count (src/workers/pickups.ts). */
  UnconfirmedTs = 1 << 21,
  UnconfirmedTc = 1 << 22,
  Unconfirmed = UnconfirmedTs | UnconfirmedTc,
}

/** Places in FlowTable.appProtos: AppProtos, 0 where there is none. EVE: `app_proto_ts`, `_tc`, `_orig`, `_expected`. */
export const enum FlowProto {
  /** + direction: what that direction's own first bytes look like. */
  ToServer = 0,
  ToClient = 1,
  /** Spoken before the flow changed its protocol. */
  Original = 2,
  /** The one it was said to change to. */
  Expected = 3,
  Count = 4,
}

/** TCP session states in Suricata's order: `>= Established` means past the handshake. The server's view. */
export const enum TcpState {
  None = 0,
  SynSent = 1,
  SynRecv = 2,
  Established = 3,
  FinWait1 = 4,
  FinWait2 = 5,
  TimeWait = 6,
  LastAck = 7,
  CloseWait = 8,
  Closing = 9,
  Closed = 10,
  Count = 11,
}

export const enum TcpMask {
  /** TcpFlag.Syn, Ack, Rst, Fin: how a session begins and ends. */
  Start = 0x17,
}

/** Row of the timeout table: suricata.yaml flow-timeouts. */
export const enum TimeoutClass {
  Default = 0,
  Tcp = 1,
  Udp = 2,
  Icmp = 3,
}

/** What FlowTable.lookup returns instead of a slot. */
export const enum NoFlow {
  /** No room: apply flow.memcap-policy. */
  Memcap = -1,
  /**
   * No flow is made for such a packet, and no policy applies: an ICMPv4 error about no known flow, or a protocol
   * other than TCP, UDP, ICMP, SCTP, ESP, IPv6 in IPv4 and IPv4 in IPv6 (the ones Suricata tracks).
   */
  NotWanted = -2,
}
