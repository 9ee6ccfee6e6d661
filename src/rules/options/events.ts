import type { OptionTable } from './option.js';

/** Engine events: decode-event, stream-event (user guide, "Decode Layer Events", "Stream events"). */
export const EVENT_OPTIONS: OptionTable = {};
