import type { AppLayer } from '../app-layer/app-layer.js';
import { type Packet, TcpFlag } from '../decode/packet.js';
import { FlowFlag, FlowState } from '../flow/codes.js';
import { type FlowTable, L4 } from '../flow/flow-table.js';
import { TcpResult } from '../stream/tcp-tracker.js';

/**
 * Sessions picked up midstream, inline. Who sends the first packet says with which numbers it goes on, and may lie: a receiver ignores
 * what is not due, while a stream that began with it would take what counts for a repetition, or wait for what never comes. So
 *
 *   first packet ─► its side sends on from there, without holes or steps back; else the packet is dropped, and comes again
 *        ╰────────► the other side answers: its acknowledgement says where the stream is
 *
 * Until the answer the flow is `new`, so that a flood of such packets does not fill the flow table with what is never evicted.
 */
export class Pickups {
  constructor(
    private readonly flows: FlowTable,
    private readonly app: AppLayer,
    /** One side alone may be seen of any session: nobody ever answers. */
    private readonly oneside: boolean,
  ) {}

  /** Of a flow that waits, before TcpTracker.update. True: the packet must not be forwarded. */
  look(p: Packet): boolean {
    const { flows } = this;
    const slot = p.flow;
    const { l4 } = flows;
    const mine = slot * L4.Words + p.direction;
    if ((flows.flags[slot] & (FlowFlag.UnconfirmedTs << p.direction)) !== 0) {
      if (p.payloadLen === 0 && (p.tcpFlags & TcpFlag.Fin) === 0) return false;
      const first = (l4[mine + L4.Isn] + 1) | 0;
      return ((p.tcpSeq - first) | 0) < 0 || ((p.tcpSeq - l4[mine + L4.Next]) | 0) > 0;
    }
    if ((p.tcpFlags & (TcpFlag.Ack | TcpFlag.Syn | TcpFlag.Rst)) !== TcpFlag.Ack) return false;
    // In the other's name: on a bridge it shows.
    if (p.bridged === 1 && p.source === flows.source[slot]) return false;
    flows.flags[slot] &= ~FlowFlag.Unconfirmed;
    if (flows.state[slot] === FlowState.New) flows.setState(slot, FlowState.Established);
    const direction = p.direction ^ 1;
    const theirs = slot * L4.Words + direction;
    const acked = p.tcpAck;
    if (((acked - l4[theirs + L4.Isn] - 1) | 0) >= 0 && ((acked - l4[theirs + L4.Next]) | 0) <= 0) return false;
    l4[theirs + L4.Isn] = (acked - 1) | 0;
    l4[theirs + L4.Next] = acked;
    l4[mine + L4.Ack] = acked;
    this.app.rewind(slot, direction, acked);
    return false;
  }

  /** After TcpTracker.update: a session that was picked up, or still waits. Returns FlowFlag of the flow. */
  wait(p: Packet, result: number): number {
    const { flows } = this;
    const slot = p.flow;
    if (result === TcpResult.MidstreamPickup && !this.oneside && p.selective === 0)
      flows.flags[slot] |= FlowFlag.UnconfirmedTs << p.direction;
    const flags = flows.flags[slot];
    if ((flags & FlowFlag.Unconfirmed) !== 0) flows.setState(slot, FlowState.New);
    return flags;
  }

  /** Client and server have changed places (FlowTable.swap). */
  turn(slot: number): void {
    const { flags } = this.flows;
    const waits = flags[slot] & FlowFlag.Unconfirmed;
    if (waits === FlowFlag.UnconfirmedTs || waits === FlowFlag.UnconfirmedTc) flags[slot] ^= FlowFlag.Unconfirmed;
  }
}
