/**
 * What the HTTP parser remembers of a flow, in a line of words per session and direction, and numbers that may be large beside it.
 * Pieces of the heap are numbers + 1, 0: none.
 */
export const enum F {
  State = 0,
  /** The head so far: piece, size it was taken with, bytes in it; where the scan is. */
  Pending = 1,
  PendingSize,
  PendingLen,
  ScanPos,
  ScanLine,
  ScanLines,
  ScanLfcr,
  /** Transaction + 1 whose message this direction is in. */
  Tx,
  Flags,
  /** Chunk: phase, digits seen; bytes of its line, to be given back if it is none. */
  Chunk,
  Digits,
  /** Window of what was inspected: piece, bytes. */
  Window,
  WindowLen,
  /** Content codings: how many, 4 bits each (Coding) from the outermost, their pieces. */
  Codings,
  Coding,
  Piece,
  PieceEnd = Piece + 5, // MOST_CODINGS = 6
  /** The parts of a body that is several: piece (multipart.ts). */
  Multipart = PieceEnd + 1,
  /** Requests of HTTP/0.9 so far. */
  Olds,
  Words,
}

export const enum FlowState {
  /** Between messages, or within a head. */
  Head = 0,
  Length,
  Chunked,
  UntilClose,
  /** Behind the head of a response that may have no body, but whose head says it has. */
  Maybe,
  /** A request line without a protocol: headers may follow. */
  Old,
  /** Behind a CONNECT, until it is answered. */
  Tunnel,
  /** Bytes are missing, or the body's end is not known: looks for the next message. */
  Resync,
  /** Nothing more comes. */
  Ended,
}

export const enum FlowFlag {
  /** The length is doubtful: unless the next message follows there, the body goes on. */
  Soft = 1,
  /** No chunk was read yet. */
  FirstChunk = 2,
  /** The codings have begun. */
  Decoding = 4,
  /** A 100 was seen for this transaction. */
  Continued = 8,
  /** The pending head belongs to a transaction that is open already. */
  Reopened = 16,
  /** Nothing of this body is to be decoded any more. */
  Dead = 32,
}

export const enum ChunkPhase {
  Size = 0,
  Extension,
  Data,
  DataEnd,
  Trailer,
  /** Within a trailer line. */
  TrailerLine,
}

export class FlowWords {
  readonly words: Int32Array;
  /** By 2 * session + direction: bytes of the body or chunk still to come; the chunk's size so far; bytes given to inspection. */
  readonly left: Float64Array;
  readonly size: Float64Array;
  readonly seen: Float64Array;
  /** By session: the next transaction's id, the transaction + 1 whose response is due. */
  readonly ids: Int32Array;
  readonly due: Int32Array;
  /** By session (readings.ts): the flow's own + 1, 0: it is that; the next reading + 1; bits of Doubt. */
  readonly owners: Int32Array;
  readonly nextReading: Int32Array;
  readonly doubts: Uint8Array;

  constructor(sessions: number) {
    this.words = new Int32Array(sessions * 2 * F.Words);
    this.left = new Float64Array(sessions * 2);
    this.size = new Float64Array(sessions * 2);
    this.seen = new Float64Array(sessions * 2);
    this.ids = new Int32Array(sessions);
    this.due = new Int32Array(sessions);
    this.owners = new Int32Array(sessions);
    this.nextReading = new Int32Array(sessions);
    this.doubts = new Uint8Array(sessions);
  }

  /** The session that has the flow's transactions. */
  owner(session: number): number {
    const owner = this.owners[session];
    return owner === 0 ? session : owner - 1;
  }

  clear(session: number): void {
    this.words.fill(0, session * 2 * F.Words, (session + 1) * 2 * F.Words);
    this.ids[session] = 0;
    this.due[session] = 0;
    this.owners[session] = 0;
    this.nextReading[session] = 0;
    this.doubts[session] = 0;
    for (let i = 2 * session; i < 2 * session + 2; i++) {
      this.left[i] = 0;
      this.size[i] = 0;
      this.seen[i] = 0;
    }
  }
}

/** The parser's words of a transaction, from Tx.Parser. */
export const enum Own {
  /** Events, a bit each (HttpEvent): two words. */
  Events = 0,
  /** + direction: its head in the heap, 0: none. */
  Head = 2,
  /** + 4 * direction: the packet that brought bytes of the body; where they lie (0: scratch, k: k-th memory of the packet). */
  Stamp = 4,
  Where = 5,
  Off = 6,
  Len = 7,
  Flags = 12,
  /** What came behind its CONNECT (HeldBytes). */
  Held = 13,
}

export const enum TxFlags {
  /** No request was seen. */
  NoRequest = 1,
  /** + direction bits: it has a body. */
  BodyTs = 2,
  BodyTc = 4,
  /** The body of the request is several: its parts are the files. */
  Parts = 8,
  /** The response is a piece of a file that is put together (ranges.ts). */
  Ranged = 16,
  /** A request that only some servers see (readings.ts). */
  Reading = 32,
}
