/**
 * Tests on what rules remember, as source text: conditions on `p` (Packet) and `x` (Inspection), all of which must hold.
 */
import type { HeaderOption } from '../../rules/rule.js';
import type { StateOption } from '../../rules/state-option.js';
import type { Code } from '../codegen.js';

const KINDS: ReadonlySet<string> = new Set<StateOption['kind']>([]);

export function isStateOption(o: HeaderOption): o is StateOption {
  return KINDS.has(o.kind);
}

export function stateTests(_code: Code, o: StateOption): string[] {
  throw new Error(`no test for ${JSON.stringify(o)}`);
}
