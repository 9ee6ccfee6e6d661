/**
 * The order rules are evaluated in: action, then whoever sets state before whoever reads it, then priority, sid, order of loading
 * (user guide, "Action-order", "Priority"; Suricata sorts its signatures by the same list).
 *
 *   flowbits   set | set and read, by depth | read | neither      the same for flowint, bits of addresses, bits of pairs
 *
 * Depth: a rule that reads a flowbit comes after the rules that set it, through any number of steps. In a circle there is no such order:
 * its rules follow the others.
 */
import type { Rule, RuleAction } from '../../rules/rule.js';

/** Suricata's default action-order. */
export const ACTION_ORDER: readonly string[] = ['pass', 'drop', 'reject', 'alert'];

const enum Use {
  Set = 0,
  SetRead,
  Read,
  None,
}
type Family = 'flowbits' | 'flowint' | 'address' | 'pair';
const FAMILIES: readonly Family[] = ['flowbits', 'flowint', 'address', 'pair'];
/** What is compared before the sid: action, flowbits, depth, flowint, address, pair, priority. */
const KEYS = 7;

/** Rank to index in `rules`. */
export function evaluationOrder(rules: Rule[], actions: readonly string[] = ACTION_ORDER): Int32Array {
  const keys = new Int32Array(rules.length * KEYS);
  const chained: number[] = [];
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i];
    const at = i * KEYS;
    keys[at] = actions.indexOf(actionGroup(rule.action));
    const uses = FAMILIES.map((family) => useOf(rule, family));
    keys[at + 1] = uses[0];
    for (let f = 1; f < FAMILIES.length; f++) keys[at + 2 + f] = uses[f];
    keys[at + 6] = rule.priority;
    if (uses[0] === Use.SetRead) chained.push(i);
  }
  for (const [i, depth] of depths(rules, chained)) keys[i * KEYS + 2] = depth;
  return Int32Array.from(rules, (_, i) => i).sort((a, b) => {
    for (let k = 0; k < KEYS; k++) {
      const difference = keys[a * KEYS + k] - keys[b * KEYS + k];
      if (difference !== 0) return difference;
    }
    return rules[a].sid - rules[b].sid || a - b;
  });
}

function actionGroup(action: RuleAction): string {
  return action.startsWith('reject') ? 'reject' : action;
}

function familyOf(option: { kind: string; track?: string }): Family | '' {
  if (option.kind === 'flowbits' || option.kind === 'flowint') return option.kind;
  if (option.kind === 'xbits' || option.kind === 'hostbits') return option.track === 'ip_pair' ? 'pair' : 'address';
  return '';
}

function useOf(rule: Rule, family: Family): Use {
  const sets = rule.effects.length > 0 && rule.effects.some((e) => familyOf(e) === family);
  const reads = rule.header.some((o) => familyOf(o) === family);
  return sets ? (reads ? Use.SetRead : Use.Set) : reads ? Use.Read : Use.None;
}

/** Of rules that both set and read flowbits: how many such rules must come before. Rules and flowbits are nodes of one graph. */
function depths(rules: Rule[], chained: number[]): Map<number, number> {
  const readers = new Map<string, number[]>();
  const setters = new Map<string, number>();
  const waiting = new Map<number, number>();
  const written = (i: number) => new Set(rules[i].effects.flatMap((e) => (e.kind === 'flowbits' ? [e.name] : [])));
  for (const i of chained) for (const name of written(i)) setters.set(name, (setters.get(name) ?? 0) + 1);
  for (const i of chained) {
    const own = written(i);
    const read = new Set(rules[i].header.flatMap((o) => (o.kind === 'flowbits' ? o.names : [])));
    let count = 0;
    for (const name of read) {
      // What a rule sets itself, it need not wait for.
      if (own.has(name) || !setters.has(name)) continue;
      const list = readers.get(name);
      if (list === undefined) readers.set(name, [i]);
      else list.push(i);
      count++;
    }
    waiting.set(i, count);
  }
  const found = new Map<number, number>();
  let level = chained.filter((i) => waiting.get(i) === 0);
  for (let depth = 0; level.length > 0; depth++) {
    const next: number[] = [];
    for (const i of level) {
      found.set(i, depth);
      for (const name of written(i)) {
        const left = setters.get(name)! - 1;
        setters.set(name, left);
        if (left > 0) continue;
        for (const reader of readers.get(name) ?? []) {
          const still = waiting.get(reader)! - 1;
          waiting.set(reader, still);
          if (still === 0) next.push(reader);
        }
      }
    }
    level = next;
  }
  for (const i of chained) if (!found.has(i)) found.set(i, chained.length);
  return found;
}
