/**
 * All state of a stream that is inflated, in a place of its own:
 *
 *   byte 0              32768      + 128          + 320                             + 2048
 *   | last 32 K written | words    | code lengths | bytes that could not be used yet | the beginning, until something comes out |
 */
export const STREAM_BYTES = 65536 - 8;
export const WINDOW = 32768;
export const WORDS_AT = WINDOW;
export const LENGTHS_AT = WORDS_AT + 128;
export const CARRY_AT = LENGTHS_AT + 320;
export const CARRY_BYTES = 2048;
export const BEGIN_AT = CARRY_AT + CARRY_BYTES;
/** So many bytes are kept as long as nothing came out of them. */
export const BEGIN_BYTES = 1024;

export const enum W {
  Phase = 0,
  Bits,
  BitCount,
  /** Bytes written so far, mod 2^31: the window's place; whether a window was ever filled. */
  Written,
  Last,
  Left,
  Literals,
  Distances,
  Carry,
  Flags,
  Wrapper,
  Skip,
  /** Number of the tables built for the block, to see whether they are still there. */
  Tables,
  /** Bytes of the beginning; more than BEGIN_BYTES: not all were kept. */
  Begin,
}

export const enum Phase {
  Start = 0,
  Extra,
  SkipExtra,
  Name,
  Comment,
  HeadCrc,
  Block,
  Stored,
  Codes,
  Trailer,
  /** Nothing more is to be had: the end, or damage. */
  End,
  Bad,
}

/** What a piece was. */
export const enum Inflated {
  Ok = 0,
  /** Not compressed as announced, from the first byte on. */
  NotCompressed = 1,
  /** Damaged: what came before stays. */
  Damaged = 2,
}

export function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

export function setWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
  bytes[at + 2] = value >> 16;
  bytes[at + 3] = value >> 24;
}
