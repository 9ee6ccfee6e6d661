import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { clearNetfilter, packetsBySource, reported, statusRows, typed } from '../support/gateway.js';
import { skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const RULES = ['drop udp any any -> any 5000 (msg:"evil"; content:"evil"; sid:1;)'];
const UDP = '-p udp --dport 5000';

describe('NFLOG: more than can be taken in', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('a router between client and server', async () => {
    await makeRouter(lab);
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('udpServe', 5000);
  });

  const BURST = 12_000;
  const SIZE = 1200;
  /** Sends so many datagrams as fast as it can. */
  const SCRIPT = `const socket = require('node:dgram').createSocket('udp4');
const body = Buffer.alloc(${SIZE}, 'x');
let left = +process.argv[1];
const next = () => left-- > 0 ? socket.send(body, next) : socket.close();
socket.connect(5000, '${ROUTED.server}', next);`;

  for (const runmode of RUNMODES) {
    test(`${runmode}: a burst while the capture process stands still: what the buffer cannot hold is counted, and it goes on`, async (t) => {
      await clearNetfilter(lab);
      await typed(
        lab,
        `iptables -A FORWARD ${UDP} -j NFLOG --nflog-group 30`,
        `iptables -A FORWARD ${UDP} -j NFLOG --nflog-group 31`,
        // Nobody has to receive it.
        `iptables -A FORWARD ${UDP} -m length --length ${SIZE}: -j DROP`,
      );
      const bridge = await Bridge.start(lab, {
        runmode,
        rules: RULES,
        capture: ['--nflog'],
        yaml: 'nflog:\n  - group: 30\n    buffer-size: 18432\n  - group: 31\n    buffer-size: 67108864\n',
      });
      const pid = await bridge.childPid('capture');
      process.kill(pid, 'SIGSTOP');
      try {
        const burst = await lab.exec('client', process.execPath, ['-e', SCRIPT, String(BURST)]);
        assert.equal(burst.code, 0, burst.stderr);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      await waitFor(async () => (await packetsBySource(bridge))['NFLOG#31'] === BURST, { what: 'the large buffer to be read' });
      // A gap shows with the packet after it.
      const text = `${runmode} evil after the burst`;
      await client.do('udpSend', ROUTED.server, 5000, text);
      await waitFor(async () => (await server.do('udpGot')).includes(text), { what: 'it to arrive' });
      await waitFor(() => reported(bridge).length === 2, { what: 'both groups to see the next attack' });
      const lost = (group: number) => bridge.metric('nflog_lost_total', { interface: `NFLOG#${group}` });
      const overruns = (group: number) => bridge.metric('netlink_overruns_total', { interface: `NFLOG#${group}` });
      await waitFor(async () => (await lost(30)) > 0 && (await overruns(30)) > 0, { what: 'the loss to be counted' });
      const packets = await packetsBySource(bridge);
      t.diagnostic(`of ${BURST}: ${packets['NFLOG#30'] - 1} seen, ${await lost(30)} lost, ${await overruns(30)} overruns`);
      assert.equal(packets['NFLOG#30'] + (await lost(30)), BURST + 1, 'each is seen or counted as lost');
      assert.deepEqual([packets['NFLOG#31'], await lost(31), await overruns(31)], [BURST + 1, 0, 0]);
      assert.ok((await statusRows(lab)).some((row) => /^NFLOG#30 \| C#01 \| [\d,]+ \| [1-9][\d,]* \| [1-9][\d,]*$/.test(row)));
      assert.equal(await bridge.metric('process_restarts_total'), 0);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
      const { stats } = bridge.eve('stats').at(-1);
      assert.ok(stats.nflog.lost > 0 && stats.netlink.overruns > 0);
    });
  }

  /** So slow that a flood is more than a thread can take: there is always another packet. */
  const slow = Array.from(
    { length: 20 },
    (_, i) => `alert udp any any -> any any (msg:"slow"; pcre:"/([a-x]+)+[yz${i}]/"; sid:${100 + i};)`,
  );

  for (const runmode of RUNMODES) {
    test(`${runmode}: SIGTERM under a flood that is too much ends it, without a kill`, async () => {
      await clearNetfilter(lab);
      await typed(
        lab,
        `iptables -A FORWARD ${UDP} -j NFLOG --nflog-group 32`,
        `iptables -A FORWARD ${UDP} -m length --length ${SIZE}: -j DROP`,
      );
      const bridge = await Bridge.start(lab, { runmode, rules: [...RULES, ...slow], capture: ['--nflog=32'] });
      const flood = lab.spawn('client', process.execPath, ['-e', SCRIPT, '100000000'], { stdio: 'ignore' });
      await waitFor(async () => (await bridge.metric('nflog_lost_total')) + (await bridge.metric('ring_full_total')) > 0, {
        timeoutMs: 15_000,
        what: 'the flood to be too much',
      });
      const stopped = await bridge.stop();
      flood.kill('SIGKILL');
      assert.equal(stopped.status, '0', bridge.output);
      assert.doesNotMatch(bridge.output, /killed/);
      assert.equal(stopped.passed, stopped.packets);
    });
  }
});
