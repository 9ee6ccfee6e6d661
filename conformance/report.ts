import type { TestResult } from './run-test.js';
import type { TestCase } from './test-case.js';

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/** Counts by group, the groups that overlap included: a test is in the total, in one of `needs` and perhaps in others. */
export function tally(tests: readonly TestCase[], results: readonly TestResult[]): Map<string, Tally> {
  const byName = new Map(results.map((result) => [result.test, result.result]));
  const groups = new Map<string, Tally>();
  const count = (group: string, result: TestResult['result']) => {
    const entry = groups.get(group) ?? { passed: 0, failed: 0, skipped: 0 };
    entry[result]++;
    groups.set(group, entry);
  };
  for (const test of tests) {
    const result = byName.get(test.name);
    if (result === undefined) continue;
    count('all', result);
    count(test.needs, result);
    if (test.family !== '') count(test.family, result);
    count(test.negativeOnly ? 'expects only zero counts' : 'expects something', result);
  }
  return groups;
}

const GROUP_WIDTH = 28;

/** The failed and skipped tests with their reasons, then the counts. */
export function report(tests: readonly TestCase[], results: readonly TestResult[], mostReasons: number): string {
  const lines: string[] = [];
  for (const state of ['failed', 'skipped'] as const) {
    const some = results.filter((result) => result.result === state);
    if (some.length === 0) continue;
    lines.push(`${state}:`);
    for (const { test, reasons } of some) {
      lines.push(`  ${test}`, ...reasons.slice(0, mostReasons).map((reason) => `      ${reason}`));
      if (reasons.length > mostReasons) lines.push(`      and ${reasons.length - mostReasons} more`);
    }
    lines.push('');
  }
  const cell = (value: string | number) => String(value).padStart(9);
  lines.push(`${''.padEnd(GROUP_WIDTH)}${['passed', 'failed', 'skipped'].map(cell).join('')}`);
  const groups = [...tally(tests, results)].sort(([a], [b]) => (a === 'all' ? 1 : b === 'all' ? -1 : a < b ? -1 : 1));
  for (const [name, { passed, failed, skipped }] of groups)
    lines.push(`${name.padEnd(GROUP_WIDTH)}${[passed, failed, skipped].map(cell).join('')}`);
  return lines.join('\n');
}
