import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { checkAfPacket } from '../../src/config/af-packet.js';
import { dumpConfig } from '../../src/config/dump.js';
import { loadConfig } from '../../src/config/load.js';
import { PACKAGE_ROOT } from '../../src/config/paths.js';
import { SluiceError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-corpus-'));
after(() => rmSync(folder, { recursive: true }));

/** Reference data beside the package; SLUICE_SHARED names another place. */
const SHARED = resolve(process.env.SLUICE_SHARED ?? join(PACKAGE_ROOT, '..', 'shared'));

test('etc/sluice.yaml loads without a warning, and its bridge is sound', () => {
  const { config, warnings } = loadConfig(join(PACKAGE_ROOT, 'etc/sluice.yaml'));
  assert.deepEqual(warnings, []);
  checkAfPacket(config);
  assert.deepEqual(
    config.afPacket.map((one) => [one.interface, one.copyMode, one.copyIface]),
    [
      ['eth0', 'ips', 'eth1'],
      ['eth1', 'ips', 'eth0'],
    ],
  );
  assert.ok(existsSync(config.classificationFile) && existsSync(config.referenceFile));
});

test('etc/sluice.yaml says the defaults: an empty file differs only where the shipped one makes a choice', () => {
  const empty = join(folder, 'empty.yaml');
  writeFileSync(empty, '');
  const shipped = loadConfig(join(PACKAGE_ROOT, 'etc/sluice.yaml')).config;
  const plain = loadConfig(empty).config;
  for (const key of [
    'nfq',
    'hostMode',
    'stats',
    'flow',
    'stream',
    'defrag',
    'vxlanPorts',
    'teredoPorts',
    'teredo',
    'exceptionPolicy',
    'threading',
    'thresholdEntries',
    'pcre',
    'sluice',
    'runmode',
  ] as const) {
    assert.deepEqual(shipped[key], plain[key], key);
  }
});

test('every suricata.yaml of the conformance suite loads', { skip: !existsSync(SHARED) && 'the shared reference data is not here' }, () => {
  const found: string[] = [];
  const walk = (path: string) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) walk(join(path, entry.name));
      else if (entry.name.endsWith('.yaml') && entry.name !== 'test.yaml') found.push(join(path, entry.name));
    }
  };
  walk(join(SHARED, 'conformance'));
  found.push(join(SHARED, 'reference', 'peer.yaml'));
  assert.ok(found.length > 100, `only ${found.length} files`);
  const failed: string[] = [];
  for (const file of found) {
    try {
      const { tree } = loadConfig(file);
      assert.equal(dumpConfig(tree) === '', tree.children.size === 0);
    } catch (error) {
      failed.push(`${file}: ${(error as Error).message}`);
    }
  }
  assert.deepEqual(failed, []);
});

const KEYS =
  'vars address-groups port-groups HOME_NET af-packet interface default threads cluster-id copy-mode copy-iface outputs fast eve-log stats enabled types alert drop flow ' +
  'memcap memcap-policy hash-size flow-timeouts tcp new stream inline midstream midstream-policy defrag decoder vxlan teredo ports exception-policy detect thresholds threading ' +
  'cpu-affinity worker-cpu-set cpu pcre match-limit rule-files default-rule-path classification-file default-log-dir runmode logging console file level run-as user sluice metrics ' +
  'port nfq nflog group mode repeat-mark batchcount host-mode include __proto__ constructor 0 1 a.b a_b';
const VALUES =
  'yes no auto 1 0 -1 64kb 99999999999999999999 any all $HOME_NET [80 80] drop-flow pass-packet bypass cluster_flow ips eth0 eth1 ~ null *.yaml 0-3'.split(
    ' ',
  );
const key = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...KEYS.split(' ')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
);
const value = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...VALUES) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
);
const tree = fc.letrec((tie) => ({
  node: fc.oneof({ depthSize: 'medium' }, value, fc.array(tie('node'), { maxLength: 4 }), fc.dictionary(key, tie('node'), { maxKeys: 5 })),
})).node;

/** Text as it is (JSON is YAML), and each known top-level section with a random body. */
const document = fc.oneof(
  fc.dictionary(key, tree, { maxKeys: 6 }).map((object) => JSON.stringify(object)),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc
    .array(
      fc.constantFrom('a:', ' b: c', '- x', '[', '{', '&a', '*a', '|', '"', "'", '#', '\t', '%YAML 1.1', '---', 'include:', '!include x'),
      { maxLength: 12 },
    )
    .map((lines) => lines.join('\n')),
);

test('whatever the file holds, the loader returns or throws a one-line SluiceError', () => {
  const file = join(folder, 'random.yaml');
  let loaded = 0;
  let refused = 0;
  fc.assert(
    fc.property(document, fc.array(fc.tuple(key, value), { maxLength: 2 }), (text, set) => {
      writeFileSync(file, text);
      try {
        const { config, tree: root, warnings } = loadConfig(file, { set, includes: [] });
        loaded++;
        dumpConfig(root);
        structuredClone(config);
        assert.equal(new Set(warnings).size, warnings.length);
        checkAfPacket(config);
      } catch (error) {
        assert.ok(error instanceof SluiceError, (error as Error).stack);
        assert.equal(error.code, 'SLUICE_CONFIG');
        assert.ok(!/[\n\r]/.test(error.message), JSON.stringify(error.message));
        refused++;
      }
    }),
    { numRuns: 1500, seed: 7 },
  );
  assert.ok(loaded > 50 && refused > 50, `${loaded} loaded, ${refused} refused: both sides must be met`);
});
