/** Which event names what is wrong with a packet of an established or closing session. */
import { type Packet, TcpFlag } from '../decode/packet.js';
import { TcpState } from '../flow/codes.js';
import { L4 } from '../flow/layout.js';
import { StreamEvent } from './events.js';
import { TcpBit } from './tcp-bits.js';

/** By TcpState: sequence numbers outside the receiver's window, a wrong acknowledgement; each without and with FIN. 0: no name. */
const NAMES = new Uint8Array(4 * (TcpState.Closed + 1));

function name(state: TcpState, window: StreamEvent, ack: StreamEvent, finWindow = window, finAck = ack): void {
  NAMES.set([window, finWindow, ack, finAck], 4 * state);
}
name(
  TcpState.Established,
  StreamEvent.EstPacketOutOfWindow,
  StreamEvent.EstInvalidAck,
  StreamEvent.FinOutOfWindow,
  StreamEvent.FinInvalidAck,
);
name(TcpState.CloseWait, StreamEvent.CloseWaitAckOutOfWindow, StreamEvent.CloseWaitInvalidAck, StreamEvent.CloseWaitFinOutOfWindow);
name(TcpState.FinWait1, StreamEvent.Fin1AckWrongSeq, StreamEvent.Fin1InvalidAck, StreamEvent.Fin1FinWrongSeq);
name(TcpState.FinWait2, StreamEvent.Fin2AckWrongSeq, StreamEvent.Fin2InvalidAck, StreamEvent.Fin2FinWrongSeq);
name(TcpState.LastAck, StreamEvent.LastAckAckWrongSeq, StreamEvent.LastAckInvalidAck);
name(TcpState.Closing, StreamEvent.ClosingAckWrongSeq, StreamEvent.ClosingInvalidAck);
name(TcpState.TimeWait, StreamEvent.TimeWaitAckWrongSeq, StreamEvent.TimeWaitInvalidAck);

/** Sequence numbers outside the receiver's window; 0: the state has no name for it. */
export function outOfWindow(state: number, flags: number): StreamEvent | 0 {
  return NAMES[4 * state + ((flags & TcpFlag.Fin) !== 0 ? 1 : 0)];
}

/** An acknowledgement of what was not sent, or is long past; beside pkt_invalid_ack. */
export function invalidAck(state: number, flags: number): StreamEvent | 0 {
  return NAMES[4 * state + ((flags & TcpFlag.Fin) !== 0 ? 3 : 2)];
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

/** Data, none of it sent before, of the side that got the RST: it did not obey it, so somebody else may have sent it. `next`: its L4.Next. */
export function afterReset(p: Packet, bits: number, next: number): boolean {
  return p.payloadLen > 0 && ((p.tcpSeq + p.payloadLen - next) | 0) > 0 && (bits & (p.direction === 0 ? TcpBit.RstTc : TcpBit.RstTs)) !== 0;
}
