import { type Packet, TcpFlag } from '../decode/packet.js';
import { FlowFlag, FlowState, TcpMask, TcpState } from '../flow/codes.js';
import { type FlowTable, L4 } from '../flow/flow-table.js';
import { Mode } from '../ring/verdict.js';
import { noteEvent, StreamEvent } from './events.js';
import { TcpBit } from './tcp-bits.js';
import type { TcpNumbers } from './tcp-numbers.js';
import { invalid, TcpResult } from './tcp-result.js';
import type { TcpSession } from './tcp-session.js';
import type { TcpSight } from './tcp-sight.js';
import type { Timestamps } from './timestamps.js';

/** SYNs with different numbers in one handshake that are not worth an event: the first, and stream.max-syn-queued (10) more. */
const MANY_SYNS = 11;

/**
 * TCP sessions from their first SYN until they are established. Complete is a handshake when each side's SYN was acknowledged
 * by the other, in whatever order: the plain one, simultaneous open (RFC 9293, 3.5), split handshakes and fast open (RFC 7413)
 * need no cases of their own.
 */
export class TcpHandshake {
  constructor(
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
    private readonly sight: TcpSight,
    private readonly numbers: TcpNumbers,
    private readonly timestamps: Timestamps,
    private readonly after: TcpSession,
  ) {}

  /** SynSent and SynRecv. */
  take(p: Packet, slot: number, state: number): number {
    const flags = p.tcpFlags;
    if ((flags & TcpFlag.Rst) !== 0) return this.reset(p, slot);
    if ((flags & TcpFlag.Syn) !== 0) return this.syn(p, slot, state);
    if ((flags & TcpFlag.Ack) === 0) return p.payloadLen > 0 ? TcpResult.Invalid : TcpResult.Ok;
    const flows = this.flows;
    const l4 = flows.l4;
    const at = slot * L4.Words;
    const direction = p.direction;
    const peer = direction ^ 1;
    if (direction === 0 && (flows.tcpBits[slot] & TcpBit.SynTc) === 0) return this.unanswered(p, slot);
    if (direction === 1 && this.sight.mayBeOneside(p) && this.beganWithSynAck(slot)) {
      // After a SYN+ACK the server goes on by itself: only its side is seen.
      flows.flags[slot] |= FlowFlag.AsyncOneside;
      this.after.establish(p, slot);
      return this.after.oneside(p, slot);
    }
    if (!this.numbers.takesAck(slot, peer, p.tcpAck) && !this.missedAck(p, slot, state, peer)) return this.wrongAck(p, slot, state);
    flows.tcpBits[slot] |= direction === 0 ? TcpBit.AckedTc : TcpBit.AckedTs;
    if (!this.numbers.bothAcked(slot)) {
      // A server that speaks before the last ACK was seen: that ACK may acknowledge this too.
      if (direction === 1 && state === TcpState.SynRecv && p.payloadLen > 0 && p.mode === Mode.Ips) {
        noteEvent(p, this.counters, StreamEvent.HsAckDataInject);
        // Inline that ACK passes here first; but for fast open, whose server need not wait for it (RFC 7413).
        if (this.sight.knows(p) && l4[at + L4.Next] === ((l4[at + L4.Isn] + 1) | 0)) return TcpResult.Invalid;
      }
      if (state === TcpState.SynRecv) this.numbers.sends(slot, direction, (p.tcpSeq + p.payloadLen + p.cut) | 0);
      return TcpResult.Ok;
    }
    this.numbers.settleWindows(slot);
    if (p.mode === Mode.Ips && !this.after.inWindow(p, slot)) return invalid(p, this.counters, StreamEvent.HsWrongSeqWrongAck);
    this.after.establish(p, slot);
    return this.after.follow(p, slot, TcpState.Established);
  }

  /** Of a session of which one direction alone was seen until now. */
  oneside(p: Packet, slot: number): number {
    return this.isAnswer(p, slot) ? this.leaveOneside(p, slot) : this.after.oneside(p, slot);
  }

  /** A server that reset its session, and accepts it all the same, before the client said a word: that RST may never have got there. */
  isRevived(p: Packet, slot: number): boolean {
    if (p.direction !== 1 || (p.tcpFlags & TcpMask.Start) !== (TcpFlag.Syn | TcpFlag.Ack)) return false;
    return (this.flows.tcpBits[slot] & TcpBit.AckedTc) === 0 && this.numbers.takesAck(slot, 0, p.tcpAck);
  }

  /** Takes that SYN+ACK. */
  revive(p: Packet, slot: number): number {
    const { flows } = this;
    const state = (flows.tcpBits[slot] & TcpBit.SynTc) === 0 ? TcpState.SynSent : TcpState.SynRecv;
    flows.tcpState[slot] = state;
    flows.setState(slot, FlowState.New);
    return this.syn(p, slot, state);
  }

  /** The client goes on, and no SYN+ACK was seen: lost by the capture, or it takes another way. */
  private unanswered(p: Packet, slot: number): number {
    const { flows } = this;
    const { l4 } = flows;
    const at = slot * L4.Words;
    // Data with other numbers belongs to a session whose SYN was replaced by one the server never took.
    if (this.sight.mayBeOneside(p) && (p.tcpSeq === l4[at + L4.Next] || (p.selective !== 0 && p.payloadLen > 0))) {
      flows.flags[slot] |= FlowFlag.AsyncOneside;
      l4[at + L4.Next] = (p.tcpSeq + p.payloadLen + p.cut) | 0;
      this.after.establish(p, slot);
    } else if (this.sight.asyncOneside) noteEvent(p, this.counters, StreamEvent.HsAsyncWrongSeq);
    // Before its SYN was answered no client sends more; but the server may still have the session that was here before.
    const more = p.payloadLen > 0 || (p.tcpFlags & TcpFlag.Fin) !== 0;
    if (more && p.mode === Mode.Ips && (flows.flags[slot] & FlowFlag.Successor) !== 0 && this.sight.knows(p)) return TcpResult.Invalid;
    return TcpResult.Ok;
  }

  /** Not the other side's SYN is acknowledged. */
  private wrongAck(p: Packet, slot: number, state: number): number {
    const { flows, counters } = this;
    if (p.direction === 0) {
      const isNext = p.tcpSeq === flows.l4[slot * L4.Words + L4.Next];
      return invalid(p, counters, isNext ? StreamEvent.HsRightSeqWrongAckEvasion : StreamEvent.HsWrongSeqWrongAck);
    }
    // A server may answer the remains of an older connection (RFC 9293, 3.5.1), or acknowledge what we missed.
    if (state === TcpState.SynSent) return TcpResult.Ok;
    // Inline nothing was missed.
    if ((flows.tcpBits[slot] & TcpBit.AckedTs) !== 0) return p.mode === Mode.Ips && this.sight.knows(p) ? TcpResult.Invalid : TcpResult.Ok;
    return invalid(p, counters, StreamEvent.HsAckInWrongDir);
  }

  /**
   * A listener that lost packets sees more acknowledged than it saw sent: then the handshake was completed. Inline
   * nothing reaches the server unseen, so there the ACK is wrong.
   */
  private missedAck(p: Packet, slot: number, state: number, peer: number): boolean {
    return p.mode !== Mode.Ips && state === TcpState.SynRecv && this.numbers.takesMissed(slot, peer, p.tcpAck);
  }

  private syn(p: Packet, slot: number, state: number): number {
    if ((p.tcpFlags & TcpFlag.Fin) !== 0) return invalid(p, this.counters, StreamEvent.FinSyn);
    if ((p.tcpFlags & TcpFlag.Ack) !== 0) return this.synAck(p, slot, state);
    return p.direction === 0 ? this.clientSyn(p, slot, state) : this.serverSyn(p, slot, state);
  }

  /** The client's SYN again, or another one. */
  private clientSyn(p: Packet, slot: number, state: number): number {
    const { flows, counters } = this;
    const { l4 } = flows;
    const at = slot * L4.Words;
    if (l4[at + L4.Isn] === p.tcpSeq) {
      if (state === TcpState.SynSent) this.timestamps.repeat(p, slot);
      return TcpResult.Ok;
    }
    if (state !== TcpState.SynSent) return invalid(p, counters, StreamEvent.HsSynResendDiffSeqOnSynRecv);
    // Before an answer the client sends SYNs and little else: its packets stand for them.
    if (flows.pktsTs[slot] > MANY_SYNS) noteEvent(p, counters, StreamEvent.HsSynFlood);
    // The client starts over before any answer: which of the two SYNs counts, the server's answer tells.
    const earlier = l4[at + L4.Isn];
    this.numbers.startSide(p, slot);
    this.timestamps.begin(p, slot);
    l4[at + 1 + L4.Window] = earlier;
    flows.tcpBits[slot] |= TcpBit.OtherTs;
    return TcpResult.Ok;
  }

  /** A SYN of the server's, as in a simultaneous open. */
  private serverSyn(p: Packet, slot: number, state: number): number {
    const { flows } = this;
    if ((flows.tcpBits[slot] & TcpBit.SynTc) !== 0) {
      if (state === TcpState.SynRecv) noteEvent(p, this.counters, StreamEvent.HsSynToClientOnSynRecv);
      return flows.l4[slot * L4.Words + 1 + L4.Isn] === p.tcpSeq ? TcpResult.Ok : TcpResult.Invalid;
    }
    this.numbers.startSide(p, slot);
    this.timestamps.answer(p, slot);
    flows.tcpBits[slot] |= TcpBit.SynTc;
    this.after.setState(slot, TcpState.SynRecv);
    return TcpResult.Ok;
  }

  private synAck(p: Packet, slot: number, state: number): number {
    const { flows, counters } = this;
    const { l4 } = flows;
    const at = slot * L4.Words;
    const { direction } = p;
    const serverBegan = (flows.tcpBits[slot] & TcpBit.SynTc) !== 0;
    if (!this.numbers.takesAck(slot, direction ^ 1, p.tcpAck)) return invalid(p, counters, wrongSynAck(direction, state, serverBegan));
    if (direction === 0) {
      // Simultaneous open: the client answers the server's SYN, with its own number again.
      if (!serverBegan) return invalid(p, counters, StreamEvent.HsSynAckInWrongDirection);
      if (l4[at + L4.Isn] !== p.tcpSeq) return invalid(p, counters, StreamEvent.FourSynAckWithWrongSyn);
      l4[at + L4.Ack] = p.tcpAck;
      flows.tcpBits[slot] |= TcpBit.AckedTc;
    } else {
      // The client sent data with its SYN, and only the SYN is acknowledged.
      if (p.tcpAck === ((l4[at + L4.Isn] + 1) | 0) && l4[at + L4.Next] !== p.tcpAck)
        noteEvent(p, counters, StreamEvent.HsSynAckTfoDataIgnored);
      if (!serverBegan || state === TcpState.SynSent) {
        this.numbers.startSide(p, slot);
        this.timestamps.answer(p, slot);
      } else if (l4[at + 1 + L4.Isn] !== p.tcpSeq) {
        // Which of two SYN+ACKs counts, the client's ACK tells.
        l4[at + L4.Window] = p.tcpSeq;
        flows.tcpBits[slot] |= TcpBit.OtherTc;
        noteEvent(p, counters, StreamEvent.HsSynAckResendWithDiffSeq);
        return TcpResult.Ok;
      } else l4[at + 1 + L4.Ack] = p.tcpAck;
      flows.tcpBits[slot] |= TcpBit.AckedTs | TcpBit.SynTc;
    }
    if (!this.numbers.bothAcked(slot)) {
      this.after.setState(slot, TcpState.SynRecv);
      return TcpResult.Ok;
    }
    this.numbers.settleWindows(slot);
    this.after.establish(p, slot);
    return TcpResult.Ok;
  }

  /**
   * RFC 9293, 3.10.7.3: in SYN-SENT a RST must acknowledge the SYN. The client's own RST there refuses some segment (Linux: one with
   * wrong timestamps) and takes back nothing: the client still waits for its SYN+ACK, and a server could hide its answers behind that.
   */
  private reset(p: Packet, slot: number): number {
    const l4 = this.flows.l4;
    const at = slot * L4.Words + p.direction;
    const unanswered = (this.flows.tcpBits[slot] & TcpBit.SynTc) === 0;
    let good: boolean;
    if (p.direction === 1 && unanswered) {
      good = (p.tcpFlags & TcpFlag.Ack) !== 0 && this.numbers.takesAck(slot, 0, p.tcpAck);
    } else {
      good = ((p.tcpSeq - l4[at + L4.Isn]) | 0) > 0 && ((p.tcpSeq - l4[at + L4.Next]) | 0) <= 0;
    }
    if (!good) return TcpResult.Invalid;
    if (p.direction === 1 || !unanswered) this.after.setState(slot, TcpState.Closed);
    return TcpResult.Ok;
  }

  /** True until a packet of the client was seen. */
  private beganWithSynAck(slot: number): boolean {
    return (this.flows.flags[slot] & (FlowFlag.Midstream | FlowFlag.SeenTs)) !== FlowFlag.SeenTs;
  }

  /** A SYN+ACK of the server that answers the SYN of a session of which only the client was seen until now. */
  private isAnswer(p: Packet, slot: number): boolean {
    if (p.direction !== 1 || (p.tcpFlags & TcpMask.Start) !== (TcpFlag.Syn | TcpFlag.Ack)) return false;
    return (this.flows.tcpBits[slot] & TcpBit.SynTc) === 0 && this.numbers.takesAck(slot, 0, p.tcpAck);
  }

  /**
   * The other side turns up after all: what the client sent before this was no answer to it, or a client could switch
   * all checks off by an early ACK. Back into the handshake, with what the server acknowledges as the client's numbers.
   */
  private leaveOneside(p: Packet, slot: number): number {
    const flows = this.flows;
    flows.flags[slot] &= ~(FlowFlag.AsyncOneside | FlowFlag.TcpEstablished);
    flows.setState(slot, FlowState.New);
    flows.restartApp(slot);
    flows.l4[slot * L4.Words + L4.Next] = p.tcpAck;
    p.established = 0;
    return this.syn(p, slot, TcpState.SynSent);
  }
}

/** The event of a SYN+ACK that acknowledges no SYN. `fourWay`: the server's SYN has been seen. */
function wrongSynAck(direction: number, state: number, fourWay: boolean): StreamEvent {
  if (direction === 1) return state === TcpState.SynSent ? StreamEvent.HsSynAckWithWrongAck : StreamEvent.HsSynAckResendWithDifferentAck;
  if (state === TcpState.SynRecv) return fourWay ? StreamEvent.HsSynAckToServerOnSynRecv : StreamEvent.FourSynAckWithWrongAck;
  return StreamEvent.HsSynAckInWrongDirection;
}
