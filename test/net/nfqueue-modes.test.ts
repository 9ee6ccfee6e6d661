import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearRules, counted, queueLine, rules } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const RULES = ['drop udp any any -> any 7001 (msg:"evil datagram"; content:"evil"; sid:2;)'];
const REPEAT = 'nfq: { mode: repeat, repeat-mark: 1, repeat-mask: 1 }';

describe('what becomes of a packet that may pass', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a router and peers', async () => {
    await makeRouter(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await server.do('udpServe', 7001);
  });

  /** Good datagrams arrive, an evil one does not, a connection stands. Returns how many packets that were, at least. */
  async function traffic(): Promise<number> {
    await server.do('udpForget');
    for (const host of [ROUTED.server, ROUTED.server6]) {
      await client.do('udpSend', host, 7001, `evil ${host}`);
      for (let i = 0; i < 10; i++) await client.do('udpSend', host, 7001, `good ${i} ${host}`);
      await waitFor(async () => (await server.do('udpGot')).includes(`good 9 ${host}`), { what: `the datagrams to ${host}` });
      assert.ok((await client.do('tcpOpen', 'c', host, 7000)) > 0, host);
      assert.equal(await client.do('tcpSay', 'c', 'hello'), 'hello', host);
      assert.ok(await client.do('tcpClose', 'c'), host);
    }
    const got = await server.do('udpGot');
    assert.equal(got.length, 20);
    assert.ok(!got.some((text) => text.startsWith('evil')));
    return 2 * (11 + 8);
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}: accept: past the rest of the chain`, async () => {
      await clearRules(lab);
      await rules(lab, '-A FORWARD -j NFQUEUE --queue-num 0', '-A FORWARD -j DROP');
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES, yaml: 'nfq: { mode: accept }' });
      const packets = await traffic();
      for (const tool of ['iptables', 'ip6tables']) assert.equal(await counted(lab, 'bridge', 'DROP', 'FORWARD', 'filter', tool), 0);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.ok(stopped.packets >= packets);
      assert.equal(stopped.dropped, 2);
    });

    test(`${runmode}: repeat: marked, once more through the chain, and on to the rules behind`, async () => {
      await clearRules(lab);
      await rules(
        lab,
        '-A FORWARD -m mark ! --mark 1/1 -j NFQUEUE --queue-num 0',
        '-A FORWARD -m mark --mark 1/1 -j ACCEPT',
        '-A FORWARD -j DROP',
      );
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES, yaml: REPEAT });
      const packets = await traffic();
      let accepted = 0;
      for (const tool of ['iptables', 'ip6tables']) {
        accepted += await counted(lab, 'bridge', 'ACCEPT', 'FORWARD', 'filter', tool);
        assert.equal(await counted(lab, 'bridge', 'DROP', 'FORWARD', 'filter', tool), 0);
      }
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.ok(stopped.packets >= packets);
      assert.equal(stopped.dropped, 2);
      assert.equal(accepted, stopped.passed, 'each packet went through the queue once');
    });

    test(`${runmode}: repeat with a rule that queues everything: each packet comes twice, none goes round`, async () => {
      await clearRules(lab);
      await rules(lab, '-A FORWARD -j NFQUEUE --queue-num 0');
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES, yaml: REPEAT });
      await traffic();
      await waitFor(() => queueLine(bridge.pid)?.depth === 0, { what: 'the queue to be empty' });
      const before = queueLine(bridge.pid)!.lastId;
      await client.do('udpBurst', ROUTED.server, 7001, 50);
      await waitFor(async () => (await server.do('udpGot')).length === 70, { what: 'the burst' });
      assert.equal(queueLine(bridge.pid)!.lastId - before, 100);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 2);
      assert.equal(bridge.eve('alert').length, 2, 'seen once by the rules');
      // The second time it is only waved through.
      assert.equal(bridge.eve('stats').at(-1).stats.decoder.pkts, 2 + stopped.passed / 2);
    });

    test(`${runmode}: route: another Sluice reads the next queue, and each decides`, async () => {
      await clearRules(lab);
      await rules(lab, '-A FORWARD -j NFQUEUE --queue-num 0');
      const first = { runmode, capture: ['-q', '0'], rules: RULES, yaml: 'nfq: { mode: route, route-queue: 1 }' };
      const bridge = await Bridge.start(lab, first);
      const second = await Bridge.start(lab, {
        runmode,
        capture: ['-q', '1'],
        rules: ['drop udp any any -> any 7001 (msg:"third"; content:"good 3"; sid:9;)'],
        args: ['--set', 'sluice.metrics.enabled=no'],
        beside: true,
      });
      await server.do('udpForget');
      for (let i = 0; i < 10; i++) await client.do('udpSend', ROUTED.server, 7001, `${i === 5 ? 'evil' : 'good'} ${i}`);
      await waitFor(async () => (await server.do('udpGot')).includes('good 9'), { what: 'the datagrams' });
      assert.deepEqual(
        await server.do('udpGot'),
        [0, 1, 2, 4, 6, 7, 8, 9].map((i) => `good ${i}`),
      );
      assert.ok((await client.do('tcpOpen', 'c', ROUTED.server6, 7000)) > 0);
      assert.equal(await client.do('tcpSay', 'c', 'hello'), 'hello');
      assert.ok(await client.do('tcpClose', 'c'));
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 1);
      const after = await second.stop();
      assert.equal(after.status, '0', second.output);
      assert.equal(after.packets, stopped.passed, 'all that the first let go on');
      assert.equal(after.dropped, 1);
    });
  }

  for (const [family, host] of [
    ['IPv4', ROUTED.server],
    ['IPv6', ROUTED.server6],
  ])
    test(`a copy range: what it leaves out is not looked at, and nothing else is missed (${family})`, async () => {
      await clearRules(lab);
      await rules(lab, '-A FORWARD -j NFQUEUE --queue-num 0');
      const bridge = await Bridge.start(lab, { capture: ['-q', '0'], rules: RULES, args: ['--set', 'sluice.nfq.copy-range=200'] });
      await server.do('udpForget');
      const pad = '.'.repeat(400);
      await client.do('udpSend', host, 7001, `evil ${pad}`);
      await client.do('udpSend', host, 7001, `${pad} evil beyond`);
      await waitFor(async () => (await server.do('udpGot')).length === 1, { what: 'the second datagram' });
      assert.deepEqual(await server.do('udpGot'), [`${pad} evil beyond`]);
      assert.ok((await client.do('tcpOpen', 'c', host, 7000)) > 0);
      for (const text of [pad, 'short', pad]) assert.equal(await client.do('tcpSay', 'c', text), text);
      assert.ok(await client.do('tcpClose', 'c'));
      assert.equal(await bridge.metric('invalid_packets_total'), 0);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 1);
    });

  test('route to a queue that nobody reads: the packets are dropped, and not forgotten in the first', async () => {
    await clearRules(lab);
    await rules(lab, '-A FORWARD -p udp -j NFQUEUE --queue-num 0');
    const bridge = await Bridge.start(lab, { capture: ['-q', '0'], rules: RULES, yaml: 'nfq: { mode: route, route-queue: 77 }' });
    await server.do('udpForget');
    await client.do('udpBurst', ROUTED.server, 7001, 20);
    await waitFor(async () => (await bridge.metric('verdicts_total', { action: 'pass' })) === 20, { what: 'the verdicts' });
    await waitFor(() => queueLine(bridge.pid)?.depth === 0, { what: 'the queue to be empty' });
    assert.deepEqual(await server.do('udpGot'), []);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });
});
