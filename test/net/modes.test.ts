import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ethernet, ipv4, PROTO, udp } from '../../src/lab/packets.js';
import { Bridge, pair, RUNMODES } from '../support/bridge.js';
import { ADDRESS, type Side, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';

const RULES = ['drop udp any any -> any any (msg:"evil"; content:"evil"; sid:1;)'];

function datagram(text: string, srcPort: number): Uint8Array {
  const [src, dst] = ['10.99.1.1', '10.99.1.2'];
  const segment = udp({ src, dst, srcPort, dstPort: 4000 }, Buffer.from(text));
  return ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, ipv4({ src, dst, proto: PROTO.udp }, segment));
}

/** The datagrams' texts. */
const texts = (frames: Uint8Array[]) => frames.map((frame) => Buffer.from(frame.subarray(42)).toString());

describe('ips, tap and IDS interfaces', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;
  let port = 1000;

  test('peers and more interfaces: mon0 of the client ends at ids0 of the bridge; a second pair eth2/eth3', async () => {
    const names = { client: lab.name('client'), bridge: lab.name('bridge'), server: lab.name('server') };
    for (const line of [
      `link add mon0 netns ${names.client} type veth peer name ids0 netns ${names.bridge}`,
      `link add eth2 netns ${names.client} type veth peer name eth2 netns ${names.bridge}`,
      `link add eth2 netns ${names.server} type veth peer name eth3 netns ${names.bridge}`,
    ])
      assert.equal((await lab.exec('client', 'ip', line.split(' '))).code, 0, line);
    for (const [side, name] of [
      ['client', 'mon0'],
      ['bridge', 'ids0'],
      ['client', 'eth2'],
      ['bridge', 'eth2'],
      ['bridge', 'eth3'],
      ['server', 'eth2'],
    ] as [Side, string][])
      assert.equal((await lab.exec(side, 'ip', ['link', 'set', name, 'up'])).code, 0);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const name of ['eth0', 'eth2', 'mon0']) await client.do('listen', name);
    for (const name of ['eth0', 'eth2']) await server.do('listen', name);
  });

  /** Sends an attack, more of its flow (a drop rule on a UDP payload is about the one datagram), and something harmless in another; what arrived once the harmless one has. */
  async function crossing(from: [Peer, string], to: [Peer, string]): Promise<string[]> {
    await to[0].do('reset', to[1]);
    const own = port++;
    await from[0].do('send', from[1], [datagram('evil', own), datagram('more', own), datagram('good', port++)]);
    const arrived = async () => texts(await to[0].do('frames', to[1])).sort();
    const isThere = (all: string[]) => all.includes('more') && all.includes('good');
    await waitFor(async () => isThere(await arrived()), { what: 'the harmless datagrams' });
    return arrived();
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}: tap: all passes, a drop rule alerts with [wDrop]`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: RULES, interfaces: pair('tap') });
      assert.deepEqual(await crossing([client, 'eth0'], [server, 'eth0']), ['evil', 'good', 'more']);
      assert.deepEqual(await crossing([server, 'eth0'], [client, 'eth0']), ['evil', 'good', 'more']);
      await waitFor(() => bridge.fast('[1:1:').length >= 2, { what: 'alerts' });
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 0);
      assert.equal(stopped.alerts, 2);
      for (const line of bridge.fast('[1:1:')) assert.match(line, /\[wDrop\]/);
      assert.deepEqual(
        bridge.eve('alert').map((record) => record.alert.action),
        ['allowed', 'allowed'],
      );
      assert.deepEqual(bridge.eve('drop'), []);
    });

    test(`${runmode}: ips one way, tap the other, at once`, async () => {
      const [left, right] = pair();
      const bridge = await Bridge.start(lab, { runmode, rules: RULES, interfaces: [left, { ...right, 'copy-mode': 'tap' }] });
      assert.deepEqual(await crossing([client, 'eth0'], [server, 'eth0']), ['good', 'more']);
      assert.deepEqual(await crossing([server, 'eth0'], [client, 'eth0']), ['evil', 'good', 'more']);
      await waitFor(() => bridge.fast('[1:1:').length >= 2, { what: 'alerts' });
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 1);
      const alerts = bridge.eve('alert');
      assert.deepEqual(alerts.map((record) => [record.in_iface, record.alert.action]).sort(), [
        ['eth0', 'blocked'],
        ['eth1', 'allowed'],
      ]);
      assert.equal(bridge.fast('[Drop]').length, 1);
      assert.equal(bridge.fast('[wDrop]').length, 1);
      const drops = bridge.eve('drop');
      assert.deepEqual(
        drops.map((record) => record.drop.reason),
        ['rules'],
      );
      for (const record of drops) assert.equal(record.in_iface, 'eth0');
    });

    test(`${runmode}: an IDS interface beside a pair, and a second pair: each its own way`, async () => {
      const bridge = await Bridge.start(lab, {
        runmode,
        rules: RULES,
        interfaces: [
          ...pair(),
          { interface: 'ids0', threads: 1, 'cluster-id': 90, 'cluster-type': 'cluster_flow' },
          ...pair('ips', 1, ['eth2', 'eth3'], 80),
        ],
      });
      for (const peer of [client, server]) for (const name of ['eth0', 'eth2']) await peer.do('reset', name);
      // Seen, not forwarded: not even the harmless ones.
      await client.do('send', 'mon0', [datagram('evil', 1), datagram('more', 1), datagram('quiet', 2)]);
      await waitFor(() => bridge.fast('[wDrop]').length === 1, { what: 'the alert of the IDS interface' });
      assert.deepEqual(await crossing([client, 'eth0'], [server, 'eth0']), ['good', 'more']);
      assert.deepEqual(texts(await server.do('frames', 'eth2')), [], 'the other pair saw nothing of it');
      assert.deepEqual(await crossing([server, 'eth2'], [client, 'eth2']), ['good', 'more']);
      assert.deepEqual(texts(await client.do('frames', 'eth0')), []);
      assert.equal(await client.do('tcpOpen', 'c', ADDRESS.server, 7999, 500), 0, 'nobody serves there');
      await waitFor(() => bridge.fast('[1:1:').length >= 3, { what: 'three alerts' });
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 2);
      assert.deepEqual(
        bridge
          .eve('alert')
          .map((record) => [record.in_iface, record.alert.action])
          .sort(),
        [
          ['eth0', 'blocked'],
          ['eth3', 'blocked'],
          ['ids0', 'allowed'],
        ],
      );
    });
  }
});
