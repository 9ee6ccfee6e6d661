import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearRules, queueLine, rules } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const RULES = [
  'drop tcp any any -> any 7000 (msg:"evil line"; flow:established,to_server; content:"evil"; sid:1;)',
  'drop udp any any -> any 7001 (msg:"evil datagram"; content:"evil"; sid:2;)',
];

/** Who speaks to whom, so that the packets cross the hook. */
const HOOKS = [
  { hook: 'FORWARD', from: 'client', to: 'server', hosts: [ROUTED.server, ROUTED.server6] },
  { hook: 'INPUT', from: 'client', to: 'bridge', hosts: [ROUTED.left, ROUTED.left6] },
  { hook: 'OUTPUT', from: 'bridge', to: 'server', hosts: [ROUTED.server, ROUTED.server6] },
] as const;

describe('netfilter hooks', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  const peers = {} as Record<'client' | 'bridge' | 'server', Peer>;

  test('a router and peers', async () => {
    await makeRouter(lab);
    for (const side of ['client', 'bridge', 'server'] as const) {
      peers[side] = await Peer.start(lab, side);
      if (side === 'client') continue;
      await peers[side].do('tcpServe', 7000);
      await peers[side].do('udpServe', 7001);
    }
  });

  for (const runmode of RUNMODES)
    for (const { hook, from, to, hosts } of HOOKS)
      test(`${runmode}: ${hook}: good traffic passes, a drop rule blocks`, async () => {
        await clearRules(lab);
        await rules(
          lab,
          `-I ${hook} -p tcp --dport 7000 -j NFQUEUE --queue-num 5`,
          `-I ${hook} -p udp --dport 7001 -j NFQUEUE --queue-num 5`,
        );
        const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '5'], rules: RULES });
        await peers[to].do('udpForget');
        for (const host of hosts) {
          const local = await peers[from].do('tcpOpen', 'c', host, 7000);
          assert.ok(local > 0, `${host}: no connection`);
          assert.equal(await peers[from].do('tcpSay', 'c', 'good'), 'good', host);
          // The segment is sent again and again; none of it may arrive.
          assert.equal(await peers[from].do('tcpSay', 'c', 'evil', 400), '', host);
          await peers[from].do('tcpClose', 'c', 1);
          await peers[from].do('udpSend', host, 7001, `evil ${host}`);
          await peers[from].do('udpSend', host, 7001, `good ${host}`);
          await waitFor(async () => (await peers[to].do('udpGot')).includes(`good ${host}`), { what: `the datagram to ${host}` });
        }
        assert.deepEqual(
          await peers[to].do('udpGot'),
          hosts.map((host) => `good ${host}`),
        );
        await waitFor(() => bridge.eve('alert').length >= 4, { what: 'four alerts' });
        assert.equal(queueLine(bridge.pid, 5)?.userDropped, 0);
        const stopped = await bridge.stop();
        assert.equal(stopped.status, '0', bridge.output);
        assert.equal(stopped.packets, stopped.passed + stopped.dropped);
        const alerts = bridge.eve('alert');
        assert.deepEqual(alerts.map((one) => `${one.alert.signature_id} ${one.dest_ip.includes(':') ? 'IPv6' : 'IPv4'}`).sort(), [
          '1 IPv4',
          '1 IPv6',
          '2 IPv4',
          '2 IPv6',
        ]);
        for (const one of [...alerts, ...bridge.eve('drop')]) assert.equal(one.in_iface, 'NFQ#5');
        for (const one of alerts) assert.equal(one.alert.action, 'blocked');
        assert.equal(bridge.fast('[Drop]').length, 4);
        assert.ok(bridge.eve('drop').length >= 4);
      });
});
