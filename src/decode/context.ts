import type { Packet } from './packet.js';

export interface DecoderOptions {
  /** UDP destination ports that carry VXLAN; empty = none. */
  vxlanPorts: number[];
  teredo: boolean;
  /** UDP ports (either side) that may carry Teredo; empty = any, as `ports: any` in suricata.yaml. */
  teredoPorts: number[];
  checksumValidation: boolean;
  /** Without validation: rules that ask for a checksum are answered all the same. */
  checksumKeywords?: boolean;
}

export const enum PortUse {
  None = 0,
  Vxlan = 1,
  Teredo = 2,
}

/** What the decode functions share: counters, tunnel ports, and notes of one layer to the next. One per Decoder. */
export class DecodeContext {
  readonly checksumValidation: boolean;
  readonly checksumKeywords: boolean;
  /** 1: the last IPv6 header carried a routing header with segments left, so the pseudo-header's destination is not `dst`. */
  routed = 0;
  /** Two bits (PortUse) a port. */
  private readonly ports = new Uint8Array(65536 / 4);

  constructor(
    options: DecoderOptions,
    /** Indices: Counter.* of src/metrics/counters.ts. */
    readonly counters: Float64Array,
  ) {
    this.checksumValidation = options.checksumValidation;
    this.checksumKeywords = options.checksumKeywords === true;
    for (const port of options.vxlanPorts) this.mark(port, PortUse.Vxlan);
    if (options.teredo) {
      for (const port of options.teredoPorts) this.mark(port, PortUse.Teredo);
      if (options.teredoPorts.length === 0) for (let i = 0; i < this.ports.length; i++) this.ports[i] |= PortUse.Teredo * 0x55;
    }
  }

  portUse(port: number): number {
    return (this.ports[port >> 2] >> ((port & 3) << 1)) & 3;
  }

  private mark(port: number, use: PortUse): void {
    if (port >= 0 && port < 65536) this.ports[port >> 2] |= use << ((port & 3) << 1);
  }
}

/** Records the event that ends the decoding of a header. Decode functions return false for "malformed": so does this. */
export function invalid(p: Packet, event: number): boolean {
  p.addEvent(event);
  p.invalid = 1;
  return false;
}

/** Records an event that leaves the packet valid. */
export function note(p: Packet, event: number): boolean {
  p.addEvent(event);
  return true;
}
