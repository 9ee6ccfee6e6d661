import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { arp, ETHERTYPE, ethernet, ipv4, PROTO, udp, type VlanTag } from '../../src/lab/packets.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { scratch } from '../support/capture-bytes.js';
import { type Side, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';
import { Tcpdump } from '../support/tcpdump.js';

const MACS = { src: RAW_SOURCE, dst: RAW_DESTINATION };
const AD = ETHERTYPE.qinq;

function datagram(data: number | string, vlans: VlanTag[]): Uint8Array {
  const [src, dst] = ['10.99.1.1', '10.99.1.2'];
  const body = typeof data === 'string' ? Buffer.from(data) : Uint8Array.from({ length: data }, (_, i) => i);
  return ethernet({ ...MACS, vlans }, ipv4({ src, dst, proto: PROTO.udp }, udp({ src, dst, srcPort: 5, dstPort: 6 }, body)));
}

const FRAMES: [string, Uint8Array][] = [
  ['no tag', datagram('plain', [])],
  ['802.1Q', datagram(100, [{ id: 5 }])],
  ['802.1Q with priority and DEI', ethernet({ ...MACS, etherType: 0x8100 }, Buffer.from('f0650800aabbccdd', 'hex'))],
  ['802.1Q, TCI 0', datagram(101, [{ id: 0 }])],
  ['802.1Q, highest id', datagram(102, [{ id: 4095, pcp: 7 }])],
  ['802.1ad', datagram(103, [{ tpid: AD, id: 10 }])],
  ['802.1ad, TCI 0', datagram(104, [{ tpid: AD, id: 0 }])],
  ['QinQ', datagram(105, [{ tpid: AD, id: 10, pcp: 3 }, { id: 20 }])],
  ['QinQ, both TCI 0', datagram(106, [{ tpid: AD, id: 0 }, { id: 0 }])],
  ['802.1Q in 802.1Q', datagram(107, [{ id: 1 }, { id: 2 }])],
  ['three tags', datagram(108, [{ tpid: AD, id: 1 }, { id: 2 }, { id: 3 }])],
  ['ARP in a VLAN', ethernet({ ...MACS, vlans: [{ id: 7 }], etherType: ETHERTYPE.arp }, arp('10.0.0.1', '10.0.0.2'))],
  ['something unknown in a VLAN', ethernet({ ...MACS, vlans: [{ id: 7 }], etherType: 0x88b5 }, Uint8Array.of(1, 2, 3))],
  ['a tag and little else', ethernet({ ...MACS, vlans: [{ id: 9 }], etherType: 0x88b6 }, Uint8Array.of(1, 2))],
  ['802.1Q at the MTU', datagram(1500 - 28, [{ id: 5 }])],
];
const MARKED = [0x02, 0x53];

describe('VLAN tags', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
  });

  for (const runmode of RUNMODES)
    for (const gso of ['auto', 'no']) {
      test(`${runmode}, gso: ${gso}: every frame crosses byte for byte, both ways`, async () => {
        const bridge = await Bridge.start(lab, { runmode, sluice: { gso } });
        for (const [from, to, side] of [
          [client, server, 'server'],
          [server, client, 'client'],
        ] as const) {
          const observer = await Tcpdump.start(lab, side, join(scratch(), 'seen.pcap'));
          await to.do('reset', 'eth0');
          await from.do(
            'send',
            'eth0',
            FRAMES.map(([, frame]) => frame),
          );
          await waitFor(() => observer.frames(MARKED).length >= FRAMES.length, { timeoutMs: 3000, what: 'all frames' }).catch(() => {});
          const seen = observer.frames(MARKED).map(hex);
          await observer.stop();
          FRAMES.forEach(([name, frame], i) => {
            assert.equal(seen[i], hex(frame), `${name}, seen by the ${side}`);
          });
          assert.equal(seen.length, FRAMES.length);
          assert.deepEqual((await to.do('frames', 'eth0')).map(hex), seen, 'our own socket sees the same');
        }
        assert.equal(await bridge.metric('send_errors_total'), 0);
        assert.equal((await bridge.stop()).status, '0', bridge.output);
      });
    }

  test('802.1ad at the full MTU is too long for the kernel to send: counted; an MTU with room for the tag mends it', async () => {
    const frame = datagram(1500 - 28, [{ tpid: AD, id: 8 }]);
    const mtu = async (value: number, side: Side, ...names: string[]) => {
      for (const name of names) assert.equal((await lab.exec(side, 'ip', ['link', 'set', name, 'mtu', String(value)])).code, 0);
    };
    await mtu(1504, 'client', 'eth0');
    await mtu(1504, 'server', 'eth0');
    let bridge = await Bridge.start(lab);
    await server.do('reset', 'eth0');
    await client.do('send', 'eth0', [frame]);
    await waitFor(async () => (await bridge.metric('send_errors_total', { kind: 'too_long' })) === 1, { what: 'the frame to be counted' });
    const stopped = await bridge.stop();
    assert.equal(stopped.status, '0', bridge.output);
    const { capture } = bridge.eve('stats').at(-1).stats;
    assert.equal(stopped.packets, capture.transmitted + capture.send_too_long, 'all others were sent');
    await mtu(1504, 'bridge', 'eth0', 'eth1');
    bridge = await Bridge.start(lab);
    await client.do('send', 'eth0', [frame]);
    await waitFor(async () => (await server.do('frames', 'eth0')).length > 0, { what: 'the frame' });
    assert.deepEqual((await server.do('frames', 'eth0')).map(hex), [hex(frame)]);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });
});

const hex = (frame: Uint8Array) => Buffer.from(frame).toString('hex');
