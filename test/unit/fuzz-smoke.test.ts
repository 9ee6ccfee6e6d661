import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Case, data, gap, Random, type Subject } from '../fuzz/delivery.js';
import { type Finding, read, write } from '../fuzz/finding.js';
import { fuzz, once } from '../fuzz/fuzz.js';
import { deliveriesOf, MOST_HOLE, MOST_PACKET } from '../fuzz/mutate.js';
import { builtIn } from '../fuzz/seeds.js';
import { caseMaker, makeSubject, SUBJECTS } from '../fuzz/subjects.js';

const SEED = 20261121;
/** Together about two seconds. */
const RUNS = 60;

const folder = mkdtempSync(join(tmpdir(), 'sluice-fuzz-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** How long something takes is another machine's business here. */
function timeless(subject: Subject): Subject {
  return { name: subject.name, limit: Number.POSITIVE_INFINITY, run: (...args) => subject.run(...args), close: () => subject.close() };
}

for (const name of SUBJECTS) {
  const cases = caseMaker(name, builtIn());
  if (cases === null) continue;
  test(`${name}: ${RUNS} changed talks, the same each time`, () => {
    const found: string[] = [];
    const result = fuzz(() => timeless(makeSubject(name)), cases.make, {
      seed: SEED,
      seconds: Number.POSITIVE_INFINITY,
      runs: RUNS,
      mostFindings: 1,
      found: ({ seed, what }) => found.push(`--seed ${seed}: ${what}`),
    });
    assert.deepEqual(found, []);
    assert.equal(result.runs, RUNS);
    assert.ok(result.bytes > 0);
  });
}

test('a case is made by its seed alone, within the sizes a packet may have', () => {
  const talks = [...builtIn().talks.values()].flat();
  for (let seed = 0; seed < 300; seed++) {
    const make = () => {
      const random = new Random(seed);
      return deliveriesOf(random, random.pick(talks), talks);
    };
    const list = make();
    assert.deepEqual(make(), list);
    const long = list.filter(({ bytes }) => bytes.length > MOST_PACKET);
    assert.ok(long.length <= 1 && long.every(({ bytes }) => bytes.length <= MOST_HOLE));
  }
});

/** Finds fault with byte 7, is slow at byte 8. */
class Picky implements Subject {
  readonly name = 'picky';
  readonly limit = 1000;
  run(one: Case, times: Float64Array): void {
    times.fill(0);
    one.deliveries.forEach(({ bytes }, i) => {
      if (bytes.includes(7)) throw new Error('seven');
      times[i] = bytes.includes(8) ? 5000 : 10;
    });
  }
  close(): void {}
}

const options = { seed: 3, seconds: Number.POSITIVE_INFINITY, runs: 1, mostFindings: 5 };
const talk = (...bytes: number[]): Case => ({
  datagrams: false,
  listener: true,
  deliveries: [gap(1, 5), ...bytes.map((byte) => data(0, Uint8Array.of(byte)))],
});

test('what throws is a finding, without the deliveries that have no part in it; its file says it again', () => {
  const found: Finding[] = [];
  const result = fuzz(
    () => new Picky(),
    () => talk(1, 2, 7, 3),
    { ...options, found: (finding) => found.push(finding) },
  );
  assert.equal(result.findings, 1);
  assert.deepEqual(found[0].case.deliveries, [data(0, Uint8Array.of(7))]);
  const again = read(write(folder, found[0]));
  assert.deepEqual(again, found[0]);
  assert.match(once(new Picky(), again.case), /^Error: seven/);
});

test('what is slow at every try is a finding; what is slow once is none', () => {
  const found: string[] = [];
  const run = (make: () => Subject) => fuzz(make, () => talk(1, 8), { ...options, found: ({ what }) => found.push(what) });
  run(() => new Picky());
  assert.match(found.pop()!, /^slow: .* delivery 2 of 1 bytes/);
  class OnceSlow extends Picky {
    private tries = 0;
    override run(one: Case, times: Float64Array): void {
      super.run(one, times);
      if (this.tries++ > 0) times.fill(10);
    }
  }
  const { slow } = run(() => new OnceSlow());
  assert.deepEqual([found.length, slow.count[0], slow.worstNs[0]], [0, 0, 10]);
});

test('what is slow does not end a run: it is counted by size, and the worst few are told', () => {
  class Slower extends Picky {
    override run(one: Case, times: Float64Array): void {
      one.deliveries.forEach(({ bytes }, i) => {
        times[i] = 1000 * bytes[0];
      });
    }
  }
  const found: string[] = [];
  let n = 0;
  const result = fuzz(
    () => new Slower(),
    () => ({ ...talk(1), deliveries: [data(0, Uint8Array.of(++n)), data(1, new Uint8Array(1515).fill(n & 1 ? 1 : n + 1))] }),
    { ...options, runs: 12, mostFindings: 1, found: ({ what }) => found.push(what.replace('slow: 0.01 ms for ', '')) },
  );
  assert.deepEqual([result.runs, result.findings, ...result.slow.count], [12, 0, 11, 6]);
  assert.deepEqual([...result.slow.worstNs], [12_000, 13_000]);
  assert.deepEqual(found, [...Array(3).fill('delivery 0 of 1 bytes'), ...Array(3).fill('delivery 1 of 1515 bytes')]);
});

test('what does not end is a finding, and the run goes on', () => {
  class Hanging extends Picky {
    override run(one: Case, times: Float64Array): void {
      super.run(one, times);
      while (one.deliveries[1].bytes[0] === 9);
    }
  }
  const found: string[] = [];
  let n = 7;
  const result = fuzz(
    () => new Hanging(),
    () => talk(++n),
    { ...options, runs: 3, mostCase: 100, found: ({ seed, what }) => found.push(`${seed} ${what}`) },
  );
  assert.equal(result.runs, 3);
  assert.ok(found.includes('4 it does not end within 0.1 s'), found.join());
});

test('a file that is none is refused', () => {
  assert.throws(() => read(join(folder, 'nothing.json')), /no finding of npm run fuzz/);
});
