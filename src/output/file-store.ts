import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { STORE_BYTES, StoreAt, StoreBit } from '../app-layer/files/store-record.js';
import type { FileStoreConfig } from '../config/config.js';

/** What waits for the disk, bytes, files and things to do; beyond that files are given up. */
const MAX_BYTES = 64 << 20;
const MOST_FILES = 65536;
const MOST_JOBS = 131072;
/** Done at once: threads of node's pool that the logs need, too. */
const AT_ONCE = 2;
const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND, O_NOFOLLOW } = constants;

interface StoredFile {
  readonly path: string;
  chunks: Buffer[];
  handle: FileHandle | null;
  created: boolean;
  /** It stays open between writes. */
  kept: boolean;
  /** Work on it is on its way. */
  busy: boolean;
  /** Hexadecimal, once all bytes have come. */
  digest: string;
  /** What was written is to be removed. */
  gone: boolean;
}

/**
 * Writes stored files (user guide, "File Extraction"): `<dir>/tmp/file.<id>` while they come, then `<dir>/<aa>/<sha256>`. Lives in the
 * supervisor; nothing here throws or waits, what cannot be written is counted.
 *
 *   handle(record) ─► chunks (at most 64 MiB of all) ─► jobs, 2 at once ─► disk
 */
export class FileStoreWriter {
  /** Names as in Suricata's stats, file_store. */
  fsErrors = 0;
  openFilesMaxHit = 0;
  openFiles = 0;
  private readonly dir: string;
  private readonly files = new Map<number, StoredFile>();
  private readonly jobs: (() => Promise<void>)[] = [];
  private next = 0;
  private readonly folders = new Set<string>();
  private pendingBytes = 0;
  private running = 0;
  private serial = 0;
  private kept = 0;
  private reported = false;
  /** Files whose end was never told. */
  private cut = 0;
  private idle: (() => void) | undefined;

  constructor(
    private readonly config: FileStoreConfig,
    logDir: string,
    private readonly onProblem: (line: string) => void,
  ) {
    this.dir = isAbsolute(config.dir) ? config.dir : join(logDir, config.dir);
  }

  /** More waits than half of what may. */
  get behind(): boolean {
    return this.pendingBytes * 2 > MAX_BYTES || this.jobs.length * 2 > MOST_JOBS;
  }

  /** A record (store-record.ts) of an event ring: it comes from a process that parses hostile traffic. False: it makes no sense. */
  handle(bytes: Uint8Array, view: DataView, offset: number, length: number): boolean {
    if (length < StoreAt.Bytes) return false;
    const n = view.getUint32(offset + StoreAt.Length, true);
    if (n > STORE_BYTES || StoreAt.Bytes + n > length) return false;
    const bits = bytes[offset + StoreAt.Bits];
    const id = view.getUint32(offset + StoreAt.Id, true);
    if ((bits & StoreBit.First) !== 0) this.begin(id);
    const file = this.files.get(id);
    // It was given up, or its beginning was never seen.
    if (file === undefined) return true;
    if ((bits & StoreBit.Gone) !== 0) this.giveUp(id, file);
    else if (file.gone) {
      if ((bits & StoreBit.Last) !== 0) this.files.delete(id);
    } else {
      if (n > 0) {
        if (this.pendingBytes + n > MAX_BYTES) {
          this.fsErrors++;
          this.report(`the disk is too slow: more than ${MAX_BYTES} bytes wait`);
          this.giveUp(id, file);
          return true;
        }
        this.pendingBytes += n;
        file.chunks.push(Buffer.from(bytes.subarray(offset + StoreAt.Bytes, offset + StoreAt.Bytes + n)));
      }
      if ((bits & StoreBit.Last) !== 0) {
        file.digest = Buffer.from(bytes.subarray(offset + StoreAt.Digest, offset + StoreAt.Bytes)).toString('hex');
        this.files.delete(id);
      }
      this.schedule(file);
    }
    return true;
  }

  /** The record of a stored file goes beside it. `sec`: of the packet. */
  info(line: string, digest: string, id: number, sec: number): void {
    if (!this.config.writeFileinfo || !/^[0-9a-f]{64}$/.test(digest)) return;
    this.add(async () => {
      const folder = await this.folder(digest.slice(0, 2));
      await writeFile(join(folder, `${digest}.${sec}.${id}.json`), `${line}\n`, { mode: 0o640 });
    });
  }

  /** All that has come is written; what has no end is removed. */
  async close(): Promise<void> {
    for (const [id, file] of this.files) {
      this.cut++;
      this.giveUp(id, file);
    }
    if (this.cut > 0) this.onProblem(`file-store: ${this.cut} files are not stored: what inspected them ended before they did`);
    if (this.running > 0 || this.jobs.length > 0) await new Promise<void>((resolve) => (this.idle = resolve));
  }

  private begin(id: number): void {
    const old = this.files.get(id);
    if (old !== undefined) {
      this.cut++;
      this.giveUp(id, old);
    }
    if (this.files.size >= MOST_FILES) {
      this.fsErrors++;
      return;
    }
    // Its own name: what is left of an older one of that number may still be on its way.
    const path = join(this.dir, 'tmp', `file.${id}.${++this.serial}`);
    const kept = this.kept < this.config.maxOpenFiles;
    if (kept) this.kept++;
    else if (this.config.maxOpenFiles > 0) this.openFilesMaxHit++;
    this.files.set(id, { path, chunks: [], handle: null, created: false, kept, busy: false, digest: '', gone: false });
  }

  private giveUp(id: number, file: StoredFile): void {
    this.discard(file);
    if (this.files.get(id) === file) this.files.delete(id);
    this.schedule(file);
  }

  private discard(file: StoredFile): void {
    file.gone = true;
    for (const chunk of file.chunks) this.pendingBytes -= chunk.length;
    file.chunks = [];
  }

  private schedule(file: StoredFile): void {
    if (file.busy) return;
    file.busy = true;
    if (!this.add(() => this.work(file))) file.busy = false;
  }

  private add(job: () => Promise<void>): boolean {
    if (this.jobs.length - this.next >= MOST_JOBS) {
      this.fsErrors++;
      return false;
    }
    this.jobs.push(job);
    if (this.running < AT_ONCE) void this.run();
    return true;
  }

  private async run(): Promise<void> {
    this.running++;
    while (this.next < this.jobs.length) {
      const job = this.jobs[this.next++];
      if (this.next === this.jobs.length || this.next === 4096) {
        this.jobs.splice(0, this.next);
        this.next = 0;
      }
      try {
        await job();
      } catch (error) {
        this.fsErrors++;
        this.report((error as Error).message);
        // Somebody may have removed them.
        this.folders.clear();
      }
    }
    this.running--;
    if (this.running === 0) this.idle?.();
  }

  /** Brings a file as far as its bytes have come. */
  private async work(file: StoredFile): Promise<void> {
    try {
      while (file.chunks.length > 0 || (file.digest !== '' && !file.created && !file.gone)) {
        const batch = Buffer.concat(file.chunks);
        file.chunks = [];
        try {
          await this.append(file, batch);
        } finally {
          this.pendingBytes -= batch.length;
        }
      }
      if (file.gone) await this.remove(file);
      else if (file.digest !== '') await this.settle(file);
      else if (!file.kept) await this.shut(file);
    } catch (error) {
      this.discard(file);
      await this.remove(file).catch(() => undefined);
      throw error;
    } finally {
      file.busy = false;
      const isDone = file.gone || (file.digest !== '' && file.handle === null);
      if (isDone && file.kept) {
        file.kept = false;
        this.kept--;
      }
      if (file.gone ? file.created : file.chunks.length > 0 || (file.digest !== '' && file.created)) this.schedule(file);
    }
  }

  private async append(file: StoredFile, batch: Buffer): Promise<void> {
    if (file.handle === null) {
      await this.folder('tmp');
      file.handle = await open(file.path, O_WRONLY | O_NOFOLLOW | (file.created ? O_APPEND : O_CREAT | O_TRUNC), 0o640);
      this.openFiles++;
    }
    file.created = true;
    for (let at = 0; at < batch.length; ) at += (await file.handle.write(batch, at)).bytesWritten;
  }

  /** It has its name now; of one that is there already only the time changes. */
  private async settle(file: StoredFile): Promise<void> {
    await this.shut(file);
    const path = join(await this.folder(file.digest.slice(0, 2)), file.digest);
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    if (isThere) {
      const now = new Date();
      await utimes(path, now, now);
      await unlink(file.path);
    } else await rename(file.path, path);
    file.created = false;
  }

  private async remove(file: StoredFile): Promise<void> {
    await this.shut(file);
    const { created } = file;
    file.created = false;
    if (created) await unlink(file.path);
  }

  private async shut(file: StoredFile): Promise<void> {
    const { handle } = file;
    if (handle === null) return;
    file.handle = null;
    this.openFiles--;
    await handle.close();
  }

  private async folder(name: string): Promise<string> {
    const path = join(this.dir, name);
    if (!this.folders.has(name)) {
      await makeFolder(path);
      this.folders.add(name);
    }
    return path;
  }

  /** The first of its kind is reported, all are counted. */
  private report(what: string): void {
    if (this.reported) return;
    this.reported = true;
    this.onProblem(`file-store: files are not stored: ${what} (${this.dir}); further errors are counted in file_store.fs_errors`);
  }
}

/** Not mkdir's own recursion: on file systems that answer ENOENT to every mkdir (/proc) it never ends. */
async function makeFolder(path: string): Promise<void> {
  const make = () =>
    mkdir(path, { mode: 0o750 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make();
  }
}
