import { Counter } from '../../metrics/counters.js';
import { Likeness, Parsed } from '../protocol.js';
import { Session, type Sessions } from '../sessions.js';
import type { Transactions } from '../transactions.js';
import { HEADER_BYTES, u16 } from './codes.js';
import { type DnsPorts, PREFIX_BYTES, probeMessage, probeStream } from './probe.js';

/** The parser's own words of a session. The first three + direction. */
const enum Word {
  /** Length of the message that is being collected (0: none), << 16: how much of it is there. */
  Need = 0,
  /** Where it is collected: offset in the heap + 1. */
  Piece = 2,
  /** Bytes to skip; -1 - b: the first byte of a length was b. */
  Skip = 4,
  NextId = 6,
  /** StreamFlag bits. */
  Flags = 7,
}

/** << direction; bad messages in a row stand in bits 8 .. 15 and 16 .. 23. */
const enum StreamFlag {
  /** Where the next message begins is not known. */
  Lost = 1,
  Bad = 8,
}

/** Collected messages of one packet that live until the next one. */
const MOST_SPENT = 4096;
/** The first piece that a message is collected in. */
const LEAST_PIECE = 512;
const ANY_PORT: DnsPorts = { own: [], any: true };

/** What takes the messages. */
export interface DnsMessages {
  /** Reads a message. False: it is damaged; it takes no id then. */
  transaction(session: number, id: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean;
}

/**
 * Streams cut into messages, by the two bytes of length before each (RFC 1035, 4.2.2). A message lies where it came, or is put together
 * in the heap when it came in several pieces.
 */
export class DnsStream {
  /** Pairs: a piece of the heap and its size. */
  private readonly spent = new Int32Array(2 * MOST_SPENT);
  private spentCount = 0;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    /** Bad messages in a row after which this is no DNS. */
    private readonly badMessages: number,
    private readonly messages: DnsMessages,
  ) {}

  /** The next packet: what was put together for the last one goes. */
  begin(): void {
    const { txs, spent } = this;
    for (let i = 0; i < this.spentCount; i++) txs.heap.give(spent[2 * i], spent[2 * i + 1]);
    this.spentCount = 0;
  }

  close(session: number): void {
    this.drop(session, 0);
    this.drop(session, 1);
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    const end = off + len;
    const lost = StreamFlag.Lost << direction;
    if ((words[at + Word.Flags] & lost) !== 0) {
      if (probeStream(mem, off, len, 0, ANY_PORT) !== Likeness.Yes) return Parsed.Go;
      words[at + Word.Flags] &= ~lost;
    }
    for (let pos = off; pos < end; ) {
      const skip = words[at + Word.Skip + direction];
      if (skip > 0) {
        const n = skip < end - pos ? skip : end - pos;
        words[at + Word.Skip + direction] = skip - n;
        pos += n;
        continue;
      }
      if (words[at + Word.Need + direction] === 0) {
        let length: number;
        if (skip < 0) {
          length = ((-1 - skip) << 8) | mem[pos++];
          words[at + Word.Skip + direction] = 0;
        } else if (end - pos < PREFIX_BYTES) {
          words[at + Word.Skip + direction] = -1 - mem[pos];
          return Parsed.Go;
        } else {
          length = u16(mem, pos);
          pos += PREFIX_BYTES;
        }
        if (length === 0) continue;
        if (end - pos >= length) {
          if (!this.complete(session, direction, mem, region, pos, length)) return Parsed.Failed;
          pos += length;
          continue;
        }
        words[at + Word.Need + direction] = length;
        if (pos === end) return Parsed.Go;
      }
      const used = this.collect(session, direction, mem, region, pos, end);
      if (used < 0) return Parsed.Failed;
      pos += used;
    }
    return Parsed.Go;
  }

  gap(session: number, direction: number, length: number): void {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    this.counters[Counter.AppGaps]++;
    let rest = words[at + Word.Skip + direction];
    if (words[at + Word.Need + direction] !== 0) rest = this.cut(session, direction);
    const known = length > 0 && length <= rest;
    words[at + Word.Skip + direction] = known ? rest - length : 0;
    if (!known) words[at + Word.Flags] |= StreamFlag.Lost << direction;
  }

  finish(session: number, direction: number): void {
    const at = session * Session.Words + Session.Parser;
    if (this.sessions.words[at + Word.Need + direction] !== 0) this.cut(session, direction);
  }

  /** Adds to the message that is being collected. How many bytes were used; -1: this is no DNS. */
  private collect(session: number, direction: number, mem: Uint8Array, region: number, pos: number, end: number): number {
    const { words } = this.sessions;
    const { heap } = this.txs;
    const at = session * Session.Words + Session.Parser;
    const need = words[at + Word.Need + direction] & 0xffff;
    const kept = words[at + Word.Need + direction] >>> 16;
    const n = need - kept < end - pos ? need - kept : end - pos;
    let piece = words[at + Word.Piece + direction] - 1;
    if (piece < 0 || sizeFor(kept + n) > sizeFor(kept)) {
      const larger = heap.take(sizeFor(kept + n));
      if (larger < 0) {
        this.counters[Counter.AppNoRoom]++;
        const good = kept > 0 || this.complete(session, direction, mem, region, pos, n);
        const rest = this.cut(session, direction);
        words[at + Word.Skip + direction] = rest - n;
        return good ? n : -1;
      }
      if (piece >= 0) {
        heap.bytes.copyWithin(larger, piece, piece + kept);
        heap.give(piece, sizeFor(kept));
      }
      piece = larger;
      words[at + Word.Piece + direction] = piece + 1;
    }
    const { bytes } = heap;
    for (let i = 0; i < n; i++) bytes[piece + kept + i] = mem[pos + i];
    words[at + Word.Need + direction] = need | ((kept + n) << 16);
    if (kept + n < need) return n;
    words[at + Word.Need + direction] = 0;
    words[at + Word.Piece + direction] = 0;
    const good = this.complete(session, direction, bytes, heap.region, piece, need);
    this.spend(piece, sizeFor(need));
    return good ? n : -1;
  }

  /** The message that is being collected will not be whole: what there is of it is read. How many bytes of it are missing. */
  private cut(session: number, direction: number): number {
    const { words } = this.sessions;
    const { heap } = this.txs;
    const at = session * Session.Words + Session.Parser;
    const need = words[at + Word.Need + direction] & 0xffff;
    const kept = words[at + Word.Need + direction] >>> 16;
    const piece = words[at + Word.Piece + direction] - 1;
    words[at + Word.Need + direction] = 0;
    words[at + Word.Piece + direction] = 0;
    if (piece < 0) return need;
    if (kept >= HEADER_BYTES) this.messages.transaction(session, words[at + Word.NextId], direction, heap.bytes, heap.region, piece, kept);
    this.spend(piece, sizeFor(kept));
    return need - kept;
  }

  /** False: too many bad ones. */
  private complete(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    const shift = StreamFlag.Bad << direction;
    const flags = words[at + Word.Flags];
    let bad = (flags >>> shift) & 0xff;
    // No message was one yet: perhaps no DNS at all, which is not our concern; or a client that hides the first.
    const isStrange = words[at + Word.NextId] === 0;
    if (isStrange && bad >= this.badMessages && probeMessage(mem, off, len, len, false) !== Likeness.Yes) return true;
    if (this.messages.transaction(session, words[at + Word.NextId], direction, mem, region, off, len)) {
      words[at + Word.NextId]++;
      bad = 0;
    } else if (bad < 0xff) bad++;
    words[at + Word.Flags] = (flags & ~(0xff << shift)) | ((bad & 0xff) << shift);
    return isStrange || bad < this.badMessages;
  }

  /** The piece is given back when the packet is done. */
  private spend(piece: number, size: number): void {
    if (this.spentCount === MOST_SPENT) {
      // Hardly possible (a packet completes few collected messages): what is inspected may then be overwritten, never beyond it.
      this.txs.heap.give(piece, size);
      return;
    }
    this.spent[2 * this.spentCount] = piece;
    this.spent[2 * this.spentCount + 1] = size;
    this.spentCount++;
  }

  private drop(session: number, direction: number): void {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    const piece = words[at + Word.Piece + direction] - 1;
    if (piece >= 0) this.spend(piece, sizeFor(words[at + Word.Need + direction] >>> 16));
    words[at + Word.Need + direction] = 0;
    words[at + Word.Piece + direction] = 0;
  }
}

/** Size of the piece that holds so many bytes: a power of two, so that collecting costs linear time and little memory. */
function sizeFor(bytes: number): number {
  return bytes <= LEAST_PIECE ? LEAST_PIECE : 1 << (32 - Math.clz32(bytes - 1));
}
