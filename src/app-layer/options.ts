import type { ReassemblyOptions } from '../stream/reassembly/reassembler.js';
import type { AppProto } from './buffers.js';
import type { ProtocolSpec } from './protocols.js';

/** Sizes and choices of an AppLayer. */
export interface AppLayerOptions {
  /** Most flows that are parsed, or not decided yet, at once. */
  sessions?: number;
  /** Buffers for lines that come in pieces. */
  lineBuffers?: number;
  /** Most transactions at once, of all flows and of one; bytes they may keep. */
  transactions?: number;
  sessionTransactions?: number;
  heapBytes?: number;
  protocols?: readonly ProtocolSpec[];
  /** Connections that are expected: one table for the detecting threads of a process (Expectations.create). Absent: the thread's own. */
  expectations?: ArrayBuffer | SharedArrayBuffer;
  reassembly?: ReassemblyOptions;
  /** Protocols whose flows are bypassed once their parser is done with them. */
  bypass?: readonly AppProto[];
  /** Protocols in whose flows rules look for no content from then on. */
  opaque?: readonly AppProto[];
}

/** Where the options say nothing of reassembly. */
export const REASSEMBLY: ReassemblyOptions = {
  memcap: 16 << 20,
  depth: 1 << 20,
  chunkSizes: [2560, 2560],
  urgent: 'oob',
  hosts: [],
  inline: 'auto',
};
