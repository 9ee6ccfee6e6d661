import { IPV6 } from './layout.js';

/** Hash of a flow key; the words are those of layout.ts. */
export class FlowHash {
  private readonly k0: number;
  private readonly k1: number;
  private readonly k2: number;
  private readonly m0: number;
  private readonly m1: number;
  private readonly m2: number;

  /** `seed`: six words at least, secret. */
  constructor(seed: Int32Array) {
    this.k0 = seed[0] | 0;
    this.k1 = seed[1] | 0;
    this.k2 = seed[2] | 0;
    this.m0 = seed[3] | 1;
    this.m1 = seed[4] | 1;
    this.m2 = seed[5] | 1;
  }

  /**
   * Symmetric and keyed: both endpoints pass the same secret bijection, their sum does not know which was which.
   * The secret (new at every start) keeps anyone from choosing flows that collide.
   */
  hash(src: Int32Array, dst: Int32Array, ports: number, meta: number, vlan01: number, vlan2: number): number {
    const m0 = this.m0;
    const m1 = this.m1;
    let a = src[0];
    let b = dst[0];
    if ((meta & IPV6) !== 0) {
      a = this.fold(src);
      b = this.fold(dst);
    }
    a = Math.imul(a ^ this.k0, m0);
    b = Math.imul(b ^ this.k0, m0);
    a = Math.imul(((a ^ (a >>> 15)) + (ports >>> 16)) ^ this.k1, m1);
    b = Math.imul(((b ^ (b >>> 15)) + (ports & 0xffff)) ^ this.k1, m1);
    let h = ((a ^ (a >>> 13)) + (b ^ (b >>> 13)) + Math.imul(meta ^ this.k2, this.m2)) | 0;
    if (meta < 0) {
      h = Math.imul(h ^ vlan01 ^ (h >>> 15), m0);
      h = Math.imul(h ^ vlan2 ^ (h >>> 15), m1);
    }
    h = Math.imul(h ^ (h >>> 16), this.m2);
    return h ^ (h >>> 15);
  }

  private fold(words: Int32Array): number {
    let h = Math.imul(words[0] ^ this.k1, this.m1);
    h = Math.imul((h ^ (h >>> 15)) + words[1], this.m2);
    h = Math.imul((h ^ (h >>> 15)) + words[2], this.m0);
    return ((h ^ (h >>> 15)) + words[3]) | 0;
  }
}
