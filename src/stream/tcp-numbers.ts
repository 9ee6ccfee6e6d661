import type { Packet } from '../decode/packet.js';
import { type FlowTable, L4 } from '../flow/flow-table.js';
import { TcpBit } from './tcp-bits.js';
import { NO_SCALE, windowScale } from './tcp-options.js';

/** Scale assumed when the handshake was not seen: the largest, so that no good packet looks out of window. */
const UNKNOWN_SCALE = 14;
/** A SYN-only or midstream peer has offered nothing yet: the largest window without scaling. */
const UNKNOWN_WINDOW = 65535;

/** The numbers and windows of both sides (FlowTable.l4, scales, TcpBit) until the handshake ends. */
export class TcpNumbers {
  constructor(private readonly flows: FlowTable) {}

  /** A SYN or SYN+ACK gives its side's numbers. */
  startSide(p: Packet, slot: number): void {
    const l4 = this.flows.l4;
    const at = slot * L4.Words + p.direction;
    l4[at + L4.Isn] = p.tcpSeq;
    l4[at + L4.Next] = (p.tcpSeq + 1 + p.payloadLen + p.cut) | 0;
    l4[at + L4.Ack] = p.tcpAck;
    l4[at + L4.Window] = p.tcpWindow;
    const scale = windowScale(p);
    if (p.direction === 0) this.flows.tcpScaleTs[slot] = scale;
    else this.flows.tcpScaleTc[slot] = scale;
  }

  /** A SYN+ACK began the session: what it tells of the other side. */
  assumePeer(p: Packet, slot: number): void {
    const { flows } = this;
    const at = slot * L4.Words + (p.direction ^ 1);
    flows.l4[at + L4.Isn] = (p.tcpAck - 1) | 0;
    flows.l4[at + L4.Next] = p.tcpAck;
    flows.l4[at + L4.Window] = UNKNOWN_WINDOW;
    if (p.direction === 1) flows.tcpScaleTs[slot] = UNKNOWN_SCALE;
    else flows.tcpScaleTc[slot] = UNKNOWN_SCALE;
    flows.tcpBits[slot] = p.direction === 1 ? TcpBit.SynTc | TcpBit.AckedTs : TcpBit.AckedTc;
  }

  /** Data or an ACK began it: as if the handshake had been seen, with the widest windows. */
  assumeBoth(p: Packet, slot: number): void {
    const { flows } = this;
    const { l4 } = flows;
    const mine = slot * L4.Words + p.direction;
    const peer = slot * L4.Words + (p.direction ^ 1);
    flows.tcpScaleTs[slot] = UNKNOWN_SCALE;
    flows.tcpScaleTc[slot] = UNKNOWN_SCALE;
    l4[mine + L4.Isn] = (p.tcpSeq - 1) | 0;
    l4[mine + L4.Next] = (p.tcpSeq + p.payloadLen + p.cut) | 0;
    l4[mine + L4.Ack] = p.tcpAck;
    l4[mine + L4.Window] = p.tcpWindow << UNKNOWN_SCALE;
    l4[peer + L4.Isn] = (p.tcpAck - 1) | 0;
    l4[peer + L4.Next] = p.tcpAck;
    l4[peer + L4.Ack] = p.tcpSeq;
    l4[peer + L4.Window] = UNKNOWN_WINDOW << UNKNOWN_SCALE;
    flows.tcpBits[slot] = TcpBit.AckedTs | TcpBit.AckedTc | TcpBit.SynTc;
  }

  /** True when `ack` acknowledges the SYN of side `peer` (and, fast open, not more than it sent). */
  takesAck(slot: number, peer: number, ack: number): boolean {
    const flows = this.flows;
    const l4 = flows.l4;
    const at = slot * L4.Words + peer;
    if (((ack - l4[at + L4.Isn]) | 0) > 0 && ((ack - l4[at + L4.Next]) | 0) <= 0) return true;
    if ((flows.tcpBits[slot] & (peer === 0 ? TcpBit.OtherTs : TcpBit.OtherTc)) === 0) return false;
    const other = l4[slot * L4.Words + (peer ^ 1) + L4.Window];
    if (ack !== ((other + 1) | 0)) return false;
    l4[at + L4.Isn] = other;
    l4[at + L4.Next] = ack;
    return true;
  }

  /** More is acknowledged than was seen, by no more than a window: what side `peer` sent was missed. False: it is not so. */
  takesMissed(slot: number, peer: number, ack: number): boolean {
    const at = slot * L4.Words + peer + L4.Next;
    const ahead = (ack - this.flows.l4[at]) | 0;
    if (ahead <= 0 || ahead > UNKNOWN_WINDOW) return false;
    this.flows.l4[at] = ack;
    this.flows.tcpBits[slot] |= TcpBit.AckedTs | TcpBit.AckedTc;
    return true;
  }

  /** Data of side `direction` before the last ACK, up to number `next`. */
  sends(slot: number, direction: number, next: number): void {
    const at = slot * L4.Words + direction + L4.Next;
    const more = (next - this.flows.l4[at]) | 0;
    if (more > 0 && more <= UNKNOWN_WINDOW) this.flows.l4[at] = next;
  }

  bothAcked(slot: number): boolean {
    return (this.flows.tcpBits[slot] & (TcpBit.AckedTs | TcpBit.AckedTc)) === (TcpBit.AckedTs | TcpBit.AckedTc);
  }

  /** The handshake is over: what each side has acknowledged, and scales, which hold only when both offered one. */
  settleWindows(slot: number): void {
    const flows = this.flows;
    const l4 = flows.l4;
    const at = slot * L4.Words;
    if (flows.tcpScaleTs[slot] === NO_SCALE || flows.tcpScaleTc[slot] === NO_SCALE) {
      flows.tcpScaleTs[slot] = 0;
      flows.tcpScaleTc[slot] = 0;
    }
    if ((flows.tcpBits[slot] & TcpBit.OtherTc) !== 0) l4[at + L4.Window] = UNKNOWN_WINDOW;
    l4[at + L4.Ack] = (l4[at + 1 + L4.Isn] + 1) | 0;
    if (((l4[at + 1 + L4.Ack] - l4[at + L4.Isn]) | 0) <= 0) l4[at + 1 + L4.Ack] = (l4[at + L4.Isn] + 1) | 0;
  }
}
