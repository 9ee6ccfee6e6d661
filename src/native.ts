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

  // af_packet/: peered sockets; layouts of the Int32Arrays in src/capture/frames.ts
  packetOpen(options: PacketSocketOptions): PacketSocketHandle;
  /** Gives the frames of the call before back, then takes up to `max` from each of `count` sockets; returns how many. */
  packetReceive(sockets: Int32Array, count: number, frames: Int32Array, max: number): number;
  packetTransmit(socket: number, frames: Int32Array, count: number, result: Int32Array): number;
  /** Sleeps until a socket or the eventfd (-1: none) is ready, or `ms` have passed. */
  packetWait(sockets: Int32Array, count: number, eventfd: number, ms: number): boolean;
  packetStatistics(socket: number, out: Float64Array): void;
  packetDiscard(socket: number): number;
  packetCloseIntake(socket: number): void;
  packetClose(socket: number): void;
  /** Copies `count` jobs [from region, from offset, to region, to offset, length]; returns how many were refused. */
  copyBatch(jobs: Int32Array, count: number): number;
  /**
   * Two int32, seconds and nanoseconds of CLOCK_REALTIME (the clock of packet timestamps): this thread's time as of
   * its last packetReceive that brought something, packetTransmit, packetWait or clockRead.
   */
  clock(): ArrayBuffer;
  clockRead(): void;
  interfaceFacts(name: string): InterfaceFacts;

  // process/: rights and placement
  confine(uid: number, gid: number): void;
  pinThread(cpu: number): void;

  // traffic/: what the benchmarks measure with; each call blocks for a bounded time
  trafficFloor(a: string, b: string, seconds: number, vnet: boolean, batch: number): FloorResult;
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
  pcreFree(regex: number): void;
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
