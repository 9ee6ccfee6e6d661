import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Bridge, RUNMODES } from '../support/bridge.js';
import { ADDRESS, BRIDGE_INTERFACES, skipWithoutNamespaces, sleep, useNamespaces, waitFor } from '../support/netns.js';
import { Peer } from '../support/peer.js';
import { SPLIT_ADDRESS, SPLIT_MAC, SPLIT_TTL } from '../support/peer-split.js';
import { OTHER, planOf, SHAPES, type Shape, seeded } from '../support/split-shapes.js';

const SIGNATURE = 'evilword';
const HARMLESS = 'goodword';
const PORT = 7000;
const ROUNDS = 4;
const SEEDS = [1, 2];
const RULE = `drop tcp any any -> any ${PORT} (msg:"the signature"; content:"${SIGNATURE}"; sid:1;)`;

interface Case {
  shape: Shape;
  port: number;
  stream: string;
}

describe('a signature in pieces never reaches an application whole', { skip: skipWithoutNamespaces }, () => {
  const lab = useNamespaces();
  let client: Peer;
  let server: Peer;
  let port = 10_000;

  test('peers', async () => {
    [client, server] = [await Peer.start(lab, 'client'), await Peer.start(lab, 'server')];
    await server.do('talkServe', PORT);
    const run = async (...line: string[]): Promise<string> => {
      const done = await lab.exec('server', line[0], line.slice(1));
      assert.equal(done.code, 0, `${line.join(' ')}: ${done.stderr}`);
      return done.stdout;
    };
    const mac = (await run('cat', '/sys/class/net/eth0/address')).trim();
    // A client that no kernel answers for; packets that would not have come this far.
    await run('ip', 'neigh', 'replace', SPLIT_ADDRESS, 'lladdr', SPLIT_MAC, 'dev', 'eth0');
    await run('nft', 'add table ip hops; add chain ip hops in { type filter hook prerouting priority -400; }');
    await run('nft', `add rule ip hops in ip saddr ${SPLIT_ADDRESS} ip ttl < ${SPLIT_TTL} drop`);
    await client.do('splitOpen', mac, ADDRESS.server, PORT);
  });

  /** Each shape, with the word; what the application of each connection read. */
  async function attempt(word: string, seed: number): Promise<{ cases: Case[]; got: Record<number, string> }> {
    const random = seeded(seed);
    const first = port;
    const cases: Case[] = [];
    for (let round = 0; round < ROUNDS; round++)
      for (const shape of SHAPES) {
        const stream = `${'.'.repeat(random(12))}say ${word}${' and more'.slice(0, 1 + random(9))}`;
        cases.push({ shape, port: port++, stream });
      }
    const opened = await client.do(
      'splitRun',
      cases.map((one) => planOf(one.shape, one.port, one.stream, random)),
    );
    assert.equal(opened, cases.length, 'connections opened');
    await sleep(50);
    return { cases, got: await server.do('talkGot', first, cases.length) };
  }

  test('without Sluice it arrives: the shapes are real', async (t) => {
    const bridge = (...line: string[]) => lab.exec('bridge', 'ip', ['link', ...line]);
    if ((await bridge('add', 'plain', 'type', 'bridge')).code !== 0) return t.skip('no bridge in this kernel');
    for (const name of BRIDGE_INTERFACES) await bridge('set', name, 'master', 'plain');
    await bridge('set', 'plain', 'up');
    const arrived = new Set<string>();
    for (const seed of SEEDS) {
      const { cases, got } = await attempt(SIGNATURE, seed);
      for (const one of cases) if (got[one.port]?.includes(SIGNATURE)) arrived.add(one.shape.name);
    }
    const missing = SHAPES.filter((shape) => shape.refused === undefined && !arrived.has(shape.name)).map((shape) => shape.name);
    await bridge('del', 'plain');
    assert.deepEqual(missing, []);
  });

  for (const runmode of RUNMODES)
    test(`${runmode}`, async (t) => {
      const bridge = await Bridge.start(lab, { runmode, rules: [RULE] });
      for (const seed of SEEDS) {
        const { cases, got } = await attempt(SIGNATURE, seed);
        const through = cases.filter((one) => got[one.port]?.includes(SIGNATURE));
        assert.deepEqual(
          through.map((one) => `${one.shape.name}: ${got[one.port]}`),
          [],
        );
      }
      const { cases, got } = await attempt(HARMLESS, 3);
      const wrong = cases.filter((one) => !fits(one, got[one.port] ?? ''));
      assert.deepEqual(
        wrong.map((one) => `${one.shape.name}: ${JSON.stringify(got[one.port])} of ${JSON.stringify(one.stream)}`),
        [],
      );
      await waitFor(() => bridge.fast('[1:1:').length > 0, { what: 'alerts' });
      t.diagnostic(`${cases.length * (SEEDS.length + 1)} connections`);
      assert.equal((await bridge.stop()).status, '0', bridge.output);
    });
});

/** What an application read of harmless bytes. */
function fits({ shape, stream }: Case, got: string): boolean {
  if (shape.gets === 'all') return got === stream;
  if (shape.gets === 'part') return true;
  return got.length === stream.length && [...got].every((c, i) => c === stream[i] || c === OTHER);
}
