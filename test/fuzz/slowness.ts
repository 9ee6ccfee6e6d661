import type { Case, Delivery, Subject } from './delivery.js';
import type { Finding } from './finding.js';
import { MOST_PACKET } from './mutate.js';

/** Deliveries by size: a packet of the wire, or a larger one that the kernel has joined, and what a filled hole brings. */
export const enum Size {
  Packet,
  Large,
  Count,
}
/** The longest of Size.Packet, bytes. */
export const MOST_WIRE = 1514;
export const SIZE_NAMES = [`up to ${MOST_WIRE.toLocaleString('en')} bytes`, 'larger'] as const;

/** A time is believed when so many more tries have not made it a twentieth shorter: others use the machine, and code is compiled in between. */
const TRIES = 5;
const MOST_TRIES = 40;
const SHORTER = 0.95;
/** Nor does the retrying take longer than this, milliseconds. */
const MOST_RETRYING = 5000;
/** Slow cases kept of each size: the worst. */
const KEPT = 3;

/** What was slow in a run: counted by size, the worst few kept. Times: the least of several tries. */
export class Slowness {
  /** Longest that a delivery took, nanoseconds; of more than 64 KiB: its share for 64 KiB. */
  readonly worstNs = new Float64Array(Size.Count);
  /** Of which case: its seed. */
  readonly worstSeed = new Float64Array(Size.Count);
  /** Cases over the limit. */
  readonly count = new Int32Array(Size.Count);
  readonly kept: { ns: number; finding: Finding }[][] = [[], []];

  /** Looks at the times of a case that has just been run, again when they are long. Returns what is over the limit, '' for nothing. */
  look(subject: Subject, one: Case, times: Float64Array, seed: number): string {
    const n = Math.min(one.deliveries.length, times.length);
    if (n === 0) return '';
    if (this.isLong(subject, one, times, n)) this.retry(subject, one, times, n);
    let what = '';
    for (let size = 0; size < Size.Count; size++) {
      const at = worst(one, times, n, size);
      if (at < 0) continue;
      const ns = share(one.deliveries[at], times[at]);
      if (ns > this.worstNs[size]) {
        this.worstNs[size] = ns;
        this.worstSeed[size] = seed;
      }
      if (ns <= subject.limit) continue;
      what = `slow: ${(times[at] / 1e6).toFixed(2)} ms for delivery ${at} of ${one.deliveries[at].bytes.length} bytes`;
      this.count[size]++;
      this.keep(size, ns, { subject: subject.name, seed, run: 0, what, case: one });
    }
    return what;
  }

  /** Whether a time is over the limit, or would be the worst. */
  private isLong(subject: Subject, one: Case, times: Float64Array, n: number): boolean {
    for (let size = 0; size < Size.Count; size++) {
      const at = worst(one, times, n, size);
      if (at >= 0 && share(one.deliveries[at], times[at]) > Math.min(this.worstNs[size], subject.limit)) return true;
    }
    return false;
  }

  private retry(subject: Subject, one: Case, times: Float64Array, n: number): void {
    const again = new Float64Array(times.length);
    const until = performance.now() + MOST_RETRYING;
    const least = longest(one, times, n);
    let since = 0;
    for (let tries = 1; tries < MOST_TRIES && performance.now() < until; tries++) {
      if (++since > TRIES && Math.max(...least) <= subject.limit) return;
      subject.run(one, again, false);
      for (let i = 0; i < n; i++) times[i] = Math.min(times[i], again[i]);
      const now = longest(one, times, n);
      for (let size = 0; size < Size.Count; size++) {
        if (now[size] >= SHORTER * least[size]) continue;
        least[size] = now[size];
        since = 0;
      }
    }
  }

  private keep(size: Size, ns: number, finding: Finding): void {
    const list = this.kept[size];
    list.push({ ns, finding });
    list.sort((a, b) => b.ns - a.ns);
    if (list.length > KEPT) list.pop();
  }
}

const sizeOf = ({ bytes }: Delivery) => (bytes.length <= MOST_WIRE ? Size.Packet : Size.Large);

/** Of more than one packet's bytes: what falls to one. */
const share = ({ bytes }: Delivery, ns: number) => ns / Math.max(1, bytes.length / MOST_PACKET);

function worst({ deliveries }: Case, times: Float64Array, n: number, size: Size): number {
  let at = -1;
  for (let i = 0; i < n; i++) {
    if (sizeOf(deliveries[i]) === size && (at < 0 || share(deliveries[i], times[i]) > share(deliveries[at], times[at]))) at = i;
  }
  return at;
}

/** By size: the longest share. */
function longest(one: Case, times: Float64Array, n: number): number[] {
  return Array.from({ length: Size.Count }, (_, size) => {
    const at = worst(one, times, n, size);
    return at < 0 ? 0 : share(one.deliveries[at], times[at]);
  });
}
