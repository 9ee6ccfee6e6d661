import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, ethernet, fragmentIpv4, gre, icmp4, ipv4, ipv6, PROTO, tcp, teredo, udp, vxlan } from '../../src/lab/packets.js';
import { ROUTED } from '../../src/lab/router.js';
import { ATTACK_RULE, untilBlocked } from '../support/attack.js';
import { RUNMODES } from '../support/bridge.js';
import { counted, run } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';
import { makeQueueLab, startQueue } from '../support/queue-lab.js';
import { emptyQueues, lastStats } from '../support/queue-stream.js';

const FORWARDED = 3000;
const SENT_HERE = 300;
const SEED = 20261121;
/** One or more for each part that parses, decides or answers. */
const RULES = [
  ATTACK_RULE,
  'alert ip any any -> any any (content:"|41 41|"; sid:1;)',
  'reject tcp any any -> any any (content:"|42 42|"; sid:2;)',
  'rejectboth udp any any -> any any (content:"|43 43|"; sid:3;)',
  'reject icmp any any -> any any (content:"|44 44|"; sid:4;)',
  'drop tcp any any -> any any (pcre:"/E+F/"; sid:5;)',
  'alert udp any any -> any any (content:"|47 47|"; replace:"|48 48|"; sid:6;)',
  'reject ftp any any -> any any (ftp.command; content:"USER"; sid:7;)',
  'drop pkthdr any any -> any any (decode-event:ipv4.opt_invalid; sid:8;)',
  'reject ip any any -> any any (ip_proto:132; sid:9;)',
];

/** mulberry32: the same packets each time. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

describe('hostile packets in a queue', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;
  let router: Peer;

  test('a router whose FORWARD and OUTPUT hooks are queued, and peers', async () => {
    await makeQueueLab(lab);
    [client, server, router] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server'), await Peer.start(lab, 'bridge')];
    await client.do('listen', 'eth0');
    await server.do('udpServe', 7001);
    for (const [tool, dst] of [
      ['iptables', ROUTED.server],
      ['ip6tables', ROUTED.server6],
    ])
      for (const chain of ['FORWARD -i eth0', `OUTPUT -o eth1 -d ${dst}`]) {
        await run(lab, 'bridge', `${tool} -w -A ${chain} -j NFQUEUE --queue-num 0`);
        // Behind the queue's rules: what was accepted.
        await run(lab, 'bridge', `${tool} -w -t security -A ${chain} -m comment --comment accepted`);
      }
  });

  const hits = async (what: string, table: string) => {
    let sum = 0;
    for (const tool of ['iptables', 'ip6tables'])
      for (const chain of ['FORWARD', 'OUTPUT']) sum += await counted(lab, 'bridge', what, chain, table, tool);
    return sum;
  };

  /** An IP packet that netfilter shows, whatever is in it. */
  function packets(random: (below: number) => number, count: number, src: string, src6: string): Uint8Array[] {
    const noise = (length: number) => Uint8Array.from({ length }, () => (random(3) === 0 ? 0x41 + random(8) : random(256)));
    const port = () => [21, 53, 80, 443, 3544, 4789, 4444, random(65536)][random(8)];
    const cut = (whole: Uint8Array) => whole.subarray(0, random(whole.length + 1));
    const inner = (): Uint8Array =>
      concat(ipv4({ src, dst: ROUTED.server, proto: random(256), headerLength: 4 * random(16) }, noise(random(60))));
    const transport = (dst: string, from: string): [number, Uint8Array] => {
      const ports = { src: from, dst, srcPort: port(), dstPort: port() };
      switch (random(9)) {
        case 0:
          return [
            PROTO.tcp,
            cut(concat(tcp({ ...ports, flags: random(256), seq: random(2 ** 31), ack: random(2 ** 31) }, noise(random(500))))),
          ];
        case 1:
          return [PROTO.tcp, concat(noise(12), Uint8Array.of(random(256)), noise(random(100)))];
        case 2:
          return [PROTO.udp, cut(udp(ports, noise(random(500))))];
        case 3:
          return [
            PROTO.udp,
            udp({ ...ports, dstPort: 4789 }, cut(vxlan(random(99), ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, inner())))),
          ];
        case 4:
          return [
            PROTO.udp,
            udp({ ...ports, dstPort: 3544 }, cut(teredo(inner(), { authentication: random(2) === 0, origin: random(2) === 0 }))),
          ];
        case 5:
          return [PROTO.gre, cut(gre({ proto: [0x800, 0x86dd, 0x6558, random(65536)][random(4)] }, inner()))];
        case 6:
          return [PROTO.icmp, cut(icmp4({ type: [3, 5, 11, 12, random(256)][random(5)], code: random(16) }, inner()))];
        case 7:
          return [[4, 41, 51, 132, 0, 43, 60, 255][random(8)], noise(random(200))];
        default:
          return [random(256), noise(random(1400))];
      }
    };
    return Array.from({ length: count }, () => {
      if (random(4) === 0) {
        const [nextHeader, body] = transport(ROUTED.server6, src6);
        const types = [43, 44, 51, 60].slice(0, random(4));
        const extHeaders = types.map((type) => ({
          type,
          body: noise(type === 44 ? 7 : 6 + 8 * random(4)),
          length: random(3) === 0 ? random(256) : undefined,
        }));
        return ipv6({ src: src6, dst: ROUTED.server6, nextHeader, extHeaders }, body);
      }
      const [proto, body] = transport(ROUTED.server, src);
      const fragment = random(4) === 0 ? { id: random(20), mf: random(2) === 0, fragOffset: 8 * random(random(2) === 0 ? 20 : 8191) } : {};
      const options =
        random(8) === 0 ? Uint8Array.from({ length: 4 * random(10) }, () => [1, 1, 1, 0, 0x94, 4, 148][random(7)]) : undefined;
      return ipv4({ src, dst: ROUTED.server, proto, options, ...fragment }, body);
    });
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}: truncated headers, fragments, noise: each packet is answered, and the engine stays up`, async (t) => {
      const bridge = await startQueue(lab, { runmode, rules: RULES, sluice: runmode === 'autofp' ? { workers: 2 } : {} });
      for (const tool of ['iptables', 'ip6tables'])
        for (const table of ['filter', 'security']) await run(lab, 'bridge', `${tool} -w -t ${table} -Z`);
      const random = randomFrom(SEED);
      const frames = packets(random, FORWARDED, '10.99.1.1', 'fd99::1').map((packet) =>
        ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, packet),
      );
      for (let i = 0; i < frames.length; i += 100) await client.do('send', 'eth0', frames.slice(i, i + 100));
      for (const packet of packets(random, SENT_HERE, ROUTED.right, ROUTED.right6)) await router.do('rawSend', packet);
      await emptyQueues(lab);
      await untilBlocked(bridge, client);
      await emptyQueues(lab);
      assert.equal(await bridge.metric('process_restarts_total'), 0, bridge.output);
      const least = await hits('NFQUEUE', 'filter');
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      // What the hosts still answer to noise comes until the queue is closed, and is counted and lost behind that.
      const [most, accepted] = [await hits('NFQUEUE', 'filter'), await hits('accepted', 'security')];
      const queued = stopped.packets;
      const { nfq } = lastStats(bridge);
      t.diagnostic(`${queued} of ${FORWARDED + SENT_HERE} came to the queue, ${stopped.dropped} were dropped, ${stopped.alerts} alerts`);
      assert.ok(queued > (FORWARDED + SENT_HERE) / 2, 'most of them are good enough for the kernel');
      assert.ok(least <= queued && queued <= most, `${queued} packets seen, of ${least} to ${most} that came`);
      assert.equal(stopped.passed + stopped.dropped, queued);
      assert.equal(accepted, stopped.passed, 'what passed went on');
      assert.deepEqual([nfq.depth, nfq.queue_dropped, nfq.user_dropped, nfq.verdict_errors], [0, 0, 0, 0]);
      assert.equal(nfq.verdict_packets, queued);
      for (const sid of [1, 2, 3, 4]) assert.ok(bridge.fast(`[1:${sid}:`).length > 0, `rule ${sid} was put to work`);
    });

    test(`${runmode}: datagrams of 60,000 bytes in fragments arrive; those that overlap or overflow do no harm`, async () => {
      const bridge = await startQueue(lab, { runmode, rules: [ATTACK_RULE, 'drop udp any any -> any 7001 (content:"evil"; sid:1;)'] });
      await server.do('udpForget');
      const jumbo = 'good '.repeat(12_000);
      for (const host of [ROUTED.server, ROUTED.server6]) {
        await client.do('udpSend', host, 7001, `${jumbo.slice(4)}evil`);
        await client.do('udpSend', host, 7001, jumbo);
      }
      await waitFor(async () => (await server.do('udpGot')).length === 2, { what: 'the good ones' });
      assert.ok((await server.do('udpGot')).every((text) => text === jumbo));
      await waitFor(() => bridge.fast('[1:1:').length === 2, { what: 'the alerts of the others' });
      const whole = ipv4({ src: '10.99.1.1', dst: ROUTED.server, proto: PROTO.udp, id: 77 }, new Uint8Array(4000));
      const parts = fragmentIpv4(whole, [1000, 2000, 3000]);
      const beyond = ipv4({ src: '10.99.1.1', dst: ROUTED.server, proto: PROTO.udp, id: 78, fragOffset: 65528 }, new Uint8Array(1000));
      const within = ipv4(
        { src: '10.99.1.1', dst: ROUTED.server, proto: PROTO.udp, id: 77, fragOffset: 1008, mf: true },
        new Uint8Array(16),
      );
      const frames = [parts[1], within, parts[1], beyond, parts[3], within, parts[0], parts[2]].map((packet) =>
        ethernet({ src: RAW_SOURCE, dst: RAW_DESTINATION }, packet),
      );
      await client.do('send', 'eth0', frames);
      await untilBlocked(bridge, client);
      await emptyQueues(lab);
      assert.equal(await bridge.metric('process_restarts_total'), 0, bridge.output);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(lastStats(bridge).nfq.verdict_packets, stopped.packets);
    });
  }
});
