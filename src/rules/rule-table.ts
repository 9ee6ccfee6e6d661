/**
 * Rules as bytes: their text, and beside it the little that is asked of every rule. The objects are made from it without
 * parsing; one that is asked for more parses its text then. Of 25,000 rules a network meets a few hundred.
 *
 *   texts   | rule 0 | rule 1 | ...        byte strings as read
 *   start   [ 0, 312, 640, ... ]           rule i is texts[start[i], start[i + 1])
 *   line, file, code                       where it stands; action and flags
 *   light   Map(i -> { threshold, ... })   what few rules have
 */
import type { RuleContext } from './context.js';
import { parseRule } from './parser.js';
import type { Rule, RuleAction, RuleSet } from './rule.js';

/** Fields that few rules have and that are asked of all. */
const LIGHT = ['threshold', 'rateFilter', 'suppressions', 'reputation', 'fileDigests', 'effects', 'nfqMark'] as const;
type Light = Partial<Pick<Rule, (typeof LIGHT)[number]>>;

/** Bits of `code` above the action. */
const enum Code {
  ActionMask = 7,
  Noalert = 8,
  Bypass = 16,
  Alert = 32,
}
const ACTIONS: readonly RuleAction[] = ['pass', 'drop', 'reject', 'rejectsrc', 'rejectdst', 'rejectboth', 'alert'];

/** Typed arrays and plain data only. */
export interface RuleTable {
  texts: Uint8Array;
  start: Uint32Array;
  /** Index in `files`. */
  file: Uint32Array;
  line: Uint32Array;
  sid: Uint32Array;
  rev: Uint32Array;
  gid: Uint32Array;
  code: Uint8Array;
  /** Index in `lacks` of what an inert rule lacks; 0: it is not inert. */
  inert: Uint8Array;
  lacks: string[];
  light: Map<number, Light>;
  files: string[];
  /** What the rules were parsed with. */
  context: { groups: Map<string, unknown>; classifications: RuleContext['classifications']; references: RuleContext['references'] };
}

/** `set.sources` holds the text of each rule. */
export function ruleTable(set: RuleSet, context: RuleContext): RuleTable {
  const { rules } = set;
  const sources = set.sources ?? rules.map((rule) => rule.text);
  const n = rules.length;
  const files = [...new Set(rules.map((rule) => rule.file))];
  const fileNumber = new Map(files.map((file, i) => [file, i]));
  const table: RuleTable = {
    texts: new Uint8Array(Buffer.from(sources.join(''), 'latin1')),
    start: new Uint32Array(n + 1),
    file: Uint32Array.from(rules, (rule) => fileNumber.get(rule.file) as number),
    line: Uint32Array.from(rules, (rule) => rule.line),
    sid: Uint32Array.from(rules, (rule) => rule.sid),
    rev: Uint32Array.from(rules, (rule) => rule.rev),
    gid: Uint32Array.from(rules, (rule) => rule.gid),
    code: Uint8Array.from(
      rules,
      (rule) =>
        ACTIONS.indexOf(rule.action) |
        (rule.noalert ? Code.Noalert : 0) |
        (rule.bypass ? Code.Bypass : 0) |
        (rule.alert === true ? Code.Alert : 0),
    ),
    inert: new Uint8Array(n),
    lacks: [''],
    light: new Map(),
    files,
    context: {
      groups: new Map<string, unknown>([
        ['address', { ...context.addressGroups }],
        ['port', { ...context.portGroups }],
      ]),
      classifications: context.classifications,
      references: context.references,
    },
  };
  for (let i = 0; i < n; i++) {
    table.start[i + 1] = table.start[i] + sources[i].length;
    const { inert } = rules[i];
    if (inert !== undefined) {
      // Past the last number there is only "others": the count by protocol is the report's.
      if (!table.lacks.includes(inert) && table.lacks.length < 256) table.lacks.push(inert);
      table.inert[i] = Math.max(table.lacks.indexOf(inert), 1);
    }
    const light: Record<string, unknown> = {};
    for (const key of LIGHT) {
      const value = rules[i][key];
      if (value !== undefined && !(key === 'effects' && (value as unknown[]).length === 0)) light[key] = value;
    }
    if (Object.keys(light).length > 0) table.light.set(i, light);
  }
  return table;
}

/** The rules of a table, in its order. */
export function lazyRules(table: RuleTable): Rule[] {
  const source = new Source(table);
  return Array.from(table.line, (_, i) => new LazyRule(source, i) as unknown as Rule);
}

class Source {
  private readonly context: RuleContext;

  constructor(readonly table: RuleTable) {
    const { groups, classifications, references } = table.context;
    this.context = {
      addressGroups: groups.get('address') as Record<string, string>,
      portGroups: groups.get('port') as Record<string, string>,
      classifications,
      references,
    };
  }

  parse(i: number): Rule {
    const { texts, start, file, line, files } = this.table;
    // Not in place: Buffer.toString reads shared memory too, but a rule's text is short.
    const text = Buffer.from(texts.slice(start[i], start[i + 1])).toString('latin1');
    return { ...parseRule(text, { file: files[file[i]], line: line[i] }, this.context), ...this.table.light.get(i) };
  }
}

const NO_EFFECTS: Rule['effects'] = [];

/** A Rule by name; see LAZY below for the fields that are not written out. */
class LazyRule {
  private parsed: Rule | undefined = undefined;

  constructor(
    private readonly source: Source,
    private readonly index: number,
  ) {}

  full(): Rule {
    this.parsed ??= this.source.parse(this.index);
    return this.parsed;
  }

  get action(): RuleAction {
    return ACTIONS[this.source.table.code[this.index] & Code.ActionMask];
  }
  get noalert(): boolean {
    return (this.source.table.code[this.index] & Code.Noalert) !== 0;
  }
  get bypass(): boolean {
    return (this.source.table.code[this.index] & Code.Bypass) !== 0;
  }
  get alert(): boolean | undefined {
    return (this.source.table.code[this.index] & Code.Alert) !== 0 ? true : undefined;
  }
  get inert(): string | undefined {
    const { table } = this.source;
    const lack = table.inert[this.index];
    return lack === 0 ? undefined : table.lacks[lack];
  }
  get effects(): Rule['effects'] {
    return this.source.table.light.get(this.index)?.effects ?? NO_EFFECTS;
  }
  get file(): string {
    const { table } = this.source;
    return table.files[table.file[this.index]];
  }
  get line(): number {
    return this.source.table.line[this.index];
  }
  get sid(): number {
    return this.source.table.sid[this.index];
  }
  get rev(): number {
    return this.source.table.rev[this.index];
  }
  get gid(): number {
    return this.source.table.gid[this.index];
  }
}

/** Every field of a Rule must be here: one that is missing would read as undefined. */
const FIELDS: Record<keyof Rule, 'own' | 'light' | 'text'> = {
  action: 'own',
  noalert: 'own',
  bypass: 'own',
  alert: 'own',
  effects: 'own',
  file: 'own',
  line: 'own',
  threshold: 'light',
  rateFilter: 'light',
  suppressions: 'light',
  reputation: 'light',
  fileDigests: 'light',
  nfqMark: 'light',
  inert: 'own',
  proto: 'text',
  src: 'text',
  srcPorts: 'text',
  bidirectional: 'text',
  transactional: 'text',
  dst: 'text',
  dstPorts: 'text',
  msg: 'text',
  sid: 'own',
  rev: 'own',
  gid: 'own',
  classtype: 'text',
  category: 'text',
  priority: 'text',
  references: 'text',
  metadata: 'text',
  header: 'text',
  payload: 'text',
  buffers: 'text',
  appProto: 'text',
  target: 'text',
  text: 'text',
};

for (const [name, kind] of Object.entries(FIELDS)) {
  if (kind === 'own') continue;
  const get =
    kind === 'light'
      ? function (this: LazyRule) {
          return lightOf(this)?.[name as keyof Light];
        }
      : function (this: LazyRule) {
          return this.full()[name as keyof Rule];
        };
  Object.defineProperty(LazyRule.prototype, name, { get, enumerable: true });
}

function lightOf(rule: LazyRule): Light | undefined {
  const { source, index } = rule as unknown as { source: Source; index: number };
  return source.table.light.get(index);
}
