import { PROTOCOLS } from '../../src/app-layer/protocols.js';
import { HOSTILE } from './hostile.js';
import { ParserRun } from './parser-run.js';

const TRIES = 30;

/** Times of the packets that cost most, least of many tries: parse, and select and records of what they brought. */
export function hostileTimes(say: (line: string) => void, only = ''): void {
  say('parser     parse ms  select and records ms  transactions  packet');
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
      subject.close();
      const cells = [(parse / 1e6).toFixed(2).padStart(8), (inspect / 1e6).toFixed(2).padStart(22), String(moments).padStart(13)];
      say(`${spec.names.type.padEnd(9)} ${cells.join(' ')}  ${what}`);
    }
  }
}
