import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearRules, rules, run } from '../support/netfilter.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const RULES = [
  'alert tcp any any -> any 7000 (msg:"to the server"; flow:established,to_server; content:"secret"; replace:"public"; sid:1;)',
  'alert tcp any 7000 -> any any (msg:"to the client"; flow:established,to_client; content:"answer"; replace:"ANSWER"; sid:2;)',
  'alert udp any any -> any 7001 (msg:"datagram"; content:"secret"; replace:"public"; sid:3;)',
];
/** A text that is one super-packet where they are allowed, with the word well within a packet where they are not. */
const LONG = `${'x'.repeat(20_300)}secret${'y'.repeat(19_694)}`;

describe('replace', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a router and peers', async () => {
    await makeRouter(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await server.do('udpServe', 7001);
    await clearRules(lab);
    await rules(lab, '-A FORWARD -j NFQUEUE --queue-num 0');
  });

  /** Packets that the stacks of both ends threw away for their checksum. */
  async function refused(): Promise<number> {
    let sum = 0;
    for (const side of ['client', 'server'] as const) {
      const lines = (await run(lab, side, 'cat /proc/net/snmp')).split('\n');
      for (const protocol of ['Tcp:', 'Udp:']) {
        const [names, values] = lines.filter((line) => line.startsWith(protocol)).map((line) => line.split(' '));
        sum += Number(values[names.indexOf('InCsumErrors')]);
      }
      const six = /Udp6InCsumErrors\s+(\d+)/.exec(await run(lab, side, 'cat /proc/net/snmp6'));
      sum += Number(six?.[1] ?? 0);
    }
    return sum;
  }

  for (const runmode of RUNMODES)
    for (const gso of ['yes', 'no'])
      test(`${runmode}, gso ${gso}: the receiver takes the rewritten bytes`, async () => {
        const bridge = await Bridge.start(lab, { runmode, capture: ['-q', '0'], rules: RULES, sluice: { nfq: `{ gso: ${gso} }` } });
        await server.do('udpForget');
        const before = await refused();
        for (const host of [ROUTED.server, ROUTED.server6]) {
          // The echo shows what the server took, less what was rewritten on the way back.
          assert.ok((await client.do('tcpOpen', 'c', host, 7000)) > 0, host);
          assert.equal(await client.do('tcpSay', 'c', 'a secret, an answer'), 'a public, an ANSWER', host);
          assert.equal(await client.do('tcpSay', 'c', 'nothing of either'), 'nothing of either', host);
          assert.equal(await client.do('tcpSay', 'c', 'odd secret.'), 'odd public.', host);
          assert.ok(await client.do('tcpClose', 'c'), host);
          assert.ok((await client.do('tcpOpen', 'long', host, 7000)) > 0, host);
          const echo = await client.do('tcpSay', 'long', LONG);
          assert.equal(echo, LONG.replace('secret', 'public'), `${host}: long text`);
          assert.ok(await client.do('tcpClose', 'long'), host);
          for (const text of ['a secret', 'plain', 'an odd secret', `${'z'.repeat(3000)} secret in fragments`])
            await client.do('udpSend', host, 7001, text);
        }
        await waitFor(async () => (await server.do('udpGot')).length >= 8, { what: 'the datagrams' });
        const got = await server.do('udpGot');
        // A datagram in fragments is looked at whole, but nothing of it can be changed.
        const expected = ['a public', 'plain', 'an odd public', `${'z'.repeat(3000)} secret in fragments`];
        assert.deepEqual(got.toSorted(), [...expected, ...expected].sort());
        assert.equal(await refused(), before, 'checksums that the kernel refused');
        // There and back, the odd one, the long text, two datagrams; for either family.
        assert.ok((await bridge.metric('rewritten_packets_total')) >= 2 * (2 + 1 + 1 + 2));
        const stopped = await bridge.stop();
        assert.equal(stopped.status, '0', bridge.output);
        assert.equal(stopped.passed, stopped.packets);
        const stats = bridge.eve('stats').at(-1).stats;
        if (gso === 'yes') assert.ok(stats.decoder.max_pkt_size > 1514, `max_pkt_size ${stats.decoder.max_pkt_size}`);
        else assert.ok(stats.decoder.max_pkt_size <= 1500, `max_pkt_size ${stats.decoder.max_pkt_size}`);
        for (const one of bridge.eve('alert')) assert.equal(one.alert.action, 'allowed');
      });
});
