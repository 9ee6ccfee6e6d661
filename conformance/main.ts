import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { PACKAGE_ROOT } from '../src/config/paths.js';
import { report } from './report.js';
import { abilities } from './requires.js';
import { runTest, type Suite, type TestResult } from './run-test.js';
import { findTests, type TestCase } from './test-case.js';

const USAGE = `npm run conformance -- <folder> [pattern ...] [options]
  Runs the tests of the public suricata-verify suite below <folder> (those whose path holds a pattern) and says which pass.
  Exit code 0 when the runner did its work, whatever the tests say, 1 when it could not.
options
  --json FILE       results by test: [{ test, result, reasons, seconds }]
  --class NAME      only tests that classes.json of the folder puts there: no-app-layer, app-layer, http-evader
  --sluice PATH     another executable (default: bin/sluice)
  --jobs N          tests at once (default: one per core)
  --timeout S       longest a test may run, seconds (default 60)
  --keep FOLDER     outputs go below FOLDER and stay there (default: a temporary folder)
  --reasons N       most reasons printed per test (default 3)
  --strict          exit code 1 when a test fails
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      class: { type: 'string' },
      sluice: { type: 'string', default: join(PACKAGE_ROOT, 'bin/sluice') },
      jobs: { type: 'string', default: String(availableParallelism()) },
      timeout: { type: 'string', default: '60' },
      keep: { type: 'string' },
      reasons: { type: 'string', default: '3' },
      strict: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [folder, ...patterns] = positionals;
  if (values.help || folder === undefined) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 1;
  }
  const directory = realpathSync(folder);
  const wanted = (test: TestCase) =>
    (patterns.length === 0 || patterns.some((pattern) => test.name.includes(pattern))) &&
    (values.class === undefined || values.class === test.needs || values.class === test.family);
  const tests = findTests(directory).filter(wanted);
  if (tests.length === 0) throw new Error(`no test below ${directory} fits; a test is a folder with a test.yaml`);
  const temp = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'sluice-conformance-')) : resolve(values.keep);
  try {
    const suite = prepare(resolve(values.sluice), temp, positive('--timeout', values.timeout) * 1000);
    const results = await runAll(tests, suite, positive('--jobs', values.jobs));
    process.stdout.write(`${report(tests, results, positive('--reasons', values.reasons))}\n`);
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 1)}\n`);
    return values.strict && results.some((result) => result.result === 'failed') ? 1 : 0;
  } finally {
    if (values.keep === undefined) rmSync(temp, { recursive: true, force: true });
  }
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${flag} ${text}: a number above 0 is expected`);
  return value;
}

/** Makes the folder that stands for Suricata's sources, and asks the program what it is. */
function prepare(program: string, temp: string, timeoutMs: number): Suite {
  if (!existsSync(program)) throw new Error(`${program} is not there; build it first, or name another with --sluice`);
  const sourceDir = join(temp, '.source');
  for (const folder of ['src', 'etc']) mkdirSync(join(sourceDir, folder), { recursive: true });
  const wrapper = join(sourceDir, 'src/suricata');
  writeFileSync(wrapper, `#!/bin/sh\nexec '${program.replaceAll("'", `'\\''`)}' "$@"\n`);
  chmodSync(wrapper, 0o755);
  const defaultConfig = join(sourceDir, 'suricata.yaml');
  copyFileSync(join(PACKAGE_ROOT, 'conformance/suricata.yaml'), defaultConfig);
  for (const name of ['classification.config', 'reference.config']) {
    copyFileSync(join(PACKAGE_ROOT, 'etc', name), join(sourceDir, 'etc', name));
    // Tests of older versions look here.
    copyFileSync(join(PACKAGE_ROOT, 'etc', name), join(sourceDir, name));
  }
  const ask = (flag: string) => execFileSync(program, [flag], { encoding: 'utf8', timeout: 30_000 });
  return { sourceDir, program, temp, defaultConfig, abilities: abilities(ask('-V'), ask('--build-info')), timeoutMs };
}

async function runAll(tests: readonly TestCase[], suite: Suite, jobs: number): Promise<TestResult[]> {
  const results: TestResult[] = new Array(tests.length);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let next = 0;
  let done = 0;
  const job = async () => {
    while (next < tests.length) {
      const i = next++;
      results[i] = await runTest(tests[i], suite);
      counts[results[i].result]++;
      done++;
      if (process.stderr.isTTY)
        process.stderr.write(
          `\r\x1b[K${done}/${tests.length}  passed ${counts.passed}  failed ${counts.failed}  skipped ${counts.skipped}  ${tests[i].name}`,
        );
    }
  };
  await Promise.all(Array.from({ length: Math.min(Math.ceil(jobs), tests.length) }, job));
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return results;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: Error) => {
    process.stderr.write(`conformance: ${error.message}\n`);
    process.exitCode = 1;
  },
);
