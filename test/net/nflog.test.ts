import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearNetfilter, packetsBySource, reported, statusRows, typed } from '../support/gateway.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const RULES = ['drop udp any any -> any 5000 (msg:"evil"; content:"evil"; sid:1;)'];
const UDP = '-p udp --dport 5000';

describe('NFLOG: packets of log groups are seen, and blocked by nobody', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let router: Peer;
  let server: Peer;

  test('a router between client and server', async () => {
    await makeRouter(lab);
    [client, router, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'bridge'), await Peer.start(lab, 'server')];
    for (const peer of [router, server]) await peer.do('udpServe', 5000);
  });

  /** Sends, and waits until it has arrived: what is only logged is not held up. */
  async function arrives(from: Peer, address: string, to: Peer, text: string): Promise<void> {
    await from.do('udpSend', address, 5000, text);
    await waitFor(async () => (await to.do('udpGot')).includes(text), { what: `${text} to arrive` });
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}: INPUT, FORWARD and OUTPUT, IPv4 and IPv6, iptables and nft, each with a group of its own`, async () => {
      await clearNetfilter(lab);
      await typed(
        lab,
        `iptables -A INPUT ${UDP} -j NFLOG --nflog-group 10`,
        `iptables -A FORWARD ${UDP} -j NFLOG --nflog-group 11`,
        `ip6tables -A INPUT ${UDP} -j NFLOG --nflog-group 12`,
        `ip6tables -A FORWARD ${UDP} -j NFLOG --nflog-group 13 --nflog-prefix "with a prefix"`,
        `iptables -A OUTPUT ${UDP} -j NFLOG --nflog-group 14`,
        'nft add table inet own',
        `nft 'add chain inet own forward { type filter hook forward priority 10; }'`,
        'nft add rule inet own forward udp dport 5000 log group 65535',
      );
      const groups = [10, 11, 12, 13, 14, 65535];
      const bridge = await Bridge.start(lab, {
        runmode,
        rules: RULES,
        capture: groups.map((group) => `--nflog=${group}`),
        args: ['--set', 'sluice.workers=2'],
      });
      const ways: [Peer, string, Peer, string, string[]][] = [
        [client, ROUTED.left, router, '10.99.0.254', ['NFLOG#10']],
        [client, ROUTED.server, server, ROUTED.server, ['NFLOG#11', 'NFLOG#65535']],
        [client, ROUTED.left6, router, 'fd99:0000:0000:0000:0000:0000:0000:00fe', ['NFLOG#12']],
        [client, ROUTED.server6, server, 'fd98:0000:0000:0000:0000:0000:0000:0002', ['NFLOG#13', 'NFLOG#65535']],
        [router, ROUTED.server, server, ROUTED.server, ['NFLOG#14']],
      ];
      for (const [i, [from, address, to]] of ways.entries()) await arrives(from, address, to, `${runmode} evil ${i}`);
      const expected = ways.flatMap((way) => way[4]).sort();
      await waitFor(() => bridge.fast().length >= expected.length && bridge.eve('alert').length >= expected.length, {
        what: 'an alert for each group',
      });
      assert.deepEqual(
        reported(bridge),
        expected.map((name) => `${name} allowed`),
      );
      for (const [, , , address, names] of ways) {
        const found = bridge.eve('alert').filter((record) => record.dest_ip === address && names.includes(record.in_iface));
        for (const name of names)
          assert.ok(
            found.some((record) => record.in_iface === name),
            `${name} saw ${address}`,
          );
      }
      assert.equal(bridge.fast('[wDrop] [**] [1:1:').length, expected.length);
      assert.equal(bridge.fast('[Drop]').length, 0);
      assert.deepEqual(bridge.eve('drop'), []);
      const rows = await statusRows(lab);
      for (const group of groups)
        assert.ok(
          rows.some((row) => new RegExp(`^NFLOG#${group} \\| C#\\d+ \\| [12] \\| 0 \\| 0$`).test(row)),
          `NFLOG#${group} in\n${rows.join('\n')}`,
        );
      const { stopped, stats } = await end(bridge);
      assert.equal(stopped.packets, expected.length);
      assert.deepEqual([stopped.dropped, stopped.passed], [0, expected.length]);
      assert.equal(stats.decoder.ipv4, 4, 'two of the groups and both sides of FORWARD');
      assert.equal(stats.decoder.ipv6, 3);
      assert.deepEqual([stats.nflog.lost, stats.netlink.overruns], [0, 0]);
    });
  }

  test('--nflog takes all groups of the configuration; -nflog is the same; --nflog=N of another with the defaults', async () => {
    await clearNetfilter(lab);
    await typed(lab, ...[2, 3, 4].map((group) => `iptables -A FORWARD ${UDP} -j NFLOG --nflog-group ${group}`));
    const yaml = `nflog:
  - group: 2
    buffer-size: 18432
  - group: 3
  - group: default
    qthreshold: 1
    qtimeout: 100
    max-size: 20000
`;
    for (const [capture, expected] of [
      [['--nflog'], [2, 3]],
      [['-nflog'], [2, 3]],
      [['--nflog=4'], [4]],
      [
        ['-nflog', '--nflog=4', '--nflog=2'],
        [2, 3, 4],
      ],
    ] as [string[], number[]][]) {
      const bridge = await Bridge.start(lab, { rules: RULES, capture, yaml });
      await arrives(client, ROUTED.server, server, `evil ${capture.join(' ')}`);
      const all = expected.map((group) => `NFLOG#${group} allowed`);
      await waitFor(() => bridge.eve('alert').length >= all.length, { what: `alerts with ${capture.join(' ')}` });
      const { stopped } = await end(bridge);
      assert.deepEqual(reported(bridge), all, capture.join(' '));
      assert.equal(stopped.packets, all.length);
    }
  });

  test('--nflog-size: a packet that netfilter cut is counted as truncated; rules see what there is', async () => {
    await clearNetfilter(lab);
    await typed(
      lab,
      `iptables -A FORWARD ${UDP} -j NFLOG --nflog-group 40 --nflog-size 64`,
      `iptables -A FORWARD ${UDP} -j NFLOG --nflog-group 41`,
    );
    const bridge = await Bridge.start(lab, { rules: RULES, capture: ['--nflog=40', '--nflog=41'] });
    await arrives(client, ROUTED.server, server, 'evil, short');
    await arrives(client, ROUTED.server, server, `evil${'-'.repeat(500)}`);
    await waitFor(() => bridge.eve('alert').length >= 4, { what: 'both packets, twice' });
    assert.equal(await bridge.metric('truncated_packets_total', { interface: 'NFLOG#40' }), 1);
    assert.equal(await bridge.metric('truncated_packets_total', { interface: 'NFLOG#41' }), 0);
    const { stopped, stats } = await end(bridge);
    assert.deepEqual(reported(bridge), ['NFLOG#40 allowed', 'NFLOG#40 allowed', 'NFLOG#41 allowed', 'NFLOG#41 allowed']);
    assert.deepEqual([stopped.packets, stats.decoder.invalid, stats.nflog.lost], [4, 0, 0]);
  });

  async function end(bridge: Bridge) {
    const stopped = await bridge.stop();
    assert.equal(stopped.status, '0', bridge.output);
    return { stopped, stats: bridge.eve('stats').at(-1).stats };
  }

  describe('batches', () => {
    const batched = (group: number, qthreshold: number, qtimeout: number) =>
      `  - group: ${group}\n    qthreshold: ${qthreshold}\n    qtimeout: ${qtimeout}\n    max-size: 65536\n`;
    const seen = (bridge: Bridge, group: number) => reported(bridge).filter((one) => one === `NFLOG#${group} allowed`).length;

    for (const runmode of RUNMODES) {
      test(`${runmode}: qthreshold packets at once, or what there is after qtimeout, or what there is at the end`, async () => {
        await clearNetfilter(lab);
        // By destination port, so that each group counts its own packets.
        await typed(
          lab,
          ...[20, 21, 22, 23].map((group) => `iptables -A FORWARD -p udp --dport 50${group} -j NFLOG --nflog-group ${group}`),
        );
        const bridge = await Bridge.start(lab, {
          runmode,
          rules: ['drop udp any any -> any any (msg:"evil"; content:"evil"; sid:1;)'],
          capture: ['--nflog'],
          yaml: `nflog:\n${batched(20, 8, 100_000)}${batched(21, 1000, 100)}${batched(22, 1000, 100_000)}${batched(23, 1, 100_000)}`,
        });
        const send = async (group: number, count: number) => {
          for (let i = 0; i < count; i++) await client.do('udpSend', ROUTED.server, 5000 + group, `evil ${i}`);
        };
        await send(20, 7);
        await send(22, 5);
        const began = Date.now();
        await send(21, 3);
        await send(23, 1);
        await waitFor(() => seen(bridge, 23) === 1, { what: 'the group that does not wait' });
        assert.deepEqual([seen(bridge, 20), seen(bridge, 22)], [0, 0], 'seven of eight wait, and five of a thousand');
        await waitFor(() => seen(bridge, 21) === 3, { what: 'qtimeout of a second' });
        assert.ok(Date.now() - began >= 900, 'three of a thousand waited for their qtimeout');
        assert.deepEqual([seen(bridge, 20), seen(bridge, 22)], [0, 0]);
        await send(20, 1);
        await waitFor(() => seen(bridge, 20) === 8, { what: 'eight at once' });
        assert.deepEqual(await packetsBySource(bridge), { 'NFLOG#20': 8, 'NFLOG#21': 3, 'NFLOG#22': 0, 'NFLOG#23': 1 });
        // The kernel hands over what it holds when the group is given back. That takes a right which the process that
        // parses packets has given up in run mode workers: there, the last batch is lost.
        const last = runmode === 'workers' ? 0 : 5;
        const { stopped, stats } = await end(bridge);
        assert.equal(seen(bridge, 22), last);
        assert.deepEqual([stopped.packets, stopped.alerts, stopped.dropped], [12 + last, 12 + last, 0]);
        assert.equal(stats.nflog.lost, 0);
      });
    }
  });
});
