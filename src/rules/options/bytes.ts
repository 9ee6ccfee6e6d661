import type { OptionTable } from './option.js';

/** Tests on numbers in bytes: byte_test, byte_jump, byte_extract, byte_math, isdataat, bsize, absent, base64 (user guide, "Payload Keywords"). */
export const BYTE_OPTIONS: OptionTable = {};
