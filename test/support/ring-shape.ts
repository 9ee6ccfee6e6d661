/**
 * The memory of the two-process ring test: flags, canary, one ring, canary.
 *
 *   0         64        128 ..       4096                    4096 + header + capacity
 *   | capture | worker  | canary     | packet ring           | canary |
 */
import { PACKET_RING_HEADER } from '../../src/ring/packet-ring.js';

const CAPACITY = 64 * 1024;
const CANARY = 4096;

export const RING = {
  at: 4096,
  capacity: CAPACITY,
  captureFlag: 0,
  workerFlag: 16,
  canaries: [
    [128, 4096],
    [4096 + PACKET_RING_HEADER + CAPACITY, 4096 + PACKET_RING_HEADER + CAPACITY + CANARY],
  ],
  bytes: 4096 + PACKET_RING_HEADER + CAPACITY + CANARY,
} as const;

export const enum PeerFd {
  Arena = 4,
  Event = 5,
}

/** Byte i of record `sequence`. */
export function pattern(sequence: number, i: number): number {
  return (Math.imul(sequence, 31) + i) & 0xff;
}
