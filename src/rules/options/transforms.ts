import type { OptionTable } from './option.js';

/** Transforms of the sticky buffer that is set (user guide, "Transformations"). */
export const TRANSFORM_OPTIONS: OptionTable = {};
