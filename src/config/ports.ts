import type { Context } from './context.js';
import { shown } from './tree.js';

/** More ports than this for one tunnel is a mistake: every packet would be tried. */
const MAX_TUNNEL_PORTS = 1024;
const MAX_NESTING = 32;

/**
 * Is the port text well formed? Undefined when it is, else what is wrong. Checks brackets, ranges `a:b`, names
 * and loops of names; the sets themselves are worked out by the rule parser.
 */
export function wrongPorts(
  text: string,
  groups: Record<string, string>,
  seen: readonly string[] = [],
  good = new Set<string>(),
): string | undefined {
  if (seen.length > MAX_NESTING) return 'names nested too deep';
  let depth = 0;
  for (const c of text) {
    if (c === '[') depth++;
    else if (c === ']' && --depth < 0) return 'a ] without a [';
  }
  if (depth !== 0) return 'a [ without a ]';
  for (const item of text.split(/[[\],]/)) {
    const word = item.trim().replace(/^!\s*/, '');
    if (word === '' || word === '!' || word === 'any') continue;
    if (word.startsWith('$')) {
      const name = word.slice(1);
      if (!Object.hasOwn(groups, name)) return `${shown(word)} is not in vars.port-groups`;
      if (seen.includes(name)) return `${shown(word)} names itself`;
      if (good.has(name)) continue;
      const wrong = wrongPorts(groups[name], groups, [...seen, name], good);
      if (wrong !== undefined) return wrong;
      good.add(name);
    } else if (portRange(word) === undefined) return `${shown(word)} is no port`;
  }
  return undefined;
}

function portRange(word: string): [number, number] | undefined {
  const match = /^(\d{0,5})(:?)(\d{0,5})$/.exec(word);
  if (!match || (match[1] === '' && match[3] === '') || (match[2] === '' && match[3] !== '')) return undefined;
  const first = match[1] === '' ? 0 : Number(match[1]);
  const last = match[2] === '' ? first : match[3] === '' ? 65_535 : Number(match[3]);
  return first <= last && last <= 65_535 ? [first, last] : undefined;
}

/** Ports of a tunnel decoder: numbers, ranges, lists, $NAMES, no negation. `any` (where it is allowed) = an empty list. */
export function readPorts(context: Context, path: string[], list: string[], groups: Record<string, string>, anyAllowed: boolean): number[] {
  const found = new Set<number>();
  const any = collect(list.join(','), groups, found, new Set());
  if (any === undefined || (any && !anyAllowed) || found.size > MAX_TUNNEL_PORTS) {
    const mend = `up to ${MAX_TUNNEL_PORTS} ports such as 4789, '[4789, 8472]' or a $NAME of vars.port-groups${anyAllowed ? ', or any' : ''}`;
    context.bad(context.tree.nearest(path), path, `is ${shown(list.join(','))}`, mend);
  }
  return any ? [] : [...found].sort((a, b) => a - b);
}

/** true = any, false = the ports in `into`, undefined = not understood. */
function collect(text: string, groups: Record<string, string>, into: Set<number>, seen: Set<string>): boolean | undefined {
  let any = false;
  for (const item of text.split(/[[\],]/)) {
    const word = item.trim();
    if (word === '') continue;
    if (word === 'any') any = true;
    else if (word.startsWith('$')) {
      const name = word.slice(1);
      if (seen.has(name)) continue;
      seen.add(name);
      // An unset name has the usual port, as a file without vars means it.
      const value = Object.hasOwn(groups, name) ? groups[name] : USUAL_PORTS[name];
      const inner = value === undefined ? undefined : collect(value, groups, into, seen);
      if (inner === undefined) return undefined;
      any ||= inner;
    } else {
      const range = portRange(word);
      if (range === undefined || range[1] - range[0] >= MAX_TUNNEL_PORTS) return undefined;
      for (let port = range[0]; port <= range[1]; port++) into.add(port);
    }
  }
  return any;
}

const USUAL_PORTS: Record<string, string | undefined> = { VXLAN_PORTS: '4789', TEREDO_PORTS: '3544' };
