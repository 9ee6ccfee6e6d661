import type { AppProto, Buffers } from './buffers.js';

/** What a parser says of the bytes it was given. */
export const enum Parse {
  Go = 0,
  /** Nothing that follows in this flow is of its protocol (encrypted from here on): no more bytes, please. */
  Done = 1,
}

/**
 * What every protocol implements. A parser object serves all flows of its thread; what it remembers of a flow lies in
 * the PARSER_WORDS words of its session (all 0 at first) and its KEPT_BYTES bytes per direction (memory.ts).
 *
 *   begin ── data* ── select(0 .. count - 1)           once per packet
 *   open ── (data | gap | loose)* ── close             once per flow
 *
 * Bytes lie in mem[off, off + len), which the addon knows as `region`. mem is the packet's memory or the AppMemory;
 * either stays as it is until the next begin, so a transaction may refer to it.
 */
export interface Parser {
  readonly proto: AppProto;
  /** Transactions since begin. */
  count: number;
  /** A new packet. */
  begin(): void;
  open(session: number): void;
  /** Gives back whatever the session holds. May come at any time. */
  close(session: number): void;
  /** The stream's next bytes in one direction: each comes once, in order. */
  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parse;
  /** False when the bytes, as the next ones, would need memory that is not to be had. */
  hasRoom(session: number, direction: number, mem: Uint8Array, off: number, len: number): boolean;
  /** Bytes are missing before the next ones. */
  gap(session: number, direction: number): void;
  /** Bytes that are not the stream's next ones, but that an endpoint may have taken: by themselves, nothing is remembered. */
  loose(direction: number, mem: Uint8Array, region: number, off: number, len: number): void;
  /** The direction has ended: what was begun will not be finished. */
  finish(session: number, direction: number): void;
  /** Makes the buffers of transaction i current. */
  select(i: number, buffers: Buffers): void;
}
