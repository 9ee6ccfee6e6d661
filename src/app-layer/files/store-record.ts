/**
 * A record of a file that is stored, on its way to the writer of the logs through the event ring:
 *
 *        0        1        2        3        4
 *     0  | type 8 | bits   | 0               | file id (u32)                     |
 *     8  | bytes (u32)                       | 0                                 |
 *    16  | SHA-256 (32 bytes): Last                                             |
 *    48  | bytes of the file
 *
 *   First ── ... ── Last, or Gone at any time: what was written is removed.
 */
export const enum StoreAt {
  Type = 0,
  Bits = 1,
  Id = 4,
  Length = 8,
  Digest = 16,
  Bytes = 48,
}

export const enum StoreBit {
  First = 1,
  Last = 2,
  Gone = 4,
}

/** Beside EventType's numbers, which know nothing of it. */
export const STORE_TYPE = 64;
/** Most bytes of a record. */
export const STORE_BYTES = 8192;
