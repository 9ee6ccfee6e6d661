import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { makeRouter, ROUTED } from '../../src/lab/router.js';
import type { Bridge } from './bridge.js';
import { type Namespaces, waitFor } from './netns.js';
import { Peer } from './peer.js';

/** Port of the conversations that are rejected. */
export const TALK_PORT = 4444;
/** What the issue promises: so soon after the packet was sent its rejected side knows. */
const PROMISE_MS = 100;
/** The machine may be busy with something else: the promise is to be kept in one of so many tries. */
const TRIES = 3;
const PATIENCE_MS = 5000;
/** So long after the one end knows, the other still must not: answers take less than a millisecond. */
const QUIET_MS = 20;

/** Each word in a conversation is rejected in its way, whoever says it. */
export const WORDS = {
  'word-source': { sid: 1, action: 'reject', told: 'sender' },
  'word-src': { sid: 2, action: 'rejectsrc', told: 'sender' },
  'word-destination': { sid: 3, action: 'rejectdst', told: 'receiver' },
  'word-both': { sid: 4, action: 'rejectboth', told: 'both' },
} as const;
export type Word = keyof typeof WORDS;
export const ALL_WORDS = Object.keys(WORDS) as Word[];

export const REJECT_RULES = ALL_WORDS.flatMap((word) => {
  const { sid, action } = WORDS[word];
  return [
    `${action} tcp any any -> any ${TALK_PORT} (msg:"${word}"; flow:established,to_server; content:"${word}"; sid:${sid};)`,
    `${action} tcp any ${TALK_PORT} -> any any (msg:"${word} back"; flow:established,to_client; content:"${word}"; sid:${sid + 10};)`,
    `${action} udp any any -> any ${TALK_PORT} (msg:"${word} datagram"; content:"${word}"; sid:${sid + 20};)`,
  ];
});

/** Who talks in the namespaces: the one in the middle routes, and serves as the server does. */
export interface Talkers {
  client: Peer;
  router: Peer;
  server: Peer;
}

export async function startTalkers(lab: Namespaces): Promise<Talkers> {
  await makeRouter(lab);
  const client = await Peer.start(lab, 'client');
  const router = await Peer.start(lab, 'bridge');
  const server = await Peer.start(lab, 'server');
  await router.do('talkServe', TALK_PORT);
  await server.do('talkServe', TALK_PORT);
  return { client, router, server };
}

/** A conversation through each hook of the router. */
export function ways({ client, router, server }: Talkers) {
  return [
    { chain: 'FORWARD', client, server, host: ROUTED.server, host6: ROUTED.server6, from: ROUTED.client, from6: ROUTED.client6 },
    { chain: 'INPUT', client, server: router, host: ROUTED.left, host6: ROUTED.left6, from: ROUTED.client, from6: ROUTED.client6 },
    { chain: 'OUTPUT', client: router, server, host: ROUTED.server, host6: ROUTED.server6, from: ROUTED.right, from6: ROUTED.right6 },
  ];
}

export interface Talk {
  proto?: 'tcp' | 'udp';
  client: Peer;
  server: Peer;
  /** The server's address; for UDP the client's, too. */
  host: string;
  clientHost?: string;
  from?: 'client' | 'server';
  /** The packet goes on (IDS): its text arrives. */
  delivered: boolean;
}

let nextPort = 20_000;

/**
 * Has a conversation going, then one of its ends says `word`: the ends that are to be told must be, the others not, in each try.
 * At least one try keeps the promised time; what all took is a diagnostic of the test.
 */
export async function talkIsRejected(t: TestContext, what: string, word: Word, talk: Talk): Promise<void> {
  const took: number[] = [];
  for (let tries = 0; tries < TRIES && !took.some((ms) => ms < PROMISE_MS); tries++) took.push(await once(what, word, talk));
  t.diagnostic(`${what}, ${word}: ${took.map((ms) => ms.toFixed(1)).join(', ')} ms`);
  assert.ok(Math.min(...took) < PROMISE_MS, `${what}, ${word}: told after ${took.join(', ')} ms`);
}

/** How long until the last of those that are to be told knows, milliseconds. */
async function once(
  what: string,
  word: Word,
  { proto = 'tcp', client, server, host, clientHost, from = 'client', delivered }: Talk,
): Promise<number> {
  const name = `${what}, ${word}`;
  const local = proto === 'tcp' ? await openTcp(client, server, host) : await openUdp(client, server, host, clientHost!);
  const [sender, receiver] = from === 'client' ? [client, server] : [server, client];
  const said = await sender.do('talkSay', local, word);
  const { told } = WORDS[word];
  const expected = proto === 'tcp' ? 'ECONNRESET' : 'ECONNREFUSED';
  const fates: [string, Peer, boolean][] = [
    ['sender', sender, told !== 'receiver'],
    ['receiver', receiver, told !== 'sender'],
  ];
  let last = said;
  for (const [which, peer, isTold] of fates) {
    if (!isTold) continue;
    const fate = await peer.do('talkAwait', local, undefined, PATIENCE_MS);
    // libuv says `end` where the reset is there before the text has been read; nobody has closed the connection in order.
    if (!(delivered && peer === receiver && fate.code === 'end')) assert.equal(fate.code, expected, `${name}: what the ${which} sees`);
    if (fate.at > last) last = fate.at;
  }
  const untold = fates.find(([, , isTold]) => !isTold);
  // In IDS mode the other end's answer to what it got finds no socket any more, and is reset by that host itself.
  if (untold !== undefined && !(delivered && proto === 'tcp')) {
    const fate = await untold[1].do('talkAwait', local, undefined, QUIET_MS);
    assert.equal(fate.code, '', `${name}: the ${untold[0]} is not to be told`);
  }
  // A reset may overtake what lies unread.
  if (delivered && told === 'sender') assert.match((await receiver.do('talkAwait', local, word, PATIENCE_MS)).got, new RegExp(word), name);
  if (!delivered) assert.doesNotMatch((await receiver.do('talkFate', local)).got, /word/, `${name}: the text went on`);
  for (const peer of [client, server]) await peer.do('talkClose', local);
  return last - said;
}

/** A connection with data exchanged both ways. */
export async function openTcp(client: Peer, server: Peer, host: string): Promise<number> {
  const local = await client.do('talkOpen', host, TALK_PORT);
  await client.do('talkSay', local, 'echo hello\n');
  assert.equal((await client.do('talkAwait', local, 'echo hello\n', PATIENCE_MS)).got, 'echo hello\n');
  await server.do('talkSay', local, 'and more\n');
  assert.match((await client.do('talkAwait', local, 'more\n', PATIENCE_MS)).got, /more\n$/);
  return local;
}

async function openUdp(client: Peer, server: Peer, host: string, clientHost: string): Promise<number> {
  const local = nextPort++;
  await server.do('talkDatagrams', local, TALK_PORT, clientHost, local);
  await client.do('talkDatagrams', local, local, host, TALK_PORT);
  for (const [from, to, text] of [
    [client, server, 'hello'],
    [server, client, 'welcome'],
  ] as const) {
    await from.do('talkSay', local, text);
    assert.equal((await to.do('talkAwait', local, text, PATIENCE_MS)).got, text);
  }
  return local;
}

/** Runs a command line in the bridge namespace; it must succeed. */
export async function inBridge(lab: Namespaces, line: string): Promise<string> {
  const [command, ...args] = line.split(' ');
  const result = await lab.exec('bridge', command, args);
  assert.equal(result.code, 0, `${line}: ${result.stderr}`);
  return result.stdout;
}

/** Queues (or logs) both directions of the conversations with iptables and ip6tables: `target` is what follows -j. */
export async function divert(lab: Namespaces, chains: readonly string[], target: string): Promise<void> {
  for (const command of ['iptables', 'ip6tables'])
    for (const chain of chains)
      for (const proto of ['tcp', 'udp'])
        for (const port of ['--dport', '--sport'])
          await inBridge(lab, `${command} -A ${chain} -p ${proto} ${port} ${TALK_PORT} -j ${target}`);
}

export async function divertNothing(lab: Namespaces): Promise<void> {
  for (const command of ['iptables', 'ip6tables']) await inBridge(lab, `${command} -F`);
}

/** fast.log and EVE tell of what was rejected, in the mode's words; no answer failed. */
export async function checkLogs(bridge: Bridge, sids: readonly number[], mode: 'ips' | 'ids'): Promise<void> {
  for (const sid of sids) await waitFor(() => bridge.fast(`[1:${sid}:`).length > 0, { what: `the alert of sid ${sid}` });
  for (const line of bridge.fast()) assert.match(line, mode === 'ips' ? /\[Drop\]/ : /\[wDrop\]/);
  for (const record of bridge.eve('alert')) assert.equal(record.alert.action, 'blocked', JSON.stringify(record));
}
