import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import type { CapturePlan, SourcePlan } from '../capture/plan.js';
import { oneLine } from '../config/tree.js';
import { SluiceError } from '../errors.js';

/** capabilities(7) */
const CAP_NET_ADMIN = 12;
const CAP_NET_RAW = 13;

/** Where the kernel tells what it has; tests give others. */
export interface KernelFiles {
  /** /proc/PID/status: effective capabilities. */
  status: string;
  /** One file per netfilter subsystem, with a line per queue or group that is in use. */
  netfilter: string;
  /** Modules of the kernel that runs: what is listed there is loaded when the first socket asks for it. */
  modules: string;
}

const FILES: KernelFiles = {
  status: '/proc/self/status',
  netfilter: '/proc/net/netfilter',
  modules: join('/lib/modules', release()),
};

type Subsystem = 'nfnetlink_queue' | 'nfnetlink_log';

/**
 * Rights, kernel support and queues in use: refused before any process is started, in one line, because later the
 * first to fail would not be the one to tell the reason.
 */
export function requireRights(plan: CapturePlan, files: KernelFiles = FILES): void {
  const queues = plan.sources.filter((source) => source.kind === 'nfqueue');
  const logs = plan.sources.filter((source) => source.kind === 'nflog');
  requireCapabilities(plan, queues.length + logs.length > 0, files);
  if (queues.length > 0) {
    requireSubsystem(queues, 'NFQUEUE', 'nfnetlink_queue', files);
    const held = inUse('nfnetlink_queue', files);
    for (const { name, queue } of queues)
      refuseHeld(name, held.get(queue), 'queue', `use another queue (-q here, --queue-num in the netfilter rule)`);
  }
  if (logs.length > 0) {
    requireSubsystem(logs, 'NFLOG', 'nfnetlink_log', files);
    const held = inUse('nfnetlink_log', files);
    for (const { name, log } of logs)
      refuseHeld(name, held.get(log.group), 'group', `use another group (--nflog here, --nflog-group in the netfilter rule)`);
  }
}

/** AF_PACKET sockets need CAP_NET_RAW; netfilter sockets CAP_NET_ADMIN, and CAP_NET_RAW for what `reject` sends. */
function requireCapabilities(plan: CapturePlan, netfilter: boolean, files: KernelFiles): void {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync(files.status, 'latin1'));
  if (effective === null) return;
  const has = (bit: number) => (BigInt(`0x${effective[1]}`) >> BigInt(bit)) & 1n;
  const missing: string[] = [];
  if (!has(CAP_NET_RAW)) missing.push('CAP_NET_RAW');
  if (netfilter && !has(CAP_NET_ADMIN)) missing.push('CAP_NET_ADMIN');
  if (missing.length === 0) return;
  throw new SluiceError(
    'SLUICE_CAPABILITY',
    `opening ${named(plan.sources)}: ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing; run as root or with CAP_NET_RAW and CAP_NET_ADMIN`,
  );
}

/** True when the kernel has not got it, nor a module that it would load on demand. Without /proc nothing is known. */
export function kernelLacks(subsystem: Subsystem, files: KernelFiles = FILES): boolean {
  if (existsSync(join(files.netfilter, subsystem)) || !existsSync('/proc/self')) return false;
  return !['modules.dep', 'modules.builtin'].some((list) => {
    try {
      return readFileSync(join(files.modules, list), 'latin1').includes(`/${subsystem}.ko`);
    } catch {
      return false;
    }
  });
}

function requireSubsystem(sources: SourcePlan[], what: string, subsystem: Subsystem, files: KernelFiles): void {
  if (!kernelLacks(subsystem, files)) return;
  throw new SluiceError(
    'SLUICE_SYSTEM',
    `opening ${named(sources)}: the kernel has no ${what} (${subsystem}); 'modprobe ${subsystem}', on the host if this is a container, or a kernel built with it`,
  );
}

/**
 * Who listens, by queue or group: the first two columns of each line are its number and the netlink port of its socket, which
 * is the process id for the first socket of a process. Empty when the file cannot be read: opening will tell.
 */
function inUse(subsystem: Subsystem, files: KernelFiles): Map<number, number> {
  const held = new Map<number, number>();
  try {
    for (const line of readFileSync(join(files.netfilter, subsystem), 'latin1').split('\n')) {
      const match = /^\s*(\d+)\s+(\d+)\s/.exec(line);
      if (match) held.set(Number(match[1]), Number(match[2]));
    }
  } catch {}
  return held;
}

function refuseHeld(name: string, port: number | undefined, what: string, mend: string): void {
  if (port === undefined) return;
  throw new SluiceError(
    'SLUICE_SYSTEM',
    `opening ${name}: another process holds this ${what} (netlink port ${port}${processName(port)}); end it, or ${mend}`,
  );
}

function processName(pid: number): string {
  try {
    return `, perhaps process ${pid}, ${oneLine(readFileSync(`/proc/${pid}/comm`, 'utf8').trim())}`;
  } catch {
    return '';
  }
}

/** Names of the sources; of many, the first few. */
function named(sources: readonly SourcePlan[]): string {
  const names = sources.map((source) => source.name);
  if (names.length > 4) names.splice(3, names.length, `${names.length - 3} more`);
  return names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}` : names.join('');
}
