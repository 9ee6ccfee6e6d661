import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { AppProto, BufferId, Buffers } from '../../src/app-layer/buffers.js';
import { FileState, Files } from '../../src/app-layer/files/files.js';
import { Hash } from '../../src/app-layer/files/hashes.js';
import { FILE_NAMES, writeFile } from '../../src/app-layer/files/record.js';
import { Transactions } from '../../src/app-layer/transactions.js';
import { Counter } from '../../src/metrics/counters.js';
import { native } from '../../src/native.js';
import { latin1, ObjectWriter } from '../support/object-writer.js';

/** Files of one transaction, fed as AppLayer does: begin, bytes, keep, select. */
class Bench {
  readonly counters = new Float64Array(Counter.Count);
  readonly txs = new Transactions(8, 8 << 20, 64, 2);
  readonly files: Files;
  readonly buffers = new Buffers();
  readonly tx = this.txs.open(-1, AppProto.Http, 0);
  private readonly mem = new Uint8Array(1 << 17);
  private readonly region = native.region(this.mem.buffer);
  private top = 0;

  constructor(capacity = 16) {
    this.files = new Files(this.txs, this.counters, capacity);
    this.files.begin();
  }

  open(name = '', direction = 0, elsewhere = false): number {
    return this.files.open(this.tx, direction, Buffer.from(name, 'latin1'), 0, name.length, elsewhere);
  }

  /** Bytes somewhere in the packet; `lasting` false: as a decoder's output is. */
  data(file: number, text: string, lasting = true): void {
    const bytes = Buffer.from(text, 'latin1');
    this.mem.set(bytes, this.top);
    this.files.data(file, lasting ? this.mem : bytes, lasting ? this.region : -1, lasting ? this.top : 0, bytes.length);
    this.top += bytes.length;
  }

  /** The packet is parsed: what a rule sees of each buffer. Then the next one begins, over the same memory. */
  packet(direction = 0): Record<string, string[]> {
    this.files.keep();
    const { buffers } = this;
    buffers.clear();
    this.files.select(this.tx, direction, buffers);
    const seen: Record<string, string[]> = {};
    for (const [name, id] of [
      ['data', BufferId.FileData],
      ['name', BufferId.FileName],
      ['magic', BufferId.FileMagic],
    ] as const) {
      const list: string[] = [];
      for (let at: number = buffers.len[id] < 0 ? -1 : id; at >= 0; at = buffers.next[at])
        list.push(latin1(buffers.mem[at], buffers.off[at], buffers.len[at]));
      if (list.length > 0) seen[name] = list;
    }
    this.mem.fill(0x21);
    this.top = 0;
    this.files.begin();
    return seen;
  }

  record(file: number): Record<string, unknown> {
    const writer = new ObjectWriter(FILE_NAMES);
    writeFile(this.files, file, 7, writer);
    return writer.root;
  }

  close(): void {
    this.files.dispose();
    this.txs.heap.close();
    native.regionRelease(this.region);
  }
}

let bench: Bench;
const make = (capacity?: number) => {
  bench = new Bench(capacity);
  return bench;
};

describe('files', () => {
  afterEach(() => bench.close());

  it('what is new, with what came before it', () => {
    const b = make();
    const file = b.open('a.txt');
    b.data(file, 'one');
    assert.deepEqual(b.packet(), { data: ['one'], name: ['a.txt'] });
    b.data(file, ' two', false);
    b.data(file, ' three');
    assert.deepEqual(b.packet().data, ['one two three']);
    assert.deepEqual(b.packet().data, ['one two three']);
    b.files.close(file, FileState.Closed);
    assert.deepEqual(b.record(file), { filename: 'a.txt', gaps: false, state: 'CLOSED', stored: false, size: 13, tx_id: 7 });
  });

  it('several of a transaction, by direction; the record of one that has no name, no end', () => {
    const b = make();
    const [first, second, answer] = [b.open('a'), b.open(), b.open('c', 1)];
    b.data(first, '1');
    b.data(second, '2');
    b.data(answer, '3');
    assert.deepEqual(b.packet(), { data: ['1', '2'], name: ['a'] });
    assert.deepEqual(b.packet(1), { data: ['3'], name: ['c'] });
    assert.deepEqual(b.record(second), { gaps: false, state: 'TRUNCATED', stored: false, size: 1, tx_id: 7 });
  });

  it('however the bytes are cut, the last 4 KiB before the new ones are there', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.boolean()), { maxLength: 4 }), { maxLength: 8 }),
        (packets) => {
          const b = make();
          const file = b.open();
          let all = '';
          let at = 0;
          for (const pieces of packets) {
            const before = all.length;
            for (const [length, lasting] of pieces) {
              const text = Array.from({ length }, () => String.fromCharCode(at++ & 0xff)).join('');
              b.data(file, text, lasting);
              all += text;
            }
            const seen = b.packet().data?.[0] ?? '';
            assert.ok(all.endsWith(seen));
            assert.equal(seen.length, pieces.length === 0 ? Math.min(4096, before) : all.length - before + Math.min(4096, before));
          }
          b.close();
          make();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a gap: its bytes count, what follows stands by itself', () => {
    const b = make();
    const file = b.open('g');
    b.data(file, 'before');
    b.packet();
    b.files.gap(file, 100);
    b.data(file, 'after');
    assert.deepEqual(b.packet().data, ['after']);
    b.files.close(file, FileState.Closed);
    assert.deepEqual(b.record(file), { filename: 'g', gaps: true, state: 'TRUNCATED', stored: false, size: 111, tx_id: 7 });
  });

  it('too many: counted, and the rest goes on', () => {
    const b = make(2);
    assert.deepEqual([b.open('a'), b.open('b'), b.open('c')], [0, 1, -1]);
    b.data(-1, 'x');
    b.files.gap(-1, 1);
    b.files.close(-1, FileState.Closed);
    assert.equal(b.counters[Counter.AppFilesLost], 1);
    b.files.release(b.tx);
    assert.equal(b.files.first(b.tx), -1);
    assert.equal(b.open('d') >= 0, true);
  });

  it('memory comes back when the transaction ends', () => {
    const b = make();
    const used = b.txs.heap.used;
    for (let i = 0; i < 4; i++) {
      const file = b.open(`file ${i}`);
      b.data(file, 'x'.repeat(5000));
      b.packet();
    }
    assert.ok(b.txs.heap.used > used + 4 * 4096);
    b.txs.close(b.tx);
    b.txs.clearEnded();
    assert.equal(b.txs.heap.used, used);
  });

  it('of many files that have ended the first are shown again, the others keep nothing', () => {
    const b = make();
    for (let i = 0; i < 10; i++) {
      const file = b.open();
      b.data(file, String(i));
      if (i % 2 === 0) b.packet();
      b.files.close(file, FileState.Closed);
      b.packet();
    }
    const used = b.txs.heap.used;
    assert.deepEqual(b.packet().data, ['0', '1', '2', '3']);
    b.txs.close(b.tx);
    b.txs.clearEnded();
    assert.equal(used - b.txs.heap.used, 4 * 256);
  });

  it('shown elsewhere: a name and a size, no bytes', () => {
    const b = make();
    const file = b.open('a', 0, true);
    b.data(file, 'body');
    assert.deepEqual(b.packet(), { name: ['a'] });
    assert.equal(b.files.size[file], 4);
  });

  it('digests of those asked for, of what is whole; SHA-256 of the rest, too', () => {
    const b = make();
    b.files.want({ hashes: (1 << Hash.Md5) | (1 << Hash.Sha256), magic: false });
    const [whole, part] = [b.open(), b.open()];
    for (const text of ['ab', 'c']) {
      b.data(whole, text);
      b.data(part, text);
      b.packet();
    }
    b.files.close(whole, FileState.Closed);
    b.files.close(part, FileState.Truncated);
    const hex = (name: string) => createHash(name).update('abc').digest('hex');
    const { md5, sha1, sha256 } = b.record(whole);
    assert.deepEqual([md5, sha1, sha256], [hex('md5'), undefined, hex('sha256')]);
    assert.deepEqual([b.record(part).md5, b.record(part).sha256], [undefined, hex('sha256')]);
  });

  it('libmagic: at 512 bytes or at the end, also of what is shown elsewhere', (t) => {
    const b = make();
    try {
      b.files.want({ hashes: 0, magic: true });
    } catch (error) {
      assert.equal((error as { code: string }).code, 'SLUICE_MAGIC');
      t.skip('no libmagic here');
      return;
    }
    const [short, long] = [b.open('s'), b.open('l', 1, true)];
    b.data(short, '%PDF-1.4\n');
    b.data(long, 'GIF89a\x01\x00\x01\x00');
    assert.equal(b.packet().magic, undefined);
    b.files.close(short, FileState.Closed);
    assert.deepEqual(b.packet().magic, ['PDF document, version 1.4']);
    b.data(long, 'x'.repeat(600));
    assert.deepEqual(b.packet(1).magic, ['GIF image data, version 89a, 1 x 1']);
    assert.equal(b.record(short).magic, 'PDF document, version 1.4');
  });
});
