import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { AppProto, BufferId, Buffers } from '../../src/app-layer/buffers.js';
import { FileState, Files } from '../../src/app-layer/files/files.js';
import { Hash } from '../../src/app-layer/files/hashes.js';
import { Ranges } from '../../src/app-layer/http/ranges.js';
import { Transactions } from '../../src/app-layer/transactions.js';
import { Counter } from '../../src/metrics/counters.js';

const disposed: (() => void)[] = [];
afterEach(() => {
  for (const dispose of disposed.splice(0)) dispose();
});

class Bench {
  readonly txs = new Transactions(64, 8 << 20, 64, 2);
  readonly files = new Files(this.txs, new Float64Array(Counter.Count), 256);
  readonly ranges = new Ranges(this.files);
  private readonly name = Buffer.from('/a.bin');

  constructor() {
    this.files.want({ hashes: 1 << Hash.Sha256, magic: false });
    this.files.begin();
    disposed.push(() => {
      this.ranges.packet();
      this.files.dispose();
      this.txs.heap.close();
    });
  }

  /** A response with a part of `all`; digests of the files that its transaction has beside the part itself. */
  piece(all: Buffer, from: number, to: number, { key = 1, sent = to - from, step = 1000 } = {}): string[] {
    const tx = this.txs.open(-1, AppProto.Http, 0);
    const file = this.files.open(tx, 1, this.name, 0, this.name.length, true);
    this.ranges.begin(file, tx, key * 2 ** 24 + all.length, from, to - 1, all.length);
    for (let at = from; at < from + sent; at += step) this.ranges.data(file, all, at, Math.min(step, from + sent - at));
    this.files.close(file, FileState.Closed);
    this.ranges.end(file, sent === to - from, this.name, 0, this.name.length);
    const found: string[] = [];
    for (let f = this.files.behind(this.files.first(tx)); f >= 0; f = this.files.behind(f)) {
      assert.equal(this.files.size[f], all.length);
      found.push(Buffer.from(this.files.hashes.digests.subarray(this.files.hashes.at(f, Hash.Sha256)).subarray(0, 32)).toString('hex'));
      const buffers = new Buffers();
      this.files.select(tx, 1, buffers);
      const at = BufferId.FileData;
      assert.deepEqual(
        buffers.mem[at].subarray(buffers.off[at], buffers.off[at] + buffers.len[at]),
        new Uint8Array(all),
        'rules see all of it',
      );
      assert.equal(buffers.base[at], 0);
    }
    return found;
  }

  get kept(): number {
    return (this.ranges as unknown as { bytes: number }).bytes;
  }
}

/** Of each piece beside its bytes. */
const PIECE_COST = 256;
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const content = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251));

describe('files in ranges', () => {
  it('are put together in any order, and forgotten then', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 9999 }), { minLength: 1, maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        (cuts, random) => {
          const b = new Bench();
          const edges = [0, ...cuts.sort((x, y) => x - y), content.length];
          const pieces = edges.slice(1).map((to, i) => ({ from: edges[i], to, order: random.next().value! }));
          pieces.sort((x, y) => x.order - y.order);
          const found = pieces.map(({ from, to }) => b.piece(content, from, to));
          assert.deepEqual(found.flat(), [digest(content)]);
          assert.deepEqual(found.at(-1), [digest(content)], 'with the last piece');
          assert.equal(b.kept, 0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('need each piece whole', () => {
    const b = new Bench();
    assert.deepEqual(b.piece(content, 0, 5000), []);
    assert.deepEqual(b.piece(content, 5000, 10_000, { sent: 4999 }), []);
    assert.equal(b.kept, 5000 + PIECE_COST, 'what was given up is not kept');
    assert.deepEqual(b.piece(content, 5000, 10_000), [digest(content)]);
  });

  it('take no more room when they come byte by byte', () => {
    const b = new Bench();
    assert.deepEqual(b.piece(content, 0, 9000, { step: 1 }), []);
    assert.equal(b.kept, 9000 + PIECE_COST);
    assert.deepEqual(b.piece(content, 9000, 10_000, { step: 1 }), [digest(content)]);
  });

  it('do not mix what has other names, and what comes again counts once', () => {
    const b = new Bench();
    assert.deepEqual(b.piece(content, 0, 5000), []);
    assert.deepEqual(b.piece(content, 0, 5000), []);
    assert.deepEqual(b.piece(content, 2000, 7000), [], 'over another');
    assert.deepEqual(b.piece(content, 5000, 10_000, { key: 2 }), []);
    assert.equal(b.kept, 2 * (5000 + PIECE_COST));
    assert.deepEqual(b.piece(content, 5000, 10_000), [digest(content)]);
  });

  it('beyond 4 MiB, or whole already, are none', () => {
    const b = new Bench();
    const long = Buffer.alloc((4 << 20) + 1);
    assert.deepEqual(b.piece(long, 0, 100), []);
    assert.deepEqual(b.piece(content, 0, 10_000), []);
    assert.equal(b.kept, 0);
  });

  it('never keep more than 32 MiB: the oldest goes', () => {
    const b = new Bench();
    const big = Buffer.alloc(4 << 20, 1);
    for (let i = 0; i < 12; i++) b.piece(big, 0, 4_000_000, { key: i, step: 100_000 });
    assert.ok(b.kept <= 32 << 20);
    assert.deepEqual(b.piece(big, 4_000_000, big.length, { key: 0 }), []);
    assert.deepEqual(b.piece(big, 4_000_000, big.length, { key: 11 }), [digest(big)]);
  });
});
