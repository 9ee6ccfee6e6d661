import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.js';

function load(yaml: string) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'));
  try {
    const file = join(folder, 'suricata.yaml');
    writeFileSync(file, `%YAML 1.1\n---\n${yaml}`);
    const { config, warnings } = loadConfig(file);
    return { ...config.stream.reassembly, warnings };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('reassembly: the defaults are those of Suricata', () => {
  assert.deepEqual(load('stream:\n  memcap: 64mb\n'), {
    memcap: 256 * 1024 ** 2,
    depth: 1024 ** 2,
    chunkSizes: [2560, 2560],
    urgent: 'oob',
    hosts: [],
    warnings: [],
  });
});

test('reassembly: what is written counts, with the hosts of each policy', () => {
  const yaml = `
stream:
  reassembly:
    memcap: 32mb
    depth: 0
    toserver-chunk-size: 1000
    randomize-chunk-size: yes
    urgent:
      policy: inline
      oob-limit-policy: drop
host-os-policy:
  windows: [0.0.0.0/0]
  bsd: []
  old-linux: [2.2.2.2, "::1"]
`;
  assert.deepEqual(load(yaml), {
    memcap: 32 * 1024 ** 2,
    depth: 0,
    chunkSizes: [1000, 2560],
    urgent: 'inline',
    hosts: [
      { policy: 'windows', network: '0.0.0.0/0' },
      { policy: 'old-linux', network: '2.2.2.2' },
      { policy: 'old-linux', network: '::1' },
    ],
    warnings: [],
  });
});

test('reassembly: what cannot be read is refused by name', () => {
  assert.throws(() => load('host-os-policy:\n  beos: [1.2.3.4]\n'), /host-os-policy\.beos is no policy; allowed: first, last, bsd/);
  assert.throws(() => load('host-os-policy:\n  linux: [1.2.3.4/40]\n'), /host-os-policy\.linux has '1\.2\.3\.4\/40'/);
  assert.throws(() => load('stream:\n  reassembly:\n    urgent:\n      policy: never\n'), /urgent\.policy/);
});
