import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ATTACK_RULE, untilBlocked } from '../support/attack.js';
import { Bridge, isRunning, RUNMODES } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

describe('the capture process is killed, and the engine is stopped, under traffic', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
    await server.do('tcpServe', 7000);
  });

  async function streaming(pps: number): Promise<() => Promise<number>> {
    await server.do('reset', 'eth0');
    const sent = client.do('stream', 'eth0', { flows: 8, pps });
    await waitFor(async () => (await server.do('books', 'eth0')).received > 500, { what: 'the stream' });
    return async () => {
      await client.do('halt', 'eth0');
      return sent;
    };
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}: kill -9 of the capture process: the link is back within 2 s`, async (t) => {
      const bridge = await Bridge.start(lab, { runmode, rules: [ATTACK_RULE] });
      await untilBlocked(bridge, client);
      assert.ok((await client.do('tcpOpen', 'c', ADDRESS.server, 7000)) > 0);
      assert.equal(await client.do('tcpSay', 'c', 'before'), 'before');
      const end = await streaming(8000);
      const old = await bridge.childPid('capture');
      const killed = Date.now();
      process.kill(old, 'SIGKILL');
      const blocked = await untilBlocked(bridge, client, killed);
      assert.equal(await client.do('tcpSay', 'c', 'after'), 'after', 'a connection lives through it');
      const sent = await end();
      const books = await server.do('books', 'eth0');
      t.diagnostic(
        `from kill -9 of the capture process: link dead for ${Math.round(books.maxGapMs)} ms, attacks blocked after ${Math.round(blocked)} ms, ${sent - books.received} packets lost at 8,000/s`,
      );
      assert.ok(books.maxGapMs < 2000, `the link was dead for ${books.maxGapMs} ms`);
      assert.ok(blocked < 2000, `attacks were blocked again after ${blocked} ms`);
      assert.equal(books.disordered, 0);
      assert.ok(books.holes <= 8, 'one hole in each flow');
      assert.ok(sent - books.received < 8 * (books.maxGapMs + 200), `${sent - books.received} lost in ${books.maxGapMs} ms`);
      assert.equal(await bridge.metric('process_restarts_total', { process: 'capture' }), 1);
      if (runmode === 'autofp') assert.equal(await bridge.metric('process_restarts_total', { process: 'detect' }), 0);
      assert.ok(!isRunning(old));
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
    });

    test(`${runmode}: SIGTERM under 20,000 packets/s: what was taken in goes out, no process is left`, async () => {
      for (const side of ['client', 'server'] as const)
        assert.equal((await lab.exec(side, 'sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1'])).code, 0);
      const bridge = await Bridge.start(lab, { runmode, rules: [ATTACK_RULE], sluice: runmode === 'autofp' ? { workers: 2 } : {} });
      const end = await streaming(20_000);
      await waitFor(async () => (await server.do('books', 'eth0')).received > 10_000, { what: 'half a second of it' });
      const pids = [bridge.pid, ...bridge.children().map(({ pid }) => pid)];
      assert.equal(pids.length, runmode === 'autofp' ? 3 : 2);
      const stopped = await bridge.stop();
      const sent = await end();
      const books = await server.do('books', 'eth0');
      assert.equal(stopped.status, '0', bridge.output);
      assert.ok(stopped.packets > 10_000 && stopped.packets < sent);
      assert.equal(stopped.passed + stopped.dropped, stopped.packets);
      const { capture } = bridge.eve('stats').at(-1).stats;
      assert.equal(capture.kernel_drops, 0);
      assert.equal(capture.transmitted, stopped.passed);
      // ARP is all else that may have crossed, if anything.
      assert.ok(
        stopped.passed - books.received <= 4 && stopped.passed >= books.received,
        `${stopped.passed} passed, ${books.received} arrived`,
      );
      assert.deepEqual([books.disordered, books.holes, stopped.dropped], [0, 0, 0]);
      for (const pid of pids) assert.ok(!isRunning(pid), `process ${pid}`);
      assert.equal((await lab.exec('bridge', 'ss', ['-Han', '--packet'])).stdout, '', 'no socket left');
    });

    test(`${runmode}: kill -9 of the supervisor: its children end`, async () => {
      const bridge = await Bridge.start(lab, { runmode });
      const pids = bridge.children().map(({ pid }) => pid);
      bridge.signal('SIGKILL');
      assert.equal((await bridge.end()).status, 'SIGKILL');
      await waitFor(() => !pids.some(isRunning), { timeoutMs: 5000, what: `processes ${pids} to end` });
    });
  }

  test('stopped (SIGSTOP) the capture process is found, killed and replaced', async (t) => {
    const bridge = await Bridge.start(lab, { runmode: 'workers', rules: [ATTACK_RULE] });
    const end = await streaming(2000);
    const at = Date.now();
    process.kill(await bridge.childPid('capture'), 'SIGSTOP');
    await bridge.said(/does not answer: thread C#01 has stood still .*killed/);
    const blocked = await untilBlocked(bridge, client, at);
    await end();
    t.diagnostic(`from SIGSTOP of the capture process to the first attack blocked: ${Math.round(blocked)} ms`);
    assert.ok(blocked < 8000, `${blocked} ms`);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });
});
