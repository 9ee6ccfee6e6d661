import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { ROOT } from '../../src/native.js';
import { Bridge, pair, RUNMODES } from '../support/bridge.js';
import { ADDRESS, type Side, skipWithoutNamespaces, useNamespaces } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { ALL_WORDS, checkLogs, REJECT_RULES, TALK_PORT, talkIsRejected } from '../support/rejected.js';

describe('reject on an AF_PACKET bridge', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('somebody who talks at both ends', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('talkServe', TALK_PORT);
  });

  async function tcp(t: TestContext, what: string, delivered: boolean): Promise<void> {
    const ends = { client, server, delivered };
    for (const [ip, host] of [
      ['IPv4', ADDRESS.server],
      ['IPv6', ADDRESS.server6],
    ]) {
      for (const word of ALL_WORDS) await talkIsRejected(t, `${what}, ${ip}`, word, { ...ends, host });
      for (const word of ALL_WORDS) await talkIsRejected(t, `${what}, ${ip}, from the server`, word, { ...ends, host, from: 'server' });
    }
  }

  async function udp(t: TestContext, what: string, delivered: boolean): Promise<void> {
    const talk = { proto: 'udp', client, server, delivered } as const;
    for (const word of ALL_WORDS) {
      await talkIsRejected(t, `${what}, UDP over IPv4`, word, { ...talk, host: ADDRESS.server, clientHost: ADDRESS.client });
      await talkIsRejected(t, `${what}, UDP over IPv6`, word, { ...talk, host: ADDRESS.server6, clientHost: ADDRESS.client6 });
    }
  }

  async function noneFailed(bridge: Bridge): Promise<void> {
    assert.equal(await bridge.metric('rejects_total', { result: 'failed' }), 0);
    assert.equal(await bridge.metric('rejects_total', { result: 'limited' }), 0);
    assert.equal(await bridge.metric('send_errors_total'), 0);
  }

  const ALL_SIDS = [1, 2, 3, 4, 11, 12, 13, 14, 21, 22, 23, 24];

  for (const runmode of RUNMODES)
    for (const [mode, gso] of [
      ['ips', 'auto'],
      ['ips', 'no'],
      ['tap', 'auto'],
    ] as const)
      test(`${runmode}, ${mode}, gso: ${gso}: TCP is reset, UDP refused, at the ends that are to be told`, async (t) => {
        if (gso === 'no') await offloads('off');
        const bridge = await Bridge.start(lab, { runmode, rules: REJECT_RULES, interfaces: pair(mode), sluice: { gso } });
        await tcp(t, mode, mode === 'tap');
        await udp(t, mode, mode === 'tap');
        await checkLogs(bridge, ALL_SIDS, mode === 'ips' ? 'ips' : 'ids');
        await noneFailed(bridge);
        const stopped = await bridge.stop();
        assert.equal(stopped.status, '0', bridge.output);
        if (mode === 'tap') assert.equal(stopped.dropped, 0);
        if (gso === 'no') await offloads('on');
      });

  async function offloads(how: 'on' | 'off'): Promise<void> {
    for (const side of ['client', 'server'] as const) await run(side, `ethtool -K eth0 tx ${how} tso ${how} gso ${how} gro ${how}`);
  }

  const STACKS: [string, string[], RegExp][] = [
    ['802.1Q', ['0x8100:7'], /\[7\]/],
    ['QinQ', ['0x8100:9', '0x88a8:8'], /\[8,9\]/],
  ];
  for (const [name, tags, recorded] of STACKS)
    test(`VLAN tags, ${name}: the answers carry them too`, async (t) => {
      const programs = mkdtempSync(join(tmpdir(), 'sluice-bpf-'));
      const loaded = spawnSync('python3', [join(ROOT, 'test', 'support', 'vlan_program.py'), programs, ...tags], { encoding: 'utf8' });
      try {
        if (loaded.status !== 0) return t.skip(`no eBPF here: ${loaded.stderr.trim().split('\n').at(-1)}`);
        for (const side of ['client', 'server'] as const) {
          await run(side, 'tc qdisc add dev eth0 clsact');
          await run(side, `tc filter add dev eth0 egress bpf da object-pinned ${programs}/push`);
          await run(side, `tc filter add dev eth0 ingress bpf da object-pinned ${programs}/pop`);
        }
        for (const mode of ['ips', 'tap'] as const) {
          const bridge = await Bridge.start(lab, { rules: REJECT_RULES, interfaces: pair(mode) });
          await tcp(t, `${mode}, ${name}`, mode === 'tap');
          await udp(t, `${mode}, ${name}`, mode === 'tap');
          await checkLogs(bridge, ALL_SIDS, mode === 'ips' ? 'ips' : 'ids');
          for (const record of bridge.eve('alert')) assert.match(JSON.stringify(record.vlan), recorded);
          await noneFailed(bridge);
          assert.equal((await bridge.stop()).status, '0', bridge.output);
        }
      } finally {
        for (const side of ['client', 'server'] as const) await lab.exec(side, 'tc', ['qdisc', 'del', 'dev', 'eth0', 'clsact']);
        spawnSync('umount', [programs]);
        rmSync(programs, { recursive: true, force: true });
      }
    });

  async function run(side: Side, line: string): Promise<void> {
    const [command, ...args] = line.split(' ');
    const result = await lab.exec(side, command, args);
    assert.equal(result.code, 0, `${line}: ${result.stderr}`);
  }
});
