import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ethernet, icmp4, icmp6, ipv4, ipv6, PROTO, sctp } from '../../src/lab/packets.js';
import { ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { RAW_DESTINATION, RAW_SOURCE } from '../support/peer-raw.js';
import { divert, divertNothing, inBridge, openTcp, startTalkers, TALK_PORT } from '../support/rejected.js';

const PATIENCE_MS = 5000;
const MACS = { src: RAW_SOURCE, dst: RAW_DESTINATION };
const [SRC, DST, SRC6, DST6] = ['10.99.1.1', '10.99.1.2', 'fd99:1::1', 'fd99:1::2'];
const TEXT = Buffer.from('unwanted');

describe('reject: answers as frames, and sessions picked up on the bridge', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    for (const peer of [client, server]) await peer.do('listen', 'eth0');
    await server.do('talkServe', TALK_PORT);
  });

  const echo4 = ipv4({ src: SRC, dst: DST, proto: PROTO.icmp }, icmp4({ type: 8, rest: 0x10001 }, TEXT));
  const echo6 = ipv6({ src: SRC6, dst: DST6, nextHeader: PROTO.icmp6 }, icmp6({ src: SRC6, dst: DST6, type: 128, rest: 0x10001 }, TEXT));
  const chunks = ipv4({ src: SRC, dst: DST, proto: PROTO.sctp }, sctp({ srcPort: 1, dstPort: 2 }, TEXT));
  /** ICMP type and code that answer it: administratively prohibited. */
  const PACKETS: [string, Uint8Array, number, number, number][] = [
    ['ICMP echo', echo4, 20, 3, 13],
    ['ICMPv6 echo', echo6, 40, 1, 1],
    ['SCTP', chunks, 20, 3, 13],
  ];
  for (const runmode of RUNMODES)
    test(`${runmode}: what is neither TCP nor UDP is answered as prohibited, with the packet quoted`, async () => {
      const rules = [`reject ip any any -> any any (msg:"unwanted"; content:"unwanted"; sid:1;)`];
      const bridge = await Bridge.start(lab, { runmode, rules });
      for (const [what, packet, head, type, code] of PACKETS) {
        for (const peer of [client, server]) await peer.do('reset', 'eth0');
        await client.do('send', 'eth0', [ethernet(MACS, packet)]);
        await waitFor(async () => (await client.do('frames', 'eth0')).length > 0, { what: `an answer to ${what}` });
        const [answer] = await client.do('frames', 'eth0');
        const hex = Buffer.from(answer).toString('hex');
        assert.equal(hex.slice(0, 12), RAW_SOURCE.replaceAll(':', ''), what);
        assert.equal(hex.slice(12, 24), RAW_DESTINATION.replaceAll(':', ''), what);
        const ip = answer.subarray(14);
        assert.deepEqual([...ip.subarray(head, head + 2)], [type, code], `${what}: ${hex}`);
        assert.equal(Buffer.from(ip.subarray(head + 8)).toString('hex'), Buffer.from(packet).toString('hex'), `${what}: what is quoted`);
        assert.deepEqual(await server.do('frames', 'eth0'), [], `${what} went on`);
      }
      assert.equal(await bridge.metric('rejects_total', { result: 'sent' }), PACKETS.length);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });

  test('midstream-policy: reject: a session that was there before is reset', async () => {
    let bridge = await Bridge.start(lab);
    const sessions = [await openTcp(client, server, ADDRESS.server), await openTcp(client, server, ADDRESS.server6)];
    assert.equal((await bridge.stop()).status, '0', bridge.output);
    bridge = await Bridge.start(lab, { yaml: 'stream:\n  midstream-policy: reject\n' });
    for (const session of sessions) {
      await client.do('talkSay', session, 'are you there?');
      assert.equal((await client.do('talkAwait', session, undefined, PATIENCE_MS)).code, 'ECONNRESET');
      assert.equal((await server.do('talkFate', session)).got.includes('there'), false);
    }
    const fresh = await openTcp(client, server, ADDRESS.server);
    assert.equal((await client.do('talkFate', fresh)).code, '', 'a new session is none of its business');
    await waitFor(() => bridge.eve('drop').filter(({ drop }) => drop.reason === 'stream midstream').length === 2, {
      what: 'two drop records',
    });
    assert.equal((await bridge.stop()).status, '0', bridge.output);
  });
});

describe('reject: answers through netfilter', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let router: Peer;

  test('a router, and somebody who talks in each namespace', async () => {
    ({ client, router } = await startTalkers(lab));
  });

  let port = 30_000;
  /** A connection attempt and a datagram from `from` to `host`: both are refused. */
  async function refused(what: string, from: Peer, host: string): Promise<void> {
    await assert.rejects(from.do('talkOpen', host, TALK_PORT), /ECONNREFUSED/, what);
    const local = port++;
    await from.do('talkDatagrams', local, local, host, TALK_PORT);
    await from.do('talkSay', local, 'hello');
    assert.equal((await from.do('talkAwait', local, undefined, PATIENCE_MS)).code, 'ECONNREFUSED', what);
    await from.do('talkClose', local);
  }

  for (const runmode of RUNMODES) {
    test(`${runmode}: all of INPUT and OUTPUT is queued, the answers too: they arrive, and are not answered`, async () => {
      for (const command of ['iptables', 'ip6tables'])
        for (const chain of ['INPUT', 'OUTPUT']) await inBridge(lab, `${command} -A ${chain} -j NFQUEUE`);
      const rules = [`reject ip any any -> any ${TALK_PORT} (msg:"unwanted"; sid:1;)`];
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules });
      // In from outside; out of this machine; within it.
      for (const host of [ROUTED.left, ROUTED.left6]) await refused(`client to ${host}`, client, host);
      for (const host of [ROUTED.server, ROUTED.server6]) await refused(`router to ${host}`, router, host);
      for (const host of ['127.0.0.1', '::1', ROUTED.left, ROUTED.left6]) await refused(`router to its own ${host}`, router, host);
      const sent = await bridge.metric('rejects_total', { result: 'sent' });
      assert.equal(sent, 16, 'one answer for each of eight connections and eight datagrams');
      await waitFor(() => bridge.fast('[1:1:').length === 16, { what: '16 alerts' });
      assert.equal(await bridge.metric('rejects_total', { result: 'limited' }), 0);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      await divertNothing(lab);
    });

    test(`${runmode}: sluice.reject-rate: 2 sends two answers a second, and counts what it held back`, async () => {
      await divert(lab, ['INPUT'], 'NFQUEUE --queue-num 0');
      const rules = [`reject udp any any -> any ${TALK_PORT} (msg:"unwanted"; content:"unwanted"; sid:1;)`];
      const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules, sluice: { 'reject-rate': 2 } });
      const begun = Date.now();
      for (let i = 0; i < 20; i++) await client.do('udpSend', i % 2 ? ROUTED.left : ROUTED.left6, TALK_PORT, 'unwanted');
      const seconds = Math.floor(Date.now() / 1000) - Math.floor(begun / 1000) + 1;
      await waitFor(() => bridge.fast('[1:1:').length === 20, { what: 'all alerts' });
      const counted = async (result: string) => bridge.metric('rejects_total', { result });
      await waitFor(async () => (await counted('sent')) + (await counted('limited')) === 20, { what: 'all answers to be counted' });
      const sent = await counted('sent');
      assert.ok(sent >= 2 && sent <= 2 * seconds, `${sent} answers within ${seconds} seconds of the clock`);
      assert.equal(await counted('failed'), 0);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.dropped, 20, 'dropped all the same');
      await divertNothing(lab);
    });
  }

  test('midstream-policy: reject: a session that was there before Sluice is reset, one that is new is not', async () => {
    for (const command of ['iptables', 'ip6tables'])
      await inBridge(lab, `${command} -A INPUT -p tcp --dport ${TALK_PORT} -j NFQUEUE --queue-bypass`);
    const sessions = [await openTcp(client, router, ROUTED.left), await openTcp(client, router, ROUTED.left6)];
    const bridge = await Bridge.start(lab, { capture: ['-q', '0'], yaml: 'stream:\n  midstream-policy: reject\n' });
    const fresh = await openTcp(client, router, ROUTED.left);
    for (const session of sessions) {
      await client.do('talkSay', session, 'are you there?');
      assert.equal((await client.do('talkAwait', session, undefined, PATIENCE_MS)).code, 'ECONNRESET');
    }
    assert.equal((await client.do('talkFate', fresh)).code, '');
    assert.equal((await bridge.stop()).status, '0', bridge.output);
    await divertNothing(lab);
  });
});
