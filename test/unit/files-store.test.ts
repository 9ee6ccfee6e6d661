import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { AppProto } from '../../src/app-layer/buffers.js';
import { FileState, Files, type Storing } from '../../src/app-layer/files/files.js';
import type { FileStore } from '../../src/app-layer/files/store.js';
import { STORE_TYPE, StoreAt, StoreBit } from '../../src/app-layer/files/store-record.js';
import { Transactions } from '../../src/app-layer/transactions.js';
import type { FileStoreConfig } from '../../src/config/config.js';
import { storingOf } from '../../src/detect/tests/files.js';
import { Counter } from '../../src/metrics/counters.js';
import { FileStoreWriter } from '../../src/output/file-store.js';
import { EventRing } from '../../src/ring/event-ring.js';
import { rules } from '../support/detect.js';

let directory = '';
const disposed: (() => void)[] = [];
afterEach(() => {
  for (const dispose of disposed.splice(0)) dispose();
  if (directory !== '') rmSync(directory, { recursive: true, force: true });
  directory = '';
});

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** Files of two sessions' transactions, a ring, and the writer at its other end. */
class Bench {
  readonly counters = new Float64Array(Counter.Count);
  readonly txs = new Transactions(16, 8 << 20, 64, 4);
  readonly files = new Files(this.txs, this.counters, 64);
  readonly store: FileStore;
  readonly ring = new EventRing(new ArrayBuffer(EventRing.bytesFor(1 << 17)), 1 << 17);
  readonly problems: string[] = [];
  readonly writer: FileStoreWriter;
  private ids = 0;

  constructor(all = false, config: Partial<FileStoreConfig> = {}) {
    directory = mkdtempSync(join(tmpdir(), 'sluice-store-'));
    this.store = this.files.keepFor(0, all);
    const whole = { dir: 'filestore', writeFileinfo: false, force: all, maxOpenFiles: 0, ...config };
    this.writer = new FileStoreWriter(whole, directory, (line) => this.problems.push(line));
    disposed.push(() => {
      this.files.dispose();
      this.txs.heap.close();
    });
  }

  tx(session = 0): number {
    return this.txs.open(session, AppProto.Http, this.ids++);
  }

  open(tx: number, direction = 0, name = ''): number {
    return this.files.open(tx, direction, Buffer.from(name), 0, name.length, true);
  }

  data(file: number, text: string | Uint8Array): void {
    const bytes = Buffer.from(text);
    this.files.data(file, bytes, -1, 0, bytes.length);
  }

  whole(tx: number, text: string | Uint8Array, direction = 0, name = ''): number {
    const file = this.open(tx, direction, name);
    this.data(file, text);
    this.files.close(file, FileState.Closed);
    return file;
  }

  /** What the supervisor does. */
  drain(): void {
    for (let at = this.ring.peek(); at >= 0; at = this.ring.peek()) {
      assert.equal(this.writer.handle(this.ring.bytes, this.ring.view, at, this.ring.length), true);
      this.ring.release();
    }
  }

  async done(): Promise<string[]> {
    for (this.store.pump(this.ring); ; this.store.pump(this.ring)) {
      this.drain();
      if (!this.store.pending) break;
    }
    await this.writer.close();
    return this.stored();
  }

  /** Digests of what is in the store; each stands in its folder and has that digest. */
  stored(): string[] {
    const dir = join(directory, 'filestore');
    if (!existsSync(dir)) return [];
    return readdirSync(dir)
      .flatMap((folder) => readdirSync(join(dir, folder)).map((name) => [folder, name]))
      .filter(([, name]) => !name.endsWith('.json'))
      .map(([folder, name]) => {
        assert.equal(folder, name.slice(0, 2));
        assert.equal(sha256(readFileSync(join(dir, folder, name))), name);
        return name;
      })
      .sort();
  }
}

const storing = (options: string): Storing => storingOf(rules(`alert http any any -> any any (${options})`)[0])!;
const sorted = (...texts: (string | Uint8Array)[]): string[] => [...new Set(texts.map(sha256))].sort();

describe('file store', () => {
  it('has all files when told so, under their digests', async () => {
    const b = new Bench(true);
    const tx = b.tx();
    const ids = ['one', 'two', '', 'one'].map((text) => b.files.storeId(b.whole(tx, text)));
    b.files.release(tx);
    assert.deepEqual(ids, [1, 2, 3, 4]);
    assert.deepEqual(await b.done(), sorted('one', 'two', ''));
    assert.deepEqual([b.writer.fsErrors, b.writer.openFiles, b.problems], [0, 0, []]);
  });

  it('has what came before a rule matched', async () => {
    const b = new Bench();
    const tx = b.tx();
    const file = b.open(tx, 0, 'a.exe');
    const bytes = Buffer.alloc(100_000, 'abc');
    b.data(file, bytes.subarray(0, 50_000));
    b.store.pump(b.ring);
    assert.equal(b.ring.peek(), -1, 'nothing is handed over before');
    b.files.storeBy(tx, 0, storing('filename:"a.exe"; filestore;'));
    b.data(file, bytes.subarray(50_000));
    b.files.close(file, FileState.Closed);
    b.files.release(tx);
    assert.deepEqual(await b.done(), sorted(bytes));
  });

  it('has a rule match behind the end of its transaction', async () => {
    const b = new Bench();
    const tx = b.tx();
    b.whole(tx, 'late');
    b.files.storeBy(tx, 0, storing('filestore;'));
    b.files.release(tx);
    assert.deepEqual(await b.done(), sorted('late'));
  });

  it('gives back what no rule wants', async () => {
    const b = new Bench();
    const tx = b.tx();
    const file = b.whole(tx, 'nobody');
    assert.equal(b.files.storeId(file), 0);
    b.files.release(tx);
    assert.deepEqual(await b.done(), []);
    assert.equal((b.store as unknown as { heap: { used: number } }).heap.used, 0);
  });

  for (const [options, expected] of [
    ['filestore;', ['ts1', 'ts2']],
    ['filename:"1"; filestore;', ['ts1']],
    ['filestore:to_client,file;', []],
    ['filestore:request;', ['ts1', 'ts2', 'ts3']],
    ['filestore:response,tx;', ['tc1', 'tc3']],
    ['filestore:both,tx;', ['ts1', 'ts2', 'tc1', 'ts3', 'tc3']],
    ['filestore:both,ssn;', ['ts1', 'ts2', 'tc1', 'ts3', 'tc3', 'ts4', 'tc4']],
    ['filestore:to_client,flow;', ['tc1', 'tc3', 'tc4']],
  ] as const)
    it(`${options} stores ${expected.join(' ')}`, async () => {
      const b = new Bench();
      const tx = b.tx();
      const both = (to: number, ...names: string[]) => {
        for (const name of names) b.whole(to, name, name.startsWith('tc') ? 1 : 0, name);
      };
      both(tx, 'ts1', 'ts2', 'tc1');
      b.files.storeBy(tx, 0, storing(options));
      both(tx, 'ts3', 'tc3');
      const next = b.tx();
      both(next, 'ts4', 'tc4');
      both(b.tx(1), 'ts5', 'tc5');
      assert.deepEqual(await b.done(), sorted(...expected));
    });

  it('forgets a flow that has ended', () => {
    const b = new Bench();
    b.files.storeBy(b.tx(), 0, storing('filestore:both,ssn;'));
    b.files.sessionEnded(0);
    assert.equal(b.files.storeId(b.whole(b.tx(), 'x')), 0);
  });

  it('forgets a transaction that had no files', () => {
    const b = new Bench();
    const tx = b.tx();
    b.files.storeBy(tx, 0, storing('filestore:both,tx;'));
    b.txs.close(tx);
    b.txs.clearEnded();
    const next = b.tx();
    assert.equal(next, tx, 'the same line');
    assert.equal(b.files.storeId(b.whole(next, 'x')), 0);
  });

  it('names the rules that asked, each once', () => {
    const b = new Bench();
    const tx = b.tx();
    const file = b.whole(tx, 'x');
    for (const sid of [5, 7, 5]) b.files.storeBy(tx, 0, { ...storing('filestore;'), sid });
    assert.deepEqual(b.files.sidsOf(file), [5, 7]);
    b.files.release(tx);
    assert.deepEqual(b.files.sidsOf(file), []);
  });

  it('has every byte, however files, the ring and the reader take turns', async () => {
    const step = fc.record({ file: fc.nat(2), size: fc.nat(30_000), pump: fc.boolean(), drain: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const b = new Bench(true);
        const tx = b.tx();
        const files = [0, 1, 2].map(() => b.open(tx));
        const texts = [0, 1, 2].map((i) => [Buffer.from([i])]);
        for (const [i, text] of texts.entries()) b.data(files[i], text[0]);
        for (const [n, { file, size, pump, drain }] of steps.entries()) {
          texts[file].push(Buffer.alloc(size, n));
          b.data(files[file], texts[file].at(-1)!);
          if (pump) b.store.pump(b.ring);
          if (drain) b.drain();
        }
        for (const file of files) b.files.close(file, FileState.Closed);
        b.files.release(tx);
        assert.deepEqual(await b.done(), sorted(...texts.map((text) => Buffer.concat(text))));
        assert.equal((b.store as unknown as { heap: { used: number } }).heap.used, 0);
        rmSync(directory, { recursive: true });
      }),
      { numRuns: 25 },
    );
  });

  it('without room gives the file up, counted, and removes what was written', async () => {
    const b = new Bench(true);
    const tx = b.tx();
    const file = b.open(tx);
    b.data(file, Buffer.alloc(20_000));
    b.store.pump(b.ring);
    b.drain();
    const piece = Buffer.alloc(1 << 20);
    for (let i = 0; i < 70; i++) b.data(file, piece);
    assert.deepEqual([b.counters[Counter.FilesNotStored], b.files.storeId(file)], [1, 0]);
    b.files.close(file, FileState.Closed);
    b.whole(tx, 'next');
    b.files.release(tx);
    assert.deepEqual(await b.done(), sorted('next'));
    assert.deepEqual(readdirSync(join(directory, 'filestore', 'tmp')), []);
  });
});

describe('the end of a thread', () => {
  it('counts the files of which the writer does not have all', async () => {
    const b = new Bench();
    const tx = b.tx();
    const [handed, ended, open, given] = ['handed', 'ended', 'open', 'given'].map((name) => b.open(tx, 0, name));
    for (const file of [handed, ended, open]) b.files.storeBy(tx, 0, { ...storing('filestore;'), matches: (_, one) => one === file });
    b.data(handed, 'all of it');
    b.files.close(handed, FileState.Closed);
    b.store.pump(b.ring);
    assert.equal(b.store.records, 1);
    for (const file of [ended, open, given]) b.data(file, Buffer.alloc(20_000, file));
    for (const file of [ended, given]) b.files.close(file, FileState.Closed);
    b.store.abandon();
    assert.equal(b.counters[Counter.FilesNotStored], 2);
  });

  it('counts nothing twice, and nothing that is stored', () => {
    const b = new Bench(true);
    const tx = b.tx();
    b.whole(tx, 'one');
    const lost = b.open(tx);
    b.data(lost, Buffer.alloc(20_000));
    b.store.pump(b.ring);
    b.files.release(tx);
    b.store.abandon();
    assert.equal(b.counters[Counter.FilesNotStored], 1);
    b.whole(b.tx(), 'two');
    b.store.pump(b.ring);
    b.store.abandon();
    assert.equal(b.counters[Counter.FilesNotStored], 1);
  });
});

describe('writer of the file store', () => {
  it('removes at its end what has none', async () => {
    const b = new Bench(true);
    b.data(b.open(b.tx()), Buffer.alloc(20_000));
    assert.deepEqual(await b.done(), []);
    assert.deepEqual(readdirSync(join(directory, 'filestore', 'tmp')), []);
    assert.deepEqual(b.problems, ['file-store: 1 files are not stored: what inspected them ended before they did']);
  });

  it('counts what it cannot write, reports it once, and goes on', async () => {
    const b = new Bench(true);
    writeFileSync(join(directory, 'filestore'), 'in the way');
    const tx = b.tx();
    for (const text of ['a', 'b', 'c']) b.whole(tx, text);
    b.store.pump(b.ring);
    b.drain();
    await b.writer.close();
    assert.equal(b.writer.fsErrors, 3);
    assert.equal(b.problems.length, 1);
    assert.match(b.problems[0], /^file-store: files are not stored: ENOTDIR/);
  });

  it('does not count as waiting what came while the disk refused', async () => {
    const b = new Bench(true);
    writeFileSync(join(directory, 'filestore'), 'in the way');
    const file = b.open(b.tx());
    const piece = Buffer.alloc(60_000);
    for (let i = 0; i < 10; i++) {
      b.data(file, piece);
      b.store.pump(b.ring);
      b.drain();
    }
    const waiting = () => (b.writer as unknown as { pendingBytes: number }).pendingBytes;
    assert.ok(waiting() > 500_000);
    // The disk's answer, and more bytes before it.
    await new Promise((resolve) => setImmediate(resolve));
    b.data(file, piece);
    b.store.pump(b.ring);
    b.drain();
    while (b.writer.fsErrors === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(waiting(), 0);
    b.files.close(file, FileState.Closed);
    b.store.pump(b.ring);
    b.drain();
    await b.writer.close();
    assert.deepEqual([waiting(), b.writer.fsErrors], [0, 1]);
  });

  it('keeps max-open-files open, and counts what is beyond', async () => {
    const b = new Bench(true, { maxOpenFiles: 2 });
    const tx = b.tx();
    const files = [0, 1, 2].map((i) => {
      const file = b.open(tx);
      b.data(file, Buffer.alloc(20_000, i));
      return file;
    });
    b.store.pump(b.ring);
    b.drain();
    assert.equal(b.writer.openFilesMaxHit, 1);
    for (const file of files) b.files.close(file, FileState.Closed);
    assert.equal((await b.done()).length, 3);
    assert.equal(b.writer.openFiles, 0);
  });

  it('writes a record beside a stored file, and nowhere else', async () => {
    const b = new Bench(true, { writeFileinfo: true });
    const digest = sha256('x');
    b.writer.info('{"a":1}', digest, 7, 1234);
    b.writer.info('{"a":1}', '../../../etc/passwd', 7, 1234);
    await b.writer.close();
    assert.equal(readFileSync(join(directory, 'filestore', digest.slice(0, 2), `${digest}.1234.7.json`), 'latin1'), '{"a":1}\n');
    assert.deepEqual(readdirSync(join(directory, 'filestore')), [digest.slice(0, 2)]);
  });

  it('survives any record', async () => {
    const record = fc.record({ bits: fc.nat(15), id: fc.nat(3), claimed: fc.oneof(fc.nat(100), fc.nat(0xffffffff)), size: fc.nat(120) });
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 30 }), async (records) => {
        const b = new Bench();
        for (const { bits, id, claimed, size } of records) {
          const bytes = new Uint8Array(size);
          const view = new DataView(bytes.buffer);
          if (size >= StoreAt.Bytes) {
            bytes[StoreAt.Type] = STORE_TYPE;
            bytes[StoreAt.Bits] = bits;
            view.setUint32(StoreAt.Id, id, true);
            view.setUint32(StoreAt.Length, claimed, true);
          }
          assert.equal(b.writer.handle(bytes, view, 0, size), size >= StoreAt.Bytes && claimed <= size - StoreAt.Bytes);
        }
        await b.writer.close();
        const tmp = join(directory, 'filestore', 'tmp');
        assert.deepEqual(existsSync(tmp) ? readdirSync(tmp) : [], []);
        assert.equal(b.writer.behind, false);
        rmSync(directory, { recursive: true });
      }),
      { numRuns: 60 },
    );
    assert.equal(StoreBit.First | StoreBit.Last | StoreBit.Gone, 7);
  });
});
