import type { StreamConfig } from '../config/config.js';
import type { Packet } from '../decode/packet.js';
import { FlowFlag, TcpState } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';

/** How much of a session is seen here. */
export class TcpSight {
  readonly asyncOneside: boolean;

  constructor(
    config: StreamConfig,
    private readonly flows: FlowTable,
  ) {
    this.asyncOneside = config.asyncOneside;
  }

  /** The session was seen from its beginning, both sides of it, by packets that nobody chose. */
  knows(p: Packet): boolean {
    if (p.selective !== 0 || this.asyncOneside || this.flows.tcpState[p.flow] === TcpState.None) return false;
    return (this.flows.flags[p.flow] & (FlowFlag.Midstream | FlowFlag.AsyncOneside)) === 0;
  }

  /** The configuration says so, or netfilter rules chose the packets. */
  mayBeOneside(p: Packet): boolean {
    return this.asyncOneside || p.selective !== 0;
  }
}
