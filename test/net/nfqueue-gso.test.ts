import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearRules, rules } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const SPLIT = 'split-by-the-card-not-by-us';
const RULES = [`drop tcp any any -> any 7000 (msg:"within a super-packet"; flow:established,to_server; content:"${SPLIT}"; sid:1;)`];
/** TCP payload of a packet at MTU 1500 with time stamps, by IP version. */
const SEGMENT = { 4: 1448, 6: 1428 };

describe('super-packets in a queue', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a router and peers', async () => {
    await makeRouter(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await clearRules(lab);
    await rules(lab, '-A FORWARD -p tcp -j NFQUEUE --queue-num 0');
  });

  for (const runmode of RUNMODES)
    for (const gso of ['yes', 'no'])
      test(`${runmode}, gso ${gso}: bulk TCP crosses intact, both ways`, async () => {
        const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES, sluice: { nfq: `{ gso: ${gso} }` } });
        for (const host of [ROUTED.server, ROUTED.server6]) {
          const echoed = await client.do('tcpEcho', host, 7000, 24 << 20);
          assert.equal(echoed.bytes, 24 << 20, host);
          assert.equal(echoed.received, echoed.sent, host);
        }
        const stopped = await bridge.stop();
        assert.equal(stopped.status, '0', bridge.output);
        assert.equal(stopped.passed, stopped.packets);
        const stats = bridge.eve('stats').at(-1).stats;
        const longest = stats.decoder.max_pkt_size;
        if (gso === 'yes') assert.ok(longest > 60_000, `max_pkt_size ${longest}`);
        else assert.ok(longest <= 1500, `max_pkt_size ${longest}`);
        // Neither a checksum that the card was to fill in, nor one of a super-packet, is wrong.
        assert.equal(stats.tcp.invalid_checksum ?? 0, 0);
        assert.equal(stats.nfq.queue_dropped + stats.nfq.user_dropped, 0);
      });

  for (const runmode of RUNMODES)
    test(`${runmode}: content over the seam of two segments of a super-packet is found`, async () => {
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES, sluice: { nfq: '{ gso: yes }' } });
      for (const [version, host] of [
        [4, ROUTED.server],
        [6, ROUTED.server6],
      ] as const) {
        const before = 3 * SEGMENT[version] - 10;
        const text = (middle: string) => `${'x'.repeat(before)}${middle}${'y'.repeat(8000)}`;
        const harmless = text(SPLIT.toUpperCase());
        assert.ok((await client.do('tcpOpen', 'good', host, 7000)) > 0);
        assert.equal(await client.do('tcpSay', 'good', harmless), harmless);
        assert.ok(await client.do('tcpClose', 'good'));
        assert.ok((await client.do('tcpOpen', 'split', host, 7000)) > 0);
        assert.equal(await client.do('tcpSay', 'split', text(SPLIT), 500), '', `${host}: none of it arrives`);
        await client.do('tcpClose', 'split', 1);
      }
      await waitFor(() => bridge.eve('alert').length >= 2, { what: 'two alerts' });
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      assert.equal(bridge.eve('alert').length, 2);
    });

  for (const gso of ['yes', 'no'])
    test(`iperf3, gso ${gso}: a hundred megabytes cross`, async () => {
      const bridge = await Bridge.start(lab, { capture: ['-q', '0'], rules: RULES, sluice: { nfq: `{ gso: ${gso} }` } });
      const serving = lab.exec('server', 'iperf3', ['-s', '-1', '-p', '5201', '--forceflush'], { timeoutMs: 20_000 });
      const args = ['-c', ROUTED.server, '-p', '5201', '-n', '100M', '-J', '--connect-timeout', '3000'];
      const sent = await waitFor(
        async () => {
          const done = await lab.exec('client', 'iperf3', args, { timeoutMs: 20_000 });
          // With -J it ends with status 0 even when nobody listens yet.
          const report = JSON.parse(done.stdout);
          if (report.error !== undefined) throw new Error(report.error);
          return report.end;
        },
        { timeoutMs: 20_000, intervalMs: 100, what: 'iperf3' },
      );
      assert.equal((await serving).code, 0);
      assert.ok(sent.sum_sent.bytes >= 100 << 20);
      // With -n the receiver stops counting when the sender says it is done, a little before the last bytes are in.
      assert.ok(sent.sum_received.bytes > 0.95 * sent.sum_sent.bytes, `${sent.sum_received.bytes} of ${sent.sum_sent.bytes}`);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 0);
      assert.equal(bridge.eve('stats').at(-1).stats.tcp.invalid_checksum ?? 0, 0);
    });
});
