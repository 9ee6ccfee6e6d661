import { type Case, type Delivery, Random, type Subject } from './delivery.js';
import type { Finding } from './finding.js';
import { MOST_PACKET } from './mutate.js';

export interface Options {
  seed: number;
  /** Whichever comes first. */
  seconds: number;
  runs: number;
  /** After so many findings the rest is left for another day. */
  mostFindings: number;
  found(finding: Finding): void;
}

export interface Result {
  subject: string;
  runs: number;
  packets: number;
  bytes: number;
  seconds: number;
  /** Longest that a packet took, as a share of its limit made a time for 64 KiB, nanoseconds; least of several tries. */
  worstNs: number;
  findings: number;
}

/** A time is believed when none of so many tries was shorter: others use the machine, too. */
const TRIES = 5;
const MOST_TRIES = 40;
/** Every so many runs the checks that take long are made, too. */
const STRICT = 8;
const MOST_SHRINKS = 400;
const MOST_DELIVERIES = 4096;

/** Runs one case after the other: case n is made by the random numbers of seed + n alone. */
export function fuzz(make: () => Subject, caseOf: (random: Random) => Case, options: Options): Result {
  let subject = make();
  const times = new Float64Array(MOST_DELIVERIES);
  const result: Result = { subject: subject.name, runs: 0, packets: 0, bytes: 0, seconds: 0, worstNs: 0, findings: 0 };
  const began = performance.now();
  for (let run = 0; run < options.runs && (performance.now() - began) / 1000 < options.seconds; run++) {
    const one = caseOf(new Random(options.seed + run));
    let what = '';
    try {
      subject.run(one, times, run % STRICT === 0);
      what = slow(subject, one, times, result);
    } catch (error) {
      what = told(error);
      // Whatever it left behind must not be found again.
      subject = make();
      one.deliveries = shrunk(make, one, what, times);
    }
    result.runs++;
    result.packets += one.deliveries.length;
    for (const { bytes } of one.deliveries) result.bytes += bytes.length;
    if (what === '') continue;
    options.found({ subject: subject.name, seed: options.seed + run, run: 0, what, case: one });
    if (++result.findings >= options.mostFindings) break;
  }
  result.seconds = (performance.now() - began) / 1000;
  subject.close();
  return result;
}

/** Runs one case; what is wrong with it, '' when nothing is. */
export function once(subject: Subject, one: Case, result: Pick<Result, 'worstNs'> = { worstNs: 0 }): string {
  const times = new Float64Array(MOST_DELIVERIES);
  try {
    subject.run(one, times, true);
    return slow(subject, one, times, result);
  } catch (error) {
    return told(error);
  }
}

const told = (error: unknown) =>
  error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join(' ') : String(error);

/** How much more than one packet it is. */
const packetsIn = ({ bytes }: Delivery) => Math.max(1, bytes.length / MOST_PACKET);

/** The worst time of the case is looked at again; '' when it is within the limit. */
function slow(subject: Subject, one: Case, times: Float64Array, result: Pick<Result, 'worstNs'>): string {
  const n = Math.min(one.deliveries.length, times.length);
  const worst = () => {
    let at = 0;
    for (let i = 1; i < n; i++) if (times[i] / packetsIn(one.deliveries[i]) > times[at] / packetsIn(one.deliveries[at])) at = i;
    return at;
  };
  const share = (i: number) => times[i] / packetsIn(one.deliveries[i]);
  if (n === 0 || share(worst()) <= Math.min(result.worstNs, subject.limit)) return '';
  const again = new Float64Array(times.length);
  for (let tries = 1; tries < MOST_TRIES && (tries < TRIES || share(worst()) > subject.limit); tries++) {
    subject.run(one, again, false);
    for (let i = 0; i < n; i++) times[i] = Math.min(times[i], again[i]);
  }
  const at = worst();
  const ns = share(at);
  if (ns > result.worstNs) result.worstNs = ns;
  if (ns <= subject.limit) return '';
  return `slow: ${(times[at] / 1e6).toFixed(2)} ms for delivery ${at} of ${one.deliveries[at].bytes.length} bytes`;
}

/** The same error with fewer deliveries. */
function shrunk(make: () => Subject, one: Case, what: string, times: Float64Array): Delivery[] {
  const reason = what.split(' at ')[0].replace(/\d+/g, '');
  let list = one.deliveries;
  let left = MOST_SHRINKS;
  let subject = make();
  const fails = (deliveries: Delivery[]) => {
    try {
      subject.run({ ...one, deliveries }, times, true);
      return false;
    } catch (error) {
      subject.close();
      subject = make();
      return told(error).split(' at ')[0].replace(/\d+/g, '') === reason;
    }
  };
  for (let size = Math.ceil(list.length / 2); size >= 1 && left > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < list.length && left-- > 0; ) {
      const fewer = [...list.slice(0, from), ...list.slice(from + size)];
      if (fewer.length > 0 && fails(fewer)) list = fewer;
      else from += size;
    }
  }
  subject.close();
  return list;
}
