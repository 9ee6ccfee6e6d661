import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ethernet, ipv4, PROTO, padFrame, udp } from '../../src/lab/packets.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';

const SPANNING = 'this-spans-two-fragments';
/** IP payload of a fragment at MTU 1500 less the UDP header: where the second fragment begins in the data. */
const SEAM = 1480 - 8;

describe('frames of all sizes, and fragments', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await server.do('udpServe', 7001);
    await server.do('listen', 'eth0');
    await client.do('listen', 'eth0');
  });

  for (const runmode of RUNMODES) {
    test(`${runmode}: super-packets of TCP cross whole, both ways`, async () => {
      const bridge = await Bridge.start(lab, { runmode, rules: ['drop tcp any any -> any any (content:"never-said-by-anyone"; sid:1;)'] });
      await server.do('reset', 'eth0');
      const echoed = await client.do('tcpEcho', ADDRESS.server, 7000, 24 << 20);
      assert.equal(echoed.bytes, 24 << 20);
      assert.equal(echoed.received, echoed.sent);
      const books = await server.do('books', 'eth0');
      assert.ok(books.maxLength > 60_000, `longest frame at the server: ${books.maxLength}`);
      assert.equal(await bridge.metric('send_errors_total'), 0);
      assert.equal(await bridge.metric('truncated_packets_total'), 0);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.passed, stopped.packets);
      const stats = bridge.eve('stats').at(-1).stats;
      assert.ok(stats.decoder.max_pkt_size > 60_000, `max_pkt_size ${stats.decoder.max_pkt_size}`);
      assert.equal(stats.capture.transmitted, stopped.passed);
    });

    test(`${runmode}: short frames cross as they are`, async () => {
      const bridge = await Bridge.start(lab, { runmode });
      const datagram = (text: string) => {
        const [src, dst] = ['10.99.1.1', '10.99.1.2'];
        const segment = udp({ src, dst, srcPort: 1, dstPort: 2 }, Buffer.from(text));
        return ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, ipv4({ src, dst, proto: PROTO.udp }, segment));
      };
      const frames = [
        padFrame(datagram('x')),
        padFrame(datagram('padding of its own'), 60, 0xa5),
        // As short as a virtual interface lets a frame be: no padding at all, and no payload behind the header.
        datagram(''),
        ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION, etherType: 0x88b5 }, Uint8Array.of(1)),
        // The longest at this MTU.
        datagram('y'.repeat(1500 - 28)),
      ];
      assert.deepEqual([frames[0].length, frames[1].length, frames[2].length, frames[3].length, frames[4].length], [60, 60, 42, 15, 1514]);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ]) {
        await to.do('reset', 'eth0');
        await from.do('send', 'eth0', frames);
        await waitFor(async () => (await to.do('frames', 'eth0')).length >= frames.length, { what: 'the frames' });
        assert.deepEqual((await to.do('frames', 'eth0')).map(hex), frames.map(hex));
      }
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });
  }

  for (const options of [
    { runmode: 'autofp', sluice: { workers: 3 } },
    { runmode: 'workers', threads: 2 },
  ] as const) {
    test(`${options.runmode}: a fragmented datagram arrives whole; one with a forbidden text over the seam does not`, async () => {
      const bridge = await Bridge.start(lab, {
        ...options,
        rules: [`drop udp any any -> any 7001 (msg:"seam"; content:"${SPANNING}"; sid:10;)`],
      });
      const filler = (mark: string) => `${options.runmode} ${mark} ${'0123456789abcdef'.repeat(500)}`.slice(0, 8000);
      const over = (text: string, at: number) => text.slice(0, at) + SPANNING + text.slice(at + SPANNING.length);
      const got = async () => (await server.do('udpGot')).filter((text) => text.startsWith(options.runmode));
      for (const host of [ADDRESS.server, ADDRESS.server6]) {
        await client.do('udpSend', host, 7001, over(filler(`${host} attack`), SEAM - 10));
        await client.do('udpSend', host, 7001, filler(`${host} whole`));
        await waitFor(async () => (await got()).includes(filler(`${host} whole`)), { what: `the whole datagram to ${host}` });
      }
      assert.deepEqual(
        (await got()).map((text) => text.split(' ')[2]),
        ['whole', 'whole'],
        'the attacks did not arrive',
      );
      await waitFor(() => bridge.fast('[1:10:').length >= 2, { what: 'two alerts' });
      for (const line of bridge.fast('[1:10:')) assert.match(line, /\[Drop\]/);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      const stats = bridge.eve('stats').at(-1).stats;
      const { ipv4, ipv6 } = stats.defrag;
      assert.ok(ipv4.fragments + ipv6.fragments >= 4 * 6, `fragments ${ipv4.fragments} ${ipv6.fragments}`);
      assert.deepEqual([ipv4.reassembled, ipv6.reassembled], [2, 2]);
    });
  }
});

const hex = (frame: Uint8Array) => Buffer.from(frame).toString('hex');
