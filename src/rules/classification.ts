import { readFileSync } from 'node:fs';
import type { RuleProblem } from './rule.js';
import { toText, trim } from './text.js';

/** One line of classification.config (user guide, "classtype"). */
export interface Classification {
  name: string;
  description: string;
  /** 1 (highest) to 255. */
  priority: number;
}

/** Entries by name in lower case, and the lines that are wrong: a wrong line never stops the others. */
export interface ClassificationFile {
  entries: Map<string, Classification>;
  problems: RuleProblem[];
}

export interface ReferenceFile {
  /** Reference type in lower case to URL prefix. */
  entries: Map<string, string>;
  problems: RuleProblem[];
}

const CLASSIFICATION = /^config\s+classification\s*:\s*([A-Za-z][A-Za-z0-9_-]*)\s*,\s*([^,]*(?:,[^,]*)*?)\s*,\s*(\d+)$/;
const REFERENCE = /^config\s+reference\s*:\s*([A-Za-z][A-Za-z0-9_-]*)\s+(\S+)$/;

/** `config classification: name,description,priority`, a line each. The first of two equal names counts. */
export function parseClassification(text: string, file: string): ClassificationFile {
  const entries = new Map<string, Classification>();
  const problems: RuleProblem[] = [];
  eachLine(text, (line, number) => {
    const match = CLASSIFICATION.exec(line);
    const priority = match === null ? 0 : Number(match[3]);
    if (match === null || priority < 1 || priority > 255) {
      problems.push(problem(file, number, 'expected "config classification: name,description,priority" with a priority from 1 to 255'));
      return;
    }
    const key = match[1].toLowerCase();
    if (entries.has(key)) problems.push(problem(file, number, `classification ${match[1]} is defined twice, the first definition counts`));
    else entries.set(key, { name: match[1], description: toText(match[2]), priority });
  });
  return { entries, problems };
}

/** `config reference: type urlprefix`, a line each. */
export function parseReferences(text: string, file: string): ReferenceFile {
  const entries = new Map<string, string>();
  const problems: RuleProblem[] = [];
  eachLine(text, (line, number) => {
    const match = REFERENCE.exec(line);
    if (match === null) {
      problems.push(problem(file, number, 'expected "config reference: type urlprefix"'));
      return;
    }
    const key = match[1].toLowerCase();
    if (entries.has(key)) problems.push(problem(file, number, `reference type ${match[1]} is defined twice, the first definition counts`));
    else entries.set(key, match[2]);
  });
  return { entries, problems };
}

/** The same from a file; one that cannot be read is one problem with line 0. */
export function loadClassification(file: string): ClassificationFile {
  const text = read(file);
  return typeof text === 'string' ? parseClassification(text, file) : { entries: new Map(), problems: [text] };
}

export function loadReferences(file: string): ReferenceFile {
  const text = read(file);
  return typeof text === 'string' ? parseReferences(text, file) : { entries: new Map(), problems: [text] };
}

function read(file: string): string | RuleProblem {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    return problem(file, 0, `cannot be read: ${(error as Error).message}`);
  }
}

function eachLine(text: string, use: (line: string, number: number) => void): void {
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = trim(lines[i]);
    if (line !== '' && line[0] !== '#') use(line, i + 1);
  }
}

function problem(file: string, line: number, reason: string): RuleProblem {
  return { file, line, option: '', reason, sid: 0 };
}
