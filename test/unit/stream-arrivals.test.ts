import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StreamArrivals } from '../../src/detect/stream-arrivals.js';
import { mayCross, seamTable } from '../../src/detect/stream-seams.js';
import { Mode } from '../../src/ring/verdict.js';
import { Connection } from '../support/connection.js';

const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const three = (bytes: Uint8Array) => (bytes[0] << 16) | (bytes[1] << 8) | bytes[2];

test('a border that a literal lies across is never taken for one without', () => {
  const literal = fc.string({ minLength: 1, maxLength: 12 });
  const side = fc.string({ minLength: 3, maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(literal, { minLength: 1, maxLength: 20 }),
      side,
      side,
      fc.nat(19),
      fc.nat(11),
      (texts, before, behind, pick, cut) => {
        const literals = texts.map((text) => ({ bytes: latin1(text), nocase: true }));
        const table = seamTable(literals);
        const text = texts[pick % texts.length];
        if (text.length < 2) return;
        const at = 1 + (cut % (text.length - 1));
        const stream = latin1(before + text.toUpperCase() + behind);
        const border = before.length + at;
        assert.ok(mayCross(table, three(stream.subarray(border - 3)), three(stream.subarray(border))));
      },
    ),
  );
});

test('most borders without one are told', () => {
  const table = seamTable(['evilword', 'GET /cgi-bin', 'ab', '\0\0\0\0\x01'].map((text) => ({ bytes: latin1(text), nocase: false })));
  let crosses = 0;
  for (let i = 0; i < 4096; i++) if (mayCross(table, (i * 2654435761) & 0xffffff, (i * 40503 * 7919) & 0xffffff)) crosses++;
  assert.ok(crosses < 400, `${crosses}`);
});

const RULES = [
  'alert tcp any any -> any any (content:"evilword"; sid:1;)',
  'alert tcp any any -> any any (content:"first"; content:"second"; distance:1; within:20; sid:2;)',
  'alert tcp any any -> any any (content:"id="; pcre:"/id=[0-9]{3,6}!/"; sid:3;)',
  'alert tcp any any -> any any (content:"evil"; offset:4; depth:12; sid:4;)',
  'alert tcp any any -> any any (flow:only_stream; content:"first"; content:"evil"; sid:5;)',
];
const words = fc.constantFrom('evilword', 'evil', 'word', 'first', 'second', 'x', 'id=', '1234', '!', '..........', 'il');
const steps = fc.array(
  fc.record({
    cut: fc.integer({ min: 1, max: 14 }),
    back: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(12) }),
    late: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(4) }),
    other: fc.oneof({ weight: 6, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom('evilword', 'first', 'zzzz') }),
    acked: fc.nat(3),
  }),
  { minLength: 1, maxLength: 30 },
);

interface Send {
  at: number;
  bytes: string;
  acked: number;
}

/** Alerts after each packet of a listener. */
function heard(c: Connection, sends: Send[]): number[] {
  const seen: number[] = [];
  const from = c.bench.alerts();
  for (const { at, bytes, acked } of sends) {
    c.client(at, bytes);
    if (acked > 0) c.ack(acked);
    seen.push(c.bench.alerts() - from);
  }
  c.bench.drain();
  return seen;
}

test('a listener that scans at arrival alerts where one does that scans at delivery', () => {
  const pair = [false, true].map((scansAll) => {
    let bench: Connection['bench'] | undefined;
    let clientPort = 1000;
    return () => {
      const c = new Connection({ rules: RULES, mode: Mode.Ids, bench, clientPort: clientPort++ });
      if (bench === undefined && scansAll) {
        const { arrivals } = (c.bench.engine as unknown as { streams: { rules: { arrivals: StreamArrivals } } }).streams.rules;
        arrivals.unknown = (_, begin, end) => (end - begin) | 0;
      }
      bench = c.bench;
      return c;
    };
  });
  let alerts = 0;
  fc.assert(
    fc.property(fc.array(words, { minLength: 2, maxLength: 14 }), steps, (text, list) => {
      const stream = text.join('');
      const sends: (Send & { key: number })[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i++) {
        const { cut, back, late, other, acked } = list[i % list.length];
        const from = Math.max(0, at - back);
        const bytes = stream.slice(from, at + cut);
        sends.push({ at: from, bytes, key: i + late, acked: acked === 0 ? 0 : Math.min(stream.length, at + (acked === 1 ? 0 : cut)) });
        if (other !== '') sends.push({ at: from, bytes: other.repeat(4).slice(0, bytes.length), key: i + late + 1, acked: 0 });
        at += cut;
      }
      sends.sort((a, b) => a.key - b.key);
      sends.push(
        { at: stream.length, bytes: '.', key: 0, acked: stream.length + 1 },
        { at: stream.length + 1, bytes: '.', key: 0, acked: 0 },
      );
      const [atArrival, atDelivery] = pair.map((connect) => heard(connect(), sends));
      assert.deepEqual(atArrival.at(-1), atDelivery.at(-1));
      alerts += atArrival.at(-1)!;
    }),
    { numRuns: 200 },
  );
  for (const connect of pair) connect().close();
  assert.ok(alerts > 100);
});
