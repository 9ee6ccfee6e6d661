import { Counter } from '../../metrics/counters.js';
import { native } from '../../native.js';
import { BufferId, type Buffers } from '../buffers.js';
import type { AppHeap } from '../heap.js';
import { type Transactions, Tx } from '../transactions.js';
import { FileHashes, Hash } from './hashes.js';
import { FileBit, FileState, FileWord } from './layout.js';
import { MAGIC_BYTES, openMagic } from './magic.js';
import { FileStore } from './store.js';
import { FileWindows } from './windows.js';

export { FileState } from './layout.js';

/** Most files at once, and of one transaction. */
const CAPACITY = 65536;
const MOST_PER_TX = 1024;
/** Longer names are kept this far. */
const LONGEST_NAME = 2048;
/** Files that get bytes in one packet whose windows are kept; what a packet brings beyond that is shown, and forgotten. */
const MOST_TOUCHED = 8192;
/** Of a transaction's older files, so many are shown again beside the new ones. */
const MOST_OLD = 4;
/** libmagic is asked when so many bytes are there, or all. */
const MAGIC_LEAST = 512;

/** Rules with `filestore` that one file names. */
const MOST_SIDS = 16;
const NO_SIDS: readonly number[] = [];
/** Transactions and files looked at for records that are due; those of any more wait for the end of their transactions. */
const MOST_LOOKS = 256;

/** What a rule with `filestore` stores. */
export interface Storing {
  sid: number;
  /** Bits, 1 << direction; 0: that in which the rule matched. */
  directions: number;
  /** One file, all of the transaction, all of the flow from there on. */
  scope: 'file' | 'tx' | 'flow';
  /** The file is one of those the rule is about. */
  matches(files: Files, file: number): boolean;
}

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
export class Files {
  /** Lines of FileWord.Words words. */
  readonly words: Int32Array;
  /** By file: bytes that were inspected, or are missing; what Content-Range says of it (FileBit.Ranged). */
  readonly size: Float64Array;
  readonly rangeStart: Float64Array;
  readonly rangeEnd: Float64Array;
  readonly hashes: FileHashes;
  readonly heap: AppHeap;
  private readonly windows: FileWindows;
  /** By transaction: its first file + 1 and its last + 1, 0: none; how many. */
  private readonly heads: Int32Array;
  private readonly tails: Int32Array;
  private readonly counts: Int32Array;
  private readonly touched = new Int32Array(MOST_TOUCHED);
  private touchedCount = 0;
  private free = -1;
  private highWater = 0;
  private wantsMagic = false;
  /** Bytes of files that are, or may be, stored. */
  private store: FileStore | null = null;
  private storesAll = false;
  /** By transaction, by session: bits 1 << direction whose files are stored. */
  private readonly storedTx: Uint8Array;
  private readonly storedSession: Uint8Array;
  /** By file: sids of rules that store it. Few. */
  private readonly sids = new Map<number, number[]>();
  /** By session: files that have ended and whose records were not written. */
  private readonly unlogged: Int32Array;

  constructor(
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    private readonly capacity = CAPACITY,
  ) {
    this.heap = txs.heap;
    this.words = new Int32Array(capacity * FileWord.Words);
    this.size = new Float64Array(capacity);
    this.rangeStart = new Float64Array(capacity);
    this.rangeEnd = new Float64Array(capacity);
    this.hashes = new FileHashes(capacity);
    this.windows = new FileWindows(this.words, txs.heap);
    this.heads = new Int32Array(txs.capacity);
    this.tails = new Int32Array(txs.capacity);
    this.counts = new Int32Array(txs.capacity);
    this.storedTx = new Uint8Array(txs.capacity);
    this.storedSession = new Uint8Array(txs.sessions);
    this.unlogged = new Int32Array(txs.sessions);
    txs.files = this;
  }

  /** From now on bytes of files are kept for the file store; `all`: each is stored, else those that rules say. */
  keepFor(thread: number, all: boolean): FileStore {
    this.store = new FileStore(this.capacity, thread, this.counters);
    this.storesAll = all;
    this.hashes.wanted |= 1 << Hash.Sha256;
    return this.store;
  }

  /** A rule with `filestore` matched the transaction in that direction. */
  storeBy(tx: number, direction: number, storing: Storing): void {
    if (this.store === null) return;
    const directions = storing.directions || 1 << direction;
    const { words } = this;
    if (storing.scope !== 'file') {
      this.storedTx[tx] |= directions;
      const session = this.txs.words[tx * Tx.Words + Tx.Session];
      if (storing.scope === 'flow' && session >= 0) this.storedSession[session] |= directions;
    }
    for (let file = this.heads[tx] - 1; file >= 0; file = words[file * FileWord.Words + FileWord.Next]) {
      const way = this.directionOf(file);
      if ((directions & (1 << way)) === 0 || (storing.scope === 'file' && (way !== direction || !storing.matches(this, file)))) continue;
      const entry = words[file * FileWord.Words + FileWord.Entry] - 1;
      if (entry < 0) continue;
      this.store.decide(entry);
      const sids = this.sids.get(file);
      if (sids === undefined) this.sids.set(file, [storing.sid]);
      else if (sids.length < MOST_SIDS && !sids.includes(storing.sid)) sids.push(storing.sid);
    }
  }

  /** The flow has ended. */
  sessionEnded(session: number): void {
    this.storedSession[session] = 0;
    this.unlogged[session] = 0;
  }

  /** EVE's file_id of a file that is stored; 0: it is not. */
  storeId(file: number): number {
    const entry = this.words[file * FileWord.Words + FileWord.Entry] - 1;
    return entry < 0 || this.store === null ? 0 : this.store.idOf(entry);
  }

  /** Sids of rules that store it. */
  sidsOf(file: number): readonly number[] {
    return this.sids.get(file) ?? NO_SIDS;
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
      if (this.wantsMagic && (bits & FileBit.MagicDone) === 0) this.identify(touched[i], at);
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
    const { words } = this;
    let file = -1;
    if (this.counts[tx] < MOST_PER_TX) {
      file = this.free;
      if (file >= 0) this.free = words[file * FileWord.Words + FileWord.Next];
      else if (this.highWater < this.capacity) file = this.highWater++;
    }
    if (file < 0) {
      this.counters[Counter.AppFilesLost]++;
      return -1;
    }
    const at = file * FileWord.Words;
    words.fill(0, at, at + FileWord.Words);
    words[at + FileWord.Tx] = tx;
    words[at + FileWord.Next] = -1;
    words[at + FileWord.Bits] = (direction === 0 ? 0 : FileBit.ToClient) | (elsewhere ? FileBit.Elsewhere : 0);
    words[at + FileWord.Begun] = this.windows.packet;
    words[at + FileWord.Index] = this.counts[tx];
    this.size[file] = 0;
    this.hashes.begin(file);
    if (this.store !== null) this.openStore(tx, direction, at);
    const n = nameLen < LONGEST_NAME ? nameLen : LONGEST_NAME;
    if (n > 0) {
      words[at + FileWord.Name] = this.txs.keep(tx, mem, nameOff, n);
      if (words[at + FileWord.Name] >= 0) words[at + FileWord.NameLen] = n;
      else this.counters[Counter.AppNoRoom]++;
    }
    const tail = this.tails[tx] - 1;
    if (tail >= 0) words[tail * FileWord.Words + FileWord.Next] = file;
    else this.heads[tx] = file + 1;
    this.tails[tx] = file + 1;
    this.counts[tx]++;
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

  /** Rules see no more than its first `bytes`; 0: all. Digests and the file store have the rest, too. */
  limit(file: number, bytes: number): void {
    if (file >= 0) this.words[file * FileWord.Words + FileWord.Limit] = Math.min(bytes, 0x7fffffff);
  }

  /** Its bytes are those from `start` to `end` of something larger (Content-Range). */
  range(file: number, start: number, end: number): void {
    if (file < 0) return;
    this.words[file * FileWord.Words + FileWord.Bits] |= FileBit.Ranged;
    this.rangeStart[file] = start;
    this.rangeEnd[file] = end;
  }

  /** It has ended. May be called again. */
  close(file: number, state: FileState): void {
    if (file < 0) return;
    const at = file * FileWord.Words;
    const bits = this.words[at + FileWord.Bits];
    if ((bits & FileBit.Closed) !== 0) return;
    this.words[at + FileWord.Bits] = bits | FileBit.Closed | (state === FileState.Closed ? 0 : FileBit.Truncated);
    this.hashes.end(file);
    if (this.store !== null && this.words[at + FileWord.Entry] > 0)
      this.store.end(this.words[at + FileWord.Entry] - 1, this.hashes.digests, this.hashes.at(file, Hash.Sha256));
    const session = this.txs.words[this.words[at + FileWord.Tx] * Tx.Words + Tx.Session];
    if (session >= 0) this.unlogged[session]++;
    // With bytes of this packet keep() asks.
    if (this.wantsMagic && (bits & FileBit.MagicDone) === 0 && this.words[at + FileWord.Stamp] !== this.windows.packet)
      this.identify(file, at);
    if (this.words[at + FileWord.Index] >= MOST_OLD && this.words[at + FileWord.Stamp] !== this.windows.packet) this.windows.drop(at);
  }

  /** Its record is written now. False: it was before. */
  log(file: number): boolean {
    const { words } = this;
    const at = file * FileWord.Words;
    const bits = words[at + FileWord.Bits];
    if ((bits & FileBit.Logged) !== 0) return false;
    words[at + FileWord.Bits] = bits | FileBit.Logged;
    const session = this.txs.words[words[at + FileWord.Tx] * Tx.Words + Tx.Session];
    if (session >= 0 && (bits & FileBit.Closed) !== 0) this.unlogged[session]--;
    return true;
  }

  /**
   * As in Suricata a file's record is written with the first packet of its own direction behind its end (the same one, where packets are
   * parsed as they come), or at the end of its transaction. `sink` is told of each that is due with a packet of that direction.
   */
  logDue(session: number, direction: number, sink: (file: number) => void): void {
    if (this.unlogged[session] === 0) return;
    const { txs, words } = this;
    let looks = MOST_LOOKS;
    for (let tx = txs.first(session); tx >= 0 && --looks > 0; tx = txs.behind(tx)) {
      for (let file = this.heads[tx] - 1; file >= 0 && --looks > 0; file = words[file * FileWord.Words + FileWord.Next]) {
        const bits = words[file * FileWord.Words + FileWord.Bits];
        if ((bits & FileBit.Closed) !== 0 && (bits & FileBit.ToClient) === direction && this.log(file)) sink(file);
      }
    }
  }

  isLogged(file: number): boolean {
    return (this.words[file * FileWord.Words + FileWord.Bits] & FileBit.Logged) !== 0;
  }

  /** The transaction is about to end: what is open ends with it. */
  finish(tx: number): void {
    for (let file = this.heads[tx] - 1; file >= 0; file = this.words[file * FileWord.Words + FileWord.Next])
      this.close(file, FileState.Truncated);
  }

  /** The first file of a transaction, and the one behind `file`; -1: none. */
  first(tx: number): number {
    return this.heads[tx] - 1;
  }

  behind(file: number): number {
    return this.words[file * FileWord.Words + FileWord.Next];
  }

  txOf(file: number): number {
    return this.words[file * FileWord.Words + FileWord.Tx];
  }

  /** 0 to server, 1 to client. */
  directionOf(file: number): number {
    return this.words[file * FileWord.Words + FileWord.Bits] & FileBit.ToClient;
  }

  /** Closed only when its end was seen and nothing is missing. */
  stateOf(file: number): FileState {
    const bits = this.words[file * FileWord.Words + FileWord.Bits];
    return (bits & (FileBit.Closed | FileBit.Truncated)) === FileBit.Closed ? FileState.Closed : FileState.Truncated;
  }

  /** Nothing more of it comes, whether it is whole or not. */
  hasEnded(file: number): boolean {
    return (this.words[file * FileWord.Words + FileWord.Bits] & FileBit.Closed) !== 0;
  }

  /** Sets the buffers of that direction's files: several of each kind. */
  select(tx: number, direction: number, buffers: Buffers): void {
    const { words, windows } = this;
    let old = MOST_OLD;
    let isNew = false;
    let shown = false;
    for (let file = this.heads[tx] - 1; file >= 0; file = words[file * FileWord.Words + FileWord.Next]) {
      const at = file * FileWord.Words;
      if ((words[at + FileWord.Bits] & FileBit.ToClient) !== direction) continue;
      if (words[at + FileWord.Stamp] === windows.packet || words[at + FileWord.Begun] === windows.packet) isNew = true;
      else if (--old < 0) continue;
      shown = true;
      this.show(file, buffers);
    }
    if (shown && !isNew) {
      buffers.fresh[BufferId.FileName] = 0;
      buffers.fresh[BufferId.FileMagic] = 0;
    }
  }

  /** The same of one file; false: its bytes are not shown here, or there are none. */
  selectFile(file: number, buffers: Buffers): boolean {
    this.show(file, buffers);
    return buffers.len[BufferId.FileData] >= 0;
  }

  /** The transaction ends. */
  release(tx: number): void {
    if (this.heads[tx] === 0) return;
    const { words } = this;
    for (let file = this.heads[tx] - 1; file >= 0; ) {
      const at = file * FileWord.Words;
      const next = words[at + FileWord.Next];
      this.windows.drop(at);
      this.hashes.drop(file);
      if (this.store !== null) {
        if (words[at + FileWord.Entry] > 0) this.store.drop(words[at + FileWord.Entry] - 1);
        if (this.sids.size > 0) this.sids.delete(file);
      }
      words[at + FileWord.Next] = this.free;
      this.free = file;
      file = next;
    }
    this.heads[tx] = 0;
    this.tails[tx] = 0;
    this.counts[tx] = 0;
    this.storedTx[tx] = 0;
  }

  dispose(): void {
    this.windows.dispose();
    this.store?.close();
  }

  private openStore(tx: number, direction: number, at: number): void {
    const store = this.store!;
    const entry = store.open();
    this.words[at + FileWord.Entry] = entry + 1;
    const session = this.txs.words[tx * Tx.Words + Tx.Session];
    const stored = this.storedTx[tx] | (session < 0 ? 0 : this.storedSession[session]);
    if (this.storesAll || (stored & (1 << direction)) !== 0) {
      if (entry >= 0) store.decide(entry);
      else this.counters[Counter.FilesNotStored]++;
    }
  }

  private show(file: number, buffers: Buffers): void {
    const { words, windows } = this;
    const at = file * FileWord.Words;
    const limit = words[at + FileWord.Limit];
    const seen = limit === 0 ? this.size[file] : Math.min(limit, this.size[file]);
    const { bytes, region } = this.heap;
    if ((words[at + FileWord.Bits] & FileBit.Elsewhere) === 0) {
      if (words[at + FileWord.Stamp] === windows.packet) {
        const where = words[at + FileWord.Where];
        const len = words[at + FileWord.Len];
        buffers.add(BufferId.FileData, windows.mems[where], windows.regions[where], words[at + FileWord.Off], len, seen - len);
      } else if (words[at + FileWord.WindowLen] > 0) {
        const len = words[at + FileWord.WindowLen];
        buffers.add(BufferId.FileData, bytes, region, words[at + FileWord.Window] - 1, len, seen - len);
      }
    }
    if (words[at + FileWord.NameLen] > 0)
      buffers.add(BufferId.FileName, bytes, region, words[at + FileWord.Name], words[at + FileWord.NameLen]);
    if (words[at + FileWord.MagicLen] > 0)
      buffers.add(BufferId.FileMagic, bytes, region, words[at + FileWord.Magic], words[at + FileWord.MagicLen]);
  }

  /** Asks libmagic once its first bytes, or all there are, stand in one piece. */
  private identify(file: number, at: number): void {
    const { words, windows } = this;
    const isShown = words[at + FileWord.Stamp] === windows.packet;
    const len = isShown ? words[at + FileWord.Len] : words[at + FileWord.WindowLen];
    if (len < MAGIC_LEAST && (words[at + FileWord.Bits] & FileBit.Closed) === 0) return;
    words[at + FileWord.Bits] |= FileBit.MagicDone;
    if (len === 0 || len !== this.size[file]) return;
    const region = isShown ? windows.regions[words[at + FileWord.Where]] : this.heap.region;
    const off = isShown ? words[at + FileWord.Off] : words[at + FileWord.Window] - 1;
    const to = this.txs.reserve(words[at + FileWord.Tx], MAGIC_BYTES);
    if (to < 0) {
      this.counters[Counter.AppNoRoom]++;
      return;
    }
    const n = native.magicDescribe(region, off, len, this.heap.region, to, MAGIC_BYTES);
    words[at + FileWord.Magic] = to;
    words[at + FileWord.MagicLen] = n > 0 ? n : 0;
  }
}
