import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import {
  ALL_WORDS,
  checkLogs,
  divert,
  divertNothing,
  inBridge,
  REJECT_RULES,
  startTalkers,
  TALK_PORT,
  type Talkers,
  talkIsRejected,
  ways,
} from '../support/rejected.js';

const CHAINS = ['INPUT', 'OUTPUT', 'FORWARD'];

interface Way {
  client: Peer;
  server: Peer;
  host: string;
  host6: string;
  /** The client's addresses. */
  from: string;
  from6: string;
}

async function everything(t: TestContext, what: string, { client, server, host, host6, from, from6 }: Way): Promise<void> {
  const talk = { client, server, delivered: true };
  for (const word of ALL_WORDS) {
    await talkIsRejected(t, `${what}, IPv4`, word, { ...talk, host });
    await talkIsRejected(t, `${what}, IPv6`, word, { ...talk, host: host6 });
    await talkIsRejected(t, `${what}, IPv4, from the server`, word, { ...talk, host, from: 'server' });
    await talkIsRejected(t, `${what}, IPv6, from the server`, word, { ...talk, host: host6, from: 'server' });
    await talkIsRejected(t, `${what}, UDP over IPv4`, word, { ...talk, proto: 'udp', host, clientHost: from });
    await talkIsRejected(t, `${what}, UDP over IPv6`, word, { ...talk, proto: 'udp', host: host6, clientHost: from6 });
  }
}

async function finish(bridge: Bridge): Promise<void> {
  await checkLogs(bridge, [1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24], 'ids');
  assert.deepEqual(bridge.eve('drop'), []);
  assert.equal(await bridge.metric('rejects_total', { result: 'limited' }), 0);
  assert.equal(await bridge.metric('rejects_total', { result: 'failed' }), 0);
  const stopped = await bridge.stop();
  assert.equal(stopped.status, '0', bridge.output);
  assert.equal(stopped.dropped, 0);
}

describe('reject of packets that are only watched (IDS)', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let talkers: Talkers;

  test('a router, and somebody who talks in each namespace', async () => {
    talkers = await startTalkers(lab);
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: NFLOG: the packet goes on, and the connection ends`, async (t) => {
      await divert(lab, CHAINS, 'NFLOG --nflog-group 2');
      const bridge = await Bridge.start(lab, { runmode, capture: ['--nflog=2'], rules: REJECT_RULES });
      for (const way of ways(talkers)) await everything(t, `NFLOG in ${way.chain}`, way);
      await finish(bridge);
      await divertNothing(lab);
    });

    test(`${runmode}: an interface of the router, host-mode: router`, async (t) => {
      const bridge = await Bridge.start(lab, {
        runmode,
        capture: ['-i', 'eth0'],
        interfaces: [{ interface: 'eth0', threads: 1 }],
        yaml: 'host-mode: router\n',
        rules: REJECT_RULES,
      });
      await everything(t, 'router', ways(talkers)[0]);
      await finish(bridge);
    });
  }
});

describe('reject on a Linux bridge without an address that is only watched', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a Linux bridge, and somebody who talks at both ends', async () => {
    for (const line of [
      'ip link add br0 type bridge mcast_snooping 0',
      'ip link set eth0 master br0',
      'ip link set eth1 master br0',
      'ip link set br0 up',
      'ip link set lo up',
      'ebtables -A FORWARD --nflog-group 2',
    ])
      await inBridge(lab, line);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('talkServe', TALK_PORT);
  });

  const SOURCES: [string, readonly string[]][] = [
    ['NFLOG of the bridge family', ['--nflog=2']],
    ['the bridge as an interface, host-mode: sniffer-only', ['-i', 'br0']],
  ];
  for (const runmode of RUNMODES)
    for (const [what, capture] of SOURCES)
      test(`${runmode}: ${what}`, async (t) => {
        const interfaces = [{ interface: 'br0', threads: 1 }];
        const bridge = await Bridge.start(lab, { runmode, capture, interfaces, yaml: 'host-mode: sniffer-only\n', rules: REJECT_RULES });
        const ends = { host: ADDRESS.server, host6: ADDRESS.server6, from: ADDRESS.client, from6: ADDRESS.client6 };
        await everything(t, what, { client, server, ...ends });
        await finish(bridge);
      });
});
