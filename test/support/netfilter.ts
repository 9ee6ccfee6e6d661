import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Namespaces, Side } from '../../src/lab/namespaces.js';

/** A line of `iptables`, `ip6tables`, `sysctl`, ...; fails with what the program said. */
export async function run(lab: Namespaces, side: Side, line: string): Promise<string> {
  const [command, ...args] = line.split(' ');
  const done = await lab.exec(side, command, args);
  assert.equal(done.code, 0, `${side}: ${line}: ${done.stderr}`);
  return done.stdout;
}

/** The same lines for IPv4 and IPv6: what follows `iptables` and `ip6tables`. */
export async function rules(lab: Namespaces, ...lines: string[]): Promise<void> {
  for (const line of lines) for (const tool of ['iptables', 'ip6tables']) await run(lab, 'bridge', `${tool} -w ${line}`);
}

/** Takes all rules of the bridge namespace away. */
export function clearRules(lab: Namespaces): Promise<void> {
  return rules(lab, '-F', '-t mangle -F');
}

/** What the kernel knows of a queue (/proc/net/netfilter/nfnetlink_queue). */
export interface QueueLine {
  /** Packets waiting for their verdict. */
  depth: number;
  /** Refused: the queue was full. */
  dropped: number;
  /** Refused: the socket was full. */
  userDropped: number;
  /** Packets ever queued, those the socket refused included. */
  lastId: number;
}

/** Undefined when nobody reads the queue. `pid`: of a process in the namespace. */
export function queueLine(pid: number, queue = 0): QueueLine | undefined {
  for (const line of readFileSync(`/proc/${pid}/net/netfilter/nfnetlink_queue`, 'utf8').split('\n')) {
    const words = line.trim().split(/\s+/).map(Number);
    if (words.length >= 8 && words[0] === queue) return { depth: words[2], dropped: words[5], userDropped: words[6], lastId: words[7] };
  }
  return undefined;
}

/** Packets counted by the rule of a chain whose listing contains `what`; fails when there is no such rule. */
export async function counted(
  lab: Namespaces,
  side: Side,
  what: string,
  chain: string,
  table = 'filter',
  tool = 'iptables',
): Promise<number> {
  const list = await run(lab, side, `${tool} -w -t ${table} -vnxL ${chain}`);
  const line = list.split('\n').find((one) => /^\s*\d/.test(one) && one.includes(what));
  assert.ok(line !== undefined, `no rule with '${what}' in\n${list}`);
  return Number(line.trim().split(/\s+/)[0]);
}
