import { Likeness } from '../protocol.js';
import { Flag, HEADER_BYTES, opcodeOf, u16 } from './codes.js';

export const DNS_PORT = 53;

/** Server ports on which DNS is looked for. */
export interface DnsPorts {
  /** Here a message is taken for one by Suricata's tests. */
  own: readonly number[];
  /** And on every other port, by stricter tests. */
  any: boolean;
}

/** Length before each message of a stream (RFC 1035, 4.2.2). */
export const PREFIX_BYTES = 2;
/** Ports whose protocols share DNS' format but are not DNS: NetBIOS names, multicast DNS, LLMNR. */
const OTHERS: readonly number[] = [137, 5353, 5355];
/** What a question and a record take at least; of port 53 Suricata, and so we, ask only for two bytes each. */
const LEAST_QUESTION = 5;
const LEAST_RECORD = 11;
const LEAST_OF_ALL = 2;
/** RFC 6895, 2.2: QUERY .. DSO. */
const LAST_OPCODE = 6;
const LAST_RCODE = 10;
const CLASS_IN = 1;
const CLASS_CHAOS = 3;
const CLASS_HESIOD = 4;
const CLASS_ANY = 255;

/**
 * Might these be the first bytes of a message? `length` is what the whole of it has, of which `there` bytes lie in mem. Its counts
 * must fit into it, and its first question must be one as far as it is there. `strict` (any port but 53): there must be exactly one
 * question, of a class in use, a known opcode and code, no reserved bit, and a request must be nothing but that and an EDNS record.
 */
export function probeMessage(mem: Uint8Array, off: number, there: number, length: number, strict: boolean): Likeness {
  if (length < HEADER_BYTES) return Likeness.No;
  if (there < HEADER_BYTES) return Likeness.More;
  const flags = u16(mem, off + 2);
  const questions = u16(mem, off + 4);
  const answers = u16(mem, off + 6);
  const others = u16(mem, off + 8) + u16(mem, off + 10);
  if (HEADER_BYTES + (questions + answers + others) * LEAST_OF_ALL > length) return Likeness.No;
  if (strict) {
    if (HEADER_BYTES + questions * LEAST_QUESTION + (answers + others) * LEAST_RECORD > length) return Likeness.No;
    if (questions !== 1 || (flags & Flag.Z) !== 0 || opcodeOf(flags) > LAST_OPCODE || (flags & 15) > LAST_RCODE) return Likeness.No;
    if ((flags & Flag.Qr) === 0 && ((flags & (Flag.Aa | Flag.Tc | Flag.Ra | 15)) !== 0 || answers > 0 || others > 2)) return Likeness.No;
  }
  return questions === 0 ? Likeness.Yes : question(mem, off, there, length, strict);
}

/** One whole datagram, or its first bytes. */
export function probeDatagram(mem: Uint8Array, off: number, len: number, serverPort: number, ports: DnsPorts, most: number): Likeness {
  const own = ports.own.includes(serverPort);
  if (!own && (!ports.any || OTHERS.includes(serverPort))) return Likeness.No;
  const answer = probeMessage(mem, off, len, len < most ? len : 0xffff, !own);
  return answer === Likeness.More && len >= most ? Likeness.Yes : answer === Likeness.Yes ? Likeness.Yes : Likeness.No;
}

/** The first bytes of a direction of a stream. */
export function probeStream(mem: Uint8Array, off: number, len: number, serverPort: number, ports: DnsPorts): Likeness {
  const own = ports.own.includes(serverPort);
  if (!own && (!ports.any || OTHERS.includes(serverPort))) return Likeness.No;
  if (len < PREFIX_BYTES) return Likeness.More;
  const length = u16(mem, off);
  const there = len - PREFIX_BYTES;
  return probeMessage(mem, off + PREFIX_BYTES, there < length ? there : length, length, !own);
}

/** A response, by its header: a flow whose first datagram is one runs the other way round. */
export function isResponse(mem: Uint8Array, off: number, len: number): boolean {
  return len >= HEADER_BYTES && (mem[off + 2] & 0x80) !== 0;
}

function question(mem: Uint8Array, off: number, there: number, length: number, strict: boolean): Likeness {
  let at = HEADER_BYTES;
  for (;;) {
    if (at >= there) return there < length ? Likeness.More : Likeness.No;
    const label = mem[off + at];
    if (label === 0) {
      at++;
      break;
    }
    if (label >= 0xc0) {
      if (strict) return Likeness.No;
      at += 2;
      break;
    }
    if (label >= 0x40 || at + 1 + label + QUESTION_REST > length) return Likeness.No;
    at += 1 + label;
  }
  if (at + 4 > length) return Likeness.No;
  if (at + 4 > there) return Likeness.More;
  if (!strict) return Likeness.Yes;
  const type = u16(mem, off + at);
  const kind = u16(mem, off + at + 2) & 0x7fff;
  const known = kind === CLASS_IN || kind === CLASS_CHAOS || kind === CLASS_HESIOD || kind === CLASS_ANY;
  return known && type !== 0 ? Likeness.Yes : Likeness.No;
}

/** After a label: the next one or the end, type, class. */
const QUESTION_REST = 5;
