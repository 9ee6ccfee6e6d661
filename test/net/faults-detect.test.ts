import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ATTACK_RULE, untilBlocked } from '../support/attack.js';
import { Bridge, isRunning, type Stopped } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const STREAM = { flows: 8, pps: 8000 };

describe('the detection process is killed under traffic', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
    await server.do('tcpServe', 7000);
  });

  /** Starts the stream, and returns what ends it: how many were sent, once all that came has come. */
  async function streaming(): Promise<() => Promise<number>> {
    await server.do('reset', 'eth0');
    const sent = client.do('stream', 'eth0', STREAM);
    await waitFor(async () => (await server.do('books', 'eth0')).received > 500, { what: 'the stream' });
    return async () => {
      await client.do('halt', 'eth0');
      return sent;
    };
  }

  /** All that was sent is on one side or the other of the books. */
  async function settled(bridge: Bridge, sent: number): Promise<{ received: number; lost: number; disordered: number; holes: number }> {
    const lost = () => bridge.metric('drops_total', { reason: 'worker lost' });
    await waitFor(async () => (await server.do('books', 'eth0')).received + (await lost()) >= sent, { timeoutMs: 3000, what: 'all' }).catch(
      () => {},
    );
    return { ...(await server.do('books', 'eth0')), lost: await lost() };
  }

  /** The engine's own books. */
  function balanced(bridge: Bridge, stopped: Stopped): void {
    assert.equal(stopped.status, '0', bridge.output);
    assert.equal(stopped.packets, stopped.passed + stopped.dropped);
    const { capture } = bridge.eve('stats').at(-1).stats;
    assert.equal(capture.transmitted, stopped.passed);
    assert.equal(capture.kernel_drops, 0);
  }

  test('worker-lost-policy pass: no packet is lost or overtaken, and attacks are blocked again within 2 s', async (t) => {
    const bridge = await Bridge.start(lab, { rules: [ATTACK_RULE], sluice: { workers: 2, 'worker-lost-policy': 'pass' } });
    await untilBlocked(bridge, client);
    assert.ok((await client.do('tcpOpen', 'c', ADDRESS.server, 7000)) > 0);
    assert.equal(await client.do('tcpSay', 'c', 'before'), 'before');
    const end = await streaming();
    const old = await bridge.childPid('detect');
    const killed = Date.now();
    process.kill(old, 'SIGKILL');
    assert.equal(await client.do('tcpSay', 'c', 'meanwhile'), 'meanwhile');
    const back = await untilBlocked(bridge, client, killed);
    t.diagnostic(`from kill -9 of the detection process to the first attack blocked: ${Math.round(back)} ms`);
    assert.ok(back < 2000, `${back} ms`);
    assert.equal(await client.do('tcpSay', 'c', 'after'), 'after', 'a connection lives through it');
    const sent = await end();
    const { received, disordered, lost } = await settled(bridge, sent);
    assert.deepEqual({ received, disordered, lost }, { received: sent, disordered: 0, lost: 0 });
    assert.ok((await bridge.metric('worker_lost_total')) > 0);
    assert.equal(await bridge.metric('process_restarts_total', { process: 'detect' }), 1);
    assert.equal(await bridge.metric('process_restarts_total', { process: 'capture' }), 0);
    assert.ok(!isRunning(old));
    balanced(bridge, await bridge.stop());
  });

  test('worker-lost-policy drop: nothing passes meanwhile, each packet is counted', async (t) => {
    const bridge = await Bridge.start(lab, { rules: [ATTACK_RULE], sluice: { workers: 2, 'worker-lost-policy': 'drop' } });
    const end = await streaming();
    const old = await bridge.childPid('detect');
    const killed = Date.now();
    process.kill(old, 'SIGKILL');
    const back = await untilBlocked(bridge, client, killed);
    t.diagnostic(`from kill -9 of the detection process to the first attack blocked: ${Math.round(back)} ms`);
    assert.ok(back < 2000, `${back} ms`);
    const kept = (await server.do('frames', 'eth0')).length;
    const sent = await end();
    const { received, disordered, holes, lost } = await settled(bridge, sent);
    assert.equal(kept, 0, 'no attack crossed');
    assert.equal(disordered, 0);
    assert.ok(received < sent);
    assert.equal(holes, STREAM.flows, 'one hole in each flow: nothing crossed in between');
    assert.ok(lost >= sent - received, `${lost} were counted, ${sent - received} are missing`);
    const stopped = await bridge.stop();
    balanced(bridge, stopped);
  });

  test('killed three times in a row, it comes back each time', async (t) => {
    const bridge = await Bridge.start(lab, { rules: [ATTACK_RULE], sluice: { 'worker-lost-policy': 'pass' } });
    const end = await streaming();
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const old = await bridge.childPid('detect');
      const killed = Date.now();
      process.kill(old, 'SIGKILL');
      times.push(await untilBlocked(bridge, client, killed));
    }
    t.diagnostic(`blocked again after ${times.map(Math.round).join(', ')} ms`);
    for (const ms of times) assert.ok(ms < 2000, `${times}`);
    const sent = await end();
    const { received, disordered } = await settled(bridge, sent);
    assert.deepEqual({ received, disordered }, { received: sent, disordered: 0 });
    balanced(bridge, await bridge.stop());
  });

  test('stopped (SIGSTOP) it is found, killed and replaced; the traffic goes on', async (t) => {
    const bridge = await Bridge.start(lab, {
      rules: [ATTACK_RULE],
      sluice: { workers: 1, 'worker-lost-policy': 'pass', 'ring-full-policy': 'pass' },
    });
    const end = await streaming();
    const old = await bridge.childPid('detect');
    const stoppedAt = Date.now();
    process.kill(old, 'SIGSTOP');
    await bridge.said(/detect process \(pid \d+\) does not answer: thread W#01 has stood still .*killed/);
    const back = await untilBlocked(bridge, client, stoppedAt);
    t.diagnostic(`from SIGSTOP of the detection process to the first attack blocked: ${Math.round(back)} ms`);
    assert.ok(back < 8000, `${back} ms`);
    assert.ok(!isRunning(old));
    const sent = await end();
    const { received } = await settled(bridge, sent);
    assert.equal(received, sent);
    assert.ok((await bridge.metric('ring_full_total')) > 0);
    balanced(bridge, await bridge.stop());
  });
});
