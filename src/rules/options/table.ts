import { APP_OPTIONS } from './app-layer.js';
import { BUFFER_OPTIONS } from './buffers.js';
import { BYTE_OPTIONS } from './bytes.js';
import { DATASET_OPTIONS } from './dataset.js';
import { EVENT_OPTIONS } from './events.js';
import { META_OPTIONS } from './meta.js';
import type { OptionSpec } from './option.js';
import { PACKET_OPTIONS } from './packet.js';
import { PAYLOAD_OPTIONS } from './payload.js';
import { STATE_OPTIONS } from './state.js';
import { TRANSFORM_OPTIONS } from './transforms.js';

/** Every keyword this version understands, by name. */
export const OPTIONS: ReadonlyMap<string, OptionSpec> = new Map(
  [
    META_OPTIONS,
    PAYLOAD_OPTIONS,
    BYTE_OPTIONS,
    DATASET_OPTIONS,
    PACKET_OPTIONS,
    EVENT_OPTIONS,
    STATE_OPTIONS,
    BUFFER_OPTIONS,
    TRANSFORM_OPTIONS,
    APP_OPTIONS,
  ].flatMap((table) => Object.entries(table)),
);
