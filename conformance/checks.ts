import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findValue, type Json, matches, same } from './filter.js';
import { type Abilities, type Texts, unmet } from './requires.js';

export interface CheckResult {
  state: 'passed' | 'failed' | 'skipped';
  /** One line; '' when passed. */
  reason: string;
}

/** Where a test ran, for its checks. */
export interface CheckPlace {
  /** Folder of the test. */
  directory: string;
  /** Folder of the logs: relative names and shell commands start here. */
  output: string;
  env: NodeJS.ProcessEnv;
  abilities: Abilities;
}

const PASSED: CheckResult = { state: 'passed', reason: '' };
const failed = (reason: string): CheckResult => ({ state: 'failed', reason });
const SHELL_MS = 60_000;

type Section = { [key: string]: Json };
type TextSection = { [key: string]: Texts };

/** All checks of a test in order. `checks` and `texts` are the same section, with and without types. */
export function runChecks(checks: Json | undefined, texts: Texts | undefined, place: CheckPlace): CheckResult[] {
  if (!Array.isArray(checks)) return [];
  const results: CheckResult[] = [];
  const files = new Map<string, Json[]>();
  for (const [i, entry] of checks.entries()) {
    const plain = Array.isArray(texts) ? (texts[i] as TextSection) : {};
    for (const [kind, section] of Object.entries((entry ?? {}) as Section)) {
      const number = `check ${i + 1}`;
      try {
        const result = runCheck(kind, (section ?? {}) as Section, (plain?.[kind] ?? {}) as TextSection, place, files);
        results.push(result.reason === '' ? result : { ...result, reason: `${number}: ${result.reason}` });
      } catch (error) {
        results.push(failed(`${number}: ${kind}: ${(error as Error).message}`));
      }
    }
  }
  return results;
}

function runCheck(kind: string, check: Section, texts: TextSection, place: CheckPlace, files: Map<string, Json[]>): CheckResult {
  if (kind === 'filter' || kind === 'shell') {
    const requires: TextSection = { ...((texts.requires ?? {}) as TextSection) };
    for (const key of ['version', 'min-version', 'lt-version']) if (texts[key] !== undefined) requires[key] = texts[key];
    if (texts.feature !== undefined) requires.features = [texts.feature];
    const reason = unmet(requires, place.abilities);
    if (reason !== '') return { state: 'skipped', reason };
  }
  switch (kind) {
    case 'filter':
      return filter(check, place, files);
    case 'stats':
      return stats(check, place, files);
    case 'shell':
      return shell(texts, place);
    case 'file-compare':
      return compare(texts, place);
    default:
      return failed(`unknown check '${kind}'`);
  }
}

/** The records of a log of JSON lines. @throws Error when it is missing or a line is not JSON. */
function records(name: string, place: CheckPlace, files: Map<string, Json[]>): Json[] {
  let found = files.get(name);
  if (found === undefined) {
    const path = join(place.output, name);
    if (!existsSync(path)) throw new Error(`${name} does not exist`);
    found = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Json);
    files.set(name, found);
  }
  return found;
}

function filter(check: Section, place: CheckPlace, files: Map<string, Json[]>): CheckResult {
  const match = (check.match ?? {}) as Section;
  let count = 0;
  for (const event of records(String(check.filename ?? 'eve.json'), place, files)) if (matches(match, event)) count++;
  if (count === check.count) return PASSED;
  const what = typeof check.comment === 'string' ? check.comment : JSON.stringify(match);
  return failed(`expected ${check.count}, got ${count}: ${what}`);
}

function stats(check: Section, place: CheckPlace, files: Map<string, Json[]>): CheckResult {
  const last = records('eve.json', place, files).findLast((event) => findValue('event_type', event) === 'stats');
  const found = last === undefined ? undefined : findValue('stats', last);
  if (found === undefined) return failed('no stats record');
  for (const [key, expected] of Object.entries(check)) {
    const value = findValue(key, found);
    if (!same(value, expected))
      return failed(`stats.${key}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(value) ?? 'nothing'}`);
  }
  return PASSED;
}

function shell(check: TextSection, place: CheckPlace): CheckResult {
  const line = String(check.args ?? '');
  if (line === '') return failed('a shell check without args');
  const result = spawnSync('bash', ['-c', line], { cwd: place.output, env: place.env, encoding: 'utf8', timeout: SHELL_MS });
  if (result.status !== 0) return failed(`'${line.trim()}' ended with ${result.status ?? result.signal}`);
  if (check.expect === undefined || result.stdout.trim() === String(check.expect)) return PASSED;
  return failed(`'${line.trim()}' printed '${result.stdout.trim().slice(0, 80)}', expected '${String(check.expect)}'`);
}

function compare(check: TextSection, place: CheckPlace): CheckResult {
  const [own, expected] = [join(place.output, String(check.filename)), join(place.directory, String(check.expected))];
  for (const path of [own, expected]) if (!existsSync(path)) return failed(`${path} does not exist`);
  return readFileSync(own).equals(readFileSync(expected))
    ? PASSED
    : failed(`${String(check.filename)} is not as ${String(check.expected)}`);
}
