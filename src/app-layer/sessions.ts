import { IpProto } from '../decode/packet.js';
import type { FlowTable } from '../flow/flow-table.js';

/**
 * State of the flows that are being parsed, or that may turn out to be. One line of words each:
 *
 *   word  0                   1 .. 24
 *       | proto             | the parser's own |
 *       | (free: next free) |
 *
 * FlowTable.appState leads from the flow's slot to its session; whoever ends the flow says so (AppLayer.flowEnded).
 */
export const enum Session {
  Proto = 0,
  Parser = 1,
  Words = 25,
}
export const PARSER_WORDS = Session.Words - Session.Parser;

/**
 * FlowTable.appProbe: a direction that is none of ours, and how many packets of an undecided flow came since; a direction that began
 * with another protocol than its flow's, or (both bits) bytes are missing.
 */
export const enum Probe {
  FailedTs = 1,
  FailedTc = 2,
  Packet = 4,
  OtherTs = 64,
  OtherTc = 128,
}

/** A flow's session, or -1. Flows of datagrams have none: their appState is the id of the next transaction. */
export function sessionOf(flows: FlowTable, slot: number): number {
  return flows.proto(slot) === IpProto.Tcp ? flows.appState[slot] - 1 : -1;
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
  }

  give(session: number): void {
    this.words[session * Session.Words] = this.free;
    this.free = session;
    this.active--;
  }
}
