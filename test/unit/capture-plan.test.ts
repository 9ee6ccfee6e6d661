import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planCapture } from '../../src/capture/plan.js';
import type { AfPacketInterface, Config } from '../../src/config/config.js';
import { defaultConfig } from '../../src/config/load.js';
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

function config(afPacket: AfPacketInterface[]): Config {
  return { ...defaultConfig(), afPacket };
}

const refuses = (list: AfPacketInterface[], pattern: RegExp, facts: (name: string) => InterfaceFacts = () => FACTS) =>
  assert.throws(
    () => planCapture(config(list), facts),
    (error: Error) => pattern.test(error.message) && !error.message.includes('\n'),
  );

test('a pair shares its threads, an IDS interface beside it has its own', () => {
  const plan = planCapture(
    config([...pair({ threads: 2 }, { threads: 2, copyMode: 'tap' }), entry('eth2', { clusterId: 5 })]),
    () => FACTS,
  );
  assert.deepEqual(
    plan.threads.map((t) => t.sources),
    [[0, 1], [0, 1], [2]],
  );
  assert.deepEqual(
    plan.sources.map((s) => [s.peer, s.mode, s.vnet]),
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
  const at = (mtu: number) => planCapture(config(pair()), () => ({ ...FACTS, mtu })).sources[0];
  assert.equal(at(1500).frameSize, 2048);
  assert.equal(at(9000).frameSize, 16384);
  assert.ok(at(9000).frameSize * at(9000).frameCount <= 256 << 20);
});

test('gso: no is kept, and said when the interface merges packets', () => {
  const c = config(pair());
  c.sluice = { ...c.sluice, gso: false };
  const plan = planCapture(c, () => FACTS);
  assert.ok(plan.sources.every((s) => !s.vnet));
  assert.match(plan.warnings[0], /eth0.*ethtool -K eth0 gro off/);
});
