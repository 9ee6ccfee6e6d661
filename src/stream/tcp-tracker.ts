import type { StreamConfig } from '../config/config.js';
import { IpProto, type Packet, TcpFlag } from '../decode/packet.js';
import { FlowFlag, TcpMask, TcpState } from '../flow/codes.js';
import { type FlowTable, L4 } from '../flow/flow-table.js';
import { Mode } from '../ring/verdict.js';
import { noteEvent, StreamEvent } from './events.js';
import { Places } from './places.js';
import { TcpHandshake } from './tcp-handshake.js';
import { TcpNumbers } from './tcp-numbers.js';
import { TcpOpening } from './tcp-opening.js';
import { invalid, TcpResult } from './tcp-result.js';
import { TcpSession } from './tcp-session.js';
import { TcpSight } from './tcp-sight.js';
import { Timestamps } from './timestamps.js';

export { TcpResult } from './tcp-result.js';

/**
 * TCP session tracking (RFC 9293; states as in Suricata, from the server's side). Sequence numbers are int32 and compared by
 * the sign of their difference.
 *
 *   update ─► places, timestamps ─► None: TcpOpening │ SynSent, SynRecv: TcpHandshake │ later: TcpSession
 */
export class TcpTracker {
  private readonly dropInvalid: boolean;
  private readonly sight: TcpSight;
  private readonly opening: TcpOpening;
  private readonly handshake: TcpHandshake;
  private readonly after: TcpSession;
  private readonly timestamps: Timestamps;
  private readonly places: Places;

  constructor(
    config: StreamConfig,
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
  ) {
    this.dropInvalid = config.dropInvalid !== false && config.inline !== false;
    this.sight = new TcpSight(config, flows);
    this.after = new TcpSession(flows, counters);
    this.timestamps = new Timestamps(flows.capacity);
    this.places = new Places(flows.capacity);
    const numbers = new TcpNumbers(flows);
    this.opening = new TcpOpening(config, flows, counters, numbers, this.timestamps, this.after);
    this.handshake = new TcpHandshake(flows, counters, this.sight, numbers, this.timestamps, this.after);
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
    if ((p.tcpFlags & TcpFlag.Ack) === 0 && p.tcpAck !== 0) noteEvent(p, this.counters, StreamEvent.PktBrokenAck);
    if (p.bridged !== 0 && !this.places.fits(p, slot, state)) result = TcpResult.Invalid;
    else if (state !== TcpState.None && !this.inTime(p, slot, state)) result = invalid(p, this.counters, StreamEvent.PktInvalidTimestamp);
    else if (state === TcpState.None) result = this.opening.begin(p, slot);
    else if (state < TcpState.Established) result = this.handshake.take(p, slot, state);
    else if ((flows.flags[slot] & FlowFlag.AsyncOneside) !== 0) result = this.handshake.oneside(p, slot);
    else if (state === TcpState.Closed && this.handshake.isRevived(p, slot)) result = this.handshake.revive(p, slot);
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
    if (!this.dropInvalid || p.mode !== Mode.Ips || !this.sight.knows(p)) return false;
    return p.payloadLen > 0 || this.after.begunAnew || (p.tcpFlags & (TcpFlag.Syn | TcpFlag.Rst)) === 0;
  }

  /** Of a packet that is Invalid and forwarded all the same: we may be wrong about its session, and its bytes may be the stream's. */
  mayStand(p: Packet): boolean {
    return this.dropInvalid && p.payloadLen > 0 && (p.tcpFlags & TcpMask.Start) === TcpFlag.Ack && !this.sight.knows(p);
  }

  /** Whether a packet without a session, SYN aside, begins one: it is picked up where it is. */
  picksUp(p: Packet): boolean {
    return this.opening.picksUp(p);
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
      if (this.timestamps.stale(p, slot)) noteEvent(p, this.counters, StreamEvent.PktInvalidTimestamp);
      return true;
    }
    const acked = this.flows.l4[slot * L4.Words + (p.direction ^ 1) + L4.Ack];
    return this.timestamps.check(p, slot, ((p.tcpSeq - acked) | 0) <= 0);
  }
}
