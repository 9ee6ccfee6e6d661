import assert from 'node:assert/strict';
import type { Bridge } from './bridge.js';
import type { Namespaces } from './netns.js';

/** Runs commands in the bridge namespace, one a line, as a person would type them; fails with what the kernel says. */
export async function typed(lab: Namespaces, ...lines: string[]): Promise<void> {
  for (const line of lines) {
    const { code, stderr } = await lab.exec('bridge', 'sh', ['-c', line]);
    assert.equal(code, 0, `${line}: ${stderr.trim()}`);
  }
}

/** No netfilter rule and no set of an earlier test. */
export async function clearNetfilter(lab: Namespaces): Promise<void> {
  await typed(lab, 'nft flush ruleset', 'ipset destroy');
}

let lastHost = 9;

/**
 * Clears netfilter, and gives the client so many addresses that it never had (of the routed lab): only from these does
 * anything come in. A kernel goes on sending what an earlier test blocked, long after the program that said it has ended.
 */
export async function freshClients(lab: Namespaces, count: number): Promise<string[]> {
  await clearNetfilter(lab);
  const addresses = Array.from({ length: count }, () => `10.99.0.${++lastHost}`);
  for (const address of addresses) {
    const { code, stderr } = await lab.exec('client', 'ip', ['addr', 'add', `${address}/24`, 'dev', 'eth0']);
    assert.equal(code, 0, stderr);
    await typed(lab, `iptables -t mangle -A PREROUTING -i eth0 -s ${address} -j ACCEPT`);
  }
  await typed(lab, 'iptables -t mangle -A PREROUTING -i eth0 -p tcp -j DROP');
  return addresses;
}

/** Alerts so far as `source action`, e.g. `NFLOG#2 allowed`, sorted. */
export function reported(bridge: Bridge, sid?: number): string[] {
  return bridge
    .eve('alert')
    .filter((record) => sid === undefined || record.alert.signature_id === sid)
    .map((record) => `${record.in_iface} ${record.alert.action}`)
    .sort();
}

/** As `reported`, one for each connection and source: a segment may have been sent again. */
export function reportedOnce(bridge: Bridge, from?: string): string[] {
  const once = new Map<string, string>();
  for (const record of bridge.eve('alert')) {
    if (from !== undefined && record.src_ip !== from) continue;
    const what = `${record.in_iface} ${record.alert.action}`;
    once.set(`${what} ${record.src_ip}:${record.src_port} ${record.alert.signature_id}`, what);
  }
  return [...once.values()];
}

/** The page at `/`, as text without tags: one line per table row, cells between `|`. */
export async function statusRows(lab: Namespaces): Promise<string[]> {
  const page = await lab.exec('bridge', 'curl', ['-q', '--noproxy', '*', '-sS', '--max-time', '5', 'http://127.0.0.1:9917/']);
  assert.equal(page.code, 0, page.stderr);
  return page.stdout
    .split('</tr>')
    .map((row) => row.slice(row.lastIndexOf('<tr>') + 4))
    .map((row) => [...row.matchAll(/<t[dh][^>]*>([^<]*)</g)].map((cell) => cell[1]).join(' | '));
}

/** Packets that each source took in, by its name in the metrics. */
export async function packetsBySource(bridge: Bridge): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const { labels, value } of await bridge.series('capture_packets_total')) {
    const name = /interface="([^"]*)"/.exec(labels)?.[1] ?? '?';
    found[name] = (found[name] ?? 0) + value;
  }
  return found;
}
