import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { Bridge, RUNMODES, type Runmode } from '../support/bridge.js';
import { clearRules, rules, run } from '../support/netfilter.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const RULES = [
  'drop tcp any any -> any 7000 (msg:"evil line"; flow:established,to_server; content:"evil"; sid:1;)',
  'drop udp any any -> any 7001 (msg:"evil datagram"; content:"evil"; sid:2;)',
  'reject tcp any any -> any 7000 (msg:"unwanted line"; flow:established,to_server; content:"unwanted"; sid:3;)',
];

/** How a frame that a Linux bridge forwards gets into queue 0. */
const WAYS: { way: string; vlan: boolean; set(lab: ReturnType<typeof useNamespaces>): Promise<string> }[] = [
  {
    way: 'br_netfilter: iptables sees bridged packets',
    vlan: false,
    async set(lab) {
      const keys = ['iptables', 'ip6tables'].map((tool) => `net.bridge.bridge-nf-call-${tool}=1`);
      const done = await lab.exec('bridge', 'sysctl', ['-q', '-w', ...keys]);
      if (done.code !== 0) return `this kernel has no br_netfilter: ${done.stderr.trim().split('\n')[0]}`;
      // Bridge ports, not interfaces that the host routes between.
      await rules(lab, '-A FORWARD -m physdev --physdev-is-bridged -j NFQUEUE --queue-num 0');
      return '';
    },
  },
  {
    way: 'bridge family: frames with their link header',
    vlan: true,
    async set(lab) {
      const ruleset = 'table bridge t { chain c { type filter hook forward priority 0; queue num 0; }; }';
      const done = await lab.exec('bridge', 'nft', ['-f', '-'], { input: ruleset });
      // Nor is there another way in: xt_NFQUEUE is for IPv4, IPv6 and ARP only, and an immediate verdict cannot be NF_QUEUE.
      return done.code === 0 ? '' : `this kernel's nf_tables has no queue statement: ${done.stderr.trim().split('\n')[0]}`;
    },
  },
];

describe('bridged traffic in a queue', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a Linux bridge, and peers', async () => {
    await run(lab, 'bridge', 'ip link add br0 type bridge');
    for (const port of ['eth0', 'eth1']) await run(lab, 'bridge', `ip link set ${port} master br0`);
    await run(lab, 'bridge', 'ip link set br0 up');
    // So that the host itself can speak to the client: answers to packets without a link header are routed.
    await run(lab, 'bridge', 'ip addr add 10.99.0.254/24 dev br0');
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await server.do('udpServe', 7001);
  });

  for (const { way, vlan, set } of WAYS)
    for (const runmode of RUNMODES)
      test(`${runmode}: ${way}: pass, drop, reject`, async (t) => {
        await clearRules(lab);
        await lab.exec('bridge', 'nft', ['delete', 'table', 'bridge', 't']);
        const missing = await set(lab);
        if (missing !== '') return t.skip(missing);
        try {
          await crossing(runmode);
          if (vlan) await tagged(t, runmode);
        } finally {
          await clearRules(lab);
          await lab.exec('bridge', 'sysctl', [
            '-q',
            '-w',
            ...['iptables', 'ip6tables'].map((tool) => `net.bridge.bridge-nf-call-${tool}=0`),
          ]);
          await lab.exec('bridge', 'nft', ['delete', 'table', 'bridge', 't']);
        }
      });

  async function crossing(runmode: Runmode): Promise<void> {
    const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES });
    await server.do('udpForget');
    for (const host of [ADDRESS.server, ADDRESS.server6]) {
      assert.ok((await client.do('tcpOpen', 'c', host, 7000)) > 0, `${host}: no connection`);
      assert.equal(await client.do('tcpSay', 'c', 'good'), 'good', host);
      assert.equal(await client.do('tcpSay', 'c', 'evil', 400), '', host);
      await client.do('tcpClose', 'c', 1);
      await client.do('udpSend', host, 7001, `evil ${host}`);
      await client.do('udpSend', host, 7001, `good ${host}`);
      await waitFor(async () => (await server.do('udpGot')).includes(`good ${host}`), { what: `the datagram to ${host}` });
    }
    assert.deepEqual(await server.do('udpGot'), [`good ${ADDRESS.server}`, `good ${ADDRESS.server6}`]);
    const reset = await lab.exec('client', 'curl', [
      '-q',
      '--noproxy',
      '*',
      '-sS',
      '--max-time',
      '5',
      `http://${ADDRESS.server}:7000/unwanted`,
    ]);
    assert.equal(reset.code, 56, `curl was to see a reset: ${reset.stderr}`);
    await waitFor(() => bridge.eve('alert').length >= 5, { what: 'five alerts' });
    const stopped = await bridge.stop();
    assert.equal(stopped.status, '0', bridge.output);
    assert.ok(stopped.passed > 10);
    const alerts = bridge.eve('alert');
    assert.deepEqual(alerts.map((one) => one.alert.signature_id).sort(), [1, 1, 2, 2, 3]);
    for (const one of alerts) assert.deepEqual([one.in_iface, one.alert.action], ['NFQ#0', 'blocked']);
    assert.equal(bridge.fast('[Drop]').length, 5);
  }

  /** VLAN 7 on both ends, by VLAN interfaces of the kernel. */
  async function tagged(t: TestContext, runmode: Runmode): Promise<void> {
    for (const [side, end] of [
      ['client', 1],
      ['server', 2],
    ] as const) {
      const made = await lab.exec(side, 'ip', 'link add link eth0 name eth0.7 type vlan id 7'.split(' '));
      if (made.code !== 0 && !/exists/.test(made.stderr)) return t.diagnostic(`no VLAN interfaces here: ${made.stderr.trim()}`);
      await run(lab, side, `ip addr replace 10.99.7.${end}/24 dev eth0.7`);
      await run(lab, side, 'ip link set eth0.7 up');
    }
    const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES });
    await server.do('udpForget');
    await client.do('udpSend', '10.99.7.2', 7001, 'evil in a VLAN');
    await client.do('udpSend', '10.99.7.2', 7001, 'good in a VLAN');
    await waitFor(async () => (await server.do('udpGot')).includes('good in a VLAN'), { what: 'the datagram in the VLAN' });
    assert.deepEqual(await server.do('udpGot'), ['good in a VLAN']);
    const reset = await lab.exec('client', 'curl', ['-q', '--noproxy', '*', '-sS', '--max-time', '5', 'http://10.99.7.2:7000/unwanted']);
    assert.equal(reset.code, 56, `curl was to see a reset: ${reset.stderr}`);
    await waitFor(() => bridge.eve('alert').length >= 2, { what: 'two alerts' });
    assert.equal((await bridge.stop()).status, '0', bridge.output);
    for (const one of bridge.eve('alert')) assert.deepEqual(one.vlan, [7]);
  }
});
