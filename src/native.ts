import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SluiceError } from './errors.js';

/**
 * The addon, typed. Memory is passed by region number and byte offset (see native/regions.h):
 * register a buffer once with `region`, then name it in every call.
 */
export interface Native {
  // ring/: memory shared between processes
  memfdCreate(name: string, bytes: number): number;
  mapFd(fd: number, bytes: number): ArrayBuffer;
  /** Number of a buffer for the calls below; the caller keeps the buffer alive. */
  region(buffer: ArrayBuffer): number;
  regionRelease(region: number): void;
  futexWait(words: Int32Array, index: number, expected: number, ms: number): void;
  futexWake(words: Int32Array, index: number): void;
  eventfd(): number;
  eventfdSignal(fd: number): void;
  closeFd(fd: number): void;

  // capture sockets of every kind; layouts of the Int32Arrays in src/capture/frames.ts
  /** Gives the frames of the call before back, then takes up to `max` from each of `count` sockets; returns how many. */
  sourceReceive(sockets: Int32Array, count: number, frames: Int32Array, max: number): number;
  /** Sleeps until a socket or the eventfd (-1: none) is ready, or `ms` have passed. */
  sourceWait(sockets: Int32Array, count: number, eventfd: number, ms: number): boolean;
  /** Nothing new arrives from now on; what has arrived can still be received. A queue refuses (fail-open: passes) what comes. */
  sourceCloseIntake(socket: number): void;
  sourceClose(socket: number): void;

  // af_packet/: peered sockets
  packetOpen(options: PacketSocketOptions): PacketSocketHandle;
  packetTransmit(socket: number, frames: Int32Array, count: number, result: Int32Array): number;
  packetStatistics(socket: number, out: Float64Array): void;
  packetDiscard(socket: number): number;

  // nfnetlink/: NFQUEUE, NFLOG, and answers to what came by them
  /** Throws EPERM (no CAP_NET_ADMIN), EBUSY (another socket holds the queue), EPROTONOSUPPORT or ENOENT (kernel without it), with the step. */
  queueOpen(options: QueueOptions): SourceHandle;
  /** Sends `count` verdicts in order, many per system call. Adds to result: messages sent, messages refused. */
  queueVerdict(socket: number, verdicts: Int32Array, count: number, result: Int32Array): void;
  /** Totals since the socket was opened, by QueueStat. */
  queueStatistics(socket: number, out: Float64Array): void;
  logOpen(options: LogOptions): SourceHandle;
  /** Totals: [messages missing by sequence number, ENOBUFS]. */
  logStatistics(socket: number, out: Float64Array): void;
  /** Opens this thread's raw sockets (IPv4, IPv6, link layer) for the two calls below; while the process has the right. */
  rawOpen(): void;
  /** Routes the complete IP packet; `device`: interface index for IPv6 link-local destinations. Returns 0 or an errno. */
  rawSend(region: number, offset: number, length: number, device: number): number;
  /** Sends a complete Ethernet frame out of the interface with that index. Returns 0 or an errno. */
  linkSend(region: number, offset: number, length: number, device: number): number;
  /** Copies `count` jobs [from region, from offset, to region, to offset, length]; returns how many were refused. */
  copyBatch(jobs: Int32Array, count: number): number;
  /**
   * Two int32, seconds and nanoseconds of CLOCK_REALTIME (the clock of packet timestamps): this thread's time as of
   * its last sourceReceive that brought something, packetTransmit, queueVerdict, sourceWait or clockRead.
   */
  clock(): ArrayBuffer;
  clockRead(): void;
  interfaceFacts(name: string): InterfaceFacts;

  // process/: rights and placement
  confine(uid: number, gid: number): void;
  /**
   * A thread that answers a queue needs CAP_NET_ADMIN for every verdict. keepNetAdmin before another thread calls
   * confine lets this thread keep it; raiseNetAdmin afterwards makes it effective, and gives all other rights up.
   */
  keepNetAdmin(): void;
  raiseNetAdmin(): void;
  pinThread(cpu: number): void;

  // traffic/: what the benchmarks measure with; each call blocks for a bounded time
  trafficFloor(a: string, b: string, seconds: number, vnet: boolean, batch: number): FloorResult;
  /** Accepts everything of one queue in batches: the NFQUEUE floor. batch 1: one verdict message per packet. */
  trafficQueueFloor(queue: number, seconds: number, batch: number, gso: boolean): FloorResult;
  trafficGenerate(iface: string, frameLength: number, seconds: number, flows: number, pps: number, ip: string, mac: string): number;
  trafficProbeSend(ip: string, port: number, pps: number, seconds: number, payload: number): number;
  trafficProbeReceive(port: number, seconds: number, idle: number, out: Float64Array): number;

  // matching/: multi-pattern literal search (Vectorscan, block mode)
  /**
   * Compiles one database. `patterns` are literal bytes; `nocase[i]` 1 = ASCII case-insensitive;
   * a hit reports `ids[i]`. Returns a handle of this thread. Throws with the compiler's message.
   */
  matchCompile(patterns: Uint8Array[], nocase: Uint8Array, ids: Uint32Array): number;
  /**
   * Scans region[offset, offset + length). Writes each id that occurs, once and in no order, to `out`;
   * returns how many (never more than out.length; -1 when out was too small: treat as "all").
   */
  matchScan(database: number, region: number, offset: number, length: number, out: Uint32Array): number;
  matchFree(database: number): void;
  /**
   * Compiles databases on `threads` threads while the caller waits; `bytes` are all literals of a set one after the
   * other, ids count from 0. Per set: the database as bytes, or why there is none.
   */
  matchBuild(sets: { bytes: Uint8Array; lengths: Uint32Array; nocase: Uint8Array }[], threads: number): (Uint8Array | string)[];
  /**
   * Handle of this thread on the process's database called `key`; the first who asks has it made from `database` (of
   * matchBuild, `ids` literals). Throws EMATCHER for bytes that are damaged or of another version or processor.
   */
  matchOpen(key: string, database: Uint8Array, ids: number): number;
  /** Library and processor: what bytes of matchBuild are good for. */
  matchVersion(): string;

  // pcre/: PCRE2 with JIT
  /** `pattern`: one char per byte (latin1). `flags`: letters i s m x A E G. Returns a handle of this thread; throws with position and message. */
  pcreCompile(pattern: string, flags: string, matchLimit: number, depthLimit: number): number;
  /**
   * Searches region[offset, offset + length) from `start` (relative to offset).
   * Returns the end of the match relative to offset (>= 0), -1 no match, -2 a limit was hit.
   */
  pcreMatch(regex: number, region: number, offset: number, length: number, start: number): number;
  /** Where the last match that `pcreMatch` returned began, relative to that call's offset. */
  pcreLastStart(): number;
  /** Where the first group of that match began (0) or ended (1), relative to that call's offset; -1 when it took no part. */
  pcreLastGroup(end: number): number;
  pcreFree(regex: number): void;

  // magic/: what libmagic says of a file's first bytes
  /** Opens libmagic for this thread; `library`: '' for its usual names. Throws EMAGIC with what was tried. May be called again. */
  magicOpen(library: string): void;
  /** Writes the description of region[offset, offset + length) to the other place, at most `room` bytes; returns how many, -1: none. */
  magicDescribe(region: number, offset: number, length: number, toRegion: number, toOffset: number, room: number): number;
}

export interface PacketSocketOptions {
  interface: string;
  vnet: boolean;
  promiscuous: boolean;
  /** Bytes per ring slot, a power of two; longer frames go through the overflow area. */
  frameSize: number;
  frameCount: number;
  receiveBuffer: number;
  /** -1: no fanout group. */
  fanoutId: number;
  /** PACKET_FANOUT_* */
  fanoutType: number;
  fanoutDefrag: boolean;
}

export interface PacketSocketHandle {
  handle: number;
  ring: ArrayBuffer;
  ringRegion: number;
  overflow: ArrayBuffer;
  overflowRegion: number;
}

/** A capture socket whose frames lie in one buffer. */
export interface SourceHandle {
  handle: number;
  buffer: ArrayBuffer;
  region: number;
}

export interface QueueOptions {
  queue: number;
  /** NFQA_CFG_QUEUE_MAXLEN, SO_RCVBUFFORCE, bytes copied per packet. */
  queueLength: number;
  receiveBuffer: number;
  copyRange: number;
  gso: boolean;
  failOpen: boolean;
}

export interface LogOptions {
  group: number;
  receiveBuffer: number;
  qthreshold: number;
  /** 1/100 s */
  qtimeout: number;
  /** NFULA_CFG_NLBUFSIZ: most bytes per message. */
  maxSize: number;
}

export interface InterfaceFacts {
  index: number;
  mtu: number;
  up: boolean;
  gro: boolean;
  gso: boolean;
  tso: boolean;
  lro: boolean;
  rxChecksum: boolean;
  txChecksum: boolean;
}

export interface FloorResult {
  frames: number;
  bytes: number;
  batches: number;
  errors: number;
  kernelDrops: number;
  cpuSeconds: number;
}

const require = createRequire(import.meta.url);

/** The package root: the nearest folder upwards with our package.json. */
export const ROOT = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'native', 'binding.gyp')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
})();

function load(): Native {
  const tried: string[] = [];
  const candidates = process.env.SLUICE_ADDON
    ? [process.env.SLUICE_ADDON]
    : [join(ROOT, 'native', 'build', 'Release', 'sluice.node'), join(ROOT, 'native', 'build', 'Debug', 'sluice.node')];
  for (const path of candidates) {
    try {
      return require(path) as Native;
    } catch (error) {
      tried.push(`${path} (${(error as Error).message.split('\n')[0]})`);
    }
  }
  throw new SluiceError('SLUICE_ADDON', `the native addon does not load, tried ${tried.join(', ')}; build it with 'npm run setup'`);
}

export const native: Native = load();
