import { PROTOCOLS } from '../../src/app-layer/protocols.js';
import { type Case, data } from './delivery.js';
import { HOSTILE } from './hostile.js';
import { ParserRun } from './parser-run.js';

const TRIES = 30;
/** A packet of the wire. */
const SEGMENT = 1460;

/**
 * Times of the packets that cost most, least of many tries: parse, and select and records of what they brought; and the longest parse of
 * one of the packets when the same comes in those of the wire, each of whose least counts.
 */
export function hostileTimes(say: (line: string) => void, only = ''): void {
  say('parser     parse ms  select and records ms  transactions  in small packets, parse ms  packet');
  for (const spec of PROTOCOLS) {
    const list = HOSTILE.filter(({ parser }) => parser === spec.names.type);
    for (const { what, one } of list) {
      if (only !== spec.names.type && !what.includes(only)) continue;
      const subject = new ParserRun(spec);
      const times = new Float64Array(one.deliveries.length);
      let parse = Number.POSITIVE_INFINITY;
      let inspect = Number.POSITIVE_INFINITY;
      let moments = 0;
      for (let n = 0; n < TRIES; n++) {
        subject.worstInspectNs = 0;
        subject.run(one, times, false);
        parse = Math.min(parse, Math.max(...times));
        inspect = Math.min(inspect, subject.worstInspectNs);
        moments = subject.mostMoments;
      }
      const small = one.datagrams ? Number.NaN : longest(subject, cut(one));
      subject.close();
      const cells = [
        (parse / 1e6).toFixed(2).padStart(8),
        (inspect / 1e6).toFixed(2).padStart(22),
        String(moments).padStart(13),
        (small / 1e6).toFixed(2).padStart(27),
      ];
      say(`${spec.names.type.padEnd(9)} ${cells.join(' ')}  ${what}`);
    }
  }
}

function cut(one: Case): Case {
  const deliveries = one.deliveries.flatMap((delivery) => {
    if (delivery.kind !== 'data') return [delivery];
    const { direction, bytes } = delivery;
    return Array.from({ length: Math.ceil(bytes.length / SEGMENT) }, (_, i) =>
      data(direction, bytes.subarray(i * SEGMENT, (i + 1) * SEGMENT)),
    );
  });
  return { ...one, deliveries };
}

/** Nanoseconds. */
function longest(subject: ParserRun, one: Case): number {
  const times = new Float64Array(one.deliveries.length);
  const least = new Float64Array(times.length).fill(Number.POSITIVE_INFINITY);
  for (let n = 0; n < TRIES; n++) {
    subject.run(one, times, false);
    for (let i = 0; i < times.length; i++) least[i] = Math.min(least[i], times[i]);
  }
  return Math.max(...least);
}
