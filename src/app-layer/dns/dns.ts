import { Counter } from '../../metrics/counters.js';
import { AppProto, BufferId, type Buffers } from '../buffers.js';
import { Likeness, Parsed, PROBE_BYTES, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import { Session, type Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import { DnsEvent, Flag, HEADER_BYTES, opcodeOf, RrType, rcodeOf, Section, u16 } from './codes.js';
import { Message, MOST_ROWS, Rr } from './message.js';
import { DNS_EVE_DEFAULTS, type DnsEveOptions, wanted } from './options.js';
import { DNS_PORT, type DnsPorts, isResponse, PREFIX_BYTES, probeDatagram, probeStream } from './probe.js';
import { recordCount, writeRecord } from './record.js';

export interface DnsLimits {
  /** Recognise DNS on any other port too, by stricter tests. Default true. */
  anyPort?: boolean;
  /** Server ports of DNS. Default 53. */
  ports?: readonly number[];
  /** Bad messages of a stream in a row, after which it is no longer taken for DNS. Default 16, at most 255. */
  badMessages?: number;
  eve?: DnsEveOptions;
}

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

/** The parser's own words of a transaction; the first two are the events (DnsEvent; none in the second). */
export const enum DnsTx {
  Events = 0,
  Region = 2,
  Off = 3,
  Len = 4,
  /** The header's flags. */
  Flags = 5,
}

/** Regions the addon gives out are small numbers. */
const MOST_REGIONS = 1 << 16;
/** Collected messages of one packet that live until the next one. */
const MOST_SPENT = 4096;
const ANY_PORT: DnsPorts = { own: [], any: true };
const IN_ALERTS: DnsEveOptions = { ...DNS_EVE_DEFAULTS, version: 3 };
/** The first piece that a message is collected in. */
const LEAST_PIECE = 512;

/**
 * DNS over datagrams and streams. Every message, request or response, is a transaction of its own, complete at once, with one
 * moment in the direction it went. It stays in the packet's memory or, put together from several, in the heap until the next
 * begin: nothing outlives a packet but the beginning of a message.
 *
 *   data ─► Message.load ─► rows, events ─► Transactions.open, moment        select, record: load again unless it is the last one
 */
export class DnsProtocol implements Protocol {
  readonly proto = AppProto.Dns;
  /** Id of the next transaction of a datagram: whoever gives datagrams sets it to the flow's count before, and takes it back after. */
  nextId = 0;
  readonly message = new Message();
  /** Types that `dns.rrtype` is about: of questions and records, in their order; set by loadTypes. */
  readonly types = new Int32Array(MOST_ROWS);

  private readonly mems: Uint8Array[] = [];
  /** The transaction that `message` holds; -1: none. */
  private current = -1;
  /** Pairs: a piece of the heap and its size. */
  private readonly spent = new Int32Array(2 * MOST_SPENT);
  private spentCount = 0;
  private readonly ports: DnsPorts;
  private readonly badMessages: number;
  private readonly eve: DnsEveOptions;

  constructor(
    private readonly sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    limits: DnsLimits = {},
  ) {
    this.ports = { own: limits.ports ?? [DNS_PORT], any: limits.anyPort ?? true };
    this.badMessages = Math.min(limits.badMessages ?? 16, 255);
    this.eve = limits.eve ?? DNS_EVE_DEFAULTS;
  }

  /** A datagram or a stream, whichever it looks like: the two can hardly be mistaken for each other. */
  probe(direction: number, mem: Uint8Array, off: number, len: number, serverPort: number): Likeness {
    if (this.probeDatagram(direction, mem, off, len, serverPort) === Likeness.Yes) return Likeness.Yes;
    return this.probeStream(direction, mem, off, len, serverPort);
  }

  probeDatagram(_direction: number, mem: Uint8Array, off: number, len: number, serverPort: number): Likeness {
    return probeDatagram(mem, off, len, serverPort, this.ports, PROBE_BYTES);
  }

  probeStream(_direction: number, mem: Uint8Array, off: number, len: number, serverPort: number): Likeness {
    const answer = probeStream(mem, off, len, serverPort, this.ports);
    return answer === Likeness.More && len >= PROBE_BYTES ? Likeness.Yes : answer;
  }

  isAnswer(mem: Uint8Array, off: number, len: number, isStream: boolean): boolean {
    return isStream ? isResponse(mem, off + PREFIX_BYTES, len - PREFIX_BYTES) : isResponse(mem, off, len);
  }

  begin(): void {
    const { txs, spent } = this;
    for (let i = 0; i < this.spentCount; i++) txs.heap.give(spent[2 * i], spent[2 * i + 1]);
    this.spentCount = 0;
    this.current = -1;
  }

  open(_session: number): void {}

  close(session: number): void {
    this.drop(session, 0);
    this.drop(session, 1);
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    if (session >= 0) return this.stream(session, direction, mem, region, off, len);
    if (this.transaction(-1, this.nextId, direction, mem, region, off, len)) this.nextId++;
    return Parsed.Go;
  }

  gap(session: number, direction: number, length: number): Parsed {
    const { words } = this.sessions;
    const at = session * Session.Words + Session.Parser;
    this.counters[Counter.AppGaps]++;
    let rest = words[at + Word.Skip + direction];
    if (words[at + Word.Need + direction] !== 0) rest = this.cut(session, direction);
    const known = length > 0 && length <= rest;
    words[at + Word.Skip + direction] = known ? rest - length : 0;
    if (!known) words[at + Word.Flags] |= StreamFlag.Lost << direction;
    return Parsed.Go;
  }

  finish(session: number, direction: number): void {
    const at = session * Session.Words + Session.Parser;
    if (this.sessions.words[at + Word.Need + direction] !== 0) this.cut(session, direction);
  }

  select(tx: number, _direction: number, buffers: Buffers): void {
    buffers.numberCount = this.loadTypes(tx);
    buffers.numbers = this.types;
    const { rows, count, names, flags } = this.message;
    const response = (flags & Flag.Qr) !== 0;
    for (let i = 0; i < count; i++) {
      const row = i * Rr.Words;
      const off = rows[row + Rr.Name];
      const len = rows[row + Rr.NameLen];
      switch (rows[row + Rr.Section]) {
        case Section.Query:
          if (!response) buffers.add(BufferId.DnsQuery, names.bytes, names.region, off, len);
          buffers.add(BufferId.DnsQueryName, names.bytes, names.region, off, len);
          buffers.add(BufferId.DnsQueriesRrname, names.bytes, names.region, off, len);
          break;
        case Section.Answer:
          buffers.add(BufferId.DnsAnswerName, names.bytes, names.region, off, len);
          buffers.add(BufferId.DnsAnswersRrname, names.bytes, names.region, off, len);
          break;
        case Section.Authority:
          buffers.add(BufferId.DnsAuthoritiesRrname, names.bytes, names.region, off, len);
          break;
        default:
          buffers.add(BufferId.DnsAdditionalsRrname, names.bytes, names.region, off, len);
      }
      if (!response) continue;
      buffers.add(BufferId.DnsResponseRrname, names.bytes, names.region, off, len);
      if (rows[row + Rr.TargetLen] >= 0 && rows[row + Rr.Type] !== RrType.Srv) {
        buffers.add(BufferId.DnsResponseRrname, names.bytes, names.region, rows[row + Rr.Target], rows[row + Rr.TargetLen]);
      }
    }
  }

  record(tx: number, writer: RecordWriter): void {
    this.recordOf(tx, 0, this.eve, writer);
  }

  /** In alerts Suricata 8 has version 3, whatever the records' is. */
  alertRecord(tx: number, writer: RecordWriter): void {
    this.recordOf(tx, 0, IN_ALERTS, writer);
  }

  /** Version 3 of the records is told from the side of who sends the message. */
  side(tx: number): number {
    return this.eve.version === 3 && (this.txs.words[tx * Tx.Words + Tx.Parser + DnsTx.Flags] & Flag.Qr) !== 0 ? 1 : 0;
  }

  /** How many records these options make of the transaction: 0, 1, or in version 2 one per question. */
  records(tx: number, options: DnsEveOptions): number {
    this.load(tx);
    return wanted(this.message, options) ? recordCount(this.message, options) : 0;
  }

  /** The i-th of them. */
  recordOf(tx: number, i: number, options: DnsEveOptions, writer: RecordWriter): void {
    this.load(tx);
    writeRecord(this.message, this.txs.words[tx * Tx.Words + Tx.Id], options, i, writer);
  }

  /** `dns.opcode`. */
  opcode(tx: number): number {
    return opcodeOf(this.txs.words[tx * Tx.Words + Tx.Parser + DnsTx.Flags]);
  }

  /** `dns.rcode`, of requests as well. */
  rcode(tx: number): number {
    return rcodeOf(this.txs.words[tx * Tx.Words + Tx.Parser + DnsTx.Flags]);
  }

  /** Fills `types` with what `dns.rrtype` is to be tested on, any of which may match: questions and answers. How many there are. */
  loadTypes(tx: number): number {
    this.load(tx);
    const { rows, count } = this.message;
    let n = 0;
    for (let i = 0; i < count; i++) {
      const row = i * Rr.Words;
      if (rows[row + Rr.Section] <= Section.Answer && rows[row + Rr.Type] >= 0) this.types[n++] = rows[row + Rr.Type];
    }
    return n;
  }

  /** Bits of DnsEvent. */
  events(tx: number): number {
    return this.txs.words[tx * Tx.Words + Tx.Parser + DnsTx.Events];
  }

  /** Gives back the addon's regions. */
  release(): void {
    this.message.close();
  }

  private load(tx: number): void {
    if (this.current === tx) return;
    const { words } = this.txs;
    const at = tx * Tx.Words + Tx.Parser;
    this.message.load(this.mems[words[at + DnsTx.Region]], words[at + DnsTx.Off], words[at + DnsTx.Len]);
    this.current = tx;
  }

  /** Reads a message. False: it is damaged; it takes no id then. */
  private transaction(session: number, id: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
    const { txs, message, counters } = this;
    const { words } = txs;
    message.load(mem, off, len);
    this.current = -1;
    let { events } = message;
    if (len >= HEADER_BYTES && ((message.flags & Flag.Qr) !== 0) !== (direction === 1)) {
      events |= direction === 0 ? DnsEvent.NotRequest : DnsEvent.NotResponse;
    }
    const tx = region < MOST_REGIONS ? txs.open(session, AppProto.Dns, id) : -1;
    if (tx < 0) {
      counters[Counter.AppNoRoom]++;
      return true;
    }
    this.mems[region] = mem;
    this.current = tx;
    const at = tx * Tx.Words;
    words[at + Tx.State] = STATE_DONE;
    words[at + Tx.State + 1] = STATE_DONE;
    // Damaged: as in Suricata, which gives such a message up.
    if ((events & DnsEvent.MalformedData) !== 0 || !wanted(message, this.eve)) words[at + Tx.Flags] |= TxFlag.Logged;
    words[at + Tx.Parser + DnsTx.Events] = events;
    words[at + Tx.Parser + DnsTx.Region] = region;
    words[at + Tx.Parser + DnsTx.Off] = off;
    words[at + Tx.Parser + DnsTx.Len] = len;
    words[at + Tx.Parser + DnsTx.Flags] = message.flags;
    if (!txs.moment(tx, direction)) counters[Counter.AppNoRoom]++;
    return (events & DnsEvent.MalformedData) === 0;
  }

  private stream(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
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
    if (kept >= HEADER_BYTES) this.transaction(session, words[at + Word.NextId], direction, heap.bytes, heap.region, piece, kept);
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
    if (this.transaction(session, words[at + Word.NextId], direction, mem, region, off, len)) {
      words[at + Word.NextId]++;
      bad = 0;
    } else bad++;
    words[at + Word.Flags] = (flags & ~(0xff << shift)) | ((bad & 0xff) << shift);
    return bad < this.badMessages;
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
