import assert from 'node:assert/strict';
import { appendFileSync, existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ATTACK_RULE, attack, untilBlocked } from '../support/attack.js';
import { type Bridge, RUNMODES, statusOfThreads } from '../support/bridge.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { forwardRules, makeQueueLab, QUEUED, startQueue } from '../support/queue-lab.js';
import { lastStats, QueueStream } from '../support/queue-stream.js';

const NET_ADMIN = '0000000000001000';
const NONE = '0000000000000000';
const NOBODY = '65534';

describe('queues: rights and signals', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    await makeQueueLab(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
    await forwardRules(lab, QUEUED);
  });

  /** Nothing but CAP_NET_ADMIN, in as many threads as there are queues to answer. */
  function confined(pid: number, queues: number): void {
    for (const key of ['CapPrm', 'CapEff']) {
      const values = statusOfThreads(pid, key);
      assert.equal(values.filter((value) => value === NET_ADMIN).length, queues, `${key}: ${values}`);
      assert.equal(values.filter((value) => value === NONE).length, values.length - queues, `${key}: ${values}`);
    }
    for (const key of ['CapInh', 'CapAmb']) for (const value of statusOfThreads(pid, key)) assert.equal(value, NONE, key);
    for (const key of ['Uid', 'Gid'])
      for (const value of statusOfThreads(pid, key)) assert.deepEqual(value.split(/\s+/), Array(4).fill(NOBODY));
    for (const value of statusOfThreads(pid, 'Groups')) assert.equal(value, '');
  }

  async function answers(bridge: Bridge): Promise<void> {
    await untilBlocked(bridge, client);
    const stream = await QueueStream.start(client, server, { flows: 4, pps: 2000, count: 600 });
    await stream.received(await stream.end());
  }

  const sources = ['-q', '0', '-q', '1', '--nflog=7'];

  test('workers: each thread of a queue keeps CAP_NET_ADMIN and nothing else, the others nothing; verdicts go on, also after a restart', async () => {
    const bridge = await startQueue(lab, {
      runmode: 'workers',
      capture: sources,
      rules: [ATTACK_RULE],
      sluice: { 'detect-user': 'nobody' },
    });
    const first = await bridge.childPid('capture');
    confined(first, 2);
    await answers(bridge);
    confined(first, 2);
    process.kill(first, 'SIGKILL');
    await bridge.said(/the capture \+ detect process is back/);
    confined(await bridge.childPid('capture'), 2);
    await answers(bridge);
    assert.equal(await bridge.metric('nfqueue_verdict_errors_total'), 0);
    // What stopping asks of the kernel needs the right as well.
    const stopped = await bridge.stop();
    assert.equal(stopped.status, '0', bridge.output);
    assert.equal(stopped.passed + stopped.dropped, stopped.packets);
  });

  test('autofp: the detection process has no right at all', async () => {
    const bridge = await startQueue(lab, { capture: sources, rules: [ATTACK_RULE], sluice: { workers: 2, 'detect-user': 'nobody' } });
    await answers(bridge);
    confined(await bridge.childPid('detect'), 0);
    process.kill(await bridge.childPid('detect'), 'SIGKILL');
    await bridge.said(/the detect process is back/);
    confined(await bridge.childPid('detect'), 0);
    await answers(bridge);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });

  for (const runmode of RUNMODES)
    test(`${runmode}: USR2 and HUP under a stream: no packet is lost or overtaken, new rules bite`, async () => {
      const bridge = await startQueue(lab, { runmode, rules: ['alert udp any any -> any 9999 (msg:"none"; content:"never"; sid:1;)'] });
      const stream = await QueueStream.start(client, server, { flows: 8, pps: 5000 });
      appendFileSync(bridge.files.rules, `${ATTACK_RULE}\n`);
      await client.do('send', 'eth0', [attack()]);
      await waitFor(async () => (await server.do('frames', 'eth0')).length === 1, { what: 'an attack to pass by the old rules' });
      for (let i = 1; i <= 3; i++) {
        bridge.signal('SIGUSR2');
        await waitFor(() => bridge.output.match(/rule reload complete: 2 rules loaded, 0 failed/g)?.length === i, { what: `reload ${i}` });
        const name = join(bridge.files.logs, 'eve.json');
        renameSync(name, `${name}.${i}`);
        bridge.signal('SIGHUP');
        await waitFor(() => bridge.output.match(/logs reopened/g)?.length === i && existsSync(name), { what: `rotation ${i}` });
      }
      await untilBlocked(bridge, client);
      await stream.goesOn();
      const sent = await stream.end();
      await stream.received(sent);
      const { received, disordered, holes } = await stream.books();
      assert.deepEqual({ received, disordered, holes }, { received: sent, disordered: 0, holes: 0 });
      assert.equal((await server.do('frames', 'eth0')).length, 1, 'no other attack');
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      const { nfq } = lastStats(bridge);
      assert.deepEqual([nfq.queue_dropped, nfq.user_dropped, nfq.verdict_errors], [0, 0, 0]);
      assert.equal(nfq.verdict_packets, stopped.packets);
    });
});
