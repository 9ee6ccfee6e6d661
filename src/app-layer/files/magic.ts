import { SluiceError } from '../../errors.js';
import { Counter } from '../../metrics/counters.js';
import { native } from '../../native.js';
import { FileBit, FileWord } from './layout.js';
import type { FileTable } from './table.js';
import type { FileWindows } from './windows.js';

/** libmagic is asked when so many bytes are there, or all. */
const MAGIC_LEAST = 512;
/** Longer descriptions are kept this far. */
const MAGIC_BYTES = 512;

/** Opens libmagic for this thread. Throws SluiceError SLUICE_MAGIC; `asker`: what needs it, for the error. */
export function openMagic(asker: string): void {
  try {
    native.magicOpen('');
  } catch (error) {
    throw new SluiceError(
      'SLUICE_MAGIC',
      `${asker} needs libmagic, which cannot be used: ${(error as Error).message}; install it (Debian: libmagic1, libmagic-mgc), or take ${asker} out`,
    );
  }
}

/** Asks libmagic once the file's first bytes, or all there are, stand in one piece. */
export function identify(table: FileTable, windows: FileWindows, file: number, counters: Float64Array): void {
  const { words, heap, txs } = table;
  const at = file * FileWord.Words;
  const isShown = words[at + FileWord.Stamp] === windows.packet;
  const len = isShown ? words[at + FileWord.Len] : words[at + FileWord.WindowLen];
  if (len < MAGIC_LEAST && (words[at + FileWord.Bits] & FileBit.Closed) === 0) return;
  words[at + FileWord.Bits] |= FileBit.MagicDone;
  if (len === 0 || len !== table.size[file]) return;
  const region = isShown ? windows.regions[words[at + FileWord.Where]] : heap.region;
  const off = isShown ? words[at + FileWord.Off] : words[at + FileWord.Window] - 1;
  const to = txs.reserve(words[at + FileWord.Tx], MAGIC_BYTES);
  if (to < 0) {
    counters[Counter.AppNoRoom]++;
    return;
  }
  const n = native.magicDescribe(region, off, len, heap.region, to, MAGIC_BYTES);
  words[at + FileWord.Magic] = to;
  words[at + FileWord.MagicLen] = n > 0 ? n : 0;
}
