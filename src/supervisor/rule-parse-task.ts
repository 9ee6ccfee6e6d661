import { workerData } from 'node:worker_threads';
import { type ParsedBlock, parseBlock } from '../rules/blocks.js';
import type { Rule } from '../rules/rule.js';
import { checkedContext, type PlainContext } from './rule-context.js';

/** A piece of a rule file, in one of Piscina's threads. */
export interface ParseTask {
  text: string;
  file: string;
}

// Piscina hands its own [.., workerData] through.
const context = checkedContext((Array.isArray(workerData) ? workerData[1] : workerData) as PlainContext);

export default function parse({ text, file }: ParseTask): ParsedBlock {
  const block = parseBlock(text, file, context);
  for (const rule of block.rules) slim(rule);
  return block;
}

/** Left out of the message: what neither merging nor planning asks for. Whoever looks at the rule later parses its text again. */
function slim(rule: Rule): void {
  rule.metadata = {};
  if (rule.inert === undefined) return;
  rule.header = [];
  rule.payload = [];
  rule.buffers = [];
}
