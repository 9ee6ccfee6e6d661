/**
 * The folder of compiled rules: what an earlier start worked out, kept for the next.
 *
 *   rules-<key>.bin   a whole rule set, ready to share (rule-image.ts)      key: SHA-256 of all that went into it
 *   mpm-<key>.bin     one Vectorscan database                               key: SHA-256 of literals, library, processor
 *
 *   | magic 8 | payload bytes, u64 | SHA-256 of the payload 32 | 0 0 ... to 64 | payload
 *
 * Whoever can write here owns the engine: v8.deserialize and Vectorscan trust their input. So the folder and all above
 * it must belong to us or root and be writable for nobody else, and so must each file; the checksum is against
 * accidents only. What is refused or damaged is counted, removed and made anew.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { DatabaseStore } from '../detect/databases.js';

const MAGIC = 'SLUICEC1';
const HEADER = 64;
/** The oldest files beyond these go. */
const MAX_FILES = 128;
const MAX_BYTES = 512 * 1024 ** 2;
/** A file that is being written and whose writer died. */
const STALE_MS = 3_600_000;

export const DEFAULT_CACHE = '/var/lib/sluice/cache';

export class RuleCache implements DatabaseStore {
  /** Files used, looked for in vain, refused or damaged. */
  hits = 0;
  misses = 0;
  bad = 0;
  /** Why files were refused, or could not be written: one line each. */
  readonly problems: string[] = [];

  private constructor(
    readonly folder: string,
    private readonly version: string,
  ) {}

  /**
   * The cache in `folder`, made when it is missing, or why it cannot be used. `version`: of whatever makes databases.
   * `uid`: who may own it besides root.
   */
  static open(folder: string, version: string, uid: number = process.geteuid?.() ?? 0): RuleCache | string {
    try {
      makeFolder(folder, 0o700);
      if (fs.lstatSync(folder).isSymbolicLink()) return `${folder} is a symbolic link`;
      const real = fs.realpathSync(folder);
      for (let at = real; ; at = dirname(at)) {
        const why = refusal(fs.lstatSync(at), uid, at !== real);
        if (why !== '') return `${at} ${why}`;
        if (at === dirname(at)) break;
      }
      fs.accessSync(real, fs.constants.W_OK | fs.constants.X_OK);
      return new RuleCache(real, version);
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** DatabaseStore: a database by the key of its literals. */
  read(key: string): Uint8Array | undefined {
    return this.readFile(this.databaseFile(key));
  }

  write(key: string, bytes: Uint8Array): void {
    this.writeFile(this.databaseFile(key), bytes);
  }

  /** The payload, in memory that threads can share; undefined: not there, or not to be trusted. */
  readFile(name: string): Uint8Array | undefined {
    const path = join(this.folder, name);
    let fd = -1;
    try {
      fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
      const stat = fs.fstatSync(fd);
      const why = !stat.isFile()
        ? 'is not a regular file'
        : stat.nlink !== 1
          ? 'has a second name'
          : refusal(stat, process.geteuid?.() ?? 0, false);
      if (why !== '') return this.refuse(path, why);
      if (stat.size < HEADER || stat.size > MAX_BYTES) return this.refuse(path, 'has no valid length');
      const all = new Uint8Array(new SharedArrayBuffer(stat.size));
      for (let at = 0; at < all.length; ) {
        const n = fs.readSync(fd, all, at, all.length - at, at);
        if (n === 0) return this.refuse(path, 'ends early');
        at += n;
      }
      const payload = all.subarray(HEADER);
      if (!Buffer.from(all.subarray(0, HEADER)).equals(header(payload))) return this.refuse(path, 'is damaged or of another version');
      this.hits++;
      markUsed(fd, stat);
      return payload;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') this.misses++;
      else this.refuse(path, code === 'ELOOP' ? 'is a symbolic link' : message);
      return undefined;
    } finally {
      if (fd >= 0) fs.closeSync(fd);
    }
  }

  /** Whole or not at all: readers see the old file or the new one. A failure is a problem, never an exception. */
  writeFile(name: string, payload: Uint8Array): void {
    const temporary = join(this.folder, `.${name}.${process.pid}.tmp`);
    try {
      const fd = fs.openSync(
        temporary,
        fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW,
        0o600,
      );
      try {
        for (const part of [header(payload), payload]) for (let at = 0; at < part.length; ) at += fs.writeSync(fd, part, at);
      } finally {
        fs.closeSync(fd);
      }
      fs.renameSync(temporary, join(this.folder, name));
    } catch (error) {
      this.problems.push(`${temporary}: ${(error as Error).message}`);
      fs.rmSync(temporary, { force: true });
    }
  }

  /** Keeps the folder within its bounds: oldest use first. */
  tidy(): void {
    try {
      const files: { path: string; bytes: number; used: number }[] = [];
      for (const name of fs.readdirSync(this.folder)) {
        const path = join(this.folder, name);
        const stat = fs.lstatSync(path, { throwIfNoEntry: false });
        if (stat === undefined || !stat.isFile()) continue;
        if (/^\..*\.tmp$/.test(name)) {
          if (Date.now() - stat.mtimeMs > STALE_MS) fs.rmSync(path, { force: true });
        } else if (/^(rules|mpm)-[0-9a-f]{64}\.bin$/.test(name)) files.push({ path, bytes: stat.size, used: stat.mtimeMs });
      }
      files.sort((a, b) => b.used - a.used);
      let bytes = 0;
      for (let i = 0; i < files.length; i++) {
        bytes += files[i].bytes;
        if (i >= MAX_FILES || bytes > MAX_BYTES) fs.rmSync(files[i].path, { force: true });
      }
    } catch (error) {
      this.problems.push(`${this.folder}: ${(error as Error).message}`);
    }
  }

  private databaseFile(key: string): string {
    return `mpm-${createHash('sha256').update(`${this.version}\0${key}`).digest('hex')}.bin`;
  }

  private refuse(path: string, why: string): undefined {
    this.bad++;
    this.problems.push(`${path} ${why}: removed`);
    try {
      fs.rmSync(path, { force: true });
    } catch {
      // A folder of that name: it is never read, and stays.
    }
    return undefined;
  }
}

/** The oldest by use go first. Of a file that root made, another user may not say so: it is good all the same. */
function markUsed(fd: number, stat: fs.Stats): void {
  try {
    fs.futimesSync(fd, stat.atime, new Date());
  } catch {
    // Its age stays.
  }
}

/** Not mkdir's own recursion: on file systems that answer ENOENT to every mkdir (/proc) it never ends. */
function makeFolder(path: string, mode: number): void {
  if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  if (dirname(path) !== path) makeFolder(dirname(path), 0o755);
  fs.mkdirSync(path, { mode });
}

function header(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(HEADER);
  head.write(MAGIC, 'latin1');
  head.writeBigUInt64LE(BigInt(payload.length), 8);
  createHash('sha256').update(payload).digest().copy(head, 16);
  return head;
}

/** '' or why the file or folder is not ours alone. `above`: a folder others may write to when it is sticky, as /tmp is. */
function refusal(stat: fs.Stats, uid: number, above: boolean): string {
  if (stat.uid !== 0 && stat.uid !== uid) return `belongs to user ${stat.uid}`;
  if ((stat.mode & 0o022) !== 0 && !(above && (stat.mode & 0o1000) !== 0)) return 'can be written by others';
  return '';
}
