import type { Packet } from '../decode/packet.js';

/** Different addresses kept of each side of a flow; more are not logged. */
const MOST = 8;
const SIDE = 1 + MOST * 6;
const SLOT = 2 * SIDE;
/** Bytes that write() makes at most. */
export const FLOW_MACS_BYTES = SLOT;

/**
 * Ethernet addresses of flows, for EVE's `ether` of flow records; only made where they are logged.
 *
 *   per flow slot:  | n | client side: n addresses of 6, in order of appearance ... | n | server side ... |
 */
export class FlowMacs {
  private readonly bytes: Uint8Array;

  /** `slots`: FlowTable.capacity. Zero pages cost nothing until touched. */
  constructor(slots: number) {
    this.bytes = new Uint8Array(slots * SLOT);
  }

  /** A packet of a flow, with an Ethernet header. */
  add(p: Packet): void {
    const at = p.flow * SLOT;
    if (p.flowNew === 1) this.bytes[at] = this.bytes[at + SIDE] = 0;
    if (p.ethOff < 0 || p.ethOff + 14 > p.mem.length) return;
    // The destination stands first.
    this.side(p.direction === 0 ? at : at + SIDE, p.mem, p.ethOff + 6);
    this.side(p.direction === 0 ? at + SIDE : at, p.mem, p.ethOff);
  }

  private side(at: number, mem: Uint8Array, from: number): void {
    const { bytes } = this;
    const n = bytes[at];
    for (let i = 0; i < n; i++) {
      const known = at + 1 + i * 6;
      let k = 0;
      while (k < 6 && bytes[known + k] === mem[from + k]) k++;
      if (k === 6) return;
    }
    if (n >= MOST) return;
    for (let k = 0; k < 6; k++) bytes[at + 1 + n * 6 + k] = mem[from + k];
    bytes[at] = n + 1;
  }

  /** Client and server of the flow change places. */
  swap(slot: number): void {
    const { bytes } = this;
    for (let i = slot * SLOT; i < slot * SLOT + SIDE; i++) {
      const byte = bytes[i];
      bytes[i] = bytes[i + SIDE];
      bytes[i + SIDE] = byte;
    }
  }

  /** Writes both sides of a flow to `to`, each its count and its addresses; returns how many bytes. */
  write(slot: number, to: Uint8Array, at: number): number {
    const { bytes } = this;
    let out = at;
    for (let side = slot * SLOT; side <= slot * SLOT + SIDE; side += SIDE) {
      const length = 1 + bytes[side] * 6;
      for (let i = 0; i < length; i++) to[out++] = bytes[side + i];
    }
    return out - at;
  }

  /** The first destination and source of a direction, as an Ethernet header has them; false: one is not known. */
  pair(slot: number, direction: number, to: Uint8Array, at: number): boolean {
    const { bytes } = this;
    const client = slot * SLOT;
    const server = client + SIDE;
    if (bytes[client] === 0 || bytes[server] === 0) return false;
    for (let i = 0; i < 6; i++) {
      to[at + i] = bytes[(direction === 0 ? server : client) + 1 + i];
      to[at + 6 + i] = bytes[(direction === 0 ? client : server) + 1 + i];
    }
    return true;
  }

  /** Bytes that write() will make. */
  length(slot: number): number {
    const { bytes } = this;
    return 2 + 6 * (bytes[slot * SLOT] + bytes[slot * SLOT + SIDE]);
  }
}

/** What write() made, as text: source and destination addresses. Undefined when it is something else. */
export function readFlowMacs(bytes: Uint8Array): { src: string[]; dest: string[] } | undefined {
  const sides: string[][] = [];
  let at = 0;
  for (let side = 0; side < 2; side++) {
    if (at >= bytes.length) return undefined;
    const n = bytes[at++];
    if (n > MOST || at + 6 * n > bytes.length) return undefined;
    const list: string[] = [];
    for (let i = 0; i < n; i++, at += 6)
      list.push(Array.from(bytes.subarray(at, at + 6), (b) => b.toString(16).padStart(2, '0')).join(':'));
    sides.push(list);
  }
  return { src: sides[0], dest: sides[1] };
}
