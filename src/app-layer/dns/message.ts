import { DnsEvent, FIRST_INVALID_OPCODE, Flag, HEADER_BYTES, opcodeOf, RrType, Section, u16 } from './codes.js';
import { NameFlag, Names } from './names.js';

/**
 * What a message says, a row of words for each question and record, in their order:
 *
 *   0         1      2       3     4       5     6       7      8     9       10    11      12      13    14
 *   | section | type | class | ttl | name                | data       | name in the data    | second name       |
 *   |         |      |       |     | offset, len, flags  | off, len   | offset, len, flags  | offset, len flags |
 *
 * Names lie in Names.bytes, data in the message. A second name only SOA has.
 */
export const enum Rr {
  Section = 0,
  /** -1: the message ends before it. */
  Type = 1,
  Class = 2,
  Ttl = 3,
  Name = 4,
  NameLen = 5,
  NameFlags = 6,
  Data = 7,
  DataLen = 8,
  /** Its len is -1 when there is none. */
  Target = 9,
  TargetLen = 10,
  TargetFlags = 11,
  Second = 12,
  SecondLen = 13,
  SecondFlags = 14,
  Words = 15,
}

const QUESTION_BYTES = 4;
const RECORD_BYTES = 10;
/** The numbers at the end of an SOA record. */
const SOA_BYTES = 20;
/** As many as fit in the longest message: a question takes five bytes. */
export const MOST_ROWS = Math.ceil((0xffff - HEADER_BYTES) / (QUESTION_BYTES + 1)) + 1;

/** One DNS message, read whole. What is there before it ends or breaks off counts. */
export class Message {
  readonly names = new Names();
  readonly rows = new Int32Array(MOST_ROWS * Rr.Words);
  count = 0;
  /** Questions; they are the first rows. */
  questions = 0;
  mem: Uint8Array = new Uint8Array(0);
  /** The header's. */
  id = 0;
  flags = 0;
  /** DnsEvent bits. */
  events = 0;

  private at = 0;
  private end = 0;

  /** Reads the message in mem[off, off + len); at most 65,535 bytes count. */
  load(mem: Uint8Array, off: number, length: number): void {
    const len = length < 0xffff ? length : 0xffff;
    this.mem = mem;
    this.count = 0;
    this.questions = 0;
    this.events = 0;
    this.id = 0;
    this.flags = 0;
    this.names.begin(mem, off, off + len);
    if (len < HEADER_BYTES) {
      this.events = DnsEvent.MalformedData;
      return;
    }
    this.id = u16(mem, off);
    const flags = u16(mem, off + 2);
    this.flags = flags;
    if ((flags & Flag.Z) !== 0) this.events |= DnsEvent.ZFlagSet;
    if (opcodeOf(flags) >= FIRST_INVALID_OPCODE) this.events |= DnsEvent.InvalidOpcode;
    this.at = off + HEADER_BYTES;
    this.end = off + len;
    let ok = this.query(u16(mem, off + 4));
    this.questions = this.count;
    if (!ok || !this.section(Section.Answer, u16(mem, off + 6))) {
      this.events |= DnsEvent.MalformedData;
      return;
    }
    ok = this.section(Section.Authority, u16(mem, off + 8));
    if (!ok) this.events |= DnsEvent.InvalidAuthorities;
    else if (!this.section(Section.Additional, u16(mem, off + 10))) this.events |= DnsEvent.InvalidAdditionals;
  }

  close(): void {
    this.names.close();
  }

  /** False: it is not all there, or nobody knows where the next one begins. The same below. */
  private query(n: number): boolean {
    const { mem, rows, end } = this;
    let ok = true;
    for (let i = 0; i < n; i++) {
      if (this.at >= end) return false;
      const row = this.row(Section.Query);
      if (!this.name(row + Rr.Name, this.at, end)) ok = false;
      const at = this.names.next;
      if (at + QUESTION_BYTES > end) return false;
      rows[row + Rr.Type] = u16(mem, at);
      rows[row + Rr.Class] = u16(mem, at + 2);
      this.at = at + QUESTION_BYTES;
    }
    return ok;
  }

  private section(section: Section, n: number): boolean {
    const { mem, rows, end } = this;
    let ok = true;
    for (let i = 0; i < n; i++) {
      if (this.at >= end) return false;
      const row = this.row(section);
      if (!this.name(row + Rr.Name, this.at, end)) ok = false;
      const at = this.names.next;
      if (at + RECORD_BYTES > end) return false;
      const length = u16(mem, at + 8);
      const data = at + RECORD_BYTES;
      const there = length <= end - data ? length : end - data;
      rows[row + Rr.Type] = u16(mem, at);
      rows[row + Rr.Class] = u16(mem, at + 2);
      rows[row + Rr.Ttl] = (u16(mem, at + 4) << 16) | u16(mem, at + 6);
      rows[row + Rr.Data] = data;
      rows[row + Rr.DataLen] = there;
      if (there > 0 && !this.data(row, data, there)) ok = false;
      if (there < length) return false;
      this.at = data + length;
    }
    return ok;
  }

  /** A row of its own, without a name so far; its offset. */
  private row(section: Section): number {
    const { rows } = this;
    const row = this.count++ * Rr.Words;
    rows[row + Rr.Section] = section;
    rows[row + Rr.Type] = -1;
    rows[row + Rr.Class] = 0;
    rows[row + Rr.Ttl] = 0;
    rows[row + Rr.Data] = 0;
    rows[row + Rr.DataLen] = 0;
    rows[row + Rr.TargetLen] = -1;
    rows[row + Rr.TargetFlags] = 0;
    rows[row + Rr.SecondLen] = -1;
    return row;
  }

  private name(word: number, from: number, limit: number): boolean {
    const { names, rows } = this;
    names.read(from, limit);
    const { flags } = names;
    rows[word] = names.off;
    rows[word + 1] = names.len;
    rows[word + 2] = flags;
    if (flags === 0) return true;
    if ((flags & NameFlag.TooLong) !== 0) this.events |= DnsEvent.NameTooLong;
    if ((flags & NameFlag.Loop) !== 0) this.events |= DnsEvent.InfiniteLoop;
    if ((flags & NameFlag.Labels) !== 0) this.events |= DnsEvent.TooManyLabels;
    return (flags & (NameFlag.Bad | NameFlag.Cut)) === 0;
  }

  /** The names in a record's data. */
  private data(row: number, at: number, length: number): boolean {
    const end = at + length;
    switch (this.rows[row + Rr.Type]) {
      case RrType.Cname:
      case RrType.Ns:
      case RrType.Ptr:
        return this.name(row + Rr.Target, at, end);
      case RrType.Mx:
        return length > 2 && this.name(row + Rr.Target, at + 2, end);
      case RrType.Srv:
        return length > 6 && this.name(row + Rr.Target, at + 6, end);
      case RrType.Soa: {
        let ok = this.name(row + Rr.Target, at, end);
        if (this.names.next < end && !this.name(row + Rr.Second, this.names.next, end)) ok = false;
        // Where the numbers begin.
        const numbers = this.names.next;
        this.rows[row + Rr.Data] = numbers;
        this.rows[row + Rr.DataLen] = end - numbers;
        return ok && this.rows[row + Rr.SecondLen] >= 0 && end - numbers >= SOA_BYTES;
      }
      case RrType.Sshfp:
        return length >= 2;
      case RrType.Txt:
        return this.strings(at, end);
      default:
        return true;
    }
  }

  /** Character strings (RFC 1035, 3.3): each begins with its length. */
  private strings(at: number, end: number): boolean {
    let next = at;
    while (next < end) next += 1 + this.mem[next];
    return next === end;
  }
}
