// Runs the compiled tests of dist/test: unit tests two files at a time, then those that use the
// network one by one. Both report through one spec reporter, with one set of totals at the end.
//
//   node scripts/test.mjs [--asan] [-- part-of-a-file-name ...]
//
// --asan runs the unit tests on the addon built with AddressSanitizer and UBSan.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { compose } from 'node:stream';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TESTS = join(ROOT, 'dist', 'test');
/** A file that takes longer has hung. */
const FILE_TIMEOUT_MS = 600_000;

const args = process.argv.slice(2);
const asan = args.includes('--asan');
const filters = args.filter((arg) => !arg.startsWith('-'));

function testFiles() {
  if (!existsSync(TESTS)) return [];
  return readdirSync(TESTS, { recursive: true })
    .filter((path) => path.endsWith('.test.js'))
    .filter((path) => filters.length === 0 || filters.some((part) => path.includes(part)))
    .map((path) => join(TESTS, path))
    .sort();
}

function useAsan() {
  const setup = spawnSync(process.execPath, [join(ROOT, 'scripts/setup.mjs'), '--only', 'native', '--asan'], { stdio: 'inherit' });
  if (setup.status !== 0) process.exit(1);
  const library = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
  process.env.LD_PRELOAD = library;
  process.env.ASAN_OPTIONS = 'detect_leaks=0';
  process.env.UBSAN_OPTIONS = 'halt_on_error=1:print_stacktrace=1';
  process.env.SLUICE_ADDON = join(ROOT, 'native/build-asan/src/build/Release/sluice.node');
}

/** The events of all phases as one run: each phase's own totals are held back and added up. */
async function* inPhases(phases) {
  const totals = new Map();
  for (const { files, concurrency } of phases) {
    if (files.length === 0) continue;
    for await (const event of run({ files, concurrency, timeout: FILE_TIMEOUT_MS })) {
      const total =
        event.type === 'test:diagnostic' &&
        /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/.exec(event.data.message);
      if (total && event.data.nesting === 0) totals.set(total[1], (totals.get(total[1]) ?? 0) + Number(total[2]));
      else if (event.type !== 'test:summary') yield event;
      if (event.type === 'test:fail' && event.data.todo === undefined) process.exitCode = 1;
    }
  }
  for (const [name, value] of totals)
    yield { type: 'test:diagnostic', data: { nesting: 0, message: `${name} ${Number(value.toFixed(3))}` } };
}

const all = testFiles();
const isNet = (path) => relative(TESTS, path).startsWith(`net${sep}`);
const unit = all.filter((path) => !isNet(path));
const phases = [
  { files: unit, concurrency: 2 },
  { files: asan ? [] : all.filter(isNet), concurrency: 1 },
];
if (phases.every(({ files }) => files.length === 0)) {
  console.error(
    `no test file ${filters.length > 0 ? `matches ${filters.join(', ')}` : 'is compiled'}; run 'npm run setup', or name a part of a file's name`,
  );
  process.exit(1);
}
if (asan) useAsan();
compose(inPhases(phases), new spec()).pipe(process.stdout);
