import { Counter } from '../../metrics/counters.js';
import { Tx } from '../transactions.js';
import type { Files } from './files.js';
import { FileWord } from './layout.js';
import type { FileStore } from './store.js';

/** Rules with `filestore` that one file names. */
const MOST_SIDS = 16;
const NO_SIDS: readonly number[] = [];

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

/** Which files are stored: those that rules say, or all. Their bytes are the store's. */
export class StoreChoice {
  /** By transaction, by session: bits 1 << direction whose files are stored. */
  private readonly storedTx: Uint8Array;
  private readonly storedSession: Uint8Array;
  /** By file: sids of rules that store it. Few. */
  private readonly sids = new Map<number, number[]>();

  constructor(
    private readonly files: Files,
    readonly store: FileStore,
    private readonly all: boolean,
    private readonly counters: Float64Array,
  ) {
    this.storedTx = new Uint8Array(files.txs.capacity);
    this.storedSession = new Uint8Array(files.txs.sessions);
  }

  /** A file begins in that direction of the transaction. */
  open(file: number, tx: number, direction: number): void {
    const { store } = this;
    const entry = store.open();
    this.files.words[file * FileWord.Words + FileWord.Entry] = entry + 1;
    const session = this.files.txs.words[tx * Tx.Words + Tx.Session];
    const stored = this.storedTx[tx] | (session < 0 ? 0 : this.storedSession[session]);
    if (this.all || (stored & (1 << direction)) !== 0) {
      if (entry >= 0) {
        store.decide(entry);
        this.files.onStored?.(direction);
      } else this.counters[Counter.FilesNotStored]++;
    }
  }

  /** A rule matched the transaction in that direction. */
  by(tx: number, direction: number, storing: Storing): void {
    const { files } = this;
    const directions = storing.directions || 1 << direction;
    const { words, txs } = files;
    if (storing.scope !== 'file') {
      this.storedTx[tx] |= directions;
      const session = txs.words[tx * Tx.Words + Tx.Session];
      if (storing.scope === 'flow' && session >= 0) this.storedSession[session] |= directions;
    }
    for (let file = files.first(tx); file >= 0; file = files.behind(file)) {
      const way = files.directionOf(file);
      if ((directions & (1 << way)) === 0 || (storing.scope === 'file' && (way !== direction || !storing.matches(files, file)))) continue;
      const entry = words[file * FileWord.Words + FileWord.Entry] - 1;
      if (entry < 0) continue;
      this.store.decide(entry);
      files.onStored?.(way);
      const sids = this.sids.get(file);
      if (sids === undefined) this.sids.set(file, [storing.sid]);
      else if (sids.length < MOST_SIDS && !sids.includes(storing.sid)) sids.push(storing.sid);
    }
  }

  /** See Files.storeId. */
  idOf(file: number): number {
    const entry = this.files.words[file * FileWord.Words + FileWord.Entry] - 1;
    return entry < 0 ? 0 : this.store.idOf(entry);
  }

  sidsOf(file: number): readonly number[] {
    return this.sids.get(file) ?? NO_SIDS;
  }

  /** The transaction of the file ends. */
  drop(file: number): void {
    const entry = this.files.words[file * FileWord.Words + FileWord.Entry] - 1;
    if (entry >= 0) this.store.drop(entry);
    if (this.sids.size > 0) this.sids.delete(file);
  }

  txEnded(tx: number): void {
    this.storedTx[tx] = 0;
  }

  sessionEnded(session: number): void {
    this.storedSession[session] = 0;
  }
}
