import { FileBit, FileWord } from './layout.js';
import type { FileTable } from './table.js';

/** Transactions and files looked at for records that are due; those of any more wait for the end of their transactions. */
const MOST_LOOKS = 256;

/** Which files' records are to be written, and when. */
export class DueRecords {
  /** By session: files that have ended and whose records were not written. */
  private readonly unlogged: Int32Array;

  constructor(private readonly table: FileTable) {
    this.unlogged = new Int32Array(table.txs.sessions);
  }

  /** The file has ended. */
  ended(file: number): void {
    const session = this.table.sessionOf(file);
    if (session >= 0) this.unlogged[session]++;
  }

  sessionEnded(session: number): void {
    this.unlogged[session] = 0;
  }

  /** See Files.log. */
  log(file: number): boolean {
    const { words } = this.table;
    const at = file * FileWord.Words;
    const bits = words[at + FileWord.Bits];
    if ((bits & FileBit.Logged) !== 0) return false;
    words[at + FileWord.Bits] = bits | FileBit.Logged;
    const session = this.table.sessionOf(file);
    if (session >= 0 && (bits & FileBit.Closed) !== 0) this.unlogged[session]--;
    return true;
  }

  /** See Files.logDue. */
  tell(session: number, direction: number, sink: (file: number) => void): void {
    if (this.unlogged[session] === 0) return;
    const { table } = this;
    const { txs, words } = table;
    let looks = MOST_LOOKS;
    for (let tx = txs.first(session); tx >= 0 && --looks > 0; tx = txs.behind(tx)) {
      for (let file = table.first(tx); file >= 0 && --looks > 0; file = table.behind(file)) {
        const bits = words[file * FileWord.Words + FileWord.Bits];
        if ((bits & FileBit.Closed) !== 0 && (bits & FileBit.ToClient) === direction && this.log(file)) sink(file);
      }
    }
  }
}
