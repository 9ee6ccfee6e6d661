/**
 * Rule files cut into pieces that can be parsed apart, in any order and any thread, and the merger that puts the results
 * together in the order of files and lines.
 */
import type { RuleContext } from './context.js';
import { parseRule } from './parser.js';
import { RuleSkipped } from './requires.js';
import type { Rule, RuleProblem } from './rule.js';
import { RuleError } from './rule-error.js';
import { trim } from './text.js';

/** What a piece of a file holds. Lines count from 1 within the piece. Plain data. */
export interface ParsedBlock {
  rules: Rule[];
  /** The byte strings the rules were parsed from; undefined: the rule's `text`. */
  sources: (string | undefined)[];
  problems: RuleProblem[];
  /** Rules left out by `requires`. */
  skipped: RuleProblem[];
  /** Lines of the piece. */
  lines: number;
}

const BOM = '\xef\xbb\xbf';
/** A file in pieces of about this many bytes. */
const BLOCK = 128 * 1024;

/** Pieces of a file that end with a rule. */
export function splitBlocks(text: string, size = BLOCK): string[] {
  const blocks: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = at + size;
    for (; end < text.length; end++) {
      end = lineEnd(text, end);
      if (end >= text.length || !continued(text, end)) break;
    }
    end = Math.min(end + 1, text.length);
    blocks.push(text.slice(at, end));
    at = end;
  }
  return blocks;
}

/** Whether the line that ends at `end` goes on in the next. */
function continued(text: string, end: number): boolean {
  let last = end - 1;
  while (last >= 0 && (text[last] === ' ' || text[last] === '\t' || text[last] === '\r')) last--;
  return text[last] === '\\';
}

/** Parses the rules of a piece; what does not load is a problem. */
export function parseBlock(text: string, file: string, context: RuleContext): ParsedBlock {
  const block: ParsedBlock = { rules: [], sources: [], problems: [], skipped: [], lines: 0 };
  // A rule that fails is ordinary here, and its stack trace of no use: without it loading is a third faster.
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    block.lines = eachRule(text, (rule, line) => parseInto(block, rule, file, line, context));
  } finally {
    Error.stackTraceLimit = limit;
  }
  return block;
}

function parseInto(block: ParsedBlock, text: string, file: string, line: number, context: RuleContext): void {
  try {
    const rule = parseRule(text, { file, line }, context);
    block.rules.push(rule);
    block.sources.push(rule.text === text ? undefined : text);
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    const problem: RuleProblem = { file, line, option: error.option, reason: error.reason, sid: sidOf(text) };
    (error instanceof RuleSkipped ? block.skipped : block.problems).push(problem);
  }
}

/** Rules with the line each begins at: comments left out, continuation lines joined. Returns how many lines there are. */
export function eachRule(all: string, use: (text: string, line: number) => void): number {
  let at = all.startsWith(BOM) ? BOM.length : 0;
  let line = 0;
  while (at < all.length) {
    const first = ++line;
    let end = lineEnd(all, at);
    let text = trim(all.slice(at, end));
    at = end + 1;
    if (text === '' || text[0] === '#' || text[0] === ';') continue;
    if (text.endsWith('\\')) {
      const parts: string[] = [];
      while (text.endsWith('\\') && at < all.length) {
        parts.push(text.slice(0, -1));
        line++;
        end = lineEnd(all, at);
        text = trim(all.slice(at, end));
        at = end + 1;
      }
      parts.push(text.endsWith('\\') ? text.slice(0, -1) : text);
      text = parts.join(' ');
    }
    use(text, first);
  }
  return line;
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

/** The sid of a rule that did not parse, as far as it can be told; 0 otherwise. */
function sidOf(text: string): number {
  const match = /[(;\s]sid\s*:\s*(\d{1,10})\s*;/.exec(text);
  return match === null ? 0 : Number(match[1]);
}
