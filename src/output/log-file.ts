import { close, constants, fstat, open, write } from 'node:fs';

/**
 * One log file that never blocks and never throws. Lines wait in a bounded buffer; one asynchronous
 * write is in flight at a time. When the disk is full or the file cannot be opened, that is reported once,
 * lines wait until the buffer is full and are then lost and counted; every `retryMs` it tries again, and
 * reports once when it writes again.
 *
 *   write(line) -> | pending lines (at most maxBytes) | -> | batch in flight | -> file
 *                        full: lost++                      partial write: goes on at its offset
 *
 * Reopens by itself when the file was deleted (its link count is 0), not when it was renamed: renaming is
 * log rotation, and rotation says SIGHUP (`reopen`) when it is done.
 */
export interface LogFileOptions {
  /** Name in messages and counters, e.g. `fast.log`. */
  name: string;
  path: string;
  /** false: the first open empties the file. */
  append: boolean;
  onProblem: (line: string) => void;
  maxBytes?: number;
  retryMs?: number;
}

const MAX_BYTES = 8 * 1024 * 1024;
const BATCH_BYTES = 1024 * 1024;
/** O_NONBLOCK: a FIFO nobody reads must not hang a thread of the pool. No effect on regular files. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK;
/** Errors that pass by themselves: the file stays open. After any other, it is opened anew. */
const KEEP_OPEN = new Set(['ENOSPC', 'EDQUOT', 'EAGAIN']);
const HINTS: Record<string, string> = {
  ENOSPC: 'the disk is full; free space',
  EDQUOT: 'the quota is used up; free space',
  ENOENT: 'the directory does not exist; create it',
  ENOTDIR: 'the directory does not exist; create it',
  EACCES: 'no permission; give the user Sluice runs as write access',
  EROFS: 'the file system is read-only; remount it',
  ENXIO: 'nobody reads the pipe; start its reader',
};

export class LogFile {
  readonly name: string;
  /** Lines that were not written and never will be. */
  lost = 0;
  /** Lines written. */
  written = 0;
  private readonly path: string;
  private readonly maxBytes: number;
  private readonly retryMs: number;
  private readonly onProblem: (line: string) => void;
  private truncate: boolean;
  private fd = -1;
  private pending: string[] = [];
  private pendingBytes = 0;
  private batch: Buffer | undefined;
  private batchLines = 0;
  private batchOffset = 0;
  private busy = false;
  private failing = false;
  private lostBefore = 0;
  private reopenWanted = false;
  private closing: (() => void) | undefined;
  private closed = false;
  private retryTimer: NodeJS.Timeout | undefined;
  private checkTimer: NodeJS.Timeout | undefined;
  private checkedAt = 0;
  /** Lines written since the file was last known to exist. */
  private unchecked = 0;

  constructor(options: LogFileOptions) {
    this.name = options.name;
    this.path = options.path;
    this.truncate = !options.append;
    this.onProblem = options.onProblem;
    this.maxBytes = options.maxBytes ?? MAX_BYTES;
    this.retryMs = options.retryMs ?? 1000;
    this.advance();
  }

  /** One or more whole lines, without the last line end. */
  write(text: string): void {
    const bytes = Buffer.byteLength(text) + 1;
    if (this.closed || this.closing !== undefined || this.pendingBytes + bytes > this.maxBytes) {
      this.lost++;
      return;
    }
    this.pending.push(text);
    this.pendingBytes += bytes;
    if (!this.busy && this.retryTimer === undefined) this.advance();
  }

  /** True while lines come faster than the disk takes them, and half the memory for them is used. Not when the disk fails. */
  congested(): boolean {
    return this.pendingBytes * 2 > this.maxBytes && !this.failing && !this.closed;
  }

  /** Closes and opens the file under its name again (SIGHUP). */
  reopen(): void {
    if (this.closed) return;
    this.reopenWanted = true;
    this.wake();
  }

  /** Writes what it can, then closes. What a failing disk still holds back is counted as lost. */
  close(): Promise<void> {
    if (this.closed || this.closing !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.closing = resolve;
      this.wake();
    });
  }

  private wake(): void {
    if (this.busy) return;
    if (this.retryTimer !== undefined) clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.advance();
  }

  /** The next step: reopen, open, check, write, close or rest. Never two at a time. */
  private advance(): void {
    if (this.busy || this.closed) return;
    if (this.reopenWanted) {
      this.reopenWanted = false;
      this.closeFd();
    }
    if (this.fd < 0) this.openFile();
    else if (this.batch === undefined && this.pending.length === 0) this.rest();
    else if (Date.now() - this.checkedAt >= this.retryMs) this.checkFile();
    else this.writeBatch();
  }

  private rest(): void {
    if (this.closing === undefined) {
      if (this.unchecked > 0) this.checkLater();
    } else if (this.unchecked > 0) this.checkFile();
    else this.finish();
  }

  /** Lines that went to a deleted file are lost: that is noticed, and told, also when no line comes after them. */
  private checkLater(): void {
    if (this.checkTimer !== undefined) return;
    this.checkTimer = setTimeout(() => {
      this.checkTimer = undefined;
      if (!this.busy && !this.closed && this.fd >= 0 && this.retryTimer === undefined && this.unchecked > 0) this.checkFile();
    }, this.retryMs);
    this.checkTimer.unref();
  }

  private openFile(): void {
    this.busy = true;
    open(this.path, this.truncate ? FLAGS | constants.O_TRUNC : FLAGS, 0o640, (error, fd) => {
      this.busy = false;
      if (error !== null) {
        this.problem(error, 'open');
        return;
      }
      this.truncate = false;
      this.fd = fd;
      this.checkedAt = Date.now();
      this.unchecked = 0;
      // A file that opens says nothing yet about a full disk: recovery is reported by the first write.
      if (this.batch === undefined && this.pending.length === 0) this.recovered();
      this.advance();
    });
  }

  private checkFile(): void {
    this.busy = true;
    fstat(this.fd, (error, stats) => {
      this.busy = false;
      this.checkedAt = Date.now();
      if (error !== null || stats.nlink === 0) {
        this.lost += this.unchecked;
        this.written -= this.unchecked;
        this.closeFd();
        // A line cut in two by the old file must not start in the middle of the new one.
        if (this.batchOffset > 0) this.restartBatch();
      }
      this.unchecked = 0;
      this.advance();
    });
  }

  private restartBatch(): void {
    if (this.batch === undefined) return;
    let start = this.batchOffset;
    while (start > 0 && this.batch[start - 1] !== 0x0a) start--;
    this.batch = this.batch.subarray(start);
    this.batchOffset = 0;
  }

  private writeBatch(): void {
    if (this.batch === undefined) {
      let count = 0;
      let bytes = 0;
      while (count < this.pending.length && bytes < BATCH_BYTES) bytes += this.pending[count++].length + 1;
      const lines = this.pending.splice(0, count);
      this.batch = Buffer.from(`${lines.join('\n')}\n`);
      this.batchLines = count;
      this.batchOffset = 0;
      this.pendingBytes -= this.batch.length;
    }
    const batch = this.batch;
    this.busy = true;
    write(this.fd, batch, this.batchOffset, batch.length - this.batchOffset, null, (error, bytes) => {
      this.busy = false;
      if (error !== null) {
        if (!KEEP_OPEN.has(error.code ?? '')) {
          this.closeFd();
          this.restartBatch();
        }
        this.problem(error, 'write to');
        return;
      }
      this.batchOffset += bytes;
      if (this.batchOffset >= batch.length) {
        this.batch = undefined;
        this.written += this.batchLines;
        this.unchecked += this.batchLines;
        this.recovered();
      }
      this.advance();
    });
  }

  private problem(error: NodeJS.ErrnoException, doing: string): void {
    if (!this.failing) {
      this.failing = true;
      this.lostBefore = this.lost;
      const hint = HINTS[error.code ?? ''] ?? error.message;
      this.onProblem(
        `${this.name}: cannot ${doing} ${this.path}: ${hint} (${error.code}); lines wait in memory, then are lost and counted`,
      );
    }
    if (this.closing !== undefined) {
      this.finish();
      return;
    }
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      this.advance();
    }, this.retryMs);
    this.retryTimer.unref();
  }

  private recovered(): void {
    if (!this.failing) return;
    this.failing = false;
    this.onProblem(`${this.name}: writing to ${this.path} again; ${this.lost - this.lostBefore} lines were lost meanwhile`);
  }

  private closeFd(): void {
    if (this.fd >= 0) close(this.fd, () => {});
    this.fd = -1;
  }

  private finish(): void {
    this.lost += this.pending.length + (this.batch === undefined ? 0 : this.batchLines);
    this.pending = [];
    this.pendingBytes = 0;
    this.batch = undefined;
    this.closed = true;
    clearTimeout(this.checkTimer);
    const fd = this.fd;
    const done = this.closing;
    this.closing = undefined;
    this.fd = -1;
    if (fd >= 0) close(fd, () => done?.());
    else done?.();
  }
}
