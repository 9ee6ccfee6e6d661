import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { ATTACK_RULE, untilBlocked } from '../support/attack.js';
import { Bridge, descriptors, statusOfThreads } from '../support/bridge.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const NOBODY = '65534';

describe('processes: names, rights, descriptors', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();

  test('autofp: a capture process with the sockets, a detection process with no right and no socket, also after a restart', async () => {
    const client = await Peer.start(lab, 'client');
    const bridge = await Bridge.start(lab, { rules: [ATTACK_RULE], sluice: { workers: 2 } });
    await untilBlocked(bridge, client);
    assert.deepEqual(
      bridge
        .children()
        .map(({ title }) => title)
        .sort(),
      ['sluice: capture', 'sluice: detect'],
    );
    const capture = await bridge.childPid('capture');
    assert.equal(socketsOf(capture).filter(({ kind }) => kind === 'packet').length, 2);
    confined(await bridge.childPid('detect'));
    process.kill(await bridge.childPid('detect'), 'SIGKILL');
    await bridge.said(/the detect process is back/);
    confined(await bridge.childPid('detect'));
    await untilBlocked(bridge, client);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });

  test('workers: one process that does both', async () => {
    const bridge = await Bridge.start(lab, { runmode: 'workers', threads: 2 });
    assert.deepEqual(
      bridge.children().map(({ title }) => title),
      ['sluice: capture + detect'],
    );
    assert.equal(socketsOf(await bridge.childPid('capture')).filter(({ kind }) => kind === 'packet').length, 4);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });

  test('no packet socket in the supervisor; idle, nothing turns', async () => {
    const bridge = await Bridge.start(lab, { sluice: { workers: 2 } });
    assert.deepEqual(
      socketsOf(bridge.pid).filter(({ kind }) => kind === 'packet'),
      [],
    );
    const pids = [bridge.pid, ...bridge.children().map(({ pid }) => pid)];
    const ticks = () => pids.map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15).map(Number));
    const total = () =>
      ticks()
        .flat()
        .reduce((sum, n) => sum + n, 0);
    // Compilers and collectors of a fresh process come to rest first.
    await waitFor(
      async () => {
        const before = total();
        await new Promise((resolve) => setTimeout(resolve, 500));
        // 1/100 s each: at most 4 % of one CPU.
        return total() - before <= 2;
      },
      { timeoutMs: 8000, intervalMs: 0, what: 'an idle engine to use next to no CPU' },
    );
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });

  function confined(pid: number): void {
    for (const key of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      for (const value of statusOfThreads(pid, key)) assert.equal(Number.parseInt(value, 16), 0, `${key} ${value}`);
    for (const key of ['Uid', 'Gid'])
      for (const value of statusOfThreads(pid, key)) assert.deepEqual(value.split(/\s+/), Array(4).fill(NOBODY));
    for (const value of statusOfThreads(pid, 'Groups')) assert.equal(value, '');
    assert.deepEqual(
      // Standard streams are whatever Sluice was started with, here Node's pipes, which are sockets.
      socketsOf(pid)
        .filter(({ fd }) => fd > 2)
        .map(({ kind }) => kind),
      ['unix', 'unix'],
      'messages of the supervisor, the rules it sends, and nothing else',
    );
    for (const { fd, target } of descriptors(pid))
      assert.match(target, /^(socket:|pipe:|anon_inode:|\/dev\/null$|\/memfd:sluice-(counters|arena))/, `descriptor ${fd}`);
  }
});

/** Sockets of a process by the kernel table that lists them. */
function socketsOf(pid: number): { fd: number; kind: string }[] {
  const tables = ['packet', 'tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6', 'netlink', 'unix'].map((kind) => {
    const rows = readFileSync(`/proc/${pid}/net/${kind}`, 'utf8').split('\n').slice(1);
    return { kind, words: new Set(rows.flatMap((row) => row.trim().split(/\s+/))) };
  });
  return descriptors(pid).flatMap(({ fd, target }) => {
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode === undefined) return [];
    return [{ fd, kind: tables.find(({ words }) => words.has(inode))?.kind ?? 'unknown' }];
  });
}
