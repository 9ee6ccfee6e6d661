import { type Packet, TcpFlag } from '../decode/packet.js';
import { Mode } from '../ring/verdict.js';

/** Bits of a session: which side offered timestamps in its SYN, of which a value is known. */
const enum Ts {
  OfferedTs = 1,
  OfferedTc = 2,
  Agreed = 3,
  KnownTs = 4,
  KnownTc = 8,
}

/** After this long without a packet the clocks may have wrapped (RFC 7323, 5.5), seconds. */
const IDLE = 24 * 86400;
/** What Linux lets a clock go back (TCP_PAWS_WINDOW): then nobody is stricter here than the hosts. */
const TOLERANCE = 1;

/**
 * Protection against wrapped sequence numbers (RFC 7323, 5): once both sides have agreed on timestamps, a segment whose
 * timestamp lies before the last one in order is not for this session, and hosts drop it.
 *
 *   last   | to server, to client | per slot: TS.Recent of the receiver; until the answer to a SYN, the other side's entry is
 *                                  the SYN's newest timestamp
 *   bits   | Ts                   | per slot
 */
export class Timestamps {
  private readonly last: Int32Array;
  private readonly lastSec: Int32Array;
  private readonly bits: Uint8Array;
  /** TSval and TSecr of the segment read last. */
  private value = 0;
  private echo = 0;

  /** `slots`: FlowTable.capacity. 17 bytes each, touched only by TCP sessions. */
  constructor(slots: number) {
    this.last = new Int32Array(slots * 2);
    this.lastSec = new Int32Array(slots * 2);
    this.bits = new Uint8Array(slots);
  }

  /** A session begins with this packet, SYN or not. */
  begin(p: Packet, slot: number): void {
    if (!this.read(p)) {
      this.bits[slot] = 0;
      return;
    }
    const offered = p.direction === 0 ? Ts.OfferedTs : Ts.OfferedTc;
    // Picked up midstream: timestamps are there, so they were agreed on.
    this.bits[slot] = (p.tcpFlags & TcpFlag.Syn) === 0 ? Ts.Agreed : offered;
    this.learn(p, slot);
    this.last[slot * 2 + (p.direction ^ 1)] = this.value;
  }

  /** Client and server change places. */
  turn(slot: number): void {
    const { last, lastSec, bits } = this;
    const at = slot * 2;
    const value = last[at];
    last[at] = last[at + 1];
    last[at + 1] = value;
    const sec = lastSec[at];
    lastSec[at] = lastSec[at + 1];
    lastSec[at + 1] = sec;
    const ts = bits[slot] & (Ts.OfferedTs | Ts.KnownTs);
    const tc = bits[slot] & (Ts.OfferedTc | Ts.KnownTc);
    bits[slot] =
      (bits[slot] & Ts.Agreed) |
      ((ts & Ts.OfferedTs) << 1) |
      ((tc & Ts.OfferedTc) >> 1) |
      ((ts & Ts.KnownTs) << 1) |
      ((tc & Ts.KnownTc) >> 1);
  }

  /** The SYN again. */
  repeat(p: Packet, slot: number): void {
    if (this.read(p)) this.last[slot * 2 + (p.direction ^ 1)] = this.value;
  }

  /** False: an answer to the SYN that echoes no timestamp of it, which its sender does not take (RFC 7323, 3.2). */
  echoes(p: Packet, slot: number): boolean {
    const peer = p.direction ^ 1;
    if ((this.bits[slot] & (peer === 0 ? Ts.KnownTs : Ts.KnownTc)) === 0 || !this.read(p) || this.echo === 0) return true;
    const at = slot * 2;
    return ((this.echo - this.last[at + peer]) | 0) >= 0 && ((this.echo - this.last[at + p.direction]) | 0) <= 0;
  }

  /** A SYN of the side that has not begun. */
  answer(p: Packet, slot: number): void {
    if (!this.read(p)) {
      this.bits[slot] &= p.direction === 0 ? ~Ts.OfferedTs : ~Ts.OfferedTc;
      return;
    }
    this.bits[slot] |= p.direction === 0 ? Ts.OfferedTs : Ts.OfferedTc;
    this.learn(p, slot);
  }

  /** False: the timestamp is too old. `inOrder`: the segment does not begin behind what its receiver acknowledged. */
  check(p: Packet, slot: number, inOrder: boolean): boolean {
    const bits = this.bits[slot];
    if ((bits & Ts.Agreed) !== Ts.Agreed || fromLog(p) || !this.read(p)) return true;
    const known = p.direction === 0 ? Ts.KnownTs : Ts.KnownTc;
    if ((bits & known) === 0) {
      this.learn(p, slot);
      return true;
    }
    const at = slot * 2 + p.direction;
    const ahead = (this.value - this.last[at]) | 0;
    if (ahead < -TOLERANCE && p.tsSec - this.lastSec[at] < IDLE) return false;
    if (inOrder && ahead !== 0) this.learn(p, slot);
    return true;
  }

  /** The timestamp is too old; nothing is learnt from it. */
  stale(p: Packet, slot: number): boolean {
    const bits = this.bits[slot];
    if ((bits & Ts.Agreed) !== Ts.Agreed || fromLog(p) || (bits & (p.direction === 0 ? Ts.KnownTs : Ts.KnownTc)) === 0 || !this.read(p))
      return false;
    const at = slot * 2 + p.direction;
    return ((this.value - this.last[at]) | 0) < -TOLERANCE && p.tsSec - this.lastSec[at] < IDLE;
  }

  private learn(p: Packet, slot: number): void {
    const at = slot * 2 + p.direction;
    this.last[at] = this.value;
    this.lastSec[at] = p.tsSec;
    this.bits[slot] |= p.direction === 0 ? Ts.KnownTs : Ts.KnownTc;
  }

  /** Reads TSval to `value`; false when the segment has none. Decode has checked that the header lies within the packet. */
  private read(p: Packet): boolean {
    const m = p.mem;
    const end = p.transportOff + p.tcpHeaderLen;
    let at = p.transportOff + 20;
    // NOP NOP timestamp, as nearly every segment has it.
    if (end - at >= 12 && m[at] === 1 && m[at + 1] === 1 && m[at + 2] === 8 && m[at + 3] === 10) return this.take(m, at + 4);
    if (end > m.length) return false;
    while (at < end) {
      const kind = m[at];
      if (kind === 0) return false;
      if (kind === 1) {
        at++;
        continue;
      }
      if (end - at < 2) return false;
      const length = m[at + 1];
      if (length < 2 || length > end - at) return false;
      if (kind === 8 && length === 10) return this.take(m, at + 2);
      at += length;
    }
    return false;
  }

  private take(m: Uint8Array, at: number): boolean {
    this.value = (m[at] << 24) | (m[at + 1] << 16) | (m[at + 2] << 8) | m[at + 3];
    this.echo = (m[at + 4] << 24) | (m[at + 5] << 16) | (m[at + 6] << 8) | m[at + 7];
    return true;
  }
}

/** Each log group has a thread of its own, and may show what another has shown: the order of arrival says nothing about a packet's age. */
function fromLog(p: Packet): boolean {
  return p.selective === 1 && p.mode === Mode.Ids;
}
