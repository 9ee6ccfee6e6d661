import type { FlowTable } from '../flow/flow-table.js';

/** What detection reads and writes of the flows: flags (FlowFlag.IpOnly*) and identity (Key.IdLow). */
export type Flows = Pick<FlowTable, 'flags' | 'key' | 'l4' | 'pktsTs' | 'pktsTc' | 'bytesTs' | 'bytesTc'>;
