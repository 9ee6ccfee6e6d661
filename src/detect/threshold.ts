/**
 * `threshold` of a rule: limit, threshold, both (user guide, "Thresholding Keywords").
 *
 *   limit      the first `count` matches in `seconds` alert; later ones act (drop) without an alert
 *   threshold  every `count`-th match within `seconds` counts as a match; the ones before are none at all
 *   both       the `count`-th match in `seconds` alerts; the ones before are none, later ones act silently
 *
 * State belongs to one worker: a worker sees all packets of a flow but not all flows of an address, so with
 * by_src, by_dst, by_both and by_rule and W workers an address may reach up to W times the count.
 * Time is packet time.
 *
 * A set-associative table in typed arrays, WAYS entries a set:
 *
 *   entry e   key[e * 10 ..]   used 1 | rule | 8 words: addresses or flow
 *             since[e]  count[e]       window's first second (and nanosecond), matches in it
 *
 * When a set is full, an entry whose window is over is taken, else the one whose window began first; giving
 * up a live window is counted (Counter.ThresholdEvicted).
 */
import type { Packet } from '../decode/packet.js';
import { Key } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import type { ThresholdOption } from '../rules/state-option.js';
import type { Flows } from './flows.js';

export const enum Outcome {
  /** The rule has not matched. */
  None = 0,
  Alert = 1,
  /** Act, without an alert. */
  Silent = 2,
}

const enum Type {
  Limit = 0,
  Threshold,
  Both,
}
const enum Track {
  Src = 0,
  Dst,
  Both,
  Rule,
  Flow,
}
const TYPES = { limit: Type.Limit, threshold: Type.Threshold, both: Type.Both } as const;
const TRACKS = { by_src: Track.Src, by_dst: Track.Dst, by_both: Track.Both, by_rule: Track.Rule, by_flow: Track.Flow } as const;

const WAYS = 8;
/** Words of an entry's key. */
const KEY = 10;

export class Thresholds {
  private readonly sets: number;
  private readonly keys: Int32Array;
  private readonly since: Int32Array;
  private readonly sinceNsec: Int32Array;
  private readonly count: Int32Array;
  /** Seconds of the rule that owns the entry: tells when the window is over. */
  private readonly seconds: Int32Array;
  private readonly probe = new Int32Array(KEY);

  // Per rank: type (-1 without threshold), track, count, seconds.
  private readonly type: Int8Array;
  private readonly track: Int8Array;
  private readonly limit: Int32Array;
  private readonly window: Int32Array;

  constructor(
    options: (ThresholdOption | undefined)[],
    entries: number,
    private readonly counters: Float64Array,
  ) {
    this.type = Int8Array.from(options, (o) => (o === undefined ? -1 : TYPES[o.type]));
    this.track = Int8Array.from(options, (o) => (o === undefined ? 0 : TRACKS[o.track]));
    this.limit = Int32Array.from(options, (o) => Math.min(o?.count ?? 0, 0x7fffffff));
    this.window = Int32Array.from(options, (o) => Math.min(o?.seconds ?? 0, 0x7fffffff));
    const any = options.some((o) => o !== undefined);
    let sets = 1;
    while (any && sets * 2 * WAYS <= entries) sets *= 2;
    this.sets = sets;
    this.keys = new Int32Array(sets * WAYS * KEY);
    this.since = new Int32Array(sets * WAYS);
    this.sinceNsec = new Int32Array(sets * WAYS);
    this.count = new Int32Array(sets * WAYS);
    this.seconds = new Int32Array(sets * WAYS);
  }

  has(rank: number): boolean {
    return this.type[rank] >= 0;
  }

  /** What a match of this rule comes to. */
  check(rank: number, p: Packet, flows: Flows): Outcome {
    this.fillProbe(rank, p, flows);
    const e = this.entry(p);
    const limit = this.limit[rank];
    if (this.count[e] < 0 || this.over(e, p)) {
      this.since[e] = p.tsSec;
      this.sinceNsec[e] = p.tsNsec;
      this.seconds[e] = this.window[rank];
      this.count[e] = 0;
    }
    const n = this.count[e] < 0x7fffffff ? (this.count[e] + 1) | 0 : 0x7fffffff;
    this.count[e] = n;
    switch (this.type[rank]) {
      case Type.Limit:
        return n <= limit ? Outcome.Alert : Outcome.Silent;
      case Type.Threshold:
        if (n < limit) return Outcome.None;
        // The next window begins at the match that filled this one.
        this.count[e] = 0;
        this.since[e] = p.tsSec;
        this.sinceNsec[e] = p.tsNsec;
        return Outcome.Alert;
      default:
        return n < limit ? Outcome.None : n === limit ? Outcome.Alert : Outcome.Silent;
    }
  }

  private fillProbe(rank: number, p: Packet, flows: Flows): void {
    const { probe } = this;
    probe.fill(0);
    probe[0] = 1;
    probe[1] = rank;
    switch (this.track[rank]) {
      case Track.Src:
        for (let w = 0; w < 4; w++) probe[2 + w] = p.src[w];
        break;
      case Track.Dst:
        for (let w = 0; w < 4; w++) probe[2 + w] = p.dst[w];
        break;
      case Track.Both: {
        // The pair, whichever of the two sends.
        let swap = false;
        for (let w = 0; w < 4; w++) {
          if (p.src[w] !== p.dst[w]) {
            swap = p.src[w] > p.dst[w];
            break;
          }
        }
        for (let w = 0; w < 4; w++) {
          probe[2 + w] = swap ? p.dst[w] : p.src[w];
          probe[6 + w] = swap ? p.src[w] : p.dst[w];
        }
        break;
      }
      case Track.Flow:
        // A packet without a flow is tracked by its pair of addresses, in its direction.
        if (p.flow >= 0) {
          probe[0] = 2;
          probe[2] = p.flow;
          probe[3] = flows.key[p.flow * Key.Words + Key.IdLow];
        } else {
          for (let w = 0; w < 4; w++) {
            probe[2 + w] = p.src[w];
            probe[6 + w] = p.dst[w];
          }
        }
        break;
      default:
    }
  }

  /** The entry of `probe`; a fresh one has count -1. */
  private entry(p: Packet): number {
    const { probe, keys } = this;
    let h = 0x9e3779b9 | 0;
    for (let i = 0; i < KEY; i++) h = Math.imul(h ^ probe[i], 0x85ebca6b) ^ (h >>> 13);
    const first = ((h ^ (h >>> 16)) & (this.sets - 1)) * WAYS;
    let free = -1;
    let oldest = first;
    for (let e = first; e < first + WAYS; e++) {
      const at = e * KEY;
      if (keys[at] === 0) {
        if (free < 0) free = e;
        continue;
      }
      let k = 0;
      while (k < KEY && keys[at + k] === probe[k]) k++;
      if (k === KEY) return e;
      if (free < 0 && this.over(e, p)) free = e;
      if (this.since[e] < this.since[oldest]) oldest = e;
    }
    if (free < 0) {
      free = oldest;
      this.counters[Counter.ThresholdEvicted]++;
    }
    for (let k = 0; k < KEY; k++) keys[free * KEY + k] = probe[k];
    this.count[free] = -1;
    return free;
  }

  private over(e: number, p: Packet): boolean {
    const elapsed = p.tsSec - this.since[e];
    return elapsed > this.seconds[e] || (elapsed === this.seconds[e] && p.tsNsec > this.sinceNsec[e]);
  }
}
