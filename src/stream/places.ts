import { type Packet, TcpFlag } from '../decode/packet.js';
import { TcpState } from '../flow/codes.js';

/** It was seen to send from both sides of the bridge (a route that comes back, a loop): nothing is concluded. */
const ANYWHERE = 255;

/**
 * On which side of the bridge the ends of a session are. Who sends from the client's side in the server's name makes up
 * acknowledgements of bytes the server never got, or ends sessions that go on: such packets are Invalid.
 *
 *   from   | client, server | per slot: Packet.source + 1; 0: not known
 */
export class Places {
  private readonly from: Uint8Array;

  /** `slots`: FlowTable.capacity. 2 bytes each. */
  constructor(slots: number) {
    this.from = new Uint8Array(slots * 2);
  }

  /** Client and server change places. */
  turn(slot: number): void {
    const { from } = this;
    const client = from[slot * 2];
    from[slot * 2] = from[slot * 2 + 1];
    from[slot * 2 + 1] = client;
  }

  /** Notes where a side sends from, in its SYN. False: the packet comes from where the other side is. */
  fits(p: Packet, slot: number, state: number): boolean {
    const { from } = this;
    const at = slot * 2 + p.direction;
    const source = p.source + 1;
    if (source >= ANYWHERE) return true;
    const isSyn = (p.tcpFlags & TcpFlag.Syn) !== 0;
    if (state === TcpState.None) {
      // The slot was another flow's.
      from[at] = isSyn ? source : 0;
      from[at ^ 1] = 0;
      return true;
    }
    if (from[at ^ 1] === source && from[at] !== ANYWHERE) return false;
    if (state >= TcpState.Established || !isSyn) return true;
    if (from[at] === 0) from[at] = source;
    else if (from[at] !== source && p.direction === 0 && from[at ^ 1] === 0) from[at] = ANYWHERE;
    return true;
  }
}
