import type { RecordNames, RecordWriter } from '../record.js';
import type { Files } from './files.js';
import { HASH_BYTES, Hash } from './hashes.js';
import { FileBit, FileState, FileWord } from './layout.js';

/** Fields of EVE's `fileinfo` (user guide, eve-json-format, "Event type: fileinfo"), in FILE_NAMES' order. */
const enum FileField {
  Filename = 0,
  Sid,
  Magic,
  Gaps,
  State,
  Md5,
  Sha1,
  Sha256,
  Stored,
  FileId,
  Size,
  Start,
  End,
  TxId,
}

export const FILE_NAMES: RecordNames = {
  type: 'fileinfo',
  fields: ['filename', 'sid', 'magic', 'gaps', 'state', 'md5', 'sha1', 'sha256', 'stored', 'file_id', 'size', 'start', 'end', 'tx_id'],
  words: ['CLOSED', 'TRUNCATED'],
};

/** By Hash. */
const HASH_FIELDS = [FileField.Md5, FileField.Sha1, FileField.Sha256];

/** Writes what EVE's `fileinfo` says of a file of the transaction with that id. */
export function writeFile(files: Files, file: number, txId: number, writer: RecordWriter): void {
  const { words, heap } = files;
  const at = file * FileWord.Words;
  const bits = words[at + FileWord.Bits];
  const isWhole = files.stateOf(file) === FileState.Closed;
  if (words[at + FileWord.NameLen] > 0)
    writer.text(FileField.Filename, heap.bytes, words[at + FileWord.Name], words[at + FileWord.NameLen]);
  const sids = files.sidsOf(file);
  if (sids.length > 0) {
    writer.array(FileField.Sid);
    for (let i = 0; i < sids.length; i++) writer.number(-1, sids[i]);
    writer.end();
  }
  if (words[at + FileWord.MagicLen] > 0)
    writer.text(FileField.Magic, heap.bytes, words[at + FileWord.Magic], words[at + FileWord.MagicLen]);
  writer.flag(FileField.Gaps, (bits & FileBit.Gap) !== 0);
  writer.word(FileField.State, isWhole ? FileState.Closed : FileState.Truncated);
  for (let hash = Hash.Md5; hash < Hash.Count; hash++) {
    // As Suricata: of what is not whole only the last one says something.
    if ((isWhole || hash === Hash.Sha256) && files.hashes.has(file, hash))
      writer.hex(HASH_FIELDS[hash], files.hashes.digests, files.hashes.at(file, hash), HASH_BYTES[hash], false);
  }
  const id = files.storeId(file);
  writer.flag(FileField.Stored, id !== 0);
  if (id !== 0) writer.number(FileField.FileId, id);
  writer.number(FileField.Size, files.size[file]);
  if ((bits & FileBit.Ranged) !== 0) {
    writer.number(FileField.Start, files.rangeStart[file]);
    writer.number(FileField.End, files.rangeEnd[file]);
  }
  writer.number(FileField.TxId, txId);
}
