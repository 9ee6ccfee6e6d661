import type { AppProto, Buffers } from './buffers.js';
import type { HeldBytes } from './held-bytes.js';
import type { RecordWriter } from './record.js';

/** What a parser says of the bytes it was given. */
export const enum Parsed {
  Go = 0,
  /** Nothing that follows in this flow is to be parsed: no more bytes, please. */
  Done = 1,
  /** This is not my protocol, or damaged beyond reading on. */
  Failed = 2,
  /** From here on another protocol is spoken in both directions (STARTTLS, CONNECT, upgrade): detect anew with the next bytes. */
  Changed = 3,
  /** The same, and already with the bytes that were given: the parser has taken none of them. */
  Anew = 4,
  /** Done, because both sides have said that they encrypt from here on: never for what one side says, or what is missing. */
  Encrypted = 5,
}

/** Answers of probe. */
export const enum Likeness {
  No = 0,
  Yes = 1,
  /** More bytes are needed to say. */
  More = 2,
}

/**
 * What every protocol implements. One object serves all flows of its thread. What it remembers of a
 * flow lies in the PARSER_WORDS words of its session (sessions.ts; 0 at first), what it remembers of a transaction in the
 * TX_PARSER_WORDS words of the transaction and in bytes it keeps with it (transactions.ts).
 *
 *   begin ── data* ── (select, record)*          once per packet: first everything is parsed, then everything inspected
 *   open ── (data | gap | finish)* ── close      once per flow; a datagram protocol without state has session -1 and no open, close
 *
 * Bytes lie in mem[off, off + len), which the addon knows as `region`; they stay as they are until the next begin. What
 * must live longer is copied with Transactions.keep. Each byte of a stream comes once, in order, in pieces of any size.
 */
export interface Protocol {
  readonly proto: AppProto;
  /** After data answered Changed: how many bytes of the chunk were its own (absent: all), and what was agreed on (absent or Unknown: anything). */
  taken?: number;
  nextProto?: AppProto;
  /** What one direction said before it knew whether the protocol would change: when data has released it, the frame gives it on. */
  readonly held?: HeldBytes;
  /** Set by the frame before data, where a parser has it: false when a change is under way already and another one will not be followed. */
  mayChange?: boolean;
  /** Looks at the first bytes of a direction; never more than PROBE_BYTES are there. Pure: nothing is remembered. */
  probe(direction: number, mem: Uint8Array, off: number, len: number, serverPort: number): Likeness;
  /** Bytes that look like either direction's are a server's. Absent: nobody can say. */
  isAnswer?(mem: Uint8Array, off: number, len: number, isStream: boolean): boolean;
  begin(): void;
  /** Most transactions of one flow. Absent: as the frame has it. */
  readonly mostTransactions?: number;
  /** Of protocols of datagrams: the id of the flow's next transaction. The frame sets it before data, and keeps what it is after. */
  nextId?: number;
  open(session: number): void;
  /** Gives back whatever the session holds; its transactions the frame ends. May come at any time. */
  close(session: number): void;
  /** The next bytes of a stream, or one whole datagram (session -1). Says what is new by Transactions.moment(tx, direction). */
  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed;
  /** `length` bytes are missing before the next ones (0: nobody knows how many). */
  gap(session: number, direction: number, length: number): Parsed;
  /** The direction has ended: what was begun will not be finished. Moments may follow from it. */
  finish(session: number, direction: number): void;
  /**
   * Sets the buffers of that direction which the transaction has by now. `buffers.set(..)` for each; one whose bytes are new since
   * the last moment of this transaction and direction is fresh. Several of one kind: `buffers.add(..)`, in order.
   */
  select(tx: number, direction: number, buffers: Buffers): void;
  /** Writes the transaction's EVE record (the inside of the object of its name). In the packet that ends it, or at the flow's end. */
  record(tx: number, writer: RecordWriter): void;
  /** The same for alerts on the transaction. Absent: as record. */
  alertRecord?(tx: number, writer: RecordWriter): void;
  /** Whose record it is: 1 when it is told from the server's side. Absent: always the client's. */
  side?(tx: number): number;
  /** The transaction is not complete and ends with this packet (its session has too many): the session knows its number no more. */
  forget?(session: number, tx: number): void;
  /** False when the bytes, as the next ones, would need memory that is not to be had. Absent: what has no room is left out, and counted. */
  hasRoom?(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean;
  /** Whether the rules in force ask for fingerprints that are not worked out unasked. Absent: it has none. */
  wantFingerprints?(wanted: boolean): void;
  /** Bytes that are not the stream's next ones, but that an endpoint may have taken: by themselves, nothing is remembered. */
  loose?(direction: number, mem: Uint8Array, region: number, off: number, len: number): void;
}

/** Bytes of a direction that are kept until its protocol is known. */
export const PROBE_BYTES = 128;
