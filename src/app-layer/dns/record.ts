import type { RecordWriter } from '../record.js';
import { Flag, opcodeOf, RCODE_NAMES, RrType, rcodeOf, Section, u16 } from './codes.js';
import { Field, GROUPED, TYPE_WORDS, Word } from './fields.js';
import { type Message, Rr } from './message.js';
import { NameFlag } from './names.js';
import { type DnsEveOptions, typeWanted } from './options.js';

export { DNS_NAMES } from './fields.js';

const SECTIONS: readonly Field[] = [Field.Queries, Field.Answers, Field.Authorities, Field.Additionals];
const OPTION_BYTES = 4;
const HEX = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0));
const digits = new Uint8Array(16);

/** How many records the message has: version 2 writes one per question of a request. */
export function recordCount(message: Message, options: DnsEveOptions): number {
  if (options.version === 3 || (message.flags & Flag.Qr) !== 0) return 1;
  let n = 0;
  for (let i = 0; i < message.questions; i++) if (typeWanted(message, i, options)) n++;
  return n;
}

/** The inside of `dns`; in version 2, of the request's i-th question that is logged. */
export function writeRecord(message: Message, txId: number, options: DnsEveOptions, i: number, writer: RecordWriter): void {
  if (options.version === 3) writeVersion3(message, txId, options, writer);
  else if ((message.flags & Flag.Qr) === 0) writeQuery(message, txId, options, i, writer);
  else writeAnswer(message, options, writer);
}

function writeVersion3(message: Message, txId: number, options: DnsEveOptions, writer: RecordWriter): void {
  const { flags, questions, count } = message;
  writer.number(Field.Version, 3);
  writer.word(Field.Type, (flags & Flag.Qr) !== 0 ? Word.Response : Word.Request);
  writer.number(Field.TxId, txId);
  writer.number(Field.Id, message.id);
  writeFlags(flags, writer);
  writer.number(Field.Opcode, opcodeOf(flags));
  writeRcode(flags, writer);
  if (questions > 0) {
    writer.array(Field.Queries);
    for (let i = 0; i < questions; i++) {
      if (!typeWanted(message, i, options)) continue;
      writer.object(Field.None);
      writeOwner(message, i * Rr.Words, writer);
      writer.end();
    }
    writer.end();
  }
  if (options.detailed) {
    for (let i = questions; i < count; ) i = writeSection(message, i, true, writer);
  }
  if (options.grouped) writeGrouped(message, writer);
}

function writeQuery(message: Message, txId: number, options: DnsEveOptions, nth: number, writer: RecordWriter): void {
  let i = 0;
  for (let seen = 0; i < message.questions; i++) {
    if (typeWanted(message, i, options) && seen++ === nth) break;
  }
  writer.word(Field.Type, Word.Query);
  writer.number(Field.Id, message.id);
  if (i < message.questions) writeOwner(message, i * Rr.Words, writer);
  writer.number(Field.TxId, txId);
  if ((message.flags & Flag.Z) !== 0) writer.flag(Field.Z, true);
  writer.number(Field.Opcode, opcodeOf(message.flags));
}

function writeAnswer(message: Message, options: DnsEveOptions, writer: RecordWriter): void {
  const { flags, questions, count, rows } = message;
  writer.number(Field.Version, 2);
  writer.word(Field.Type, Word.Answer);
  writer.number(Field.Id, message.id);
  writeFlags(flags, writer);
  writer.number(Field.Opcode, opcodeOf(flags));
  if (questions > 0) writeOwner(message, 0, writer);
  writeRcode(flags, writer);
  if (options.detailed) {
    for (let i = questions; i < count && rows[i * Rr.Words + Rr.Section] !== Section.Additional; )
      i = writeSection(message, i, false, writer);
  }
  if (options.grouped) writeGrouped(message, writer);
}

function writeFlags(flags: number, writer: RecordWriter): void {
  let n = 0;
  for (let shift = 12; shift >= 0; shift -= 4) {
    const digit = (flags >>> shift) & 15;
    if (digit !== 0 || n > 0 || shift === 0) digits[n++] = HEX[digit];
  }
  writer.text(Field.Flags, digits, 0, n);
  if ((flags & Flag.Qr) !== 0) writer.flag(Field.Qr, true);
  if ((flags & Flag.Aa) !== 0) writer.flag(Field.Aa, true);
  if ((flags & Flag.Tc) !== 0) writer.flag(Field.Tc, true);
  if ((flags & Flag.Rd) !== 0) writer.flag(Field.Rd, true);
  if ((flags & Flag.Ra) !== 0) writer.flag(Field.Ra, true);
  if ((flags & Flag.Z) !== 0) writer.flag(Field.Z, true);
}

function writeRcode(flags: number, writer: RecordWriter): void {
  const code = rcodeOf(flags);
  if (code < RCODE_NAMES.length) writer.word(Field.Rcode, Word.Rcode + code);
  else writeDecimal(Field.Rcode, code, writer);
}

function writeDecimal(field: Field, value: number, writer: RecordWriter): void {
  let at = digits.length;
  let rest = value;
  do {
    digits[--at] = 0x30 + (rest % 10);
    rest = (rest / 10) | 0;
  } while (rest > 0);
  writer.text(field, digits, at, digits.length - at);
}

/** rrname, rrtype. */
function writeOwner(message: Message, row: number, writer: RecordWriter): void {
  const { rows, names } = message;
  writer.text(Field.Rrname, names.bytes, rows[row + Rr.Name], rows[row + Rr.NameLen]);
  if ((rows[row + Rr.NameFlags] & NameFlag.TooLong) !== 0) writer.flag(Field.RrnameTruncated, true);
  const type = rows[row + Rr.Type];
  const word = type < TYPE_WORDS.length ? TYPE_WORDS[type] : 0;
  if (word > 0) writer.word(Field.Rrtype, word);
  else writeDecimal(Field.Rrtype, type, writer);
}

/** The records of a section, from row i on; where the next one begins. */
function writeSection(message: Message, from: number, withOptions: boolean, writer: RecordWriter): number {
  const { rows, count } = message;
  const section = rows[from * Rr.Words + Rr.Section];
  let i = from;
  let open = false;
  for (; i < count && rows[i * Rr.Words + Rr.Section] === section; i++) {
    const row = i * Rr.Words;
    const type = rows[row + Rr.Type];
    if (type < 0 || (type === RrType.Opt && rows[row + Rr.DataLen] === 0 && section === Section.Additional)) continue;
    if (!open) writer.array(SECTIONS[section]);
    open = true;
    if (type === RrType.Txt && rows[row + Rr.DataLen] > 0) {
      writeStrings(message, row, true, writer);
      continue;
    }
    writer.object(Field.None);
    writeOwner(message, row, writer);
    writer.number(Field.Ttl, rows[row + Rr.Ttl] >>> 0);
    writeData(message, row, withOptions, writer);
    writer.end();
  }
  if (open) writer.end();
  return i;
}

/** Each string of a TXT record is an answer of its own. */
function writeStrings(message: Message, row: number, detailed: boolean, writer: RecordWriter): void {
  const { rows, mem } = message;
  const end = rows[row + Rr.Data] + rows[row + Rr.DataLen];
  for (let at = rows[row + Rr.Data]; at < end; at += 1 + mem[at]) {
    const length = at + 1 + mem[at] <= end ? mem[at] : end - at - 1;
    if (!detailed) {
      writer.text(Field.None, mem, at + 1, length);
      continue;
    }
    writer.object(Field.None);
    writeOwner(message, row, writer);
    writer.number(Field.Ttl, rows[row + Rr.Ttl] >>> 0);
    writer.text(Field.Rdata, mem, at + 1, length);
    writer.end();
  }
}

function writeData(message: Message, row: number, withOptions: boolean, writer: RecordWriter): void {
  const { rows, mem } = message;
  const type = rows[row + Rr.Type];
  const at = rows[row + Rr.Data];
  const length = rows[row + Rr.DataLen];
  if (length === 0) return;
  switch (type) {
    case RrType.Soa:
      writeValue(Field.Soa, message, row, writer);
      return;
    case RrType.Srv:
      writeValue(Field.Srv, message, row, writer);
      return;
    case RrType.Sshfp:
      writeValue(Field.Sshfp, message, row, writer);
      return;
    case RrType.Opt:
      if (withOptions) writeOptions(mem, at, at + length, writer);
      return;
    default:
      if (GROUPED.includes(type)) writeValue(Field.Rdata, message, row, writer);
      if (rows[row + Rr.TargetLen] >= 0 && (rows[row + Rr.TargetFlags] & NameFlag.TooLong) !== 0) writer.flag(Field.RdataTruncated, true);
  }
}

/** EDNS options (RFC 6891, 6.1.2). */
function writeOptions(mem: Uint8Array, from: number, end: number, writer: RecordWriter): void {
  if (from >= end) return;
  writer.array(Field.Opt);
  for (let at = from; at + OPTION_BYTES <= end; ) {
    const length = u16(mem, at + 2);
    const data = at + OPTION_BYTES;
    writer.object(Field.None);
    writer.number(Field.Code, u16(mem, at));
    writer.hex(Field.Data, mem, data, data + length <= end ? length : end - data, false);
    writer.end();
    at = data + length;
  }
  writer.end();
}

/** The data of a record whose type is in GROUPED and that has some. */
function writeValue(field: number, message: Message, row: number, writer: RecordWriter): void {
  const { rows, mem, names } = message;
  const at = rows[row + Rr.Data];
  const length = rows[row + Rr.DataLen];
  switch (rows[row + Rr.Type]) {
    case RrType.A:
    case RrType.Aaaa:
      if (length === 4 || length === 16) writer.address(field, mem, at, length);
      else writer.text(field, mem, at, 0);
      return;
    case RrType.Soa:
      writer.object(field);
      if (rows[row + Rr.TargetLen] >= 0) writer.text(Field.Mname, names.bytes, rows[row + Rr.Target], rows[row + Rr.TargetLen]);
      if (rows[row + Rr.SecondLen] >= 0) writer.text(Field.Rname, names.bytes, rows[row + Rr.Second], rows[row + Rr.SecondLen]);
      for (let i = 0; i < 5 && 4 * i + 4 <= length; i++) writer.number(Field.Serial + i, u32(mem, at + 4 * i));
      writer.end();
      return;
    case RrType.Srv:
      writer.object(field);
      if (length >= 6) {
        for (let i = 0; i < 3; i++) writer.number(Field.Priority + i, u16(mem, at + 2 * i));
      }
      if (rows[row + Rr.TargetLen] >= 0) writer.text(Field.Name, names.bytes, rows[row + Rr.Target], rows[row + Rr.TargetLen]);
      writer.end();
      return;
    case RrType.Sshfp:
      writer.object(field);
      if (length >= 2) {
        writer.hex(Field.Fingerprint, mem, at + 2, length - 2, true);
        writer.number(Field.Algo, mem[at]);
        writer.number(Field.Type, mem[at + 1]);
      }
      writer.end();
      return;
    case RrType.Null:
    case RrType.Txt:
      writer.text(field, mem, at, length);
      return;
    default:
      if (rows[row + Rr.TargetLen] >= 0) writer.text(field, names.bytes, rows[row + Rr.Target], rows[row + Rr.TargetLen]);
  }
}

function writeGrouped(message: Message, writer: RecordWriter): void {
  const { rows, questions, count } = message;
  let end = questions;
  let present = 0;
  for (; end < count && rows[end * Rr.Words + Rr.Section] === Section.Answer; end++) {
    const group = GROUPED.indexOf(rows[end * Rr.Words + Rr.Type]);
    if (group >= 0 && rows[end * Rr.Words + Rr.DataLen] > 0) present |= 1 << group;
  }
  if (end === questions) return;
  writer.object(Field.Grouped);
  for (let group = 0; group < GROUPED.length; group++) {
    if ((present & (1 << group)) === 0) continue;
    writer.array(Field.Group + group);
    for (let i = questions; i < end; i++) {
      const row = i * Rr.Words;
      const length = rows[row + Rr.DataLen];
      if (rows[row + Rr.Type] !== GROUPED[group] || length === 0) continue;
      if (GROUPED[group] === RrType.Txt) writeStrings(message, row, false, writer);
      else writeValue(Field.None, message, row, writer);
    }
    writer.end();
  }
  writer.end();
}

function u32(mem: Uint8Array, at: number): number {
  return ((mem[at] << 24) | (mem[at + 1] << 16) | (mem[at + 2] << 8) | mem[at + 3]) >>> 0;
}
