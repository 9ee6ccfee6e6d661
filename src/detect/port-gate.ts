import type { Packet } from '../decode/packet.js';
import type { Rule } from '../rules/rule.js';

/** The ports that rules are about: 1 at a destination (source) port that some rule names. */
export class PortGate {
  private readonly dst = new Uint8Array(65536);
  private readonly src = new Uint8Array(65536);

  /** Null: some rule is about all ports. */
  static of(rules: readonly Rule[]): PortGate | null {
    return rules.every((r) => !r.srcPorts.any || !r.dstPorts.any) ? new PortGate(rules) : null;
  }

  private constructor(rules: readonly Rule[]) {
    for (const rule of rules) {
      const byDst = !rule.dstPorts.any;
      for (const [first, last] of (byDst ? rule.dstPorts : rule.srcPorts).ranges) {
        if (byDst || rule.bidirectional) this.dst.fill(1, first, last + 1);
        if (!byDst || rule.bidirectional) this.src.fill(1, first, last + 1);
      }
    }
  }

  opens(p: Packet): boolean {
    return this.dst[p.dstPort] === 1 || this.src[p.srcPort] === 1;
  }
}
