import type { RecordNames, RecordWriter } from '../record.js';
import { type Transactions, Tx } from '../transactions.js';
import { FtpCommand } from './commands.js';
import type { FtpDialogue } from './dialogue.js';
import { FtpBit, FtpTx } from './layout.js';
import type { FtpReplies } from './replies.js';

const enum Field {
  Command = 0,
  CommandData,
  CommandTruncated,
  CompletionCode,
  Reply,
  DynamicPort,
  Mode,
  ReplyReceived,
  ReplyTruncated,
}
const enum Word {
  Yes = 0,
  No,
  Active,
  Passive,
}
export const FTP_NAMES: RecordNames = {
  type: 'ftp',
  fields: [
    'command',
    'command_data',
    'command_truncated',
    'completion_code',
    'reply',
    'dynamic_port',
    'mode',
    'reply_received',
    'reply_truncated',
  ],
  words: ['yes', 'no', 'active', 'passive'],
};

/** EVE's `ftp` (user guide, eve-json-format, "Event type: FTP"), with the fields that Suricata leaves out left out, too. */
export function ftpRecord(txs: Transactions, dialogue: FtpDialogue, replies: FtpReplies, tx: number, writer: RecordWriter): void {
  const { words } = txs;
  const at = tx * Tx.Words;
  const commandLen = words[at + FtpTx.CommandLen];
  const line = dialogue.lineBytes(tx);
  const bits = words[at + FtpTx.Bits];
  if (commandLen > 0 && line !== null) {
    const from = dialogue.lineAt(tx);
    writer.text(Field.Command, line, from, commandLen);
    if (words[at + FtpTx.DataLen] > 0) {
      writer.text(Field.CommandData, line, from + commandLen, words[at + FtpTx.DataLen]);
      writer.flag(Field.CommandTruncated, (bits & FtpBit.CommandCut) !== 0);
    }
  }
  replies.record(tx, writer, Field.CompletionCode, Field.Reply);
  if (words[at + FtpTx.Port] > 0) writer.number(Field.DynamicPort, words[at + FtpTx.Port]);
  const command: FtpCommand = words[at + FtpTx.Command];
  if (command === FtpCommand.Port || command === FtpCommand.Eprt)
    writer.word(Field.Mode, (bits & FtpBit.Active) !== 0 ? Word.Active : Word.Passive);
  writer.word(Field.ReplyReceived, words[at + FtpTx.Replies] > 0 ? Word.Yes : Word.No);
  writer.flag(Field.ReplyTruncated, replies.isCut(tx));
}
