import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../../src/native.js';

const SUITE = join(process.env.SLUICE_SHARED ?? join(ROOT, '..', 'shared'), 'conformance');
const skip = existsSync(join(SUITE, 'tests')) ? false : 'skipped: the conformance tests are not on this machine';
const BUILT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Simple tests of the suite, from a folder of their own each: one alert, one count, one flow. */
const TESTS = ['bug-6733-syn-packet-flow-output', 'community-id-sameip', 'linktype-228'];

test('the runner runs tests of the suite and says how they went', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-suite-'));
  try {
    const json = join(folder, 'results.json');
    // The program this test was compiled with, wherever that is.
    const program = join(folder, 'sluice.mjs');
    writeFileSync(program, `#!/usr/bin/env node\nawait (await import('${join(BUILT, 'src/cli/main.js')}')).entry();\n`);
    chmodSync(program, 0o755);
    const said = execFileSync(
      process.execPath,
      [join(BUILT, 'conformance/main.js'), SUITE, ...TESTS, '--json', json, '--sluice', program],
      {
        encoding: 'utf8',
      },
    );
    const results = JSON.parse(readFileSync(json, 'utf8')) as { test: string; result: string; reasons: string[] }[];
    assert.deepEqual(
      results.map(({ test, result, reasons }) => [test, result, reasons]),
      TESTS.map((name) => [`tests/${name}`, 'passed', []]),
    );
    assert.match(said, /all +3 +0 +0/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
