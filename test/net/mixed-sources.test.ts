import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ethernet, ipv4, PROTO, udp } from '../../src/lab/packets.js';
import { Bridge, pair, RUNMODES } from '../support/bridge.js';
import { clearNetfilter, packetsBySource, reported, statusRows, typed } from '../support/gateway.js';
import { type Side, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';

const RULES = ['drop udp any any -> any any (msg:"evil"; content:"evil"; sid:1;)'];
/** Beside the bridged pair: a routed way through the bridge namespace, for netfilter to see. */
const FAR = '10.96.0.2';
const FAR6 = 'fd96::2';

function datagram(text: string, srcPort: number): Uint8Array {
  const [src, dst] = ['10.99.1.1', '10.99.1.2'];
  const segment = udp({ src, dst, srcPort, dstPort: 4000 }, Buffer.from(text));
  return ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, ipv4({ src, dst, proto: PROTO.udp }, segment));
}

const texts = (frames: Uint8Array[]) => frames.map((frame) => Buffer.from(frame.subarray(42)).toString());

/**
 *   client                bridge                 server
 *    eth0 =========== eth0 <bridged> eth1 ======= eth0
 *    mon0 =========== ids0  (IDS)
 *    nf0  =========== nf0  <routed>  nf1 ======== nf0      FORWARD: NFQUEUE 0 and 7, NFLOG 2 and 9
 */
describe('mixed mode: sources of every kind in one run', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;
  let port = 1000;

  test('a bridged pair, an interface to listen on, and a routed way', async () => {
    const [c, b, s] = (['client', 'bridge', 'server'] as Side[]).map((side) => lab.name(side));
    const run = async (side: Side, ...lines: string[]) => {
      for (const line of lines) assert.equal((await lab.exec(side, 'ip', line.split(' '))).code, 0, line);
    };
    await run(
      'client',
      `link add mon0 netns ${c} type veth peer name ids0 netns ${b}`,
      `link add nf0 netns ${c} type veth peer name nf0 netns ${b}`,
      `link add nf0 netns ${s} type veth peer name nf1 netns ${b}`,
      'link set mon0 up',
      'link set nf0 up',
      'addr add 10.97.0.1/24 dev nf0',
      'addr add fd97::1/64 dev nf0 nodad',
      'route add 10.96.0.0/24 via 10.97.0.254',
      'route add fd96::/64 via fd97::fe',
    );
    await typed(lab, 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.nf0.disable_ipv6=0 net.ipv6.conf.nf1.disable_ipv6=0');
    await typed(lab, 'sysctl -qw net.ipv6.conf.all.forwarding=1');
    await run(
      'bridge',
      'link set ids0 up',
      'link set nf0 up',
      'link set nf1 up',
      'addr add 10.97.0.254/24 dev nf0',
      'addr add 10.96.0.254/24 dev nf1',
      'addr add fd97::fe/64 dev nf0 nodad',
      'addr add fd96::fe/64 dev nf1 nodad',
    );
    await run(
      'server',
      'link set nf0 up',
      `addr add ${FAR}/24 dev nf0`,
      `addr add ${FAR6}/64 dev nf0 nodad`,
      'route add 10.97.0.0/24 via 10.96.0.254',
      'route add fd97::/64 via fd96::fe',
    );
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const name of ['eth0', 'mon0']) await client.do('listen', name);
    await server.do('listen', 'eth0');
    await server.do('udpServe', 5000);
  });

  /** Many of them are sent while one is awaited: whatever is to arrive has arrived before the last harmless one. */
  const got = async (what: string) => (await server.do('udpGot')).filter((text) => text.endsWith(what)).sort();

  for (const runmode of RUNMODES) {
    test(`${runmode}: seven sources, and the mode travels with the packet: blocked here, reported there, in the same second`, async () => {
      await clearNetfilter(lab);
      await typed(
        lab,
        // By the packet's TOS, so that one port, one rule and one pair of hosts are enough.
        'iptables -A FORWARD -p udp -m dscp --dscp 1 -j NFQUEUE --queue-num 0',
        'ip6tables -A FORWARD -p udp --dport 5000 -j NFQUEUE --queue-num 7',
        'iptables -A FORWARD -p udp -m dscp --dscp 2 -j NFLOG --nflog-group 2',
        'iptables -A FORWARD -p udp -m dscp --dscp 3 -j NFLOG --nflog-group 9',
      );
      const bridge = await Bridge.start(lab, {
        runmode,
        rules: RULES,
        interfaces: pair(),
        capture: ['--af-packet', '-i', 'ids0', '-q', '0', '-q', '7', '--nflog=2', '--nflog=9'],
        args: ['--set', 'sluice.workers=2'],
      });
      const id = `${runmode} run`;
      const send = async (text: string, dscp: number, host = FAR) => {
        if (dscp > 0) {
          await lab.exec('client', 'iptables', ['-t', 'mangle', '-F', 'OUTPUT']);
          const line = ['-t', 'mangle', '-A', 'OUTPUT', '-p', 'udp', '-j', 'DSCP', '--set-dscp', String(dscp)];
          assert.equal((await lab.exec('client', 'iptables', line)).code, 0);
        }
        await client.do('udpSend', host, 5000, `${text} ${id}`);
      };
      await server.do('reset', 'eth0');
      for (const [dscp, name] of [
        [1, 'queue 0'],
        [2, 'group 2'],
        [3, 'group 9'],
      ] as const) {
        await send(`good ${name}`, dscp);
        await send(`evil ${name}`, dscp);
        await send(`good after ${name}`, dscp);
      }
      await send('good queue 7', 0, FAR6);
      await send('evil queue 7', 0, FAR6);
      await send('good after queue 7', 0, FAR6);
      await client.do('send', 'mon0', [datagram('evil', port++)]);
      await client.do('send', 'eth0', [datagram('evil', port++), datagram('good', port++)]);
      await waitFor(async () => (await got(`good after queue 7 ${id}`)).length === 1, { what: 'the last of them' });
      await waitFor(async () => texts(await server.do('frames', 'eth0')).includes('good'), { what: 'the harmless frame' });
      assert.deepEqual(
        await got(id),
        [
          ...['group 2', 'group 9', 'queue 0', 'queue 7'].flatMap((name) => [`good ${name} ${id}`, `good after ${name} ${id}`]),
          `evil group 2 ${id}`,
          `evil group 9 ${id}`,
        ].sort(),
        'attacks arrive where they are only logged',
      );
      assert.ok(!texts(await server.do('frames', 'eth0')).includes('evil'));

      const expected = ['NFLOG#2 allowed', 'NFLOG#9 allowed', 'NFQ#0 blocked', 'NFQ#7 blocked', 'eth0 blocked', 'ids0 allowed'];
      await waitFor(() => reported(bridge).length >= expected.length, { what: 'an alert of each source' });
      assert.deepEqual(reported(bridge), expected.sort());
      assert.equal(bridge.fast('[Drop] [**] [1:1:').length, 3);
      assert.equal(bridge.fast('[wDrop] [**] [1:1:').length, 3);
      assert.deepEqual(
        bridge
          .eve('drop')
          .map((record) => `${record.in_iface} ${record.drop.reason}`)
          .sort(),
        ['NFQ#0 rules', 'NFQ#7 rules', 'eth0 rules'],
      );

      const packets = await packetsBySource(bridge);
      assert.deepEqual(
        Object.keys(packets)
          .filter((name) => name !== '')
          .sort(),
        ['NFLOG#2', 'NFLOG#9', 'NFQ#0', 'NFQ#7', 'eth0-eth1', 'ids0'],
      );
      for (const name of ['NFLOG#2', 'NFLOG#9', 'NFQ#0', 'NFQ#7']) assert.equal(packets[name], 3, name);
      const rows = await statusRows(lab);
      for (const row of [
        /^NFQ#0 \| C#\d+ \| 3 \| \d+ of 8,192 \|/,
        /^NFQ#7 \| C#\d+ \| 3 \|/,
        /^NFLOG#2 \| C#\d+ \| 3 \| 0 \| 0$/,
        /^NFLOG#9 \|/,
      ])
        assert.ok(
          rows.some((one) => row.test(one)),
          `${row} in\n${rows.join('\n')}`,
        );
      for (const [name, count] of Object.entries({ 'eth0-eth1': '\\d+', ids0: '\\d+', 'NFQ#0': 3, 'NFQ#7': 3, 'NFLOG#2': 3, 'NFLOG#9': 3 }))
        assert.ok(
          rows.some((one) => new RegExp(`^C#\\d+ \\| ${name} \\| ${count} \\|`).test(one)),
          `a thread for ${name} with ${count} packets in\n${rows.join('\n')}`,
        );
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.deepEqual([stopped.dropped, stopped.alerts], [3, 6]);
      assert.equal(stopped.passed + stopped.dropped, stopped.packets);
    });

    test(`${runmode}: the same second: one attack to a queue and one to a group, both reported with its own action`, async () => {
      await clearNetfilter(lab);
      await typed(
        lab,
        'iptables -A FORWARD -p udp --sport 3001 -j NFQUEUE',
        'iptables -A FORWARD -p udp --sport 3002 -j NFLOG --nflog-group 2',
      );
      const bridge = await Bridge.start(lab, { runmode, rules: RULES, capture: ['-q', '0', '--nflog=2'] });
      const text = `evil ${runmode} at once`;
      await Promise.all([3001, 3002].map((from) => client.do('udpSend', FAR, 5000, `${text} ${from}`, from)));
      await waitFor(() => reported(bridge).length >= 2, { what: 'both alerts' });
      await waitFor(async () => (await server.do('udpGot')).includes(`${text} 3002`), { what: 'the logged one to arrive' });
      assert.deepEqual(reported(bridge), ['NFLOG#2 allowed', 'NFQ#0 blocked']);
      const [a, b] = bridge.eve('alert').map((record) => Date.parse(record.timestamp));
      assert.ok(Math.abs(a - b) < 1000, `${Math.abs(a - b)} ms apart`);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      assert.ok(!(await server.do('udpGot')).includes(`${text} 3001`));
      assert.match(bridge.fast(':3001 ->')[0], /\[Drop\]/);
      assert.match(bridge.fast(':3002 ->')[0], /\[wDrop\]/);
    });

    test(`${runmode}: the same packet logged and queued: the log's copy is reported, the queue's is blocked`, async () => {
      await clearNetfilter(lab);
      await typed(
        lab,
        'iptables -A FORWARD -p udp --dport 5000 -j NFLOG --nflog-group 2',
        'iptables -A FORWARD -p udp --dport 5000 -j NFQUEUE --queue-num 0',
      );
      const bridge = await Bridge.start(lab, { runmode, rules: RULES, capture: ['-q', '0', '--nflog=2'] });
      const from = port++;
      const id = `${runmode} both ways`;
      await client.do('udpSend', FAR, 5000, `good ${id}`, from);
      await waitFor(async () => (await got(id)).length === 1, { what: 'what is harmless to arrive' });
      await client.do('udpSend', FAR, 5000, `evil ${id}`, from);
      await client.do('udpSend', FAR, 5000, `more ${id}`, from);
      await client.do('udpSend', FAR, 5000, `other ${id}`, port++);
      await waitFor(async () => (await got(id)).length >= 3, { what: 'the rest of the flow, and another' });
      await waitFor(() => reported(bridge).length >= 2, { what: 'both alerts' });
      assert.deepEqual(await got(id), [`good ${id}`, `more ${id}`, `other ${id}`]);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.deepEqual(reported(bridge), ['NFLOG#2 allowed', 'NFQ#0 blocked']);
      assert.deepEqual(
        bridge.eve('drop').map((record) => `${record.in_iface} ${record.drop.reason}`),
        ['NFQ#0 rules'],
      );
      assert.deepEqual([stopped.packets, stopped.dropped], [8, 1]);
    });
  }
});
