/** Which event names what is wrong with a packet of an established or closing session. */
import { type Packet, TcpFlag } from '../decode/packet.js';
import { TcpState } from '../flow/codes.js';
import { L4 } from '../flow/layout.js';
import { StreamEvent } from './events.js';

export { StreamEvent } from './events.js';

/** Bits of FlowTable.tcpBits: the side whose RST ended the session. */
export const enum RstBit {
  Ts = 32,
  Tc = 64,
}

/** Sequence numbers outside the receiver's window; 0: the state has no name for it. */
export function outOfWindow(state: number, flags: number): StreamEvent | 0 {
  const fin = (flags & TcpFlag.Fin) !== 0;
  switch (state) {
    case TcpState.Established:
      return fin ? StreamEvent.FinOutOfWindow : StreamEvent.EstPacketOutOfWindow;
    case TcpState.CloseWait:
      return fin ? StreamEvent.CloseWaitFinOutOfWindow : StreamEvent.CloseWaitAckOutOfWindow;
    case TcpState.FinWait1:
      return fin ? StreamEvent.Fin1FinWrongSeq : StreamEvent.Fin1AckWrongSeq;
    case TcpState.FinWait2:
      return fin ? StreamEvent.Fin2FinWrongSeq : StreamEvent.Fin2AckWrongSeq;
    case TcpState.LastAck:
      return StreamEvent.LastAckAckWrongSeq;
    case TcpState.Closing:
      return StreamEvent.ClosingAckWrongSeq;
    case TcpState.TimeWait:
      return StreamEvent.TimeWaitAckWrongSeq;
  }
  return 0;
}

/** An acknowledgement of what was not sent, or is long past; beside pkt_invalid_ack. */
export function invalidAck(state: number, flags: number): StreamEvent | 0 {
  switch (state) {
    case TcpState.Established:
      return (flags & TcpFlag.Fin) !== 0 ? StreamEvent.FinInvalidAck : StreamEvent.EstInvalidAck;
    case TcpState.CloseWait:
      return StreamEvent.CloseWaitInvalidAck;
    case TcpState.FinWait1:
      return StreamEvent.Fin1InvalidAck;
    case TcpState.FinWait2:
      return StreamEvent.Fin2InvalidAck;
    case TcpState.LastAck:
      return StreamEvent.LastAckInvalidAck;
    case TcpState.Closing:
      return StreamEvent.ClosingInvalidAck;
    case TcpState.TimeWait:
      return StreamEvent.TimeWaitInvalidAck;
  }
  return 0;
}

/**
 * A SYN or SYN+ACK in a session that has one; 0: the SYN+ACK repeated because the ACK was lost. `mine`, `peer`: the L4
 * entries of the sender and of the other side.
 */
export function synAgain(p: Packet, state: number, l4: Int32Array, mine: number, peer: number): StreamEvent | 0 {
  if (state === TcpState.Closed) return 0;
  if (state > TcpState.Established) return StreamEvent.ShutdownSynResend;
  const same = p.tcpSeq === l4[mine + L4.Isn];
  if ((p.tcpFlags & TcpFlag.Ack) === 0) {
    if (p.direction === 1) return StreamEvent.EstSynToClient;
    return same ? StreamEvent.EstSynResend : StreamEvent.EstSynResendDiffSeq;
  }
  if (p.direction === 0) return StreamEvent.EstSynAckToServer;
  // What the server had acknowledged by then, which is more than the SYN once data came.
  if (p.tcpAck !== l4[mine + L4.Ack]) return StreamEvent.EstSynAckResendWithDifferentAck;
  if (!same) return StreamEvent.EstSynAckResendWithDiffSeq;
  return ((l4[peer + L4.Next] - l4[peer + L4.Isn]) | 0) > 1 ? StreamEvent.EstSynAckResend : 0;
}

/** Data of the side that got the RST: it did not obey it, so somebody else may have sent it. */
export function afterReset(p: Packet, bits: number): boolean {
  return p.payloadLen > 0 && (bits & (p.direction === 0 ? RstBit.Tc : RstBit.Ts)) !== 0;
}
