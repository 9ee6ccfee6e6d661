/**
 * What rules on streams know of a direction of a flow, side by side in memory: eight words at line * Mark.Words (line: flow slot * 2 + direction).
 * Most lines are looked at once per packet, and each look at another array would be another cache miss.
 */
export const enum Mark {
  /** StreamRules: first block + 1; 1: the whole window is to be scanned. */
  Head = 0,
  Rescan = 1,
  /** StreamInspection: new bytes of the window that wait for the direction's next packet. */
  Pending = 2,
  /** StreamArrivals: the stretch, its last bytes. */
  From = 3,
  To = 4,
  Tail = 5,
  /** StreamInspection: bytes that joined the window since rules on transactions looked at it. */
  Unasked = 6,
  Words = 8,
}
