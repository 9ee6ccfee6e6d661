import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Counter } from '../../src/metrics/counters.js';
import { Origin } from '../../src/output/event-layout.js';
import { Mode } from '../../src/ring/verdict.js';
import { Line, LineFlag } from '../../src/stream/reassembly/layout.js';
import { Windows } from '../../src/stream/reassembly/windows.js';
import { Connection } from '../support/connection.js';

/** Reassembly memory that gives eight windows of the first kind, two of the second, one large. */
const LITTLE = 65_536;

/** Flows that say one byte and are silent then. */
function idle(c: Connection, first: number, count: number): void {
  for (let i = first; i < first + count; i++) {
    const other = new Connection({ rules: [], bench: c.bench, clientPort: 41_000 + i });
    other.client(0, 'q');
    other.ack(1);
    other.segment(0, 16, 1, 0);
  }
}

describe('windows of silent flows', () => {
  it('go to new ones: a signature in two segments is dropped', () => {
    const c = new Connection({ rules: ['drop tcp any any -> any 4321 (content:"evilword"; sid:1;)'], memcap: LITTLE, clientPort: 40_999 });
    idle(c, 0, 30);
    assert.equal(c.bench.counters[Counter.StreamWindowsRefused], 0);
    assert.equal(c.client(0, 'an evil'), 'pass');
    assert.equal(c.client(7, 'word'), 'drop: rules');
    assert.ok(c.bench.counters[Counter.StreamWindowsEvicted] > 0);
    c.close();
  });

  it('one that is used meanwhile stays', () => {
    const c = new Connection({ rules: ['alert tcp any any -> any any (content:"first"; content:"second"; sid:1;)'], memcap: LITTLE });
    c.client(0, 'first');
    for (let i = 0; i < 20; i++) {
      idle(c, 2 * i, 2);
      c.client(5 + i, '.');
    }
    c.client(25, 'second');
    assert.ok(c.bench.counters[Counter.StreamWindowsEvicted] > 0);
    assert.equal(c.close(), 1);
  });

  it('what comes after does not begin with the stream', () => {
    const c = new Connection({ rules: ['alert tcp any any -> any any (content:"abcd"; startswith; sid:1;)'], memcap: LITTLE });
    c.client(0, 'xx');
    idle(c, 0, 30);
    c.client(2, 'ab');
    c.client(4, 'cd');
    assert.equal(c.close(), 0);
  });

  it('a rule does not wait for the rest of what is gone', () => {
    const c = new Connection({ rules: ['alert tcp any any -> any any (content:"first"; content:"second"; sid:1;)'], memcap: LITTLE });
    c.client(0, 'first');
    idle(c, 0, 30);
    c.client(5, 'second');
    assert.equal(c.close(), 0);
  });

  it('what waited in one is looked at before', () => {
    const c = new Connection({
      mode: Mode.Ids,
      rules: ['alert tcp any any -> any any (content:"evilword"; sid:1;)'],
      memcap: LITTLE,
    });
    c.client(0, 'evil');
    c.client(4, 'word');
    c.ack(8);
    assert.equal(c.bench.alerts(), 0);
    idle(c, 0, 30);
    assert.deepEqual(c.alerts(), [{ rule: 0, payload: 'evilword', origin: Origin.Stream }]);
    c.client(8, 'more');
    assert.equal(c.close(), 1);
  });

  it('a large one becomes a small one with the last bytes', () => {
    const c = new Connection({
      rules: ['alert tcp any any -> any any (content:"evilword"; sid:1;)'],
      memcap: 1 << 18,
      chunkSizes: [90_000, 90_000],
    });
    c.client(0, `${'x'.repeat(1000)}evil`);
    c.server(0, 'y'.repeat(1000));
    c.server(1000, 'y'.repeat(1000));
    c.server(2000, 'y'.repeat(1000));
    assert.equal(c.bench.counters[Counter.StreamWindowsEvicted], 1);
    c.client(1004, 'word');
    assert.equal(c.close(), 1);
  });
});

it('bytes that wait are looked at when others make the window too full to wait', () => {
  const c = new Connection({ mode: Mode.Ids, rules: ['alert tcp any any -> any any (content:"evilword"; sid:1;)'] });
  // The wrong way round: nothing was scanned in order when it came.
  c.client(4, 'word');
  c.client(0, 'evil');
  c.client(8, 'x'.repeat(100));
  c.ack(8);
  c.ack(108);
  c.client(108, 'y');
  assert.equal(c.close(), 1);
});

describe('Windows', () => {
  it('whatever is taken from whom, a window shows the last bytes of its direction', () => {
    const op = fc.record({
      line: fc.nat({ max: 11 }),
      length: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 700 })),
      what: fc.integer({ min: 0, max: 9 }),
    });
    let evicted = 0;
    fc.assert(
      fc.property(fc.array(op, { minLength: 40, maxLength: 120 }), (ops) => {
        const lines = new Int32Array(12 * Line.Words);
        const windows = new Windows(8192, [300, 400], lines);
        const streams: number[][] = Array.from({ length: 12 }, () => []);
        const mem = new Uint8Array(1024);
        let byte = 0;
        try {
          for (const { line, length, what } of ops) {
            const at = line * Line.Words;
            if (what === 0) {
              windows.release(at);
              lines.fill(0, at, at + Line.Words);
              streams[line] = [];
              continue;
            }
            for (let victim = windows.victim(), i = 0; victim >= 0; victim = windows.victim(), i++) {
              assert.ok(i < 32);
              const had = lines[victim * Line.Words + Line.Window];
              assert.notEqual(had, 0);
              assert.equal(windows.evict(victim * Line.Words), lines[victim * Line.Words + Line.Window] === 0);
              assert.notEqual(lines[victim * Line.Words + Line.Window], had);
            }
            for (let i = 0; i < length; i++) {
              byte = (byte * 5 + 7 + i) & 255;
              mem[i] = byte;
              streams[line].push(byte);
            }
            for (let done = 0; done < length; ) {
              const n = windows.add(at, line & 1, mem, -1, done, length - done);
              assert.ok(n > 0);
              done += n;
            }
            const shown = windows.bytes.subarray(windows.from, windows.to);
            assert.deepEqual([...shown], streams[line].slice(-shown.length));
            if (windows.begins === 1) assert.equal(shown.length, streams[line].length);
            assert.equal(windows.active, lines.filter((w, i) => i % Line.Words === Line.Window && w !== 0).length);
            if (lines[at + Line.Window] === 0) assert.ok(lines[at + Line.Flags] & LineFlag.Late);
          }
          evicted += windows.evicted;
        } finally {
          windows.close();
        }
      }),
      { numRuns: 100 },
    );
    assert.ok(evicted > 100);
  });
});
