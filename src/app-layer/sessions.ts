/**
 * State of the flows that are being parsed, or that may turn out to be. One line of words each:
 *
 *   word  0                   1       2 3        4 5         6 7          8 9          10 .. 33
 *       | proto             | flags | next     | held      | held       | hole since | the parser's own |
 *       | (free: next free) |       | ts   tc  | head      | blocks     | second     |
 *
 * FlowTable.appState leads from the flow's slot to its session; whoever ends the flow says so (AppLayer.flowEnded).
 */
export const enum Session {
  Proto = 0,
  Flags = 1,
  /** + direction: sequence number of the next byte; the first block held back (-1: none), how many; since when one is missing (0: none). */
  Next = 2,
  HeldHead = 4,
  HeldCount = 6,
  HoleSec = 8,
  Parser = 10,
  Words = 34,
}
export const PARSER_WORDS = Session.Words - Session.Parser;

/** Session.Flags, << direction where there are two. */
export const enum SessionFlag {
  /** Next is valid. */
  StartedTs = 1,
  StartedTc = 2,
  /** Bytes were skipped or counted twice: what does not follow in order is looked at by itself, too. */
  DoubtTs = 4,
  DoubtTc = 8,
  /** Began before the handshake was complete in both directions. */
  Unsettled = 16,
}

/** FlowTable.appProbe: a direction that is none of ours, and how many packets of an undecided flow came since. */
export const enum Probe {
  FailedTs = 1,
  FailedTc = 2,
  Packet = 4,
}

export class Sessions {
  readonly words: Int32Array;
  readonly capacity: number;
  active = 0;
  private free = -1;
  private highWater = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.words = new Int32Array(capacity * Session.Words);
  }

  /** Number of a session with cleared words, or -1 when all are in use. */
  take(): number {
    let session = this.free;
    if (session >= 0) this.free = this.words[session * Session.Words];
    else if (this.highWater < this.capacity) session = this.highWater++;
    else return -1;
    this.reset(session);
    this.active++;
    return session;
  }

  reset(session: number): void {
    const { words } = this;
    const at = session * Session.Words;
    words.fill(0, at, at + Session.Words);
    words[at + Session.HeldHead] = -1;
    words[at + Session.HeldHead + 1] = -1;
  }

  give(session: number): void {
    this.words[session * Session.Words] = this.free;
    this.free = session;
    this.active--;
  }
}
