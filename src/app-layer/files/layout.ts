/**
 * A file that a transaction carries, as a line of words; numbers that may be large stand beside it (Files.size).
 *
 *   tx ─► file ─► file ─► -1           in order of their beginning, both directions
 */
export const enum FileWord {
  Tx = 0,
  /** The next file of the transaction (free: the next free one), -1: none. */
  Next,
  /** FileBit. */
  Bits,
  /** What of it is shown to rules with the packet `Stamp`: the k-th memory of the packet (0: the scratch), offset, bytes. */
  Stamp,
  Where,
  Off,
  Len,
  /** What was seen last: piece of the heap + 1 (0: none), size it was taken with, bytes in it. */
  Window,
  WindowSize,
  WindowLen,
  /** Bytes in the heap: its name, what libmagic says of it; length 0: none. */
  Name,
  NameLen,
  Magic,
  MagicLen,
  /** The packet that began it. */
  Begun,
  /** How many files its transaction had before it. */
  Index,
  /** In the file store: entry + 1, 0: none. */
  Entry,
  /** So many bytes from its beginning are shown to rules; 0: all. */
  Limit,
  Words,
}

export const enum FileBit {
  /** Direction: 1 to client. */
  ToClient = 1,
  Closed = 2,
  /** Not all of it was inspected. */
  Truncated = 4,
  /** Bytes of it are missing. */
  Gap = 8,
  /** Its protocol shows its bytes itself. */
  Elsewhere = 16,
  /** libmagic was asked. */
  MagicDone = 32,
  /** Content-Range was sent with it (Files.rangeStart, rangeEnd). */
  Ranged = 64,
  /** Its record was written. */
  Logged = 128,
}

/** What became of a file: words of its record. */
export const enum FileState {
  Closed = 0,
  /** Its end was not seen, or is beyond what is inspected. */
  Truncated = 1,
}
