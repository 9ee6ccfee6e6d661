import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { RuleContext } from './context.js';
import { parseRule } from './parser.js';
import type { Rule, RuleProblem, RuleSet } from './rule.js';
import { RuleError } from './rule-error.js';
import { trim } from './text.js';

/**
 * Reads rule files. `files` are paths or patterns (`*` and `?` in the last part; matches in the
 * order of their names). Nothing here throws: whatever does not load is a problem of the set.
 */
export function loadRules(files: string[], context: RuleContext): RuleSet {
  const loader = new RuleLoader(context);
  for (const pattern of files) {
    const expanded = expandPattern(pattern);
    if (typeof expanded === 'string') loader.problem(resolve(pattern), 0, '', expanded, 0);
    else for (const file of expanded) loader.file(file);
  }
  return loader.done();
}

/** The same for rules already in memory (a byte string or plain text). */
export function loadRuleText(text: string, file: string, context: RuleContext): RuleSet {
  const loader = new RuleLoader(context);
  loader.text(text, file);
  return loader.done();
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
const BOM = '\xef\xbb\xbf';

class RuleLoader {
  /** A replaced rule leaves a hole. */
  private readonly rules: (Rule | undefined)[] = [];
  private readonly problems: RuleProblem[] = [];
  private readonly warnings: RuleProblem[] = [];
  private readonly files: string[] = [];
  /** gid:sid to the position in `rules`. */
  private readonly bySid = new Map<string, number>();
  private readonly reportedTwice = new Set<string>();
  private readonly warned = new Set<string>();

  constructor(private readonly context: RuleContext) {}

  done(): RuleSet {
    return {
      rules: this.rules.filter((rule) => rule !== undefined),
      problems: this.problems,
      files: this.files,
      warnings: this.warnings,
    };
  }

  problem(file: string, line: number, option: string, reason: string, sid: number): void {
    this.problems.push({ file, line, option, reason, sid });
  }

  file(file: string): void {
    if (this.files.includes(file)) {
      this.problem(file, 0, '', 'is named twice, read once', 0);
      return;
    }
    let text: string;
    try {
      text = readFileSync(file, 'latin1');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.problem(file, 0, '', code === 'ENOENT' ? 'rule file does not exist' : `cannot be read: ${message}`, 0);
      return;
    }
    this.files.push(file);
    this.text(text, file);
  }

  text(all: string, file: string): void {
    if (all.slice(0, BINARY_PROBE).includes('\0')) {
      this.problem(file, 0, '', 'is a binary file, not a rule file', 0);
      return;
    }
    // A rule that fails is ordinary here, and its stack trace of no use: without it loading is a third faster.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    try {
      this.lines(all, file);
    } finally {
      Error.stackTraceLimit = limit;
    }
  }

  private lines(all: string, file: string): void {
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
      this.rule(text, file, first);
    }
  }

  private rule(text: string, file: string, line: number): void {
    let rule: Rule;
    try {
      rule = parseRule(text, { file, line }, this.context);
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      this.problem(file, line, error.option, error.reason, sidOf(text));
      return;
    }
    if (this.duplicate(rule)) return;
    this.bySid.set(`${rule.gid}:${rule.sid}`, this.rules.length);
    this.rules.push(rule);
    this.warn(rule);
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
      this.problem(
        loser.file,
        loser.line,
        'sid',
        `sid ${rule.sid} exists twice: ${winner.file}:${winner.line} ${why}, this one is ignored`,
        rule.sid,
      );
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

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end;
}

/** The sid of a rule that did not parse, as far as it can be told; 0 otherwise. */
function sidOf(text: string): number {
  const match = /[(;\s]sid\s*:\s*(\d{1,10})\s*;/.exec(text);
  return match === null ? 0 : Number(match[1]);
}
