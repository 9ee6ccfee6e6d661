import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type ParsedBlock, parseBlock } from './blocks.js';
import type { RuleContext } from './context.js';
import type { Rule, RuleProblem, RuleSet } from './rule.js';

/**
 * Reads rule files. `files` are paths or patterns (`*` and `?` in the last part; matches in the
 * order of their names). Nothing here throws: whatever does not load is a problem of the set.
 */
export function loadRules(files: string[], context: RuleContext): RuleSet {
  const merger = new RuleMerger(context);
  for (const { file, text } of readRuleFiles(files, merger)) merger.file(file, [parseBlock(text, file, context)]);
  return merger.done();
}

/** The same for rules already in memory (a byte string or plain text). */
export function loadRuleText(text: string, file: string, context: RuleContext): RuleSet {
  const merger = new RuleMerger(context);
  if (isBinary(text)) merger.problem(file, 0, '', BINARY, 0);
  else merger.add(parseBlock(text, file, context), 0);
  return merger.done();
}

/** The files that can be read, each once and in order, as byte strings; of the others the merger is told. */
export function readRuleFiles(patterns: string[], merger: RuleMerger): { file: string; text: string }[] {
  const read: { file: string; text: string }[] = [];
  for (const pattern of patterns) {
    const expanded = expandPattern(pattern);
    if (typeof expanded === 'string') {
      merger.problem(resolve(pattern), 0, '', expanded, 0);
      continue;
    }
    for (const file of expanded) {
      if (read.some((one) => one.file === file)) {
        merger.problem(file, 0, '', 'is named twice, read once', 0);
        continue;
      }
      let text: string;
      try {
        text = readFileSync(file, 'latin1');
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        merger.problem(file, 0, '', code === 'ENOENT' ? 'rule file does not exist' : `cannot be read: ${message}`, 0);
        continue;
      }
      const binary = isBinary(text);
      if (binary) merger.problem(file, 0, '', BINARY, 0);
      read.push({ file, text: binary ? '' : text });
    }
  }
  return read;
}

/** Absolute paths, or why there are none. */
export function expandPattern(pattern: string): string[] | string {
  const path = resolve(pattern);
  const last = basename(path);
  if (!/[*?]/.test(last)) return [path];
  const folder = dirname(path);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    return `no file matches ${pattern}: ${(error as Error).message}`;
  }
  const matches = names.filter((name) => wildcard(last, name) && (!name.startsWith('.') || last.startsWith('.'))).sort();
  return matches.length === 0 ? `no file matches ${pattern}` : matches.map((name) => join(folder, name));
}

/** `*` any run, `?` one character. Linear in time: on a mismatch only the last `*` takes one more. */
export function wildcard(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let starName = 0;
  while (n < name.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      starName = n;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++starName;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** A NUL this early means the file is no text. */
const BINARY_PROBE = 8192;
const BINARY = 'is a binary file, not a rule file';

function isBinary(text: string): boolean {
  return text.slice(0, BINARY_PROBE).includes('\0');
}

/** Puts parsed pieces together: lines, duplicates, warnings. Files and their pieces come in order. */
export class RuleMerger {
  /** A replaced rule leaves a hole. */
  private readonly rules: (Rule | undefined)[] = [];
  private readonly sources: (string | undefined)[] = [];
  private readonly problems: RuleProblem[] = [];
  private readonly warnings: RuleProblem[] = [];
  private readonly skipped: RuleProblem[] = [];
  private readonly files: string[] = [];
  /** gid:sid to the position in `rules`. */
  private readonly bySid = new Map<string, number>();
  private readonly reportedTwice = new Set<string>();
  private readonly warned = new Set<string>();

  constructor(private readonly context: RuleContext) {}

  done(): RuleSet {
    const rules: Rule[] = [];
    const sources: string[] = [];
    for (let i = 0; i < this.rules.length; i++) {
      const rule = this.rules[i];
      if (rule === undefined) continue;
      rules.push(rule);
      sources.push(this.sources[i] ?? rule.text);
    }
    return {
      rules,
      sources,
      problems: this.problems,
      files: this.files,
      warnings: this.warnings,
      skipped: this.skipped.length,
      skippedRules: this.skipped,
    };
  }

  problem(file: string, line: number, option: string, reason: string, sid: number): void {
    this.problems.push({ file, line, option, reason, sid });
  }

  /** All pieces of a file. */
  file(file: string, blocks: ParsedBlock[]): void {
    this.files.push(file);
    let before = 0;
    for (const block of blocks) {
      this.add(block, before);
      before += block.lines;
    }
  }

  /** `before`: lines of the file ahead of the piece. */
  add(block: ParsedBlock, before: number): void {
    for (const problem of block.skipped) this.skipped.push({ ...problem, line: problem.line + before });
    let next = 0;
    const problemsUpTo = (line: number) => {
      for (; next < block.problems.length && block.problems[next].line < line; next++)
        this.problems.push({ ...block.problems[next], line: block.problems[next].line + before });
    };
    for (let i = 0; i < block.rules.length; i++) {
      const rule = block.rules[i];
      problemsUpTo(rule.line);
      rule.line += before;
      if (this.duplicate(rule)) continue;
      this.bySid.set(`${rule.gid}:${rule.sid}`, this.rules.length);
      this.rules.push(rule);
      this.sources.push(block.sources[i]);
      this.warn(rule);
    }
    problemsUpTo(Number.POSITIVE_INFINITY);
  }

  /** Newer revision replaces older; of equal ones the first stays. True: this rule is left out. */
  private duplicate(rule: Rule): boolean {
    const key = `${rule.gid}:${rule.sid}`;
    const position = this.bySid.get(key);
    const other = position === undefined ? undefined : this.rules[position];
    if (position === undefined || other === undefined) return false;
    const newer = rule.rev > other.rev;
    const loser = newer ? other : rule;
    const winner = newer ? rule : other;
    if (!this.reportedTwice.has(key)) {
      this.reportedTwice.add(key);
      const why = winner.rev === loser.rev ? 'has the same revision and came first' : `is the newer revision ${winner.rev}`;
      const reason = `sid ${rule.sid} exists twice: ${winner.file}:${winner.line} ${why}, this one is ignored`;
      // Two revisions are an update under way; the same one twice is a mistake.
      if (winner.rev === loser.rev) this.problem(loser.file, loser.line, 'sid', reason, rule.sid);
      else this.warnings.push({ file: loser.file, line: loser.line, option: 'sid', reason, sid: rule.sid });
    }
    if (newer) this.rules[position] = undefined;
    return !newer;
  }

  /** What loads but is not quite right: once per name. */
  private warn(rule: Rule): void {
    const { classifications, references } = this.context;
    if (rule.classtype !== '' && classifications.size > 0 && !classifications.has(rule.classtype.toLowerCase())) {
      this.warning(rule, 'classtype', rule.classtype, `unknown classtype ${rule.classtype}, using priority ${rule.priority}`);
    }
    if (references.size === 0) return;
    for (const reference of rule.references) {
      const type = reference.slice(0, reference.indexOf(','));
      if (!references.has(type.toLowerCase())) this.warning(rule, 'reference', type, `unknown reference type ${type}`);
    }
  }

  private warning(rule: Rule, option: string, name: string, reason: string): void {
    const key = `${option}:${name}`;
    if (this.warned.has(key)) return;
    this.warned.add(key);
    this.warnings.push({ file: rule.file, line: rule.line, option, reason, sid: rule.sid });
  }
}
