import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ROOT } from '../../src/native.js';
import { Bridge } from '../support/bridge.js';
import { ADDRESS, type Side, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

describe('TCP with VLAN tags that travel beside the packet, as cards deliver them', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers, whose packets leave room for two tags', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    for (const side of ['client', 'server'] as const) {
      await run(side, 'ip route replace 10.99.0.0/24 dev eth0 mtu lock 1492');
      await run(side, 'ip -6 route replace fd99::/64 dev eth0 mtu lock 1492');
    }
  });

  const STACKS: [string, string[], RegExp][] = [
    ['802.1Q', ['0x8100:7'], /\[7\]/],
    ['802.1Q, TCI 0', ['0x8100:0'], /\[0\]/],
    ['802.1ad', ['0x88a8:8'], /\[8\]/],
    ['QinQ', ['0x8100:9', '0x88a8:8'], /\[8,9\]/],
  ];
  for (const [name, tags, recorded] of STACKS)
    test(`${name}: super-packets and partial checksums`, async (t) => {
      const programs = mkdtempSync(join(tmpdir(), 'sluice-bpf-'));
      const loaded = spawnSync('python3', [join(ROOT, 'test', 'support', 'vlan_program.py'), programs, ...tags], { encoding: 'utf8' });
      try {
        if (loaded.status !== 0) return t.skip(`no eBPF here: ${loaded.stderr.trim().split('\n').at(-1)}`);
        for (const side of ['client', 'server'] as const) {
          await run(side, 'tc qdisc add dev eth0 clsact');
          await run(side, `tc filter add dev eth0 egress bpf da object-pinned ${programs}/push`);
          await run(side, `tc filter add dev eth0 ingress bpf da object-pinned ${programs}/pop`);
        }
        for (const [runmode, gso] of [
          ['autofp', 'auto'],
          ['workers', 'no'],
        ] as const) {
          if (gso === 'no') await offloads('off');
          const bridge = await Bridge.start(lab, {
            runmode,
            sluice: { gso },
            rules: ['alert tcp any any -> any 7000 (msg:"text in a VLAN"; flow:established,to_server; content:"find me"; sid:1;)'],
          });
          const what = `${runmode}, gso ${gso}`;
          const echoed = await client.do('tcpEcho', ADDRESS.server, 7000, 4 << 20, 8000);
          assert.equal(echoed.bytes, 4 << 20, what);
          assert.equal(echoed.received, echoed.sent, what);
          assert.ok((await client.do('tcpOpen', 'v', ADDRESS.server6, 7000)) > 0, what);
          assert.equal(await client.do('tcpSay', 'v', 'find me'), 'find me', what);
          assert.ok(await client.do('tcpClose', 'v'), what);
          await waitFor(() => bridge.fast('[1:1:').length >= 1, { what: 'an alert' });
          assert.equal(await bridge.metric('send_errors_total'), 0, what);
          assert.equal((await bridge.stop()).status, '0', bridge.output);
          const flows = bridge.eve('flow').filter((r) => r.proto === 'TCP');
          assert.ok(flows.length >= 2);
          for (const { vlan } of flows) assert.match(JSON.stringify(vlan ?? null), recorded, what);
          const stats = bridge.eve('stats').at(-1).stats;
          if (gso === 'auto') assert.ok(stats.decoder.max_pkt_size > 30_000, `${what}: max_pkt_size ${stats.decoder.max_pkt_size}`);
          else assert.equal(stats.tcp.invalid_checksum, 0);
          if (gso === 'no') await offloads('on');
        }
      } finally {
        for (const side of ['client', 'server'] as const) {
          await lab.exec(side, 'tc', ['qdisc', 'del', 'dev', 'eth0', 'clsact']);
        }
        spawnSync('umount', [programs]);
        rmSync(programs, { recursive: true, force: true });
      }
    });

  async function run(side: Side, line: string): Promise<void> {
    const [command, ...args] = line.split(' ');
    const done = await lab.exec(side, command, args);
    assert.equal(done.code, 0, `${line}: ${done.stderr}`);
  }

  async function offloads(state: 'on' | 'off'): Promise<void> {
    for (const [side, name] of [
      ['client', 'eth0'],
      ['bridge', 'eth0'],
      ['bridge', 'eth1'],
      ['server', 'eth0'],
    ] as const) {
      const done = await lab.exec(side, 'ethtool', ['-K', name, 'tso', state, 'gso', state, 'gro', state]);
      assert.equal(done.code, 0, done.stderr);
    }
  }
});
