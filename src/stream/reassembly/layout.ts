/**
 * What reassembly knows of one direction of a flow: sixteen words, one cache line, at (slot * 2 + direction) * Line.Words.
 *
 *   delivered               in order         hole          held
 *   ──────┬─────────────┬───────────────┬ . . . . . . ┬──────────┐
 *       acked          Next                                     End       listener: Next is never beyond acked, but for want of room
 *    ─────┬─────────────────────────────┬ . . . . . . ┬──────────┐
 *       acked   kept                   Next                     End       inline: kept, to compare what is sent again
 */
export const enum Line {
  Flags = 0,
  /** Sequence number of the next byte to deliver. */
  Next = 1,
  /** Bytes from Next to the depth. */
  Left = 2,
  /** First and last held segment, as node + 1; how many; number after the last byte held. */
  Head = 3,
  Tail = 4,
  Nodes = 5,
  End = 6,
  /** First and last page, as page + 1; how many. */
  PageHead = 7,
  PageTail = 8,
  Pages = 9,
  /** Packet second since when a byte is missing; 0: none is. */
  HoleSec = 10,
  /** Number of the urgent byte, of the FIN. */
  Urgent = 11,
  Fin = 12,
  /** Holes that were given up without an acknowledgement lie in [Lost, LostEnd). */
  Lost = 13,
  LostEnd = 14,
  /** Window as number + 1. */
  Window = 15,
  Words = 16,
}

/** Line.Flags. */
export const enum LineFlag {
  /** Next is valid. */
  Started = 1,
  /** The depth was reached: nothing more is delivered or held. */
  Depth = 2,
  /** The sink was told of the end. */
  Finished = 4,
  /** Fin, Urgent, Lost are valid. */
  Fin = 8,
  Urgent = 16,
  Lost = 32,
  /** Began before the handshake was complete. */
  Unsettled = 64,
  /** Rules on streams watch the direction. */
  Window = 128,
  /** Was not followed for a while: begins with whatever comes. */
  Adrift = 256,
  /** The stream's beginning was not seen, or not watched. */
  Late = 1024,
}
/** Line.Flags: Overlap, in the bits from here on. */
export const POLICY_SHIFT = 12;
export const POLICY_BITS = 15;
/** Line.Flags: which rules said whether Window is set, a number from 1 to MOST_ASKED; 0: none were asked. */
export const ASKED_SHIFT = 24;
export const MOST_ASKED = 255;
export const ASKED_FLAGS = MOST_ASKED << ASKED_SHIFT;
/** What does not change when a direction begins anew. */
export const KEPT_FLAGS = LineFlag.Window | ASKED_FLAGS;

/** Unlimited depth, and no depth that matters. */
export const UNLIMITED = 0x7fffffff;
