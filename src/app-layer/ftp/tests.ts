/** What rules ask of FTP's transactions beside buffers (user guide, "FTP/FTP-DATA Keywords"). */
import { FtpDataTx } from '../ftp-data/ftp-data.js';
import { Tx } from '../transactions.js';
import { FtpBit, FtpTx } from './layout.js';

/** ftp.dynamic_port: the port of the data connection; -1: none was agreed on. */
export function ftpDynamicPort(words: Int32Array, tx: number): number {
  return words[tx * Tx.Words + FtpTx.Port] || -1;
}

/** ftp.mode: 1 active, 0 passive, -1: no data connection was agreed on. */
export function ftpMode(words: Int32Array, tx: number): number {
  const at = tx * Tx.Words;
  if (words[at + FtpTx.Port] === 0) return -1;
  return (words[at + FtpTx.Bits] & FtpBit.Active) !== 0 ? 1 : 0;
}

/** ftp.reply_received: 1 when the command has a line of reply; -1: it is no command. */
export function ftpReplyReceived(words: Int32Array, tx: number): number {
  const at = tx * Tx.Words;
  if (words[at + FtpTx.CommandLen] <= 0) return -1;
  return words[at + FtpTx.Replies] > 0 ? 1 : 0;
}

/** ftpdata_command: FtpCommand that the data connection belongs to. */
export function ftpDataCommand(words: Int32Array, tx: number): number {
  return words[tx * Tx.Words + FtpDataTx.Command];
}
