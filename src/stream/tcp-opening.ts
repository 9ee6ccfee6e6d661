import type { StreamConfig } from '../config/config.js';
import { type Packet, TcpFlag } from '../decode/packet.js';
import { FlowFlag, TcpState } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';
import { Counter } from '../metrics/counters.js';
import { Mode } from '../ring/verdict.js';
import { noteEvent, StreamEvent } from './events.js';
import type { TcpNumbers } from './tcp-numbers.js';
import { invalid, TcpResult } from './tcp-result.js';
import type { TcpSession } from './tcp-session.js';
import type { Timestamps } from './timestamps.js';

/** How sessions begin here: with a SYN, or picked up where they are (stream.midstream, async-oneside, packets that netfilter rules chose). */
export class TcpOpening {
  private readonly midstream: boolean;
  /** Inline a session that is not known is inspected from here on, unless a policy says what becomes of it. */
  private readonly inlineToo: boolean;
  private readonly asyncOneside: boolean;

  constructor(
    config: StreamConfig,
    private readonly flows: FlowTable,
    private readonly counters: Float64Array,
    private readonly numbers: TcpNumbers,
    private readonly timestamps: Timestamps,
    private readonly after: TcpSession,
  ) {
    this.midstream = config.midstream;
    this.inlineToo = config.midstreamPolicy === 'auto';
    this.asyncOneside = config.asyncOneside;
    flows.reverseSynAck = config.midstream || config.asyncOneside ? 1 : 0;
  }

  /** The first packet of a session, or one without a session. */
  begin(p: Packet, slot: number): number {
    const flags = p.tcpFlags;
    if ((flags & TcpFlag.Rst) !== 0) return invalid(p, this.counters, StreamEvent.RstButNoSession);
    if ((flags & TcpFlag.Fin) !== 0) {
      noteEvent(p, this.counters, (flags & TcpFlag.Syn) !== 0 ? StreamEvent.FinSyn : StreamEvent.FinButNoSession);
      if (!this.picksUp(p)) return TcpResult.Midstream;
      if ((flags & TcpFlag.Syn) !== 0 || p.payloadLen === 0) return TcpResult.Invalid;
      return this.pickUp(p, slot);
    }
    if ((flags & TcpFlag.Syn) !== 0) {
      if ((flags & TcpFlag.Ack) !== 0) return this.pickUpSynAck(p, slot);
      if (p.direction !== 0) return TcpResult.Invalid;
      this.counters[Counter.TcpSessions]++;
      this.numbers.startSide(p, slot);
      this.timestamps.begin(p, slot);
      this.after.setState(slot, TcpState.SynSent);
      return TcpResult.Ok;
    }
    if ((flags & TcpFlag.Ack) === 0) return TcpResult.Invalid;
    return this.picksUp(p) ? this.pickUp(p, slot) : TcpResult.Midstream;
  }

  /** Data or an ACK without a session begins one. */
  picksUp(p: Packet): boolean {
    return this.midstream || (this.inlineToo && p.mode === Mode.Ips);
  }

  private pickUpSynAck(p: Packet, slot: number): number {
    const chosen = this.midstream || this.asyncOneside;
    if (!chosen && p.selective === 0) return TcpResult.Midstream;
    this.counters[Counter.TcpSessions]++;
    this.numbers.startSide(p, slot);
    this.timestamps.begin(p, slot);
    this.numbers.assumePeer(p, slot);
    this.after.setState(slot, TcpState.SynRecv);
    // A queue that holds the server's packets alone shows the session from its beginning: no policy is called for.
    if (!chosen) return TcpResult.Ok;
    this.counters[Counter.TcpMidstream]++;
    this.flows.flags[slot] |= FlowFlag.Midstream;
    return TcpResult.MidstreamPickup;
  }

  /** Data or ACK without a session. */
  private pickUp(p: Packet, slot: number): number {
    this.counters[Counter.TcpSessions]++;
    this.counters[Counter.TcpMidstream]++;
    this.timestamps.begin(p, slot);
    this.numbers.assumeBoth(p, slot);
    this.flows.flags[slot] |= FlowFlag.Midstream;
    this.after.establish(p, slot);
    if ((p.tcpFlags & TcpFlag.Fin) !== 0) this.after.fin(p, slot, TcpState.Established);
    return TcpResult.MidstreamPickup;
  }
}
