import { availableParallelism } from 'node:os';
import { SluiceError } from '../errors.js';
import type { AfPacketInterface, Config } from './config.js';
import type { Context } from './context.js';
import { afPacket } from './schema.js';
import { at, type ConfNode, shown } from './tree.js';

/**
 * The `af-packet` list: one entry per interface; the entry `interface: default` gives the values an entry
 * leaves out (user guide, "AF_PACKET").
 */
export function readAfPacket(context: Context): { interfaces: AfPacketInterface[]; defaults: AfPacketInterface } {
  const list = context.find(['af-packet']);
  const named: { index: string; node: ConfNode; name: string }[] = [];
  let base: ConfNode | undefined;
  if (list !== undefined && list.value !== '') {
    if (!list.isSequence) context.bad(list, ['af-packet'], 'is not a list', `a list of '- interface: NAME' entries`);
    for (const [index, node] of list.children) {
      const name = node.child('interface')?.value ?? '';
      if (name === '') context.bad(node, ['af-packet', index, 'interface'], 'is missing', 'the name of a network interface, or default');
      if (name === 'default') base = node;
      else if (named.some((one) => one.name === name))
        context.bad(node, ['af-packet', index, 'interface'], `is ${shown(name)} a second time`, 'one entry per interface');
      else named.push({ index, node, name });
    }
  }
  const defaults = entryOf(context, base === undefined ? ['af-packet', 'default'] : ['af-packet', base.name]);
  const interfaces: AfPacketInterface[] = [];
  for (const { index, node } of named) {
    // Only for this reading: keys of `default` that the entry does not have.
    const borrowed: string[] = [];
    for (const [key, child] of base?.children ?? []) {
      const own = node.child(key);
      if (own !== undefined && (own.value !== '' || own.children.size > 0)) continue;
      node.children.set(key, child);
      if (own === undefined) borrowed.push(key);
    }
    const entry = entryOf(context, ['af-packet', index]);
    interfaces.push(entry);
    if (entry.bpfFilter !== '')
      context.warnings.push(`${at(node)}: bpf-filter is not built yet: all packets of ${entry.interface} are inspected`);
    for (const key of borrowed) node.children.delete(key);
  }
  chooseClusterIds(interfaces);
  return { interfaces, defaults: { ...defaults, interface: '' } };
}

function entryOf(context: Context, path: string[]): AfPacketInterface {
  const entry = context.read(path, afPacket);
  const type = entry['cluster-type'];
  return {
    interface: entry.interface,
    threads: entry.threads,
    clusterId: entry['cluster-id'],
    clusterType: type === 'cluster_random' ? 'cluster_rnd' : type,
    defrag: entry.defrag === 'auto' ? entry['copy-mode'] === 'none' : entry.defrag,
    copyMode: entry['copy-mode'],
    copyIface: entry['copy-iface'] === 'none' ? '' : entry['copy-iface'],
    ringSize: entry['ring-size'],
    bufferSize: entry['buffer-size'],
    bpfFilter: entry['bpf-filter'],
    promisc: !entry['disable-promisc'],
    checksumChecks: entry['checksum-checks'],
  };
}

/** Gives every interface without a cluster-id one that no other has: 99 and downwards, as Suricata's file does. */
export function chooseClusterIds(interfaces: AfPacketInterface[]): void {
  const used = new Set(interfaces.map((one) => one.clusterId));
  let next = 99;
  for (const one of interfaces) {
    if (one.clusterId !== 0) continue;
    while (used.has(next)) next = next > 1 ? next - 1 : 65_535;
    one.clusterId = next;
    used.add(next);
  }
}

/** An IDS entry for an interface that the file does not name (`-i`, `--af-packet=IF`). */
export function idsEntry(name: string, defaults: AfPacketInterface, others: AfPacketInterface[]): AfPacketInterface {
  const entry: AfPacketInterface = { ...defaults, interface: name, copyMode: 'none', copyIface: '' };
  if (others.some((one) => one.clusterId === entry.clusterId)) entry.clusterId = 0;
  chooseClusterIds([...others, entry]);
  return entry;
}

/**
 * `threads: auto` (0) -> the number of cores; on an inline pair both sides get the same number, the one that
 * is written when only one side says auto.
 */
export function resolveThreads(interfaces: AfPacketInterface[], cores = availableParallelism()): void {
  for (const one of interfaces) {
    if (one.threads !== 0) continue;
    const peer = interfaces.find((other) => one.copyMode !== 'none' && other.interface === one.copyIface);
    one.threads = peer !== undefined && peer.threads !== 0 ? peer.threads : cores;
  }
}

/**
 * Refuses what can be seen wrong in the af-packet section alone, before a socket is opened: one line that
 * names both sides and the mend. What only the machine knows (MTU, missing interface) is the capture's preflight.
 */
export function checkAfPacket(config: Config): void {
  const list = config.afPacket;
  const fail = (message: string): never => {
    throw new SluiceError('SLUICE_CONFIG', `${config.file === '' ? 'configuration' : config.file}: af-packet: ${message}`);
  };
  for (const [index, one] of list.entries()) {
    const same = list.slice(index + 1).find((other) => other.clusterId === one.clusterId);
    if (same) fail(`${one.interface} and ${same.interface} both have cluster-id ${one.clusterId}; give each interface its own`);
    if (one.copyMode === 'none') {
      if (one.copyIface !== '')
        fail(`${one.interface} has copy-iface ${one.copyIface} but no copy-mode; add copy-mode: ips (or tap), or take copy-iface out`);
      continue;
    }
    if (one.copyIface === '')
      fail(`${one.interface} has copy-mode ${one.copyMode} but no copy-iface; name the interface its packets go to`);
    if (one.copyIface === one.interface) fail(`${one.interface} has itself as copy-iface; name the other interface of the pair`);
    const peer = list.find((other) => other.interface === one.copyIface);
    if (!peer) {
      fail(
        `${one.interface} has copy-iface ${one.copyIface}, which is not configured; add '- interface: ${one.copyIface}' with copy-iface: ${one.interface}`,
      );
    } else if (peer.copyMode === 'none') {
      fail(
        `${one.interface} copies to ${peer.interface}, but ${peer.interface} has no copy-mode; give ${peer.interface} copy-mode: ips and copy-iface: ${one.interface}`,
      );
    } else if (peer.copyIface !== one.interface) {
      fail(
        `${one.interface} copies to ${peer.interface}, but ${peer.interface} copies to ${peer.copyIface || 'nothing'}; ` +
          `the two of a pair must name each other: set copy-iface: ${one.interface} on ${peer.interface}`,
      );
    } else if (peer.threads !== one.threads && peer.threads !== 0 && one.threads !== 0) {
      fail(
        `${one.interface} has threads ${one.threads}, its peer ${peer.interface} has threads ${peer.threads}; ` +
          `sockets are paired one to one: set the same number (or auto) on both`,
      );
    }
  }
}
