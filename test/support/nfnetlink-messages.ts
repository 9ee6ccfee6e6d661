/** Messages as nfnetlink_queue and nfnetlink_log write them (linux/netfilter/nfnetlink_queue.h, nfnetlink_log.h). */
import { type Bytes, concat } from '../../src/lab/packets.js';

export const QUEUE_PACKET = 3 << 8;
export const LOG_PACKET = 4 << 8;
export const FAMILY = { ipv4: 2, bridge: 7, ipv6: 10 } as const;

export const NFQA = {
  packetHeader: 1,
  mark: 3,
  timestamp: 4,
  inDevice: 5,
  outDevice: 6,
  physInDevice: 7,
  physOutDevice: 8,
  payload: 10,
  capLen: 13,
  skbInfo: 14,
  vlan: 19,
  l2Header: 20,
} as const;
export const NFULA = {
  packetHeader: 1,
  mark: 2,
  timestamp: 3,
  inDevice: 4,
  outDevice: 5,
  physInDevice: 6,
  physOutDevice: 7,
  payload: 9,
  prefix: 10,
  sequence: 12,
  vlan: 20,
  l2Header: 21,
} as const;
export const NLA_F_NESTED = 0x8000;

export function be16(value: number): Bytes {
  return Uint8Array.of(value >> 8, value);
}
export function be32(value: number): Bytes {
  return Uint8Array.of(value >> 24, value >> 16, value >> 8, value);
}
export function be64(value: number): Bytes {
  return concat(be32(Math.floor(value / 2 ** 32)), be32(value));
}

/** `length`: what it claims, header included; default the truth. */
export function attribute(type: number, value: Bytes, length = 4 + value.length): Bytes {
  return concat(Uint8Array.of(length, length >> 8, type, type >> 8), value, new Uint8Array(-value.length & 3));
}

export function vlanTag(type: number, tpid: number, tci: number): Bytes {
  return attribute(type | NLA_F_NESTED, concat(attribute(2, be16(tci)), attribute(1, be16(tpid))));
}

/** `length`: what it claims, header included; default the truth. */
export function message(type: number, family: number, attributes: readonly Bytes[], length?: number): Bytes {
  const body = concat(Uint8Array.of(family, 0, 0, 0), ...attributes);
  const claimed = length ?? 16 + body.length;
  const header = new DataView(new ArrayBuffer(16));
  header.setUint32(0, claimed, true);
  header.setUint16(4, type, true);
  return concat(new Uint8Array(header.buffer), body);
}

/** struct nfqnl_msg_packet_hdr */
export function queueHeader(id: number, protocol: number, hook = 1): Bytes {
  return attribute(NFQA.packetHeader, concat(be32(id), be16(protocol), Uint8Array.of(hook)));
}
/** struct nfulnl_msg_packet_hdr */
export function logHeader(protocol: number, hook = 1): Bytes {
  return attribute(NFULA.packetHeader, concat(be16(protocol), Uint8Array.of(hook, 0)));
}
