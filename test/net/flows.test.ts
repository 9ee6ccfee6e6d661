import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Bridge, type BridgeOptions } from '../support/bridge.js';
import { ADDRESS, skipWithoutNamespaces, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';

const FLOWS = 12;
const SHAPES: { name: string; detecting: number; options: BridgeOptions }[] = [
  { name: 'autofp, 3 workers', detecting: 3, options: { sluice: { workers: 3 } } },
  { name: 'autofp, 2 sockets a side, 3 workers', detecting: 3, options: { threads: 2, sluice: { workers: 3 } } },
  { name: 'workers, 2 sockets a side', detecting: 2, options: { runmode: 'workers', threads: 2 } },
];

describe('flows and their workers', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('tcpServe', 7000);
    await server.do('listen', 'eth0');
    await client.do('listen', 'eth0');
  });

  for (const { name, detecting, options } of SHAPES) {
    test(`${name}: both directions of a flow meet in one worker`, async () => {
      const bridge = await Bridge.start(lab, {
        ...options,
        rules: [
          'alert tcp any 7000 -> any any (msg:"answer"; flow:established,to_client; content:"hello"; sid:1;)',
          'alert tcp any any -> any 7000 (msg:"question"; flow:established,to_server; content:"hello"; sid:2;)',
        ],
      });
      const ports: number[] = [];
      for (let i = 0; i < FLOWS; i++) {
        const host = i % 3 === 2 ? ADDRESS.server6 : ADDRESS.server;
        ports.push(await client.do('tcpOpen', `f${i}`, host, 7000));
        assert.notEqual(ports[i], 0, `connection ${i}`);
        assert.equal(await client.do('tcpSay', `f${i}`, `hello ${i}\n`), `hello ${i}\n`);
      }
      for (let i = 0; i < FLOWS; i++) assert.ok(await client.do('tcpClose', `f${i}`), `closing ${i}`);
      await waitFor(() => bridge.fast('[1:1:').length >= FLOWS && bridge.fast('[1:2:').length >= FLOWS, { what: 'an alert per direction' });
      const busy = (await bridge.series('detect_packets_total')).filter(({ value }) => value > 0);
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.ok(busy.length > 1 && busy.length <= detecting, `several workers had part: ${busy.map((b) => b.labels)}`);
      const records = bridge.eve('flow').filter(({ proto, dest_port }) => proto === 'TCP' && dest_port === 7000);
      assert.deepEqual(records.map((r) => r.src_port).sort(), [...ports].sort(), 'one flow record per connection');
      for (const { flow, src_port } of records) {
        assert.ok(flow.pkts_toserver >= 4 && flow.pkts_toclient >= 3, `port ${src_port}: ${JSON.stringify(flow)}`);
      }
      for (const port of ports) {
        assert.equal(bridge.fast(`:${port} -> `).length, 1, 'one question each');
        assert.equal(bridge.fast(new RegExp(`-> \\S+:${port}$`)).length, 1, 'one answer each');
      }
    });

    test(`${name}: order within a flow stays, nothing is lost`, async () => {
      const bridge = await Bridge.start(lab, options);
      await server.do('reset', 'eth0');
      await client.do('reset', 'eth0');
      const both = { flows: 16, pps: 4000, count: 4000 };
      const [there, back] = await Promise.all([
        client.do('stream', 'eth0', both),
        server.do('stream', 'eth0', { ...both, port: 30_000, net: 3 }),
      ]);
      assert.deepEqual([there, back], [4000, 4000]);
      const arrived = async () => [await server.do('books', 'eth0'), await client.do('books', 'eth0')];
      await waitFor(async () => (await arrived()).every((b) => b.received >= 4000), { timeoutMs: 5000, what: 'all datagrams' }).catch(
        () => {},
      );
      for (const books of await arrived()) {
        assert.equal(books.received, 4000);
        assert.equal(books.disordered, 0);
        assert.equal(Object.keys(books.byFlow).length, 16);
        for (const n of Object.values(books.byFlow)) assert.equal(n, 250);
      }
      const busy = (await bridge.series('detect_packets_total')).filter(({ value }) => value > 0);
      assert.ok(busy.length > 1, 'several workers had part');
      const stopped = await bridge.stop();
      assert.equal(stopped.status, '0', bridge.output);
      assert.equal(stopped.packets, stopped.passed);
    });
  }
});
