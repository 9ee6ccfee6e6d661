/**
 * What detection needs of a rule set, made once and only read afterwards: threads share it, files keep it (pack.ts).
 *
 *   Rule[] ── prepareRules ──► Prepared ── pack ──► bytes ──► memory shared by the detecting threads, cache file
 *                                 │                             │ unpack
 *                                 └──────── Detector ◄──────────┘ + lazy rules (src/rules/rule-table.ts)
 */
import type { FileWants } from '../app-layer/files/files.js';
import { fileOptions, hashOf, wantsMagic } from '../rules/file-values.js';
import type { Rule } from '../rules/rule.js';
import { AddressMatcher } from './addresses.js';
import { type LiteralSet, LiteralSets } from './databases.js';
import { EventIndex } from './event-index.js';
import { FewLiterals } from './few-literals.js';
import { AddressIndex, NumberIndex, SegmentTree } from './intervals.js';
import { type Literal, literalOf, PAYLOAD, transactionGroups } from './literal.js';
import type { PackedClass } from './pack.js';
import { compileRules, ProtoClass, type TransactionGroup as TransactionPlan } from './plan.js';
import { PortGate } from './port-gate.js';
import { type PrecheckTable, precheckTable } from './precheck.js';
import { Prefilter } from './prefilter.js';
import { type RankColumns, rankColumns } from './rank-columns.js';
import { RuleActions } from './rule-actions.js';
import { RuleIndex } from './rule-index.js';
import { halfOf, isTwoSided } from './sides.js';
import { seamTable } from './stream-seams.js';
import { streamTraits } from './stream-traits.js';

/** Rules on packets of one protocol class and direction. */
export interface Group {
  header: RuleIndex | null;
  ipOnly: RuleIndex | null;
  payload: Prefilter | null;
  /** Rules on streams that `payload` does not find. */
  stream: RuleIndex | null;
  /** Bytes of the longest literal by which `payload` finds rules on streams; 0: none. */
  longest: number;
  /** Of those literals, for StreamDetector: seamTable. Null: there are none. */
  seams: Uint32Array | null;
  /** Rules on transactions look at its streams: at those of all ports if `watches` is null. */
  mixed: boolean;
  watches: PortGate | null;
}

/** Rules on the buffers of one application protocol and direction. */
export interface TransactionGroup {
  /** BufferId of each prefilter of `buffers`. */
  ids: Int32Array;
  buffers: Prefilter[];
  /** Rules on buffers whose literal lies in the packet's payload. */
  payload: Prefilter | null;
  header: RuleIndex | null;
  /** Rules on events: only asked when the transaction has one. */
  events: RuleIndex | null;
  /** Some of its rules have payload tests for the stream's window (MixedTrait). */
  mixed: boolean;
}

export interface Prepared {
  /** Rank to index in the rules. */
  order: Int32Array;
  actions: RuleActions;
  columns: RankColumns;
  /** Ranks below this are pass rules. */
  passCount: number;
  /** See precheck.ts. */
  precheck: PrecheckTable;
  groups: Group[];
  transactions: (TransactionGroup | null)[];
  /** Rules with decode-event or stream-event. */
  events: EventIndex | null;
  /** What is to be found out about files for its rules. */
  files: FileWants;
  /** Some rule looks at hassh. */
  hassh: boolean;
  /** What the prefilters' databases are made of. */
  sets: LiteralSet[];
}

/** Classes that a Prepared holds, in an order that cache files rely on; fields in `own` are each thread's, not kept. */
export const PREPARED_CLASSES: readonly PackedClass[] = [
  { make: RuleIndex, own: [] },
  { make: SegmentTree, own: [] },
  { make: NumberIndex, own: [] },
  { make: AddressIndex, own: [] },
  { make: FewLiterals, own: [] },
  { make: PortGate, own: [] },
  { make: Prefilter, own: ['native', 'database', 'hits'] },
  { make: EventIndex, own: [] },
  { make: AddressMatcher, own: [] },
  { make: RuleActions, own: [] },
];

/** Plans, indexes and prefilters of `rules`; databases are not compiled yet. */
export function prepareRules(rules: Rule[], actionOrder?: readonly string[]): Prepared {
  const plan = compileRules(rules, actionOrder);
  const sets = new LiteralSets();
  const of = (ranks: number[]) => ranks.map((rank) => plan.rules[rank]);
  const index = (ranks: number[]) => (ranks.length > 0 ? new RuleIndex(of(ranks), ranks) : null);
  const prefilter = (ranks: number[]) => (ranks.length > 0 ? new Prefilter(sets, of(ranks), ranks) : null);
  const transactionGroup = (g: TransactionPlan, number: number): TransactionGroup => {
    const of = (ranks: number[]) =>
      ranks.map((rank) => (isTwoSided(plan.rules[rank]) ? halfOf(plan.rules[rank], number & 1) : plan.rules[rank]));
    const index = (ranks: number[]) => (ranks.length > 0 ? new RuleIndex(of(ranks), ranks) : null);
    const prefilter = (ranks: number[]) => (ranks.length > 0 ? new Prefilter(sets, of(ranks), ranks) : null);
    const ids = g.content.flatMap((ranks, id) => (ranks.length > 0 && id !== PAYLOAD ? [id] : []));
    return {
      ids: Int32Array.from(ids),
      buffers: ids.map((id) => new Prefilter(sets, of(g.content[id]), g.content[id])),
      payload: prefilter(g.content[PAYLOAD]),
      header: index(g.header),
      events: index(g.events),
      mixed: [...g.header, ...g.events, ...g.content.flat()].some((rank) => columns.mixed[rank] !== 0),
    };
  };
  const columns = rankColumns(plan.rules);
  const mixed = [0, 1].map((direction) =>
    plan.rules.filter(
      (rule, rank) =>
        rule.inert === undefined && columns.mixed[rank] !== 0 && transactionGroups(rule).some((group) => (group & 1) === direction),
    ),
  );
  return {
    order: plan.order,
    actions: new RuleActions(rules),
    columns,
    passCount: plan.passCount,
    precheck: precheckTable(plan.rules),
    groups: plan.groups.map((g, number) => ({
      header: index(g.header),
      ipOnly: index(g.ipOnly),
      payload: prefilter(g.content),
      stream: index(g.stream),
      longest: g.longest,
      seams: g.longest > 0 ? seamTable(streamLiterals(of(g.content))) : null,
      mixed: number >> 1 === ProtoClass.Tcp && mixed[number & 1].length > 0,
      watches: number >> 1 === ProtoClass.Tcp ? PortGate.of(mixed[number & 1]) : null,
    })),
    transactions: plan.transactions.map((g, number) =>
      g.header.length > 0 || g.events.length > 0 || g.content.some((c) => c.length > 0) ? transactionGroup(g, number) : null,
    ),
    events: plan.events.length > 0 ? new EventIndex(of(plan.events), plan.events) : null,
    files: filesWanted(rules),
    hassh: rules.some(({ inert, buffers }) => inert === undefined && buffers.some(({ buffer }) => buffer.startsWith('ssh.hassh'))),
    sets: sets.sets,
  };
}

function streamLiterals(rules: readonly Rule[]): Literal[] {
  return rules.filter((rule) => streamTraits(rule) !== 0).map((rule) => literalOf(rule)!);
}

function filesWanted(rules: readonly Rule[]): FileWants {
  const wants: FileWants = { hashes: 0, magic: false };
  for (const rule of rules) {
    if (rule.inert !== undefined) continue;
    if (wantsMagic(rule)) wants.magic = true;
    for (const { keyword } of fileOptions(rule)) if (hashOf(keyword) >= 0) wants.hashes |= 1 << hashOf(keyword);
  }
  return wants;
}

/** Every prefilter of it, so that a thread can open them. */
export function prefiltersOf(prepared: Prepared): Prefilter[] {
  const all: (Prefilter | null)[] = prepared.groups.map((g) => g.payload);
  for (const t of prepared.transactions) if (t !== null) all.push(...t.buffers, t.payload);
  return all.filter((p) => p !== null);
}
