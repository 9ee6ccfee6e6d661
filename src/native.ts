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
  /** `flags`: letters i s m x A E G. Returns a handle of this thread; throws with position and message. */
  pcreCompile(pattern: string, flags: string, matchLimit: number, depthLimit: number): number;
  /**
   * Searches region[offset, offset + length) from `start` (relative to offset).
   * Returns the end of the match relative to offset (>= 0), -1 no match, -2 a limit was hit.
   */
  pcreMatch(regex: number, region: number, offset: number, length: number, start: number): number;
  pcreFree(regex: number): void;
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
