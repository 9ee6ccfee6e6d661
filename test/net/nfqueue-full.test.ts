import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearRules, counted, queueLine, rules, run } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const LENGTH = 50;
const BURST = 2000;
const RULES = ['drop udp any any -> any 7001 (msg:"evil datagram"; content:"evil"; sid:2;)'];

describe('a queue that is full', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a router and peers', async () => {
    await makeRouter(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('udpServe', 7001);
    await clearRules(lab);
    await rules(lab, '-A FORWARD -p udp -j NFQUEUE --queue-num 0');
    await run(lab, 'server', 'iptables -w -A INPUT -p udp --dport 7001');
  });

  const arrived = () => counted(lab, 'server', 'dpt:7001', 'INPUT');

  /** A burst while the capture process stands still. Returns how much of it had arrived when it went on. */
  async function whileStopped(bridge: Bridge): Promise<number> {
    await run(lab, 'server', 'iptables -w -Z INPUT');
    const capture = await bridge.childPid('capture');
    process.kill(capture, 'SIGSTOP');
    await client.do('udpBurst', ROUTED.server, 7001, BURST, 4);
    const through = await arrived();
    process.kill(capture, 'SIGCONT');
    await waitFor(() => queueLine(bridge.pid)?.depth === 0, { what: 'the queue to be empty' });
    return through;
  }

  /** It goes on as before. */
  async function works(bridge: Bridge): Promise<void> {
    await server.do('udpForget');
    await client.do('udpSend', ROUTED.server, 7001, 'evil');
    await client.do('udpSend', ROUTED.server, 7001, 'good');
    await waitFor(async () => (await server.do('udpGot')).length > 0, { what: 'a good datagram' });
    assert.deepEqual(await server.do('udpGot'), ['good']);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
    assert.equal(bridge.fast('[Drop]').length, 1);
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}: queue-length: what does not fit is dropped, and counted`, async () => {
      const bridge = await Bridge.start(lab, {
        runmode,
        capture: ['-q', '0'],
        rules: RULES,
        sluice: { nfq: `{ queue-length: ${LENGTH} }` },
      });
      assert.equal(await bridge.metric('nfqueue_limit_packets'), LENGTH);
      assert.equal(await whileStopped(bridge), 0);
      await waitFor(async () => (await bridge.metric('nfqueue_drops_total', { kind: 'queue_full' })) === BURST - LENGTH, {
        what: 'the count',
      });
      assert.equal(await arrived(), LENGTH);
      assert.equal(await bridge.metric('nfqueue_drops_total', { kind: 'receive_buffer' }), 0);
      assert.equal(await bridge.metric('nfqueue_fail_open_total'), 0);
      await works(bridge);
      assert.equal(bridge.eve('stats').at(-1).stats.nfq.queue_dropped, BURST - LENGTH);
    });

    test(`${runmode}: receive-buffer: what does not fit is dropped, and counted`, async () => {
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES, sluice: { nfq: '{ receive-buffer: 64kb }' } });
      assert.equal(await whileStopped(bridge), 0);
      const taken = (await waitFor(
        async () => {
          const lost = await bridge.metric('nfqueue_drops_total', { kind: 'receive_buffer' });
          return lost > 0 && (await bridge.metric('capture_packets_total')) + lost === BURST ? BURST - lost : undefined;
        },
        { what: 'every packet to be either taken or counted as lost' },
      )) as number;
      assert.ok(taken > 10 && taken < BURST / 2, `${taken} taken`);
      assert.equal(await arrived(), taken);
      assert.ok((await bridge.metric('netlink_overruns_total')) > 0);
      assert.equal(await bridge.metric('nfqueue_drops_total', { kind: 'queue_full' }), 0);
      assert.equal(await bridge.metric('nfqueue_fail_open_total'), 0);
      await works(bridge);
      assert.equal(bridge.eve('stats').at(-1).stats.nfq.user_dropped, BURST - taken);
    });

    test(`${runmode}: fail-open: what does not fit passes meanwhile, uninspected, and is counted`, async () => {
      const bridge = await Bridge.start(lab, {
        runmode,
        capture: ['-q', '0'],
        rules: RULES,
        yaml: 'nfq: { fail-open: yes }',
        sluice: { nfq: `{ receive-buffer: 64kb, queue-length: ${LENGTH} }` },
      });
      const through = await whileStopped(bridge);
      assert.ok(through > BURST / 2 && through < BURST - 10, `${through} passed while it stood still`);
      await waitFor(async () => (await arrived()) === BURST, { what: 'all of the burst' });
      // The next packet tells by its number how many never came.
      await client.do('udpSend', ROUTED.server, 7001, 'next');
      await waitFor(async () => (await bridge.metric('nfqueue_fail_open_total')) === through, { what: 'the count' });
      assert.equal(await bridge.metric('capture_packets_total'), BURST - through + 1);
      for (const kind of ['queue_full', 'receive_buffer']) assert.equal(await bridge.metric('nfqueue_drops_total', { kind }), 0);
      await works(bridge);
      assert.equal(bridge.eve('stats').at(-1).stats.nfq.fail_open, through);
    });
  }
});
