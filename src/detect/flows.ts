import { FlowFlag } from '../flow/codes.js';
import type { FlowTable } from '../flow/flow-table.js';

/** What detection reads and writes of the flows: flags (FlowFlag.IpOnly*) and identity (Key.IdLow). */
export type Flows = Pick<FlowTable, 'flags' | 'key' | 'l4' | 'pktsTs' | 'pktsTc' | 'bytesTs' | 'bytesTc' | 'appProtos'>;

/** Rules on addresses are asked anew of every flow: there are other rules now. */
export function forgetIpOnly({ flags }: Flows): void {
  for (let i = 0; i < flags.length; i++) flags[i] &= ~(FlowFlag.IpOnlyTs | FlowFlag.IpOnlyTc);
}
