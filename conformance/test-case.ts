import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { parse } from 'yaml';
import type { Json } from './filter.js';
import type { Texts } from './requires.js';
import { compareVersions, parseVersion, type Version } from './version.js';

/** One test of the suite: a folder with a test.yaml. */
export interface TestCase {
  /** Path from the suite's folder: `tests/dns/v2/bug-1158`. */
  name: string;
  directory: string;
  /** test.yaml as YAML 1.1 reads it (yes is true), and with every scalar as text. */
  config: { [key: string]: Json };
  texts: { [key: string]: Texts };
  needs: string;
  family: string;
  /** Every check expects that nothing is found: passing proves little. */
  negativeOnly: boolean;
  captureMissing: boolean;
}

/** An entry of the suite folder's classes.json, as far as it is used. */
interface Class {
  test: string;
  needs?: string;
  family?: string | null;
  negative_only?: boolean;
  capture_missing?: boolean;
}

/** All tests below `suite`, sorted by path. A folder with a test.yaml has no tests below it. @throws Error for broken YAML */
export function findTests(suite: string): TestCase[] {
  const classes = new Map<string, Class>();
  const file = join(suite, 'classes.json');
  if (existsSync(file)) for (const entry of JSON.parse(readFileSync(file, 'utf8')) as Class[]) classes.set(entry.test, entry);
  const found: TestCase[] = [];
  const walk = (directory: string) => {
    if (directory !== suite && existsSync(join(directory, 'test.yaml'))) {
      found.push(readTest(suite, directory, classes));
      return;
    }
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.name === '.git' || entry.name === 'output') continue;
      if (entry.isDirectory()) walk(join(directory, entry.name));
    }
  };
  walk(suite);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function readTest(suite: string, directory: string, classes: Map<string, Class>): TestCase {
  const name = relative(suite, directory);
  const text = readFileSync(join(directory, 'test.yaml'), 'utf8');
  const options = { uniqueKeys: false, logLevel: 'silent', merge: true } as const;
  const config = (parse(text, { ...options, version: '1.1' }) ?? {}) as TestCase['config'];
  const texts = (parse(text, { ...options, schema: 'failsafe' }) ?? {}) as TestCase['texts'];
  const known = classes.get(name) ?? classes.get(`tests/${name}`);
  return {
    name,
    directory,
    config,
    texts,
    needs: known?.needs ?? 'unknown',
    family: known?.family ?? '',
    negativeOnly: known?.negative_only ?? onlyZero(config.checks),
    captureMissing: known?.capture_missing === true,
  };
}

/** True when there are checks and each is a filter that expects none. */
export function onlyZero(checks: Json | undefined): boolean {
  if (!Array.isArray(checks) || checks.length === 0) return false;
  return checks.every((check) => {
    if (check === null || typeof check !== 'object' || Array.isArray(check)) return false;
    return Object.entries(check).every(([kind, section]) => kind === 'filter' && (section as { count?: Json } | null)?.count === 0);
  });
}

/** What a run needs besides the test: paths made for it. */
export interface RunPlace {
  output: string;
  defaultConfig: string;
  classification: string;
  reference: string;
  version: Version;
}

/**
 * The command line the suite gives a test that has no `command`, without the program.
 * @throws Error when the test's files do not make one up
 */
export function defaultArguments(test: TestCase, place: RunPlace): string[] {
  const { directory, config, texts } = test;
  const given = Array.isArray(texts.args) ? texts.args.flatMap((line) => String(line).split(/\s+/)) : [];
  const args = given.filter((word) => word !== '');
  args.push('--set', `classification-file=${place.classification}`, '--set', `reference-config-file=${place.reference}`);
  args.push('--init-errors-fatal', '-l', place.output);
  if (basename(directory).includes('ips')) args.push('--simulate-ips');
  const own = join(directory, 'suricata.yaml');
  args.push('-c', existsSync(own) ? own : place.defaultConfig);
  const files = readdirSync(directory).sort();
  const pcaps = typeof config.pcap === 'string' ? [config.pcap] : files.filter((name) => /\.pcap(ng)?$/.test(name));
  if (pcaps.length > 1 && config.pcap !== false) throw new Error('more than one capture file');
  if (pcaps.length === 1 && config.pcap !== false) args.push('-r', join(directory, pcaps[0]));
  return [
    ...args,
    ...ruleArguments(
      directory,
      typeof config.rules === 'string' ? [config.rules] : files.filter((name) => name.endsWith('.rules')),
      place.version,
    ),
  ];
}

function ruleArguments(directory: string, rules: string[], version: Version): string[] {
  if (rules.length === 0) return ['--disable-detection'];
  const isFirewall = rules[0].endsWith('firewall.rules');
  if (rules.length === 1 && !isFirewall) {
    // min8.rules: for version 8 and later.
    const least = rules[0].startsWith('min') ? parseVersion(rules[0].slice(3)) : undefined;
    return least !== undefined && compareVersions(version, least) < 0 ? ['--disable-detection'] : ['-S', join(directory, rules[0])];
  }
  if (!isFirewall || (rules.length === 2 && !rules[1].endsWith('td.rules')) || rules.length > 2) throw new Error('more than one rule file');
  const firewall = ['--firewall-rules-exclusive', join(directory, rules[0])];
  return rules.length === 1 ? firewall : [...firewall, '-S', join(directory, rules[1])];
}

/** Why the capture a test needs is not there, '' when it is or none is needed. */
export function captureProblem(test: TestCase): { skip: string; fail: string } {
  const { config, texts, directory } = test;
  const none = { skip: '', fail: '' };
  if (test.captureMissing) return { skip: 'its capture is not in this copy of the suite', fail: '' };
  if (config.command !== undefined || config.pcap === false) return none;
  if (typeof config.pcap === 'string')
    return existsSync(join(directory, config.pcap)) ? none : { skip: '', fail: `capture ${config.pcap} does not exist` };
  const required = (texts.requires as { pcap?: string } | null | undefined)?.pcap;
  if (required !== undefined && /^(false|no|off)$/i.test(required)) return none;
  return readdirSync(directory).some((name) => /\.pcap(ng)?$/.test(name)) ? none : { skip: 'no capture file', fail: '' };
}
