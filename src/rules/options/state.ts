import type { HeaderOption } from '../rule.js';
import type { Effect, StateOption } from '../state-option.js';
import type { OptionTable } from './option.js';

/** What rules remember: flowbits, flowint, xbits, hostbits, tag, iprep, dataset (user guide, chapters of these names). */
export const STATE_OPTIONS: OptionTable = {};

const KINDS: ReadonlySet<string> = new Set<StateOption['kind']>([]);

export function isStateOption(o: HeaderOption): o is StateOption {
  return KINDS.has(o.kind);
}

/** Canonical text. */
export function printStateOption(option: StateOption): string {
  throw new Error(`no text for ${JSON.stringify(option)}`);
}

/** Canonical text. */
export function printEffect(effect: Effect): string {
  throw new Error(`no text for ${JSON.stringify(effect)}`);
}
