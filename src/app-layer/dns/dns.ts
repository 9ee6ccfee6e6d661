import { Counter } from '../../metrics/counters.js';
import { AppProto, BufferId, type Buffers } from '../buffers.js';
import { Likeness, Parsed, PROBE_BYTES, type Protocol } from '../protocol.js';
import type { RecordWriter } from '../record.js';
import type { Sessions } from '../sessions.js';
import { STATE_DONE, type Transactions, Tx, TxFlag } from '../transactions.js';
import { DnsEvent, Flag, HEADER_BYTES, opcodeOf, RrType, rcodeOf, Section } from './codes.js';
import { Message, MOST_ROWS, Rr } from './message.js';
import { DNS_EVE_DEFAULTS, type DnsEveOptions, wanted } from './options.js';
import { DNS_PORT, type DnsPorts, isResponse, PREFIX_BYTES, probeDatagram, probeStream } from './probe.js';
import { recordCount, writeRecord } from './record.js';
import { type DnsMessages, DnsStream } from './stream.js';

export interface DnsLimits {
  /** Recognise DNS on any other port too, by stricter tests. Default true. */
  anyPort?: boolean;
  /** Server ports of DNS. Default 53. */
  ports?: readonly number[];
  /** Bad messages of a stream in a row, after which it is no longer taken for DNS. Default 16, at most 255. */
  badMessages?: number;
  eve?: DnsEveOptions;
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
const IN_ALERTS: DnsEveOptions = { ...DNS_EVE_DEFAULTS, version: 3 };

/**
 * DNS over datagrams and streams. Every message, request or response, is a transaction of its own, complete at once, with one
 * moment in the direction it went. It stays in the packet's memory or, put together from several, in the heap until the next
 * begin: nothing outlives a packet but the beginning of a message.
 *
 *   data ─► Message.load ─► rows, events ─► Transactions.open, moment        select, record: load again unless it is the last one
 */
export class DnsProtocol implements Protocol, DnsMessages {
  readonly proto = AppProto.Dns;
  /** Id of the next transaction of a datagram: whoever gives datagrams sets it to the flow's count before, and takes it back after. */
  nextId = 0;
  readonly message = new Message();
  /** Types that `dns.rrtype` is about: of questions and records, in their order; set by loadTypes. */
  readonly types = new Int32Array(MOST_ROWS);

  private readonly mems: Uint8Array[] = [];
  /** The transaction that `message` holds; -1: none. */
  private current = -1;
  private readonly stream: DnsStream;
  private readonly ports: DnsPorts;
  private readonly eve: DnsEveOptions;

  constructor(
    sessions: Sessions,
    private readonly txs: Transactions,
    private readonly counters: Float64Array,
    limits: DnsLimits = {},
  ) {
    this.ports = { own: limits.ports ?? [DNS_PORT], any: limits.anyPort ?? true };
    this.stream = new DnsStream(sessions, txs, counters, Math.min(limits.badMessages ?? 16, 255), this);
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
    this.stream.begin();
    this.current = -1;
  }

  open(_session: number): void {}

  close(session: number): void {
    this.stream.close(session);
  }

  data(session: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): Parsed {
    if (session >= 0) return this.stream.data(session, direction, mem, region, off, len);
    if (this.transaction(-1, this.nextId, direction, mem, region, off, len)) this.nextId++;
    return Parsed.Go;
  }

  gap(session: number, direction: number, length: number): Parsed {
    this.stream.gap(session, direction, length);
    return Parsed.Go;
  }

  finish(session: number, direction: number): void {
    this.stream.finish(session, direction);
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

  /** Reads a message. False: it is damaged; it takes no id then. */
  transaction(session: number, id: number, direction: number, mem: Uint8Array, region: number, off: number, len: number): boolean {
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

  private load(tx: number): void {
    if (this.current === tx) return;
    const { words } = this.txs;
    const at = tx * Tx.Words + Tx.Parser;
    this.message.load(this.mems[words[at + DnsTx.Region]], words[at + DnsTx.Off], words[at + DnsTx.Len]);
    this.current = tx;
  }
}
