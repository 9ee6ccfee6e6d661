import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { AfPacketInterface, Config, NflogGroup } from '../config/config.js';
import { SluiceError } from '../errors.js';
import { type InterfaceFacts, native } from '../native.js';
import { Mode } from '../ring/verdict.js';
import { Fanout } from './frames.js';

/**
 * Who captures what: worked out once at start-up from the configuration and the interfaces as they
 * are, or refused. Plain data; the capture process opens exactly this.
 */
export interface CapturePlan {
  sources: SourcePlan[];
  threads: ThreadPlan[];
  /** Of the hash that picks a worker: the same for all capture threads, unknown to whoever sends the packets. */
  hashSeed: number;
  /** One line each, worth telling, not worth refusing. */
  warnings: string[];
}

/** One interface, queue or log group. Its index in `sources` is the packet's `source` everywhere. */
export type SourcePlan = PacketSourcePlan | QueueSourcePlan | LogSourcePlan;

interface SourceBase {
  /** As people and EVE's in_iface know it: `eth0`, `NFQ#0`, `NFLOG#2`. */
  name: string;
  mode: Mode;
}

export interface QueueSourcePlan extends SourceBase {
  kind: 'nfqueue';
  queue: number;
}

export interface LogSourcePlan extends SourceBase {
  kind: 'nflog';
  log: NflogGroup;
}

export interface PacketSourcePlan extends SourceBase {
  kind: 'af-packet';
  /** Index of the interface that its packets leave by; -1 for IDS. */
  peer: number;
  vnet: boolean;
  frameSize: number;
  frameCount: number;
  receiveBuffer: number;
  threads: number;
  clusterId: number;
  fanoutType: number;
  fanoutDefrag: boolean;
  promiscuous: boolean;
  /** `reject` of what this interface saw: answered on the link, or routed by this host (host-mode). */
  routed: boolean;
}

/** Sources of one capture thread: socket `member` of each interface's fanout group, or one queue, or one group. */
export interface ThreadPlan {
  name: string;
  sources: number[];
}

const FANOUT_TYPES = {
  cluster_flow: Fanout.Hash,
  cluster_cpu: Fanout.Cpu,
  cluster_qm: Fanout.Qm,
  cluster_rnd: Fanout.Rnd,
} as const;
const DEFAULT_FRAMES = 16384;
/** Each is a thread of the capture process with an event loop and some 10 MB of its own. */
const MAX_THREADS = 256;
const MAX_RING_BYTES = 256 << 20;
/** Room a slot needs beside the MTU: ring header, address, link header, tags, virtio_net_hdr. */
const SLOT_OVERHEAD = 160;

/** @throws SluiceError SLUICE_INTERFACE in one line that names both sides and the mend; SLUICE_CONFIG when there are too many sources. */
export function planCapture(config: Config, facts: (name: string) => InterfaceFacts = native.interfaceFacts): CapturePlan {
  const warnings: string[] = [];
  const list = config.afPacket;
  const index = new Map(list.map((entry, i) => [entry.interface, i]));
  const found = list.map((entry) => {
    try {
      return facts(entry.interface);
    } catch (error) {
      throw new SluiceError(
        'SLUICE_INTERFACE',
        `af-packet interface ${named(entry)}: ${(error as NodeJS.ErrnoException).code === 'ENODEV' ? 'there is no such interface' : (error as Error).message}; see 'ip link' for the names on this machine`,
      );
    }
  });
  const interfaces = list.map((entry, i): PacketSourcePlan => {
    const peer = entry.copyMode === 'none' ? -1 : (index.get(entry.copyIface) ?? -1);
    if (peer >= 0) checkPair(entry, found[i], list[peer], found[peer]);
    if (!found[i].up)
      throw new SluiceError(
        'SLUICE_INTERFACE',
        `af-packet interface ${named(entry)} is down, nothing would ${peer >= 0 ? 'cross' : 'come in'}; 'ip link set ${entry.interface} up'`,
      );
    const vnet = peer >= 0 && config.sluice.gso !== false;
    if (peer >= 0 && !vnet && (found[i].gro || found[i].lro))
      warnings.push(
        `${entry.interface}: sluice.gso is no, but GRO or LRO is on: merged packets cannot leave; 'ethtool -K ${entry.interface} gro off lro off' or set sluice.gso: auto`,
      );
    if (peer < 0 && entry.copyMode !== 'none')
      throw new SluiceError(
        'SLUICE_INTERFACE',
        `af-packet ${entry.interface}: copy-iface ${entry.copyIface} has no entry of its own under af-packet; add one that copies back`,
      );
    const frameSize = slotSize(found[i].mtu);
    return {
      kind: 'af-packet',
      name: entry.interface,
      peer,
      mode: entry.copyMode === 'ips' ? Mode.Ips : Mode.Ids,
      vnet,
      frameSize,
      frameCount: Math.min(entry.ringSize || DEFAULT_FRAMES, Math.floor(MAX_RING_BYTES / frameSize)),
      receiveBuffer: entry.bufferSize || 16 << 20,
      threads: threadsOf(entry, peer >= 0 ? list[peer] : entry),
      clusterId: entry.clusterId,
      fanoutType: FANOUT_TYPES[entry.clusterType],
      fanoutDefrag: entry.defrag,
      promiscuous: entry.promisc,
      // auto: a pure listener has no route to those it hears; a bridge has none by nature.
      routed: peer < 0 && config.hostMode === 'router',
    };
  });
  const queues = config.nfq.queues.map((queue): QueueSourcePlan => ({ kind: 'nfqueue', name: `NFQ#${queue}`, mode: Mode.Ips, queue }));
  const logs = config.nflog.map((log): LogSourcePlan => ({ kind: 'nflog', name: `NFLOG#${log.group}`, mode: Mode.Ids, log }));
  const sources = [...interfaces, ...queues, ...logs];
  const threads = planThreads(sources);
  if (threads.length > MAX_THREADS)
    throw new SluiceError(
      'SLUICE_CONFIG',
      `${threads.length} capture threads (${interfaces.length} interfaces, ${queues.length} queues, ${logs.length} log groups), ${MAX_THREADS} is the most; give fewer queues with -q, or lower af-packet's threads`,
    );
  return { sources, threads, hashSeed: randomInt(2 ** 31), warnings };
}

/** The interface, and the one it is bridged to. */
function named(entry: AfPacketInterface): string {
  return entry.copyMode === 'none' ? entry.interface : `${entry.interface} (bridged to ${entry.copyIface})`;
}

function checkPair(a: AfPacketInterface, aFacts: InterfaceFacts, b: AfPacketInterface, bFacts: InterfaceFacts): void {
  if (aFacts.mtu !== bFacts.mtu)
    throw new SluiceError(
      'SLUICE_INTERFACE',
      `bridging ${a.interface} (MTU ${aFacts.mtu}) and ${b.interface} (MTU ${bFacts.mtu}): longer packets could not leave; give both the same, e.g. 'ip link set ${aFacts.mtu < bFacts.mtu ? a.interface : b.interface} mtu ${Math.max(aFacts.mtu, bFacts.mtu)}'`,
    );
  if (a.threads !== b.threads)
    throw new SluiceError(
      'SLUICE_INTERFACE',
      `bridging ${a.interface} (threads: ${a.threads || 'auto'}) and ${b.interface} (threads: ${b.threads || 'auto'}): sockets are peered one to one; give both the same number of threads`,
    );
  if (a.clusterId === b.clusterId)
    throw new SluiceError(
      'SLUICE_INTERFACE',
      `bridging ${a.interface} and ${b.interface}: both use cluster-id ${a.clusterId}, so the kernel would mix them in one fanout group; give each its own`,
    );
}

function slotSize(mtu: number): number {
  let size = 2048;
  while (size < mtu + SLOT_OVERHEAD && size < 16384) size *= 2;
  return size;
}

function threadsOf(entry: AfPacketInterface, peer: AfPacketInterface): number {
  return entry.threads || peer.threads || availableParallelism();
}

/** Pairs share threads: thread i of a pair owns socket i of both sides. IDS interfaces, queues and groups get their own. */
function planThreads(sources: SourcePlan[]): ThreadPlan[] {
  const threads: ThreadPlan[] = [];
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i];
    const { peer, threads: count } = source.kind === 'af-packet' ? source : { peer: -1, threads: 1 };
    if (peer >= 0 && peer < i) continue;
    for (let member = 0; member < count; member++)
      threads.push({ name: `C#${String(threads.length + 1).padStart(2, '0')}`, sources: peer >= 0 ? [i, peer] : [i] });
  }
  return threads;
}
