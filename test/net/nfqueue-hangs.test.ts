import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ethernet, ipv4, PROTO, udp } from '../../src/lab/packets.js';
import { ATTACK_RULE, untilBlocked } from '../support/attack.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';
import { forwardRules, kernelQueues, makeQueueLab, QUEUED, startQueue } from '../support/queue-lab.js';
import { emptyQueues, settled } from '../support/queue-stream.js';

const HELD = 200;
const BURST = { flows: 8, pps: 5000, count: HELD };
/** A thread that stands still is found after 4 to 5 s. */
const WATCHDOG_MS = 8000;

describe('a queue whose workers hang or are slow', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    await makeQueueLab(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
    await forwardRules(lab, QUEUED);
  });

  const depth = async () => (await kernelQueues(lab))[0]?.depth ?? -1;
  /** Payloads, in the order of their arrival. */
  const arrived = async () => (await server.do('frames', 'eth0')).map((frame) => Buffer.from(frame).toString('latin1', 42));

  for (const policy of ['pass', 'drop'] as const)
    test(`the detection process hangs (SIGSTOP): what it holds is answered by worker-lost-policy ${policy} in time`, async (t) => {
      const bridge = await startQueue(lab, { rules: [ATTACK_RULE], sluice: { workers: 2, 'worker-lost-policy': policy } });
      await untilBlocked(bridge, client);
      await emptyQueues(lab);
      await server.do('reset', 'eth0');
      const at = Date.now();
      process.kill(await bridge.childPid('detect'), 'SIGSTOP');
      await client.do('stream', 'eth0', BURST);
      await waitFor(async () => (await depth()) === HELD, { what: 'all of them to wait' });
      await waitFor(async () => (await depth()) === 0, { timeoutMs: WATCHDOG_MS, what: 'their answers' });
      const waited = Date.now() - at;
      await bridge.said(/detect process \(pid \d+\) does not answer: thread W#0\d has stood still .*killed/);
      const back = await untilBlocked(bridge, client, at);
      t.diagnostic(`answered after ${waited} ms, attacks blocked again after ${Math.round(back)} ms`);
      const { received } = await settled(lab, server);
      assert.equal(received, policy === 'pass' ? HELD : 0);
      const lost = await bridge.metric('worker_lost_total');
      assert.ok(lost >= HELD, `${lost}`);
      assert.equal(await bridge.metric('drops_total', { reason: 'worker lost' }), policy === 'pass' ? 0 : lost);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });

  test('one slow worker: packets of the other overtake, and are answered in time', async (t) => {
    // Backtracks in ever more ways, until the limit.
    const slow = 'drop udp any any -> any 5555 (content:"slow"; pcre:"/(x+x+)+y/"; sid:7;)';
    const bridge = await startQueue(lab, {
      rules: [slow],
      sluice: { workers: 2 },
      yaml: 'pcre: { match-limit: 200000000, match-limit-recursion: 200000000 }\n',
    });
    await server.do('reset', 'eth0');
    const [src, dst] = ['10.99.1.1', '10.99.1.2'];
    const frame = (srcPort: number, dstPort: number, text: string) =>
      ethernet(
        { src: RAW_SOURCE, dst: RAW_DESTINATION },
        ipv4({ src, dst, proto: PROTO.udp }, udp({ src, dst, srcPort, dstPort }, Buffer.from(text))),
      );
    const QUICK = 24;
    const frames = Array.from({ length: QUICK }, (_, i) => frame(2 + i, 6666, `quick ${i}`));
    await client.do('send', 'eth0', [frame(1, 5555, `slow ${'x'.repeat(27)}zy`), ...frames]);
    await waitFor(async () => (await arrived()).filter((text) => /^(quick|slow)/.test(text)).length === QUICK + 1, {
      timeoutMs: 15_000,
      what: 'all of them',
    });
    const place = (await arrived()).findIndex((text) => text.startsWith('slow'));
    t.diagnostic(`the first of the queue left after ${place} others`);
    assert.ok(place > 0 && place < QUICK, 'those of the other worker before it, those of its own behind it');
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });

  test('SIGTERM while workers hang: what they hold is answered by worker-lost-policy', async (t) => {
    await server.do('reset', 'eth0');
    const bridge = await startQueue(lab, { rules: [ATTACK_RULE], sluice: { workers: 1, 'worker-lost-policy': 'pass' } });
    process.kill(await bridge.childPid('detect'), 'SIGSTOP');
    await client.do('stream', 'eth0', BURST);
    await waitFor(async () => (await depth()) === HELD, { what: 'all of them to wait' });
    const began = Date.now();
    bridge.signal('SIGTERM');
    await waitFor(async () => (await kernelQueues(lab)).length === 0, { what: 'the queue to be free' });
    const answered = Date.now() - began;
    t.diagnostic(`answered after ${answered} ms`);
    assert.equal((await settled(lab, server)).received, HELD);
    const stopped = await bridge.end();
    assert.equal(stopped.status, '1', bridge.output);
    assert.deepEqual([stopped.packets, stopped.passed], [HELD, HELD]);
    assert.match(bridge.output, /the detect process .* does not answer: thread W#01 has stood still .* killed/);
    assert.ok(answered < 8000, `${answered} ms`);
    assert.deepEqual(await kernelQueues(lab), []);
  });
});
