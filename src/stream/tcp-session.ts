import { type Packet, TcpFlag } from '../decode/packet.js';
import { FlowFlag, FlowState, TcpState } from '../flow/codes.js';
import { type FlowTable, L4 } from '../flow/flow-table.js';
import { Mode } from '../ring/verdict.js';
import { noteEvent, StreamEvent } from './events.js';
import { afterReset, invalidAck, outOfWindow, synAgain } from './session-events.js';
import { TcpBit } from './tcp-bits.js';
import { TcpResult } from './tcp-result.js';

/** TCP sessions after their handshake: windows, RST, FIN. What TcpTracker hands on. */
export class TcpSession {
  /** The packet shows that the session is over: its sender has begun another. */
  begunAnew = false;
  /** By slot: number of the last SYN of another session. */
  private readonly otherSyn: Int32Array;

  constructor(
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
  ) {
    this.otherSyn = new Int32Array(flows.capacity);
  }

  /** Established and later. */
  follow(p: Packet, slot: number, state: number): number {
    const flags = p.tcpFlags;
    if ((flags & (TcpFlag.Rst | TcpFlag.Syn)) !== 0) return (flags & TcpFlag.Rst) !== 0 ? this.reset(p, slot) : this.syn(p, slot, state);
    const flows = this.flows;
    const l4 = flows.l4;
    const mine = slot * L4.Words + p.direction;
    const peer = slot * L4.Words + (p.direction ^ 1);
    if (state === TcpState.Closed && afterReset(p, flows.tcpBits[slot], l4[mine + L4.Next])) {
      noteEvent(p, this.counters, StreamEvent.SuspectedRstInject);
      // Said once of each RST.
      flows.tcpBits[slot] &= ~(TcpBit.RstTs | TcpBit.RstTc);
    }
    // No host takes data without an acknowledgement (RFC 9293, 3.10.7.4).
    if (p.mode === Mode.Ips && (flags & TcpFlag.Ack) === 0) return TcpResult.Invalid;
    if (!this.inWindow(p, slot)) {
      const code = outOfWindow(state, flags);
      if (code !== 0) noteEvent(p, this.counters, code);
      return this.outOfWindow(p, slot);
    }
    if (p.payloadLen > 0) this.noteRepetition(p, state, mine, peer);
    if ((flags & TcpFlag.Ack) !== 0) {
      const ahead = (p.tcpAck - l4[mine + L4.Ack]) | 0;
      // Seen from here, what is acknowledged must lie within the window below what was acknowledged (RFC 5961, 5), or was sent.
      if (ahead > this.windowOf(mine) + 1 || (l4[mine + L4.Window] > 0 && -ahead > l4[mine + L4.Window])) {
        noteEvent(p, this.counters, StreamEvent.PktInvalidAck);
        const code = invalidAck(state, flags);
        if (code !== 0) noteEvent(p, this.counters, code);
      }
      if (ahead > this.windowOf(mine) + 1) return this.outOfWindow(p, slot);
      if (ahead >= 0) {
        const window = p.tcpWindow << (p.direction === 0 ? flows.tcpScaleTs[slot] : flows.tcpScaleTc[slot]);
        // An older window that was overtaken must not take back what was offered: inline, what is beyond it is not forwarded.
        const left = p.mode === Mode.Ips ? l4[mine + L4.Window] - ahead : 0;
        l4[mine + L4.Ack] = p.tcpAck;
        l4[mine + L4.Window] = window > left ? window : left;
        // More acknowledged than we saw: the capture lost packets, the endpoint did not.
        if (((p.tcpAck - l4[peer + L4.Next]) | 0) > 0) l4[peer + L4.Next] = p.tcpAck;
      }
    }
    const next = (p.tcpSeq + p.payloadLen + p.cut) | 0;
    if (((next - l4[mine + L4.Next]) | 0) > 0) l4[mine + L4.Next] = next;
    if (state !== TcpState.Established || (flags & TcpFlag.Fin) !== 0) this.close(p, slot, state);
    return TcpResult.Ok;
  }

  /**
   * RFC 5961: only the number the receiver expects ends a session; any other in its window is challenged. A listener that lost
   * packets takes the window for it. Inline that would let a RST that the server does not obey, and a SYN after it, make us
   * forget a session that goes on.
   */
  private reset(p: Packet, slot: number): number {
    const { flows } = this;
    const { l4 } = flows;
    const mine = slot * L4.Words + p.direction;
    const peer = slot * L4.Words + (p.direction ^ 1);
    if (p.payloadLen > 0) noteEvent(p, this.counters, StreamEvent.RstWithData);
    const over = (p.tcpSeq - l4[peer + L4.Ack]) | 0;
    const expected = p.tcpSeq === l4[mine + L4.Next] || over === 0;
    if (!expected && (p.mode === Mode.Ips || over < 0 || over > this.windowOf(peer))) {
      if ((p.tcpFlags & TcpFlag.Ack) !== 0 && ((p.tcpAck - l4[peer + L4.Next]) | 0) > 0)
        noteEvent(p, this.counters, StreamEvent.RstInvalidAck);
      return TcpResult.Invalid;
    }
    flows.tcpBits[slot] |= p.direction === 0 ? TcpBit.RstTs : TcpBit.RstTc;
    this.setState(slot, TcpState.Closed);
    return TcpResult.Ok;
  }

  /** A repeated SYN or SYN+ACK is harmless; any other is challenged by the receiver, not obeyed. */
  private syn(p: Packet, slot: number, state: number): number {
    const { l4 } = this.flows;
    const mine = slot * L4.Words + p.direction;
    const peer = slot * L4.Words + (p.direction ^ 1);
    const again = synAgain(p, state, l4, mine, peer);
    if (again !== 0) noteEvent(p, this.counters, again);
    if (p.tcpSeq === l4[mine + L4.Isn]) return TcpResult.Ok;
    if (p.bridged !== 0) this.otherSession(p, slot);
    return TcpResult.Invalid;
  }

  /**
   * A SYN of another session is passed on: a host that has the old one answers with its numbers, and the sender resets it. One
   * that has forgotten it answers with SYN+ACK: then the old one is over. That answer is to be dropped: when the SYN comes
   * again, it begins a session that is followed from its beginning.
   */
  private otherSession(p: Packet, slot: number): void {
    if ((p.tcpFlags & TcpFlag.Ack) === 0) this.otherSyn[slot] = p.tcpSeq;
    else if (p.direction === 1 && p.tcpAck === ((this.otherSyn[slot] + 1) | 0)) {
      this.begunAnew = true;
      this.setState(slot, TcpState.Closed);
    }
  }

  /** Data that was sent before: seen here, or acknowledged even. */
  private noteRepetition(p: Packet, state: number, mine: number, peer: number): void {
    const l4 = this.flows.l4;
    const end = (p.tcpSeq + p.payloadLen + p.cut) | 0;
    const beyond = (end - l4[mine + L4.Next]) | 0;
    // One byte that was sent already: a keep-alive.
    if (beyond > 0 || p.payloadLen === 1) return;
    const unacked = (end - l4[peer + L4.Ack]) | 0;
    noteEvent(p, this.counters, unacked <= 0 ? StreamEvent.PktSpuriousRetransmission : StreamEvent.PktRetransmission);
    if (unacked >= 0) return;
    if (state === TcpState.Established) noteEvent(p, this.counters, StreamEvent.EstPktBeforeLastAck);
    else if (state === TcpState.CloseWait) noteEvent(p, this.counters, StreamEvent.CloseWaitPktBeforeLastAck);
  }

  private windowOf(at: number): number {
    const window = this.flows.l4[at + L4.Window];
    return window > 0 ? window : 1;
  }

  /** Nothing beyond what the receiver has room for (a zero window may be probed with one byte). Old data is welcome. */
  inWindow(p: Packet, slot: number): boolean {
    const peer = slot * L4.Words + (p.direction ^ 1);
    const last = (p.tcpSeq + p.payloadLen + p.cut) | 0;
    return ((last - this.flows.l4[peer + L4.Ack]) | 0) <= this.windowOf(peer);
  }

  /**
   * Inline the packet is refused, and nothing changes. A listener (IDS) may have lost packets that the endpoints got:
   * it moves on to the new numbers, after which packets with the old ones count as old data, still inspected.
   */
  private outOfWindow(p: Packet, slot: number): number {
    if (p.mode === Mode.Ips) return TcpResult.Invalid;
    const l4 = this.flows.l4;
    const mine = slot * L4.Words + p.direction;
    const peer = slot * L4.Words + (p.direction ^ 1);
    const next = (p.tcpSeq + p.payloadLen + p.cut) | 0;
    if (((next - l4[mine + L4.Next]) | 0) > 0) l4[mine + L4.Next] = next;
    if (((p.tcpSeq - l4[peer + L4.Ack]) | 0) > 0) l4[peer + L4.Ack] = p.tcpSeq;
    if ((p.tcpFlags & TcpFlag.Ack) !== 0) {
      if (((p.tcpAck - l4[mine + L4.Ack]) | 0) > 0) l4[mine + L4.Ack] = p.tcpAck;
      if (((p.tcpAck - l4[peer + L4.Next]) | 0) > 0) l4[peer + L4.Next] = p.tcpAck;
    }
    return TcpResult.Invalid;
  }

  /** FIN, and the ACKs that follow it. */
  private close(p: Packet, slot: number, state: number): void {
    if ((p.tcpFlags & TcpFlag.Fin) !== 0) {
      this.fin(p, slot, state);
      return;
    }
    if ((p.tcpFlags & TcpFlag.Ack) === 0) return;
    const l4 = this.flows.l4;
    const at = slot * L4.Words;
    const acksAll = p.tcpAck === l4[at + (p.direction ^ 1) + L4.Next];
    if (!acksAll) return;
    if (state === TcpState.FinWait1 && p.direction === 0) this.setState(slot, TcpState.FinWait2);
    else if (state === TcpState.Closing) this.setState(slot, TcpState.TimeWait);
    else if (state === TcpState.LastAck && p.direction === 0) this.setState(slot, TcpState.Closed);
    else if (state === TcpState.TimeWait) this.setState(slot, TcpState.Closed);
  }

  /** The states are the server's: its own FIN leads to fin_wait1, the client's to close_wait. */
  fin(p: Packet, slot: number, state: number): void {
    const l4 = this.flows.l4;
    const at = slot * L4.Words;
    const mine = at + p.direction;
    // The FIN takes a number of its own; a repeated one took it before.
    const next = (p.tcpSeq + p.payloadLen + p.cut + 1) | 0;
    if (((next - l4[mine + L4.Next]) | 0) > 0) l4[mine + L4.Next] = next;
    if (p.direction === 0) {
      if (state === TcpState.Established) this.setState(slot, TcpState.CloseWait);
      else if (state === TcpState.FinWait2) this.setState(slot, TcpState.TimeWait);
      else if (state === TcpState.FinWait1) {
        const acked = (p.tcpFlags & TcpFlag.Ack) !== 0 && p.tcpAck === l4[at + 1 + L4.Next];
        this.setState(slot, acked ? TcpState.TimeWait : TcpState.Closing);
      }
    } else if (state === TcpState.Established) this.setState(slot, TcpState.FinWait1);
    else if (state === TcpState.CloseWait) this.setState(slot, TcpState.LastAck);
  }

  /** One direction alone is seen: no acknowledgement to check against. */
  oneside(p: Packet, slot: number): number {
    const l4 = this.flows.l4;
    const mine = slot * L4.Words + p.direction;
    const next = (p.tcpSeq + p.payloadLen + p.cut + ((p.tcpFlags & TcpFlag.Fin) !== 0 ? 1 : 0)) | 0;
    if (((next - l4[mine + L4.Next]) | 0) > 0) l4[mine + L4.Next] = next;
    if ((p.tcpFlags & TcpFlag.Rst) !== 0) {
      if (p.tcpSeq !== l4[mine + L4.Next]) return TcpResult.Invalid;
      this.setState(slot, TcpState.Closed);
    } else if ((p.tcpFlags & TcpFlag.Fin) !== 0) this.setState(slot, TcpState.Closed);
    return TcpResult.Ok;
  }

  establish(p: Packet, slot: number): void {
    this.flows.flags[slot] |= FlowFlag.TcpEstablished;
    this.setState(slot, TcpState.Established);
    // The ACK alone that completes the handshake is not yet `established` to Suricata; with data it is.
    if (p.payloadLen > 0) p.established = 1;
  }

  /** The TCP state and the flow state that goes with it. */
  setState(slot: number, state: TcpState): void {
    this.flows.tcpState[slot] = state;
    if (state < TcpState.Established) return;
    const closed = state === TcpState.TimeWait || state === TcpState.LastAck || state === TcpState.Closed;
    this.flows.setState(slot, closed ? FlowState.Closed : FlowState.Established);
  }
}
