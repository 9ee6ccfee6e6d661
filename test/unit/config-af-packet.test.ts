import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkAfPacket, resolveThreads } from '../../src/config/af-packet.js';
import type { Config } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load.js';
import { SluiceError } from '../../src/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'sluice-afp-'));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'suricata.yaml');

function load(yaml: string): Config {
  writeFileSync(file, yaml);
  return loadConfig(file).config;
}

const pair = (left: string, right: string) =>
  load(`af-packet:\n  - { interface: a0, cluster-id: 98, ${left} }\n  - { interface: a1, cluster-id: 97, ${right} }\n`);
const IPS_A = 'copy-mode: ips, copy-iface: a1';
const IPS_B = 'copy-mode: ips, copy-iface: a0';

function refused(config: Config, ...parts: string[]): void {
  assert.throws(
    () => checkAfPacket(config),
    (error: Error) => {
      assert.ok(error instanceof SluiceError && error.code === 'SLUICE_CONFIG', error.stack);
      assert.ok(!error.message.includes('\n'));
      for (const part of [file, ...parts]) assert.ok(error.message.includes(part), `'${part}' in: ${error.message}`);
      return true;
    },
  );
}

test('the example of the af-packet IPS mode: an inline pair', () => {
  const config = load(`
af-packet:
  - interface: eth0
    threads: 1
    defrag: yes
    cluster-type: cluster_flow
    cluster-id: 98
    copy-mode: ips
    copy-iface: eth1
    buffer-size: 64535
    use-mmap: yes
  - interface: eth1
    threads: 1
    cluster-id: 97
    cluster-type: cluster_random
    copy-mode: tap
    copy-iface: eth0
    ring-size: 2048
    disable-promisc: yes
    bpf-filter: port 80 or udp
    checksum-checks: auto
`);
  assert.deepEqual(config.afPacket, [
    {
      interface: 'eth0',
      threads: 1,
      clusterId: 98,
      clusterType: 'cluster_flow',
      defrag: true,
      copyMode: 'ips',
      copyIface: 'eth1',
      ringSize: 0,
      bufferSize: 64_535,
      bpfFilter: '',
      promisc: true,
      checksumChecks: 'kernel',
    },
    {
      interface: 'eth1',
      threads: 1,
      clusterId: 97,
      clusterType: 'cluster_rnd',
      defrag: false,
      copyMode: 'tap',
      copyIface: 'eth0',
      ringSize: 2048,
      bufferSize: 0,
      bpfFilter: 'port 80 or udp',
      promisc: false,
      checksumChecks: 'auto',
    },
  ]);
  checkAfPacket(config);
});

test('interface: default gives what an entry leaves out, wherever it stands', () => {
  const config = load(`
af-packet:
  - { interface: default, threads: 3, cluster-type: cluster_cpu, ring-size: 64 }
  - { interface: eth0, threads: 2 }
  - { interface: eth1, ring-size: }
`);
  assert.deepEqual(
    config.afPacket.map((one) => [one.interface, one.threads, one.clusterType, one.ringSize]),
    [
      ['eth0', 2, 'cluster_cpu', 64],
      ['eth1', 3, 'cluster_cpu', 64],
    ],
  );
});

test('defrag defaults to on for IDS and off inline; cluster ids are chosen apart', () => {
  const config = load(`af-packet: [ { interface: a0, ${IPS_A} }, { interface: a1, cluster-id: 99, ${IPS_B} }, { interface: a2 } ]`);
  assert.deepEqual(
    config.afPacket.map((one) => [one.defrag, one.clusterId]),
    [
      [false, 98],
      [false, 99],
      [true, 97],
    ],
  );
  checkAfPacket(config);
});

test('a bpf-filter is not built: said, not passed over', () => {
  writeFileSync(file, 'af-packet:\n  - { interface: a0, bpf-filter: port 80 }\n');
  assert.deepEqual(loadConfig(file).warnings, [`${file}:2: bpf-filter is not built yet: all packets of a0 are inspected`]);
});

test('bad entries are refused', () => {
  const throws = (yaml: string, message: RegExp) => assert.throws(() => load(yaml), message);
  throws('af-packet: { interface: eth0 }', /af-packet is not a list/);
  throws('af-packet: [ { threads: 1 } ]', /af-packet\.0\.interface is missing/);
  throws('af-packet: [ { interface: a }, { interface: a } ]', /af-packet\.1\.interface is 'a' a second time/);
  throws('af-packet: [ { interface: a, threads: none } ]', /af-packet\.0\.threads is 'none'; allowed: auto/);
  throws(
    'af-packet: [ { interface: a, cluster-type: cluster_rollover } ]',
    /cluster-type is 'cluster_rollover'; allowed: one of cluster_flow/,
  );
  throws('af-packet: [ { interface: a, cluster-id: 65536 } ]', /cluster-id is '65536'/);
  throws('af-packet: [ { interface: a, copy-mode: bridge } ]', /copy-mode is 'bridge'/);
});

test('unequal threads on a pair: both sides and the mend are named', () => {
  refused(pair(`threads: 2, ${IPS_A}`, `threads: 4, ${IPS_B}`), 'a0 has threads 2', 'a1 has threads 4', 'same number');
});

test('equal cluster ids', () => {
  refused(load('af-packet: [ { interface: a0, cluster-id: 5 }, { interface: a1, cluster-id: 5 } ]'), 'a0 and a1', 'cluster-id 5');
});

test('copy-iface and copy-mode must make a pair', () => {
  refused(pair('copy-mode: ips', IPS_B), 'a0 has copy-mode ips but no copy-iface');
  refused(pair('copy-iface: a1', IPS_B), 'a0 has copy-iface a1 but no copy-mode');
  refused(pair('copy-mode: ips, copy-iface: a0', IPS_B), 'a0 has itself');
  refused(pair('copy-mode: ips, copy-iface: a7', IPS_B), 'a0 has copy-iface a7, which is not configured');
  refused(pair(IPS_A, 'threads: 1'), 'a0 copies to a1', 'a1 has no copy-mode');
  const three = load(
    `af-packet: [ { interface: a0, ${IPS_A} }, { interface: a1, copy-mode: ips, copy-iface: a2 }, { interface: a2, copy-mode: ips, copy-iface: a1 } ]`,
  );
  refused(three, 'a0 copies to a1, but a1 copies to a2', 'copy-iface: a0 on a1');
});

test('modes may differ on the two sides, and IDS interfaces stand beside a pair', () => {
  checkAfPacket(pair(IPS_A, 'copy-mode: tap, copy-iface: a0'));
  checkAfPacket(load(`af-packet: [ { interface: a0, ${IPS_A} }, { interface: a1, ${IPS_B} }, { interface: a2, threads: 7 } ]`));
});

test('threads: auto is the number of cores, or what the other side of the pair says', () => {
  const config = load(
    `af-packet: [ { interface: a0, threads: auto, ${IPS_A} }, { interface: a1, threads: 3, ${IPS_B} }, { interface: a2, threads: auto } ]`,
  );
  assert.deepEqual(
    config.afPacket.map((one) => one.threads),
    [0, 3, 0],
  );
  checkAfPacket(config);
  resolveThreads(config.afPacket, 8);
  assert.deepEqual(
    config.afPacket.map((one) => one.threads),
    [3, 3, 8],
  );
  const both = pair(IPS_A, IPS_B);
  resolveThreads(both.afPacket, 4);
  assert.deepEqual(
    both.afPacket.map((one) => one.threads),
    [4, 4],
  );
});
