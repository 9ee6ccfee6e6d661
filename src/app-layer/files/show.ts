import { BufferId, type Buffers } from '../buffers.js';
import { FileBit, FileWord } from './layout.js';
import type { FileTable } from './table.js';
import type { FileWindows } from './windows.js';

/** Of a transaction's older files, so many are shown again beside the new ones. */
export const MOST_OLD = 4;

/** Sets the buffers of that direction's files: several of each kind. */
export function showFiles(table: FileTable, windows: FileWindows, tx: number, direction: number, buffers: Buffers): void {
  const { words } = table;
  let old = MOST_OLD;
  let isNew = false;
  let shown = false;
  for (let file = table.first(tx); file >= 0; file = table.behind(file)) {
    const at = file * FileWord.Words;
    if ((words[at + FileWord.Bits] & FileBit.ToClient) !== direction) continue;
    if (words[at + FileWord.Stamp] === windows.packet || words[at + FileWord.Begun] === windows.packet) isNew = true;
    else if (--old < 0) continue;
    shown = true;
    showFile(table, windows, file, buffers);
  }
  if (shown && !isNew) {
    buffers.fresh[BufferId.FileName] = 0;
    buffers.fresh[BufferId.FileMagic] = 0;
  }
}

/** The same of one file. */
export function showFile(table: FileTable, windows: FileWindows, file: number, buffers: Buffers): void {
  const { words } = table;
  const at = file * FileWord.Words;
  const limit = words[at + FileWord.Limit];
  const seen = limit === 0 ? table.size[file] : Math.min(limit, table.size[file]);
  const { bytes, region } = table.heap;
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
