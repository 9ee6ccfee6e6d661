import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BridgeOptions, pair, runToEnd } from '../support/bridge.js';
import { type Side, skipWithoutNamespaces, useNamespaces } from '../support/netns.js';

describe('what Sluice refuses to start with: status 1, one line, both sides, the mend', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();

  async function refused(options: BridgeOptions, patterns: RegExp[], through: readonly string[] = []): Promise<void> {
    const result = await runToEnd(lab, options, through);
    const lines = `${result.stdout}${result.stderr}`.trimEnd().split('\n');
    const errors = lines.filter((line) => !line.startsWith('Notice: '));
    assert.equal(errors.length, 1, `one line, not\n${lines.join('\n')}`);
    assert.match(errors[0], /^Error: sluice: SLUICE_[A-Z]+: /);
    for (const pattern of patterns) assert.match(errors[0], pattern);
    assert.equal(result.code, 1);
    assert.equal((await lab.exec('bridge', 'ss', ['-Hltn'])).stdout, '', 'nothing stays behind');
    assert.doesNotMatch((await lab.exec('bridge', 'ss', ['-Hanp', '--packet'])).stdout, /node|sluice|MainThread/);
  }

  const ip = async (side: Side, line: string) => {
    const done = await lab.exec(side, 'ip', line.split(' '));
    assert.equal(done.code, 0, done.stderr);
  };
  const [left, right] = pair();

  test('different numbers of threads', () =>
    refused({ interfaces: [left, { ...right, threads: 2 }] }, [/eth0/, /eth1/, /threads:? 1/, /threads:? 2/, /same number/]));

  test('different MTUs', async () => {
    await ip('bridge', 'link set eth1 mtu 1400');
    try {
      await refused({}, [/eth0/, /eth1/, /1500/, /1400/, /ip link set eth1 mtu 1500/]);
    } finally {
      await ip('bridge', 'link set eth1 mtu 1500');
    }
  });

  test('an interface that is not there', () =>
    refused({ interfaces: pair('ips', 1, ['eth0', 'eth9']) }, [/eth9/, /no such interface/, /eth0/, /ip link/]));

  test('one cluster id for both', () =>
    refused({ interfaces: [left, { ...right, 'cluster-id': left['cluster-id'] }] }, [/eth0/, /eth1/, /cluster-id 98/, /its own/]));

  test('an interface that is down', async () => {
    await ip('bridge', 'link set eth1 down');
    try {
      await refused({}, [/eth1/, /eth0/, /down/, /ip link set eth1 up/]);
    } finally {
      await ip('bridge', 'link set eth1 up');
    }
  });

  test('a pair whose sides do not name each other', () =>
    refused({ interfaces: [left, { ...right, 'copy-iface': 'eth2' }] }, [/eth0/, /eth1/, /eth2/, /copy-iface: eth0/]));

  for (const runmode of ['autofp', 'workers'] as const)
    test(`${runmode}: no capability`, () =>
      refused(
        { runmode },
        [/SLUICE_CAPABILITY/, /eth0/, /eth1/, /CAP_NET_RAW/],
        ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'],
      ));
});
