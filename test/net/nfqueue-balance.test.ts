import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearRules, counted, rules, run } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

/** More addresses of the client. With this many, none of four queues stays empty but once in a million runs. */
const HOSTS = Array.from({ length: 60 }, (_, i) => `10.99.0.${11 + i}`);
const QUEUES = ['NFQ#0', 'NFQ#1', 'NFQ#2', 'NFQ#3'];
const RULES = ['drop udp any any -> any any (content:"never-said"; sid:1;)'];

describe('several queues', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a router, and a client with many addresses', async () => {
    await makeRouter(lab);
    const add = HOSTS.map((host) => `addr add ${host}/24 dev eth0`).join('\n');
    assert.equal((await lab.exec('client', 'ip', ['-batch', '-'], { input: `${add}\n` })).code, 0);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await server.do('udpServe', 7001);
    await run(lab, 'server', 'iptables -w -A INPUT -p udp --dport 7001');
  });

  const packetsOf = (bridge: Bridge, queue: string) => bridge.metric('capture_packets_total', { interface: queue });

  /** Until as many datagrams have reached the server since the last time. Its own socket cannot take a whole burst. */
  async function arrived(count: number): Promise<void> {
    const number = () => counted(lab, 'server', 'dpt:7001', 'INPUT');
    await waitFor(async () => (await number()) >= count, { what: `${count} datagrams` });
    assert.equal(await number(), count);
    await run(lab, 'server', 'iptables -w -Z INPUT');
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}: -q 0 -q 1: each queue has what its rule sends there`, async () => {
      await clearRules(lab);
      await rules(
        lab,
        '-A FORWARD -p udp --dport 7001 -j NFQUEUE --queue-num 0',
        '-A FORWARD -p tcp --dport 7000 -j NFQUEUE --queue-num 1',
      );
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0', '-q', '1'], rules: RULES });
      await client.do('udpBurst', ROUTED.server, 7001, 100);
      await arrived(100);
      assert.ok((await client.do('tcpOpen', 'c', ROUTED.server6, 7000)) > 0);
      assert.equal(await client.do('tcpSay', 'c', 'hello'), 'hello');
      assert.ok(await client.do('tcpClose', 'c'));
      assert.equal(await packetsOf(bridge, 'NFQ#0'), 100);
      assert.ok((await packetsOf(bridge, 'NFQ#1')) >= 4);
      assert.equal(bridge.children().filter(({ title }) => title.startsWith('sluice: capture')).length, 1);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      for (const flow of bridge.eve('flow')) assert.equal(flow.in_iface, flow.proto === 'UDP' ? 'NFQ#0' : 'NFQ#1');
    });

    test(`${runmode}: -q 0:3, --queue-balance 0:3: many hosts spread over all four`, async () => {
      await clearRules(lab);
      await rules(lab, '-A FORWARD -j NFQUEUE --queue-balance 0:3');
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0:3'], rules: RULES });
      for (const host of HOSTS) {
        await client.do('udpBurst', ROUTED.server, 7001, 20, 4, host);
        assert.ok((await client.do('tcpOpen', 'c', ROUTED.server, 7000, 3000, host)) > 0, host);
        assert.equal(await client.do('tcpSay', 'c', host), host);
        assert.ok(await client.do('tcpClose', 'c'));
      }
      await arrived(HOSTS.length * 20);
      const spread = await Promise.all(QUEUES.map((queue) => packetsOf(bridge, queue)));
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 0);
      // A handshake, a line and its echo, two ends: eight packets or more.
      assert.ok(stopped.packets >= HOSTS.length * 28, `${stopped.packets} packets`);
      for (const packets of spread) assert.ok(packets >= 28, `packets per queue: ${spread}`);
      // Both directions meet in one queue, as do all flows of a protocol between two hosts: netfilter's hash knows no ports.
      const queueOf = new Map<string, string>();
      for (const { proto, src_ip, in_iface, flow } of bridge.eve('flow')) {
        if (proto === 'TCP') assert.ok(flow.pkts_toserver >= 4 && flow.pkts_toclient >= 3, JSON.stringify(flow));
        const pair = `${proto} ${src_ip}`;
        assert.equal(in_iface, queueOf.get(pair) ?? in_iface, pair);
        queueOf.set(pair, in_iface);
      }
      assert.equal(bridge.eve('flow').length, HOSTS.length * 5);
      assert.equal(queueOf.size, HOSTS.length * 2);
    });
  }

  test('autofp: one pair of hosts is all in one queue; our own hash spreads its flows over the workers', async () => {
    await clearRules(lab);
    await rules(lab, '-A FORWARD -j NFQUEUE --queue-balance 0:3');
    const bridge = await Bridge.start(lab, { capture: ['-q', '0:3'], rules: RULES, sluice: { workers: 2 } });
    await client.do('udpBurst', ROUTED.server, 7001, 2000, 100);
    await arrived(2000);
    const spread = await Promise.all(QUEUES.map((queue) => packetsOf(bridge, queue)));
    assert.deepEqual(
      spread.toSorted((a, b) => b - a),
      [2000, 0, 0, 0],
      `packets per queue: ${spread}`,
    );
    const workers = (await bridge.series('detect_packets_total')).map(({ value }) => value);
    assert.equal(workers.length, 2);
    assert.equal(workers[0] + workers[1], 2000);
    // 100 flows fall as coins do: 20 to 80 but once in a thousand million runs.
    for (const packets of workers) assert.ok(packets >= 400, `packets per worker: ${workers}`);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });
});
