import type { OptionTable } from './option.js';

/** Tests on application layers that have no buffer: app-layer-protocol, app-layer-event, urilen, ... */
export const APP_OPTIONS: OptionTable = {};
