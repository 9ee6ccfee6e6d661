import { Counter } from '../../metrics/counters.js';
import { BufferId, type Buffers } from '../buffers.js';
import type { Transactions } from '../transactions.js';
import { DueRecords } from './due.js';
import { FileHashes, Hash } from './hashes.js';
import { FileBit, FileState, FileWord } from './layout.js';
import { identify, openMagic } from './magic.js';
import { MOST_OLD, showFile, showFiles } from './show.js';
import { FileStore } from './store.js';
import { StoreChoice, type Storing } from './storing.js';
import { FileTable } from './table.js';
import { FileWindows } from './windows.js';

export { FileState } from './layout.js';
export type { Storing } from './storing.js';

/** Longer names are kept this far. */
const LONGEST_NAME = 2048;
/** Files that get bytes in one packet whose windows are kept; what a packet brings beyond that is shown, and forgotten. */
const MOST_TOUCHED = 8192;
const NO_SIDS: readonly number[] = [];

/** What is to be found out about each file. Plain data. */
export interface FileWants {
  /** Bits, 1 << Hash. */
  hashes: number;
  magic: boolean;
}

/**
 * The files that transactions carry: names, sizes, and the bytes that rules see. One object per detecting thread.
 *
 *   open ── (data | gap)* ── close        by the protocol; what is not closed when its transaction ends is truncated
 *   begin ── (those)* ── keep ── select*  per packet: AppLayer calls begin and keep
 */
export class Files extends FileTable {
  readonly hashes: FileHashes;
  private readonly windows: FileWindows;
  private readonly due: DueRecords;
  private readonly touched = new Int32Array(MOST_TOUCHED);
  private touchedCount = 0;
  private wantsMagic = false;
  /** Told the direction of each file of the flow at hand that is to be stored. */
  onStored: ((direction: number) => void) | null = null;
  /** null: nothing is stored. */
  private storing: StoreChoice | null = null;
  private store: FileStore | null = null;

  constructor(
    txs: Transactions,
    private readonly counters: Float64Array,
    capacity?: number,
  ) {
    super(txs, capacity);
    this.hashes = new FileHashes(this.capacity);
    this.windows = new FileWindows(this.words, txs.heap);
    this.due = new DueRecords(this);
    txs.files = this;
  }

  /** From now on bytes of files are kept for the file store; `all`: each is stored, else those that rules say. */
  keepFor(thread: number, all: boolean): FileStore {
    this.store = new FileStore(this.capacity, thread, this.counters);
    this.storing = new StoreChoice(this, this.store, all, this.counters);
    this.hashes.wanted |= 1 << Hash.Sha256;
    return this.store;
  }

  /** A rule with `filestore` matched the transaction in that direction. */
  storeBy(tx: number, direction: number, storing: Storing): void {
    this.storing?.by(tx, direction, storing);
  }

  /** The flow has ended. */
  sessionEnded(session: number): void {
    this.storing?.sessionEnded(session);
    this.due.sessionEnded(session);
  }

  /** EVE's file_id of a file that is stored; 0: it is not. */
  storeId(file: number): number {
    return this.storing === null ? 0 : this.storing.idOf(file);
  }

  /** Sids of rules that store it. */
  sidsOf(file: number): readonly number[] {
    return this.storing === null ? NO_SIDS : this.storing.sidsOf(file);
  }

  /** From the next file on. Throws SluiceError SLUICE_MAGIC when libmagic is wanted and not to be had. */
  want({ hashes, magic }: FileWants): void {
    if (magic) openMagic('what libmagic says of files (filemagic, file.magic, force-magic)');
    this.hashes.wanted = hashes | (this.store === null ? 0 : 1 << Hash.Sha256);
    this.wantsMagic = magic;
  }

  /** A new packet. */
  begin(): void {
    this.windows.begin();
    this.touchedCount = 0;
  }

  /** All bytes of the packet were parsed: what later packets need of them is kept. */
  keep(): void {
    const { words, touched } = this;
    for (let i = 0; i < this.touchedCount; i++) {
      const at = touched[i] * FileWord.Words;
      const bits = words[at + FileWord.Bits];
      if (this.wantsMagic && (bits & FileBit.MagicDone) === 0) identify(this, this.windows, touched[i], this.counters);
      // What its protocol shows is kept for libmagic alone, and of many files that have ended only the first.
      const isElsewhere = (bits & FileBit.Elsewhere) !== 0 && (words[at + FileWord.Bits] & FileBit.MagicDone) !== 0;
      if (isElsewhere || ((bits & FileBit.Closed) !== 0 && words[at + FileWord.Index] >= MOST_OLD)) this.windows.drop(at);
      else if (!this.windows.save(at)) this.counters[Counter.AppNoRoom]++;
    }
    this.touchedCount = 0;
  }

  /**
   * A file begins in that direction of the transaction; the name is kept (nameLen 0: it has none). Its number, or -1: no room (counted).
   * `elsewhere`: the protocol sets BufferId.FileData itself, from bytes that it keeps anyway.
   */
  open(tx: number, direction: number, mem: Uint8Array, nameOff: number, nameLen: number, elsewhere = false): number {
    const file = this.add(tx, (direction === 0 ? 0 : FileBit.ToClient) | (elsewhere ? FileBit.Elsewhere : 0));
    if (file < 0) {
      this.counters[Counter.AppFilesLost]++;
      return -1;
    }
    const { words } = this;
    const at = file * FileWord.Words;
    words[at + FileWord.Begun] = this.windows.packet;
    this.hashes.begin(file);
    this.storing?.open(file, tx, direction);
    const n = nameLen < LONGEST_NAME ? nameLen : LONGEST_NAME;
    if (n > 0) {
      words[at + FileWord.Name] = this.txs.keep(tx, mem, nameOff, n);
      if (words[at + FileWord.Name] >= 0) words[at + FileWord.NameLen] = n;
      else this.counters[Counter.AppNoRoom]++;
    }
    return file;
  }

  /** Its next bytes, decoded. They lie in mem[off, off + len), which the addon knows as `region` (-1: they do not last). */
  data(file: number, mem: Uint8Array, region: number, off: number, len: number): void {
    if (file < 0 || len <= 0) return;
    const { words } = this;
    const at = file * FileWord.Words;
    const limit = words[at + FileWord.Limit];
    const shown = limit === 0 ? len : Math.min(len, limit - this.size[file]);
    this.size[file] += len;
    this.hashes.update(file, mem, off, len);
    if (this.store !== null && words[at + FileWord.Entry] > 0) this.store.data(words[at + FileWord.Entry] - 1, mem, off, len);
    const bits = words[at + FileWord.Bits];
    if ((bits & FileBit.Elsewhere) !== 0 && (!this.wantsMagic || (bits & FileBit.MagicDone) !== 0)) return;
    if (shown <= 0) return;
    const isFirst = words[at + FileWord.Stamp] !== this.windows.packet;
    if (!this.windows.add(at, mem, region, off, shown)) {
      if ((bits & FileBit.Elsewhere) === 0) words[at + FileWord.Bits] |= FileBit.Truncated;
      this.counters[Counter.AppNoRoom]++;
    } else if (isFirst && this.touchedCount < MOST_TOUCHED) this.touched[this.touchedCount++] = file;
  }

  /** `length` bytes are missing (0: nobody knows how many). They count in its size. */
  gap(file: number, length = 0): void {
    if (file < 0) return;
    const at = file * FileWord.Words;
    if ((this.words[at + FileWord.Bits] & FileBit.Closed) !== 0) return;
    this.size[file] += length;
    this.words[at + FileWord.Bits] |= FileBit.Gap | FileBit.Truncated | FileBit.MagicDone;
    // What comes next does not follow what was seen.
    this.windows.drop(at);
  }

  /** It has ended. May be called again. */
  close(file: number, state: FileState): void {
    if (file < 0) return;
    const { words } = this;
    const at = file * FileWord.Words;
    const bits = words[at + FileWord.Bits];
    if ((bits & FileBit.Closed) !== 0) return;
    words[at + FileWord.Bits] = bits | FileBit.Closed | (state === FileState.Closed ? 0 : FileBit.Truncated);
    this.hashes.end(file);
    if (this.store !== null && words[at + FileWord.Entry] > 0)
      this.store.end(words[at + FileWord.Entry] - 1, this.hashes.digests, this.hashes.at(file, Hash.Sha256));
    this.due.ended(file);
    // With bytes of this packet keep() does the rest.
    if (words[at + FileWord.Stamp] === this.windows.packet) return;
    if (this.wantsMagic && (bits & FileBit.MagicDone) === 0) identify(this, this.windows, file, this.counters);
    if (words[at + FileWord.Index] >= MOST_OLD) this.windows.drop(at);
  }

  /** Its record is written now. False: it was before. */
  log(file: number): boolean {
    return this.due.log(file);
  }

  /**
   * As in Suricata a file's record is written with the first packet of its own direction behind its end (the same one, where packets are
   * parsed as they come), or at the end of its transaction. `sink` is told of each that is due with a packet of that direction.
   */
  logDue(session: number, direction: number, sink: (file: number) => void): void {
    this.due.tell(session, direction, sink);
  }

  isLogged(file: number): boolean {
    return (this.words[file * FileWord.Words + FileWord.Bits] & FileBit.Logged) !== 0;
  }

  /** The transaction is about to end: what is open ends with it. */
  finish(tx: number): void {
    for (let file = this.first(tx); file >= 0; file = this.behind(file)) this.close(file, FileState.Truncated);
  }

  /** Sets the buffers of that direction's files: several of each kind. */
  select(tx: number, direction: number, buffers: Buffers): void {
    showFiles(this, this.windows, tx, direction, buffers);
  }

  /** The same of one file; false: its bytes are not shown here, or there are none. */
  selectFile(file: number, buffers: Buffers): boolean {
    showFile(this, this.windows, file, buffers);
    return buffers.len[BufferId.FileData] >= 0;
  }

  /** The transaction ends. */
  release(tx: number): void {
    for (let file = this.first(tx); file >= 0; file = this.behind(file)) {
      this.windows.drop(file * FileWord.Words);
      this.hashes.drop(file);
      this.storing?.drop(file);
    }
    this.remove(tx);
    this.storing?.txEnded(tx);
  }

  dispose(): void {
    this.windows.close();
    this.store?.close();
  }
}
