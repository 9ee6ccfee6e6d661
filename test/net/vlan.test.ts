import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { arp, ETHERTYPE, ethernet, ipv4, PROTO, udp, type VlanTag } from '../../src/lab/packets.js';
import { Bridge, pair, RUNMODES } from '../support/bridge.js';
import { scratch } from '../support/capture-bytes.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
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
  ['a tag and nothing else', ethernet({ ...MACS, vlans: [{ id: 9 }], etherType: 0x88b6 }, new Uint8Array(0))],
  ['802.1Q at the MTU', datagram(1500 - 28, [{ id: 5 }])],
];
const MARKED = [0x02, 0x53];

describe('VLAN tags', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;
  let folder = '';

  test('peers', async () => {
    folder = scratch();
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
          await from.do('send', 'eth0', FRAMES.map(([, frame]) => frame));
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

  test('TCP over VLAN interfaces of the kernel (802.1Q, 802.1ad, QinQ): tags and checksums set by the card', async () => {
    const ip = async (...lines: string[]) => {
      for (const line of lines)
        for (const [side, last] of [
          ['client', 1],
          ['server', 2],
        ] as const) {
          const done = await lab.exec(side, 'ip', line.replace('@', String(last)).split(' '));
          assert.equal(done.code, 0, `${line}: ${done.stderr}`);
        }
    };
    await ip(
      'link add link eth0 name v7 type vlan id 7',
      'link add link eth0 name s8 mtu 1496 type vlan proto 802.1ad id 8',
      'link add link s8 name s8c9 type vlan id 9',
      'link add link eth0 name v0 type vlan id 0',
    );
    for (const [name, net] of [
      ['v7', 7],
      ['s8', 8],
      ['s8c9', 9],
      ['v0', 11],
    ] as const)
      await ip(`addr add 10.98.${net}.@/24 dev ${name}`, `link set ${name} up`);
    await server.do('tcpServe', 7000);
    for (const runmode of RUNMODES)
      for (const gso of ['auto', 'no']) {
        if (gso === 'no') await offloads('off');
        const bridge = await Bridge.start(lab, {
          runmode,
          sluice: { gso },
          rules: ['alert tcp any any -> any 7000 (msg:"text in a VLAN"; flow:established,to_server; content:"find me"; sid:1;)'],
        });
        for (const net of [7, 8, 9, 11]) {
          const host = `10.98.${net}.2`;
          const echoed = await client.do('tcpEcho', host, 7000, 2 << 20, 6000);
          assert.equal(echoed.bytes, 2 << 20, `${runmode}, gso ${gso}: over ${host}`);
          assert.equal(echoed.received, echoed.sent);
          assert.ok((await client.do('tcpOpen', `v${net}`, host, 7000)) > 0);
          assert.equal(await client.do('tcpSay', `v${net}`, 'find me'), 'find me');
          assert.ok(await client.do('tcpClose', `v${net}`));
        }
        await waitFor(() => bridge.fast('[1:1:').length >= 4, { what: 'an alert in every VLAN' });
        assert.equal(await bridge.metric('send_errors_total'), 0);
        assert.equal((await bridge.stop()).status, '0', bridge.output);
        const vlans = bridge.eve('flow').filter((r) => r.proto === 'TCP').map((r) => JSON.stringify(r.vlan ?? []));
        for (const vlan of ['[7]', '[8]', '[8,9]', '[0]']) assert.ok(vlans.includes(vlan), `flow records: ${[...new Set(vlans)]}`);
        if (gso === 'no') await offloads('on');
      }
  });

  test('802.1ad at the full MTU: too long for the kernel at this MTU, counted; crosses with an MTU that has room', async () => {
    const frame = datagram(1500 - 28, [{ tpid: AD, id: 8 }, { id: 9 }]);
    const mtu = async (sides: readonly ('client' | 'bridge' | 'server')[], value: number) => {
      for (const side of sides)
        for (const name of side === 'bridge' ? ['eth0', 'eth1'] : ['eth0'])
          assert.equal((await lab.exec(side, 'ip', ['link', 'set', name, 'mtu', String(value)])).code, 0);
    };
    await mtu(['client', 'server'], 1508);
    let bridge = await Bridge.start(lab, { interfaces: pair() });
    await server.do('reset', 'eth0');
    await client.do('send', 'eth0', [frame]);
    await waitFor(async () => (await bridge.metric('capture_packets_total')) > 0, { what: 'the frame to come in' });
    await waitFor(async () => (await bridge.metric('send_errors_total', { kind: 'too_long' })) === 1, { what: 'the frame to be counted' });
    assert.equal((await bridge.stop()).status, '0', bridge.output);
    await mtu(['bridge'], 1508);
    bridge = await Bridge.start(lab);
    await client.do('send', 'eth0', [frame]);
    await waitFor(async () => (await server.do('frames', 'eth0')).length > 0, { what: 'the frame' });
    assert.deepEqual((await server.do('frames', 'eth0')).map(hex), [hex(frame)]);
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });

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

const hex = (frame: Uint8Array) => Buffer.from(frame).toString('hex');
