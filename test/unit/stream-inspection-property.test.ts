import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Connection } from '../support/connection.js';

/** A rule, and what no receiver may ever have in one piece. */
interface Signature {
  name: string;
  tests: string;
  whole: RegExp;
  /** Strings that make it up, for streams that come near it. */
  parts: string[];
}

const SIGNATURES: Signature[] = [
  { name: 'one content', tests: 'content:"evilword";', whole: /evilword/, parts: ['evilword', 'evil', 'word', 'e', 'evilwor', 'ilword'] },
  { name: 'nocase', tests: 'content:"EvilWord"; nocase;', whole: /evilword/i, parts: ['eViLwOrD', 'EVIL', 'WORD', 'evilWor'] },
  {
    name: 'two contents, one behind the other',
    tests: 'content:"first"; content:"second"; distance:2; within:20;',
    whole: /first..[\s\S]{0,14}second/s,
    parts: ['first', 'second', '..', 'firstsecond', 'first..second', 'fir', 'ond'],
  },
  {
    name: 'a regular expression',
    tests: 'content:"id="; pcre:"/id=[0-9]{3,6}!/";',
    whole: /id=[0-9]{3,6}!/,
    parts: ['id=', '123', '4', '!', 'id=123!', '=12'],
  },
  { name: 'no literal', tests: 'pcre:"/[x-z]{4}[0-9]{4}/";', whole: /[x-z]{4}[0-9]{4}/, parts: ['xyz', 'zz', '12', '345', 'xyzx1234'] },
  {
    name: 'far apart, within the window',
    tests: 'content:"first"; content:"second";',
    whole: /first[\s\S]*second|second[\s\S]*first/,
    parts: ['first', 'second', 'fi', 'se', '.'.repeat(40)],
  },
  { name: 'at a place', tests: 'content:"evil"; offset:6; depth:12;', whole: /^[\s\S]{6,14}evil/, parts: ['evil', 'ev', 'il', '....'] },
];

/** A host that takes what comes: it keeps what it has of a number (`first`) or overwrites it, and hands bytes over in order. */
class Receiver {
  taken = '';
  private readonly ahead = new Map<number, number>();

  constructor(private readonly first: boolean) {}

  take(at: number, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const n = at + i;
      if (n < this.taken.length || (this.first && this.ahead.has(n))) continue;
      this.ahead.set(n, bytes[i]);
    }
    for (let b = this.ahead.get(this.taken.length); b !== undefined; b = this.ahead.get(this.taken.length)) {
      this.ahead.delete(this.taken.length);
      this.taken += String.fromCharCode(b);
    }
  }
}

/** Segments: from, length, how late they come, whether their bytes are others than the stream's, whether the receiver answers. */
const segments = fc.array(
  fc.record({
    cut: fc.integer({ min: 1, max: 12 }),
    back: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) }),
    late: fc.nat(5),
    other: fc.oneof({ weight: 4, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 8 }) }),
    twice: fc.boolean(),
    acked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

/** Connections one after the other through one engine. */
function connections({ tests }: Signature): () => Connection {
  const rules = [`drop tcp any any -> any any (${tests} sid:1;)`];
  let bench: Connection['bench'] | undefined;
  let clientPort = 1000;
  return () => {
    const c = new Connection({ rules, bench, clientPort: clientPort++ });
    bench = c.bench;
    bench.drain();
    return c;
  };
}

for (const signature of SIGNATURES) {
  test(`inline, no receiver has it whole: ${signature.name}`, () => {
    const words = fc.oneof(fc.constantFrom(...signature.parts), fc.string({ minLength: 1, maxLength: 6 }));
    let whole = 0;
    const connect = connections(signature);
    fc.assert(
      fc.property(fc.array(words, { minLength: 1, maxLength: 12 }), segments, fc.boolean(), (text, list, isFirst) => {
        const stream = text.join('').replace(/[^\x20-\x7e]/g, '_');
        if (signature.whole.test(stream)) whole++;
        const sends: { at: number; bytes: string; key: number; acked: boolean }[] = [];
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const { cut, back, late, other, twice, acked } = list[i % list.length];
          const from = Math.max(0, at - back);
          const bytes = stream.slice(from, at + cut);
          sends.push({ at: from, bytes, key: i + late, acked });
          if (twice) sends.push({ at: from, bytes, key: i + ((late * 3) % 7), acked });
          // The same numbers, other bytes.
          if (other !== '') sends.push({ at: from, bytes: other.repeat(12).slice(0, bytes.length), key: i + ((late * 5) % 6), acked });
          at += cut;
        }
        sends.sort((a, b) => a.key - b.key);
        const c = connect();
        const receiver = new Receiver(isFirst);
        for (const { at, bytes, acked } of sends) {
          const verdict = c.client(at, bytes);
          if (!verdict.startsWith('drop')) receiver.take(at, c.payload());
          assert.ok(!signature.whole.test(receiver.taken), `${JSON.stringify(receiver.taken)} after ${at} ${bytes}`);
          if (acked) c.ack(receiver.taken.length);
        }
      }),
      { numRuns: 150 },
    );
    connect().close();
    assert.ok(whole > 5, 'streams that hold it are among those tried');
  });

  test(`inline, one version of a stream without it arrives as it is: ${signature.name}`, () => {
    const connect = connections(signature);
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 12 }), segments, (text, list) => {
        const stream = text.join('').replace(/[^\x20-\x7e]/g, '_');
        fc.pre(!signature.whole.test(stream));
        const c = connect();
        const receiver = new Receiver(true);
        let at = 0;
        const sends = [];
        for (let i = 0; at < stream.length; i++) {
          const { cut, back, late } = list[i % list.length];
          sends.push({ from: Math.max(0, at - back), to: at + cut, key: i + late });
          at += cut;
        }
        for (const { from, to } of sends.sort((a, b) => a.key - b.key)) {
          assert.equal(c.client(from, stream.slice(from, to)), 'pass');
          receiver.take(from, c.payload());
        }
        assert.equal(receiver.taken, stream);
        assert.equal(c.bench.alerts(), 0);
      }),
      { numRuns: 40 },
    );
    connect().close();
  });
}
