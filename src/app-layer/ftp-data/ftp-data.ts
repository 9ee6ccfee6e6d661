import { Counter } from '../../metrics/counters.js';
import { AppProto, type Buffers } from '../buffers.js';
import { FileState, type Files } from '../files/files.js';
import { FtpCommand } from '../ftp/commands.js';
import { Likeness, Parsed, type Protocol } from '../protocol.js';
import type { RecordNames, RecordWriter } from '../record.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx } from '../transactions.js';
import type { Expectations } from './expectations.js';

/** The parser's words of a session: its transaction + 1, the file + 1, the direction that the file goes. */
const enum Word {
  Tx = 1,
  File,
  Direction,
}

/** The parser's words of a transaction: FtpCommand; where the heap has the name, and its length. */
export const enum FtpDataTx {
  Command = 10,
  Name,
  NameLen,
}

const enum Field {
  Filename = 0,
  Command,
}
export const FTP_DATA_NAMES: RecordNames = { type: 'ftp_data', fields: ['filename', 'command'], words: ['RETR', 'STOR'] };

/**
 * Data connections of FTP: all the bytes of one are a file, whose name and direction its control connection told
 * (expectations.ts). One transaction, from the first byte to the end of the file's direction.
 */
export class FtpDataProtocol implements Protocol {
  readonly proto = AppProto.FtpData;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly files: Files,
    private readonly expectations: Expectations,
    private readonly counters: Float64Array,
  ) {}

  /** Its bytes say nothing: a flow is one when it is expected. */
  probe(): Likeness {
    return Likeness.No;
  }

  begin(): void {}

  open(session: number): void {
    const { txs, expectations } = this;
    if (!expectations.take()) return;
    const { command, name, nameLen } = expectations.taken;
    const words = this.sessions.words;
    const at = session * Session.Words;
    const tx = txs.open(session, AppProto.FtpData, 0);
    if (tx < 0) {
      this.counters[Counter.AppNoRoom]++;
      return;
    }
    const direction = expectations.side;
    words[at + Word.Tx] = tx + 1;
    words[at + Word.Direction] = direction;
    const line = tx * Tx.Words;
    txs.words[line + FtpDataTx.Command] = command;
    const kept = nameLen === 0 ? -1 : txs.keep(tx, name, 0, nameLen);
    txs.words[line + FtpDataTx.Name] = kept;
    txs.words[line + FtpDataTx.NameLen] = kept < 0 ? 0 : nameLen;
    txs.words[line + Tx.State] = 1;
    txs.words[line + Tx.State + 1] = 1;
    words[at + Word.File] = this.files.open(tx, direction, name, 0, nameLen) + 1;
    txs.moment(tx, direction ^ 1);
    txs.moment(tx, direction);
  }

  close(session: number): void {
    const at = session * Session.Words;
    const { words } = this.sessions;
    this.files.close(words[at + Word.File] - 1, FileState.Truncated);
    words[at + Word.Tx] = 0;
    words[at + Word.File] = 0;
  }

  forget(session: number, _tx: number): void {
    this.close(session);
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const at = session * Session.Words;
    const { words } = this.sessions;
    const tx = words[at + Word.Tx] - 1;
    // What the other side says here is nothing of FTP's.
    if (tx < 0 || direction !== words[at + Word.Direction]) return Parsed.Go;
    this.files.data(words[at + Word.File] - 1, mem, region, off, len);
    this.txs.moment(tx, direction);
    return Parsed.Go;
  }

  gap(session: number, direction: number, _length: number): Parsed {
    const at = session * Session.Words;
    const { words } = this.sessions;
    if (direction === words[at + Word.Direction]) this.files.gap(words[at + Word.File] - 1);
    return Parsed.Go;
  }

  finish(session: number, direction: number): void {
    const at = session * Session.Words;
    const { words } = this.sessions;
    const tx = words[at + Word.Tx] - 1;
    if (tx < 0 || direction !== words[at + Word.Direction]) return;
    this.files.close(words[at + Word.File] - 1, FileState.Closed);
    this.txs.words[tx * Tx.Words + Tx.State] = STATE_DONE;
    this.txs.words[tx * Tx.Words + Tx.State + 1] = STATE_DONE;
    this.txs.moment(tx, direction);
    words[at + Word.Tx] = 0;
    words[at + Word.File] = 0;
  }

  select(tx: number, direction: number, buffers: Buffers): void {
    this.files.select(tx, direction, buffers);
  }

  record(tx: number, writer: RecordWriter): void {
    const { words, heap } = this.txs;
    const at = tx * Tx.Words;
    const length = words[at + FtpDataTx.NameLen];
    if (length > 0) writer.text(Field.Filename, heap.bytes, words[at + FtpDataTx.Name], length);
    writer.word(Field.Command, words[at + FtpDataTx.Command] === FtpCommand.Retr ? 0 : 1);
  }
}
