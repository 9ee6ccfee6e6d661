import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CheckResult, runChecks } from './checks.js';
import { type Abilities, skipReason, unmet } from './requires.js';
import { captureProblem, defaultArguments, type TestCase } from './test-case.js';

export interface TestResult {
  test: string;
  result: 'passed' | 'failed' | 'skipped';
  /** Of checks that failed or were skipped, or why the test did not run. */
  reasons: string[];
  seconds: number;
}

/** What all tests of a run share. */
export interface Suite {
  /** Stands for Suricata's source folder: src/suricata, suricata.yaml and etc/ are there. */
  sourceDir: string;
  /** The executable under test, absolute. */
  program: string;
  /** Outputs go to a folder below, one per test. */
  temp: string;
  defaultConfig: string;
  abilities: Abilities;
  timeoutMs: number;
}

/** Runs one test in a fresh output folder and checks what it wrote. Never throws for what a test does. */
export async function runTest(test: TestCase, suite: Suite): Promise<TestResult> {
  const began = performance.now();
  const done = (result: TestResult['result'], reasons: string[]): TestResult => ({
    test: test.name,
    result,
    reasons,
    seconds: Math.round((performance.now() - began) / 10) / 100,
  });
  try {
    const capture = captureProblem(test);
    const skip = unmet(test.texts.requires, suite.abilities) || skipReason(test.texts.skip, suite.abilities) || capture.skip;
    if (skip !== '') return done('skipped', [skip]);
    if (capture.fail !== '') return done('failed', [capture.fail]);
    const retries = Math.max(1, Number(test.config.retry ?? 1));
    const rounds = Math.max(1, Number(test.config.count ?? 1));
    let outcome = done('failed', ['did not run']);
    for (let attempt = 0; attempt < retries; attempt++) {
      for (let round = 0; round < rounds; round++) {
        const { result, reasons } = await once(test, suite);
        outcome = done(result, reasons);
        if (result === 'failed') break;
      }
      if (outcome.result !== 'failed') break;
    }
    return outcome;
  } catch (error) {
    return done('failed', [(error as Error).message]);
  }
}

async function once(test: TestCase, suite: Suite): Promise<{ result: TestResult['result']; reasons: string[] }> {
  const output = join(suite.temp, test.name);
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  const env = environment(test, suite, output);
  setUp(test, output, env);
  const command = commandLine(test, suite, output, env);
  const expected = Number(test.config['exit-code'] ?? 0);
  const ended = await execute(command, test.directory, output, env, suite.timeoutMs);
  if (ended.timedOut) return { result: 'failed', reasons: [`still running after ${suite.timeoutMs / 1000} s`] };
  if (ended.status !== expected) {
    const said = errorLines(readFileSync(join(output, 'stderr'), 'utf8'));
    return { result: 'failed', reasons: [`exit code ${ended.status ?? ended.signal}, expected ${expected}`, ...said] };
  }
  if (typeof test.config['pre-check'] === 'string')
    spawnSync('bash', ['-c', test.config['pre-check']], { cwd: output, env, stdio: 'ignore', timeout: suite.timeoutMs });
  const place = { directory: test.directory, output, env, abilities: suite.abilities };
  return judge(runChecks(test.config.checks, test.texts.checks, place));
}

/** The first lines that tell of an error, or the last lines when none does. */
function errorLines(text: string): string[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const errors = lines.filter((line) => /^error\b/i.test(line));
  return (errors.length > 0 ? errors.slice(0, 3) : lines.slice(-2)).map((line) => line.slice(0, 300));
}

/** Failed when a check failed, skipped when every check was, else passed: also when there are no checks. */
export function judge(checks: CheckResult[]): { result: TestResult['result']; reasons: string[] } {
  const reasons = (state: string) => checks.filter((check) => check.state === state).map((check) => check.reason);
  const bad = reasons('failed');
  if (bad.length > 0) return { result: 'failed', reasons: bad };
  const skipped = reasons('skipped');
  return { result: checks.length > 0 && skipped.length === checks.length ? 'skipped' : 'passed', reasons: skipped };
}

function environment(test: TestCase, suite: Suite, output: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, SRCDIR: suite.sourceDir, TZ: 'UTC', TEST_DIR: test.directory, OUTPUT_DIR: output };
  const own = test.texts.env;
  if (own !== undefined && own !== null && typeof own === 'object' && !Array.isArray(own))
    for (const [name, value] of Object.entries(own)) env[name] = String(value);
  return env;
}

function setUp(test: TestCase, output: string, env: NodeJS.ProcessEnv): void {
  if (!Array.isArray(test.texts.setup)) return;
  for (const step of test.texts.setup) {
    const script = (step as { script?: string } | null)?.script;
    if (script === undefined) continue;
    const result = spawnSync('bash', ['-c', script], { cwd: output, env, stdio: 'ignore', timeout: 60_000 });
    if (result.status !== 0) throw new Error(`setup script ended with ${result.status ?? result.signal}`);
  }
}

/** `$name` and `${name}` from the environment, `$$` for a dollar. @throws Error for a name nobody knows */
export function substitute(text: string, env: NodeJS.ProcessEnv): string {
  return text.replace(/\$(?:\$|\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g, (all, braced?: string, bare?: string) => {
    if (all === '$$') return '$';
    const name = braced ?? bare ?? '';
    const value = env[name];
    if (value === undefined) throw new Error(`\${${name}} in the command line is not known`);
    return value;
  });
}

function commandLine(test: TestCase, suite: Suite, output: string, env: NodeJS.ProcessEnv): string[] {
  if (typeof test.config.command === 'string') return ['bash', '-c', substitute(test.config.command, env)];
  const args = defaultArguments(test, {
    output,
    defaultConfig: suite.defaultConfig,
    classification: join(suite.sourceDir, 'etc/classification.config'),
    reference: join(suite.sourceDir, 'etc/reference.config'),
    version: suite.abilities.version,
  });
  return [suite.program, ...args.map((word) => substitute(word, env))];
}

interface Ended {
  status: number | null;
  signal: string | null;
  timedOut: boolean;
}

/** stdout and stderr go to files of these names in `output`. Past the time limit the whole process group is killed. */
function execute(command: string[], cwd: string, output: string, env: NodeJS.ProcessEnv, timeoutMs: number): Promise<Ended> {
  const [out, err] = ['stdout', 'stderr'].map((name) => openSync(join(output, name), 'w'));
  return new Promise((resolve, reject) => {
    let timedOut = false;
    const child = spawn(command[0], command.slice(1), { cwd, env, stdio: ['ignore', out, err], detached: true });
    const timer = setTimeout(() => {
      timedOut = true;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has just ended by itself.
      }
    }, timeoutMs);
    const close = () => {
      clearTimeout(timer);
      closeSync(out);
      closeSync(err);
    };
    child.on('error', (error) => {
      close();
      reject(error);
    });
    child.on('close', (status, signal) => {
      close();
      resolve({ status, signal, timedOut });
    });
  });
}
