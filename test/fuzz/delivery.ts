/** One thing that happens to the subject: the unit of mutation, of timing and of a finding's file. */
export interface Delivery {
  /** data: the next bytes of a direction; gap: `length` bytes are missing there; finish: it has ended; frame: a packet from the link on. */
  kind: 'data' | 'gap' | 'finish' | 'frame';
  direction: 0 | 1;
  bytes: Uint8Array;
  length: number;
  /** Seconds since the frame before. */
  wait?: number;
  /** The next one comes in the same packet: it fills a hole, and what was held behind it, or missing there, is due. Parsers only. */
  more?: boolean;
}

const NOTHING = new Uint8Array(0);

export function data(direction: number, bytes: Uint8Array): Delivery {
  return { kind: 'data', direction: direction === 0 ? 0 : 1, bytes, length: bytes.length };
}
export function gap(direction: number, length: number): Delivery {
  return { kind: 'gap', direction: direction === 0 ? 0 : 1, bytes: NOTHING, length };
}
export function finish(direction: number): Delivery {
  return { kind: 'finish', direction: direction === 0 ? 0 : 1, bytes: NOTHING, length: 0 };
}
export function frame(bytes: Uint8Array): Delivery {
  return { kind: 'frame', direction: 0, bytes, length: bytes.length };
}

/** What a protocol's flow said: pieces of a stream, or datagrams. */
export interface Talk {
  datagrams: boolean;
  pieces: Delivery[];
}

/** What a run is about. */
export interface Case {
  /** Datagrams instead of a stream; not inline but listening (`stream`, `packet`). */
  datagrams: boolean;
  listener: boolean;
  deliveries: Delivery[];
}

/** Something that cases are run on. It throws what it finds. */
export interface Subject {
  readonly name: string;
  /** Longest time for a packet of at most 64 KiB, and for each further 64 KiB, nanoseconds. */
  readonly limit: number;
  /** Nanoseconds of each delivery, into `times`. `strict`: checks that take long, too. */
  run(one: Case, times: Float64Array, strict: boolean): void;
  close(): void;
}

/** The seed of all randomness is told, so a run can be had again (mulberry32). */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }
  /** 0 to n - 1. */
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n);
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
  /** Small numbers often, large ones sometimes. */
  size(most: number): number {
    return this.below(Math.min(most, 2 ** (1 + this.below(Math.ceil(Math.log2(most + 1)))))) + 1;
  }
}
