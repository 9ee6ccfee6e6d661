import type { RecordNames } from './record.js';

/** Fields of EVE's `fileinfo` (user guide, eve-json-format, "Event type: fileinfo"), in FILE_NAMES' order. */
export const enum FileField {
  Filename = 0,
  Sid,
  Gaps,
  State,
  Stored,
  Size,
  TxId,
}

/** What became of a file: words of its record. */
export const enum FileState {
  Closed = 0,
  /** Its end was not seen, or is beyond what is inspected. */
  Truncated = 1,
}

export const FILE_NAMES: RecordNames = {
  type: 'fileinfo',
  fields: ['filename', 'sid', 'gaps', 'state', 'stored', 'size', 'tx_id'],
  words: ['CLOSED', 'TRUNCATED'],
};
