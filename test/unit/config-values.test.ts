import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Loaded, loadConfig } from '../../src/config/load.js';
import { parseSize, truthWord } from '../../src/config/values.js';
import { SluiceError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-values-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'suricata.yaml');

function load(yaml: string, set: [string, string][] = []): Loaded {
  writeFileSync(file, `%YAML 1.1\n---\n${yaml}`);
  return loadConfig(file, { set, includes: [] });
}

function refused(yaml: string, ...parts: string[]): void {
  assert.throws(
    () => load(yaml),
    (error: Error) => {
      assert.ok(error instanceof SluiceError, error.stack);
      assert.equal(error.code, 'SLUICE_CONFIG');
      assert.ok(!error.message.includes('\n'), error.message);
      for (const part of [file, ...parts]) assert.ok(error.message.includes(part), `'${part}' in: ${error.message}`);
      return true;
    },
  );
}

test('sizes are powers of 1024 with the units Suricata takes', () => {
  assert.equal(parseSize('64kb'), 65_536);
  assert.equal(parseSize('32mb'), 33_554_432);
  assert.equal(parseSize('1gb'), 1_073_741_824);
  assert.equal(parseSize('1.5 KiB'), 1536);
  assert.equal(parseSize('1 MiB'), 1_048_576);
  assert.equal(parseSize('4096'), 4096);
  for (const bad of ['', 'kb', '-1kb', '1tb', '1 k b', '0x10', '1e3', '9'.repeat(40)]) assert.equal(parseSize(bad), undefined, bad);
});

test('truth words of YAML 1.1 and of Suricata, in any case', () => {
  for (const word of ['yes', 'Yes', 'on', 'true', 'TRUE', '1', 'y']) assert.equal(truthWord(word), true, word);
  for (const word of ['no', 'NO', 'off', 'false', '0', 'n']) assert.equal(truthWord(word), false, word);
  for (const word of ['', 'enabled', '2', 'yess']) assert.equal(truthWord(word), undefined, word);
});

test('truth words, sizes, numbers and percentages reach the configuration', () => {
  const { config, warnings } = load(`
stats: { enabled: off, interval: 3 }
stream: { memcap: 1gb, inline: yes, midstream: on, async-oneside: 1, checksum-validation: no, drop-invalid: no }
flow: { memcap: 65536, hash-size: 0x10, emergency-recovery: 40% }
vlan: { use-for-tracking: false }
detect: { thresholds: { memcap: 1mb } }
pcre: { match-limit: 7, match-limit-recursion: 8 }
`);
  assert.deepEqual(config.stats, { enabled: false, interval: 3 });
  assert.equal(config.stream.memcap, 2 ** 30);
  assert.equal(config.stream.inline, true);
  assert.equal(config.stream.midstream, true);
  assert.equal(config.stream.asyncOneside, true);
  assert.equal(config.stream.checksumValidation, false);
  assert.equal(config.stream.dropInvalid, false);
  assert.equal(config.flow.memcap, 65_536);
  assert.equal(config.flow.hashSize, 16);
  assert.equal(config.flow.emergencyRecovery, 40);
  assert.equal(config.flow.vlanUse, false);
  assert.equal(config.thresholdEntries, 2 ** 20 / 64);
  assert.deepEqual(config.pcre, { matchLimit: 7, matchLimitRecursion: 8 });
  assert.deepEqual(warnings, []);
});

test('a bad value is one line with file, line, key, value and what is allowed', () => {
  refused('flow:\n  memcap: 12 apples\n', `${file}:4`, 'flow.memcap', `'12 apples'`, '64kb');
  refused('flow: { hash-size: many }', 'flow.hash-size', `'many'`, 'whole number from 1');
  refused('flow: { emergency-recovery: 101% }', 'flow.emergency-recovery', `'101%'`, '1 to 100');
  refused('stats: { enabled: maybe }', 'stats.enabled', `'maybe'`, 'yes or no');
  refused('stream: { inline: perhaps }', 'stream.inline', `'perhaps'`, 'auto, yes or no');
  refused('runmode: turbo', 'runmode', `'turbo'`, 'autofp, workers, single');
  refused('exception-policy: drop', 'exception-policy', `'drop'`, 'drop-flow');
  refused('flow-timeouts: { tcp: { new: -1 } }', 'flow-timeouts.tcp.new', `'-1'`);
  refused('flow: yes', 'flow is', `'yes'`, 'a section');
  refused('flow: [ 1 ]', 'flow is a list', 'a section');
  refused('stats: { interval: [ 1, 2 ] }', 'stats.interval is a list');
  refused('sluice: { packet-ring: 3mb }', 'sluice.packet-ring', `'3mb'`, 'power of two');
  refused('sluice: { metrics: { port: 70000 } }', 'sluice.metrics.port', '65535');
  refused('sluice: { ring-full-policy: bypass }', 'sluice.ring-full-policy', 'pass or drop');
  refused('rule-files: [ { a: b } ]', 'rule-files', 'a list of rule file names');
  refused(`runmode: "a\\nb"`, 'runmode', `'a b'`);
});

test('--set is checked like the file', () => {
  assert.throws(() => load('stats: { interval: 8 }', [['stats.interval', 'soon']]), /command line --set: stats\.interval is 'soon'/);
});

test('an empty file has the defaults of the shipped suricata.yaml', () => {
  const { config } = load('');
  assert.equal(config.runmode, 'autofp');
  assert.equal(config.exceptionPolicy, 'auto');
  assert.equal(config.flow.memcap, 128 * 2 ** 20);
  assert.equal(config.stream.inline, 'auto');
  assert.deepEqual(config.vxlanPorts, [4789]);
  assert.deepEqual(config.teredoPorts, [3544]);
  assert.equal(config.outputs.fast.enabled, false);
  assert.deepEqual(config.sluice.metrics, { enabled: true, address: '127.0.0.1', port: 9917 });
});

test('unknown keys are warned about once, Suricata keys that are not used are silent', () => {
  const { warnings } = load(`
mpm-algo: auto
app-layer: { protocols: { http: { enabled: yes } } }
unix-command: { enabled: auto }
flwo: { memcap: 1mb }
flow: { memcap: 1mb, managers: 1, memcop: 2mb }
sluice: { wrokers: 2, metrics: { prot: 1 } }
flow-timeouts: { sctp: { new: 1 } }
`);
  assert.deepEqual(
    warnings.map((warning) => warning.slice(file.length)),
    [
      `:7: unknown key 'flwo' is ignored`,
      `:8: unknown key 'flow.memcop' is ignored`,
      `:10: unknown key 'flow-timeouts.sctp' is ignored`,
      `:9: unknown key 'sluice.wrokers' is ignored`,
      `:9: unknown key 'sluice.metrics.prot' is ignored`,
    ],
  );
});
