import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PacketSourcePlan, planCapture } from '../../src/capture/plan.js';
import type { AfPacketInterface, Config, NflogGroup } from '../../src/config/config.js';
import { defaultConfig } from '../../src/config/load.js';
import { SluiceError } from '../../src/errors.js';
import type { InterfaceFacts } from '../../src/native.js';
import { Mode } from '../../src/ring/verdict.js';

const FACTS: InterfaceFacts = {
  index: 1,
  mtu: 1500,
  up: true,
  gro: true,
  gso: true,
  tso: true,
  lro: false,
  rxChecksum: true,
  txChecksum: true,
};

function entry(name: string, more: Partial<AfPacketInterface>): AfPacketInterface {
  return {
    interface: name,
    threads: 1,
    clusterId: 99,
    clusterType: 'cluster_flow',
    defrag: false,
    copyMode: 'none',
    copyIface: '',
    ringSize: 0,
    bufferSize: 0,
    bpfFilter: '',
    promisc: true,
    checksumChecks: 'kernel',
    ...more,
  };
}

function pair(a: Partial<AfPacketInterface> = {}, b: Partial<AfPacketInterface> = {}): AfPacketInterface[] {
  return [
    entry('eth0', { copyMode: 'ips', copyIface: 'eth1', clusterId: 98, ...a }),
    entry('eth1', { copyMode: 'ips', copyIface: 'eth0', clusterId: 97, ...b }),
  ];
}

function config(afPacket: AfPacketInterface[], queues: number[] = [], groups: number[] = []): Config {
  const defaults = defaultConfig();
  return { ...defaults, afPacket, nfq: { ...defaults.nfq, queues }, nflog: groups.map(group) };
}

const group = (group: number): NflogGroup => ({ group, bufferSize: 18_432, qthreshold: 1, qtimeout: 100, maxSize: 20_000 });

function packetSources(c: Config, facts: (name: string) => InterfaceFacts = () => FACTS): PacketSourcePlan[] {
  return planCapture(c, facts).sources.filter((source) => source.kind === 'af-packet');
}

const refuses = (list: AfPacketInterface[], pattern: RegExp, facts: (name: string) => InterfaceFacts = () => FACTS) =>
  assert.throws(
    () => planCapture(config(list), facts),
    (error: Error) => pattern.test(error.message) && !error.message.includes('\n'),
  );

test('a pair shares its threads, an IDS interface beside it has its own', () => {
  const list = config([...pair({ threads: 2 }, { threads: 2, copyMode: 'tap' }), entry('eth2', { clusterId: 5 })]);
  const plan = planCapture(list, () => FACTS);
  assert.deepEqual(
    plan.threads.map((t) => t.sources),
    [[0, 1], [0, 1], [2]],
  );
  assert.deepEqual(
    packetSources(list).map((s) => [s.peer, s.mode, s.vnet]),
    [
      [1, Mode.Ips, true],
      [0, Mode.Ids, true],
      [-1, Mode.Ids, false],
    ],
  );
});

test('start-up refusals name both sides and the mend in one line', () => {
  refuses(pair({ threads: 2 }, { threads: 3 }), /eth0.*threads: 2.*eth1.*threads: 3.*same number/);
  refuses(pair({ clusterId: 97 }), /eth0 and eth1.*cluster-id 97.*its own/);
  refuses(pair(), /eth0 \(MTU 9000\).*eth1 \(MTU 1500\).*ip link set eth1 mtu 9000/, (name) => ({
    ...FACTS,
    mtu: name === 'eth0' ? 9000 : 1500,
  }));
  refuses(pair(), /eth1.*no such interface/, (name) => {
    if (name === 'eth1') throw Object.assign(new Error('interface eth1: No such device'), { code: 'ENODEV' });
    return FACTS;
  });
  refuses(pair(), /eth0.*eth1.*is down.*ip link set eth0 up/, () => ({ ...FACTS, up: false }));
  refuses([entry('eth0', { copyMode: 'ips', copyIface: 'eth9' })], /eth0.*copy-iface eth9/);
});

test('a slot holds the MTU; jumbo frames do not make the ring endless', () => {
  const at = (mtu: number) => packetSources(config(pair()), () => ({ ...FACTS, mtu }))[0];
  assert.equal(at(1500).frameSize, 2048);
  assert.equal(at(9000).frameSize, 16384);
  assert.ok(at(9000).frameSize * at(9000).frameCount <= 256 << 20);
});

test('gso: no is kept, and said when the interface merges packets', () => {
  const c = config(pair());
  c.sluice = { ...c.sluice, gso: false };
  const plan = planCapture(c, () => FACTS);
  assert.ok(packetSources(c).every((s) => !s.vnet));
  assert.match(plan.warnings[0], /eth0.*ethtool -K eth0 gro off/);
});

test('queues are IPS, log groups IDS, one thread each; no interface is asked about', () => {
  const plan = planCapture(config([], [0, 3], [2, 9]), () => assert.fail('no interface is in this run'));
  assert.deepEqual(plan.sources, [
    { kind: 'nfqueue', name: 'NFQ#0', mode: Mode.Ips, queue: 0 },
    { kind: 'nfqueue', name: 'NFQ#3', mode: Mode.Ips, queue: 3 },
    { kind: 'nflog', name: 'NFLOG#2', mode: Mode.Ids, log: group(2) },
    { kind: 'nflog', name: 'NFLOG#9', mode: Mode.Ids, log: group(9) },
  ]);
  assert.deepEqual(plan.threads, [
    { name: 'C#01', sources: [0] },
    { name: 'C#02', sources: [1] },
    { name: 'C#03', sources: [2] },
    { name: 'C#04', sources: [3] },
  ]);
  assert.deepEqual(plan.warnings, []);
});

test('mixed mode: a pair, an IDS interface, queues and groups in one plan, the mode with each source', () => {
  const plan = planCapture(
    config([...pair({ threads: 2 }, { threads: 2 }), entry('eth2', { clusterId: 5, threads: 2 })], [0, 1], [2]),
    () => FACTS,
  );
  assert.deepEqual(
    plan.sources.map((s) => [s.name, s.kind, s.mode]),
    [
      ['eth0', 'af-packet', Mode.Ips],
      ['eth1', 'af-packet', Mode.Ips],
      ['eth2', 'af-packet', Mode.Ids],
      ['NFQ#0', 'nfqueue', Mode.Ips],
      ['NFQ#1', 'nfqueue', Mode.Ips],
      ['NFLOG#2', 'nflog', Mode.Ids],
    ],
  );
  assert.deepEqual(
    plan.threads.map((t) => t.sources),
    [[0, 1], [0, 1], [2], [2], [3], [4], [5]],
  );
  assert.deepEqual(
    plan.threads.map((t) => t.name),
    ['C#01', 'C#02', 'C#03', 'C#04', 'C#05', 'C#06', 'C#07'],
  );
});

test('as many sources as wanted, up to what one process can serve', () => {
  const queues = (count: number) => Array.from({ length: count }, (_, i) => i);
  const plan = planCapture(
    config(
      [],
      queues(200),
      queues(56).map((i) => i + 1),
    ),
    () => FACTS,
  );
  assert.equal(plan.threads.length, 256);
  assert.equal(new Set(plan.threads.map((t) => t.name)).size, 256);
  assert.equal(new Set(plan.sources.map((s) => s.name)).size, 256);
  assert.throws(
    () => planCapture(config([entry('eth0', { threads: 2 })], queues(254), [1]), () => FACTS),
    (error: Error) => {
      assert.ok(error instanceof SluiceError && error.code === 'SLUICE_CONFIG', error.stack);
      assert.match(
        error.message,
        /^257 capture threads \(1 interfaces, 254 queues, 1 log groups\), 256 is the most; give fewer queues with -q/,
      );
      assert.ok(!error.message.includes('\n'));
      return true;
    },
  );
});

test('host-mode router: answers of an IDS interface are routed, those of a bridge never', () => {
  const routed = (hostMode: Config['hostMode']) =>
    packetSources({ ...config([...pair(), entry('eth2', { clusterId: 5 })]), hostMode }).map((s) => s.routed);
  assert.deepEqual(routed('auto'), [false, false, false]);
  assert.deepEqual(routed('sniffer-only'), [false, false, false]);
  assert.deepEqual(routed('router'), [false, false, true]);
});
