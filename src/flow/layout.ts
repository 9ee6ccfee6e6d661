/** Where the words of a flow lie in FlowTable's arrays. */

/**
 * One line of 16 words (64 bytes) per flow in `FlowTable.key`: what identifies it and does not change.
 *
 *   word  0    1    2    3    4    5    6    7    8            9               10            11
 *       | client address    | server address    | cport|sport | proto,6?,depth| vlan0|vlan1 | vlan2 |
 *   word  12      13          14           15
 *       | hash  | start sec | start nsec | low half of the flow id |
 *
 * Addresses are four big-endian words, IPv4 in the first. `|` within a word: high half, low half.
 */
export const enum Key {
  Client = 0,
  Server = 4,
  Ports = 8,
  /** IP protocol | (IPv6 ? 0x100 : 0) | tunnel depth << 9. */
  Proto = 9,
  Vlan01 = 10,
  Vlan2 = 11,
  Hash = 12,
  StartSec = 13,
  StartNsec = 14,
  IdLow = 15,
  Words = 16,
}

/** Eight words per flow in `FlowTable.l4`. TCP: sequence numbers as int32, + direction; see src/stream. */
export const enum L4 {
  Isn = 0,
  /** Next sequence number expected from this side. */
  Next = 2,
  /** Highest acknowledgement sent by this side. */
  Ack = 4,
  /** Window offered by this side, scaled, bytes. */
  Window = 6,
  Words = 8,
  /** ICMP: type << 8 | code of the first packet and of the first answer (-1: none). */
  // biome-ignore lint/suspicious/noDuplicateEnumValues: a flow is TCP or ICMP, never both
  Icmp = 0,
  IcmpAnswer = 1,
}

/**
 * Four words per flow that decide nearly every lookup: a quarter of a cache line instead of the whole of `key`,
 * which is read only for IPv6 and VLANs.
 *
 *   | first client word | first server word | cport|sport | Key.Proto, bit 31: has a VLAN id |
 */
export const enum Hot {
  Client = 0,
  Server = 1,
  Ports = 2,
  Meta = 3,
  Words = 4,
}
export const HAS_VLAN = -0x80000000;
export const IPV6 = 0x100;
