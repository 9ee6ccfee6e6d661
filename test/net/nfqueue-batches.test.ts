import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, type BridgeOptions, RUNMODES } from '../support/bridge.js';
import { clearRules, counted, queueLine, rules, run } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

/** Datagrams, whose text is their number, of so many ports in turn: the rule drops every tenth flow, so every tenth datagram. */
const BURST = 4000;
const PORTS = 40;
const EVERY_TENTH = 'drop udp any any -> any 7001 (msg:"one in ten"; pcre:"/7$/"; sid:1;)';

describe('batches of verdicts', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a router and peers', async () => {
    await makeRouter(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('udpServe', 7001);
    await clearRules(lab);
    await rules(lab, '-A FORWARD -p udp -j NFQUEUE --queue-num 0');
    // Counts what arrives; the server's own socket cannot take a whole burst.
    await run(lab, 'server', 'iptables -w -A INPUT -p udp --dport 7001');
  });

  const arrived = () => counted(lab, 'server', 'dpt:7001', 'INPUT');

  /** The burst comes together, behind a reader that was stopped; back when all of it is answered. */
  async function burst(options: BridgeOptions, good: number): Promise<Bridge> {
    const bridge = await Bridge.start(lab, { capture: ['-q', '0'], ...options });
    await run(lab, 'server', 'iptables -w -Z INPUT');
    await server.do('udpForget');
    const capture = await bridge.childPid('capture');
    process.kill(capture, 'SIGSTOP');
    await client.do('udpBurst', ROUTED.server, 7001, BURST, PORTS);
    await waitFor(() => queueLine(bridge.pid)?.depth === BURST, { what: 'the burst in the queue' });
    assert.equal(await arrived(), 0);
    process.kill(capture, 'SIGCONT');
    await waitFor(() => queueLine(bridge.pid)?.depth === 0, { what: 'the queue to be empty' });
    await waitFor(async () => (await bridge.metric('nfqueue_batch_packets_sum')) === BURST, { what: 'all to be counted' });
    await waitFor(async () => (await arrived()) >= good, { what: `${good} datagrams` });
    assert.equal(await arrived(), good);
    assert.equal(await bridge.metric('nfqueue_verdict_errors_total'), 0);
    return bridge;
  }

  for (const runmode of RUNMODES)
    for (const batchcount of [64, 20, 1])
      test(`${runmode}, batchcount ${batchcount}: drops amid accepted packets: each is answered once`, async () => {
        const good = BURST * 0.9;
        const bridge = await burst(
          // On a busy machine one of two workers lags; past the deadline what the other decided is answered one by one.
          {
            runmode,
            rules: [EVERY_TENTH],
            yaml: `nfq: { batchcount: ${batchcount} }`,
            sluice: { workers: 2, nfq: '{ verdict-deadline: 500000 }' },
          },
          good,
        );
        const got = await server.do('udpGot');
        assert.ok(got.length > 0);
        for (const text of got) assert.notEqual(text.at(-1), '7');
        const messages = await bridge.metric('nfqueue_verdict_messages_total');
        assert.equal(await bridge.metric('nfqueue_batch_packets_count'), messages);
        if (batchcount === 1) assert.equal(messages, BURST);
        // Of ten packets nine accepted ones share a message; no more are cut than the dry queue cuts.
        else assert.ok(messages < BURST / 2, `${messages} messages for ${BURST} packets`);
        const stopped = await bridge.stop();
        assert.equal(stopped.status, '0', bridge.output);
        assert.deepEqual([stopped.packets, stopped.passed, stopped.dropped], [BURST, good, BURST - good]);
        assert.equal(bridge.eve('drop').length, BURST - good);
      });

  for (const runmode of RUNMODES)
    for (const batchcount of [64, 20, 1])
      test(`${runmode}, batchcount ${batchcount}: all alike: messages are as long as batchcount says`, async () => {
        const bridge = await burst({ runmode, yaml: `nfq: { batchcount: ${batchcount} }`, sluice: { workers: 1 } }, BURST);
        const messages = await bridge.metric('nfqueue_verdict_messages_total');
        // Only the deadline and a dry queue may cut a batch short.
        assert.ok(messages >= BURST / batchcount && messages < (4 * BURST) / batchcount, `${messages} messages for ${BURST} packets`);
        assert.equal((await bridge.stop()).passed, BURST, bridge.output);
      });
});
