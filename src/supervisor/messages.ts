import type { CapturePlan } from '../capture/plan.js';
import type { Config } from '../config/config.js';
import type { ArenaLayout } from '../ring/arena.js';
import type { RuleImage } from './rule-image.js';

/**
 * What supervisor and children tell each other (child_process IPC, advanced serialization). No packet
 * and no event ever travels here.
 *
 * File descriptors of a child, by number:
 *
 *   0 - 2 standard streams | 3 IPC | 4 control memfd (capture only) | 5 counters | 6 arena | 7.. eventfd of capture thread 0..
 */
export const enum Fd {
  Control = 4,
  Counters = 5,
  Arena = 6,
  Events = 7,
}

export interface Init {
  type: 'init';
  config: Config;
  plan: CapturePlan;
  layout: ArenaLayout;
  rules: RuleImage;
  ruleGeneration: number;
  checksumValidation: boolean;
  /** Whoever detects: what to become once set up; undefined = stay. */
  become?: { uid: number; gid: number };
}

export type ToChild = Init | { type: 'rules'; rules: RuleImage; ruleGeneration: number } | { type: 'end' };

export type FromChild = { type: 'ready' } | { type: 'reloaded'; ruleGeneration: number } | { type: 'failed'; line: string };
