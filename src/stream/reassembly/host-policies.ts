import ipaddr from 'ipaddr.js';
import { DEFAULT_OVERLAP, OVERLAP_BY_NAME, type Overlap } from './overlap.js';

/** One entry of suricata.yaml's host-os-policy. `network`: an address, or one with /bits. */
export interface HostPolicy {
  policy: string;
  network: string;
}

/** Addresses to overlap policies: the longest network that has the address counts. Searched once per direction of a flow. */
export class HostPolicies {
  private readonly count: number;
  private readonly version: Uint8Array;
  private readonly bits: Uint8Array;
  private readonly words: Int32Array;
  private readonly overlap: Uint8Array;

  /** Throws on what is no policy or no network: config checks both first. */
  constructor(list: readonly HostPolicy[]) {
    const parsed = list.map(parseHostPolicy).sort((a, b) => b.bits - a.bits);
    this.count = parsed.length;
    this.version = Uint8Array.from(parsed, (one) => one.version);
    this.bits = Uint8Array.from(parsed, (one) => one.bits);
    this.overlap = Uint8Array.from(parsed, (one) => one.overlap);
    this.words = new Int32Array(4 * parsed.length);
    parsed.forEach((one, i) => {
      for (let j = 0; j < one.bytes.length; j++) this.words[4 * i + (j >> 2)] |= one.bytes[j] << (24 - 8 * (j & 3));
    });
  }

  /** `address`: four words as in Packet. */
  of(version: number, address: Int32Array): Overlap {
    for (let i = 0; i < this.count; i++) if (this.version[i] === version && this.matches(i, address)) return this.overlap[i];
    return DEFAULT_OVERLAP;
  }

  private matches(i: number, address: Int32Array): boolean {
    let left = this.bits[i];
    for (let word = 0; left > 0; word++, left -= 32) {
      const differing = address[word] ^ this.words[4 * i + word];
      if (left < 32 ? differing >>> (32 - left) !== 0 : differing !== 0) return false;
    }
    return true;
  }
}

interface Parsed {
  version: number;
  bits: number;
  bytes: number[];
  overlap: Overlap;
}

/** Throws Error with one phrase when the entry cannot be read. */
export function parseHostPolicy({ policy, network }: HostPolicy): Parsed {
  const overlap = OVERLAP_BY_NAME[policy];
  if (overlap === undefined) throw new Error(`no such policy: one of ${Object.keys(OVERLAP_BY_NAME).join(', ')}`);
  const slash = network.indexOf('/');
  const text = slash < 0 ? network : network.slice(0, slash);
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) throw new Error('no address, and no network with /bits');
  const address = ipaddr.parse(text);
  const bytes = address.toByteArray();
  const given = slash < 0 ? String(8 * bytes.length) : network.slice(slash + 1);
  const bits = /^\d{1,3}$/.test(given) ? Number(given) : -1;
  if (bits < 0 || bits > 8 * bytes.length) throw new Error(`what follows the / must be 0 to ${8 * bytes.length}`);
  return { version: bytes.length === 4 ? 4 : 6, bits, bytes, overlap };
}
