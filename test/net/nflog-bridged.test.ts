import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arp, ETHERTYPE, ethernet, ipv4, ipv6, PROTO, udp, type VlanTag } from '../../src/lab/packets.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearNetfilter, typed } from '../support/gateway.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';

const MACS = { src: RAW_SOURCE, dst: RAW_DESTINATION };

/** Each to a port of its own, by which its alert is known. */
function evil(dstPort: number, version: 4 | 6, vlans: VlanTag[]): Uint8Array {
  const [src, dst] = version === 4 ? ['10.99.1.1', '10.99.1.2'] : ['fd99:1::1', 'fd99:1::2'];
  const segment = udp({ src, dst, srcPort: 1000, dstPort }, Buffer.from('evil'));
  return ethernet(
    { ...MACS, vlans },
    version === 4 ? ipv4({ src, dst, proto: PROTO.udp }, segment) : ipv6({ src, dst, nextHeader: PROTO.udp }, segment),
  );
}

const FRAMES: { name: string; port: number; frame: Uint8Array; vlan?: number[] }[] = [
  { name: 'IPv4', port: 5001, frame: evil(5001, 4, []) },
  { name: 'IPv6', port: 5002, frame: evil(5002, 6, []) },
  { name: 'IPv4 in 802.1Q', port: 5003, frame: evil(5003, 4, [{ id: 5, pcp: 3 }]), vlan: [5] },
  { name: 'IPv6 in 802.1Q', port: 5004, frame: evil(5004, 6, [{ id: 4095 }]), vlan: [4095] },
  { name: 'IPv4 in QinQ', port: 5005, frame: evil(5005, 4, [{ tpid: ETHERTYPE.qinq, id: 10 }, { id: 20 }]), vlan: [10, 20] },
];
/** No IP, and no reason to stumble. */
const OTHERS = [
  ethernet({ ...MACS, etherType: ETHERTYPE.arp }, arp('10.0.0.1', '10.0.0.2')),
  ethernet({ ...MACS, etherType: 0x88b5 }, Uint8Array.of(1, 2, 3)),
  ethernet({ ...MACS, vlans: [{ id: 7 }], etherType: 0x88b5 }, Uint8Array.of(1, 2, 3)),
];

describe('NFLOG of the bridge family: whole frames, as they crossed a Linux bridge', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a Linux bridge between client and server', async () => {
    await typed(
      lab,
      'ip link add br0 type bridge mcast_snooping 0',
      'ip link set eth0 master br0',
      'ip link set eth1 master br0',
      'ip link set br0 up',
      'sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1',
    );
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: ebtables, nft's bridge family and iptables by br_netfilter, tags and all`, async () => {
      await clearNetfilter(lab);
      await typed(
        lab,
        'ebtables -A FORWARD --nflog-group 50 -j CONTINUE',
        'nft add table bridge own',
        `nft 'add chain bridge own forward { type filter hook forward priority 10; }'`,
        'nft add rule bridge own forward log group 51',
        'iptables -A FORWARD -m physdev --physdev-in eth0 -j NFLOG --nflog-group 52',
        'ip6tables -A FORWARD -m physdev --physdev-in eth0 -j NFLOG --nflog-group 52',
      );
      const bridge = await Bridge.start(lab, {
        runmode,
        rules: ['drop udp any any -> any any (msg:"evil"; content:"evil"; sid:1;)'],
        capture: ['--nflog=50', '--nflog=51', '--nflog=52'],
      });
      await server.do('reset', 'eth0');
      const frames = [...OTHERS, ...FRAMES.map(({ frame }) => frame)];
      await client.do('send', 'eth0', frames);
      const all = async () => (await server.do('frames', 'eth0')).length >= frames.length;
      await waitFor(all, { what: 'all frames to arrive' }).catch(() => {});
      const arrived = (await server.do('frames', 'eth0')).map((frame) => Buffer.from(frame).toString('hex')).sort();
      assert.deepEqual(arrived, frames.map((frame) => Buffer.from(frame).toString('hex')).sort(), 'as they were sent');
      const expected = FRAMES.flatMap(({ port, vlan }) =>
        ['NFLOG#50', 'NFLOG#51', ...(vlan === undefined ? ['NFLOG#52'] : [])].map((name) => `${name} ${port} ${vlan ?? '-'} allowed`),
      ).sort();
      const alerts = () =>
        bridge
          .eve('alert')
          .map((record) => `${record.in_iface} ${record.dest_port} ${record.vlan ?? '-'} ${record.alert.action}`)
          .sort();
      await waitFor(() => alerts().length >= expected.length, { what: `${expected.length} alerts` }).catch(() => {});
      assert.deepEqual(alerts(), expected);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(bridge.fast('[wDrop]').length, expected.length);
      assert.equal(stopped.dropped, 0);
      const { stats } = bridge.eve('stats').at(-1);
      assert.equal(stats.decoder.invalid, 0);
      assert.equal(stats.nflog.lost, 0);
      assert.ok(stats.capture.packets >= 2 * frames.length, 'what is no IP was handed over too');
    });
  }
});
