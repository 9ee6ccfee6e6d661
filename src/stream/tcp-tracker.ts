import type { StreamConfig } from '../config/config.js';
import { IpProto, type Packet, TcpFlag } from '../decode/packet.js';
import { FlowFlag, FlowState, TcpState } from '../flow/codes.js';
import { type FlowTable, L4 } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Mode } from '../ring/verdict.js';
import { StreamEvent } from './events.js';
import { Places } from './places.js';
import { NO_SCALE, windowScale } from './tcp-options.js';
import { TcpResult } from './tcp-result.js';
import { TcpSession } from './tcp-session.js';
import { Timestamps } from './timestamps.js';

export { TcpResult } from './tcp-result.js';

/** FlowTable.tcpBits. */
const enum Bit {
  /** The SYN of the client, of the server was acknowledged by the other side. */
  AckedTs = 1,
  AckedTc = 2,
  /** The SYN of the server was seen (a SYN+ACK counts). */
  SynTc = 4,
  /** A second SYN, SYN+ACK with another sequence number came: it waits in the other side's L4.Window. */
  OtherTs = 8,
  OtherTc = 16,
  // 32, 64: RstBit of tcp-session.ts
}

const START_MASK = TcpFlag.Syn | TcpFlag.Ack | TcpFlag.Rst | TcpFlag.Fin;
/** Scale assumed when the handshake was not seen: the largest, so that no good packet looks out of window. */
const UNKNOWN_SCALE = 14;
/** SYNs with different numbers in one handshake that are not worth an event: the first, and stream.max-syn-queued (10) more. */
const MANY_SYNS = 11;
/** A SYN-only or midstream peer has offered nothing yet: the largest window without scaling. */
const UNKNOWN_WINDOW = 65535;

/**
 * TCP session tracking (RFC 9293; states as in Suricata, from the server's side): handshake in all its variants,
 * windows, FIN and RST (tcp-session.ts). Sequence numbers are int32 and compared by the sign of their difference.
 *
 * Complete is a handshake when each side's SYN was acknowledged by the other, in whatever order: the plain one,
 * simultaneous open (RFC 9293, 3.5), split handshakes and fast open (RFC 7413) need no cases of their own.
 */
export class TcpTracker {
  private readonly midstream: boolean;
  private readonly asyncOneside: boolean;
  private readonly dropInvalid: boolean;
  private readonly after: TcpSession;
  private readonly timestamps: Timestamps;
  private readonly places: Places;

  constructor(
    config: StreamConfig,
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
  ) {
    this.midstream = config.midstream;
    this.asyncOneside = config.asyncOneside;
    this.dropInvalid = config.dropInvalid !== false && config.inline !== false;
    this.after = new TcpSession(flows, counters);
    this.timestamps = new Timestamps(flows.capacity);
    this.places = new Places(flows.capacity);
    flows.reverseSynAck = config.midstream || config.asyncOneside ? 1 : 0;
  }

  /**
   * Takes one packet of a flow, right after FlowTable.lookup and before anything looks at the flow's flags.
   * Sets p.established: the packet after the handshake is the first, or the one that completes it if it has data.
   */
  update(p: Packet): number {
    const slot = p.flow;
    if (slot < 0 || p.proto !== IpProto.Tcp) return TcpResult.Ok;
    const flows = this.flows;
    if ((flows.flags[slot] & FlowFlag.Bypassed) !== 0) return TcpResult.Ok;
    const state = flows.tcpState[slot];
    let result: number;
    this.after.begunAnew = false;
    if ((p.tcpFlags & TcpFlag.Ack) === 0 && p.tcpAck !== 0) this.event(p, StreamEvent.PktBrokenAck);
    if (p.bridged !== 0 && !this.places.fits(p, slot, state)) result = TcpResult.Invalid;
    else if (state !== TcpState.None && !this.inTime(p, slot, state)) result = this.wrong(p, StreamEvent.PktInvalidTimestamp);
    else if (state === TcpState.None) result = this.begin(p, slot);
    else if (state < TcpState.Established) result = this.handshake(p, slot, state);
    else if ((flows.flags[slot] & FlowFlag.AsyncOneside) !== 0)
      result = this.isAnswer(p, slot) ? this.leaveOneside(p, slot) : this.after.oneside(p, slot);
    else result = this.after.follow(p, slot, state);
    if (result === TcpResult.Invalid) p.established = 0;
    return result;
  }

  /**
   * Whether a packet that update called Invalid is to be dropped (stream.drop-invalid): inline, where the whole session was
   * seen. A SYN or RST without data is not: it does no harm, and by its answer two hosts that disagree about a session
   * find out (RFC 9293, 3.5.1).
   */
  refuses(p: Packet): boolean {
    if (!this.dropInvalid || p.mode !== Mode.Ips || !this.knows(p)) return false;
    return p.payloadLen > 0 || this.after.begunAnew || (p.tcpFlags & (TcpFlag.Syn | TcpFlag.Rst)) === 0;
  }

  /** Of a packet that is Invalid and forwarded all the same: we may be wrong about its session, and its bytes may be the stream's. */
  mayStand(p: Packet): boolean {
    return this.dropInvalid && p.payloadLen > 0 && (p.tcpFlags & START_MASK) === TcpFlag.Ack && !this.knows(p);
  }

  /** The session was seen from its beginning, both sides of it, by packets that nobody chose. */
  knows(p: Packet): boolean {
    if (p.selective !== 0 || this.asyncOneside || this.flows.tcpState[p.flow] === TcpState.None) return false;
    return (this.flows.flags[p.flow] & (FlowFlag.Midstream | FlowFlag.AsyncOneside)) === 0;
  }

  private event(p: Packet, code: StreamEvent): void {
    p.addStreamEvent(code);
    this.counters[Counter.StreamEvents + code]++;
  }

  /** Client and server of an established session have changed places (FlowTable.swap). */
  turn(slot: number): void {
    this.timestamps.turn(slot);
    this.places.turn(slot);
  }

  private inTime(p: Packet, slot: number, state: number): boolean {
    if (state === TcpState.SynSent && p.direction === 1) return this.timestamps.echoes(p, slot);
    if ((p.tcpFlags & TcpFlag.Syn) !== 0) return true;
    if ((p.tcpFlags & TcpFlag.Rst) !== 0) {
      // Hosts take it whatever its timestamp (RFC 7323, 5.2): it is only said.
      if (this.timestamps.stale(p, slot)) this.event(p, StreamEvent.PktInvalidTimestamp);
      return true;
    }
    const acked = this.flows.l4[slot * L4.Words + (p.direction ^ 1) + L4.Ack];
    return this.timestamps.check(p, slot, ((p.tcpSeq - acked) | 0) <= 0);
  }

  /** The first packet of a session, or one without a session. */
  private begin(p: Packet, slot: number): number {
    const flags = p.tcpFlags;
    if ((flags & TcpFlag.Rst) !== 0) {
      this.event(p, StreamEvent.RstButNoSession);
      return TcpResult.Invalid;
    }
    if ((flags & TcpFlag.Fin) !== 0) {
      this.event(p, (flags & TcpFlag.Syn) !== 0 ? StreamEvent.FinSyn : StreamEvent.FinButNoSession);
      if (!this.midstream) return TcpResult.Midstream;
      if ((flags & TcpFlag.Syn) !== 0 || p.payloadLen === 0) return TcpResult.Invalid;
      return this.pickUp(p, slot);
    }
    if ((flags & TcpFlag.Syn) !== 0) {
      if ((flags & TcpFlag.Ack) !== 0) return this.pickUpSynAck(p, slot);
      if (p.direction !== 0) return TcpResult.Invalid;
      this.counters[Counter.TcpSessions]++;
      this.startSide(p, slot);
      this.timestamps.begin(p, slot);
      this.after.setState(slot, TcpState.SynSent);
      return TcpResult.Ok;
    }
    if ((flags & TcpFlag.Ack) === 0) return TcpResult.Invalid;
    return this.midstream ? this.pickUp(p, slot) : TcpResult.Midstream;
  }

  /** A SYN or SYN+ACK gives its side's numbers. */
  private startSide(p: Packet, slot: number): void {
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

  private pickUpSynAck(p: Packet, slot: number): number {
    const chosen = this.midstream || this.asyncOneside;
    if (!chosen && p.selective === 0) return TcpResult.Midstream;
    const l4 = this.flows.l4;
    const at = slot * L4.Words;
    this.counters[Counter.TcpSessions]++;
    this.startSide(p, slot);
    this.timestamps.begin(p, slot);
    const peer = p.direction ^ 1;
    l4[at + peer + L4.Isn] = (p.tcpAck - 1) | 0;
    l4[at + peer + L4.Next] = p.tcpAck;
    l4[at + peer + L4.Window] = UNKNOWN_WINDOW;
    if (peer === 0) this.flows.tcpScaleTs[slot] = UNKNOWN_SCALE;
    else this.flows.tcpScaleTc[slot] = UNKNOWN_SCALE;
    this.flows.tcpBits[slot] = p.direction === 1 ? Bit.SynTc | Bit.AckedTs : Bit.AckedTc;
    this.after.setState(slot, TcpState.SynRecv);
    // A queue that holds the server's packets alone shows the session from its beginning: no policy is called for.
    if (!chosen) return TcpResult.Ok;
    this.counters[Counter.TcpMidstream]++;
    this.flows.flags[slot] |= FlowFlag.Midstream;
    return TcpResult.MidstreamPickup;
  }

  /** Data or ACK without a session: as if the handshake had been seen, with the widest window. */
  private pickUp(p: Packet, slot: number): number {
    const flows = this.flows;
    const l4 = flows.l4;
    const at = slot * L4.Words;
    const mine = at + p.direction;
    const peer = at + (p.direction ^ 1);
    this.counters[Counter.TcpSessions]++;
    this.counters[Counter.TcpMidstream]++;
    this.timestamps.begin(p, slot);
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
    flows.tcpBits[slot] = Bit.AckedTs | Bit.AckedTc | Bit.SynTc;
    flows.flags[slot] |= FlowFlag.Midstream;
    this.establish(p, slot);
    if ((p.tcpFlags & TcpFlag.Fin) !== 0) this.after.fin(p, slot, TcpState.Established);
    return TcpResult.MidstreamPickup;
  }

  private establish(p: Packet, slot: number): void {
    this.flows.flags[slot] |= FlowFlag.TcpEstablished;
    this.after.setState(slot, TcpState.Established);
    // The ACK alone that completes the handshake is not yet `established` to Suricata; with data it is.
    if (p.payloadLen > 0) p.established = 1;
  }

  /** SynSent and SynRecv. */
  private handshake(p: Packet, slot: number, state: number): number {
    const flags = p.tcpFlags;
    if ((flags & TcpFlag.Rst) !== 0) return this.resetInHandshake(p, slot);
    if ((flags & TcpFlag.Syn) !== 0) return this.synInHandshake(p, slot, state);
    if ((flags & TcpFlag.Ack) === 0) return p.payloadLen > 0 ? TcpResult.Invalid : TcpResult.Ok;
    const flows = this.flows;
    const l4 = flows.l4;
    const at = slot * L4.Words;
    const direction = p.direction;
    const peer = direction ^ 1;
    if (direction === 0 && (flows.tcpBits[slot] & Bit.SynTc) === 0) {
      // The SYN+ACK was not seen: lost by the capture, or it takes another way.
      // Data with other numbers belongs to a session whose SYN was replaced by one the server never took.
      if (this.mayBeOneside(p) && (p.tcpSeq === l4[at + L4.Next] || (p.selective !== 0 && p.payloadLen > 0))) {
        flows.flags[slot] |= FlowFlag.AsyncOneside;
        l4[at + L4.Next] = (p.tcpSeq + p.payloadLen + p.cut) | 0;
        this.establish(p, slot);
      } else if (this.asyncOneside) this.event(p, StreamEvent.HsAsyncWrongSeq);
      // Before its SYN was answered no client sends more; but the server may still have the session that was here before.
      const more = p.payloadLen > 0 || (flags & TcpFlag.Fin) !== 0;
      if (more && p.mode === Mode.Ips && (flows.flags[slot] & FlowFlag.Successor) !== 0 && this.knows(p)) return TcpResult.Invalid;
      return TcpResult.Ok;
    }
    if (direction === 1 && this.mayBeOneside(p) && this.beganWithSynAck(slot)) {
      // After a SYN+ACK the server goes on by itself: only its side is seen.
      flows.flags[slot] |= FlowFlag.AsyncOneside;
      this.establish(p, slot);
      return this.after.oneside(p, slot);
    }
    const bit = direction === 0 ? Bit.AckedTc : Bit.AckedTs;
    if (!this.takesAck(slot, peer, p.tcpAck) && !this.missedAck(p, slot, state, peer)) {
      // A server may answer the remains of an older connection (RFC 9293, 3.5.1), or acknowledge what we missed.
      if (direction === 1 && state === TcpState.SynSent) return TcpResult.Ok;
      // Inline nothing was missed.
      if (direction === 1 && (flows.tcpBits[slot] & bit) !== 0)
        return p.mode === Mode.Ips && this.knows(p) ? TcpResult.Invalid : TcpResult.Ok;
      if (direction === 1) this.event(p, StreamEvent.HsAckInWrongDir);
      else this.event(p, p.tcpSeq === l4[at + L4.Next] ? StreamEvent.HsRightSeqWrongAckEvasion : StreamEvent.HsWrongSeqWrongAck);
      return TcpResult.Invalid;
    }
    flows.tcpBits[slot] |= bit;
    if (!this.bothAcked(slot)) {
      // A server that speaks before the last ACK was seen: that ACK may acknowledge this too.
      if (direction === 1 && state === TcpState.SynRecv && p.payloadLen > 0 && p.mode === Mode.Ips) {
        this.event(p, StreamEvent.HsAckDataInject);
        // Inline that ACK passes here first; but for fast open, whose server need not wait for it (RFC 7413).
        if (this.knows(p) && l4[at + L4.Next] === ((l4[at + L4.Isn] + 1) | 0)) return TcpResult.Invalid;
      }
      const next = (p.tcpSeq + p.payloadLen + p.cut) | 0;
      const more = (next - l4[at + direction + L4.Next]) | 0;
      if (state === TcpState.SynRecv && more > 0 && more <= UNKNOWN_WINDOW) l4[at + direction + L4.Next] = next;
      return TcpResult.Ok;
    }
    this.settleWindows(slot);
    if (p.mode === Mode.Ips && !this.after.inWindow(p, slot)) {
      this.event(p, StreamEvent.HsWrongSeqWrongAck);
      return TcpResult.Invalid;
    }
    this.establish(p, slot);
    return this.after.follow(p, slot, TcpState.Established);
  }

  /** True when `ack` acknowledges the SYN of side `peer` (and, fast open, not more than it sent). */
  private takesAck(slot: number, peer: number, ack: number): boolean {
    const flows = this.flows;
    const l4 = flows.l4;
    const at = slot * L4.Words + peer;
    if (((ack - l4[at + L4.Isn]) | 0) > 0 && ((ack - l4[at + L4.Next]) | 0) <= 0) return true;
    if ((flows.tcpBits[slot] & (peer === 0 ? Bit.OtherTs : Bit.OtherTc)) === 0) return false;
    const other = l4[slot * L4.Words + (peer ^ 1) + L4.Window];
    if (ack !== ((other + 1) | 0)) return false;
    l4[at + L4.Isn] = other;
    l4[at + L4.Next] = ack;
    return true;
  }

  /**
   * A listener that lost packets sees more acknowledged than it saw sent: then the handshake was completed. Inline
   * nothing reaches the server unseen, so there the ACK is wrong.
   */
  private missedAck(p: Packet, slot: number, state: number, peer: number): boolean {
    if (p.mode === Mode.Ips || state !== TcpState.SynRecv) return false;
    const at = slot * L4.Words + peer + L4.Next;
    const ahead = (p.tcpAck - this.flows.l4[at]) | 0;
    if (ahead <= 0 || ahead > UNKNOWN_WINDOW) return false;
    this.flows.l4[at] = p.tcpAck;
    this.flows.tcpBits[slot] |= Bit.AckedTs | Bit.AckedTc;
    return true;
  }

  private synInHandshake(p: Packet, slot: number, state: number): number {
    const flows = this.flows;
    const l4 = flows.l4;
    const at = slot * L4.Words;
    const direction = p.direction;
    if ((p.tcpFlags & TcpFlag.Fin) !== 0) return this.wrong(p, StreamEvent.FinSyn);
    if ((p.tcpFlags & TcpFlag.Ack) === 0) {
      if (direction === 0) {
        if (l4[at + L4.Isn] === p.tcpSeq) {
          if (state === TcpState.SynSent) this.timestamps.repeat(p, slot);
          return TcpResult.Ok;
        }
        if (state !== TcpState.SynSent) return this.wrong(p, StreamEvent.HsSynResendDiffSeqOnSynRecv);
        // Before an answer the client sends SYNs and little else: its packets stand for them.
        if (flows.pktsTs[slot] > MANY_SYNS) this.event(p, StreamEvent.HsSynFlood);
        // The client starts over before any answer: which of the two SYNs counts, the server's answer tells.
        const earlier = l4[at + L4.Isn];
        this.startSide(p, slot);
        this.timestamps.begin(p, slot);
        l4[at + 1 + L4.Window] = earlier;
        flows.tcpBits[slot] |= Bit.OtherTs;
        return TcpResult.Ok;
      }
      if ((flows.tcpBits[slot] & Bit.SynTc) !== 0) {
        if (state === TcpState.SynRecv) this.event(p, StreamEvent.HsSynToClientOnSynRecv);
        return l4[at + 1 + L4.Isn] === p.tcpSeq ? TcpResult.Ok : TcpResult.Invalid;
      }
      this.startSide(p, slot);
      this.timestamps.answer(p, slot);
      flows.tcpBits[slot] |= Bit.SynTc;
      this.after.setState(slot, TcpState.SynRecv);
      return TcpResult.Ok;
    }
    if (!this.takesAck(slot, direction ^ 1, p.tcpAck))
      return this.wrong(p, wrongSynAck(direction, state, (flows.tcpBits[slot] & Bit.SynTc) !== 0));
    if (direction === 0) {
      // Simultaneous open: the client answers the server's SYN, with its own number again.
      if ((flows.tcpBits[slot] & Bit.SynTc) === 0) return this.wrong(p, StreamEvent.HsSynAckInWrongDirection);
      if (l4[at + L4.Isn] !== p.tcpSeq) return this.wrong(p, StreamEvent.FourSynAckWithWrongSyn);
      l4[at + L4.Ack] = p.tcpAck;
      flows.tcpBits[slot] |= Bit.AckedTc;
    } else {
      // The client sent data with its SYN, and only the SYN is acknowledged.
      if (p.tcpAck === ((l4[at + L4.Isn] + 1) | 0) && l4[at + L4.Next] !== p.tcpAck) this.event(p, StreamEvent.HsSynAckTfoDataIgnored);
      if ((flows.tcpBits[slot] & Bit.SynTc) === 0 || state === TcpState.SynSent) {
        this.startSide(p, slot);
        this.timestamps.answer(p, slot);
      } else if (l4[at + 1 + L4.Isn] !== p.tcpSeq) {
        // Which of two SYN+ACKs counts, the client's ACK tells.
        l4[at + L4.Window] = p.tcpSeq;
        flows.tcpBits[slot] |= Bit.OtherTc;
        this.event(p, StreamEvent.HsSynAckResendWithDiffSeq);
        return TcpResult.Ok;
      } else l4[at + 1 + L4.Ack] = p.tcpAck;
      flows.tcpBits[slot] |= Bit.AckedTs | Bit.SynTc;
    }
    if (!this.bothAcked(slot)) {
      this.after.setState(slot, TcpState.SynRecv);
      return TcpResult.Ok;
    }
    this.settleWindows(slot);
    this.establish(p, slot);
    return TcpResult.Ok;
  }

  private wrong(p: Packet, code: StreamEvent): number {
    this.event(p, code);
    return TcpResult.Invalid;
  }

  private bothAcked(slot: number): boolean {
    return (this.flows.tcpBits[slot] & (Bit.AckedTs | Bit.AckedTc)) === (Bit.AckedTs | Bit.AckedTc);
  }

  /** The handshake is over: what each side has acknowledged, and scales, which hold only when both offered one. */
  private settleWindows(slot: number): void {
    const flows = this.flows;
    const l4 = flows.l4;
    const at = slot * L4.Words;
    if (flows.tcpScaleTs[slot] === NO_SCALE || flows.tcpScaleTc[slot] === NO_SCALE) {
      flows.tcpScaleTs[slot] = 0;
      flows.tcpScaleTc[slot] = 0;
    }
    if ((flows.tcpBits[slot] & Bit.OtherTc) !== 0) l4[at + L4.Window] = UNKNOWN_WINDOW;
    l4[at + L4.Ack] = (l4[at + 1 + L4.Isn] + 1) | 0;
    if (((l4[at + 1 + L4.Ack] - l4[at + L4.Isn]) | 0) <= 0) l4[at + 1 + L4.Ack] = (l4[at + L4.Isn] + 1) | 0;
  }

  /** RFC 9293, 3.10.7.3: in SYN-SENT a RST must acknowledge the SYN; the sender of a SYN may take it back. */
  private resetInHandshake(p: Packet, slot: number): number {
    const l4 = this.flows.l4;
    const at = slot * L4.Words + p.direction;
    let good: boolean;
    if (p.direction === 1 && (this.flows.tcpBits[slot] & Bit.SynTc) === 0) {
      good = (p.tcpFlags & TcpFlag.Ack) !== 0 && this.takesAck(slot, 0, p.tcpAck);
    } else {
      good = ((p.tcpSeq - l4[at + L4.Isn]) | 0) > 0 && ((p.tcpSeq - l4[at + L4.Next]) | 0) <= 0;
    }
    if (!good) return TcpResult.Invalid;
    this.after.setState(slot, TcpState.Closed);
    return TcpResult.Ok;
  }

  /** The configuration says so, or netfilter rules chose the packets. */
  private mayBeOneside(p: Packet): boolean {
    return this.asyncOneside || p.selective !== 0;
  }

  /** True until a packet of the client was seen. */
  private beganWithSynAck(slot: number): boolean {
    return (this.flows.flags[slot] & (FlowFlag.Midstream | FlowFlag.SeenTs)) !== FlowFlag.SeenTs;
  }

  /** A SYN+ACK of the server that answers the SYN of a session of which only the client was seen until now. */
  private isAnswer(p: Packet, slot: number): boolean {
    if (p.direction !== 1 || (p.tcpFlags & START_MASK) !== (TcpFlag.Syn | TcpFlag.Ack)) return false;
    return (this.flows.tcpBits[slot] & Bit.SynTc) === 0 && this.takesAck(slot, 0, p.tcpAck);
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
    return this.synInHandshake(p, slot, TcpState.SynSent);
  }
}

/** The event of a SYN+ACK that acknowledges no SYN. `fourWay`: the server's SYN has been seen. */
function wrongSynAck(direction: number, state: number, fourWay: boolean): StreamEvent {
  if (direction === 1) return state === TcpState.SynSent ? StreamEvent.HsSynAckWithWrongAck : StreamEvent.HsSynAckResendWithDifferentAck;
  if (state === TcpState.SynRecv) return fourWay ? StreamEvent.HsSynAckToServerOnSynRecv : StreamEvent.FourSynAckWithWrongAck;
  return StreamEvent.HsSynAckInWrongDirection;
}
