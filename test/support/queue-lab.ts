import { makeRouter, ROUTED } from '../../src/lab/router.js';
import { Bridge, type BridgeOptions } from './bridge.js';
import { run } from './netfilter.js';
import type { Namespaces, Side } from './netns.js';
import { RAW_DESTINATION, RAW_SOURCE } from './peer-raw.js';

/**
 * The routed lab, in which the frames of raw peers are routed as well: the router has the address they are sent to, and what it
 * forwards to the server carries an address that the raw peer there knows for one of ours. Streams and attacks (10.99.1.1 to
 * 10.99.1.2) so cross the FORWARD hook. Nothing answers them.
 */
export async function makeQueueLab(lab: Namespaces): Promise<void> {
  await run(lab, 'bridge', `ip link set eth0 address ${RAW_DESTINATION}`);
  await run(lab, 'bridge', `ip link set eth1 address ${RAW_SOURCE}`);
  await makeRouter(lab);
  // The server's answers to datagrams that nobody takes go nowhere.
  await run(lab, 'server', `ip neigh add 10.99.1.1 lladdr ${RAW_DESTINATION} dev eth0 nud permanent`);
  const mac = await run(lab, 'server', 'cat /sys/class/net/eth0/address');
  for (const address of [ROUTED.server, ROUTED.server6])
    await run(lab, 'bridge', `ip neigh add ${address} lladdr ${mac.trim()} dev eth1 nud permanent`);
}

/** The FORWARD chain consists of these rules, e.g. `-p udp -j NFQUEUE --queue-num 0`. */
export async function forwardRules(lab: Namespaces, ...rules: string[]): Promise<void> {
  await run(lab, 'bridge', 'iptables -w -F FORWARD');
  for (const rule of rules) await run(lab, 'bridge', `iptables -w -A FORWARD ${rule}`);
}

export const QUEUED = '-i eth0 -p udp -j NFQUEUE --queue-num 0';

/** Sluice at queue 0, or at the sources of `options.capture`. */
export function startQueue(lab: Namespaces, options: BridgeOptions = {}): Promise<Bridge> {
  return Bridge.start(lab, { capture: ['-q', '0'], ...options });
}

export interface KernelQueue {
  queue: number;
  port: number;
  depth: number;
  /** Because the queue was full, because the receive buffer was. */
  dropped: number;
  userDropped: number;
  lastId: number;
}

/** What the kernel knows of the queues in use: one line each of /proc/net/netfilter/nfnetlink_queue. */
export async function kernelQueues(lab: Namespaces, side: Side = 'bridge'): Promise<KernelQueue[]> {
  const text = await run(lab, side, 'cat /proc/net/netfilter/nfnetlink_queue');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [queue, port, depth, , , dropped, userDropped, lastId] = line.trim().split(/\s+/).map(Number);
      return { queue, port, depth, dropped, userDropped, lastId };
    });
}

/** Groups of nfnetlink_log in use; the kernel lists none that are free. */
export async function kernelGroups(lab: Namespaces): Promise<number[]> {
  const text = await run(lab, 'bridge', 'cat /proc/net/netfilter/nfnetlink_log');
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => Number(line.trim().split(/\s+/)[0]));
}
