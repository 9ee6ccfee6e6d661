import { native } from '../native.js';

/**
 * Where bytes lie that one packet shows: in memories that are there anyway (the packet's, pages of the stream), by number, or put together
 * in the scratch, which is memory 0. All is forgotten with the next packet.
 */
export class PacketMemory {
  /** Number of the packet. */
  packet = 1;
  readonly scratch: Uint8Array;
  readonly mems: Uint8Array[];
  readonly regions: Int32Array;
  /** Bytes of the scratch in use. */
  protected top = 0;
  private count = 1;

  /** `more`: memories that are not the packet's, from number `most` on. */
  constructor(
    scratchBytes: number,
    private readonly most: number,
    more: readonly { bytes: Uint8Array; region: number }[] = [],
  ) {
    const buffer = new ArrayBuffer(scratchBytes);
    this.scratch = new Uint8Array(buffer);
    this.mems = [...Array.from({ length: most }, () => this.scratch), ...more.map(({ bytes }) => bytes)];
    this.regions = new Int32Array(this.mems.length);
    this.regions[0] = native.region(buffer);
    for (let i = 0; i < more.length; i++) this.regions[most + i] = more[i].region;
  }

  /** A new packet. */
  begin(): void {
    this.packet = (this.packet + 1) & 0x7fffffff;
    this.count = 1;
    this.top = 0;
  }

  close(): void {
    native.regionRelease(this.regions[0]);
  }

  /** Number of a memory of this packet; 0: there are too many, copy. */
  protected memory(mem: Uint8Array, region: number): number {
    for (let i = 1; i < this.count; i++) if (this.mems[i] === mem) return i;
    if (this.count === this.most) return 0;
    this.mems[this.count] = mem;
    this.regions[this.count] = region;
    return this.count++;
  }

  /** Puts bytes behind what the scratch holds; the caller has seen that there is room. */
  protected append(mem: Uint8Array, off: number, len: number): void {
    const { scratch } = this;
    const to = this.top;
    for (let i = 0; i < len; i++) scratch[to + i] = mem[off + i];
    this.top = to + len;
  }
}
