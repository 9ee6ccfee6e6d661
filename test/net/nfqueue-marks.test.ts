import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearRules, counted, queueLine, rules } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const BURST = 1000;

describe('netfilter marks', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a router and peers', async () => {
    await makeRouter(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await server.do('udpServe', 7001);
  });

  const marked = (mark: string, tool = 'iptables') => counted(lab, 'bridge', `mark match ${mark}`, 'POSTROUTING', 'mangle', tool);

  for (const runmode of RUNMODES) {
    test(`${runmode}: nfq_set_mark sets its bits and leaves the others, packet by packet`, async () => {
      await clearRules(lab);
      await rules(
        lab,
        // Bits of somebody else's, which must stay.
        '-t mangle -A PREROUTING -p udp -j MARK --set-mark 0xf4',
        '-A FORWARD -p udp -j NFQUEUE --queue-num 0',
        ...['0xf4', '0xf5', '0xf6', '0x9'].map((mark) => `-t mangle -A POSTROUTING -p udp -m mark --mark ${mark}`),
      );
      const bridge = await Bridge.start(lab, {
        runmode,
        capture: ['-q', '0'],
        rules: [
          'alert udp any any -> any 7001 (msg:"ones"; pcre:"/1$/"; nfq_set_mark:0x1/0x3; sid:1;)',
          'alert udp any any -> any 7001 (msg:"twos"; pcre:"/2$/"; nfq_set_mark:2/3; sid:2;)',
          'alert udp any any -> any 7001 (msg:"nines"; pcre:"/9$/"; nfq_set_mark:9; sid:9;)',
        ],
      });
      // Together, so that packets with other marks would share a batch.
      const capture = await bridge.childPid('capture');
      process.kill(capture, 'SIGSTOP');
      for (const host of [ROUTED.server, ROUTED.server6]) await client.do('udpBurst', host, 7001, BURST, 7);
      await waitFor(() => queueLine(bridge.pid)?.depth === 2 * BURST, { what: 'the burst in the queue' });
      process.kill(capture, 'SIGCONT');
      await waitFor(async () => (await bridge.metric('nfqueue_batch_packets_sum')) === 2 * BURST, { what: 'all verdicts' });
      for (const tool of ['iptables', 'ip6tables']) {
        const counts = [];
        for (const mark of ['0xf4', '0xf5', '0xf6', '0x9']) counts.push(await marked(mark, tool));
        assert.deepEqual(counts, [BURST * 0.7, BURST / 10, BURST / 10, BURST / 10], tool);
      }
      assert.ok((await bridge.metric('nfqueue_verdict_messages_total')) < 2 * BURST, 'like marks share a message');
      assert.equal((await bridge.stop()).passed, 2 * BURST, bridge.output);
    });

    test(`${runmode}: bypass: the flow's mark keeps the rest of the connection out of the queue`, async () => {
      await clearRules(lab);
      // As etc/sluice.yaml has it.
      await rules(
        lab,
        '-t mangle -A POSTROUTING -j CONNMARK --save-mark',
        '-t mangle -A PREROUTING -j CONNMARK --restore-mark',
        '-I FORWARD -m mark ! --mark 2/2 -j NFQUEUE',
      );
      const bridge = await Bridge.start(lab, {
        runmode,
        capture: ['-q', '0'],
        rules: [
          'alert tcp any any -> any 7000 (msg:"enough"; flow:established,to_server; content:"enough"; bypass; sid:1;)',
          'drop tcp any any -> any 7000 (msg:"evil"; flow:established,to_server; content:"evil"; sid:2;)',
        ],
        yaml: 'nfq: { bypass-mark: 2, bypass-mask: 2 }',
      });
      const packets = () => bridge.metric('capture_packets_total');
      for (const host of [ROUTED.server, ROUTED.server6]) {
        assert.ok((await client.do('tcpOpen', 'bypassed', host, 7000)) > 0, host);
        assert.ok((await client.do('tcpOpen', 'watched', host, 7000)) > 0, host);
        assert.equal(await client.do('tcpSay', 'bypassed', 'before'), 'before', host);
        assert.equal(await client.do('tcpSay', 'bypassed', 'enough'), 'enough', host);
        const after = await packets();
        // Neither direction comes by any more, so nothing is found.
        for (let i = 0; i < 20; i++) assert.equal(await client.do('tcpSay', 'bypassed', `evil ${i}`), `evil ${i}`, host);
        assert.ok(await client.do('tcpClose', 'bypassed'), host);
        // What was on its way when the mark was set: an acknowledgement or two.
        assert.ok((await packets()) - after <= 2, `${(await packets()) - after} packets after the bypass`);
        assert.equal(await client.do('tcpSay', 'watched', 'good'), 'good', host);
        assert.equal(await client.do('tcpSay', 'watched', 'evil', 300), '', host);
        await client.do('tcpClose', 'watched', 1);
      }
      await waitFor(() => bridge.eve('alert').length >= 4, { what: 'four alerts' });
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      assert.deepEqual(
        bridge
          .eve('alert')
          .map((one) => one.alert.signature_id)
          .sort(),
        [1, 1, 2, 2],
      );
    });
  }

  test("bypass without netfilter's help: the packets still come, and pass uninspected", async () => {
    await clearRules(lab);
    await rules(lab, '-A FORWARD -p tcp -j NFQUEUE');
    const bridge = await Bridge.start(lab, {
      capture: ['-q', '0'],
      rules: [
        'alert tcp any any -> any 7000 (msg:"enough"; flow:established,to_server; content:"enough"; bypass; sid:1;)',
        'drop tcp any any -> any 7000 (msg:"evil"; flow:established,to_server; content:"evil"; sid:2;)',
      ],
    });
    assert.ok((await client.do('tcpOpen', 'c', ROUTED.server, 7000)) > 0);
    assert.equal(await client.do('tcpSay', 'c', 'enough'), 'enough');
    for (let i = 0; i < 10; i++) assert.equal(await client.do('tcpSay', 'c', `evil ${i}`), `evil ${i}`);
    assert.ok(await client.do('tcpClose', 'c'));
    assert.ok((await bridge.metric('bypassed_packets_total')) >= 20);
    const stopped = await bridge.stop();
    assert.deepEqual([stopped.status, stopped.dropped, stopped.alerts], ['0', 0, 1], bridge.output);
  });
});
