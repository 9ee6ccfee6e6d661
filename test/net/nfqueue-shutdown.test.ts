import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ATTACK_RULE } from '../support/attack.js';
import { isRunning, RUNMODES } from '../support/bridge.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { forwardRules, kernelQueues, makeQueueLab, QUEUED, startQueue } from '../support/queue-lab.js';
import { lastStats, QueueStream, settled } from '../support/queue-stream.js';

const FLOWS = 8;
const STREAM = { flows: FLOWS, pps: 10_000 };
const STOPS = 3;
const BYPASS = `${QUEUED} --queue-bypass`;

describe('SIGTERM: all that is queued is answered before the queue is given back', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    await makeQueueLab(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
  });

  const freed = () => waitFor(async () => (await kernelQueues(lab)).length === 0, { what: 'the queue to be free' });
  const depth = async () => (await kernelQueues(lab))[0]?.depth ?? -1;
  /** Datagrams that wait for a verdict. */
  const queued = (count: number) => waitFor(async () => (await depth()) === count, { what: `${count} packets in the queue` });

  for (const runmode of RUNMODES) {
    test(`${runmode}, --queue-bypass: at most what came in the moment of the change is missing`, async (t) => {
      await forwardRules(lab, BYPASS);
      for (let i = 0; i < STOPS; i++) {
        const bridge = await startQueue(lab, { runmode, rules: [ATTACK_RULE] });
        const stream = await QueueStream.start(client, server, STREAM, 2000);
        const pids = [bridge.pid, ...bridge.children().map(({ pid }) => pid)];
        const stopped = await bridge.stop();
        await freed();
        await stream.goesOn();
        const sent = await stream.end();
        const { received, holes, disordered, maxGapMs } = await settled(lab, server);
        const { queue_dropped: refused, user_dropped, verdict_errors, depth: left } = lastStats(bridge).nfq;
        const missing = sent - received;
        t.diagnostic(`${missing} of ${sent} missing (${refused} counted as refused), longest gap ${maxGapMs.toFixed(1)} ms`);
        assert.equal(stopped.status, '0', bridge.output);
        assert.equal(stopped.passed, stopped.packets);
        assert.deepEqual(
          { disordered, user_dropped, verdict_errors, left },
          { disordered: 0, user_dropped: 0, verdict_errors: 0, left: 0 },
        );
        assert.ok(received > stopped.passed, 'others passed by themselves afterwards');
        assert.ok(missing >= refused, 'what was refused is missing');
        // All in one moment, and that is short.
        assert.ok(holes <= FLOWS, `${holes} holes`);
        assert.ok(missing === 0 || (maxGapMs < 500 && missing <= (maxGapMs * STREAM.pps) / 1000 + 64), `${missing} in ${maxGapMs} ms`);
        for (const pid of pids) assert.ok(!isRunning(pid), `process ${pid}`);
      }
    });

    test(`${runmode}, --queue-bypass and fail-open: nothing is missing`, async () => {
      await forwardRules(lab, BYPASS);
      for (let i = 0; i < STOPS; i++) {
        const bridge = await startQueue(lab, { runmode, rules: [ATTACK_RULE], yaml: 'nfq: { fail-open: yes }\n' });
        const stream = await QueueStream.start(client, server, STREAM, 2000);
        assert.equal((await bridge.stop()).status, '0', bridge.output);
        await freed();
        await stream.goesOn();
        const sent = await stream.end();
        await stream.received(sent);
        // What is let through at once overtakes what still waits for its verdict: only the number counts.
        assert.equal((await stream.books()).received, sent);
      }
    });

    test(`${runmode}, neither: what was taken in arrives, then nothing`, async () => {
      await forwardRules(lab, QUEUED);
      const bridge = await startQueue(lab, { runmode, rules: [ATTACK_RULE] });
      const stream = await QueueStream.start(client, server, STREAM, 2000);
      const stopped = await bridge.stop();
      await freed();
      const sent = await stream.end();
      const { received, disordered, holes } = await settled(lab, server);
      assert.equal(stopped.status, '0', bridge.output);
      assert.deepEqual({ received, disordered, holes }, { received: stopped.packets, disordered: 0, holes: 0 });
      assert.equal(stopped.passed, stopped.packets);
      assert.ok(received < sent);
      await client.do('stream', 'eth0', { ...STREAM, count: 100 });
      assert.equal((await settled(lab, server)).received, received, 'nobody answers: netfilter drops');
    });

    test(`${runmode}: right after kill -9 of the capture process: it ends, and the queue is free`, async () => {
      const bridge = await startQueue(lab, { runmode });
      process.kill(await bridge.childPid('capture'), 'SIGKILL');
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.deepEqual(await kernelQueues(lab), []);
    });
  }

  const SLOW = 300;

  test('workers that are slow: what they hold is answered by them', async () => {
    await forwardRules(lab, QUEUED);
    const bridge = await startQueue(lab, { rules: [ATTACK_RULE, 'drop udp any any -> any 9999 (sid:1;)'], sluice: { workers: 2 } });
    const detect = await bridge.childPid('detect');
    process.kill(detect, 'SIGSTOP');
    await client.do('stream', 'eth0', { ...STREAM, count: SLOW });
    await queued(SLOW);
    bridge.signal('SIGTERM');
    await bridge.said(/stopping/);
    await client.do('stream', 'eth0', { ...STREAM, count: 50 });
    assert.equal(await depth(), SLOW, 'nothing new is taken in');
    process.kill(detect, 'SIGCONT');
    const stopped = await bridge.end();
    assert.equal(stopped.status, '0', bridge.output);
    assert.deepEqual([stopped.packets, stopped.passed, stopped.dropped], [SLOW, 0, SLOW]);
    const { nfq } = lastStats(bridge);
    assert.deepEqual([nfq.queue_dropped, nfq.depth], [50, 0]);
  });
});
