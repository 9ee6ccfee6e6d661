import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const INTERFACES = [
  ['client', 'eth0'],
  ['bridge', 'eth0'],
  ['bridge', 'eth1'],
  ['server', 'eth0'],
] as const;
const BYTES = 6 << 20;

describe('checksums', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;
  let datagrams = 0;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await server.do('udpServe', 7001);
  });

  const exchange = async (what: string) => {
    const before = await bad();
    for (const host of [ADDRESS.server, ADDRESS.server6]) {
      const echoed = await client.do('tcpEcho', host, 7000, BYTES);
      assert.equal(echoed.bytes, BYTES, `${what}: bytes that came back from ${host}`);
      assert.equal(echoed.received, echoed.sent, `${what}: the bytes themselves`);
      await client.do('udpSend', host, 7001, `${what} ${host}`);
      datagrams++;
    }
    await waitFor(async () => (await server.do('udpGot')).length === datagrams, { what: 'the UDP datagrams' });
    assert.deepEqual(await bad(), before, `${what}: the hosts' own counts of wrong checksums`);
  };

  /** What both hosts' kernels counted as wrong. */
  const bad = async () => {
    const counts: Record<string, number> = {};
    for (const side of ['client', 'server'] as const) {
      const stats = JSON.parse((await lab.exec(side, 'nstat', ['-a', '-z', '-s', '-j'])).stdout).kernel as Record<string, number>;
      for (const name of ['TcpInCsumErrors', 'UdpInCsumErrors', 'Udp6InCsumErrors', 'IpInHdrErrors'])
        counts[`${side} ${name}`] = stats[name] ?? -1;
    }
    return counts;
  };

  for (const runmode of RUNMODES) {
    test(`${runmode}, gso: auto, default offloads`, async () => {
      const bridge = await Bridge.start(lab, { runmode });
      await exchange(`${runmode} auto`);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      assert.equal(bridge.eve('stats').at(-1).stats.tcp.invalid_checksum, 0);
    });
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}, gso: no, segmentation off, checksums left to the card: completed before they are sent on`, async () => {
      for (const [side, name] of INTERFACES) {
        const done = await lab.exec(side, 'ethtool', ['-K', name, 'tso', 'off', 'gso', 'off', 'gro', 'off']);
        assert.equal(done.code, 0, done.stderr);
        assert.match((await lab.exec(side, 'ethtool', ['-k', name])).stdout, /tx-checksumming: on/);
      }
      const bridge = await Bridge.start(lab, { runmode, sluice: { gso: 'no' } });
      assert.doesNotMatch(bridge.output, /Warning/);
      await exchange(`${runmode} no`);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      const stats = bridge.eve('stats').at(-1).stats;
      assert.equal(stats.tcp.invalid_checksum, 0);
      assert.equal(stats.decoder.max_pkt_size, 1514);
    });
  }
});
