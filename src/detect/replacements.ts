/**
 * What rules with `replace` want written over a packet's payload, in the order the rules matched.
 *
 *   entry i   at[i]      position in the packet's memory
 *             bytes[i]   what to write there
 *
 * At most MAX_REPLACEMENTS for a packet; those beyond are lost, and counted (Counter.InspectionLimit).
 */
import type { Packet } from '../decode/packet.js';

export const MAX_REPLACEMENTS = 64;

const NOTHING = new Uint8Array(0);

export class Replacements {
  count = 0;
  /** Those there was no room for since the counter was last brought up to date. */
  lost = 0;
  private readonly at = new Int32Array(MAX_REPLACEMENTS);
  private readonly bytes: Uint8Array[] = Array.from({ length: MAX_REPLACEMENTS }, () => NOTHING);

  /** Called by compiled rules. */
  record(at: number, bytes: Uint8Array): void {
    const i = this.count;
    if (i >= MAX_REPLACEMENTS) {
      this.lost++;
      return;
    }
    this.at[i] = at;
    this.bytes[i] = bytes;
    this.count = i + 1;
  }

  /** Writes them, a later one over an earlier one; what would reach out of the payload is left out. Returns how many were written. */
  rewrite(p: Packet): number {
    const { mem } = p;
    const first = Math.max(0, p.payloadOff);
    const end = Math.min(p.payloadOff + p.payloadLen, mem.length);
    let written = 0;
    for (let i = 0; i < this.count; i++) {
      const at = this.at[i];
      const bytes = this.bytes[i];
      if (at < first || at + bytes.length > end) continue;
      for (let k = 0; k < bytes.length; k++) mem[at + k] = bytes[k];
      written++;
    }
    this.count = 0;
    return written;
  }
}
