import { type Case, type Delivery, Random, type Subject } from './delivery.js';
import type { Finding } from './finding.js';
import { Slowness } from './slowness.js';
import { Endless, within } from './within.js';

export interface Options {
  seed: number;
  /** Whichever comes first. */
  seconds: number;
  runs: number;
  /** After so many findings the rest is left for another day; slow cases do not count. */
  mostFindings: number;
  /** Longest that a case may take, ms (default 10 s). */
  mostCase?: number;
  found(finding: Finding): void;
}

export interface Result {
  subject: string;
  runs: number;
  packets: number;
  bytes: number;
  seconds: number;
  slow: Slowness;
  /** What threw, or did not end. */
  findings: number;
}

/** Every so many runs the checks that take long are made, too. */
const STRICT = 8;
const MOST_SHRINKS = 400;
const MOST_SHRINKING = 5000;
const MOST_CASE = 10_000;
const MOST_DELIVERIES = 4096;

/** Runs one case after the other: case n is made by the random numbers of seed + n alone. The worst of what is slow is told at the end. */
export function fuzz(make: () => Subject, caseOf: (random: Random) => Case, options: Options): Result {
  let subject = make();
  const { mostCase = MOST_CASE, found } = options;
  const times = new Float64Array(MOST_DELIVERIES);
  const slow = new Slowness();
  const result: Result = { subject: subject.name, runs: 0, packets: 0, bytes: 0, seconds: 0, slow, findings: 0 };
  const began = performance.now();
  for (let run = 0; run < options.runs && (performance.now() - began) / 1000 < options.seconds; run++) {
    const seed = options.seed + run;
    const one = caseOf(new Random(seed));
    let what = '';
    try {
      within(mostCase, () => subject.run(one, times, run % STRICT === 0));
      within(2 * mostCase, () => slow.look(subject, one, times, seed));
    } catch (error) {
      what = told(error);
      // Whatever it left behind must not be found again.
      subject = make();
      if (!(error instanceof Endless)) one.deliveries = shrunk(make, one, what, times);
    }
    result.runs++;
    result.packets += one.deliveries.length;
    for (const { bytes } of one.deliveries) result.bytes += bytes.length;
    if (what === '') continue;
    found({ subject: subject.name, seed, run: 0, what, case: one });
    if (++result.findings >= options.mostFindings) break;
  }
  for (const list of slow.kept) for (const { finding } of list) found(finding);
  result.seconds = (performance.now() - began) / 1000;
  subject.close();
  return result;
}

/** Runs one case; what is wrong with it, '' when nothing is. */
export function once(subject: Subject, one: Case, slow = new Slowness()): string {
  const times = new Float64Array(MOST_DELIVERIES);
  try {
    within(MOST_CASE, () => subject.run(one, times, true));
    return slow.look(subject, one, times, 0);
  } catch (error) {
    return told(error);
  }
}

const told = (error: unknown) => {
  if (error instanceof Endless) return error.message;
  return error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join(' ') : String(error);
};

/** The same error with fewer deliveries. */
function shrunk(make: () => Subject, one: Case, what: string, times: Float64Array): Delivery[] {
  const reason = what.split(' at ')[0].replace(/\d+/g, '');
  const until = performance.now() + MOST_SHRINKING;
  let list = one.deliveries;
  let left = MOST_SHRINKS;
  let subject = make();
  const fails = (deliveries: Delivery[]) => {
    try {
      within(MOST_SHRINKING, () => subject.run({ ...one, deliveries }, times, true));
      return false;
    } catch (error) {
      subject.close();
      subject = make();
      return told(error).split(' at ')[0].replace(/\d+/g, '') === reason;
    }
  };
  for (let size = Math.ceil(list.length / 2); size >= 1 && left > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < list.length && left-- > 0 && performance.now() < until; ) {
      const fewer = [...list.slice(0, from), ...list.slice(from + size)];
      if (fewer.length > 0 && fails(fewer)) list = fewer;
      else from += size;
    }
  }
  subject.close();
  return list;
}
