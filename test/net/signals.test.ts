import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { SLUICE } from '../../src/lab/engine.js';
import { ATTACK_RULE, attack, untilBlocked } from '../support/attack.js';
import { Bridge, isRunning, RUNMODES, writeFiles } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

describe('signals and the daemon', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
    await server.do('tcpServe', 7000);
    await server.do('udpServe', 7001);
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: HUP after a rotation opens the logs anew, nothing is lost`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: [ATTACK_RULE] });
      await client.do('send', 'eth0', [attack()]);
      await waitFor(() => bridge.fast().length === 1 && bridge.eve('alert').length === 1, { what: 'the first alert' });
      for (const name of ['fast.log', 'eve.json']) renameSync(join(bridge.files.logs, name), join(bridge.files.logs, `${name}.1`));
      await client.do('send', 'eth0', [attack()]);
      await waitFor(() => bridge.log('fast.log.1').trimEnd().split('\n').length === 2, { what: 'the old file to take the second' });
      bridge.signal('SIGHUP');
      await bridge.said(/logs reopened/);
      await waitFor(() => existsSync(join(bridge.files.logs, 'fast.log')), { what: 'a new file' });
      await client.do('send', 'eth0', [attack()]);
      await waitFor(() => bridge.fast().length === 1 && bridge.eve('alert').length === 1, { what: 'the third alert, in the new files' });
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      assert.equal(bridge.log('fast.log.1').trimEnd().split('\n').length, 2);
    });

    test(`${runmode}: USR2 takes new rules, connections stay, no packet is lost; bad rules change nothing`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: ['alert tcp any any -> any 7000 (msg:"old"; content:"oldword"; sid:1;)'] });
      assert.ok((await client.do('tcpOpen', 'c', ADDRESS.server, 7000)) > 0);
      assert.equal(await client.do('tcpSay', 'c', 'oldword newword'), 'oldword newword');
      await server.do('reset', 'eth0');
      const sent = client.do('stream', 'eth0', { flows: 4, pps: 2000 });
      appendFileSync(bridge.files.rules, 'drop tcp any any -> any 7000 (msg:"new"; flow:established; content:"newword"; sid:2;)\n');
      bridge.signal('SIGUSR2');
      await bridge.said(/rule reload complete: 2 rules loaded, 0 failed/);
      assert.equal(await client.do('tcpSay', 'c', 'still here, oldword'), 'still here, oldword', 'the connection of before');
      assert.ok((await client.do('tcpOpen', 'd', ADDRESS.server, 7000)) > 0);
      assert.equal(await client.do('tcpSay', 'd', 'a newword', 700), '', 'the new rule drops');
      assert.equal(await client.do('tcpSay', 'c', 'and newword', 700), '', 'in the old connection too');
      await waitFor(() => bridge.fast('[1:2:').length === 2, { what: 'the new alerts' });
      assert.equal(bridge.fast('[1:1:').length, 2);
      for (const line of bridge.fast('[1:2:')) assert.match(line, /\[Drop\].* new \[/);
      writeFileSync(
        bridge.files.rules,
        'drop tcp any any -> any 7000 (content:"x"; nonsense; sid:3;)\nalert tcp any any -> any any (sid:4;)\n',
      );
      bridge.signal('SIGUSR2');
      await bridge.said(/SLUICE_RULE: .*nonsense/);
      await bridge.said(/rule reload complete: 1 rules loaded, 1 failed/);
      await client.do('halt', 'eth0');
      const count = await sent;
      await waitFor(async () => (await server.do('books', 'eth0')).received === count, { what: 'every datagram of the stream' });
      const books = await server.do('books', 'eth0');
      assert.deepEqual([books.disordered, books.holes], [0, 0]);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });

    test(`${runmode}: USR1 opens no inspector in any process`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: [ATTACK_RULE] });
      const pids = [bridge.pid, ...bridge.children().map(({ pid }) => pid)];
      for (const pid of pids) process.kill(pid, 'SIGUSR1');
      await untilBlocked(bridge, client);
      const listening = (await lab.exec('bridge', 'ss', ['-Hltn'])).stdout.trim().split('\n');
      assert.equal(listening.length, 1, listening.join());
      assert.match(listening[0], /127\.0\.0\.1:9917/);
      assert.deepEqual([bridge.pid, ...bridge.children().map(({ pid }) => pid)], pids, 'all live on');
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.doesNotMatch(bridge.output, /Debugger|inspector/i);
    });
  }

  test('INT stops as TERM does; twice is once', async () => {
    const bridge = await Bridge.start(lab);
    bridge.signal('SIGINT');
    bridge.signal('SIGINT');
    bridge.signal('SIGTERM');
    assert.equal((await bridge.end()).status, '0', bridge.output);
    assert.equal(bridge.output.match(/stopped: /g)?.length, 1);
  });

  test('-D with --pidfile: returns when the engine runs, removes the file at the end', async () => {
    const files = writeFiles({ rules: [ATTACK_RULE] });
    const pidFile = join(files.folder, 'sluice.pid');
    const args = [...files.args, '-D', '--pidfile', pidFile];
    const started = await lab.exec('bridge', SLUICE, args);
    assert.equal(started.code, 0, started.stderr);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    try {
      assert.ok(pid > 0 && isRunning(pid));
      // Forwarding already.
      assert.ok((await client.do('tcpOpen', 'daemon', ADDRESS.server, 7000, 1000)) > 0);
      await client.do('send', 'eth0', [attack()]);
      await waitFor(() => readFileSync(join(files.logs, 'fast.log'), 'utf8').includes('[Drop]'), { what: 'a drop' });
      assert.equal(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ')[3], String(pid), 'a session of its own');
      const second = await lab.exec('bridge', SLUICE, args);
      assert.equal(second.code, 1);
      assert.match(second.stderr, new RegExp(`pid file .*process ${pid} is running`));
    } finally {
      process.kill(pid, 'SIGTERM');
    }
    await waitFor(() => !isRunning(pid), { what: 'the daemon to end' });
    assert.ok(!existsSync(pidFile), 'the pid file is gone');
    assert.equal((await lab.exec('bridge', 'ss', ['-Han', '--packet'])).stdout, '');
  });

  test('-D that cannot begin: status 1, the reason, no pid file', async () => {
    const files = writeFiles({ interfaces: [{ interface: 'eth9' }] });
    const pidFile = join(files.folder, 'sluice.pid');
    const failed = await lab.exec('bridge', SLUICE, [...files.args, '-D', '--pidfile', pidFile]);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /Error: sluice: SLUICE_INTERFACE: .*eth9/);
    assert.ok(!existsSync(pidFile));
  });
});
