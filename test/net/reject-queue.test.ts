import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
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

describe('reject of queued packets', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let talkers: Talkers;

  test('a router, and somebody who talks in each namespace', async () => {
    talkers = await startTalkers(lab);
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: TCP, both directions queued: each end that is to be told is reset, and no other`, async (t) => {
      await divert(lab, CHAINS, 'NFQUEUE --queue-num 0');
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: REJECT_RULES });
      for (const { chain, client, server, host, host6 } of ways(talkers)) {
        for (const word of ALL_WORDS) await talkIsRejected(t, `${chain}, IPv4`, word, { client, server, host, delivered: false });
        for (const word of ALL_WORDS) await talkIsRejected(t, `${chain}, IPv6`, word, { client, server, host: host6, delivered: false });
        for (const word of ['word-source', 'word-both'] as const) {
          await talkIsRejected(t, `${chain}, IPv4, from the server`, word, { client, server, host, from: 'server', delivered: false });
          await talkIsRejected(t, `${chain}, IPv6, from the server`, word, {
            client,
            server,
            host: host6,
            from: 'server',
            delivered: false,
          });
        }
      }
      await checkLogs(bridge, [1, 2, 3, 4, 11, 14], 'ips');
      assert.equal(await bridge.metric('rejects_total', { result: 'limited' }), 0);
      assert.equal(await bridge.metric('rejects_total', { result: 'failed' }), 0);
      const sent = await bridge.metric('rejects_total', { result: 'sent' });
      const alerts = bridge.fast().length;
      assert.ok(sent >= alerts, `${sent} answers of ${alerts} alerts`);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await divertNothing(lab);
    });

    test(`${runmode}: UDP: each end that is to be told gets ECONNREFUSED, and no other`, async (t) => {
      await divert(lab, CHAINS, 'NFQUEUE --queue-num 0');
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: REJECT_RULES });
      for (const { chain, client, server, host, host6, from, from6 } of ways(talkers))
        for (const word of ALL_WORDS) {
          const talk = { proto: 'udp', client, server, delivered: false } as const;
          await talkIsRejected(t, `${chain}, UDP over IPv4`, word, { ...talk, host, clientHost: from });
          await talkIsRejected(t, `${chain}, UDP over IPv6`, word, { ...talk, host: host6, clientHost: from6 });
        }
      await checkLogs(bridge, [21, 22, 23, 24], 'ips');
      assert.equal(await bridge.metric('rejects_total', { result: 'failed' }), 0);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await divertNothing(lab);
    });

    test(`${runmode}: only what goes to the server is queued, as in 'iptables -I INPUT -p tcp --dport'`, async (t) => {
      for (const command of ['iptables', 'ip6tables'])
        for (const chain of CHAINS) await inBridge(lab, `${command} -I ${chain} -p tcp --dport ${TALK_PORT} -j NFQUEUE`);
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: REJECT_RULES });
      for (const { chain, client, server, host, host6 } of ways(talkers))
        for (const word of ALL_WORDS) {
          await talkIsRejected(t, `${chain}, IPv4, one direction`, word, { client, server, host, delivered: false });
          await talkIsRejected(t, `${chain}, IPv6, one direction`, word, { client, server, host: host6, delivered: false });
        }
      await checkLogs(bridge, [1, 2, 3, 4], 'ips');
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await divertNothing(lab);
    });
  }

  test('curl reports a reset connection', async (t) => {
    await divert(lab, CHAINS, 'NFQUEUE --queue-num 0');
    const rule = `reject tcp any any -> any ${TALK_PORT} (msg:"secret"; flow:established,to_server; content:"GET /secret"; sid:7;)`;
    const bridge = await Bridge.start(lab, { capture: ['-q', '0'], rules: [rule] });
    for (const host of [ROUTED.server, `[${ROUTED.server6}]`, ROUTED.left, `[${ROUTED.left6}]`]) {
      const took: number[] = [];
      while (took.length < 3 && !took.some((ms) => ms < 100)) {
        const result = await lab.exec('client', 'curl', [
          ...['-q', '--noproxy', '*', '-sS', '--max-time', '5', '-w', '%{time_connect} %{time_total}'],
          `http://${host}:${TALK_PORT}/secret`,
        ]);
        assert.equal(result.code, 56, result.stderr);
        assert.match(result.stderr, /Connection reset by peer/);
        const [connected, total] = result.stdout.split(' ').map(Number);
        assert.ok(connected > 0 && total >= connected, result.stdout);
        took.push((total - connected) * 1000);
      }
      t.diagnostic(`curl ${host}: ${took.map((ms) => ms.toFixed(1)).join(', ')} ms`);
      assert.ok(Math.min(...took) < 100, `${host}: ${took.join(', ')} ms`);
    }
    await waitFor(() => bridge.fast('[1:7:').length >= 4, { what: 'the alerts' });
    for (const record of bridge.eve('drop').filter(({ drop }) => drop.reason === 'rules'))
      assert.deepEqual(record.verdict, { action: 'drop', 'reject-target': 'to_client', reject: ['tcp-reset'] });
    assert.equal(bridge.eve('drop').filter(({ drop }) => drop.reason === 'rules').length, bridge.fast('[1:7:').length);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
    await divertNothing(lab);
  });
});
