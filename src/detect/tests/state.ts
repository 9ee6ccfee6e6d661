/**
 * Tests on what rules remember, as source text: conditions on `p` (Packet) and `x` (Inspection), all of which must hold.
 */
import { isStateOption } from '../../rules/options/state.js';
import type { Rule } from '../../rules/rule.js';
import type { AddressRanges, FlowIntValue, IpRepOption, StateOption } from '../../rules/state-option.js';
import { AddressMatcher } from '../addresses.js';
import { type Code, num } from '../codegen.js';
import { BIT_TRACKS } from '../state/bits.js';
import { bitKey, flowKey } from '../state/names.js';

export { isStateOption };

export function stateTests(code: Code, o: StateOption, rule: Rule): string[] {
  switch (o.kind) {
    // Without a flow there is nothing to ask: neither isset nor isnotset holds, as in Suricata.
    case 'flowbits': {
      const want = o.op === 'isset' ? '1' : '0';
      return ['p.flow >= 0', o.names.map((name) => `${flowVar('has', flowKey('flowbits', name))} === ${want}`).join(' || ')];
    }
    case 'flowint': {
      const key = flowKey('flowint', o.name);
      const has = flowVar('has', key);
      if (!('value' in o)) return ['p.flow >= 0', `${has} === ${o.op === 'isset' ? '1' : '0'}`];
      const op = { '<': '<', '<=': '<=', '>': '>', '>=': '>=', '==': '===', '!=': '!==' }[o.op];
      return ['p.flow >= 0', `${has} === 1 && ${flowVar('get', key)} ${op} ${operand(o.value)}`];
    }
    case 'xbits':
    case 'hostbits': {
      const has = `x.store.bits.has(p, ${code.constant(bitKey(o.name))}, ${num(BIT_TRACKS[o.track])})`;
      return ['p.ipVersion !== 0', `${has} === ${o.op === 'isset' ? '1' : '0'}`];
    }
    case 'iprep':
      return ['p.ipVersion !== 0', reputation(code, o, rule)];
  }
}

function flowVar(what: 'has' | 'get', key: number): string {
  return `x.store.flowVars.${what}(p.flow, ${num(key)})`;
}

/** A flowint that was never set counts as 0 on the right side. */
function operand(value: FlowIntValue): string {
  return typeof value === 'number' ? num(value) : flowVar('get', flowKey('flowint', value));
}

/** Without a reputation list no address has a score. */
const NOBODY: AddressRanges = { v4: new Int32Array(0), v6: new Int32Array(0) };

function reputation(code: Code, option: IpRepOption, rule: Rule): string {
  const { side, test } = option;
  const which = rule.header.filter((o) => o.kind === 'iprep').indexOf(option);
  const matcher = code.constant(new AddressMatcher(rule.reputation?.[which] ?? NOBODY));
  const not = test === 'isnotset' ? '!' : '';
  const has = (address: string) => `${not}${matcher}.has(${address}, p.ipVersion)`;
  switch (side) {
    case 'src':
      return has('p.src');
    case 'dst':
      return has('p.dst');
    case 'any':
      return `${has('p.src')} || ${has('p.dst')}`;
    case 'both':
      return `${has('p.src')} && ${has('p.dst')}`;
  }
}
