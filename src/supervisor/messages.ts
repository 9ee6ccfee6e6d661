import type { CapturePlan } from '../capture/plan.js';
import type { Config } from '../config/config.js';
import type { DatasetDump } from '../detect/state/process-datasets.js';
import type { ArenaLayout } from '../ring/arena.js';
import type { Refusal } from '../workers/rule-inbox.js';
import type { RuleEnvelope } from './rule-pipe.js';

/**
 * What supervisor and children tell each other (child_process IPC, advanced serialization). No packet
 * and no event ever travels here.
 *
 * File descriptors of a child, by number:
 *
 *   0 - 2 standard streams | 3 IPC | 4 control memfd (capture only) | 5 counters | 6 arena | 7.. eventfd of capture thread 0.. | rules
 */
export const enum Fd {
  Control = 4,
  Counters = 5,
  Arena = 6,
  Events = 7,
}

/** The descriptor that rules come from (rule-pipe.ts). */
export const rulesFd = (layout: ArenaLayout): number => Fd.Events + layout.captureThreads;

export interface Init {
  type: 'init';
  config: Config;
  plan: CapturePlan;
  layout: ArenaLayout;
  checksumValidation: boolean;
  /** Whoever detects: what to become once set up; undefined = stay. */
  become?: { uid: number; gid: number };
}

/** The second message: a child that is waiting, its modules loaded, detects with these rules (or captures) from here on. */
export interface Begin {
  type: 'begin';
  rules: RuleEnvelope;
  ruleGeneration: number;
}

export type ToChild = Init | Begin | { type: 'rules'; rules: RuleEnvelope; ruleGeneration: number } | { type: 'end' };

export type FromChild =
  | { type: 'ready' }
  | { type: 'reloaded'; ruleGeneration: number; refusal?: Refusal }
  | { type: 'failed'; line: string }
  | { type: 'datasets'; sets: DatasetDump[] };
