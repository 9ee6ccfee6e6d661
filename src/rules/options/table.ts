import { BUFFER_OPTIONS } from './buffers.js';
import { META_OPTIONS } from './meta.js';
import type { OptionSpec } from './option.js';
import { PACKET_OPTIONS } from './packet.js';
import { PAYLOAD_OPTIONS } from './payload.js';

/** Every keyword this version understands, by name. */
export const OPTIONS: ReadonlyMap<string, OptionSpec> = new Map(
  [META_OPTIONS, PAYLOAD_OPTIONS, PACKET_OPTIONS, BUFFER_OPTIONS].flatMap((table) => Object.entries(table)),
);
